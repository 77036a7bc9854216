//! Where a tenant's keys come from: a fixed set, or the issuer's address, kept fresh.
//!
//! Of the facts, this and the documents of DIDs ([`did`](super::did)) do IO. Rules: https only, no redirects, bounded body and time; one fetch at a time
//! and none within [`MIN_INTERVAL`] seconds of the last, so that tokens with made-up key ids cannot turn this service
//! against the issuer; where a fetch fails, the last good set serves until it is [`MAX_AGE`] seconds old.
//!
//! A token whose key is not known is tried once more, for the issuer may have changed its keys:
//!
//! ```
//! # use jiff::Timestamp;
//! # use std::sync::Arc;
//! # use tidegate::facts::{JwksSource, KeySet, MachineToken, SourceError, TenantVerifier, TokenError};
//! # async fn verify(
//! #     source: &JwksSource, verifier: TenantVerifier, bearer: &str, now: Timestamp,
//! # ) -> Result<Result<MachineToken, TokenError>, SourceError> {
//! let keys = source.keys(now).await?;
//! let found = verifier.with_keys(Arc::clone(&keys)).verify_machine(bearer, "pcf.read", now);
//! if found != Err(TokenError::UnknownKey) {
//!     return Ok(found);
//! }
//! let fresh = source.after_unknown_key(&keys, now).await?;
//! Ok(verifier.with_keys(fresh).verify_machine(bearer, "pcf.read", now))
//! # }
//! ```

use std::sync::Arc;

use jiff::Timestamp;
use reqwest::{Client, Url};
use tokio::sync::{Mutex, OwnedMutexGuard, watch};

use super::fetch;
use super::jwks::{JwksError, KeySet, MAX_DOCUMENT};
use crate::causes::with_causes;

/// The age from which a set is fetched anew, in seconds.
pub const REFRESH_AFTER: i64 = 60 * 60;

/// The age above which a set is no longer used, in seconds.
pub const MAX_AGE: i64 = 24 * 60 * 60;

/// The least time between two fetches, in seconds.
pub const MIN_INTERVAL: i64 = 60;

/// Why there is no key set.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The address is not an https URL without credentials; what stands before an `@` in it is not shown.
    #[error("`{0}` is not the address of a key set; expected an `https://` URL without user name and fragment")]
    Address(String),
    /// The HTTP client cannot be made.
    #[error("no HTTP client for key sets: {}", with_causes(.0))]
    Client(#[source] reqwest::Error),
    /// The issuer could not be reached or broke off.
    #[error("the key set could not be fetched: {}", with_causes(.0))]
    Fetch(#[source] reqwest::Error),
    /// The issuer answered something else than 200.
    #[error("the issuer answered {0} for its key set")]
    Status(u16),
    /// The document is not a usable key set.
    #[error(transparent)]
    Keys(#[from] JwksError),
    /// The last attempt failed, the next is not due, and no set young enough is left.
    #[error("no key set younger than a day, and the last attempt to fetch one failed less than a minute ago")]
    Unavailable,
}

/// The HTTP client for key sets, made once and shared by the sources of all tenants: it holds connections and TLS roots,
/// and nothing of a tenant.
#[derive(Clone, Debug)]
pub struct JwksClient(Client);

impl JwksClient {
    /// A client that follows no redirect, speaks https only and gives up after five seconds.
    ///
    /// # Errors
    /// [`SourceError::Client`] where TLS cannot be set up.
    pub fn new() -> Result<Self, SourceError> {
        Self::build(true)
    }

    fn build(https_only: bool) -> Result<Self, SourceError> {
        fetch::client(https_only).map(Self).map_err(SourceError::Client)
    }
}

/// One tenant's keys. Clones are the same source: what one has fetched, all have.
#[derive(Clone, Debug)]
pub struct JwksSource(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Fixed(Arc<KeySet>),
    Remote(Arc<Remote>),
}

#[derive(Debug)]
struct Remote {
    client: Client,
    url: Url,
    /// The last good set.
    current: watch::Sender<Option<Fetched>>,
    /// When a fetch was last begun. Whoever holds the lock is the one who fetches.
    attempted: Arc<Mutex<Option<Timestamp>>>,
}

#[derive(Clone, Debug)]
struct Fetched {
    keys: Arc<KeySet>,
    at: Timestamp,
}

impl Fetched {
    fn younger_than(&self, seconds: i64, now: Timestamp) -> bool {
        now.as_second() - self.at.as_second() < seconds
    }
}

impl JwksSource {
    /// Keys that never change, such as those of the development issuer.
    pub fn fixed(keys: impl Into<Arc<KeySet>>) -> Self {
        Self(Kind::Fixed(keys.into()))
    }

    /// Keys at an https address. Nothing is fetched before the first question.
    ///
    /// # Errors
    /// [`SourceError::Address`].
    pub fn https(address: &str, client: &JwksClient) -> Result<Self, SourceError> {
        // What stands before an `@` may be a password.
        let shown = address.rsplit('@').next().unwrap_or_default();
        let wrong = || SourceError::Address(shown.chars().take(200).flat_map(char::escape_debug).collect());
        let url = Url::parse(address).map_err(|_| wrong())?;
        let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        if url.scheme() != "https" || !plain {
            return Err(wrong());
        }
        Ok(Self::remote(url, client))
    }

    fn remote(url: Url, client: &JwksClient) -> Self {
        let (client, current, attempted) = (client.0.clone(), watch::Sender::new(None), Arc::default());
        let remote = Remote {
            client,
            url,
            current,
            attempted,
        };
        Self(Kind::Remote(Arc::new(remote)))
    }

    /// The keys to verify with at `now`. A set older than [`REFRESH_AFTER`] still serves while it is fetched anew in the
    /// background; one older than [`MAX_AGE`], or none, is waited for.
    ///
    /// # Errors
    /// [`SourceError`] where no set younger than [`MAX_AGE`] is to be had.
    pub async fn keys(&self, now: Timestamp) -> Result<Arc<KeySet>, SourceError> {
        let remote = match &self.0 {
            Kind::Fixed(keys) => return Ok(Arc::clone(keys)),
            Kind::Remote(remote) => remote,
        };
        match remote.usable(now) {
            Some(fetched) if fetched.younger_than(REFRESH_AFTER, now) => Ok(fetched.keys),
            Some(fetched) => {
                if let Ok(turn) = Arc::clone(&remote.attempted).try_lock_owned() {
                    tokio::spawn(Arc::clone(remote).refresh(turn, Some(Arc::clone(&fetched.keys)), now));
                }
                Ok(fetched.keys)
            }
            None => remote.wait_for_refresh(None, now).await,
        }
    }

    /// The keys after a token named one that `seen`, the set it was verified with, does not hold: a fresh set where one
    /// may be fetched, else the set at hand.
    ///
    /// # Errors
    /// As [`JwksSource::keys`].
    pub async fn after_unknown_key(&self, seen: &Arc<KeySet>, now: Timestamp) -> Result<Arc<KeySet>, SourceError> {
        match &self.0 {
            Kind::Fixed(keys) => Ok(Arc::clone(keys)),
            Kind::Remote(remote) => remote.wait_for_refresh(Some(Arc::clone(seen)), now).await,
        }
    }
}

impl Remote {
    /// The last good set, unless it is too old.
    fn usable(&self, now: Timestamp) -> Option<Fetched> {
        self.current
            .borrow()
            .clone()
            .filter(|fetched| fetched.younger_than(MAX_AGE, now))
    }

    /// Waits for its turn and for the fetch, which goes on where the waiting request is given up.
    async fn wait_for_refresh(
        self: &Arc<Self>,
        seen: Option<Arc<KeySet>>,
        now: Timestamp,
    ) -> Result<Arc<KeySet>, SourceError> {
        let turn = Arc::clone(&self.attempted).lock_owned().await;
        let fetching = tokio::spawn(Arc::clone(self).refresh(turn, seen, now));
        fetching.await.map_err(|_| SourceError::Unavailable)?
    }

    /// Fetches a set unless someone else did since `seen` was current, or the last attempt is too recent.
    async fn refresh(
        self: Arc<Self>,
        mut turn: OwnedMutexGuard<Option<Timestamp>>,
        seen: Option<Arc<KeySet>>,
        now: Timestamp,
    ) -> Result<Arc<KeySet>, SourceError> {
        let usable = self.usable(now).map(|fetched| fetched.keys);
        let replaced = usable
            .as_ref()
            .is_some_and(|usable| seen.is_none_or(|seen| !Arc::ptr_eq(usable, &seen)));
        let too_soon = turn.is_some_and(|last| (0..MIN_INTERVAL).contains(&(now.as_second() - last.as_second())));
        if replaced || too_soon {
            return usable.ok_or(SourceError::Unavailable);
        }
        *turn = Some(now);
        match self.fetch().await {
            Ok(keys) => {
                let keys = Arc::new(keys);
                let fetched = Fetched {
                    keys: Arc::clone(&keys),
                    at: now,
                };
                self.current.send_replace(Some(fetched));
                Ok(keys)
            }
            Err(error) => {
                tracing::warn!(url = %self.url, %error, "key set not refreshed");
                usable.ok_or(error)
            }
        }
    }

    async fn fetch(&self) -> Result<KeySet, SourceError> {
        let response = self
            .client
            .get(self.url.clone())
            .send()
            .await
            .map_err(SourceError::Fetch)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(SourceError::Status(response.status().as_u16()));
        }
        let body = fetch::body(response, MAX_DOCUMENT).await.map_err(SourceError::Fetch)?;
        if body.len() > MAX_DOCUMENT {
            return Err(JwksError::TooLarge(body.len()).into());
        }
        let text = std::str::from_utf8(&body).map_err(|error| JwksError::Malformed(error.to_string()))?;
        Ok(KeySet::parse(text)?)
    }
}

#[cfg(test)]
mod tests;
