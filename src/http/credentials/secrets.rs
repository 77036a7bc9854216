//! The own company's secrets: read, written, rotated.
//!
//! A secret that is not there is made by onboarding and by nobody else. Whoever may not read a secret is not told whether it is there.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::decide::Permit;
use crate::facts::UserToken;
use crate::http::caller::{tenant, user};
use crate::http::decided::{recorded_answer, unkept_answer};
use crate::http::ingest::read_body;
use crate::http::problem::{Kind, Problem};
use crate::http::{App, Shared};
use crate::ids::{SecretName, SecretSuffix, TenantId};
use crate::ledger::record::Request;
use crate::question::{Action, ask};
use crate::registry::TenantWorld;
use crate::vault::{ClientCredentials, Session, Stage, VaultError};

#[derive(Serialize)]
struct ReadAnswer<'a> {
    name: &'a str,
    value: &'a str,
}

#[derive(Serialize)]
struct ChangeAnswer<'a> {
    name: &'a str,
    stage: Stage,
}

/// A new value.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    /// Moved, not copied, into its secret.
    value: String,
}

/// Whose request it is, and which secret it is about.
struct About {
    world: Arc<TenantWorld>,
    person: UserToken,
    name: SecretName,
    /// The last part of the secret's ARN; none where there is no such secret.
    suffix: Option<SecretSuffix>,
    now: Timestamp,
}

/// What such a request may do with the secret.
struct Asked<'a> {
    tenant: TenantId,
    name: &'a SecretName,
    permit: Permit,
    session: Session,
}

impl Asked<'_> {
    fn after(&self, kind: Kind, detail: impl Into<String>) -> Problem {
        Problem::with(kind, detail).after(&self.permit)
    }

    /// What it is answered with once the secret was changed.
    fn changed(&self) -> Response {
        let (name, stage) = (self.name.as_str(), Stage::Current);
        let answer = unkept_answer(ChangeAnswer { name, stage });
        recorded_answer(answer, self.tenant, &self.permit)
    }
}

/// `GET /credentials/{bpnl}/secrets/{name}`
pub async fn read(
    State(app): State<Shared>,
    Path(path): Path<(String, String)>,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let about = app.about(&path, &headers).await?;
    let asked = app.asked(&about, Action::ReadSecret, &request).await?;
    let value = asked.session.get_secret(asked.name).await;
    let value = app.opened(value, &asked.permit).await?;
    let answer = unkept_answer(ReadAnswer {
        name: asked.name.as_str(),
        value: value.expose_secret(),
    });
    Ok(recorded_answer(answer, asked.tenant, &asked.permit))
}

/// `PUT /credentials/{bpnl}/secrets/{name}`
pub async fn write(
    State(app): State<Shared>,
    Path(path): Path<(String, String)>,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let mut about = app.about(&path, &headers).await?;
    let is_new = about.suffix.is_none();
    if is_new {
        // What is asked is whether the secret may be written that would be made.
        let made = app.vault.new_suffix();
        about.suffix = made.map_err(|_| Problem::new(Kind::Internal))?;
    }
    let asked = app.asked(&about, Action::WriteSecret, &request).await?;
    let value = app.new_value(body, &asked).await?;
    let written = match &about.suffix {
        Some(suffix) if is_new => asked.session.make_secret(asked.name, suffix, value).await,
        _ => asked.session.put_secret(asked.name, value).await,
    };
    app.opened(written, &asked.permit).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, asked.changed()).into_response())
}

/// `POST /credentials/{bpnl}/secrets/{name}/rotate`
///
/// Only what can be tried is rotated: the credentials of a client. They are tried where the present ones are good, wherever the new
/// ones point to, so that nobody has Tidegate call an address of choice.
pub async fn rotate(
    State(app): State<Shared>,
    Path(path): Path<(String, String)>,
    Extension(request): Extension<Request>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let about = app.about(&path, &headers).await?;
    let reading = app.asked(&about, Action::ReadSecret, &request).await?;
    let asked = app.asked(&about, Action::RotateSecret, &request).await?;
    let value = app.new_value(body, &asked).await?;
    let present = reading.session.get_secret(reading.name).await;
    let present = app.opened(present, &reading.permit).await?;
    let (Some(present), Some(next)) = (ClientCredentials::read(&present), ClientCredentials::read(&value)) else {
        let detail = "the present value and the new one must both be a client's `tokenEndpoint`, `clientId` and `clientSecret` as JSON, or \
                      the new one cannot be tried; a value that nobody can try is written with PUT";
        return Err(asked.after(Kind::Document, detail));
    };
    if present.token_endpoint != next.token_endpoint {
        let detail = "`tokenEndpoint` is another than at present; the new value is tried where the present one is good, so write it with PUT";
        return Err(asked.after(Kind::Document, detail));
    }
    let carrier = &app.carrier;
    let accepted = async |_| carrier.try_out(&next).await;
    match asked.session.rotate_secret(asked.name, value, accepted).await {
        Err(VaultError::NotAccepted { why, .. }) => {
            let detail = format!("the new value is not accepted: {why}; the present one stays");
            Err(asked.after(Kind::Document, detail))
        }
        rotated => {
            app.opened(rotated, &asked.permit).await?;
            Ok(asked.changed())
        }
    }
}

impl App {
    /// Whose token the request carries, and the secret of the path.
    async fn about(&self, (bpnl, name): &(String, String), headers: &HeaderMap) -> Result<About, Problem> {
        let now = self.clock.now();
        let registry = self.registry.current();
        let world = Arc::clone(tenant(&registry, bpnl)?);
        let person = self.person(headers, world.tenant.id, now).await?;
        let name: SecretName = name
            .parse()
            .map_err(|error| Problem::with(Kind::Path, format!("{error}")))?;
        let suffix = self.vault.suffix_of(&world.tenant, &name).await.map_err(|error| {
            tracing::error!(tenant = %world.tenant.id, %error, "a secret cannot be looked for");
            Problem::new(Kind::Upstream)
        })?;
        Ok(About {
            world,
            person,
            name,
            suffix,
            now,
        })
    }

    /// The permit to do `action` with it, and the session that opens.
    async fn asked<'a>(&self, about: &'a About, action: Action, request: &Request) -> Result<Asked<'a>, Problem> {
        let of = &about.world.tenant;
        let user = user(&about.world, &about.person);
        let suffix = about.suffix.as_ref().map(SecretSuffix::as_str);
        let question = ask::secret(&user, of, action, &about.name, suffix, about.now);
        let permit = self.permitted(of.id, question, request).await?;
        if suffix.is_none() {
            let detail = "there is no secret of that name; in AWS they are made by whoever runs the platform";
            return Err(Problem::with(Kind::NotFound, detail).after(&permit));
        }
        let session = self.opened(self.vault.session_for(&permit), &permit).await?;
        Ok(Asked {
            tenant: of.id,
            name: &about.name,
            permit,
            session,
        })
    }

    /// The new value a request brings. What is wrong with it is told without it.
    async fn new_value(&self, body: Body, asked: &Asked<'_>) -> Result<SecretString, Problem> {
        let body = read_body(body, self.limits.body).await;
        let body = body.map_err(|problem| problem.after(&asked.permit))?;
        match crate::json::read(&body) {
            Ok(Change { value }) if !value.is_empty() => Ok(value.into()),
            _ => Err(asked.after(
                Kind::Body,
                "expected `{\"value\": \"…\"}`, the value a text that is not empty",
            )),
        }
    }
}
