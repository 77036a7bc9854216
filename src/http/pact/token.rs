//! A token for a secret: `POST /exchange/{bpnl}/auth/token` (RFC 6749, section 4.4, with HTTP Basic).
//!
//! The token grants nothing by itself: it says who asks, and what that client gets is decided at each request. So what is refused is
//! told as RFC 6749 has it, and a client that nobody knows is refused as one with a wrong secret is.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use metrics::counter;
use secrecy::ExposeSecret as _;
use serde_json::json;

use super::caller::LIFETIME;
use crate::facts::edr::{Minted, PactGrant};
use crate::facts::{Form, OAuthError, basic};
use crate::http::caller::{optional_header, tenant};
use crate::http::decided::unkept_answer;
use crate::http::ingest::read_body;
use crate::http::problem::{Kind, Problem};
use crate::http::{App, Shared};
use crate::ids::ClientId;
use crate::registry::TenantWorld;
use crate::telemetry;

/// The greatest size of a request for a token.
const MAX_FORM: usize = 8 * 1024;

/// The scopes PACT names. A token is good for all of it: what its holder may do, policy says.
const SCOPES: [&str; 2] = ["footprint:list", "footprint:read"];

/// `POST /exchange/{bpnl}/auth/token`
pub(in crate::http) async fn token(
    State(app): State<Shared>,
    Path(bpnl): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let registry = app.registry.current();
    let world = tenant(&registry, &bpnl)?;
    let body = read_body(body, MAX_FORM).await?;
    let form = String::from_utf8(body).unwrap_or_default();
    match app.pact_token(world, &headers, &form, now) {
        Ok(minted) => {
            let answer = json!({
                "access_token": minted.token.expose_secret(),
                "token_type": "bearer",
                "expires_in": LIFETIME.as_secs(),
            });
            Ok(unkept_answer(answer))
        }
        Err(OAuthError::Server) => {
            tracing::error!(tenant = %world.tenant.id, "a token of the PACT endpoint could not be made");
            Err(Problem::new(Kind::Internal))
        }
        Err(error) => Ok(refused(error)),
    }
}

impl App {
    fn pact_token(
        &self,
        world: &TenantWorld,
        headers: &HeaderMap,
        form: &str,
        now: Timestamp,
    ) -> Result<Minted, OAuthError> {
        let form = Form::parse(form)?;
        if form.need("grant_type", "`grant_type` is missing")? != "client_credentials" {
            return Err(OAuthError::UnsupportedGrantType);
        }
        let unknown = |_| OAuthError::InvalidClient;
        let header = optional_header(headers, &AUTHORIZATION).map_err(unknown)?;
        let (client, secret) = header.and_then(basic).ok_or(OAuthError::InvalidClient)?;
        let client: ClientId = client.parse().map_err(|_| OAuthError::InvalidClient)?;
        let found = world.pact_partner(&client, &secret, now);
        let (partner, entry) = found.ok_or(OAuthError::InvalidClient)?;
        let mut scopes = form.get("scope").unwrap_or_default().split_whitespace();
        if scopes.any(|scope| !SCOPES.contains(&scope)) {
            return Err(OAuthError::InvalidScope);
        }
        let grant = PactGrant {
            tenant: world.tenant.id,
            endpoint: self.exchange_url(world.tenant.id).into(),
            partner,
            client,
            credential: entry.digest,
            expires: now.checked_add(LIFETIME).map_err(|_| OAuthError::Server)?,
        };
        self.dataspace.keys.mint_pact(&grant).map_err(|_| OAuthError::Server)
    }
}

/// A refusal as RFC 6749 (section 5.2) has it.
fn refused(error: OAuthError) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut answer = (status, error.body()).into_response();
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if error == OAuthError::InvalidClient {
        counter!(telemetry::TOKEN_REFUSALS, "code" => "pact-secret").increment(1);
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
    }
    answer
}
