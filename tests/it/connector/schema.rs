//! The protocol's own schemas, and every message held to them.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use jsonschema::{Draft, Registry, Validator};
use serde_json::{Value, json};
use tidegate::dev::connector::Connector;
use tidegate::dev::connector::message::Message;
use tidegate::dev::connector::store::{Direction, Entry};

use crate::harness::files;

const BASE: &str = "https://w3id.org/dspace/2025/1";

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/dsp")
}

static SCHEMAS: LazyLock<Registry<'static>> = LazyLock::new(|| {
    let mut registry = Registry::new();
    for path in files(&folder()) {
        if path.to_str().unwrap().ends_with("-schema.json") {
            let text = std::fs::read_to_string(&path).unwrap();
            // A JSON pointer begins with a slash; three files forget it.
            let text = text.replace("-schema.json#definitions", "-schema.json#/definitions");
            let schema: Value = serde_json::from_str(&text).unwrap();
            let id = schema["$id"].as_str().unwrap().to_owned();
            registry = registry.add(id, schema).unwrap();
        }
    }
    registry.prepare().unwrap()
});

/// The schema of a message, by its `@type`, as the files are named.
fn file(kind: &str) -> String {
    let mut name = String::new();
    for letter in kind.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    let part = ["catalog", "negotiation", "transfer"]
        .into_iter()
        .find(|part| folder().join(part).join(format!("{name}-schema.json")).exists());
    format!(
        "{BASE}/{}/{name}-schema.json",
        part.unwrap_or_else(|| panic!("no schema for `{kind}`"))
    )
}

pub fn validator(id: &str) -> Validator {
    jsonschema::options()
        .with_draft(Draft::Draft201909)
        .with_registry(&SCHEMAS)
        .build(&json!({ "$ref": id }))
        .unwrap()
}

/// What the schema of its kind says against `message`.
pub fn faults(message: &Value) -> Vec<String> {
    let id = match message["@type"].as_str() {
        Some(kind) => file(kind),
        None => format!("{BASE}/common/protocol-version-schema.json"),
    };
    let validator = validator(&id);
    validator.iter_errors(message).map(|error| error.to_string()).collect()
}

/// Holds a message to the schema of its kind.
pub fn check(message: &Value) {
    assert_eq!(faults(message), Vec::<String>::new(), "{message:#}");
}

/// Holds everything a connector said, and all it took from others, to the schemas; and gives it.
pub fn check_journal(connector: &Connector) -> Vec<Entry> {
    let journal = connector.journal();
    for entry in &journal {
        let refused = entry.direction == Direction::Received && entry.status >= 400;
        for said in [(!refused).then_some(&entry.message), Some(&entry.answer)]
            .into_iter()
            .flatten()
        {
            if !said.is_null() {
                check(said);
            }
        }
    }
    journal
}

/// That our own reader takes a message.
pub fn check_read(message: &Value) -> Message {
    Message::read(message.to_string().as_bytes()).unwrap_or_else(|error| panic!("{error}: {message:#}"))
}
