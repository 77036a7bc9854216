//! What is under way: negotiations, agreements, transfers, and where data can be fetched.

use serde_json::{Value, json};

use super::super::Connector;
use super::super::catalog::FORMAT;
use super::super::course::Role;
use super::super::message::{Message, Why, put};
use super::super::peer::SendError;
use super::super::policy::Agreed;
use super::super::store::{Agreement, NegotiationRecord, Peer, TransferRecord};
use super::super::transfer::Transfer;
use super::{Done, Fault, created, in_edc, member, select, text};

/// The protocol this connector speaks, as EDC names it.
const PROTOCOL: &str = "dataspace-protocol-http:2025-1";

impl Connector {
    pub(super) async fn manage_catalog(&self, body: &Value) -> Done {
        let peer = counter_party(body, &text(body, "counterPartyId")?.parse().map_err(id_fault)?)?;
        let catalog = self.fetch_catalog(&peer).await;
        catalog.map(Some).map_err(|error| Fault::peer(error.to_string()))
    }

    pub(super) async fn manage_negotiations(&self, method: &str, path: &[&str], body: &Value) -> Done {
        let of = |pid: &str| self.with(|store| store.negotiations.get(pid).cloned());
        let found = |pid: &str| of(pid).ok_or_else(|| Fault::missing("negotiation", pid));
        match (method, path) {
            ("POST", []) => self.begin_negotiation(body),
            ("POST", ["request"]) => {
                let all = self.with(|store| store.negotiations.values().map(negotiation).collect());
                select(all, body).map(Some)
            }
            ("GET", [pid]) => Ok(Some(negotiation(&found(pid)?))),
            ("GET", [pid, "state"]) => {
                let state = negotiation_state(&found(pid)?);
                Ok(Some(in_edc(json!({ "@type": "NegotiationState", "state": state }))))
            }
            ("GET", [pid, "agreement"]) => match found(pid)?.agreement {
                Some(made) => Ok(Some(agreement(&made))),
                None => Err(Fault::missing("agreement of the negotiation", pid)),
            },
            ("POST", [pid, "terminate"]) => {
                let record = found(pid)?;
                if record.course.state().is_none_or(|state| state.is_over()) {
                    let state = negotiation_state(&record);
                    return Err(Fault::conflict(format!(
                        "the negotiation is {state} and cannot be terminated"
                    )));
                }
                let reason = member(body, "reason")
                    .and_then(Value::as_str)
                    .unwrap_or("terminated by the operator");
                self.end_negotiation(pid, reason.to_owned(), Why::new("operator", [reason.to_owned()]))
                    .await;
                Ok(None)
            }
            _ => Err(Fault::missing("path", &path.join("/"))),
        }
    }

    fn begin_negotiation(&self, body: &Value) -> Done {
        let offer = member(body, "policy").ok_or_else(|| Fault::invalid("the member `policy` is missing"))?;
        for wanted in ["@id", "target"] {
            text(offer, wanted).map_err(|fault| Fault::invalid(format!("`policy`: {}", fault.message)))?;
        }
        let provider = match text(offer, "assigner") {
            Ok(assigner) => assigner,
            Err(_) => text(body, "counterPartyId")?,
        };
        let peer = counter_party(body, &provider.parse().map_err(id_fault)?)?;
        let mut offer = offer.clone();
        if let Value::Object(members) = &mut offer {
            // Who offers is in the message already, and its context is the message's.
            members.retain(|name, _| !["assigner", "assignee", "@context"].contains(&name.as_str()));
            members.insert("@type".into(), json!("Offer"));
        }
        let pid = self.negotiate(peer, offer);
        Ok(Some(created(&pid, self.0.clock.now())))
    }

    pub(super) fn manage_agreements(&self, method: &str, path: &[&str], body: &Value) -> Done {
        let found = |id: &str| {
            let found = self.with(|store| store.agreements.get(id).cloned());
            found.ok_or_else(|| Fault::missing("agreement", id))
        };
        match (method, path) {
            ("POST", ["request"]) => {
                let all = self.with(|store| store.agreements.values().map(agreement).collect());
                select(all, body).map(Some)
            }
            ("GET", [id]) => Ok(Some(agreement(&found(id)?))),
            ("GET", [id, "negotiation"]) => {
                let pid = found(id)?.negotiation;
                let record = pid.and_then(|pid| self.with(|store| store.negotiations.get(&pid).cloned()));
                let record = record.ok_or_else(|| Fault::missing("negotiation of the agreement", id))?;
                Ok(Some(negotiation(&record)))
            }
            _ => Err(Fault::missing("path", &path.join("/"))),
        }
    }

    pub(super) async fn manage_transfers(&self, method: &str, path: &[&str], body: &Value) -> Done {
        let of = |pid: &str| self.with(|store| store.transfers.get(pid).cloned());
        let found = |pid: &str| of(pid).ok_or_else(|| Fault::missing("transfer", pid));
        match (method, path) {
            ("POST", []) => self.begin_transfer(body),
            ("POST", ["request"]) => {
                let all = self.with(|store| store.transfers.values().map(transfer).collect());
                select(all, body).map(Some)
            }
            ("GET", [pid]) => Ok(Some(transfer(&found(pid)?))),
            ("GET", [pid, "state"]) => {
                let state = transfer_state(&found(pid)?);
                Ok(Some(in_edc(json!({ "@type": "TransferState", "state": state }))))
            }
            ("POST", [pid, "terminate"]) => {
                let record = found(pid)?;
                if record.course.state().is_none_or(|state| state.is_over()) {
                    let state = transfer_state(&record);
                    return Err(Fault::conflict(format!(
                        "the transfer is {state} and cannot be terminated"
                    )));
                }
                let reason = member(body, "reason")
                    .and_then(Value::as_str)
                    .unwrap_or("terminated by the operator");
                self.end_transfer(pid, reason.to_owned(), Why::new("operator", [reason.to_owned()]))
                    .await;
                Ok(None)
            }
            ("POST", [pid, "suspend"]) => {
                let record = found(pid)?;
                if record.course.state() != Some(Transfer::Started) {
                    let state = transfer_state(&record);
                    return Err(Fault::conflict(format!(
                        "the transfer is {state} and cannot be suspended"
                    )));
                }
                let reason = member(body, "reason")
                    .and_then(Value::as_str)
                    .unwrap_or("suspended by the operator");
                let why = Why::new("operator", [reason.to_owned()]);
                // The plane first: the token is to be worth nothing, whatever the other side answers.
                self.tell_plane(pid, record.flow.as_deref(), "suspend", Some(reason))
                    .await;
                let told = self.tell_transfer(pid, |_, pids| Message::TransferSuspensionMessage { pids, why });
                told.await.map_err(send_fault)?;
                Ok(None)
            }
            ("POST", [pid, "resume"]) => self.resume_transfer(&found(pid)?).await.map(|()| None),
            _ => Err(Fault::missing("path", &path.join("/"))),
        }
    }

    fn begin_transfer(&self, body: &Value) -> Done {
        let id = text(body, "contractId")?;
        let agreement = self.with(|store| store.agreements.get(id).cloned());
        let agreement = agreement.filter(|agreement| agreement.consumer == self.participant());
        let agreement = agreement.ok_or_else(|| Fault::invalid(format!("there is no agreement `{id}` as consumer")))?;
        let format = text(body, "transferType")?;
        if format != FORMAT {
            return Err(Fault::invalid(format!("`transferType`: `{FORMAT}` is the one known")));
        }
        let pid = self.transfer(&agreement, text(body, "counterPartyAddress")?, format);
        Ok(Some(created(&pid, self.0.clock.now())))
    }

    /// The provider goes on and hands over the new address. The consumer can only ask it to: for data that is fetched the address
    /// comes from the provider, so what it asked for is not there before the provider's own start.
    async fn resume_transfer(&self, record: &TransferRecord) -> Result<(), Fault> {
        if record.course.state() != Some(Transfer::Suspended) {
            let state = transfer_state(record);
            return Err(Fault::conflict(format!(
                "the transfer is {state} and cannot be resumed"
            )));
        }
        if record.role == Role::Provider {
            let resumed = self.resume_flow(&record.pid).await;
            resumed.map_err(|error| Fault::conflict(error.to_string()))?;
            self.hand_over(&record.pid).await;
            return Ok(());
        }
        let pids = record
            .pids()
            .ok_or_else(|| Fault::conflict("the provider has not named the transfer"))?;
        let path = format!("transfers/{}/start", pids.provider_pid);
        let message = Message::TransferStartMessage {
            pids,
            data_address: None,
        };
        let asked = self.post(&record.peer, &path, &message).await;
        asked.map(drop).map_err(send_fault)
    }

    /// Where data can be fetched, as EDC's store of endpoint data references gives it.
    pub(super) fn manage_address(&self, id: &str) -> Done {
        let record = self.with(|store| store.transfers.get(id).cloned());
        let record = record.ok_or_else(|| Fault::missing("transfer", id))?;
        let address = record
            .address
            .ok_or_else(|| Fault::missing("data address of the transfer", id))?;
        let mut shown = json!({ "@type": "DataAddress", "type": address.endpoint_type, "endpoint": address.endpoint });
        for property in address.endpoint_properties {
            put(&mut shown, &property.name, json!(property.value));
        }
        Ok(Some(in_edc(shown)))
    }
}

fn counter_party(body: &Value, participant: &crate::ids::Bpnl) -> Result<Peer, Fault> {
    if let Some(protocol) = member(body, "protocol").and_then(Value::as_str)
        && protocol != PROTOCOL
    {
        return Err(Fault::invalid(format!("`protocol`: `{PROTOCOL}` is the one known")));
    }
    Ok(Connector::peer(*participant, text(body, "counterPartyAddress")?, None))
}

fn id_fault(error: crate::ids::IdError) -> Fault {
    Fault::invalid(error.to_string())
}

fn send_fault(error: SendError) -> Fault {
    match error {
        SendError::Own(said) => Fault::conflict(said),
        other => Fault::peer(other.to_string()),
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Consumer => "CONSUMER",
        Role::Provider => "PROVIDER",
    }
}

fn negotiation_state(record: &NegotiationRecord) -> &'static str {
    record.course.state().map_or("REQUESTING", |state| state.as_str())
}

fn transfer_state(record: &TransferRecord) -> &'static str {
    record.course.state().map_or("REQUESTING", |state| state.as_str())
}

fn negotiation(record: &NegotiationRecord) -> Value {
    let mut shown = json!({
        "@type": "ContractNegotiation",
        "@id": record.pid,
        "type": role(record.role),
        "protocol": PROTOCOL,
        "state": negotiation_state(record),
        "counterPartyId": record.peer.participant,
        "counterPartyAddress": record.peer.address,
        "callbackAddresses": [],
        "createdAt": record.created.as_millisecond(),
        "assetId": record.asset,
        "correlationId": record.peer.pid,
    });
    if let Some(made) = &record.agreement {
        put(&mut shown, "contractAgreementId", json!(made.id));
    }
    if let Some(error) = &record.error {
        put(&mut shown, "errorDetail", json!(error));
    }
    in_edc(shown)
}

fn agreement(made: &Agreement) -> Value {
    let agreed = Agreed {
        id: &made.id,
        asset: &made.asset,
        provider: made.provider,
        consumer: made.consumer,
        at: made.signed,
    };
    in_edc(json!({
        "@type": "ContractAgreement",
        "@id": made.id,
        // EDC has an id of its own beside the one both sides share; here they are one.
        "agreementId": made.id,
        "assetId": made.asset,
        "consumerId": made.consumer,
        "providerId": made.provider,
        "contractSigningDate": made.signed.as_second(),
        "policy": agreed.with(&made.rules),
    }))
}

fn transfer(record: &TransferRecord) -> Value {
    let mut shown = json!({
        "@type": "TransferProcess",
        "@id": record.pid,
        "type": role(record.role),
        "state": transfer_state(record),
        "stateTimestamp": record.changed.as_millisecond(),
        "callbackAddresses": [],
        "assetId": record.asset,
        "contractId": record.agreement,
        "correlationId": record.peer.pid,
        "transferType": record.format,
    });
    if let Some(error) = &record.error {
        put(&mut shown, "errorDetail", json!(error));
    }
    in_edc(shown)
}
