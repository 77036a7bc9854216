//! A person's credentials: a session of the own company's role, and the own company's secrets.

pub mod secrets;

use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::Shared;
use super::caller::{tenant, user};
use super::decided::{recorded_answer, unkept_answer};
use super::ingest::read_body;
use super::problem::{Kind, Problem};
use crate::ledger::record::Request;
use crate::question::{ask, spell_time};
use crate::vault::CredentialsError;

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

/// What a request for a session may bring.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Brought {
    /// Moved, not copied, into its secret.
    web_identity_token: Option<String>,
}

/// `POST /credentials/{bpnl}/session`
pub async fn session(
    State(app): State<Shared>,
    Path(bpnl): Path<String>,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let now = app.clock.now();
    let registry = app.registry.current();
    let world = tenant(&registry, &bpnl)?;
    let id = world.tenant.id;
    let person = app.person(&headers, id, now).await?;
    let user = user(world, &person);
    let question = ask::assume_role(&user, &world.tenant, now);
    let permit = app.permitted(id, question, &request).await?;
    let web_identity = web_identity(body, app.limits.body).await;
    let web_identity = web_identity.map_err(|problem| problem.after(&permit))?;
    let issued = app
        .vault
        .credentials_for(&permit, person.user(), web_identity.as_ref(), LIFETIME, now)
        .await;
    if let Err(error @ (CredentialsError::NoIdentityPool | CredentialsError::WebIdentity(_))) = &issued {
        return Err(Problem::with(Kind::Body, format!("`webIdentityToken`: {error}")).after(&permit));
    }
    let issued = app.opened(issued, &permit).await?;
    let credentials = CredentialsAnswer {
        access_key_id: &issued.access_key_id,
        secret_access_key: issued.secret_access_key.expose_secret(),
        session_token: issued.session_token.expose_secret(),
        expiration: spell_time(issued.expiration),
    };
    let answer = unkept_answer(SessionAnswer {
        credentials,
        assumed_role: &issued.role_arn,
    });
    Ok(recorded_answer(answer, id, &permit))
}

/// What the identity pool gave the person, where they bring it. What is wrong with the body is told without it.
async fn web_identity(body: Body, limit: usize) -> Result<Option<SecretString>, Problem> {
    let body = read_body(body, limit).await?;
    if body.is_empty() {
        return Ok(None);
    }
    match crate::json::read(&body) {
        Ok(Brought { web_identity_token }) => Ok(web_identity_token.map(SecretString::from)),
        Err(_) => Err(Problem::with(
            Kind::Body,
            "expected nothing, or `{\"webIdentityToken\": \"…\"}`",
        )),
    }
}
