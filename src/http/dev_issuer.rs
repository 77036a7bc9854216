//! The embedded issuers of dev mode over HTTP. These routes do not exist otherwise.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::Shared;
use super::caller::optional_header;
use super::ingest::read_body;
use super::problem::{Kind, Problem};
use crate::dev::issuer::Issuer;
use crate::ids::TenantId;

fn issuer<'a>(app: &'a Shared, bpnl: &str) -> Result<&'a Issuer, Problem> {
    let tenant: TenantId = bpnl.parse().map_err(|_| Problem::new(Kind::NotFound))?;
    app.issuers.get(&tenant).ok_or(Problem::new(Kind::NotFound))
}

/// `GET /dev/issuers/{bpnl}/.well-known/jwks.json`
pub async fn jwks(State(app): State<Shared>, Path(bpnl): Path<String>) -> Result<Response, Problem> {
    Ok(([(CONTENT_TYPE, "application/json")], issuer(&app, &bpnl)?.jwks()).into_response())
}

/// `POST /dev/issuers/{bpnl}/oauth2/token`
pub async fn token(
    State(app): State<Shared>,
    Path(bpnl): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let issuer = issuer(&app, &bpnl)?;
    let form = read_body(body, app.limits.body).await?;
    let form = std::str::from_utf8(&form).map_err(|_| Problem::with(Kind::Body, "expected a form in UTF-8"))?;
    let basic = optional_header(&headers, &AUTHORIZATION)?;
    let no_store = (CACHE_CONTROL, "no-store");
    let json = (CONTENT_TYPE, "application/json");
    match issuer.grant(basic, form, app.clock.now()) {
        Ok(answer) => {
            // The one body that is meant to hold a token.
            let bytes = serde_json::to_vec(&answer).map_err(|_| Problem::new(Kind::Internal))?;
            Ok(([json, no_store], bytes).into_response())
        }
        Err(error) => {
            let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST);
            let mut response = (status, [json, no_store], error.body()).into_response();
            if status == StatusCode::UNAUTHORIZED {
                response
                    .headers_mut()
                    .extend("Basic".parse().ok().map(|value| (WWW_AUTHENTICATE, value)));
            }
            Ok(response)
        }
    }
}
