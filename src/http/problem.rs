//! Refusals and failures as problem documents (RFC 9457), built in one place.
//!
//! One rule tells the status codes apart:
//! - **400, 405, 413, 415**: the request is not one that can be asked. Nothing was decided.
//! - **401**: the token does not verify at this tenant. One body for every cause, so that a stranger learns nothing.
//! - **403**: the caller is known and policy says no. Also for things that are not there, so a refusal tells nothing about
//!   what is.
//! - **404**: no such route or tenant; or policy says yes and there is nothing there.
//! - **409**: policy says yes, but the same id stands for something else already.
//! - **422**: the document is not one that can be taken; or policy says yes, and there is no footprint of the version asked for.
//! - **503**: the decision could not be recorded, so there is no answer; or policy says yes, and no answer could ever be sent.
//!
//! `type` is stable and made for programs; `detail` is made for people and may change.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::exchange::RECORD;
use super::observe::Outcome;
use super::pact::Spoken;
use crate::decide::Recorded;
use crate::ids::TenantId;
use crate::pcf::Flaw;

/// What is wrong, by a stable name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A path that is not in canonical form.
    Path,
    /// A header that is missing, repeated or does not parse.
    Header,
    /// A query parameter that is missing, unknown, repeated or does not parse.
    Query,
    /// A body that does not parse.
    Body,
    /// A body larger than is taken.
    TooLarge,
    /// A body of a media type that is not taken.
    MediaType,
    /// No route, no tenant, or nothing there.
    NotFound,
    /// The route knows other methods.
    Method,
    /// No token that verifies here.
    Unauthenticated,
    /// Policy says no.
    Forbidden,
    /// A document that is not what it should be.
    Document,
    /// There is a footprint, but none that is valid in the version of the model asked for.
    Model,
    /// What is asked contradicts what was asked under the same id before.
    Conflict,
    /// A message that does not fit where its data flow stands.
    Flow,
    /// Something the standard has and this service does not do.
    Unsupported,
    /// An answer is to be sent later, and there is nowhere it could be sent, or no way.
    Unanswerable,
    /// As much as can be done at once is being done.
    Busy,
    /// The request took too long.
    Timeout,
    /// The decision could not be recorded.
    Unrecorded,
    /// Something behind Tidegate failed.
    Upstream,
    /// A fault of the program itself.
    Internal,
}

impl Kind {
    /// Every kind, for the API description.
    pub const ALL: [Self; 21] = [
        Self::Path,
        Self::Header,
        Self::Query,
        Self::Body,
        Self::TooLarge,
        Self::MediaType,
        Self::NotFound,
        Self::Method,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::Document,
        Self::Model,
        Self::Conflict,
        Self::Flow,
        Self::Unsupported,
        Self::Unanswerable,
        Self::Busy,
        Self::Timeout,
        Self::Unrecorded,
        Self::Upstream,
        Self::Internal,
    ];

    /// The last part of `type`, the status and the title.
    pub fn parts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::Path => ("path", StatusCode::BAD_REQUEST, "The path is not in canonical form"),
            Self::Header => (
                "header",
                StatusCode::BAD_REQUEST,
                "A header is missing, repeated or malformed",
            ),
            Self::Query => (
                "query",
                StatusCode::BAD_REQUEST,
                "A query parameter is missing, unknown, repeated or malformed",
            ),
            Self::Body => ("body", StatusCode::BAD_REQUEST, "The body does not parse"),
            Self::TooLarge => ("too-large", StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
            Self::MediaType => (
                "media-type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The media type is not taken here",
            ),
            Self::NotFound => ("not-found", StatusCode::NOT_FOUND, "There is nothing here"),
            Self::Method => ("method", StatusCode::METHOD_NOT_ALLOWED, "The method is not known here"),
            Self::Unauthenticated => (
                "unauthenticated",
                StatusCode::UNAUTHORIZED,
                "The request carries no token that is valid here",
            ),
            Self::Forbidden => ("forbidden", StatusCode::FORBIDDEN, "Policy does not permit this"),
            Self::Document => (
                "document",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The document cannot be taken",
            ),
            Self::Model => (
                "model",
                StatusCode::UNPROCESSABLE_ENTITY,
                "There is no footprint that is valid in the version of the model asked for",
            ),
            Self::Conflict => (
                "conflict",
                StatusCode::CONFLICT,
                "The same id stands for something else already",
            ),
            Self::Flow => (
                "flow",
                StatusCode::BAD_REQUEST,
                "The message does not fit where the data flow stands",
            ),
            Self::Unsupported => (
                "unsupported",
                StatusCode::BAD_REQUEST,
                "This service does not do what is asked",
            ),
            Self::Unanswerable => (
                "unanswerable",
                StatusCode::SERVICE_UNAVAILABLE,
                "No answer could be sent",
            ),
            Self::Busy => ("busy", StatusCode::SERVICE_UNAVAILABLE, "Too much at once"),
            Self::Timeout => ("timeout", StatusCode::SERVICE_UNAVAILABLE, "The request took too long"),
            Self::Unrecorded => (
                "unrecorded",
                StatusCode::SERVICE_UNAVAILABLE,
                "The decision could not be recorded",
            ),
            Self::Upstream => ("upstream", StatusCode::BAD_GATEWAY, "A system behind Tidegate failed"),
            Self::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR, "Tidegate failed"),
        }
    }
}

/// Why policy said no, as far as the caller may know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The id of a policy that determined the decision.
    pub policy: String,
    /// What that policy is for.
    pub why: String,
}

/// What a problem tells besides, for programs.
#[derive(Clone, Debug, Default, Serialize)]
struct More {
    /// The parameter that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'static str>,
    /// What in a document is wrong, by pointer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Pointed>,
    /// The versions of the model that there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    versions: Option<Vec<String>>,
}

/// One error of a document, spelled as RFC 9457 spells it in its example.
#[derive(Clone, Debug, Serialize)]
struct Pointed {
    detail: String,
    pointer: String,
}

/// A problem document.
#[derive(Clone, Debug)]
pub struct Problem {
    kind: Kind,
    detail: Option<String>,
    reasons: Vec<Reason>,
    more: Option<Box<More>>,
    /// Whether the 401 answers a request that carried no credentials at all (RFC 6750, section 3).
    bare: bool,
    /// For the log line of the request only: the caller never sees it.
    cause: Option<Cause>,
    /// The decision that it follows. The answer names its record, and the log line tells of it.
    outcome: Option<Box<Outcome>>,
}

/// Why a request was refused, as a stable code for the log line; never part of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause(pub &'static str);

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    #[serde(skip_serializing_if = "<[Reason]>::is_empty")]
    reasons: &'a [Reason],
    #[serde(flatten)]
    more: Option<&'a More>,
}

impl Problem {
    /// A problem of `kind`, with no more to say.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            detail: None,
            reasons: Vec::new(),
            more: None,
            bare: false,
            cause: None,
            outcome: None,
        }
    }

    /// A problem of `kind` with a sentence for people: what is wrong, where, and how to mend it.
    pub fn with(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..Self::new(kind)
        }
    }

    /// The one answer to every request whose token does not verify at the tenant of the route.
    pub fn unauthenticated(carried_credentials: bool) -> Self {
        Self {
            bare: !carried_credentials,
            ..Self::new(Kind::Unauthenticated)
        }
    }

    /// The same problem, with the cause for the log line.
    #[must_use]
    pub fn because(mut self, cause: &'static str) -> Self {
        self.cause = Some(Cause(cause));
        self
    }

    /// The same problem, about what is `tenant`'s: for the log line.
    #[must_use]
    pub fn about(mut self, tenant: TenantId) -> Self {
        self.outcome = self.outcome.map(|outcome| Box::new(outcome.about(tenant)));
        self
    }

    /// Policy said no; the record tells the auditor why, `reasons` the caller as far as they may know.
    pub fn forbidden(recorded: &Recorded, reasons: Vec<Reason>) -> Self {
        Self {
            reasons,
            ..Self::new(Kind::Forbidden).after(recorded)
        }
    }

    /// The same problem, with the decision it follows.
    #[must_use]
    pub fn after(mut self, recorded: &Recorded) -> Self {
        self.outcome = Some(Box::new(Outcome::of(recorded)));
        self
    }

    /// The same problem, with the name of the parameter that is wrong.
    #[must_use]
    pub fn parameter(mut self, name: &'static str) -> Self {
        self.more.get_or_insert_default().parameter = Some(name);
        self
    }

    /// The same problem, with what is wrong with a document.
    #[must_use]
    pub fn flaws(mut self, flaws: Vec<Flaw>) -> Self {
        let pointed = flaws.into_iter().map(|flaw| Pointed {
            detail: flaw.problem,
            pointer: format!("#{}", flaw.at),
        });
        self.more.get_or_insert_default().errors = pointed.collect();
        self
    }

    /// The same problem, with the versions of the model that there are.
    #[must_use]
    pub fn versions(mut self, versions: impl IntoIterator<Item = String>) -> Self {
        self.more.get_or_insert_default().versions = Some(versions.into_iter().collect());
        self
    }

    /// The same problem, with a sentence for people.
    #[must_use]
    pub fn saying(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// What the caller is told, as the body has it.
    pub fn told(&self) -> impl Serialize + '_ {
        let (name, status, title) = self.kind.parts();
        let record = self.outcome.as_ref().map(|outcome| outcome.record);
        Body {
            r#type: format!("urn:tidegate:problem:{name}"),
            title,
            status: status.as_u16(),
            detail: self.detail.as_deref(),
            instance: record.map(|record| format!("urn:uuid:{record}")),
            reasons: &self.reasons,
            more: self.more.as_deref(),
        }
    }

    /// What is wrong, by its stable name.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (_, status, _) = self.kind.parts();
        let record = self.outcome.as_ref().map(|outcome| outcome.record);
        // Strings and numbers always serialise.
        let bytes = serde_json::to_vec(&self.told()).unwrap_or_default();
        let mut response = (status, bytes).into_response();
        if let Some(cause) = self.cause {
            response.extensions_mut().insert(cause);
        }
        response.extensions_mut().insert(Spoken {
            kind: self.kind,
            detail: self.detail,
            reasons: self.reasons,
            cause: self.cause,
        });
        if let Some(outcome) = self.outcome {
            response.extensions_mut().insert(*outcome);
        }
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let record = record.and_then(|record| HeaderValue::from_str(&record.to_string()).ok());
        headers.extend(record.map(|record| (RECORD, record)));
        if self.kind == Kind::Unauthenticated {
            let challenge = if self.bare {
                "Bearer"
            } else {
                "Bearer error=\"invalid_token\""
            };
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}
