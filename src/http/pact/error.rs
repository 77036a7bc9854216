//! Errors as PACT has them: `{"code": …, "message": …}`.
//!
//! Whatever goes wrong below `3/` of a tenant's endpoint, before its handler, in it or around it, is a problem document first, as
//! everywhere, and is written in PACT's words where the answer leaves. Status and headers stay: the record of a decision, the challenge
//! of a 401.

use axum::Json;
use axum::http::header::CONTENT_LENGTH;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::facts::edr::EdrError;
use crate::http::problem::{Cause, Kind, Reason};

/// What a problem tells, for whoever writes it in other words. It travels with the answer and not to the caller.
#[derive(Clone, Debug)]
pub(in crate::http) struct Spoken {
    /// What is wrong.
    pub(in crate::http) kind: Kind,
    /// The sentence for people.
    pub(in crate::http) detail: Option<String>,
    /// Why policy said no, as far as the caller may know.
    pub(in crate::http) reasons: Vec<Reason>,
    /// The cause, for the log.
    pub(in crate::http) cause: Option<Cause>,
}

/// Whether the answers at this path are in PACT's words.
pub(in crate::http) fn speaks(path: &str) -> bool {
    let mut segments = path.strip_prefix("/exchange/").unwrap_or_default().split('/');
    segments.next().is_some_and(|tenant| !tenant.is_empty()) && segments.next() == Some("3")
}

/// The answer, where it is a problem, in PACT's words.
pub(in crate::http) fn translate(mut response: Response) -> Response {
    let Some(spoken) = response.extensions_mut().remove::<Spoken>() else {
        return response;
    };
    let body = json!({ "code": spoken.code(), "message": spoken.message() });
    let (mut parts, _) = response.into_parts();
    let (written, body) = Json(body).into_response().into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.extend(written.headers);
    Response::from_parts(parts, body)
}

impl Spoken {
    /// The code, of those PACT has.
    fn code(&self) -> &'static str {
        let expired = self.cause.is_some_and(|Cause(code)| code == EdrError::Expired.code());
        match self.kind {
            Kind::Unauthenticated if expired => "TokenExpired",
            Kind::Forbidden => "AccessDenied",
            Kind::NotFound => "NotFound",
            Kind::Unsupported => "NotImplemented",
            Kind::Unanswerable | Kind::Busy | Kind::Timeout | Kind::Unrecorded | Kind::Upstream | Kind::Internal => {
                "InternalError"
            }
            Kind::Path
            | Kind::Header
            | Kind::Query
            | Kind::Body
            | Kind::TooLarge
            | Kind::MediaType
            | Kind::Method
            | Kind::Unauthenticated
            | Kind::Document
            | Kind::Model
            | Kind::Conflict
            | Kind::Flow => "BadRequest",
        }
    }

    fn message(&self) -> String {
        let (_, _, title) = self.kind.parts();
        let said = self.detail.as_deref().unwrap_or(title);
        let reasons: Vec<&str> = self.reasons.iter().map(|reason| reason.why.as_str()).collect();
        match reasons.is_empty() {
            true => said.to_owned(),
            false => format!("{said}: {}", reasons.join(" ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pact_is_spoken_below_3_and_nowhere_else() {
        for path in [
            "/exchange/BPNL000000000DWF/3/footprints",
            "/exchange/x/3/events",
            "/exchange/x/3",
        ] {
            assert!(speaks(path), "{path}");
        }
        for path in [
            "/exchange/BPNL000000000DWF/auth/token",
            "/exchange/BPNL000000000DWF/pcf/3/submodel/$value",
            "/exchange//3/footprints",
            "/3/footprints",
            "/",
        ] {
            assert!(!speaks(path), "{path}");
        }
    }
}
