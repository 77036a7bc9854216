//! Who calls: from headers to verified facts.
//!
//! The tenant of the route picks the one verifier ([`TenantGate`]); nothing in the token does. A token that does not verify
//! there gets one answer whatever the cause; the cause goes to the log and a metric as a stable code.

use std::sync::Arc;

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName};
use jiff::Timestamp;
use metrics::counter;

use super::problem::{Kind, Problem};
use crate::facts::{ClientKind, JwksSource, MachineToken, TenantVerifier, TokenError, UserToken, bearer};
use crate::ids::{IdError, RequestId, TenantId};
use crate::ledger::record::Request;
use crate::question::ask::UserFacts;
use crate::registry::{Registry, TenantWorld};
use crate::telemetry;

/// The verifier of one tenant and the source of its issuer's keys.
#[derive(Debug)]
pub struct TenantGate {
    verifier: TenantVerifier,
    keys: JwksSource,
}

impl TenantGate {
    /// Joins a verifier with the source of its keys.
    pub fn new(verifier: TenantVerifier, keys: JwksSource) -> Self {
        Self { verifier, keys }
    }

    /// The source of its keys.
    pub fn keys(&self) -> &JwksSource {
        &self.keys
    }

    /// Verifies with the keys at hand, and once more with fresh ones where the token names a key not yet known.
    async fn verify<T>(
        &self,
        now: Timestamp,
        check: impl Fn(&TenantVerifier) -> Result<T, TokenError>,
    ) -> Result<T, Problem> {
        let upstream = |error| {
            tracing::error!(tenant = %self.verifier.facts().tenant, error = %error, "no keys of the issuer");
            Problem::with(Kind::Upstream, "the keys of the tenant's issuer cannot be had")
        };
        let keys = self.keys.keys(now).await.map_err(upstream)?;
        match check(&self.verifier.with_keys(keys.clone())) {
            Err(TokenError::UnknownKey) => {
                let fresh = self.keys.after_unknown_key(&keys, now).await.map_err(upstream)?;
                check(&self.verifier.with_keys(fresh)).map_err(refused)
            }
            result => result.map_err(refused),
        }
    }
}

fn refused(error: TokenError) -> Problem {
    counter!(telemetry::TOKEN_REFUSALS, "code" => error.code()).increment(1);
    Problem::unauthenticated(true).because(error.code())
}

/// The tenant a route names, where it is on the platform.
///
/// # Errors
/// 404: the name is not a BPNL, or not that of a tenant. The two look alike.
pub fn tenant<'r>(registry: &'r Registry, bpnl: &str) -> Result<&'r Arc<TenantWorld>, Problem> {
    let tenant: TenantId = bpnl.parse().map_err(|_| Problem::new(Kind::NotFound))?;
    registry.tenant(tenant).ok_or(Problem::new(Kind::NotFound))
}

/// The one value of a header that must stand exactly once.
///
/// # Errors
/// 400: it is missing, repeated, or not text.
pub fn one_header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h str, Problem> {
    optional_header(headers, name)?
        .ok_or_else(|| Problem::with(Kind::Header, format!("the header `{name}` is missing")))
}

/// The value of a header that may stand once.
///
/// # Errors
/// 400: it is repeated or not text.
pub fn optional_header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::with(
            Kind::Header,
            format!("the header `{name}` stands more than once"),
        ));
    }
    let text = value.to_str();
    text.map(Some)
        .map_err(|_| Problem::with(Kind::Header, format!("the header `{name}` is not ASCII text")))
}

/// A header's value read as an identifier.
///
/// # Errors
/// 400: it is missing, repeated, or does not parse; the answer says what is expected.
pub fn id_header<T: std::str::FromStr<Err = IdError>>(headers: &HeaderMap, name: &HeaderName) -> Result<T, Problem> {
    let text = one_header(headers, name)?;
    text.parse()
        .map_err(|error| Problem::with(Kind::Header, format!("the header `{name}`: {error}")))
}

/// A header's value read as an identifier, where the header stands.
///
/// # Errors
/// 400: it is repeated, or does not parse; the answer says what is expected.
pub fn optional_id_header<T: std::str::FromStr<Err = IdError>>(
    headers: &HeaderMap,
    name: &HeaderName,
) -> Result<Option<T>, Problem> {
    let wrong = |error: IdError| Problem::with(Kind::Header, format!("the header `{name}`: {error}"));
    optional_header(headers, name)?
        .map(|text| text.parse().map_err(wrong))
        .transpose()
}

/// The bearer token of a request.
///
/// # Errors
/// 401: there is none, or the header does not read.
pub(super) fn token(headers: &HeaderMap) -> Result<&str, Problem> {
    token_as(headers, bearer)
}

/// As [`token`], where `read` finds the token in the header.
///
/// # Errors
/// As for [`token`].
pub(super) fn token_as<'h>(
    headers: &'h HeaderMap,
    read: impl FnOnce(&'h str) -> Result<&'h str, TokenError>,
) -> Result<&'h str, Problem> {
    // A repeated or unreadable Authorization header is a token that does not verify, no more and no less.
    match optional_header(headers, &AUTHORIZATION) {
        Ok(Some(value)) => read(value).map_err(refused),
        Ok(None) => {
            counter!(telemetry::TOKEN_REFUSALS, "code" => "missing").increment(1);
            Err(Problem::unauthenticated(false).because("missing"))
        }
        Err(_) => Err(refused(TokenError::Authorization)),
    }
}

impl super::App {
    fn tenant_gate(&self, tenant: TenantId) -> Result<Arc<TenantGate>, Problem> {
        let registry = self.registry.current();
        // Who is no tenant has no issuer, so no token of it can be valid.
        let world = registry.tenant(tenant).ok_or_else(|| Problem::unauthenticated(true))?;
        self.gates.of(world, &self.issuers).map_err(|error| {
            tracing::error!(%tenant, %error, "the tokens of a tenant cannot be verified");
            Problem::with(Kind::Upstream, "the keys of the tenant's issuer cannot be had")
        })
    }

    /// The machine whose token the request carries, verified by the tenant of the route.
    ///
    /// # Errors
    /// 401 for every token that is not one of this tenant's machines of this kind with this scope.
    pub async fn machine(
        &self,
        headers: &HeaderMap,
        tenant: TenantId,
        kind: ClientKind,
        scope: &str,
        now: Timestamp,
    ) -> Result<MachineToken, Problem> {
        let token = token(headers)?;
        let gate = self.tenant_gate(tenant)?;
        let machine = gate
            .verify(now, |verifier| verifier.verify_machine(token, scope, now))
            .await?;
        if machine.kind() == kind {
            Ok(machine)
        } else {
            Err(refused(TokenError::Client))
        }
    }

    /// The person whose token the request carries, verified by the tenant of the route.
    ///
    /// # Errors
    /// 401 for every token that is not one of this tenant's people.
    pub async fn person(&self, headers: &HeaderMap, tenant: TenantId, now: Timestamp) -> Result<UserToken, Problem> {
        let token = token(headers)?;
        self.tenant_gate(tenant)?
            .verify(now, |verifier| verifier.verify_user(token, now))
            .await
    }
}

/// What a question says of a person of a tenant.
pub(super) fn user<'p>(world: &'p TenantWorld, person: &'p UserToken) -> UserFacts<'p> {
    UserFacts {
        tenant: &world.tenant,
        name: person.user(),
        roles: person.roles(),
    }
}

/// The request's own id and trace, as the ledger records them.
/// The problem, where there is one, is an `X-Request-ID` that is repeated or not an id; the request goes by a new id then.
pub fn request_facts(headers: &HeaderMap) -> (Request, Option<Problem>) {
    const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
    const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
    // A trace context that is not one starts no trace and refuses no request (W3C Trace Context, section 3.2).
    let traceparent = optional_header(headers, &TRACEPARENT)
        .ok()
        .flatten()
        .filter(|text| is_traceparent(text));
    let traceparent = traceparent.map(str::to_owned);
    let sent = optional_header(headers, &REQUEST_ID).and_then(|text| {
        let wrong = |error: IdError| Problem::with(Kind::Header, format!("the header `x-request-id`: {error}"));
        text.map(|text| text.parse().map_err(wrong)).transpose()
    });
    let (id, problem) = match sent {
        Ok(id) => (id, None),
        Err(problem) => (None, Some(problem)),
    };
    (
        Request {
            id: id.unwrap_or_else(RequestId::new),
            traceparent,
        },
        problem,
    )
}

/// `00-{trace id}-{span id}-{flags}`, in lower case, with ids that are not all zeroes.
fn is_traceparent(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let [version, trace, span, flags] = parts.as_slice() else {
        return false;
    };
    let hexadecimal = |part: &str, length| {
        part.len() == length
            && part
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    *version == "00"
        && hexadecimal(trace, 32)
        && hexadecimal(span, 16)
        && hexadecimal(flags, 2)
        && trace.bytes().any(|byte| byte != b'0')
        && span.bytes().any(|byte| byte != b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_exact_or_not_one() {
        assert!(is_traceparent(
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        ));
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        ] {
            assert!(!is_traceparent(bad), "{bad}");
        }
    }

    #[test]
    fn a_header_that_must_stand_once_stands_once() {
        const NAME: HeaderName = HeaderName::from_static("edc-bpn");
        let mut headers = HeaderMap::new();
        assert!(one_header(&headers, &NAME).is_err());
        headers.append(NAME, "BPNL00000000C3EF".parse().unwrap());
        assert_eq!(one_header(&headers, &NAME).unwrap(), "BPNL00000000C3EF");
        headers.append(NAME, "BPNL00000000C3EF".parse().unwrap());
        assert!(one_header(&headers, &NAME).is_err());
    }
}
