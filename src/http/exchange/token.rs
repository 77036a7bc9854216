//! The next token: `POST /exchange/{bpnl}/token`, where the address of a data flow says that tokens are renewed.
//!
//! The consumer shows the refresh token it was handed with the last one. It names its flow; the flow must be started, and
//! the refresh token the one given last, or the one before as long as that last one has not been used: an answer that got lost
//! loses nothing, and two who ask at once get the same. So it is with a break, too: while a flow is suspended nothing is renewed, and afterwards
//! the refresh token of before is good again. One that was used before those ends all tokens of the flow. `transfer` is asked again, for an
//! agreement may have changed since. RFC 6749, section 6; the parameters stand in the
//! body, or in the query as the data space's protocol shows it and Tractus-X does it.
//!
//! Where the partner's DID is on record, the consumer proves itself as well, with a token signed by a key of that DID
//! ([`did`](crate::facts::did)), as Tractus-X's connector does. Where none is, what proves the caller is the refresh token alone, a secret
//! of 256 random bits that only the consumer's connector was handed.

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use metrics::counter;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::dataspace::flow::{Flow, Worth};
use crate::http::caller::{self, tenant};
use crate::http::dataflows::{Granting, failed};
use crate::http::decided::{recorded_answer, unkept_answer};
use crate::http::ingest::read_body;
use crate::http::problem::{Kind, Problem};
use crate::http::{App, Shared};
use crate::ledger::record::Request;
use crate::registry::{Registry, TenantWorld};
use crate::telemetry;

/// The greatest size of a request for a token.
const MAX_FORM: usize = 16 * 1024;

/// `POST /exchange/{bpnl}/token`
pub(in crate::http) async fn token(
    State(app): State<Shared>,
    Path(bpnl): Path<String>,
    RawQuery(query): RawQuery,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let registry = app.registry.current();
    let world = tenant(&registry, &bpnl)?;
    let id = world.tenant.id;
    let body = read_body(body, MAX_FORM).await?;
    let form = String::from_utf8(body).unwrap_or_default();
    let asked = if form.trim().is_empty() {
        query.unwrap_or_default()
    } else {
        form
    };
    let Some(refresh_token) = refresh_token(&asked) else {
        return Ok(refused("unsupported_grant_type"));
    };
    let Some(shown) = app.dataspace.keys.read_refresh_token(id, &refresh_token) else {
        return Ok(refused("invalid_grant"));
    };
    let Ok(flow) = app.dataspace.flows.find(id, &shown.flow).await else {
        return Ok(refused("invalid_grant"));
    };
    match flow.worth(shown.number) {
        Worth::Nothing => return Ok(refused("invalid_grant")),
        Worth::Spent => return app.spent(&registry, &flow, shown.number, &request).await,
        Worth::Good => {}
    }
    if let Some(refusal) = app.unproven(&headers, &registry, world, &flow, now).await? {
        return Ok(refusal);
    }
    let known = flow.partner(&registry, now);
    // The one after it, whichever of the two good ones it is.
    let granting = Granting::of(world, &flow, known.as_ref(), shown.number + 1, now);
    let granted = app.grant(&granting, &request).await?;
    let issued = granted.issued;
    let renew = |flow: &mut Flow| Ok(flow.renews(shown.number) && flow.issue(issued, now));
    let renewed = app.dataspace.flows.change(id, &flow.id, renew).await;
    if !matches!(renewed, Ok((_, true))) {
        // It was suspended or ended meanwhile, or the next one was used.
        return Ok(refused("invalid_grant"));
    }
    let answer = json!({
        "access_token": granted.token.expose_secret(),
        "token_type": "bearer",
        "expires_in": granted.expires_in,
        "refresh_token": granted.refresh_token.expose_secret(),
    });
    Ok(recorded_answer(unkept_answer(answer), id, &granted.permit))
}

impl App {
    /// The refusal of a refresh token that was used, and after it the one that was given for it: two hold what one was handed. Which
    /// of them is the thief cannot be known, so both lose it and all tokens of the flow (RFC 9700, section 4.14.2); but not where
    /// renewing takes the partner's signature, for then the secret alone is of no use to anyone else.
    async fn spent(
        &self,
        registry: &Registry,
        flow: &Flow,
        number: u64,
        request: &Request,
    ) -> Result<Response, Problem> {
        let partner = registry.partner(flow.partner);
        if partner.is_some_and(|partner| partner.did.is_some()) {
            return Ok(refused("invalid_grant"));
        }
        counter!(telemetry::TOKEN_REFUSALS, "code" => "refresh-spent").increment(1);
        tracing::warn!(tenant = %flow.tenant, flow = %flow.id, partner = %flow.partner, "a spent refresh token was shown; all tokens of its flow were ended");
        let reason = "a spent refresh token was shown: all tokens ended";
        self.record_flow(flow, flow.state, Some(reason), Some(request)).await?;
        let end = |flow: &mut Flow| {
            if flow.worth(number) == Worth::Spent {
                flow.end_tokens();
            }
            Ok(())
        };
        let ended = self.dataspace.flows.change(flow.tenant, &flow.id, end).await;
        ended.map_err(failed)?;
        Ok(refused("invalid_grant"))
    }

    /// The refusal of a client that does not prove to be the flow's partner; `None` where it does, or where there is nothing to prove
    /// it by.
    ///
    /// # Errors
    /// 502: the keys of the partner cannot be had.
    async fn unproven(
        &self,
        headers: &HeaderMap,
        registry: &Registry,
        world: &TenantWorld,
        flow: &Flow,
        now: Timestamp,
    ) -> Result<Option<Response>, Problem> {
        let partner = registry.partner(flow.partner);
        let Some(did) = partner.and_then(|partner| partner.did.as_ref()) else {
            return Ok(None);
        };
        let refusal = |code: &'static str| {
            counter!(telemetry::TOKEN_REFUSALS, "code" => code).increment(1);
            tracing::info!(flow = %flow.id, partner = %flow.partner, code, "a renewal was refused: the client did not prove to be the partner");
            Ok(Some(unproven()))
        };
        let Ok(proof) = caller::token(headers) else {
            return refusal("proof-missing");
        };
        let document = self.dataspace.dids.document(did).await.map_err(|error| {
            tracing::error!(flow = %flow.id, error = %error, "the keys of a partner cannot be had, so it cannot renew");
            Problem::with(Kind::Upstream, "the DID document of the partner cannot be had")
        })?;
        let endpoint = format!("{}/token", self.exchange_url(world.tenant.id));
        let audiences = [world.tenant.participant(), world.tenant.id.as_str(), &endpoint];
        let proof = match document.verify(proof, &audiences, now) {
            Ok(proof) => proof,
            Err(error) => return refusal(error.code()),
        };
        let verifier = self.dataspace.verifiers.of(world.tenant.id, &self.dataspace.keys).ok();
        let made_for = verifier.and_then(|verifier| verifier.made_for(&proof.token).ok());
        if made_for.is_some_and(|grant| *grant.flow == *flow.id.as_str()) {
            Ok(None)
        } else {
            refusal("proof-token")
        }
    }
}

/// The refresh token of a request that asks for what there is.
fn refresh_token(form: &str) -> Option<String> {
    let value = |name: &str| {
        let mut found = form
            .split('&')
            .filter_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        // A parameter that stands twice has no value.
        found.next().filter(|_| found.next().is_none())
    };
    (value("grant_type") == Some("refresh_token")).then_some(())?;
    let token = value("refresh_token")?;
    // The colon is the one character of a flow's id that forms encode.
    let token = token.replace("%3A", ":").replace("%3a", ":");
    (!token.contains(['%', '+'])).then_some(token)
}

/// The refusal of a client that is not who it should be (RFC 6749, section 5.2).
fn unproven() -> Response {
    let mut answer = refused("invalid_client");
    *answer.status_mut() = StatusCode::UNAUTHORIZED;
    answer
        .headers_mut()
        .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    answer
}

/// A refusal as RFC 6749 (section 5.2) has it, without a reason.
fn refused(error: &'static str) -> Response {
    (
        StatusCode::BAD_REQUEST,
        [(CACHE_CONTROL, "no-store")],
        Json(json!({ "error": error })),
    )
        .into_response()
}
