//! What the demo prints.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::client::Answer;
use crate::bundle::Bundle;
use crate::decision::{Effect, IamAnswer};
use crate::dev::connector::Connector;
use crate::dev::connector::course::{Machine as _, Role};
use crate::dev::connector::message::Message;
use crate::dev::connector::negotiation::Negotiation;
use crate::dev::connector::store::{Direction, Entry};
use crate::dev::connector::transfer::Transfer;
use crate::http::Shared;
use crate::ids::{Bpnl, RecordId};
use crate::ledger::read::{Cursor, Reader};
use crate::ledger::record::Decided;
use crate::ledger::{Event, LedgerError, LogId};

/// Prints the walk and counts what did not come out as it should.
pub(super) struct Show {
    colour: bool,
    data: PathBuf,
    bundle: Arc<Bundle>,
    app: Option<Shared>,
    done: u32,
    failed: u32,
}

impl Show {
    pub(super) fn new(app: &Shared, data: &Path) -> Self {
        Self {
            colour: std::io::stdout().is_terminal(),
            data: data.to_owned(),
            bundle: app.gate.live().current(),
            app: Some(Arc::clone(app)),
            done: 0,
            failed: 0,
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    fn say(&self, text: &str) {
        // A reader that went away is no failure of the demo.
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    /// A heading.
    pub(super) fn title(&self, text: &str) {
        self.say(&format!("\n{}", self.paint("1", text)));
    }

    /// A line of context.
    pub(super) fn line(&self, text: &str) {
        self.say(&format!("  {text}"));
    }

    /// A report of another command, indented.
    pub(super) fn block(&self, text: &str) {
        for line in text.lines() {
            self.say(&format!("    {line}"));
        }
    }

    /// A numbered step.
    pub(super) fn step(&self, number: u32, text: &str) {
        self.say(&format!("\n {number}. {text}"));
    }

    /// Notes whether something came out as it should.
    pub(super) fn expect(&mut self, what: &str, holds: bool) {
        self.done += 1;
        self.failed += u32::from(!holds);
        let mark = if holds {
            self.paint("32", "ok")
        } else {
            self.paint("31", "NOT SO")
        };
        self.say(&format!("    {mark}: {what}"));
    }

    /// An answer that was to be `expected`, with the decision behind it as the ledger has it.
    pub(super) async fn answer(&mut self, what: &str, answer: &Answer, expected: u16) -> Result<(), LedgerError> {
        let status = answer.status;
        let came = self.paint(if status < 400 { "32" } else { "33" }, &status.to_string());
        self.say(&format!("    {came} {what}"));
        match answer.record {
            Some(record) => self.decision(record).await?,
            None if status >= 400 => self.say(&format!("        no decision: {}", title_of(answer))),
            None => {}
        }
        // Where no policy forbade, what kept the nearest permit from matching is the reason.
        let body = answer.json();
        for reason in body
            .get("reasons")
            .and_then(serde_json::Value::as_array)
            .into_iter()
            .flatten()
        {
            if let Some(unmet) = reason
                .get("why")
                .and_then(serde_json::Value::as_str)
                .and_then(|why| why.strip_prefix("not met: "))
            {
                self.say(&format!("        not met: {unmet}"));
            }
        }
        self.done += 1;
        if status != expected {
            self.failed += 1;
            self.say(&self.paint("31", &format!("        NOT SO: expected {expected}")));
        }
        Ok(())
    }

    /// How many records a log has.
    pub(super) async fn mark(&self, log: LogId) -> Result<u64, LedgerError> {
        let mut reader = Reader::open(&self.data).await?;
        let (mut cursor, mut count) = (Cursor::new(log, 0), 0);
        while let Some(stored) = cursor.next(&mut reader).await? {
            count = stored.record.seq + 1;
        }
        Ok(count)
    }

    /// The decisions of a log from record `from` on that are `wanted`, and what became of data flows; how many more there are.
    pub(super) async fn decisions(
        &self,
        log: LogId,
        from: u64,
        wanted: impl Fn(&Decided) -> bool,
    ) -> Result<(), LedgerError> {
        let mut reader = Reader::open(&self.data).await?;
        let (mut cursor, mut more) = (Cursor::new(log, from), 0);
        while let Some(stored) = cursor.next(&mut reader).await? {
            let seq = stored.record.seq;
            match &stored.record.event {
                Event::Decision(decided) if wanted(decided) => {
                    self.layers(decided);
                    self.say(&format!("        record {seq} of {log}"));
                }
                Event::Decision(_) => more += 1,
                Event::Flow(flowed) => self.say(&format!("        data flow {}, record {seq} of {log}", flowed.state)),
                Event::Agreement(event) => {
                    let state = event.state.as_str();
                    self.say(&format!(
                        "        agreement {} is {state}, record {seq} of {log}",
                        event.agreement
                    ));
                }
                _ => {}
            }
        }
        if more > 0 {
            self.say(&format!("        (and {more} more decisions)"));
        }
        Ok(())
    }

    /// The messages a connector sent or received at `path`, with what was answered.
    pub(super) fn messages(&self, connector: &Connector, path: &str) {
        for entry in connector.journal().iter().filter(|entry| entry.path == path) {
            let answer = entry.answer.get("@type").and_then(Value::as_str).unwrap_or_default();
            self.message(connector, entry, &format!("{} {answer}", entry.status));
        }
    }

    /// The messages of a negotiation of a consumer's connector, each with the state it led to.
    pub(super) fn negotiation(&self, connector: &Connector, pid: &str) {
        let mut state: Option<Negotiation> = None;
        for entry in of_process(connector, pid) {
            let Ok(message) = Message::read(entry.message.to_string().as_bytes()) else {
                continue;
            };
            let step = message.negotiation_step();
            state = step.and_then(|(step, _)| Negotiation::after(state, sender(&entry), step));
            self.message(connector, &entry, state.map_or("?", Negotiation::as_str));
        }
    }

    /// The messages of one kind of a transfer of a consumer's connector, each with the state it led to.
    pub(super) fn transfer(&self, connector: &Connector, pid: &str, kind: &str) {
        let mut state: Option<Transfer> = None;
        for entry in of_process(connector, pid) {
            let Ok(message) = Message::read(entry.message.to_string().as_bytes()) else {
                continue;
            };
            let step = message.transfer_step();
            state = step.and_then(|(step, _)| Transfer::after(state, sender(&entry), step));
            if message.kind() == kind {
                self.message(connector, &entry, state.map_or("?", Transfer::as_str));
            }
        }
    }

    fn message(&self, connector: &Connector, entry: &Entry, outcome: &str) {
        let (own, other) = (
            short(connector.name()),
            entry.peer.map_or("?", |peer| self.short_name(peer)),
        );
        let (from, to) = match entry.direction {
            Direction::Sent => (own, other),
            Direction::Received => (other, own),
        };
        let kind = entry.message.get("@type").and_then(Value::as_str).unwrap_or_default();
        self.say(&format!(
            "    {from:>5} -> {to:<5} {kind:<38} {}",
            self.paint("36", outcome)
        ));
    }

    /// The first word of a company's name.
    fn short_name(&self, company: Bpnl) -> &str {
        let connector = self.app.as_ref().and_then(|app| app.connectors.get(&company));
        connector.map_or("?", |connector| short(connector.name()))
    }

    /// A process that was to end, for a reason with `why` in it.
    pub(super) fn ended(&mut self, what: &str, process: &Value, why: &str) {
        let member = |name: &str| process.get(name).and_then(Value::as_str).unwrap_or_default();
        let (state, reason) = (member("state"), member("errorDetail"));
        self.say(&format!("    {} {what}", self.paint("33", state)));
        self.say(&format!("        reason: {reason}"));
        self.done += 1;
        if state != "TERMINATED" || !reason.contains(why) {
            self.failed += 1;
            self.say(&self.paint(
                "31",
                &format!("        NOT SO: expected TERMINATED with `{why}` in the reason"),
            ));
        }
    }

    /// The decision of a record, both layers, each with its reasons.
    async fn decision(&self, record: RecordId) -> Result<(), LedgerError> {
        let mut reader = Reader::open(&self.data).await?;
        for log in reader.logs().await? {
            let mut cursor = Cursor::new(log, 0);
            while let Some(stored) = cursor.next(&mut reader).await? {
                if stored.record.id != record {
                    continue;
                }
                if let Event::Decision(decided) = &stored.record.event {
                    self.layers(decided);
                    self.say(&format!("        record {} of {log}", stored.record.seq));
                }
                return Ok(());
            }
        }
        Ok(())
    }

    fn layers(&self, decided: &Decided) {
        let decision = &decided.decision;
        let (colour, word) = match decision.effect {
            Effect::Allow => ("32", "ALLOW"),
            Effect::Deny => ("33", "DENY"),
        };
        let asked = format!("{} {} {}", decided.principal, decided.action, decided.resource);
        self.say(&format!("        {} {asked}", self.paint(colour, word)));
        for policy in &decision.cedar.policies {
            self.say(&format!(
                "        cedar {}: {policy}: {}",
                decision.cedar.decision,
                self.why(policy)
            ));
        }
        for error in &decision.cedar.errors {
            self.say(&format!("        cedar error: {error}"));
        }
        if decision.cedar.policies.is_empty() {
            self.say(&format!(
                "        cedar {}: no policy permits it",
                decision.cedar.decision
            ));
        }
        match &decision.iam {
            IamAnswer::Evaluated { decision, statements } if statements.is_empty() => {
                self.say(&format!("        iam   {decision}: no statement allows it"));
            }
            IamAnswer::Evaluated { decision, statements } => {
                self.say(&format!("        iam   {decision}: {}", statements.join(", ")));
            }
            IamAnswer::NotApplicable { reason } => self.say(&format!("        iam   not asked: {reason}")),
        }
    }

    /// The `@why` of a policy, of the platform or of a contract on record.
    fn why(&self, policy: &str) -> String {
        if let Some(card) = self.bundle.cards.get(policy) {
            return card.why.clone();
        }
        let Some(app) = &self.app else { return String::new() };
        let registry = app.registry.current();
        let worlds: Vec<_> = registry.tenants().collect();
        let agreements = worlds
            .iter()
            .flat_map(|world| world.agreements.values().map(|agreement| &agreement.terms));
        let offers = worlds.iter().flat_map(|world| world.offers.values());
        let offers = offers.flat_map(|offer| [&offer.access_terms, &offer.usage_terms]);
        let policies = agreements.chain(offers).flat_map(|terms| {
            crate::contract::Moment::ALL
                .iter()
                .flat_map(|moment| terms.policies(*moment).policies())
        });
        let found = policies.into_iter().find(|found| found.id().to_string() == policy);
        found
            .and_then(|policy| policy.annotation("why"))
            .unwrap_or_default()
            .to_owned()
    }

    /// How many things did not come out as they should.
    pub(super) fn failures(&self) -> u32 {
        self.failed
    }

    /// The last line.
    pub(super) fn summary(&self) {
        let came = self.done - self.failed;
        let text = format!("{came} of {} came out as they should", self.done);
        let colour = if self.failed == 0 { "32" } else { "31" };
        self.say(&format!("\n{}", self.paint(colour, &text)));
    }

    /// Lets go of the service, so that it can end.
    pub(super) fn release(&mut self) {
        self.app = None;
    }
}

/// The messages of a process, by the consumer's name for it.
fn of_process(connector: &Connector, pid: &str) -> Vec<Entry> {
    let mut all = connector.journal();
    all.retain(|entry| entry.message.get("consumerPid").and_then(Value::as_str) == Some(pid));
    all
}

/// Who sent a message that a consumer's connector kept.
fn sender(entry: &Entry) -> Role {
    match entry.direction {
        Direction::Sent => Role::Consumer,
        Direction::Received => Role::Provider,
    }
}

fn short(name: &str) -> &str {
    name.split(' ').next().unwrap_or(name)
}

fn title_of(answer: &Answer) -> String {
    answer
        .text("/detail")
        .or_else(|| answer.text("/title"))
        .unwrap_or_default()
}
