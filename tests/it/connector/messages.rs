//! Our reader and writer of messages against the protocol's schemas and examples.

use serde_json::{Value, json};
use tidegate::dev::connector::message::Message;

use super::schema::{check, check_read, faults, folder};
use crate::harness::files;

fn examples() -> Vec<(String, Value)> {
    let all = files(&folder())
        .into_iter()
        .filter(|path| path.parent().unwrap().ends_with("example"));
    all.map(|path| {
        let text = std::fs::read_to_string(&path).unwrap();
        (
            path.file_name().unwrap().to_str().unwrap().to_owned(),
            serde_json::from_str(&text).unwrap(),
        )
    })
    .collect()
}

#[test]
fn the_protocols_own_examples_are_read_and_written_as_they_are() {
    let mut read = 0;
    for (name, example) in examples() {
        check(&example);
        let kind = example["@type"].as_str().unwrap_or_default();
        if !kind.ends_with("Message") {
            continue;
        }
        read += 1;
        let mut again = check_read(&example).to_json();
        // An empty filter is no filter.
        if kind == "CatalogRequestMessage" {
            again["filter"] = json!([]);
        }
        assert_eq!(again, example, "{name}");
    }
    assert_eq!(read, 15);
}

#[test]
fn what_the_schema_refuses_the_reader_refuses() {
    let messages = examples()
        .into_iter()
        .filter(|(_, example)| example["@type"].as_str().is_some_and(|kind| kind.ends_with("Message")));
    let mut refused = 0;
    for (name, example) in messages {
        for member in example.as_object().unwrap().keys() {
            let mut without = example.clone();
            without.as_object_mut().unwrap().remove(member);
            let read = Message::read(without.to_string().as_bytes());
            let sound = faults_of(&without).is_empty();
            assert_eq!(read.is_ok(), sound, "{name} without `{member}`: {read:?}");
            refused += u32::from(!sound);
        }
        for context in [
            json!("https://w3id.org/dspace/2025/1/context.jsonld"),
            json!([]),
            json!([1]),
        ] {
            let mut other = example.clone();
            other["@context"] = context;
            assert!(!faults_of(&other).is_empty());
            assert!(Message::read(other.to_string().as_bytes()).is_err(), "{name}");
        }
        let mut twice = example.to_string();
        twice.insert_str(1, r#""@type":"TransferStartMessage","#);
        assert!(Message::read(twice.as_bytes()).is_err(), "{name}: a member twice");
    }
    assert!(refused > 50, "{refused}");
}

/// As [`faults`], where a message without a kind has none of any schema.
fn faults_of(message: &Value) -> Vec<String> {
    match message["@type"] {
        Value::Null => vec!["no `@type`".into()],
        _ => faults(message),
    }
}
