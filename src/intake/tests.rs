//! Documents that something happened to: what becomes of them, whatever it was.

use jsonschema::Draft;
use proptest::prelude::*;
use serde_json::Value;

use super::read::{Unfit, read};
use crate::ingest::DOCUMENT_LIMIT;
use crate::pcf::{Model, Models};

/// A text that no document has, so that whoever tells it has it from where it was put.
const MARK: &str = "Zaunk\u{f6}nig-7431";

fn sample(model: Model) -> Value {
    let text = match model {
        Model::V7 => include_str!("../../fixtures/pcf/official/7.0.0.json"),
        Model::V9 => include_str!("../../fixtures/pcf/official/9.0.0.json"),
        Model::V10 => include_str!("../../fixtures/pcf/official/10.0.0.json"),
    };
    serde_json::from_str(text).unwrap()
}

/// The pointers of all places in a document.
fn places(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                places(member, &format!("{at}/{name}"), all);
            }
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                places(item, &format!("{at}/{place}"), all);
            }
        }
        _ => {}
    }
}

/// What happens at a place.
#[derive(Clone, Debug)]
enum Mishap {
    Gone,
    Instead(Value),
    /// A member more, of that name.
    Added,
}

fn any_mishap() -> impl Strategy<Value = Mishap> {
    let odd = [
        Value::Null,
        Value::Bool(true),
        MARK.into(),
        "".into(),
        (-1).into(),
        1e300.into(),
        0.1.into(),
        Value::Array(Vec::new()),
        Value::Array(vec![Value::Null; 3]),
        serde_json::json!({ MARK: MARK }),
        MARK.repeat(1_000).into(),
    ];
    prop_oneof![
        Just(Mishap::Gone),
        proptest::sample::select(odd.to_vec()).prop_map(Mishap::Instead),
        Just(Mishap::Added),
    ]
}

fn any_model() -> impl Strategy<Value = Model> {
    proptest::sample::select(vec![Model::V7, Model::V9, Model::V10])
}

fn befall(document: &mut Value, at: &str, mishap: &Mishap) {
    match mishap {
        Mishap::Instead(other) => *document.pointer_mut(at).unwrap() = other.clone(),
        Mishap::Added => {
            if let Some(members) = document.pointer_mut(at).unwrap().as_object_mut() {
                members.insert(MARK.to_owned(), MARK.into());
            }
        }
        Mishap::Gone => {
            let Some((parent, name)) = at.rsplit_once('/') else {
                return;
            };
            let name = name.replace("~1", "/").replace("~0", "~");
            match document.pointer_mut(parent).unwrap() {
                Value::Object(members) => drop(members.remove(&name)),
                Value::Array(items) => drop(items.remove(name.parse().unwrap())),
                other => panic!("nothing is within {other}"),
            }
        }
    }
}

/// What the model's own schema says, compiled here and not by the service.
fn is_valid(model: Model, document: &Value) -> bool {
    let schema = match model {
        Model::V7 => include_str!("../../schema/pcf/7.0.0.schema.json"),
        Model::V9 => include_str!("../../schema/pcf/9.0.0.schema.json"),
        Model::V10 => include_str!("../../schema/pcf/10.0.0.schema.json"),
    };
    let schema = serde_json::from_str(schema).unwrap();
    let schema = jsonschema::options().with_draft(Draft::Draft4).build(&schema);
    schema.unwrap().is_valid(document)
}

fn models() -> &'static Models {
    static MODELS: std::sync::LazyLock<Models> = std::sync::LazyLock::new(|| Models::built_in().unwrap());
    &MODELS
}

proptest! {
    /// Law: a document is taken only if the schema of its model allows it, and as it came. What is refused says where, at a place that is there or
    /// that lacks something, and never what stands there.
    #[test]
    fn whatever_happens_to_a_document_it_is_sound_or_it_is_told_where_it_is_not(
        model in any_model(), place: proptest::sample::Index, mishap in any_mishap(),
    ) {
        let mut document = sample(model);
        let mut all = Vec::new();
        places(&document, "", &mut all);
        befall(&mut document, place.get::<String>(&all), &mishap);
        let bytes = document.to_string().into_bytes();
        match read(models(), bytes.clone()) {
            Ok(sound) => {
                prop_assert!(is_valid(sound.model, &document));
                prop_assert_eq!(sound.document, bytes);
            }
            Err(unfit) => {
                prop_assert!(!unfit.to_string().contains(MARK), "{}", unfit);
                if let Unfit::Invalid { flaws, .. } = unfit {
                    prop_assert!(!flaws.is_empty() && !is_valid(model, &document));
                    for flaw in flaws {
                        prop_assert!(document.pointer(&flaw.at).is_some(), "{}", flaw);
                    }
                }
            }
        }
    }

    /// Law: a document that was cut off, or of which a byte was changed, is refused or is another sound one; nothing panics.
    #[test]
    fn bytes_that_were_lost_or_changed_make_no_other_document_of_it(
        model in any_model(), at: proptest::sample::Index, byte: u8, cut: bool,
    ) {
        let mut bytes = sample(model).to_string().into_bytes();
        let at = at.index(bytes.len());
        match cut {
            true => bytes.truncate(at),
            false => bytes[at] = byte,
        }
        let read = read(models(), bytes.clone());
        prop_assert!(!cut || read.is_err(), "half a document is none");
        if let Ok(sound) = read {
            prop_assert_eq!(sound.document, bytes);
        }
    }

    /// Law: of whatever bytes it is told that they are no footprint, and none of them is.
    #[test]
    fn bytes_that_are_no_document_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(read(models(), bytes).is_err());
    }

    /// Law: a member that stands twice means two things, so the document is refused whichever of them counts.
    #[test]
    fn a_member_that_stands_twice_is_refused(model in any_model(), place: proptest::sample::Index) {
        let text = sample(model).to_string();
        let members: Vec<usize> = text.match_indices("{\"").map(|(at, _)| at).collect();
        let at = *place.get(&members);
        let (before, after) = text.split_at(at + 1);
        let (name, _) = after.split_once(':').unwrap();
        let twice = format!("{before}{name}:null,{after}");
        prop_assert!(read(models(), twice.into_bytes()).is_err());
    }
}

#[test]
fn a_document_that_is_too_long_is_not_read() {
    let long = vec![b' '; DOCUMENT_LIMIT + 1];
    assert!(
        read(models(), long)
            .unwrap_err()
            .to_string()
            .contains(&(DOCUMENT_LIMIT + 1).to_string())
    );
}
