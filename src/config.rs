//! The configuration of a service that is not in dev mode.
//!
//! Nothing that decides whom to trust has a default: where keys come from, under which name the service is reached, which
//! policies are in force. A file with several mistakes is answered with all of them.

mod aws;
mod operators;
mod tls;
mod witnesses;

pub use aws::AwsSettings;
pub use tls::TlsSettings;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use axum::http::HeaderName;
use serde::Deserialize;

use crate::ids::{OperatorName, OperatorRole};
use crate::ledger::witness::Witnesses;

/// What a service needs to start.
#[derive(Debug)]
pub struct Config {
    /// The address to listen on. TLS ends in front of it.
    pub listen: SocketAddr,
    /// The data directory: ledger, registry, vault.
    pub data: PathBuf,
    /// The URL people and programs reach the service under.
    pub base_url: String,
    /// The domain below which each tenant has its own host, where there is one.
    pub base_host: Option<String>,
    /// The bundle.
    pub bundle: PathBuf,
    /// The first part of each log's origin, such as `tidegate.example`; fixed for the life of a ledger.
    pub ledger_origin: String,
    /// The PostgreSQL database of the ledger, where that is not in the data directory.
    pub ledger_database: Option<DatabaseSource>,
    /// The PostgreSQL database of registry, data flows and exchanges, where they are not in the data directory.
    pub database: Option<DatabaseSource>,
    /// Who cosigns the ledger's checkpoints, where anyone does.
    pub witnesses: Option<Witnesses>,
    /// Whether the ledger is written by the hour as segments too, in `segments` of the data directory.
    pub segments: bool,
    /// Where the key of the vault is.
    pub vault_key: KeySource,
    /// The platform's staff who administer it from where the data is, each with what they are there for.
    pub operators: BTreeMap<OperatorName, BTreeSet<OperatorRole>>,
    /// AWS, where secrets and footprints are there and not in the data directory.
    pub aws: Option<AwsSettings>,
    /// The header in which the load balancer puts the certificate of a client, where it ends TLS and asks for one. Whoever can reach the
    /// service past the load balancer could write that header.
    pub client_certificate_header: Option<HeaderName>,
    /// The listener that speaks TLS and asks for client certificates, where there is one.
    pub tls: Option<TlsSettings>,
    /// A document of tenants, partners, offers and agreements to take in at start.
    pub world: Option<PathBuf>,
}

/// Where a key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A file that only its owner may read.
    File(PathBuf),
    /// An environment variable with the key in base64.
    Environment(String),
}

/// Where the URL of a database comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabaseSource {
    /// It stands in the file, so it holds no password.
    Url(String),
    /// An environment variable.
    Environment(String),
}

/// The file as it is written; every member is optional so that all that are missing can be told at once.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    listen: Option<String>,
    data: Option<PathBuf>,
    base_url: Option<String>,
    base_host: Option<String>,
    bundle: Option<PathBuf>,
    ledger_origin: Option<String>,
    ledger_database: Option<String>,
    ledger_database_env: Option<String>,
    database: Option<String>,
    database_env: Option<String>,
    segments: Option<bool>,
    vault_key_file: Option<PathBuf>,
    vault_key_env: Option<String>,
    world: Option<PathBuf>,
    client_certificate_header: Option<String>,
    tls: Option<tls::Written>,
    witness_quorum: Option<i64>,
    #[serde(default)]
    witness: Vec<witnesses::Written>,
    aws: Option<aws::Written>,
    #[serde(default)]
    operators: BTreeMap<String, Vec<String>>,
}

/// What is wrong with a configuration, all of it.
#[derive(Debug, thiserror::Error)]
#[error("the configuration `{file}` cannot be used:{}", problems.iter().map(|problem| format!("\n  - {problem}")).collect::<String>())]
pub struct ConfigError {
    /// The file.
    pub file: String,
    /// What is wrong; never empty.
    pub problems: Vec<String>,
}

impl Config {
    /// Reads a configuration.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError {
            file: file.clone(),
            problems: vec![error.to_string()],
        })?;
        Self::parse(&text).map_err(|problems| ConfigError { file, problems })
    }

    /// Reads the text of a configuration.
    ///
    /// # Errors
    /// Everything that is wrong with it, one sentence each.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let written: Written = toml::from_str(text).map_err(|error| vec![error.to_string()])?;
        let mut problems = Vec::new();
        let listen = wanted(
            &mut problems,
            written.listen,
            "listen",
            "the address to listen on, `127.0.0.1:8080`",
        );
        let listen = listen.and_then(|text| match text.parse::<SocketAddr>() {
            Ok(address) => Some(address),
            Err(_) => {
                problems.push(format!(
                    "`listen`: `{text}` is not an address and a port, such as `127.0.0.1:8080`"
                ));
                None
            }
        });
        let data = wanted(&mut problems, written.data, "data", "the data directory");
        let base_url = wanted(
            &mut problems,
            written.base_url,
            "base_url",
            "the URL the service is reached under",
        );
        if let Some(url) = &base_url
            && (!(url.starts_with("https://") || is_loopback(url))
                || url.ends_with('/')
                || url.contains(['?', '#', ' ', '@']))
        {
            problems.push(format!(
                "`base_url`: `{url}` is not an `https://` URL, nor an `http://` URL on loopback, without a slash at its end"
            ));
        }
        let bundle = wanted(
            &mut problems,
            written.bundle,
            "bundle",
            "the directory with `policies/` and `schema/`",
        );
        let ledger_origin = wanted(
            &mut problems,
            written.ledger_origin,
            "ledger_origin",
            "the name of the ledger, `tidegate.example`",
        );
        let vault_key = match (written.vault_key_file, written.vault_key_env) {
            (Some(path), None) => Some(KeySource::File(path)),
            (None, Some(name)) => Some(KeySource::Environment(name)),
            _ => {
                problems
                    .push("exactly one of `vault_key_file` and `vault_key_env` says where the vault's key is".into());
                None
            }
        };
        let ledger_database = database(
            &mut problems,
            "ledger_database",
            (written.ledger_database, written.ledger_database_env),
        );
        let database = database(&mut problems, "database", (written.database, written.database_env));
        let witnesses = witnesses::read(&mut problems, written.witness, written.witness_quorum);
        let named = written.client_certificate_header.as_deref().map(header);
        if named == Some(None) {
            problems.push(
                "`client_certificate_header` is not the name of a header, such as `x-amzn-mtls-clientcert-leaf`".into(),
            );
        }
        let client_certificate_header = named.flatten();
        let tls = tls::read(&mut problems, written.tls);
        let aws = aws::read(&mut problems, written.aws);
        let operators = operators::read(&mut problems, written.operators);
        match (listen, data, base_url, bundle, ledger_origin, vault_key) {
            (Some(listen), Some(data), Some(base_url), Some(bundle), Some(ledger_origin), Some(vault_key))
                if problems.is_empty() =>
            {
                let (base_host, world) = (written.base_host, written.world);
                let segments = written.segments.unwrap_or(false);
                Ok(Self {
                    listen,
                    data,
                    base_url,
                    base_host,
                    bundle,
                    ledger_origin,
                    ledger_database,
                    database,
                    witnesses,
                    segments,
                    vault_key,
                    operators,
                    aws,
                    client_certificate_header,
                    tls,
                    world,
                })
            }
            _ => Err(problems),
        }
    }
}

/// The header of a name that is in lower case, of letters, digits and dashes.
fn header(name: &str) -> Option<HeaderName> {
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.bytes().all(known).then(|| name.parse().ok())?
}

/// Whether an `http` URL leads to this machine.
fn is_loopback(url: &str) -> bool {
    let hosts = ["127.0.0.1", "[::1]", "localhost"];
    let rest = url.strip_prefix("http://");
    let after = rest.and_then(|rest| hosts.iter().find_map(|host| rest.strip_prefix(host)));
    after.is_some_and(|after| after.is_empty() || after.starts_with([':', '/']))
}

/// Where the URL of a database is: in the member of that name, or in the variable that the member `…_env` names.
fn database(
    problems: &mut Vec<String>,
    member: &str,
    written: (Option<String>, Option<String>),
) -> Option<DatabaseSource> {
    match written {
        (Some(_), Some(_)) => {
            problems.push(format!(
                "at most one of `{member}` and `{member}_env` says where the database is"
            ));
            None
        }
        (Some(url), None) if has_password(&url) => {
            problems.push(format!(
                "`{member}` holds a password, which must not stand in a file that is no secret; put the URL into an environment variable and name that in `{member}_env`"
            ));
            None
        }
        (Some(url), None) => Some(DatabaseSource::Url(url)),
        (None, name) => name.map(DatabaseSource::Environment),
    }
}

/// Whether a database's URL holds a password: after the user, or as a parameter.
fn has_password(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    let user = before.rsplit_once('@').map_or("", |(user, _)| user);
    user.contains(':') || query.split('&').any(|part| part.starts_with("password="))
}

fn wanted<T>(problems: &mut Vec<String>, value: Option<T>, name: &str, what: &str) -> Option<T> {
    if value.is_none() {
        problems.push(format!("`{name}` is missing: {what}"));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const GOOD: &str = r#"
        listen = "0.0.0.0:8080"
        data = "/var/lib/tidegate"
        base_url = "https://tidegate.example"
        base_host = "exchange.tidegate.example"
        bundle = "/etc/tidegate/bundle"
        ledger_origin = "tidegate.example"
        vault_key_env = "TIDEGATE_VAULT_KEY"
    "#;

    #[test]
    fn a_whole_configuration_is_read() {
        let config = Config::parse(GOOD).unwrap();
        assert_eq!(config.vault_key, KeySource::Environment("TIDEGATE_VAULT_KEY".into()));
        assert_eq!(config.base_host.as_deref(), Some("exchange.tidegate.example"));
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let problems = Config::parse("listen = \"8080\"\nbase_url = \"http://x\"").unwrap_err();
        let all = problems.join("\n");
        for expected in [
            "`listen`",
            "`data` is missing",
            "`base_url`",
            "`bundle` is missing",
            "`ledger_origin` is missing",
            "vault_key_file",
        ] {
            assert!(all.contains(expected), "{expected} in {all}");
        }
    }

    #[test]
    fn without_tls_a_service_is_on_this_machine_only() {
        let with = |url: &str| Config::parse(&GOOD.replace("https://tidegate.example", url));
        for good in ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:1/x"] {
            assert!(with(good).is_ok(), "{good}");
        }
        for bad in [
            "http://tidegate.example",
            "http://127.0.0.1.evil.example",
            "http://localhost@evil.example",
            "http://127.0.0.1:8080/",
            "http://localhostx",
        ] {
            assert!(with(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_database_is_named_without_a_password() {
        let with = |line: &str| Config::parse(&format!("{GOOD}\n{line}"));
        let none = Config::parse(GOOD).unwrap();
        assert_eq!((none.ledger_database, none.database), (None, None));
        for member in ["ledger_database", "database"] {
            let read = |line: &str| {
                let config = with(line).unwrap();
                let both = (config.ledger_database, config.database);
                match (member, both) {
                    ("database", (None, database)) | ("ledger_database", (database, None)) => database,
                    (_, both) => panic!("{member}: {both:?}"),
                }
            };
            let url = "postgres://tidegate@db.example/ledger?sslmode=verify-full";
            let source = read(&format!("{member} = \"{url}\""));
            assert_eq!(source, Some(DatabaseSource::Url(url.into())));
            let source = read(&format!("{member}_env = \"NAME\""));
            assert_eq!(source, Some(DatabaseSource::Environment("NAME".into())));
            for secret in [
                "postgres://tidegate:s3cret@db.example/ledger",
                "postgres://tidegate:s3cr@et@db.example/ledger",
                "postgres://db.example/ledger?sslmode=verify-full&password=s3cret",
            ] {
                let problems = with(&format!("{member} = \"{secret}\"")).unwrap_err().join("");
                assert!(problems.contains(&format!("`{member}_env`")), "{problems}");
                assert!(!problems.contains("s3cr"), "{problems}");
            }
            let both = format!("{member} = \"{url}\"\n{member}_env = \"NAME\"");
            assert!(with(&both).is_err());
        }
    }

    #[test]
    fn an_emulator_of_aws_is_on_this_machine() {
        let with = |lines: &str| Config::parse(&format!("{GOOD}\n[aws]\n{lines}"));
        let config = with("endpoint = \"http://127.0.0.1:4566\"\npeople_client = \"people\"").unwrap();
        let aws = config.aws.unwrap();
        assert_eq!(aws.people_client, Some("people".parse().unwrap()));
        assert_eq!(with("").unwrap().aws, Some(AwsSettings::default()));
        assert_eq!(Config::parse(GOOD).unwrap().aws, None);
        for (bad, told) in [
            ("endpoint = \"https://aws.example\"", "aws.endpoint"),
            ("token_url = \"http://pool.example/oauth2/token\"", "aws.token_url"),
            ("kms_key = \"alias/tidegate\"", "aws.kms_key"),
            ("people_client = \"a b\"", "aws.people_client"),
            ("region = \"eu-west-1\"", "region"),
        ] {
            let problems = with(bad).unwrap_err().join("");
            assert!(problems.contains(told), "{problems}");
        }
    }

    #[test]
    fn an_unknown_member_is_refused() {
        assert!(
            Config::parse(&format!("{GOOD}\ntrust_everyone = true"))
                .unwrap_err()
                .join("")
                .contains("trust_everyone")
        );
    }
}
