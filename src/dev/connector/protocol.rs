//! What other connectors send: the paths of the protocol's HTTPS binding, and what each message does.
//!
//! A process that is not there, or is another's, is one answer: 404. A message that is not legal where the process stands, or
//! does not read, is 400 with the protocol's error object, and changes nothing.

use serde_json::Value;

use super::course::{Illegal, Role};
use super::identity;
use super::message::{self, Malformed, Message};
use super::negotiation::NegotiationStep;
use super::store::{Direction, Entry, NegotiationRecord, TransferRecord};
use super::transfer::{Transfer, TransferStep};
use super::{Answer, Call, Connector};
use crate::ids::Bpnl;

/// The two kinds of process, as answers name them.
const NEGOTIATION: (&str, &str) = ("ContractNegotiation", "ContractNegotiationError");
const TRANSFER: (&str, &str) = ("TransferProcess", "TransferError");

/// Why a message is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// The process is not there, or is not the caller's.
    #[error("there is no such process")]
    NotFound,
    /// The body does not read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The process does not stand where this message is legal.
    #[error(transparent)]
    Illegal(#[from] Illegal),
    /// The message contradicts its path, the process or what was offered.
    #[error("{0}")]
    Wrong(String),
}

impl Refused {
    /// An answer with the error object of `kind`.
    fn answer(&self, kind: &str, message: Option<&Message>) -> Answer {
        let code = match self {
            Self::NotFound => return Answer::bare(404),
            Self::Malformed(_) => "malformed",
            Self::Illegal(_) => "illegal-transition",
            Self::Wrong(_) => "refused",
        };
        let pids = message.map_or((None, None), Message::pids);
        Answer::new(400, message::refusal(kind, pids, code, &self.to_string()))
    }
}

impl Connector {
    /// Answers another connector, and keeps what was said.
    pub(super) async fn protocol(&self, call: Call<'_>) -> Answer {
        let Some(path) = call.path.strip_prefix("2025-1/") else {
            return match (call.method, call.path) {
                ("GET", ".well-known/dspace-version") => Answer::new(200, message::versions()),
                _ => Answer::bare(404),
            };
        };
        let (participant, address) = (self.participant(), self.dsp());
        let client = identity::claimed(call.authorization, &[participant.as_str(), &address]);
        let number = self.with(|store| {
            store.note(Entry {
                direction: Direction::Received,
                peer: client,
                path: path.to_owned(),
                message: serde_json::from_slice(call.body).unwrap_or_default(),
                status: 0,
                answer: Value::Null,
            })
        });
        let answer = match client {
            Some(client) => self.of_client(client, path, call).await,
            None if path.starts_with("catalog/") => {
                let reason = "the request does not say which participant it comes from";
                Answer::new(401, message::catalog_refusal("unauthorized", reason))
            }
            None => Answer::bare(404),
        };
        let said = answer.body.clone().unwrap_or_default();
        self.with(|store| store.note_answer(number, answer.status, said));
        answer
    }

    async fn of_client(&self, client: Bpnl, path: &str, call: Call<'_>) -> Answer {
        let segments: Vec<_> = path.split('/').collect();
        match (call.method, segments.as_slice()) {
            ("POST", ["catalog", "request"]) => self.catalog_request(client, call.body).await,
            ("GET", ["catalog", "datasets", id]) => self.dataset_request(client, id).await,
            ("GET", ["negotiations", pid]) => self.standing_of_negotiation(client, pid),
            ("POST", ["negotiations", tail @ ("request" | "offers")]) => {
                self.negotiation_begins(client, tail, call.body)
            }
            ("POST", ["negotiations", pid, tail @ ..]) => self.negotiation_goes_on(client, pid, tail, call.body),
            ("GET", ["transfers", pid]) => self.standing_of_transfer(client, pid),
            ("POST", ["transfers", "request"]) => self.transfer_begins(client, call.body),
            ("POST", ["transfers", pid, tail @ ..]) => self.transfer_goes_on(client, pid, tail, call.body),
            _ => Answer::bare(404),
        }
    }

    fn standing_of_negotiation(&self, client: Bpnl, pid: &str) -> Answer {
        let standing = self.with(|store| negotiation_standing(store.negotiations.get(pid)?, client));
        standing.map_or_else(|| Answer::bare(404), |body| Answer::new(200, body))
    }

    fn standing_of_transfer(&self, client: Bpnl, pid: &str) -> Answer {
        let standing = self.with(|store| transfer_standing(store.transfers.get(pid)?, client));
        standing.map_or_else(|| Answer::bare(404), |body| Answer::new(200, body))
    }

    /// `POST negotiations/request` of a consumer, `POST negotiations/offers` of a provider.
    fn negotiation_begins(&self, client: Bpnl, tail: &str, body: &[u8]) -> Answer {
        let message = match Message::read(body) {
            Ok(message) => message,
            Err(error) => return Refused::from(error).answer(NEGOTIATION.1, None),
        };
        let begun = match &message {
            Message::ContractRequestMessage { .. } if tail == "request" => self.take_request(client, &message),
            Message::ContractOfferMessage { .. } if tail == "offers" => self.take_offer(client, &message),
            other => Err(misplaced(other, tail)),
        };
        let pid = match begun {
            Ok(pid) => pid,
            Err(refused) => return refused.answer(NEGOTIATION.1, Some(&message)),
        };
        let standing = self.with(|store| negotiation_standing(store.negotiations.get(&pid)?, client));
        standing.map_or_else(|| Answer::bare(404), |body| Answer::new(201, body))
    }

    fn negotiation_goes_on(&self, client: Bpnl, pid: &str, tail: &[&str], body: &[u8]) -> Answer {
        let known = self.with(|store| {
            let record = store.negotiations.get(pid)?;
            (record.peer.participant == client).then(|| (record.role, record.peer.address.clone()))
        });
        let Some((role, address)) = known else {
            return Answer::bare(404);
        };
        let message = match Message::read(body) {
            Ok(message) => message,
            Err(error) => return Refused::from(error).answer(NEGOTIATION.1, None),
        };
        let taken = self.take_negotiation_message(role, pid, tail, &message);
        let step = match taken {
            Ok(step) => step,
            Err(refused) => return refused.answer(NEGOTIATION.1, Some(&message)),
        };
        self.react_to_negotiation(role, step, pid, &address);
        let standing = self.with(|store| negotiation_standing(store.negotiations.get(pid)?, client));
        Answer {
            status: 200,
            body: standing,
        }
    }

    fn take_negotiation_message(
        &self,
        role: Role,
        pid: &str,
        tail: &[&str],
        message: &Message,
    ) -> Result<NegotiationStep, Refused> {
        let (step, path) = message
            .negotiation_step()
            .ok_or_else(|| misplaced(message, &tail.join("/")))?;
        if path != tail {
            return Err(misplaced(message, &tail.join("/")));
        }
        let now = self.0.clock.now();
        self.with(|store| {
            let record = store.negotiations.get_mut(pid).ok_or(Refused::NotFound)?;
            let other = same_process(role, pid, record.peer.pid.as_deref(), message)?;
            // Legal first: what a message says only matters where it may be said.
            record.course.clone().receive(role.other(), step)?;
            self.heed_negotiation(record, message)?;
            record.course.receive(role.other(), step)?;
            record.peer.pid = Some(other);
            record.changed = now;
            if step == NegotiationStep::Finalize
                && let Some(agreement) = record.agreement.clone()
            {
                store.agreements.insert(agreement.id.clone(), agreement);
            }
            Ok(step)
        })
    }

    fn react_to_negotiation(&self, role: Role, step: NegotiationStep, pid: &str, address: &str) {
        if matches!(step, NegotiationStep::Finalize | NegotiationStep::Terminate) {
            return;
        }
        let (connector, pid) = (self.clone(), pid.to_owned());
        self.react(address, async move {
            match (role, step) {
                (Role::Provider, NegotiationStep::Request | NegotiationStep::Accept) => {
                    connector.decide_negotiation(&pid).await;
                }
                (Role::Provider, NegotiationStep::Verify) => connector.finalize(&pid).await,
                (Role::Consumer, NegotiationStep::Offer) => connector.consider(&pid).await,
                (Role::Consumer, NegotiationStep::Agree) => connector.verify(&pid).await,
                _ => {}
            }
        });
    }

    fn transfer_begins(&self, client: Bpnl, body: &[u8]) -> Answer {
        let message = match Message::read(body) {
            Ok(message) => message,
            Err(error) => return Refused::from(error).answer(TRANSFER.1, None),
        };
        let pid = match self.take_transfer_request(client, &message) {
            Ok(pid) => pid,
            Err(refused) => return refused.answer(TRANSFER.1, Some(&message)),
        };
        let standing = self.with(|store| transfer_standing(store.transfers.get(&pid)?, client));
        standing.map_or_else(|| Answer::bare(404), |body| Answer::new(201, body))
    }

    fn transfer_goes_on(&self, client: Bpnl, pid: &str, tail: &[&str], body: &[u8]) -> Answer {
        let known = self.with(|store| {
            let record = store.transfers.get(pid)?;
            (record.peer.participant == client).then(|| (record.role, record.peer.address.clone()))
        });
        let Some((role, address)) = known else {
            return Answer::bare(404);
        };
        let message = match Message::read(body) {
            Ok(message) => message,
            Err(error) => return Refused::from(error).answer(TRANSFER.1, None),
        };
        let (before, step) = match self.take_transfer_message(role, pid, tail, &message) {
            Ok(taken) => taken,
            Err(refused) => return refused.answer(TRANSFER.1, Some(&message)),
        };
        self.react_to_transfer((role, before), step, pid, &address);
        let standing = self.with(|store| transfer_standing(store.transfers.get(pid)?, client));
        Answer {
            status: 200,
            body: standing,
        }
    }

    /// Takes a message; where the transfer stood before, and what the message is.
    fn take_transfer_message(
        &self,
        role: Role,
        pid: &str,
        tail: &[&str],
        message: &Message,
    ) -> Result<(Option<Transfer>, TransferStep), Refused> {
        let (step, path) = message
            .transfer_step()
            .ok_or_else(|| misplaced(message, &tail.join("/")))?;
        if path != tail {
            return Err(misplaced(message, &tail.join("/")));
        }
        let now = self.0.clock.now();
        self.with(|store| {
            let record = store.transfers.get_mut(pid).ok_or(Refused::NotFound)?;
            let other = same_process(role, pid, record.peer.pid.as_deref(), message)?;
            let before = record.course.state();
            if role == Role::Provider && step == TransferStep::Start {
                // The consumer asks to go on. It needs a new address for that, which comes with our own start.
                record.course.clone().receive(role.other(), step)?;
                return Ok((before, step));
            }
            record.course.receive(role.other(), step)?;
            record.peer.pid = Some(other);
            record.changed = now;
            match message {
                Message::TransferStartMessage {
                    data_address: Some(address),
                    ..
                } => record.address = Some(address.clone()),
                Message::TransferSuspensionMessage { why, .. } | Message::TransferTerminationMessage { why, .. }
                    if !record.ending =>
                {
                    record.error = Some(why.to_string());
                }
                _ => {}
            }
            Ok((before, step))
        })
    }

    fn react_to_transfer(
        &self,
        (role, before): (Role, Option<Transfer>),
        step: TransferStep,
        pid: &str,
        address: &str,
    ) {
        if role == Role::Provider && step == TransferStep::Start {
            let (connector, pid) = (self.clone(), pid.to_owned());
            return self.react(address, async move { connector.go_on(&pid).await });
        }
        let verb = match (role, step) {
            (Role::Consumer, TransferStep::Start) if before != Some(Transfer::Suspended) => "started",
            (_, TransferStep::Start) => "resume",
            (_, TransferStep::Suspend) => "suspend",
            (_, TransferStep::Terminate) => "terminate",
            (_, TransferStep::Complete) => "completed",
            (_, TransferStep::Request) => return,
        };
        let (connector, pid) = (self.clone(), pid.to_owned());
        self.later(async move {
            let flow = connector.with(|store| store.transfers.get(&pid).and_then(|record| record.flow.clone()));
            connector.tell_plane(&pid, flow.as_deref(), verb, None).await;
        });
    }
}

fn misplaced(message: &Message, tail: &str) -> Refused {
    Refused::Wrong(format!("a {} has no place at `{tail}`", message.kind()))
}

/// The other side's name for the process, if the message names this process and no other.
fn same_process(role: Role, own: &str, other: Option<&str>, message: &Message) -> Result<String, Refused> {
    let (names_own, names_other) = role.own_and_other(message.pids());
    let wrong = || Refused::Wrong("the message names another process than its path".into());
    if names_own != Some(own) {
        return Err(wrong());
    }
    match (names_other, other) {
        (Some(named), Some(known)) if named != known => Err(wrong()),
        (Some(named), _) => Ok(named.to_owned()),
        (None, _) => Err(wrong()),
    }
}

fn negotiation_standing(record: &NegotiationRecord, client: Bpnl) -> Option<Value> {
    let state = record.course.state()?;
    let pids = record.pids().filter(|_| record.peer.participant == client)?;
    Some(message::standing(NEGOTIATION.0, &pids, state.as_str()))
}

fn transfer_standing(record: &TransferRecord, client: Bpnl) -> Option<Value> {
    let state = record.course.state()?;
    let pids = record.pids().filter(|_| record.peer.participant == client)?;
    Some(message::standing(TRANSFER.0, &pids, state.as_str()))
}
