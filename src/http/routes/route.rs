//! What a route is: how it is called, what it takes and what it answers.

use axum::routing::MethodRouter;

use crate::http::Shared;
use crate::http::problem::Kind;

/// Who may call a route with success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Anyone: it tells nothing of any tenant.
    Anyone,
    /// The tenant's own connector, with a machine token.
    Connector,
    /// A supplier system of the tenant, with a machine token, a key or a client certificate.
    Integration,
    /// A person of the tenant, with a user token.
    Person,
    /// A partner, with a secret it was handed out: the refresh token of a data flow, or that of a client of its own.
    Partner,
    /// A partner, with the token of a client of its own at the PACT endpoint. Errors are in PACT's words.
    PactClient,
}

/// The methods routes have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
}

impl Method {
    /// The method as it stands in a request.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// A query parameter.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Whether it must stand.
    pub required: bool,
    /// Whether it may stand more than once.
    pub repeated: bool,
    /// What it is.
    pub about: &'static str,
}

/// What a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// A JSON document.
    Document,
    /// A JSON document, an array of them, or one on each line.
    Documents,
    /// A JSON document, or nothing.
    Remark,
    /// A form, which may stand in the query too.
    Form,
    /// A CloudEvent in structured mode.
    Event,
}

/// One route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// A stable name, for logs, metrics and the API description.
    pub name: &'static str,
    /// The method.
    pub method: Method,
    /// The path, with `{…}` for its variable parts.
    pub path: &'static str,
    /// Who may call it.
    pub caller: Caller,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// The status of success.
    pub success: u16,
    /// The media type of success.
    pub answers: &'static str,
    /// The query parameters it knows.
    pub query: &'static [Parameter],
    /// What it takes.
    pub body: Option<Carried>,
    /// What it tells in JSON by another status than that of success, and not as a problem: the status, and when.
    pub otherwise: Option<(u16, &'static str)>,
    /// What it refuses with besides what every route of its callers does.
    pub refuses: &'static [Kind],
    /// Whether it is there for older clients only.
    pub deprecated: bool,
    /// Whether it exists in dev mode only.
    pub dev_only: bool,
    pub(super) mount: fn() -> MethodRouter<Shared>,
}

const JSON: &str = "application/json";

/// A route that answers 200 with JSON, takes nothing and refuses as every one of its callers is refused.
pub(super) const fn route(
    name: &'static str,
    method: Method,
    path: &'static str,
    caller: Caller,
    summary: &'static str,
    mount: fn() -> MethodRouter<Shared>,
) -> Route {
    Route {
        name,
        method,
        path,
        caller,
        summary,
        success: 200,
        answers: JSON,
        query: &[],
        body: None,
        otherwise: None,
        refuses: &[],
        deprecated: false,
        dev_only: false,
        mount,
    }
}

/// A query parameter that may stand.
pub(super) const fn optional(name: &'static str, about: &'static str) -> Parameter {
    Parameter {
        name,
        required: false,
        repeated: false,
        about,
    }
}

/// A query parameter that may stand, and more than once.
pub(super) const fn repeated(name: &'static str, about: &'static str) -> Parameter {
    Parameter {
        repeated: true,
        ..optional(name, about)
    }
}

/// A query parameter that must stand.
pub(super) const fn required(name: &'static str, about: &'static str) -> Parameter {
    Parameter {
        name,
        required: true,
        repeated: false,
        about,
    }
}
