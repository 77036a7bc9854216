//! How documents with keys are fetched: no redirect is followed, and time is bounded.

use std::time::Duration;

use reqwest::Client;
use reqwest::redirect::Policy;

/// How long a fetch may take in all.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A client for such documents; `https_only`, but where dev mode fetches from this machine.
pub(super) fn client(https_only: bool) -> reqwest::Result<Client> {
    let builder = Client::builder().https_only(https_only).redirect(Policy::none());
    builder.connect_timeout(TIMEOUT).timeout(TIMEOUT).build()
}
