//! What makes no sense in a document that reads.

use std::collections::BTreeSet;

use jiff::Timestamp;
use url::Url;

use super::{Auth, Integration, Json, Notify, Pact, Proof, Pull, Push, Source, Trust};

/// The most products and assets one names.
const MOST_NAMES: usize = 1_000;
/// The longest name for people, in characters.
const LONGEST_NAME: usize = 200;
/// The most certificates or keys one is known by at a time: two, while one takes the other's place, and some to spare.
const MOST_PROOFS: usize = 8;
/// The shortest time between two runs, in seconds, and the longest: a week.
const SOONEST: u32 = 60;
const LATEST: u32 = 7 * 24 * 3_600;
/// The most requests a second to a supplier's system.
const MOST_A_SECOND: u32 = 100;

/// How much of PACT's criteria is taken.
const MOST_CRITERIA: usize = 100;
const LONGEST_CRITERION: usize = 512;

/// Headers that say something else than who asks, or that no client may set.
const TAKEN: [&str; 10] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Everything that makes no sense, each with its place.
pub(super) fn problems(integration: &Integration) -> Vec<String> {
    let mut found = Vec::new();
    let Integration {
        name,
        products,
        assets,
        push,
        pull,
        notify,
        ..
    } = integration;
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        found.push(format!(
            "`/name`: expected 1 to {LONGEST_NAME} characters, none of them a control character"
        ));
    }
    for (at, count) in [("/products", products.len()), ("/assets", assets.len())] {
        if count > MOST_NAMES {
            found.push(format!("`{at}`: names {count}; at most {MOST_NAMES} are taken"));
        }
    }
    match push {
        Some(Push::Certificate(known)) => proofs("/push/certificate", known, &mut found),
        Some(Push::ApiKey(known)) => proofs("/push/apiKey", known, &mut found),
        Some(Push::Oauth2(_)) => {}
        None if pull.is_none() && notify.is_none() => {
            let problem = "nothing is to be done with the system: expected `push`, `pull` or `notify`";
            found.push(problem.to_owned());
        }
        None => {}
    }
    if let Some(pull) = pull {
        check_pull(pull, &mut found);
    }
    if let Some(notify) = notify {
        check_notify(integration, notify, &mut found);
    }
    found
}

fn proofs(at: &str, known: &[Proof], found: &mut Vec<String>) {
    if known.is_empty() || known.len() > MOST_PROOFS {
        found.push(format!("`{at}`: expected 1 to {MOST_PROOFS}, found {}", known.len()));
    }
    let distinct: BTreeSet<_> = known.iter().map(|proof| proof.digest).collect();
    if distinct.len() < known.len() {
        found.push(format!("`{at}`: a digest stands twice"));
    }
}

fn check_pull(pull: &Pull, found: &mut Vec<String>) {
    if !(SOONEST..=LATEST).contains(&pull.every_seconds) {
        found.push(format!("`/pull/everySeconds`: expected {SOONEST} to {LATEST}"));
    }
    if !(1..=MOST_A_SECOND).contains(&pull.requests_per_second) {
        found.push(format!("`/pull/requestsPerSecond`: expected 1 to {MOST_A_SECOND}"));
    }
    match &pull.source {
        Source::Pact(pact) => check_pact(pact, found),
        Source::Json(json) => check_json(json, found),
    }
    let url = match &pull.source {
        Source::Pact(pact) => &pact.url,
        Source::Json(json) => &json.url,
    };
    check_auth("/pull", &pull.auth, url, found);
    if let Some(trust) = &pull.trust {
        check_trust("/pull", trust, found);
    }
}

fn check_notify(integration: &Integration, notify: &Notify, found: &mut Vec<String>) {
    if notify.partner.as_str() == integration.tenant.as_str() {
        found.push("`/notify/partner`: is the company itself; expected a partner of it".to_owned());
    }
    address("/notify/url", &notify.url, found);
    check_auth("/notify", &notify.auth, &notify.url, found);
    if let Some(trust) = &notify.trust {
        check_trust("/notify", trust, found);
    }
}

/// `part` is the part of the document that it stands in, and `url` where it is shown.
fn check_auth(part: &str, auth: &Auth, url: &str, found: &mut Vec<String>) {
    match auth {
        Auth::Certificate(_) if url.starts_with("http:") => found.push(format!(
            "`{part}/auth/certificate`: a certificate is shown in TLS: expected an `https` URL"
        )),
        Auth::ApiKey(key) => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            let sound = (1..=64).contains(&key.header.len()) && key.header.bytes().all(plain);
            if !sound || TAKEN.contains(&key.header.to_ascii_lowercase().as_str()) {
                found.push(format!(
                    "`{part}/auth/apiKey/header`: expected the name of a header for a key, such as `X-API-Key`"
                ));
            }
        }
        Auth::Oauth2(token) if token.scope.as_ref().is_some_and(|scope| !is_scope(scope)) => found.push(format!(
            "`{part}/auth/oauth2/scope`: expected scopes with single spaces between (RFC 6749, section 3.3)"
        )),
        Auth::Certificate(_) | Auth::Oauth2(_) => {}
    }
}

fn check_trust(part: &str, trust: &Trust, found: &mut Vec<String>) {
    let pem = |name: &str, text: &str, what: &str| {
        let begins = format!("-----BEGIN {what}-----");
        (!text.contains(&begins)).then(|| format!("`{part}/trust/{name}`: expected PEM with `{begins}`"))
    };
    found.extend(pem("authorities", &trust.authorities, "CERTIFICATE"));
    let revoked = trust.revoked.as_deref();
    found.extend(revoked.and_then(|text| pem("revoked", text, "X509 CRL")));
}

fn check_pact(pact: &Pact, found: &mut Vec<String>) {
    address("/pull/source/pact/url", &pact.url, found);
    for (name, values) in &pact.criteria {
        let at = "/pull/source/pact/criteria";
        if !Pact::CRITERIA.contains(&name.as_str()) {
            let known = Pact::CRITERIA.join("`, `");
            found.push(format!("`{at}`: `{name}` is no criterion of PACT; `{known}` are"));
        } else if name.starts_with("valid") && values.iter().any(|value| value.parse::<Timestamp>().is_err()) {
            found.push(format!(
                "`{at}/{name}`: expected a date and time with an offset, such as `2026-01-01T00:00:00Z`"
            ));
        }
        let sound = |value: &String| (1..=LONGEST_CRITERION).contains(&value.len());
        if values.is_empty() || values.len() > MOST_CRITERIA || !values.iter().all(sound) {
            found.push(format!(
                "`{at}/{name}`: expected 1 to {MOST_CRITERIA} texts of 1 to {LONGEST_CRITERION} bytes"
            ));
        }
    }
}

fn check_json(json: &Json, found: &mut Vec<String>) {
    address("/pull/source/json/url", &json.url, found);
    let pointers = [("items", Some(&json.items)), ("next", json.next.as_ref())];
    for (name, pointer) in pointers
        .into_iter()
        .filter_map(|(name, pointer)| Some((name, pointer?)))
    {
        if !(pointer.is_empty() || pointer.starts_with('/')) {
            found.push(format!(
                "`/pull/source/json/{name}`: expected a JSON pointer, such as `/data`"
            ));
        }
    }
    let plain = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.$".contains(&byte))
    };
    if json.since.as_deref().is_some_and(|since| !plain(since)) {
        found.push("`/pull/source/json/since`: expected the name of a query parameter".to_owned());
    }
}

/// Tokens of visible ASCII but `"` and `\\`, with single spaces between.
fn is_scope(text: &str) -> bool {
    let visible = |byte: u8| byte.is_ascii_graphic() && !b"\"\\".contains(&byte);
    text.split(' ')
        .all(|token| !token.is_empty() && token.bytes().all(visible))
}

/// An `https` address, or an `http` one on loopback, with neither user name nor fragment.
fn address(at: &str, text: &str, found: &mut Vec<String>) {
    let sound = text.parse::<Url>().is_ok_and(|url| {
        let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        let scheme = url.scheme() == "https" || (url.scheme() == "http" && local);
        scheme && url.username().is_empty() && url.password().is_none() && url.fragment().is_none()
    });
    if !sound {
        found.push(format!(
            "`{at}`: expected an `https` URL, or an `http` URL on loopback, without user name and fragment"
        ));
    }
}
