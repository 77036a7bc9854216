//! The PCF API: asked for now, answered later; handed in; and what is delivered to whom.

mod counterpart;
mod outbox;
mod requests;
mod reversed;
mod submissions;
mod way;

use tidegate::decision::Effect;
use tidegate::ledger::Event;

use crate::harness::{Answer, Ask, Service, get, put};

/// A request to `tenant`'s exchange endpoint as its own connector makes it for `partner` under `agreement`.
fn carried(ask: Ask, service: &Service, tenant: &str, partner: &str, agreement: &str) -> Ask {
    ask.bearer(&service.connector(tenant))
        .header("Edc-Bpn", partner)
        .header("Edc-Contract-Agreement-Id", agreement)
}

fn asked(service: &Service, tenant: &str, path: &str, partner: &str, agreement: &str) -> Answer {
    let path = format!("/exchange/{tenant}/{path}");
    carried(get(&path), service, tenant, partner, agreement).send(service.address)
}

fn handed_in(service: &Service, tenant: &str, path: &str, partner: &str, agreement: &str, document: &str) -> Answer {
    let path = format!("/exchange/{tenant}/{path}");
    let ask = carried(put(&path), service, tenant, partner, agreement).json(document);
    ask.send(service.address)
}

/// What the record an answer names decided, and about what.
fn decided(service: &Service, tenant: &str, record: &str) -> (String, String, Effect) {
    let records = service.records(tenant);
    let stored = records.iter().find(|stored| stored.record.id.to_string() == record);
    match &stored.expect("the record is in the ledger").record.event {
        Event::Decision(decided) => (
            decided.action.clone(),
            decided.resource.clone(),
            decided.decision.effect,
        ),
        other => panic!("{other:?}"),
    }
}

/// A new id of an exchange.
fn exchange() -> String {
    uuid::Uuid::now_v7().to_string()
}
