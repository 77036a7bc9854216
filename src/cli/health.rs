//! `tidegate health`: does the service live. Where it runs, nothing else may be there to ask with: its image has no shell and no curl.

use std::time::Duration;

use clap::Args;
use reqwest::{StatusCode, Url};

use super::{Exit, Failure, Outcome, block_on, print};
use crate::causes::with_causes;

/// Longer than a service that lives takes to answer, and shorter than whoever runs it waits for this command.
const PATIENCE: Duration = Duration::from_secs(2);

/// What `health` takes.
#[derive(Args, Debug)]
pub(super) struct HealthArgs {
    /// Where the service is
    #[arg(long, value_name = "URL", value_parser = healthz, default_value = "http://127.0.0.1:8080")]
    url: Url,
}

/// The URL to ask, below that of the service.
fn healthz(text: &str) -> Result<Url, String> {
    let wrong =
        |why: &dyn std::fmt::Display| format!("{why}; expected the service's URL, such as http://127.0.0.1:8080");
    let mut url: Url = text.parse().map_err(|error| wrong(&error))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong(&"it is neither http nor https"));
    }
    let path = format!("{}/healthz", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

/// Holds where the service answers 200, whether it serves or stands by; a finding is another answer, and none is a failure.
pub(super) fn run(args: &HealthArgs) -> Outcome {
    let url = &args.url;
    // That a proxy of the environment answers, or another address, says nothing of the service.
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE);
    let client = client
        .build()
        .map_err(|error| Failure::failed(format!("{url} cannot be asked: {}", with_causes(&error))))?;
    let answer = block_on(async { client.get(url.clone()).send().await })?;
    let answer = answer.map_err(|error| {
        let why = with_causes(&error.without_url());
        Failure::failed(format!("no answer from {url}: {why}"))
    })?;
    if answer.status() == StatusCode::OK {
        print("lives");
        return Ok(Exit::Holds);
    }
    Err(Failure {
        exit: Exit::Finding,
        message: format!("{url} answers {} in place of 200 OK", answer.status()),
    })
}
