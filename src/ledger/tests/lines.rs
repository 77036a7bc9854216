//! What is read where it lies is what parsing gives.

use proptest::prelude::*;

use super::super::record::{Decided, Event, Line, Record};
use super::records::{events, kept, record};
use super::*;

/// Holds what a line says to what parsing the same bytes gives.
fn same(bytes: &[u8], line: &Line<'_>) -> Result<(), TestCaseError> {
    let record = Record::parse(bytes);
    prop_assert!(record.is_ok(), "{record:?}: {}", String::from_utf8_lossy(bytes));
    let record = record.unwrap();
    let Event::Decision(decided) = record.event else {
        return Err(TestCaseError::fail("it is no decision"));
    };
    let Decided {
        action,
        bundle,
        decision,
        engine,
        mode,
        principal,
        private,
        resource,
        tenant,
        terms,
        ..
    } = *decided;
    prop_assert_eq!(line.action.get(), action);
    prop_assert_eq!(line.principal.get(), principal);
    prop_assert_eq!(line.resource.get(), resource);
    prop_assert_eq!((line.bundle, line.effect), (bundle, decision.effect));
    prop_assert_eq!(line.decision, serde_json::to_string(&decision).unwrap());
    prop_assert_eq!(line.engine, serde_json::to_string(&engine).unwrap());
    prop_assert_eq!((line.mode, line.private, line.tenant), (mode, private, tenant));
    prop_assert_eq!(line.terms().collect::<Vec<_>>(), terms.into_iter().collect::<Vec<_>>());
    prop_assert_eq!(
        (line.id, line.log, line.seq, line.time),
        (record.id, record.log, record.seq, record.time)
    );
    Ok(())
}

/// An ordinary decision's record.
fn ordinary() -> Vec<u8> {
    let event = Event::Decision(Box::new(kept(&decision(TENANTS[0], 7))));
    serde_json::to_vec(&record(event, 7, 1_772_366_400_123)).unwrap()
}

#[test]
fn an_ordinary_decision_is_read_where_it_lies() {
    let bytes = ordinary();
    same(&bytes, &Line::read(&bytes).unwrap()).unwrap();
    let ahead = String::from_utf8(bytes)
        .unwrap()
        .replace(r#""mode":"strict""#, r#""mode":"bounded""#);
    same(ahead.as_bytes(), &Line::read(ahead.as_bytes()).unwrap()).unwrap();
}

#[test]
fn no_other_spelling_of_a_decision_is_read() {
    let text = String::from_utf8(ordinary()).unwrap();
    let terms = text
        .split("\"terms\":[")
        .nth(1)
        .unwrap()
        .split(']')
        .next()
        .unwrap()
        .to_owned();
    for (from, to) in [
        ("\"seq\":7", "\"seq\":07"),
        ("\"seq\":7", "\"seq\":7.0"),
        ("\"seq\":7", "\"seq\": 7"),
        (".123Z", ".12Z"),
        (".123Z", ".123+00:00"),
        ("T12:00:00", "T24:00:00"),
        ("T12:00:00", "T12:00:60"),
        ("2026-03-01", "2026-02-29"),
        ("\"strict\"", "\"lax\""),
        ("\"v\":2", "\"v\":3"),
        ("\"errors\":[]", "\"errors\":[,]"),
        ("sha256:", "SHA256:"),
        ("\"terms\":[", "\"terms\":[,"),
        (terms.as_str(), &format!("{terms},{terms}")),
        (terms.as_str(), &format!("{terms}{terms}")),
        (terms.as_str(), &format!("{terms},")),
        ("tenant-reads", "\\u0074enant-reads"),
        ("BPNL00000000000A\",\"terms", "bpnl00000000000a\",\"terms"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        assert!(Line::read(changed.as_bytes()).is_none(), "{changed}");
    }
}

proptest! {
    /// Whatever is read where it lies, parsing gives the same; and of a decision without strange characters it is always read.
    #[test]
    fn any_record_is_read_as_it_is_parsed(event in events(), seq in 0_u64..1 << 53, millis in 0_i64..4_000_000_000_000) {
        let plain = match &event {
            Event::Decision(decided) => {
                let text = serde_json::to_string(decided).unwrap();
                !text.replace("\\\\", "").replace("\\\"", "").contains('\\')
            }
            _ => false,
        };
        let bytes = serde_json::to_vec(&record(event, seq, millis)).unwrap();
        match Line::read(&bytes) {
            Some(line) => same(&bytes, &line)?,
            None => prop_assert!(!plain, "{}", String::from_utf8_lossy(&bytes)),
        }
    }

    /// A changed byte makes it another record, or none; never one that is read in two ways.
    #[test]
    fn changed_bytes_are_read_as_they_are_parsed(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..3), cut in any::<prop::sample::Index>(), cuts in any::<bool>()) {
        let mut bytes = ordinary();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cuts {
            bytes.remove(cut.index(bytes.len()));
        }
        if let Some(line) = Line::read(&bytes) {
            same(&bytes, &line)?;
        }
    }
}
