//! A person's credentials: a session of the own company's role, and the own company's secrets.

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::Shared;
use super::caller::{tenant, user};
use super::decided::recorded_answer;
use super::problem::{Kind, Problem};
use crate::ids::{SecretName, SecretSuffix};
use crate::ledger::record::Request;
use crate::question::ask;
use crate::question::{Action, spell_time};

/// How long temporary credentials are valid: the shortest STS gives.
const LIFETIME: SignedDuration = SignedDuration::from_secs(900);

/// Temporary credentials, spelled as STS spells them.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SessionAnswer<'a> {
    credentials: CredentialsAnswer<'a>,
    assumed_role: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CredentialsAnswer<'a> {
    access_key_id: &'a str,
    secret_access_key: &'a str,
    session_token: &'a str,
    expiration: String,
}

#[derive(Serialize)]
struct SecretAnswer<'a> {
    name: &'a str,
    value: &'a str,
}

/// An answer that holds a secret: no cache may keep it.
fn secret_answer(body: impl Serialize) -> Response {
    let mut response = Json(body).into_response();
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// `POST /credentials/{bpnl}/session`
pub async fn session(
    State(app): State<Shared>,
    Path(bpnl): Path<String>,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let registry = app.registry.current();
    let world = tenant(&registry, &bpnl)?;
    let id = world.tenant.id;
    let person = app.person(&headers, id, now).await?;
    let user = user(world, &person);
    let web_identity = None::<SecretString>;
    let question = ask::assume_role(&user, &world.tenant, now);
    let permit = app.permitted(id, question, &request).await?;
    let issued = app
        .vault
        .credentials_for(&permit, person.user(), web_identity.as_ref(), LIFETIME, now)
        .await;
    let issued = app.opened(issued, &permit).await?;
    let credentials = CredentialsAnswer {
        access_key_id: &issued.access_key_id,
        secret_access_key: issued.secret_access_key.expose_secret(),
        session_token: issued.session_token.expose_secret(),
        expiration: spell_time(issued.expiration),
    };
    let answer = secret_answer(SessionAnswer {
        credentials,
        assumed_role: &issued.role_arn,
    });
    Ok(recorded_answer(answer, id, &permit))
}

/// `GET /credentials/{bpnl}/secrets/{name}`
pub async fn secret(
    State(app): State<Shared>,
    Path((bpnl, name)): Path<(String, String)>,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let registry = app.registry.current();
    let world = tenant(&registry, &bpnl)?;
    let id = world.tenant.id;
    let person = app.person(&headers, id, now).await?;
    let name: SecretName = name
        .parse()
        .map_err(|error| Problem::with(Kind::Path, format!("{error}")))?;
    let user = user(world, &person);
    let suffix = app.vault.suffix_of(&world.tenant, &name).await;
    let suffix = suffix.as_ref().map(SecretSuffix::as_str);
    let question = ask::secret(&user, &world.tenant, Action::ReadSecret, &name, suffix, now);
    let permit = app.permitted(id, question, &request).await?;
    let session = app.opened(app.vault.session_for(&permit), &permit).await?;
    let value = app.opened(session.get_secret(&name).await, &permit).await?;
    let answer = secret_answer(SecretAnswer {
        name: name.as_str(),
        value: value.expose_secret(),
    });
    Ok(recorded_answer(answer, id, &permit))
}
