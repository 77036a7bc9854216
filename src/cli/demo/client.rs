//! The demo's HTTP client: what the companies' systems send.

use std::collections::HashMap;

use axum::http::HeaderName;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::http::Shared;
use crate::http::exchange::{EDC_AGREEMENT, EDC_BPN, RECORD};
use crate::ids::{RecordId, TenantId};
use secrecy::ExposeSecret;

/// An answer of the service.
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: u16,
    /// The body.
    pub(super) body: Vec<u8>,
    /// The ledger record the answer follows.
    pub(super) record: Option<RecordId>,
}

/// What can go wrong on the way to an answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// The service could not be reached.
    #[error("the service could not be reached: {0}")]
    Http(#[from] reqwest::Error),
    /// A raw connection broke.
    #[error("the service could not be reached: {0}")]
    Io(#[from] std::io::Error),
    /// The service gave no token.
    #[error("no token was given: {0}")]
    Token(String),
    /// Something that was to be done was not.
    #[error("not done: {0}")]
    Refused(String),
    /// The world lacks something the demo is about.
    #[error("the development world lacks {0}")]
    World(&'static str),
}

/// Talks to one service.
pub(super) struct Client {
    http: reqwest::Client,
    base_url: String,
    connectors: HashMap<TenantId, (String, String)>,
}

impl Answer {
    /// The body as JSON, or null.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The text at a place of the body.
    pub(super) fn text(&self, pointer: &str) -> Option<String> {
        self.json().pointer(pointer).and_then(Value::as_str).map(str::to_owned)
    }
}

impl Client {
    /// A client that knows the secrets of every tenant's connector, as each tenant would its own.
    pub(super) fn new(app: &Shared) -> Result<Self, ClientError> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let mut connectors = HashMap::new();
        for (tenant, issuer) in &app.issuers {
            let machines = issuer.settings().machines.keys();
            let connector = machines
                .into_iter()
                .find(|client| client.as_str().starts_with("connector-"));
            let client = connector.ok_or(ClientError::World("a connector"))?;
            let secret = issuer
                .client_secret(client)
                .ok_or(ClientError::World("a connector's secret"))?;
            connectors.insert(*tenant, (client.to_string(), secret.expose_secret().to_owned()));
        }
        Ok(Self {
            http,
            base_url: app.base_url.clone(),
            connectors,
        })
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer, ClientError> {
        let response = request.send().await?;
        let status = response.status().as_u16();
        let record = response.headers().get(RECORD).and_then(|value| value.to_str().ok());
        let record = record.and_then(|text| text.parse().ok()).map(RecordId);
        Ok(Answer {
            status,
            record,
            body: response.bytes().await?.into(),
        })
    }

    fn token_url(&self, tenant: TenantId) -> String {
        format!("{}/dev/issuers/{tenant}/oauth2/token", self.base_url)
    }

    async fn token(&self, request: reqwest::RequestBuilder) -> Result<String, ClientError> {
        let answer = self.send(request).await?;
        let token = answer.text("/access_token");
        token.ok_or_else(|| ClientError::Token(format!("status {}", answer.status)))
    }

    /// A token of the tenant's connector, from the tenant's own issuer (client credentials grant, HTTP Basic).
    pub(super) async fn connector_token(&self, tenant: TenantId) -> Result<String, ClientError> {
        let (client, secret) = self.connectors.get(&tenant).ok_or(ClientError::World("the tenant"))?;
        let request = self.http.post(self.token_url(tenant)).basic_auth(client, Some(secret));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        self.token(request.body("grant_type=client_credentials")).await
    }

    /// A token of a person of the tenant.
    pub(super) async fn user_token(&self, app: &Shared, tenant: TenantId, user: &str) -> Result<String, ClientError> {
        let issuer = app.issuers.get(&tenant).ok_or(ClientError::World("the tenant"))?;
        let name = user.parse().map_err(|_| ClientError::World("the person"))?;
        let password = issuer.password(&name).ok_or(ClientError::World("the person"))?;
        let client = issuer
            .settings()
            .user_clients
            .first()
            .ok_or(ClientError::World("a user client"))?;
        let form = format!(
            "grant_type=password&client_id={client}&username={user}&password={}",
            password.expose_secret()
        );
        let request = self.http.post(self.token_url(tenant));
        self.token(
            request
                .header("content-type", "application/x-www-form-urlencoded")
                .body(form),
        )
        .await
    }

    /// A request of a connector's operator: `POST` where there is a body.
    pub(super) async fn managed(&self, url: &str, key: &str, body: Option<Value>) -> Result<Answer, ClientError> {
        let request = match body {
            Some(body) => {
                let request = self.http.post(url).header("content-type", "application/json");
                request.body(body.to_string())
            }
            None => self.http.get(url),
        };
        self.send(request.header("x-api-key", key)).await
    }

    /// A footprint, fetched by the consumer itself with the token of a transfer.
    pub(super) async fn pulled(&self, token: &str, tenant: TenantId, pcf: &str) -> Result<Answer, ClientError> {
        self.pulled_with(token, tenant, pcf, &[]).await
    }

    /// As [`Client::pulled`], with headers besides.
    pub(super) async fn pulled_with(
        &self,
        token: &str,
        tenant: TenantId,
        pcf: &str,
        headers: &[(HeaderName, &str)],
    ) -> Result<Answer, ClientError> {
        let url = format!("{}/exchange/{tenant}/pcf/{pcf}/submodel/$value", self.base_url);
        let request = self.http.get(url).bearer_auth(token);
        let with_headers =
            |request: reqwest::RequestBuilder, (name, value): &(HeaderName, &str)| request.header(name, *value);
        self.send(headers.iter().fold(request, with_headers)).await
    }

    /// A person retires an agreement of their company.
    pub(super) async fn retire(&self, token: &str, tenant: TenantId, agreement: &str) -> Result<Answer, ClientError> {
        let url = format!("{}/agreements/{tenant}/{agreement}/retire", self.base_url);
        let request = self.http.post(url).bearer_auth(token);
        let request = request.header("content-type", "application/json");
        self.send(request.body(r#"{"reason":"the price list changed"}"#)).await
    }

    /// A footprint, asked for as the connector's data plane does.
    pub(super) async fn footprint(
        &self,
        token: Option<&str>,
        tenant: TenantId,
        pcf: &str,
        partner: &str,
        agreement: &str,
    ) -> Result<Answer, ClientError> {
        let url = format!("{}/exchange/{tenant}/pcf/{pcf}/submodel/$value", self.base_url);
        let mut request = self
            .http
            .get(url)
            .header(EDC_BPN, partner)
            .header(EDC_AGREEMENT, agreement);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        self.send(request).await
    }

    /// A person's credentials or secrets.
    pub(super) async fn credentials(&self, token: &str, tenant: TenantId, what: &str) -> Result<Answer, ClientError> {
        let url = format!("{}/credentials/{tenant}/{what}", self.base_url);
        let request = if what == "session" {
            self.http.post(url)
        } else {
            self.http.get(url)
        };
        self.send(request.bearer_auth(token)).await
    }

    /// A request whose path is sent exactly as written, as no well-behaved client would.
    pub(super) async fn raw_path(&self, token: &str, path: &str) -> Result<Answer, ClientError> {
        let address = self
            .base_url
            .strip_prefix("http://")
            .ok_or(ClientError::World("an address"))?;
        let mut stream = tokio::net::TcpStream::connect(address).await?;
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await?;
        let text = String::from_utf8_lossy(&bytes);
        let status = text
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or_default();
        let body = text
            .split_once("\r\n\r\n")
            .map(|(_, body)| body.as_bytes().to_vec())
            .unwrap_or_default();
        Ok(Answer {
            status,
            body,
            record: None,
        })
    }
}
