//! Messages to other connectors, and what their answers do to the process they belong to.

use serde_json::Value;

use super::Connector;
use super::course::Role;
use super::identity;
use super::message::{Message, Pids, Why};
use super::negotiation::{Negotiation, NegotiationStep};
use super::store::{Direction, Entry, NegotiationRecord, Peer, TransferRecord};
use super::transfer::Transfer;

/// Why a message did not do what it was sent for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SendError {
    /// The process does not allow it, or is not there.
    #[error("{0}")]
    Own(String),
    /// The other connector refused it.
    #[error("the other connector answered {status}: {said}")]
    Refused {
        /// The status.
        status: u16,
        /// Its reasons.
        said: String,
    },
    /// The other connector could not be reached.
    #[error("the other connector cannot be reached: {0}")]
    Unreachable(String),
}

impl Connector {
    /// Sends a message to `peer` and gives the body of its acknowledgement.
    pub(super) async fn post(&self, peer: &Peer, path: &str, message: &Message) -> Result<Value, SendError> {
        let url = format!("{}/{path}", peer.address.trim_end_matches('/'));
        let json = message.to_json();
        let number = self.with(|store| {
            store.note(Entry {
                direction: Direction::Sent,
                peer: Some(peer.participant),
                path: path.to_owned(),
                message: json.clone(),
                status: 0,
                answer: Value::Null,
            })
        });
        let request = self.0.http.post(url).header("content-type", "application/json");
        let token = identity::token(self.participant(), peer.participant.as_str());
        let sent = request
            .header("authorization", token)
            .body(json.to_string())
            .send()
            .await;
        let answered = match sent {
            Ok(response) => {
                let status = response.status().as_u16();
                let body = response.bytes().await.unwrap_or_default();
                Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
            }
            Err(error) => Err(SendError::Unreachable(error.without_url().to_string())),
        };
        let (status, answer) = match &answered {
            Ok((status, answer)) => (*status, Value::clone(answer)),
            Err(_) => (0, Value::Null),
        };
        self.with(|store| store.note_answer(number, status, answer));
        match answered? {
            (200..=299, answer) => Ok(answer),
            (status, answer) => Err(SendError::Refused {
                status,
                said: serde_json::from_value::<Why>(answer).unwrap_or_default().to_string(),
            }),
        }
    }

    /// Sends the message `make` makes to the other side of the negotiation `pid`.
    pub(super) async fn tell_negotiation(
        &self,
        pid: &str,
        make: impl FnOnce(&NegotiationRecord, Pids) -> Message,
    ) -> Result<(), SendError> {
        let (peer, path, message, state) = self.with(|store| {
            let record = store.negotiations.get_mut(pid).ok_or_else(gone)?;
            let pids = record.pids().ok_or_else(early)?;
            let message = make(record, pids);
            let (step, path) = message.negotiation_step().ok_or_else(gone)?;
            let state = record.course.send(record.role, step).map_err(own)?;
            let other = record.peer.pid.clone().unwrap_or_default();
            let path = format!("negotiations/{other}/{}", path.join("/"));
            Ok::<_, SendError>((record.peer.clone(), path, message, state))
        })?;
        let sent = self.post(&peer, &path, &message).await;
        let now = self.0.clock.now();
        self.with(|store| {
            let Some(record) = store.negotiations.get_mut(pid) else {
                return;
            };
            // A termination holds whether or not the other side took notice.
            if sent.is_ok() || state == Negotiation::Terminated {
                record.course.acknowledge(state);
            } else {
                record.course.withdraw(state);
            }
            record.changed = now;
        });
        sent.map(drop)
    }

    /// Ends a negotiation from our side: the operator is told `own`, the other side `why`. One that is over is left alone.
    pub(super) async fn end_negotiation(&self, pid: &str, own: String, why: Why) {
        let ends = self.with(|store| {
            let record = store.negotiations.get_mut(pid)?;
            let mut course = record.course;
            course.send(record.role, NegotiationStep::Terminate).ok()?;
            record.error = Some(own);
            Some(())
        });
        if ends.is_none() {
            return;
        }
        let told = self.tell_negotiation(pid, |_, pids| Message::ContractNegotiationTerminationMessage {
            pids,
            why,
        });
        if let Err(error) = told.await {
            tracing::debug!(participant = %self.participant(), pid, error = %error, "a termination was not taken");
        }
    }

    /// Sends the message `make` makes to the other side of the transfer `pid`.
    pub(super) async fn tell_transfer(
        &self,
        pid: &str,
        make: impl FnOnce(&TransferRecord, Pids) -> Message,
    ) -> Result<(), SendError> {
        let (peer, path, message, state) = self.with(|store| {
            let record = store.transfers.get_mut(pid).ok_or_else(gone)?;
            let pids = record.pids().ok_or_else(early)?;
            let message = make(record, pids);
            let (step, path) = message.transfer_step().ok_or_else(gone)?;
            let state = record.course.send(record.role, step).map_err(own)?;
            let other = record.peer.pid.clone().unwrap_or_default();
            let path = format!("transfers/{other}/{}", path.join("/"));
            Ok::<_, SendError>((record.peer.clone(), path, message, state))
        })?;
        let sent = self.post(&peer, &path, &message).await;
        let now = self.0.clock.now();
        self.with(|store| {
            let Some(record) = store.transfers.get_mut(pid) else {
                return;
            };
            if sent.is_ok() || state == Transfer::Terminated {
                record.course.acknowledge(state);
            } else {
                record.course.withdraw(state);
            }
            record.changed = now;
        });
        sent.map(drop)
    }

    /// Ends a transfer from our side: the operator is told `own`, the other side `why`, and our data plane that it is over. One that is
    /// over or being ended is left alone: what ended it first is the reason, not what comes of that at the data plane.
    pub(super) async fn end_transfer(&self, pid: &str, own: String, why: Why) {
        let begun = self.with(|store| {
            let record = store.transfers.get_mut(pid)?;
            if record.ending || record.course.state().is_some_and(Transfer::is_over) {
                return None;
            }
            record.ending = true;
            record.error = Some(own.clone());
            Some(record.flow.clone())
        });
        let Some(flow) = begun else { return };
        // The plane first: the token must not outlive the transfer, whatever the other side answers.
        self.tell_plane(pid, flow.as_deref(), "terminate", Some(&own)).await;
        let told = self.tell_transfer(pid, |_, pids| Message::TransferTerminationMessage { pids, why });
        if let Err(error) = told.await {
            tracing::debug!(participant = %self.participant(), pid, error = %error, "a termination was not taken");
        }
        let now = self.0.clock.now();
        self.with(|store| {
            if let Some(record) = store.transfers.get_mut(pid)
                && !record.course.state().is_some_and(Transfer::is_over)
            {
                record.course.abandon(Transfer::Terminated);
                record.changed = now;
            }
        });
    }

    /// The other side of a process of ours that `client` may be: who it is, where it wants its messages.
    pub(super) fn peer(client: crate::ids::Bpnl, address: &str, pid: Option<&str>) -> Peer {
        Peer {
            participant: client,
            address: address.to_owned(),
            pid: pid.map(str::to_owned),
        }
    }
}

impl Role {
    /// Of a message's two names for a process, ours and the other side's.
    pub(super) fn own_and_other<'p>(
        self,
        pids: (Option<&'p str>, Option<&'p str>),
    ) -> (Option<&'p str>, Option<&'p str>) {
        match self {
            Self::Consumer => pids,
            Self::Provider => (pids.1, pids.0),
        }
    }
}

fn own(error: super::course::Illegal) -> SendError {
    SendError::Own(error.to_string())
}

fn gone() -> SendError {
    SendError::Own("there is no such process".into())
}

fn early() -> SendError {
    SendError::Own("the other side has not named the process yet".into())
}
