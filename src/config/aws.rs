//! What a service in AWS needs to know beyond the names in the bundle.

use serde::Deserialize;

use super::is_loopback;
use crate::ids::ClientId;

/// Where secrets and footprints are when they are in AWS. Account, region, bucket and pools are names of the bundle
/// (`policies/correspondence.toml`), so that policies and program cannot mean different ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwsSettings {
    /// An emulator of AWS on this machine, asked in AWS's place.
    pub endpoint: Option<String>,
    /// The ARN of the KMS key objects are encrypted with; without one, what the bucket says by default.
    pub kms_key: Option<String>,
    /// The app client of the user pool through which the tenants' people sign in.
    pub people_client: Option<ClientId>,
    /// Where the user pool gives tokens: the URL of its domain with `/oauth2/token`.
    pub token_url: Option<String>,
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    endpoint: Option<String>,
    kms_key: Option<String>,
    people_client: Option<String>,
    token_url: Option<String>,
}

pub(super) fn read(problems: &mut Vec<String>, written: Option<Written>) -> Option<AwsSettings> {
    let written = written?;
    if let Some(endpoint) = &written.endpoint
        && !is_loopback(endpoint)
    {
        problems.push(format!(
            "`aws.endpoint`: `{endpoint}` is not an `http://` URL on loopback; only an emulator on this machine takes AWS's place"
        ));
    }
    if let Some(url) = &written.token_url
        && !(url.starts_with("https://") || is_loopback(url))
    {
        problems.push(format!(
            "`aws.token_url`: `{url}` is not an `https://` URL, such as `https://….amazoncognito.com/oauth2/token`"
        ));
    }
    if let Some(key) = &written.kms_key
        && !(key.starts_with("arn:") && key.contains(":kms:") && key.contains(":key/"))
    {
        problems.push(format!(
            "`aws.kms_key`: `{key}` is not the ARN of a KMS key, `arn:aws:kms:{{region}}:{{account}}:key/{{id}}`"
        ));
    }
    let people_client = written.people_client.and_then(|client| match client.parse() {
        Ok(client) => Some(client),
        Err(error) => {
            problems.push(format!("`aws.people_client`: {error}"));
            None
        }
    });
    Some(AwsSettings {
        endpoint: written.endpoint,
        kms_key: written.kms_key,
        people_client,
        token_url: written.token_url,
    })
}
