//! What is kept of an exchange: who asked whom for which part, how it stands, and what is still to be delivered.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::{Builder, Uuid};

use super::model::Model;
use super::pact::Filter;
use super::part::Parts;
use crate::ids::{AgreementId, AssetId, Bpnl, ClientId, Digest, PcfId, ProductId, RecordId, TenantId, Version};

/// The most characters of a message that goes with a request or an answer (CX-0136).
pub const MESSAGE: usize = 250;

/// The id of an exchange, `requestId` of the PCF API: a UUID, compared and written in lower case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExchangeId(Uuid);

/// A text that is no exchange's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID in its form of 36 characters, such as `2daa49aa-ee16-4df3-bca3-69ddead40419`")]
pub struct ExchangeIdError;

impl ExchangeId {
    /// An id for an exchange that begins here: a UUID of version 7.
    #[expect(clippy::new_without_default, reason = "every call gives another id")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id of the exchange that a partner begins with an event: made of what tells the event from all others (CloudEvents 1.0: `source` and
    /// `id`), so that the same event once more is the same exchange.
    pub fn of_event(source: &str, id: &str) -> Self {
        let named = serde_json::to_vec(&(source, id)).unwrap_or_default();
        let mut bytes = [0; 16];
        let digest = Digest::of(&named);
        bytes
            .iter_mut()
            .zip(digest.as_bytes())
            .for_each(|(to, from)| *to = *from);
        Self(Builder::from_custom_bytes(bytes).into_uuid())
    }
}

impl FromStr for ExchangeId {
    type Err = ExchangeIdError;

    fn from_str(text: &str) -> Result<Self, ExchangeIdError> {
        // The library reads braces and URNs too; here an id has one form.
        let sound = text.len() == 36;
        let id = sound.then(|| Uuid::try_parse(text).ok()).flatten();
        id.map(Self).ok_or(ExchangeIdError)
    }
}

impl fmt::Display for ExchangeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Debug for ExchangeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Which of the API's two forms a request came in; it is answered in the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Form {
    /// `footprintExchange/{requestId}`, API 1.2.0 and 1.3.0.
    FootprintExchange,
    /// `productIds/{productId}`, deprecated since 1.2.0.
    ProductIds,
}

/// How an exchange stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Asked, or to be delivered, and not yet done.
    Open,
    /// Answered, or delivered.
    Answered,
    /// Ended for a reason that trying again does not mend: policy, or the partner's word.
    Failed,
    /// Given up after the last attempt: a dead letter.
    Dead,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Open, Self::Answered, Self::Failed, Self::Dead];

    /// The state as it is stored and told.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Dead => "dead",
        }
    }
}

/// A text that is no state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a state; expected `open`, `answered`, `failed` or `dead`")]
pub struct StateError;

impl FromStr for State {
    type Err = StateError;

    fn from_str(text: &str) -> Result<Self, StateError> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or(StateError)
    }
}

/// What a partner asked of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The part.
    pub parts: Parts,
    /// The version of the model the answer is to have, such as `9.0.0`.
    pub model: Version,
    /// Words for a person.
    pub message: Option<String>,
    /// The form it came in.
    pub form: Form,
    /// The agreement it was asked under.
    pub agreement: AgreementId,
    /// The client that carried it.
    pub connector: ClientId,
    /// The company the data is for, where that is not the partner.
    pub recipient: Option<Bpnl>,
}

/// What a partner asked of a tenant by an event (PACT's `RequestCreatedEvent`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requested {
    /// The event's id.
    pub event: String,
    /// What was asked for.
    pub filter: Filter,
    /// The client that asked.
    pub client: ClientId,
    /// What counts as handed out already, by an attempt before: each footprint with the agreement it was handed out under.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub counted: BTreeSet<(AgreementId, PcfId)>,
}

/// A request of a partner, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// The tenant that was asked.
    pub tenant: TenantId,
    /// The partner that asked.
    pub partner: Bpnl,
    /// The partner's id of it.
    pub exchange: ExchangeId,
    /// What was asked.
    pub asked: Asked,
}

/// What a tenant asks of a partner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// The part.
    pub parts: Parts,
    /// The version of the model the answer is to have, such as `9.0.0`.
    pub model: Version,
    /// Words for a person.
    pub message: Option<String>,
    /// The partner's asset to ask at, where it is known which; a part's digital twin says it (CX-0136, `PCFExchangeEndpoint`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asset: Option<AssetId>,
}

/// How a request of a tenant's stands with the partner who now answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answerable {
    /// It waits for its answer.
    Open,
    /// It was answered with a document of this digest.
    Answered(Digest),
    /// There is no such request of this tenant to this partner.
    Unknown,
}

/// A footprint a partner handed in, as it is indexed; the document lies in the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The tenant that has it.
    pub tenant: TenantId,
    /// The partner that handed it in, and whose it is.
    pub partner: Bpnl,
    /// The document's id.
    pub pcf: PcfId,
    /// The document's product.
    pub product: ProductId,
    /// The document's model.
    pub model: Model,
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// The exchange it came with.
    pub exchange: Option<ExchangeId>,
    /// Words for a person.
    pub message: Option<String>,
    /// The record of the decision that took it.
    pub record: RecordId,
}

/// What is to be delivered to a partner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Errand {
    /// The answer to a request of the partner.
    Answer(Asked),
    /// A footprint of the tenant's that changed: its id, and the digest of its bytes when it did.
    Update(PcfId, Digest),
    /// The tenant's own request.
    Request(Wanted),
    /// Footprints of the tenant's that changed, of which the partner's PACT host is told: their ids, and the digests of their bytes when they did.
    Publish(Vec<(PcfId, Digest)>),
    /// The answer to a request that the partner made by an event.
    Fulfil(Box<Requested>),
}

impl Errand {
    /// The errand as metrics and people are told it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Answer(_) => "answer",
            Self::Update(..) => "update",
            Self::Request(_) => "request",
            Self::Publish(_) => "publish",
            Self::Fulfil(_) => "fulfil",
        }
    }

    /// The partner's asset it is to be delivered at, where it matters.
    pub fn asset(&self) -> Option<&AssetId> {
        match self {
            Self::Request(wanted) => wanted.asset.as_ref(),
            Self::Answer(_) | Self::Update(..) | Self::Publish(_) | Self::Fulfil(_) => None,
        }
    }
}

/// Something to be delivered, until it is done or given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its number; a later delivery has a higher one.
    pub number: i64,
    /// Whose it is.
    pub tenant: TenantId,
    /// To whom.
    pub partner: Bpnl,
    /// The exchange it is part of: the same in every attempt.
    pub exchange: ExchangeId,
    /// What.
    pub errand: Errand,
    /// How many attempts were made.
    pub attempts: u32,
    /// Whether an attempt came so far as to hand the footprint out, so that it counts as a use already.
    pub used: bool,
}

/// A delivery as people are told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The delivery.
    pub delivery: Delivery,
    /// How it stands.
    pub state: State,
    /// When it was put in.
    pub at: Timestamp,
    /// When it is tried next, while it is open; when it ended, afterwards.
    pub next: Timestamp,
    /// What was wrong with the last attempt.
    pub problem: Option<String>,
    /// The record of the last decision about it.
    pub record: Option<RecordId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_goes_by_one_spelling_of_its_id() {
        let id: ExchangeId = "2DAA49AA-ee16-4df3-bca3-69ddead40419".parse().unwrap();
        assert_eq!(id.to_string(), "2daa49aa-ee16-4df3-bca3-69ddead40419");
        for bad in [
            "",
            "123",
            "2daa49aaee164df3bca369ddead40419",
            "urn:uuid:2daa49aa-ee16-4df3-bca3-69ddead40419",
            "{2daa49aa-ee16-4df3-bca3-69ddead40419}",
            "2daa49aa-ee16-4df3-bca3-69ddead4041g",
        ] {
            assert_eq!(bad.parse::<ExchangeId>(), Err(ExchangeIdError), "{bad}");
        }
    }

    #[test]
    fn a_state_reads_back() {
        for state in State::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
    }
}
