//! One request to a connector: bounded in time and size, sent again only where that is safe.

use std::fmt;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Addresses, ManagementError, is_address};
use crate::answer;
use crate::dataspace::flow::Dialect;
use crate::dataspace::signaling::address::EDC;

/// How long a connector may take for one answer.
const PATIENCE: Duration = Duration::from_secs(8);
/// The greatest answer that is read, in bytes: a page of agreements with their policies.
const MAX_ANSWER: usize = 4 * 1024 * 1024;
/// How often what may be sent again is sent.
const TRIES: u32 = 3;

/// The HTTP client that all tenants' connectors are reached with. It holds nothing of any of them.
#[derive(Clone, Debug)]
pub struct Transport(reqwest::Client);

impl Transport {
    /// A client that follows no redirect and uses no proxy of the environment.
    ///
    /// # Errors
    /// The TLS library cannot be set up.
    pub fn new() -> Result<Self, ManagementError> {
        let builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(PATIENCE)
            .connect_timeout(Duration::from_secs(3))
            .pool_idle_timeout(Duration::from_secs(20));
        builder.build().map(Self).map_err(|_| ManagementError::Client)
    }

    /// Sends one request and reads its answer, whatever the status.
    ///
    /// # Errors
    /// No answer, or one that is too long.
    pub(super) async fn send(
        &self,
        method: &Method,
        url: &str,
        headers: &[(&'static str, &SecretString)],
        body: Option<&Value>,
    ) -> Result<(u16, Vec<u8>), ManagementError> {
        let unreachable = || ManagementError::Unreachable(url.to_owned());
        let mut request = self.0.request(method.clone(), url);
        for (name, value) in headers {
            let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| unreachable())?;
            value.set_sensitive(true);
            request = request.header(*name, value);
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        let answer = request.send().await.map_err(|_| unreachable())?;
        let status = answer.status().as_u16();
        let body = answer::body(answer, MAX_ANSWER).await.ok().flatten();
        Ok((status, body.ok_or_else(unreachable)?))
    }
}

/// Whether a request may be sent again though it may have been carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// It reads, or puts the same in the same place.
    Yes,
    /// It begins something.
    No,
}

/// One tenant's connector, as Tidegate speaks to it.
#[derive(Clone)]
pub struct Management {
    pub(super) transport: Transport,
    pub(super) addresses: Addresses,
    key: Option<SecretString>,
    /// When there is no more time for anything.
    end: Option<Instant>,
}

impl Management {
    /// Speaks to the connector at these addresses, with the key of its API where it wants one.
    ///
    /// # Errors
    /// [`ManagementError::Address`].
    pub fn new(transport: Transport, addresses: Addresses, key: Option<SecretString>) -> Result<Self, ManagementError> {
        for address in [&addresses.management, &addresses.signaling] {
            if !is_address(address) {
                return Err(ManagementError::Address(address.clone()));
            }
        }
        Ok(Self {
            transport,
            addresses,
            key,
            end: None,
        })
    }

    /// The same with so much time for all that is asked from now on: what is not answered by then is
    /// [`ManagementError::OutOfTime`]. Nothing is broken off but the wait for an answer, so whoever asks can still write down
    /// what was done.
    #[must_use]
    pub fn within(mut self, budget: Duration) -> Self {
        self.end = Some(Instant::now() + budget);
        self
    }

    /// One page of a list there, in that order: which, and how many a page has.
    ///
    /// # Errors
    /// See [`ManagementError`].
    pub(super) async fn page(
        &self,
        path: &str,
        (number, size): (usize, usize),
        (field, order): (&str, &str),
    ) -> Result<Vec<Value>, ManagementError> {
        let query = json!({
            "@context": self.context(), "@type": "QuerySpec", "offset": number * size, "limit": size,
            "sortField": field, "sortOrder": order,
        });
        match self.call(Method::POST, path, Some(query), Again::Yes).await? {
            Value::Array(page) => Ok(page),
            _ => Err(ManagementError::unreadable(path, "expected a list")),
        }
    }

    /// What reads of a list there, so many pages of so many at most, and whether that was all; nothing where the connector has no such
    /// list.
    ///
    /// # Errors
    /// See [`ManagementError`].
    pub(super) async fn all<T>(
        &self,
        path: &str,
        (pages, size): (usize, usize),
        order: (&str, &str),
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<(Vec<T>, bool)>, ManagementError> {
        let mut found = Vec::new();
        for number in 0..pages {
            let page = match self.page(path, (number, size), order).await {
                Err(error) if error.is_unknown_there() => return Ok(None),
                page => page?,
            };
            found.extend(page.iter().filter_map(&read));
            if page.len() < size {
                return Ok(Some((found, true)));
            }
        }
        Ok(Some((found, false)))
    }

    /// Where the connector is.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The JSON-LD context of what is sent.
    pub(super) fn context(&self) -> Value {
        match self.addresses.dialect() {
            Dialect::Legacy => json!({ "@vocab": EDC }),
            Dialect::Dps => json!(["https://w3id.org/edc/connector/management/v2"]),
        }
    }

    /// The context of what has a policy in it.
    pub(super) fn policy_context(&self) -> Value {
        match self.addresses.dialect() {
            Dialect::Legacy => json!(["https://w3id.org/dspace/2025/1/odrl-profile.jsonld", { "@vocab": EDC }]),
            Dialect::Dps => self.context(),
        }
    }

    /// `GET`; nothing where there is nothing.
    pub(super) async fn get(&self, path: &str) -> Result<Option<Value>, ManagementError> {
        match self.call(Method::GET, path, None, Again::Yes).await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A request below the management address; an empty answer is `null`.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        again: Again,
    ) -> Result<Value, ManagementError> {
        let url = format!("{}{path}", self.addresses.management);
        self.call_at(method, &url, body, again).await
    }

    /// A request to a whole address, which must be made of configured ones.
    pub(super) async fn call_at(
        &self,
        method: Method,
        url: &str,
        body: Option<Value>,
        again: Again,
    ) -> Result<Value, ManagementError> {
        let call = format!("{method} {url}");
        let key: Vec<_> = self.key.iter().map(|key| ("x-api-key", key)).collect();
        let mut tried = 0;
        loop {
            tried += 1;
            let asked = self.transport.send(&method, url, &key, body.as_ref());
            let answer = match self.end {
                Some(end) => match tokio::time::timeout_at(end, asked).await {
                    Ok(answer) => answer,
                    Err(_) => return Err(ManagementError::OutOfTime(call)),
                },
                None => asked.await,
            };
            let passing = match &answer {
                Ok((status, _)) => [429, 502, 503, 504].contains(status),
                Err(_) => true,
            };
            if passing && again == Again::Yes && tried < TRIES {
                tokio::time::sleep(pause(tried)).await;
                continue;
            }
            let (status, bytes) = answer?;
            if !(200..300).contains(&status) {
                return Err(ManagementError::refused(status, &call, &bytes));
            }
            if bytes.is_empty() {
                return Ok(Value::Null);
            }
            return serde_json::from_slice(&bytes).map_err(|error| ManagementError::unreadable(&call, error));
        }
    }
}

impl fmt::Debug for Management {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Management({})", self.addresses.management)
    }
}

/// How long to wait before the next try: twice as long each time from 100 ms on, at most 10 s, and between half and all of that
/// by chance, so that many who failed together do not come back together.
pub(super) fn pause(tried: u32) -> Duration {
    let whole = 100_u64.saturating_mul(1 << tried.min(7)).min(10_000);
    let mut random = [0; 2];
    // Without chance it is the whole time.
    let chance = match aws_lc_rs::rand::fill(&mut random) {
        Ok(()) => u64::from(u16::from_le_bytes(random)),
        Err(_) => u64::from(u16::MAX),
    };
    Duration::from_millis(whole / 2 + whole * chance / (2 * u64::from(u16::MAX)))
}
