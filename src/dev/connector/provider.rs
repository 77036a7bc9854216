//! The provider's part: what is shown, what is agreed to, and what is started. Each time Tidegate is asked first.

use serde_json::Value;

use super::catalog::{Offer, answer, service};
use super::course::{Course, Role};
use super::management::select;
use super::message::{self, EventType, Message, Why};
use super::negotiation::NegotiationStep;
use super::peer::SendError;
use super::policy::{self, Agreed};
use super::protocol::Refused;
use super::store::{Agreement, NegotiationRecord};
use super::{Answer, Connector, new_id};
use crate::contract::Terms;
use crate::ids::Bpnl;

/// What another company is told when a policy that is not its business says no.
const NOT_PERMITTED: &str = "the provider's policy does not permit it";

impl Connector {
    /// `POST catalog/request`
    pub(super) async fn catalog_request(&self, client: Bpnl, body: &[u8]) -> Answer {
        let refused = |code: &str, reason: &str| Answer::new(400, message::catalog_refusal(code, reason));
        let filter = match Message::read(body) {
            Err(error) => return refused("malformed", &error.to_string()),
            Ok(Message::CatalogRequestMessage { filter }) => filter,
            Ok(other) => return refused("refused", &format!("a {} asks for no catalog", other.kind())),
        };
        // What a filter is, each connector settles for itself. This one knows EDC's.
        let query = match filter.as_slice() {
            [] => Value::Null,
            [query] if text(query, "@type").ends_with("QuerySpec") => query.clone(),
            _ => return refused("filter", "the one filter understood here is a `QuerySpec` of EDC"),
        };
        let mut shown = Vec::new();
        for offer in self.with(|store| store.catalog.offers()) {
            if self.may_see(client, &offer).await {
                shown.push(offer);
            }
        }
        let service = service(&self.dsp(), &self.dsp());
        match select(self.with(|store| store.catalog.datasets(&shown, &service)), &query) {
            Ok(datasets) => Answer::new(200, answer(&new_id(), self.participant().as_str(), datasets, &service)),
            Err(fault) => refused("filter", &fault.to_string()),
        }
    }

    /// `GET catalog/datasets/{id}`
    pub(super) async fn dataset_request(&self, client: Bpnl, asset: &str) -> Answer {
        let mut shown = Vec::new();
        for offer in self.with(|store| store.catalog.offers()) {
            if offer.asset == asset && self.may_see(client, &offer).await {
                shown.push(offer);
            }
        }
        if shown.is_empty() {
            // As for an asset that is not there.
            let reason = "there is no such dataset";
            return Answer::new(404, message::catalog_refusal("not-found", reason));
        }
        let service = service(&self.dsp(), &self.dsp());
        let dataset = self.with(|store| store.catalog.dataset(asset, &shown, &service));
        Answer::new(200, message::with_context(dataset))
    }

    /// Whether Tidegate lets this company see the offer. No answer is a no.
    async fn may_see(&self, client: Bpnl, offer: &Offer) -> bool {
        let Some(gate) = &self.0.gate else { return false };
        let offer = (self.participant(), offer.id.as_str());
        let verdict = gate.ask(&self.0.http, &self.0.clock, "discover", client, offer).await;
        match verdict {
            Ok(verdict) => verdict.allowed,
            Err(error) => {
                tracing::warn!(participant = %self.participant(), error, "an offer is not shown");
                false
            }
        }
    }

    /// Takes the first message of a consumer. The name of the new negotiation, or of the one it began before.
    pub(super) fn take_request(&self, client: Bpnl, message: &Message) -> Result<String, Refused> {
        let Message::ContractRequestMessage {
            consumer_pid,
            offer,
            callback_address: Some(callback),
            ..
        } = message
        else {
            let said = "`providerPid` continues a negotiation, and this is where one begins";
            return Err(Refused::Wrong(said.into()));
        };
        let (id, target) = (text(offer, "@id"), text(offer, "target"));
        let now = self.0.clock.now();
        let (pid, is_new) = self.with(|store| {
            let known = store.negotiations.values().find(|record| {
                record.role == Role::Provider
                    && record.peer.participant == client
                    && record.peer.pid.as_ref() == Some(consumer_pid)
            });
            if let Some(record) = known {
                return Ok((record.pid.clone(), false));
            }
            let found = store.catalog.offer(id).filter(|found| found.asset == target);
            let found = found.ok_or_else(|| Refused::Wrong(format!("there is no offer `{id}` of `{target}` here")))?;
            let mut course = Course::default();
            course.receive(Role::Consumer, NegotiationStep::Request)?;
            let record = NegotiationRecord {
                pid: new_id(),
                role: Role::Provider,
                course,
                peer: Self::peer(client, callback, Some(consumer_pid)),
                offer: offer.clone(),
                asset: found.asset,
                agreement: None,
                error: None,
                created: now,
                changed: now,
            };
            let pid = record.pid.clone();
            store.negotiations.insert(pid.clone(), record);
            Ok::<_, Refused>((pid, true))
        })?;
        if is_new {
            let (connector, pid) = (self.clone(), pid.clone());
            self.react(callback, async move { connector.decide_negotiation(&pid).await });
        }
        Ok(pid)
    }

    /// Agrees to what a consumer asked for, or ends the negotiation.
    pub(super) async fn decide_negotiation(&self, pid: &str) {
        let found = self.with(|store| {
            let record = store.negotiations.get(pid)?;
            Some((
                record.peer.participant,
                record.offer.clone(),
                store.catalog.offer(text(&record.offer, "@id")),
            ))
        });
        let Some((client, returned, offered)) = found else {
            return;
        };
        let Some(offered) = offered else {
            let said = "the offer was withdrawn";
            return self
                .end_negotiation(pid, said.into(), Why::new("offer", [said.into()]))
                .await;
        };
        let as_offered = policy::offer(&offered.id, &offered.rules);
        if let Err(difference) = policy::same(&as_offered, &returned) {
            return self
                .end_negotiation(pid, difference.clone(), Why::new("policy", [difference]))
                .await;
        }
        let Some(gate) = &self.0.gate else {
            let said = "nobody decides for this company";
            return self
                .end_negotiation(pid, said.into(), Why::new("unavailable", [said.into()]))
                .await;
        };
        let about = (self.participant(), offered.id.as_str());
        let verdict = gate.ask(&self.0.http, &self.0.clock, "negotiate", client, about).await;
        match verdict {
            Ok(verdict) if verdict.allowed => self.agree(pid, &offered).await,
            Ok(verdict) => {
                let all: Vec<_> = verdict
                    .reasons
                    .iter()
                    .map(|(policy, why)| format!("{policy}: {why}"))
                    .collect();
                let told = told(&as_offered, &verdict.reasons);
                self.end_negotiation(pid, all.join("; "), Why::new("denied", told))
                    .await;
            }
            Err(error) => {
                let said = "no decision can be had; ask again later";
                self.end_negotiation(pid, error, Why::new("unavailable", [said.into()]))
                    .await;
            }
        }
    }

    async fn agree(&self, pid: &str, offered: &Offer) {
        let now = self.0.clock.now();
        let agreement = self.with(|store| {
            let record = store.negotiations.get_mut(pid)?;
            let agreement = Agreement {
                id: new_id(),
                asset: offered.asset.clone(),
                provider: self.participant(),
                consumer: record.peer.participant,
                signed: now,
                rules: offered.rules.clone(),
                negotiation: Some(pid.to_owned()),
            };
            record.agreement = Some(agreement.clone());
            Some(agreement)
        });
        let Some(agreement) = agreement else { return };
        let sent = self.tell_negotiation(pid, |_, pids| {
            let agreed = Agreed {
                id: &agreement.id,
                asset: &agreement.asset,
                provider: agreement.provider,
                consumer: agreement.consumer,
                at: agreement.signed,
            };
            let agreement = agreed.with(&agreement.rules);
            Message::ContractAgreementMessage { pids, agreement }
        });
        if let Err(error) = sent.await {
            self.give_up_negotiation(pid, &error).await;
        }
    }

    /// The consumer verified the agreement: it holds.
    pub(super) async fn finalize(&self, pid: &str) {
        let event_type = EventType::Finalized;
        let sent = self
            .tell_negotiation(pid, |_, pids| Message::ContractNegotiationEventMessage {
                pids,
                event_type,
            })
            .await;
        match sent {
            Ok(()) => self.with(|store| {
                let agreement = store.negotiations.get(pid).and_then(|record| record.agreement.clone());
                if let Some(agreement) = agreement {
                    store.agreements.insert(agreement.id.clone(), agreement);
                }
            }),
            Err(error) => self.give_up_negotiation(pid, &error).await,
        }
    }

    /// A message of ours did not do what it was sent for: the two sides may see different states, so it ends.
    pub(super) async fn give_up_negotiation(&self, pid: &str, error: &SendError) {
        let over = self.with(|store| {
            let state = store.negotiations.get(pid).and_then(|record| record.course.state());
            state.is_none_or(|state| state.is_over())
        });
        if !over {
            self.end_negotiation(pid, error.to_string(), Why::new("failed", [error.to_string()]))
                .await;
        }
    }
}

/// Which reasons of a deny the other company may know: those of the policy it was offered. An access policy is nobody's
/// business but its author's.
fn told(offered: &Value, reasons: &[(String, String)]) -> Vec<String> {
    let digest = Terms::from_odrl(&offered.to_string()).map(|terms| hex::encode(terms.digest().as_bytes()));
    let own = digest.unwrap_or_default();
    let of_offer = reasons.iter().filter(|(policy, _)| {
        let name = policy.strip_prefix("terms/").and_then(|rest| rest.split('/').next());
        name.is_some_and(|name| !name.is_empty() && own.starts_with(name))
    });
    let mut told: Vec<_> = of_offer.map(|(_, why)| why.clone()).collect();
    if told.is_empty() {
        told.push(NOT_PERMITTED.to_owned());
    }
    told
}

/// The text of a member, empty where there is none.
pub(super) fn text<'v>(value: &'v Value, member: &str) -> &'v str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}
