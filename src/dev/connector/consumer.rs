//! The consumer's part: asking for a catalog, for a contract, for a transfer; and checking what comes back.

use std::time::Duration;

use serde_json::Value;

use super::course::{Course, Role};
use super::message::{EventType, Message, Why};
use super::negotiation::NegotiationStep;
use super::peer::SendError;
use super::policy;
use super::protocol::Refused;
use super::provider::text;
use super::store::{Agreement, NegotiationRecord, Peer, TransferRecord};
use super::transfer::TransferStep;
use super::{Connector, new_id};
use crate::ids::Bpnl;

/// How often a verification is sent at most, and how long after the one before.
const VERIFICATIONS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

impl Connector {
    /// Another connector's catalog, as it shows it to this company.
    pub(super) async fn fetch_catalog(&self, peer: &Peer) -> Result<Value, SendError> {
        let message = Message::CatalogRequestMessage { filter: Vec::new() };
        self.post(peer, "catalog/request", &message).await
    }

    /// Begins a negotiation on an offer of another connector and gives our name for it; the request leaves afterwards.
    pub(super) fn negotiate(&self, peer: Peer, offer: Value) -> String {
        let (pid, now) = (new_id(), self.0.clock.now());
        let record = NegotiationRecord {
            pid: pid.clone(),
            role: Role::Consumer,
            course: Course::default(),
            peer: peer.clone(),
            asset: text(&offer, "target").to_owned(),
            offer: offer.clone(),
            agreement: None,
            error: None,
            created: now,
            changed: now,
        };
        self.with(|store| store.negotiations.insert(pid.clone(), record));
        let (connector, own) = (self.clone(), pid.clone());
        self.later(async move { connector.request_contract(&own, &peer, offer).await });
        pid
    }

    async fn request_contract(&self, pid: &str, peer: &Peer, offer: Value) {
        let message = Message::ContractRequestMessage {
            consumer_pid: pid.to_owned(),
            provider_pid: None,
            offer,
            callback_address: Some(self.dsp()),
        };
        let begun = self.with(|store| {
            let record = store.negotiations.get_mut(pid)?;
            record.course.send(Role::Consumer, NegotiationStep::Request).ok()
        });
        let Some(state) = begun else { return };
        let sent = self.post(peer, "negotiations/request", &message).await;
        let now = self.0.clock.now();
        self.with(|store| {
            let Some(record) = store.negotiations.get_mut(pid) else {
                return;
            };
            record.changed = now;
            match sent {
                Ok(standing) => {
                    // A message that overtook the answer may have named the process already.
                    let named = || Some(text(&standing, "providerPid").to_owned());
                    record.peer.pid = record.peer.pid.take().or_else(named);
                    record.course.acknowledge(state);
                }
                Err(error) => {
                    // Nothing has begun, so there is nobody to tell.
                    record.error = Some(error.to_string());
                    record.course.abandon(super::negotiation::Negotiation::Terminated);
                }
            }
        });
    }

    /// Takes an offer nobody asked for.
    pub(super) fn take_offer(&self, client: Bpnl, message: &Message) -> Result<String, Refused> {
        let Message::ContractOfferMessage {
            provider_pid,
            offer,
            callback_address: Some(callback),
            ..
        } = message
        else {
            let said = "`consumerPid` continues a negotiation, and this is where one begins";
            return Err(Refused::Wrong(said.into()));
        };
        let mut course = Course::default();
        course.receive(Role::Provider, NegotiationStep::Offer)?;
        let now = self.0.clock.now();
        let record = NegotiationRecord {
            pid: new_id(),
            role: Role::Consumer,
            course,
            peer: Self::peer(client, callback, Some(provider_pid)),
            asset: text(offer, "target").to_owned(),
            // What our company asked for: nothing.
            offer: Value::Null,
            agreement: None,
            error: None,
            created: now,
            changed: now,
        };
        let pid = record.pid.clone();
        self.with(|store| store.negotiations.insert(pid.clone(), record));
        let (connector, own) = (self.clone(), pid.clone());
        self.react(callback, async move { connector.consider(&own).await });
        Ok(pid)
    }

    /// What a message says for the negotiation, beside its step: an agreement must be the one that was asked for, and a
    /// provider's counter-offer is kept until it is considered.
    pub(super) fn heed_negotiation(&self, record: &mut NegotiationRecord, message: &Message) -> Result<(), Refused> {
        match message {
            Message::ContractAgreementMessage { agreement, .. } => {
                let agreed = self.read_agreement(record, agreement).map_err(Refused::Wrong)?;
                record.agreement = Some(agreed);
            }
            Message::ContractRequestMessage { offer, .. } => record.offer = offer.clone(),
            Message::ContractOfferMessage { offer, .. } => {
                let same = policy::same(&record.offer, offer);
                record.error = same.err();
            }
            Message::ContractNegotiationTerminationMessage { why, .. } => record.error = Some(why.to_string()),
            _ => {}
        }
        Ok(())
    }

    fn read_agreement(&self, record: &NegotiationRecord, agreement: &Value) -> Result<Agreement, String> {
        let expect = |member: &str, wanted: &str| match text(agreement, member) {
            found if found == wanted => Ok(()),
            found => Err(format!("the agreement's `{member}` is `{found}`, not `{wanted}`")),
        };
        expect("target", &record.asset)?;
        expect("assigner", record.peer.participant.as_str())?;
        expect("assignee", self.participant().as_str())?;
        policy::same(&record.offer, agreement)?;
        let signed = text(agreement, "timestamp");
        let signed = signed
            .parse()
            .map_err(|_| format!("the agreement's `timestamp` is `{signed}`, not an instant"))?;
        let id = text(agreement, "@id");
        if id.is_empty() {
            return Err("the agreement has no `@id`".into());
        }
        Ok(Agreement {
            id: id.to_owned(),
            asset: record.asset.clone(),
            provider: record.peer.participant,
            consumer: self.participant(),
            signed,
            rules: policy::wire(&agreement.to_string()).map_err(|error| error.to_string())?,
            negotiation: Some(record.pid.clone()),
        })
    }

    /// A provider made an offer: it is accepted if it is what our company asked for.
    pub(super) async fn consider(&self, pid: &str) {
        let found = self.with(|store| {
            let record = store.negotiations.get(pid)?;
            Some((record.offer.is_null(), record.error.clone()))
        });
        let Some((unasked, difference)) = found else { return };
        if unasked {
            let said = "this connector takes no offer its company did not ask for";
            return self
                .end_negotiation(pid, said.into(), Why::new("unasked", [said.into()]))
                .await;
        }
        if let Some(difference) = difference {
            return self
                .end_negotiation(pid, difference.clone(), Why::new("policy", [difference]))
                .await;
        }
        let event_type = EventType::Accepted;
        let sent = self.tell_negotiation(pid, |_, pids| Message::ContractNegotiationEventMessage {
            pids,
            event_type,
        });
        if let Err(error) = sent.await {
            self.give_up_negotiation(pid, &error).await;
        }
    }

    /// The agreement that came is the one that was asked for: says so. What conflicts is said again: EDC refuses while it is busy with
    /// the negotiation.
    pub(super) async fn verify(&self, pid: &str) {
        let mut said = 0;
        loop {
            said += 1;
            let sent = self.tell_negotiation(pid, |_, pids| Message::ContractAgreementVerificationMessage { pids });
            match sent.await {
                Err(SendError::Refused { status: 409, .. }) if said < VERIFICATIONS => tokio::time::sleep(PAUSE).await,
                Err(error) => return self.give_up_negotiation(pid, &error).await,
                Ok(()) => return,
            }
        }
    }

    /// Begins a transfer under an agreement and gives our name for it; what follows happens afterwards.
    pub(super) fn transfer(&self, agreement: &Agreement, address: &str, format: &str) -> String {
        let (course, peer) = (Course::default(), Self::peer(agreement.provider, address, None));
        let record = TransferRecord::new(Role::Consumer, course, peer, agreement, format, self.0.clock.now());
        let pid = record.pid.clone();
        self.with(|store| store.transfers.insert(pid.clone(), record));
        let (connector, own) = (self.clone(), pid.clone());
        self.later(async move { connector.request_transfer(&own).await });
        pid
    }

    async fn request_transfer(&self, pid: &str) {
        let has_plane = self.with(|store| !store.planes.is_empty());
        if has_plane && let Err(error) = self.begin_flow(pid, "prepare").await {
            return self.abandon_transfer(pid, error.to_string());
        }
        let found = self.with(|store| {
            let record = store.transfers.get_mut(pid)?;
            let state = record.course.send(Role::Consumer, TransferStep::Request).ok()?;
            Some((record.clone(), state))
        });
        let Some((record, state)) = found else { return };
        let message = Message::TransferRequestMessage {
            consumer_pid: pid.to_owned(),
            agreement_id: record.agreement,
            format: record.format,
            data_address: None,
            callback_address: self.dsp(),
        };
        match self.post(&record.peer, "transfers/request", &message).await {
            Ok(standing) => self.with(|store| {
                let Some(record) = store.transfers.get_mut(pid) else {
                    return;
                };
                let named = || Some(text(&standing, "providerPid").to_owned());
                record.peer.pid = record.peer.pid.take().or_else(named);
                record.course.acknowledge(state);
            }),
            Err(error) => {
                self.abandon_transfer(pid, error.to_string());
                let flow = record.flow.as_deref();
                self.tell_plane(pid, flow, "terminate", Some(&error.to_string())).await;
            }
        }
    }

    /// A transfer that never began.
    fn abandon_transfer(&self, pid: &str, error: String) {
        let now = self.0.clock.now();
        self.with(|store| {
            if let Some(record) = store.transfers.get_mut(pid) {
                record.error = Some(error);
                record.changed = now;
                record.course.abandon(super::transfer::Transfer::Terminated);
            }
        });
    }
}
