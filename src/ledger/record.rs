//! One record of a log: a leaf of its tree, kept for the auditor and for ever.
//!
//! A record is an envelope (log, number, time) around one [`Event`]. Its bytes are canonical JSON (RFC 8785): the fields of
//! every type here stand in alphabetical order, maps and sets are sorted and no number leaves the range of exact doubles, so
//! that serialising a record once gives the bytes to hash and to store.
//!
//! Records hold identifiers, digests and the answer; never a token, a secret, a footprint's values or the name of a person. What
//! a digest names is kept beside the logs, once per digest; what only a tenant may read, under a [commitment](super::private).

mod itself;
mod line;
mod platform;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use self::itself::{Erased, Gap, KeyChanged, MAX_GAP_IDS, MAX_SHADOW_IDS, Refused, Shadowed};
pub use self::line::{Line, Named, Read, Text};
pub use self::platform::{Diverged, Passage, Progress, Step};

use super::period::Period;
use crate::decision::Decision;
use crate::ids::{AgreementId, AssetId, Bpnl, Digest, FlowId, IdError, RecordId, RequestId, TenantId};
use crate::registry::{AgreementState, Guarantee};

/// The greatest size of a record in bytes: what one entry of a C2SP tile log may hold.
pub const MAX_RECORD_BYTES: usize = 65_535;

/// The greatest size of an event in bytes; the rest of [`MAX_RECORD_BYTES`] is the envelope's.
pub const MAX_EVENT_BYTES: usize = MAX_RECORD_BYTES - 511;

/// The version of the record format written here.
pub const RECORD_VERSION: u8 = 2;

/// Names one log: a tenant's, or the platform's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogId {
    /// What concerns no single tenant: bundle activations, starts, the opening of tenants' logs.
    Platform,
    /// The decisions about one tenant's credentials and footprints.
    Tenant(TenantId),
}

impl LogId {
    /// The log's name: the tenant's BPNL, or `platform`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Platform => "platform",
            Self::Tenant(tenant) => tenant.as_str(),
        }
    }

    /// The tenant whose log it is.
    pub(super) fn tenant(self) -> Option<TenantId> {
        match self {
            Self::Platform => None,
            Self::Tenant(tenant) => Some(tenant),
        }
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for LogId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text == "platform" {
            return Ok(Self::Platform);
        }
        text.parse().map(Self::Tenant)
    }
}

impl Serialize for LogId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for LogId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// When a record was written: RFC 3339, UTC, always three digits of the second's fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordTime(Timestamp);

impl RecordTime {
    /// `at`, cut to whole milliseconds.
    pub fn new(at: Timestamp) -> Self {
        Self(Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(Timestamp::UNIX_EPOCH))
    }

    /// The instant.
    pub fn timestamp(&self) -> Timestamp {
        self.0
    }

    /// Milliseconds since 1970, as a UUID of version 7 carries them; an earlier time counts as 1970.
    pub fn unix_millis(&self) -> u64 {
        u64::try_from(self.0.as_millisecond()).unwrap_or(0)
    }
}

impl fmt::Display for RecordTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:.3}", self.0)
    }
}

impl Serialize for RecordTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RecordTime {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Timestamp::deserialize(deserializer).map(Self::new)
    }
}

/// The request a decision answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    /// The caller's id of the request, or the one made for it.
    pub id: RequestId,
    /// The W3C trace context's `traceparent`, where the caller sent one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// What evaluated the question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Engine {
    /// The version of Cedar.
    pub cedar: String,
    /// The version of Tidegate.
    pub tidegate: String,
}

impl Engine {
    /// The versions that run here.
    pub fn running() -> Self {
        Self {
            cedar: cedar_policy::get_sdk_version().to_string(),
            tidegate: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// When the answer may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// Only once its record is durable.
    Strict,
    /// Ahead of its record, within the tenant's [bound](crate::registry::Bound).
    Bounded,
}

impl From<Guarantee> for Mode {
    fn from(guarantee: Guarantee) -> Self {
        match guarantee {
            Guarantee::Strict => Self::Strict,
            Guarantee::Bounded(_) => Self::Bounded,
        }
    }
}

/// What of a question is not in its record, by commitments; see [`super::private`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Private {
    /// The principal's whole name and the context, with its time.
    pub asked: Digest,
    /// The slice of entities the answer could depend on.
    pub entities: Digest,
    /// Under whose key they are kept.
    pub period: Period,
}

/// A decision: who asked for what, the policies by their bundle, and the answer in full; the rest of the question by commitments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Decided<P = Private> {
    /// The Cedar action's entity id.
    pub action: String,
    /// The bundle that answered.
    pub bundle: Digest,
    /// Both layers' answers and what followed.
    pub decision: Decision,
    /// What evaluated the question.
    pub engine: Engine,
    /// When the answer could leave.
    pub mode: Mode,
    /// The Cedar principal's entity id; a person's name is a [pseudonym](super::period::PeriodKey::pseudonym).
    pub principal: String,
    /// The rest of the question: what names it in a record, or, before it is recorded, the thing itself.
    pub private: P,
    /// The request that asked.
    pub request: Request,
    /// The Cedar resource's entity id.
    pub resource: String,
    /// The tenant whose thing was asked for; absent for the platform's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// The terms of the agreements in the question.
    pub terms: BTreeSet<Digest>,
}

/// A bundle took effect, or was refused and the one before it stayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Activation {
    /// The bundle that was offered.
    pub bundle: Digest,
    /// The bundle in force before, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Digest>,
    /// Why the bundle was refused; absent where it took effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// A tenant's log was opened. Written to the platform's log by the ledger itself, in the transaction of the tenant's first
/// record, so that a log erased whole is missed and its key cannot be swapped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Opened {
    /// The log that was opened.
    pub log: LogId,
    /// The key that signs its checkpoints, as a C2SP signed-note verifier key.
    pub verifier_key: String,
}

/// A data flow stands somewhere else: the tenant's control plane said so, or, where there is no request, its agreement ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Flowed {
    /// The agreement it is under.
    pub agreement: AgreementId,
    /// What it is about.
    pub asset: AssetId,
    /// The flow.
    pub flow: FlowId,
    /// The other company.
    pub partner: Bpnl,
    /// Why, where that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The request that said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
    /// Where it stands now, as the signaling protocol spells it.
    pub state: String,
}

/// An agreement comes into a state: on record, retired or expired. Written before the change takes effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgreementEvent {
    /// The connectors' id of the agreement.
    pub agreement: AgreementId,
    /// What it is about.
    pub asset: AssetId,
    /// Who caused the change: the Cedar principal's entity id, where a person's name is a pseudonym, or `tidegate` or `operator`.
    pub by: String,
    /// The company that consumes.
    pub consumer: Bpnl,
    /// The record of the decision that permitted the change, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<RecordId>,
    /// The ODRL as it was agreed, by its digest; given as the agreement comes on record. The text is in the registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub odrl: Option<Digest>,
    /// The tenant that provides.
    pub provider: TenantId,
    /// Why the agreement ends, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it was finalized.
    pub signed_at: RecordTime,
    /// The state it comes into.
    pub state: AgreementState,
    /// What was agreed: its normal form, by its digest.
    pub terms: Digest,
}

/// The service started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Start {
    /// What will evaluate questions.
    pub engine: Engine,
}

/// What a record tells, as `{"kind": …, "what": {…}}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "what", rename_all = "camelCase", deny_unknown_fields)]
pub enum Event {
    /// A bundle took effect or was refused.
    Activation(Activation),
    /// An agreement came on record, was retired or expired.
    Agreement(Box<AgreementEvent>),
    /// A question was answered.
    Decision(Box<Decided>),
    /// AWS refused what both layers allow.
    Divergence(Diverged),
    /// What was private in a month's records is gone.
    Erased(Erased),
    /// A data flow changed its state.
    Flow(Flowed),
    /// Answers left whose records are missing.
    Gap(Gap),
    /// The log is signed with another key from here on.
    KeyChanged(KeyChanged),
    /// A tenant's log was opened.
    Opened(Opened),
    /// Entries could not be recorded for a while.
    Refused(Refused),
    /// What a candidate bundle would have decided.
    Shadow(Shadowed),
    /// The service started.
    Start(Start),
    /// A tenant comes or goes.
    Step(Box<Step>),
}

impl Event {
    /// The event's `kind`, as it is spelled in a record.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Activation(_) => "activation",
            Self::Agreement(_) => "agreement",
            Self::Decision(_) => "decision",
            Self::Divergence(_) => "divergence",
            Self::Erased(_) => "erased",
            Self::Flow(_) => "flow",
            Self::Gap(_) => "gap",
            Self::KeyChanged(_) => "keyChanged",
            Self::Opened(_) => "opened",
            Self::Refused(_) => "refused",
            Self::Shadow(_) => "shadow",
            Self::Start(_) => "start",
            Self::Step(_) => "step",
        }
    }

    /// The digests whose bodies must be kept beside the log: whoever replays the record needs them, and what is
    /// [`Private`].
    pub fn bodies(&self) -> Vec<Digest> {
        match self {
            Self::Decision(decided) => {
                let mut digests = vec![decided.bundle];
                digests.extend(&decided.terms);
                digests
            }
            Self::Shadow(shadowed) => vec![shadowed.bundle],
            Self::Activation(activation) if activation.refused.is_none() => vec![activation.bundle],
            Self::Agreement(agreement) => vec![agreement.terms],
            Self::Activation(_)
            | Self::Divergence(_)
            | Self::Erased(_)
            | Self::Flow(_)
            | Self::Gap(_)
            | Self::KeyChanged(_)
            | Self::Opened(_)
            | Self::Refused(_)
            | Self::Start(_)
            | Self::Step(_) => Vec::new(),
        }
    }

    /// The event as canonical JSON.
    ///
    /// # Errors
    ///
    /// [`RecordError::TooLarge`] beyond [`MAX_EVENT_BYTES`].
    pub fn to_canonical(&self) -> Result<Box<RawValue>, RecordError> {
        let raw = serde_json::value::to_raw_value(self)?;
        match raw.get().len() {
            bytes if bytes > MAX_EVENT_BYTES => Err(RecordError::TooLarge { bytes }),
            _ => Ok(raw),
        }
    }
}

/// One record of a log. The writer makes them around an event that is canonical JSON already (`E` is then a
/// [`RawValue`]); readers get the parsed [`Event`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record<E = Event> {
    /// What the record tells.
    pub event: E,
    /// The record's id; the time within it is the record's.
    pub id: RecordId,
    /// The log it belongs to.
    pub log: LogId,
    /// The record's number in its log, from 0.
    pub seq: u64,
    /// When it was written.
    pub time: RecordTime,
    /// The version of this format.
    pub v: u8,
}

/// A new id with a record's time in it; `None` where there is no randomness.
pub(super) fn new_id(time: RecordTime) -> Option<RecordId> {
    let mut random = [0; 10];
    aws_lc_rs::rand::fill(&mut random).ok()?;
    let id = uuid::Builder::from_unix_timestamp_millis(time.unix_millis(), &random);
    Some(RecordId(id.into_uuid()))
}

/// Why bytes are not a record, or a record cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Not the JSON of a record.
    #[error("not a record: {0}")]
    Json(#[from] serde_json::Error),
    /// Written by another version of the format.
    #[error("version `{0}` of the record format is not known here; expected `2`")]
    Version(u8),
    /// The JSON of a record, but not its canonical bytes.
    #[error("not in canonical form (RFC 8785)")]
    NotCanonical,
    /// The event would make a record beyond [`MAX_RECORD_BYTES`].
    #[error("an event of {bytes} bytes is too large to record; at most {MAX_EVENT_BYTES}")]
    TooLarge {
        /// The event's size.
        bytes: usize,
    },
}

impl Record {
    /// Parses a record and holds it to its canonical form: no other spelling of the same content is accepted.
    ///
    /// # Errors
    ///
    /// Whatever is not exactly one record of this version.
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        let record: Self = serde_json::from_slice(bytes)?;
        if record.v != RECORD_VERSION {
            return Err(RecordError::Version(record.v));
        }
        if serde_json::to_vec(&record)? != bytes {
            return Err(RecordError::NotCanonical);
        }
        Ok(record)
    }
}
