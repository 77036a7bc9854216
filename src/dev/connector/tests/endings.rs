//! How a transfer or a negotiation ends, and what is remembered of why.

use secrecy::SecretString;

use super::super::course::{Course, Role};
use super::super::message::Why;
use super::super::negotiation::Negotiation;
use super::super::store::{Agreement, NegotiationRecord, Peer, TransferRecord};
use super::super::transfer::Transfer;
use super::super::{Connector, Settings};
use crate::clock::Clock;

const PID: &str = "urn:uuid:01a2";

/// A connector that knows nothing yet.
fn bare() -> Connector {
    let settings = Settings {
        participant: "BPNL000000000DWF".parse().unwrap(),
        name: "Elbe".to_owned(),
        root: "http://127.0.0.1:9/elbe".to_owned(),
        api_key: SecretString::from("key"),
        gate: None,
    };
    let clock = Clock::fixed("2026-11-26T12:00:00Z".parse().unwrap());
    Connector::new(settings, clock).unwrap()
}

/// The other side, which has this name for the process.
fn peer(pid: Option<&str>) -> Peer {
    Connector::peer("BPNL00000000C3EF".parse().unwrap(), "http://127.0.0.1:9/weser", pid)
}

/// A connector with one transfer, which stands at `state`. Nobody listens where the other side is.
fn connector(state: Option<Transfer>, named: bool) -> Connector {
    let connector = bare();
    let now = connector.0.clock.now();
    let mut course = Course::default();
    if let Some(state) = state {
        course.abandon(state);
    }
    let peer = peer(named.then_some("urn:uuid:01a3"));
    let agreement = Agreement {
        id: "agreement-1".to_owned(),
        asset: "pcf-ethanol".to_owned(),
        provider: "BPNL00000000C3EF".parse().unwrap(),
        consumer: connector.participant(),
        signed: now,
        rules: serde_json::Map::new(),
        negotiation: None,
    };
    let mut record = TransferRecord::new(Role::Consumer, course, peer, &agreement, "HttpData-PULL", now);
    record.pid = PID.to_owned();
    connector.with(|store| store.transfers.insert(PID.to_owned(), record));
    connector
}

fn seen(connector: &Connector) -> (Option<Transfer>, Option<String>) {
    connector.with(|store| {
        let record = &store.transfers[PID];
        (record.course.state(), record.error.clone())
    })
}

async fn end(connector: &Connector, reason: &str) {
    let why = Why::new("operator", [reason.to_owned()]);
    connector.end_transfer(PID, reason.to_owned(), why).await;
}

#[tokio::test]
async fn what_ended_a_transfer_first_stays_its_reason() {
    let connector = connector(Some(Transfer::Started), true);
    end(&connector, "done with it").await;
    let done = (Some(Transfer::Terminated), Some("done with it".to_owned()));
    assert_eq!(seen(&connector), done);
    end(&connector, "the data plane knows no such flow").await;
    assert_eq!(seen(&connector), done);
}

#[tokio::test]
async fn of_two_ends_at_a_time_the_first_counts() {
    let connector = connector(Some(Transfer::Started), true);
    tokio::join!(
        end(&connector, "done with it"),
        end(&connector, "the data plane failed")
    );
    assert_eq!(
        seen(&connector),
        (Some(Transfer::Terminated), Some("done with it".to_owned()))
    );
}

#[tokio::test]
async fn one_that_the_other_side_has_not_named_yet_ends_too() {
    let connector = connector(None, false);
    end(&connector, "done with it").await;
    assert_eq!(
        seen(&connector),
        (Some(Transfer::Terminated), Some("done with it".to_owned()))
    );
}

#[tokio::test]
async fn what_ended_a_negotiation_first_stays_its_reason() {
    let connector = bare();
    let now = connector.0.clock.now();
    let mut course = Course::default();
    course.abandon(Negotiation::Requested);
    let record = NegotiationRecord {
        pid: PID.to_owned(),
        role: Role::Provider,
        course,
        peer: peer(Some("urn:uuid:01a3")),
        offer: serde_json::Value::Null,
        asset: "pcf-ethanol".to_owned(),
        agreement: None,
        error: None,
        created: now,
        changed: now,
    };
    connector.with(|store| store.negotiations.insert(PID.to_owned(), record));
    for reason in ["done with it", "the policy is another one"] {
        let why = Why::new("operator", [reason.to_owned()]);
        connector.end_negotiation(PID, reason.to_owned(), why).await;
        let seen = connector.with(|store| {
            let record = &store.negotiations[PID];
            (record.course.state(), record.error.clone())
        });
        assert_eq!(seen, (Some(Negotiation::Terminated), Some("done with it".to_owned())));
    }
}
