//! Fetches DID documents. Rules as for key sets: https only (in dev mode: http on this machine too), no redirects, bounded
//! body and time.

use reqwest::{Client, StatusCode};

use super::{DidDocument, MAX_DOCUMENT};
use crate::causes::with_causes;
use crate::facts::fetch;
use crate::ids::Did;

/// Why the keys of a company are not to be had.
#[derive(Debug, thiserror::Error)]
pub enum DidError {
    /// The HTTP client cannot be made.
    #[error("no HTTP client for DID documents: {}", with_causes(.0))]
    Client(#[source] reqwest::Error),
    /// The host could not be reached or broke off.
    #[error("the document of `{}` could not be fetched: {}", .0, with_causes(.1))]
    Fetch(Did, #[source] reqwest::Error),
    /// The host answered something else than 200.
    #[error("the host of `{0}` answered {1} for its document")]
    Status(Did, u16),
    /// The document is not one.
    #[error("the document of `{0}` cannot be used: {1}")]
    Document(Did, String),
}

/// The HTTP client for DID documents.
#[derive(Clone, Debug)]
pub struct DidClient {
    client: Client,
    loopback: bool,
}

impl DidClient {
    /// A client that follows no redirect and gives up after five seconds; with `loopback`, documents of hosts on this machine come
    /// over http.
    ///
    /// # Errors
    /// [`DidError::Client`] where TLS cannot be set up.
    pub fn new(loopback: bool) -> Result<Self, DidError> {
        let client = fetch::client(!loopback).map_err(DidError::Client)?;
        Ok(Self { client, loopback })
    }

    /// The document of `did`, as it stands now.
    ///
    /// # Errors
    /// [`DidError`].
    pub async fn document(&self, did: &Did) -> Result<DidDocument, DidError> {
        let failed = |error| DidError::Fetch(did.clone(), error);
        let response = self
            .client
            .get(did.document(self.loopback))
            .send()
            .await
            .map_err(failed)?;
        if response.status() != StatusCode::OK {
            return Err(DidError::Status(did.clone(), response.status().as_u16()));
        }
        let body = fetch::body(response, MAX_DOCUMENT).await.map_err(failed)?;
        if body.len() > MAX_DOCUMENT {
            let problem = format!("it has more than {MAX_DOCUMENT} bytes");
            return Err(DidError::Document(did.clone(), problem));
        }
        DidDocument::parse(did, &body)
    }
}
