//! Records are canonical, and any sequence of appends verifies.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::select;

use super::super::period::PeriodKey;
use super::super::record::{Activation, AgreementEvent, MAX_EVENT_BYTES, MAX_RECORD_BYTES, Opened, RecordError, Start};
use super::super::report::FindingKind;
use super::super::{LedgerError, Record, RecordTime};
use super::at::{At, On, on_both};
use super::*;
use crate::ids::RecordId;
use crate::registry::AgreementState;

on_both!(the_largest_event_still_makes_a_record_and_a_larger_one_is_refused,);

fn digests() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest::from_bytes)
}

fn answers() -> impl Strategy<Value = Decision> {
    let effects = prop_oneof![Just(Effect::Allow), Just(Effect::Deny)];
    let texts = || proptest::collection::vec(any::<String>(), 0..4);
    let iam = prop_oneof![
        any::<String>().prop_map(|reason| IamAnswer::NotApplicable { reason }),
        texts().prop_map(|statements| IamAnswer::Evaluated {
            decision: IamDecision::ImplicitDeny,
            statements
        }),
    ];
    (effects, texts(), texts(), iam).prop_map(|(decision, errors, policies, iam)| {
        Decision::join(
            CedarAnswer {
                decision,
                errors,
                policies,
            },
            iam,
        )
    })
}

pub(super) fn events() -> impl Strategy<Value = Event> {
    let decided = (
        any::<[String; 4]>(),
        any::<bool>(),
        answers(),
        proptest::collection::btree_set(digests(), 0..5),
    );
    let decided = decided.prop_map(
        |([action, principal, resource, trace], with, decision, terms): (_, _, _, BTreeSet<_>)| {
            let mut decided = kept(&super::decision(TENANTS[0], 1));
            (decided.action, decided.principal, decided.resource) = (action, principal, resource);
            (decided.decision, decided.terms) = (decision, terms);
            decided.request.traceparent = with.then_some(trace);
            decided.tenant = decided.tenant.filter(|_| with);
            Event::Decision(Box::new(decided))
        },
    );
    let activation = (digests(), any::<Option<[u8; 32]>>(), any::<Option<String>>());
    let activation = activation.prop_map(|(bundle, previous, refused)| {
        let previous = previous.map(Digest::from_bytes);
        Event::Activation(Activation {
            bundle,
            previous,
            refused,
        })
    });
    let start = any::<[String; 2]>().prop_map(|[cedar, tidegate]| {
        Event::Start(Start {
            engine: Engine { cedar, tidegate },
        })
    });
    let opened = any::<String>().prop_map(|verifier_key| {
        Event::Opened(Opened {
            log: log(TENANTS[1]),
            verifier_key,
        })
    });
    let texts = (any::<[String; 2]>(), any::<bool>());
    let states = [AgreementState::Active, AgreementState::Retired, AgreementState::Expired];
    let agreement = (texts, digests(), select(states.to_vec()), 0_i64..4_000_000_000_000);
    let agreement = agreement.prop_map(|(([by, reason], with), digest, state, millis)| {
        Event::Agreement(Box::new(AgreementEvent {
            agreement: "urn:uuid:a-1=".parse().unwrap(),
            asset: "pcf".parse().unwrap(),
            by,
            consumer: TENANTS[1].parse().unwrap(),
            decision: with.then(|| RecordId(uuid::Builder::from_bytes([7; 16]).into_uuid())),
            odrl: with.then_some(digest),
            provider: TENANTS[0].parse().unwrap(),
            reason: with.then_some(reason),
            signed_at: RecordTime::new(Timestamp::from_millisecond(millis).unwrap()),
            state,
            terms: digest,
        }))
    });
    prop_oneof![4 => decided, 2 => activation, 2 => agreement, 1 => start, 1 => opened]
}

/// What is recorded of a decision.
pub(super) fn kept(entry: &Entry) -> Decided {
    let What::Decision(decided) = &entry.what else {
        panic!("it is one");
    };
    let key = PeriodKey::new("2026-11".parse().unwrap(), &[7; 32]).unwrap();
    decided.seal(&key).unwrap().decided
}

pub(super) fn record<E>(event: E, seq: u64, millis: i64) -> Record<E> {
    let time = RecordTime::new(Timestamp::from_millisecond(millis).unwrap());
    let id = uuid::Builder::from_unix_timestamp_millis(time.unix_millis(), &[5; 10]).into_uuid();
    Record {
        event,
        id: RecordId(id),
        log: LogId::Platform,
        seq,
        time,
        v: 2,
    }
}

proptest! {
    #[test]
    fn a_records_bytes_are_canonical_json_and_read_back(
        event in events(), seq in 0_u64..1 << 53, millis in 0_i64..4_000_000_000_000,
    ) {
        // As the writer makes it, around an event that is bytes already.
        let bytes = serde_json::to_vec(&record(event.to_canonical().unwrap(), seq, millis)).unwrap();
        let parsed = Record::parse(&bytes).unwrap();
        prop_assert_eq!(&parsed, &record(event, seq, millis));
        prop_assert_eq!(serde_json_canonicalizer::to_vec(&parsed).unwrap(), bytes);
    }
}

#[test]
fn only_the_canonical_spelling_of_a_record_is_accepted() {
    let bytes = serde_json::to_string(&record(
        Event::Decision(Box::new(kept(&decision("platform", 1)))),
        3,
        1_700_000_000_120,
    ))
    .unwrap();
    assert!(Record::parse(bytes.as_bytes()).is_ok());
    assert!(bytes.contains("\"time\":\"2023-11-14T22:13:20.120Z\""), "{bytes}");
    let spellings = [
        bytes.replace("\"seq\":3", "\"seq\": 3"),
        bytes.replace("\"seq\":3", "\"seq\":3,\"seq2\":3"),
        bytes.replace("20.120Z", "20.12Z"),
        bytes.replace("20.120Z", "20.120+00:00"),
        bytes.replace("\"v\":2", "\"v\":1"),
        bytes.replace("\"what\":{\"action\"", "\"what\":{\"Action\":1,\"action\""),
        bytes
            .replace("\"traceparent\"", "\"Traceparent\"")
            .replace("\"request\":{", "\"request\":{\"traceparent\":null,"),
        format!("{bytes}\n"),
        format!(" {bytes}"),
    ];
    for other in spellings {
        assert!(Record::parse(other.as_bytes()).is_err(), "{other}");
    }
}

async fn the_largest_event_still_makes_a_record_and_a_larger_one_is_refused(on: On) {
    let at = At::new(on).await;
    let ledger = at.open().await;
    let sized = |bytes: usize| {
        let event = |padding: usize| {
            let refused = Some("x".repeat(padding));
            Event::Activation(Activation {
                bundle: Digest::ZERO,
                previous: None,
                refused,
            })
        };
        let frame = event(0).to_canonical().unwrap().get().len();
        Entry::event(log(TENANTS[0]), event(bytes - frame))
    };
    ledger.append(sized(MAX_EVENT_BYTES)).await.unwrap();
    let refused = ledger.append(sized(MAX_EVENT_BYTES + 1)).await;
    assert!(
        matches!(&refused, Err(LedgerError::Record(error)) if matches!(**error, RecordError::TooLarge { .. })),
        "{refused:?}"
    );
    assert_eq!(ledger.stats().queued, 1, "refused before it is queued");
    ledger.close().await;
    let mut reader = at.reader().await.unwrap();
    let row = reader.group(log(TENANTS[0]), 0).await.unwrap().remove(0);
    assert!(
        row.bytes.len() <= MAX_RECORD_BYTES - 20,
        "room for the longest number: {}",
        row.bytes.len()
    );
}

type Index = prop::sample::Index;

fn sequences() -> impl Strategy<Value = (Vec<(usize, Event)>, [Index; 2], u8)> {
    let appends = proptest::collection::vec((0_usize..3, events()), 1..24);
    (appends, any::<[Index; 2]>(), 1_u8..=255)
}

/// Appends, verifies, changes a byte of one record, verifies again.
fn appended_and_changed(on: On, (appends, [victim, place], change): (Vec<(usize, Event)>, [Index; 2], u8)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let at = At::new(on).await;
        let ledger = at.open().await;
        let mut places = Vec::new();
        for (which, event) in appends {
            let log = log(["platform", TENANTS[0], TENANTS[1]][which]);
            // A log is opened by the ledger alone, and bodies are another test's.
            let what = match event {
                Event::Opened(_) => continue,
                Event::Decision(_) => decision(log.as_str(), places.len()).what,
                Event::Activation(activation) => {
                    let refused = Some(activation.refused.unwrap_or_default());
                    What::Event(Event::Activation(Activation { refused, ..activation }))
                }
                Event::Agreement(agreement) => {
                    let terms = super::body("terms".repeat(200)).0;
                    What::Event(Event::Agreement(Box::new(AgreementEvent { terms, ..*agreement })))
                }
                start => What::Event(start),
            };
            let bodies = decision(log.as_str(), places.len()).bodies;
            places.push(ledger.append(Entry { log, what, bodies }).await.unwrap());
        }
        ledger.close().await;
        let report = at.verify().await.unwrap();
        assert!(report.ok, "{report}");
        if places.is_empty() {
            return;
        }
        let changed = victim.get(&places);
        let mut reader = at.reader().await.unwrap();
        let mut rows = reader.group(changed.log, 0).await.unwrap();
        let mut bytes = rows.remove(usize::try_from(changed.seq).unwrap()).bytes.to_vec();
        drop(reader);
        let place = place.index(bytes.len());
        bytes[place] ^= change;
        let (log, seq, bytes) = (changed.log, changed.seq, hex::encode(bytes));
        let change = format!("UPDATE record SET record = CAST(x'{bytes}' AS TEXT) WHERE log = '{log}' AND seq = {seq}");
        at.edit(&change).await;
        let report = at.verify().await.unwrap();
        let found = report.logs.iter();
        let found = found.flat_map(|of| of.findings.iter().map(|found| (of.log, found.kind, found.seq)));
        let found: Vec<_> = found.collect();
        assert_eq!(
            found,
            [(log, FindingKind::Changed, Some(seq))],
            "byte {place}: {report}"
        );
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_sequence_of_appends_verifies_and_any_changed_byte_is_found_at_its_record(sequence in sequences()) {
        appended_and_changed(On::Sqlite, sequence);
    }

    #[test]
    #[ignore = "needs PostgreSQL: `cargo test --lib on_postgres -- --ignored`"]
    fn any_sequence_of_appends_verifies_on_postgres(sequence in sequences()) {
        appended_and_changed(On::Postgres, sequence);
    }
}
