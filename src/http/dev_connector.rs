//! The dev connectors over HTTP. These routes do not exist otherwise.
//!
//! A connector has its own table of paths, that of the standards it speaks ([`crate::dev::connector`]); here it is only
//! mounted. Its answers are JSON of those standards and no problem documents.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::Shared;
use super::caller::optional_header;
use super::ingest::read_body;
use super::problem::{Kind, Problem};
use crate::dev::connector::{Call, Face};
use crate::ids::Bpnl;

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// `/dev/connectors/{bpnl}/{face}/{path}`
pub async fn answer(
    State(app): State<Shared>,
    Path((bpnl, face, path)): Path<(String, String, String)>,
    method: Method,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let company: Bpnl = bpnl.parse().map_err(|_| Problem::new(Kind::NotFound))?;
    let connector = app.connectors.get(&company).ok_or(Problem::new(Kind::NotFound))?;
    let face = match face.as_str() {
        "dsp" => Face::Protocol,
        "management" => Face::Management,
        "signaling" => Face::Signaling,
        _ => return Err(Problem::new(Kind::NotFound)),
    };
    let body = read_body(body, app.limits.body).await?;
    let call = Call {
        method: method.as_str(),
        path: &path,
        authorization: optional_header(&headers, &AUTHORIZATION)?,
        api_key: optional_header(&headers, &API_KEY)?,
        body: &body,
    };
    let answer = connector.answer(face, call).await;
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Ok(match answer.body {
        Some(body) => (status, Json(body)).into_response(),
        None => status.into_response(),
    })
}
