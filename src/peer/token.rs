//! Tokens of the system's issuer (RFC 6749, section 4.4).

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Url};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{Again, Missed, is_entered, read, refused, send, shown};
use crate::registry::integration::Token;
use crate::vault::ClientCredentials;

/// The greatest answer with a token, in bytes.
const LIMIT: usize = 64 * 1024;
/// How long before it ends a token is not used any more: as long as a request may take to arrive.
const SPARE: Duration = Duration::from_secs(10);

/// The client, and the token it has.
pub(super) struct Tokens {
    endpoint: Url,
    credentials: ClientCredentials,
    scope: Option<String>,
    held: Option<Held>,
}

struct Held {
    header: HeaderValue,
    /// When it is not used any more, where its issuer says.
    until: Option<Instant>,
}

#[derive(Deserialize)]
struct Given {
    access_token: String,
    /// RFC 6749 demands it; PACT's own host leaves it out.
    #[serde(default)]
    token_type: Option<String>,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl Tokens {
    pub(super) fn new(credentials: ClientCredentials, token: &Token, loopback: bool) -> Result<Self, String> {
        let endpoint = credentials.token_endpoint.parse::<Url>().ok();
        let endpoint = endpoint.filter(|url| is_entered(url, loopback)).ok_or_else(|| {
            let expected = "expected https, no user name, and no number of a private network";
            format!(
                "the `tokenEndpoint` in the secret `{}` is not entered: {expected}",
                token.secret
            )
        })?;
        Ok(Self {
            endpoint,
            credentials,
            scope: token.scope.clone(),
            held: None,
        })
    }

    pub(super) fn has_one(&self) -> bool {
        let held = self.held.as_ref();
        held.is_some_and(|held| held.until.is_none_or(|until| Instant::now() < until))
    }

    pub(super) fn forget(&mut self) {
        self.held = None;
    }

    pub(super) fn header(&self) -> Option<HeaderValue> {
        self.held.as_ref().map(|held| held.header.clone())
    }

    /// Gets a token.
    pub(super) async fn get(&mut self, client: &Client, now: Timestamp) -> Result<(), Missed> {
        let url = &self.endpoint;
        let form = self.form();
        let form_encoded = HeaderValue::from_static("application/x-www-form-urlencoded");
        let request = client
            .post(url.clone())
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .header(CONTENT_TYPE, form_encoded)
            .header(AUTHORIZATION, self.basic()?)
            .body(form);
        let asked = Instant::now();
        let answer = send(request, url).await?;
        let status = answer.status().as_u16();
        let never = |problem: &str| Missed::new(format!("{} {problem}", shown(url)), Again::Never);
        if status != 200 {
            let missed = refused(url, status, answer.headers(), now);
            // Other credentials are not to be had, and another page would not help.
            let again = match missed.again {
                Again::Later(after) => Again::Later(after),
                _ => Again::Never,
            };
            let problem = format!("no token was given: {}", missed.problem);
            return Err(Missed { problem, again });
        }
        let body = Zeroizing::new(read(answer, url, LIMIT).await?);
        let given: Given = serde_json::from_slice(&body).map_err(|_| never("answers 200, and not with a token"))?;
        let of_a_kind = given.token_type.as_deref();
        if of_a_kind.is_some_and(|kind| !kind.eq_ignore_ascii_case("Bearer")) {
            return Err(never("gives a token that is no bearer token"));
        }
        let value = Zeroizing::new(format!("Bearer {}", given.access_token));
        let header = HeaderValue::from_str(&value).ok();
        let mut header = header.ok_or_else(|| never("gives a token that no header can hold"))?;
        header.set_sensitive(true);
        let life = given.expires_in.map(Duration::from_secs);
        let until = life.and_then(|life| asked.checked_add(life.saturating_sub(SPARE)));
        self.held = Some(Held { header, until });
        Ok(())
    }

    fn form(&self) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        if let Some(scope) = &self.scope {
            form.append_pair("scope", scope);
        }
        form.finish()
    }

    /// The client's own credentials: each encoded as in a form, with a colon between (RFC 6749, section 2.3.1).
    fn basic(&self) -> Result<HeaderValue, Missed> {
        let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let client = encoded(&self.credentials.client_id);
        let secret = Zeroizing::new(encoded(self.credentials.client_secret.expose_secret()));
        let pair = Zeroizing::new(format!("{client}:{}", secret.as_str()));
        let value = Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes())));
        let header = HeaderValue::from_str(&value).map_err(|_| {
            let problem = "the client's credentials cannot be sent";
            Missed::new(problem, Again::Never)
        });
        header.map(|mut header| {
            header.set_sensitive(true);
            header
        })
    }
}
