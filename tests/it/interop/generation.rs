//! Which EDC is tested against: `EDC_VERSION`, or what is built by default. From 0.18 on it tells data planes in Data Plane Signaling and is
//! managed by version 4 of its API.

use serde_json::{Value, json};
use tidegate::dataspace::flow::Dialect;

use super::EDC;
use super::edc::folder;

/// The version of EDC: what the environment says, else what is built by default.
pub fn version() -> String {
    std::env::var("EDC_VERSION").unwrap_or_else(|_| {
        let build = std::fs::read_to_string(folder().join("pom.xml")).unwrap();
        let after = build.split_once("<edc.version>").unwrap().1;
        after.split_once('<').unwrap().0.to_owned()
    })
}

/// The language in which that EDC tells its data planes.
pub fn dialect() -> Dialect {
    let version = version();
    let mut parts = version.split('.').map(|part| part.parse::<u32>());
    match (parts.next(), parts.next()) {
        (Some(Ok(0)), Some(Ok(..18))) => Dialect::Legacy,
        (Some(Ok(_)), Some(Ok(_))) => Dialect::Dps,
        _ => panic!("`{version}` is no version of EDC"),
    }
}

/// The JSON-LD context of a request to the management API.
pub fn context() -> Value {
    match dialect() {
        Dialect::Legacy => json!({ "@vocab": EDC }),
        Dialect::Dps => json!(["https://w3id.org/edc/connector/management/v2"]),
    }
}

/// The context of a request with a policy in it.
pub fn policy_context() -> Value {
    match dialect() {
        Dialect::Legacy => json!(["https://w3id.org/dspace/2025/1/odrl-profile.jsonld", { "@vocab": EDC }]),
        Dialect::Dps => context(),
    }
}

/// Asks for all that fit the criteria.
pub fn query(filter: Value) -> Value {
    json!({ "@context": context(), "@type": "QuerySpec", "filterExpression": filter })
}
