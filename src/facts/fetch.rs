//! How documents with keys are fetched: no redirect is followed, and time and size are bounded.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Response};

/// How long a fetch may take in all.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A client for such documents; `https_only`, but where dev mode fetches from this machine.
pub(super) fn client(https_only: bool) -> reqwest::Result<Client> {
    let builder = Client::builder().https_only(https_only).redirect(Policy::none());
    builder.connect_timeout(TIMEOUT).timeout(TIMEOUT).build()
}

/// The body of an answer. One of more than `most` bytes is not read to its end: what is returned is longer than that, and no more.
pub(super) async fn body(mut response: Response, most: usize) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while body.len() <= most
        && let Some(chunk) = response.chunk().await?
    {
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
