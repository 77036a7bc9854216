//! Asking a running service.

use std::path::Path;
use std::time::Duration;

use reqwest::{Method, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::{ServiceArgs, text};
use crate::causes::with_causes;
use crate::cli::{Exit, Failure};
use crate::dev::start::MANIFEST;
use crate::ids::{IntegrationId, TenantId};
use crate::registry::Integration;

/// The longest answer that is read, in bytes: as much as a company's systems can come to.
const LONGEST: usize = 64 << 20;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the service says.
pub(super) struct Answer {
    pub(super) status: u16,
    /// The record of the decision, where there is one.
    pub(super) record: String,
    pub(super) body: Value,
}

impl Answer {
    /// Why it was refused: policy, or the document.
    pub(super) fn refused(&self) -> Failure {
        let reasons = self.body.pointer("/reasons").and_then(Value::as_array);
        let reasons = reasons.into_iter().flatten();
        let reasons = reasons.map(|reason| format!("\n  {}: {}", text(reason, "/policy"), text(reason, "/why")));
        let (title, detail) = (text(&self.body, "/title"), text(&self.body, "/detail"));
        let message = format!(
            "the service answers {}: {title}{}{detail}{}",
            self.status,
            if detail.is_empty() { "" } else { ": " },
            reasons.collect::<String>()
        );
        let exit = match self.status {
            401 | 403 => Exit::Finding,
            400..500 => Exit::Invalid,
            _ => Exit::Failed,
        };
        Failure { exit, message }
    }
}

/// A running service, and who asks it.
pub(super) struct Service {
    client: reqwest::Client,
    url: Url,
    token: SecretString,
}

impl Service {
    /// Finds the service, and a token where it is in dev mode.
    pub(super) async fn open(args: &ServiceArgs, tenant: TenantId) -> Result<Self, Failure> {
        let client = reqwest::Client::builder().timeout(PATIENCE);
        let client = client.redirect(reqwest::redirect::Policy::none());
        if let Some(data) = &args.data {
            // That a proxy of the environment answers, or another machine, says nothing of a service on loopback.
            let client = client.no_proxy().build().map_err(Failure::failed)?;
            return Self::in_dev_mode(client, data, tenant).await;
        }
        let client = client.build().map_err(Failure::failed)?;
        let (Some(url), Some(file)) = (&args.url, &args.token) else {
            return Err(Failure::invalid(
                "`--data DIR`, or `--url URL` and `--token FILE`, say which service is meant",
            ));
        };
        let wrong = |error: &dyn std::fmt::Display| Failure::invalid(format!("`--url`: {error}"));
        let url: Url = url.parse().map_err(|error| wrong(&error))?;
        let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if url.scheme() != "https" && !local {
            return Err(wrong(&"expected an `https` URL: a token is sent there"));
        }
        let token = std::fs::read_to_string(file);
        let token = token.map_err(|error| Failure::invalid(format!("{}: {error}", file.display())))?;
        let token = SecretString::from(token.trim());
        Ok(Self { client, url, token })
    }

    /// The service whose `dev.json` lies in `data`, asked as an admin of the company.
    async fn in_dev_mode(client: reqwest::Client, data: &Path, tenant: TenantId) -> Result<Self, Failure> {
        let path = data.join(MANIFEST);
        let named = |error: &dyn std::fmt::Display| {
            Failure::invalid(format!(
                "{}: {error}; a service in dev mode writes it, `tidegate serve --dev --data DIR`",
                path.display()
            ))
        };
        let read = std::fs::read(&path).map_err(|error| named(&error))?;
        let manifest: Value = serde_json::from_slice(&read).map_err(|error| named(&error))?;
        let tenants = manifest.pointer("/tenants").and_then(Value::as_array);
        let known = tenants
            .into_iter()
            .flatten()
            .find(|known| text(known, "/bpnl") == tenant.as_str());
        let known = known.ok_or_else(|| named(&format!("it has no company {tenant}")))?;
        let users = known.pointer("/users").and_then(Value::as_array);
        let admin = users.into_iter().flatten().find(|user| text(user, "/role") == "admin");
        let grant = admin
            .and_then(|admin| admin.pointer("/token_grant"))
            .and_then(Value::as_object);
        let grant = grant.ok_or_else(|| named(&"the company has nobody who administers it"))?;
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in grant {
            form.append_pair(name, value.as_str().unwrap_or_default());
        }
        let request = client.post(text(known, "/token_url")).body(form.finish());
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = ask(request).await?;
        let token = text(&answer.body, "/access_token");
        if token.is_empty() {
            return Err(Failure::failed(format!("no token was given: status {}", answer.status)));
        }
        let url = text(&manifest, "/base_url").parse().map_err(|error| named(&error))?;
        let token = SecretString::from(token);
        Ok(Self { client, url, token })
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.request_with(method, path, None)
    }

    fn request_with(&self, method: Method, path: &str, query: Option<&str>) -> reqwest::RequestBuilder {
        let mut url = self.url.clone();
        url.set_query(query);
        url.set_path(&format!("{}{path}", self.url.path().trim_end_matches('/')));
        self.client.request(method, url).bearer_auth(self.token.expose_secret())
    }

    /// Puts a document.
    pub(super) async fn put(&self, integration: &Integration) -> Result<Answer, Failure> {
        let path = format!("/ingest/{}/integrations/{}", integration.tenant, integration.id);
        let document = serde_json::to_vec(integration).map_err(Failure::failed)?;
        let request = self.request(Method::PUT, &path).body(document);
        ask(request.header("content-type", "application/json")).await
    }

    /// The last runs of a system.
    pub(super) async fn runs(&self, tenant: TenantId, id: &IntegrationId) -> Result<Vec<Value>, Failure> {
        let path = format!("/ingest/{tenant}/integrations/{id}/runs");
        let answer = ask(self.request(Method::GET, &path)).await?;
        match (answer.status, answer.body.get("runs").and_then(Value::as_array)) {
            (200, Some(runs)) => Ok(runs.clone()),
            _ => Err(answer.refused()),
        }
    }

    /// Begins a run of a system.
    pub(super) async fn fetch(&self, tenant: TenantId, id: &IntegrationId, whole: bool) -> Result<Answer, Failure> {
        let path = format!("/ingest/{tenant}/integrations/{id}/runs");
        let query = whole.then_some("whole=true");
        ask(self.request_with(Method::POST, &path, query)).await
    }

    /// Every system of a company.
    pub(super) async fn list(&self, tenant: TenantId) -> Result<Vec<Integration>, Failure> {
        let answer = ask(self.request(Method::GET, &format!("/ingest/{tenant}/integrations"))).await?;
        if answer.status != 200 {
            return Err(answer.refused());
        }
        let all = answer.body.get("integrations").cloned().unwrap_or_default();
        serde_json::from_value(all)
            .map_err(|error| Failure::failed(format!("the service's answer does not read: {error}")))
    }
}

async fn ask(request: reqwest::RequestBuilder) -> Result<Answer, Failure> {
    let failed = |error: reqwest::Error| {
        Failure::failed(format!(
            "the service does not answer: {}",
            with_causes(&error.without_url())
        ))
    };
    let response = request.send().await.map_err(failed)?;
    let status = response.status().as_u16();
    let record = response
        .headers()
        .get("tidegate-record")
        .and_then(|value| value.to_str().ok());
    let record = record.unwrap_or("none").to_owned();
    let body = crate::answer::body(response, LONGEST).await.map_err(failed)?;
    let body = body.ok_or_else(|| Failure::failed("the service's answer is too long"))?;
    let body = serde_json::from_slice(&body).unwrap_or_default();
    Ok(Answer { status, record, body })
}
