//! Refusals and failures as problem documents (RFC 9457), built in one place.
//!
//! One rule tells the status codes apart:
//! - **400, 405, 413, 415**: the request is not one that can be asked. Nothing was decided.
//! - **401**: the token does not verify at this tenant. One body for every cause, so that a stranger learns nothing.
//! - **403**: the caller is known and policy says no. Also for things that are not there, so a refusal tells nothing about
//!   what is.
//! - **404**: no such route or tenant; or policy says yes and there is nothing there.
//! - **503**: the decision could not be recorded, so there is no answer.
//!
//! `type` is stable and made for programs; `detail` is made for people and may change.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::exchange::RECORD;
use super::observe::Outcome;
use crate::ids::RecordId;

/// What is wrong, by a stable name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A path that is not in canonical form.
    Path,
    /// A header that is missing, repeated or does not parse.
    Header,
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
    pub const ALL: [Self; 14] = [
        Self::Path,
        Self::Header,
        Self::Body,
        Self::TooLarge,
        Self::MediaType,
        Self::NotFound,
        Self::Method,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::Document,
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

/// A problem document.
#[derive(Clone, Debug)]
pub struct Problem {
    kind: Kind,
    detail: Option<String>,
    record: Option<RecordId>,
    reasons: Vec<Reason>,
    /// Whether the 401 answers a request that carried no credentials at all (RFC 6750, section 3).
    bare: bool,
    /// For the log line of the request only: the caller never sees it.
    cause: Option<Cause>,
    /// For the log line too: the decision the problem tells of.
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
}

impl Problem {
    /// A problem of `kind`, with no more to say.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            detail: None,
            record: None,
            reasons: Vec::new(),
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

    /// The same problem, with the decision for the log line.
    #[must_use]
    pub fn of(mut self, outcome: Outcome) -> Self {
        self.outcome = Some(Box::new(outcome));
        self
    }

    /// Policy said no; the record tells the auditor why, `reasons` the caller as far as they may know.
    pub fn forbidden(record: RecordId, reasons: Vec<Reason>) -> Self {
        Self {
            record: Some(record),
            reasons,
            ..Self::new(Kind::Forbidden)
        }
    }

    /// The same problem, with the record of the decision it follows.
    #[must_use]
    pub fn after(mut self, record: RecordId) -> Self {
        self.record = Some(record);
        self
    }

    /// What is wrong, by its stable name.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (name, status, title) = self.kind.parts();
        let body = Body {
            r#type: format!("urn:tidegate:problem:{name}"),
            title,
            status: status.as_u16(),
            detail: self.detail.as_deref(),
            instance: self.record.map(|record| format!("urn:uuid:{record}")),
            reasons: &self.reasons,
        };
        // Strings and numbers always serialise.
        let bytes = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (status, bytes).into_response();
        if let Some(cause) = self.cause {
            response.extensions_mut().insert(cause);
        }
        if let Some(outcome) = self.outcome {
            response.extensions_mut().insert(*outcome);
        }
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let record = self
            .record
            .and_then(|record| HeaderValue::from_str(&record.to_string()).ok());
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
