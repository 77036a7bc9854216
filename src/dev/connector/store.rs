//! What a connector remembers, in memory and until the service ends: processes, agreements, and the messages it exchanged.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::catalog::Catalog;
use super::course::{Course, Role};
use super::message::{DataAddress, Pids};
use super::negotiation::Negotiation;
use super::new_id;
use super::plane::Plane;
use super::transfer::Transfer;
use crate::ids::Bpnl;

/// Messages kept; older ones are let go.
const JOURNAL: usize = 2000;

/// The other side of a process.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Who it is.
    pub participant: Bpnl,
    /// Where its messages go.
    pub address: String,
    /// Its own name for the process, once it gave one.
    pub pid: Option<String>,
}

/// A negotiation, seen from one side.
#[derive(Clone, Debug)]
pub struct NegotiationRecord {
    /// Our name for it.
    pub pid: String,
    /// Our part in it.
    pub role: Role,
    /// How far it has come.
    pub course: Course<Negotiation>,
    /// The other side.
    pub peer: Peer,
    /// The offer it is about, with its target.
    pub offer: Value,
    /// The asset.
    pub asset: String,
    /// The agreement, once one was sent or received.
    pub agreement: Option<Agreement>,
    /// Why it ended before its end.
    pub error: Option<String>,
    /// When it began.
    pub created: Timestamp,
    /// When it last changed.
    pub changed: Timestamp,
}

/// A contract between two connectors.
#[derive(Clone, Debug)]
pub struct Agreement {
    /// Its id, the same at both.
    pub id: String,
    /// What it is about.
    pub asset: String,
    /// Who provides.
    pub provider: Bpnl,
    /// Who consumes.
    pub consumer: Bpnl,
    /// When it was signed.
    pub signed: Timestamp,
    /// Its rules, in the spelling of the wire.
    pub rules: Map<String, Value>,
    /// The negotiation it came from; none for one that was on record before.
    pub negotiation: Option<String>,
}

/// A transfer, seen from one side.
#[derive(Clone, Debug)]
pub struct TransferRecord {
    /// Our name for it.
    pub pid: String,
    /// Our part in it.
    pub role: Role,
    /// How far it has come.
    pub course: Course<Transfer>,
    /// The other side.
    pub peer: Peer,
    /// The contract it is under.
    pub agreement: String,
    /// The asset.
    pub asset: String,
    /// The kind of transfer, such as `HttpData-PULL`.
    pub format: String,
    /// Where the data can be fetched, once that is known.
    pub address: Option<DataAddress>,
    /// The name our data plane has given it.
    pub flow: Option<String>,
    /// Why it ended or paused.
    pub error: Option<String>,
    /// Whether our side is ending it.
    pub ending: bool,
    /// When it began.
    pub created: Timestamp,
    /// When it last changed.
    pub changed: Timestamp,
}

impl NegotiationRecord {
    /// Both names of it, where both are known.
    pub fn pids(&self) -> Option<Pids> {
        pids(self.role, &self.pid, self.peer.pid.as_deref())
    }
}

impl TransferRecord {
    /// A transfer that begins, under a name of ours.
    pub(super) fn new(
        role: Role,
        course: Course<Transfer>,
        peer: Peer,
        agreement: &Agreement,
        format: &str,
        now: Timestamp,
    ) -> Self {
        Self {
            pid: new_id(),
            role,
            course,
            peer,
            agreement: agreement.id.clone(),
            asset: agreement.asset.clone(),
            format: format.to_owned(),
            address: None,
            flow: None,
            error: None,
            ending: false,
            created: now,
            changed: now,
        }
    }

    /// Both names of it, where both are known.
    pub fn pids(&self) -> Option<Pids> {
        pids(self.role, &self.pid, self.peer.pid.as_deref())
    }
}

fn pids(role: Role, own: &str, other: Option<&str>) -> Option<Pids> {
    let (own, other) = (own.to_owned(), other?.to_owned());
    let (consumer_pid, provider_pid) = match role {
        Role::Consumer => (own, other),
        Role::Provider => (other, own),
    };
    Some(Pids {
        consumer_pid,
        provider_pid,
    })
}

/// Which way a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From this connector.
    Sent,
    /// To this connector.
    Received,
}

/// A message of the protocol and what was answered.
#[derive(Clone)]
pub struct Entry {
    /// Which way.
    pub direction: Direction,
    /// The other connector, where it said or is known who it is.
    pub peer: Option<Bpnl>,
    /// The path below the receiver's address.
    pub path: String,
    /// The message; null where the request had none.
    pub message: Value,
    /// The status of the answer; 0 where there is none, or none yet.
    pub status: u16,
    /// The body of the answer; null where it had none.
    pub answer: Value,
}

impl std::fmt::Debug for Entry {
    /// Without the messages: a data address in them holds a token.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Entry")
            .field("direction", &self.direction)
            .field("path", &self.path)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// Everything one connector remembers.
#[derive(Debug, Default)]
pub struct Store {
    /// What it offers.
    pub catalog: Catalog,
    /// Its negotiations, by our name.
    pub negotiations: BTreeMap<String, NegotiationRecord>,
    /// Its contracts, by id.
    pub agreements: BTreeMap<String, Agreement>,
    /// Its transfers, by our name.
    pub transfers: BTreeMap<String, TransferRecord>,
    /// The data planes that registered, by id.
    pub planes: BTreeMap<String, Plane>,
    journal: VecDeque<Entry>,
    /// How many entries of the journal were let go.
    gone: usize,
}

impl Store {
    /// Keeps a message that is about to leave or has just come; its number, under which the answer is added.
    pub fn note(&mut self, entry: Entry) -> usize {
        if self.journal.len() == JOURNAL {
            self.journal.pop_front();
            self.gone += 1;
        }
        self.journal.push_back(entry);
        self.gone + self.journal.len() - 1
    }

    /// Adds what was answered to a message.
    pub fn note_answer(&mut self, number: usize, status: u16, answer: Value) {
        let entry = number
            .checked_sub(self.gone)
            .and_then(|index| self.journal.get_mut(index));
        if let Some(entry) = entry {
            (entry.status, entry.answer) = (status, answer);
        }
    }

    /// The messages kept, oldest first.
    pub fn journal(&self) -> impl Iterator<Item = &Entry> {
        self.journal.iter()
    }
}
