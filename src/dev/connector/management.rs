//! To the connector's operator: the part of EDC's management API (version 3) that Tidegate and the demo use.
//!
//! Bodies are read in the compact form with EDC's vocabulary as default, which is how EDC's own documentation writes them;
//! answers have the shape EDC's have. Every request carries the connector's API key in `X-Api-Key`.

mod offering;
mod processes;
mod query;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

pub(super) use self::query::select;
use super::message::put;
use super::{Answer, Call, Connector};

/// EDC's vocabulary.
const EDC: &str = "https://w3id.org/edc/v0.0.1/ns/";

/// Why a request of the operator is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    status: u16,
    kind: &'static str,
    message: String,
}

impl Fault {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self {
            status: 400,
            kind: "InvalidRequest",
            message: message.into(),
        }
    }

    pub(super) fn missing(what: &str, id: &str) -> Self {
        Self {
            status: 404,
            kind: "ObjectNotFound",
            message: format!("there is no {what} `{id}`"),
        }
    }

    pub(super) fn conflict(message: impl Into<String>) -> Self {
        Self {
            status: 409,
            kind: "ObjectConflict",
            message: message.into(),
        }
    }

    pub(super) fn peer(message: impl Into<String>) -> Self {
        Self {
            status: 502,
            kind: "BadGateway",
            message: message.into(),
        }
    }

    /// As EDC spells it in an answer.
    pub(super) fn answer(&self) -> Answer {
        let body = json!([{ "message": self.message, "type": self.kind, "path": null, "invalidValue": null }]);
        Answer::new(self.status, body)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

/// What a request of the operator leads to: a body with 200, or nothing with 204.
pub(super) type Done = Result<Option<Value>, Fault>;

impl Connector {
    /// Answers the operator.
    pub(super) async fn management(&self, call: Call<'_>) -> Answer {
        if !self.knows_key(call) {
            let message = "Request could not be authenticated".to_owned();
            let (status, kind) = (401, "AuthenticationFailed");
            return Fault { status, kind, message }.answer();
        }
        let segments: Vec<_> = call.path.split('/').collect();
        let [_version @ ("v3" | "v4" | "v4beta"), rest @ ..] = segments.as_slice() else {
            return Fault::missing("path", call.path).answer();
        };
        let done = match body(call.body) {
            Ok(body) => self.manage(call.method, rest, &body).await,
            Err(fault) => Err(fault),
        };
        match done {
            Ok(Some(body)) => Answer::new(200, body),
            Ok(None) => Answer::bare(204),
            Err(fault) => fault.answer(),
        }
    }

    /// Whether a request carries the connector's key.
    pub(super) fn knows_key(&self, call: Call<'_>) -> bool {
        let own = self.api_key().expose_secret().as_bytes();
        call.api_key
            .is_some_and(|key| verify_slices_are_equal(key.as_bytes(), own).is_ok())
    }

    async fn manage(&self, method: &str, path: &[&str], body: &Value) -> Done {
        match (method, path) {
            (
                _,
                [
                    "assets" | "policydefinitions" | "contractdefinitions" | "dataplanes",
                    ..,
                ],
            ) => self.manage_offering(method, path, body),
            ("POST", ["catalog", "request"]) => self.manage_catalog(body).await,
            (_, ["contractnegotiations", rest @ ..]) => self.manage_negotiations(method, rest, body).await,
            (_, ["contractagreements", rest @ ..]) => self.manage_agreements(method, rest, body),
            (_, ["transferprocesses", rest @ ..]) => self.manage_transfers(method, rest, body).await,
            ("GET", ["edrs", id, "dataaddress"]) => self.manage_address(id),
            _ => Err(Fault::missing("path", &path.join("/"))),
        }
    }
}

fn body(bytes: &[u8]) -> Result<Value, Fault> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let body = crate::json::parse(bytes).map_err(|error| Fault::invalid(error.to_string()))?;
    if body.is_object() {
        Ok(body)
    } else {
        Err(Fault::invalid("expected a JSON object"))
    }
}

/// A member, bare or with EDC's prefix or namespace.
fn member<'v>(body: &'v Value, name: &str) -> Option<&'v Value> {
    body.get(name)
        .or_else(|| body.get(format!("edc:{name}")))
        .or_else(|| body.get(format!("{EDC}{name}")))
}

/// A member that must be a text.
fn text<'v>(body: &'v Value, name: &str) -> Result<&'v str, Fault> {
    let found = member(body, name).and_then(Value::as_str);
    found.ok_or_else(|| Fault::invalid(format!("the member `{name}` is missing, or no text")))
}

/// The answer to a creation.
fn created(id: &str, at: jiff::Timestamp) -> Value {
    in_edc(json!({ "@type": "IdResponse", "@id": id, "createdAt": at.as_millisecond() }))
}

/// The same object with EDC's vocabulary for context.
fn in_edc(mut object: Value) -> Value {
    let context = json!({ "@vocab": EDC, "edc": EDC, "odrl": "http://www.w3.org/ns/odrl/2/" });
    put(&mut object, "@context", context);
    object
}
