//! The messages of the Dataspace Protocol 2025-1, as they stand on the wire.
//!
//! They are plain JSON here: the protocol's schemas fix the compacted form, so no JSON-LD processing is needed, and the
//! tests hold every message sent and received to these schemas. What a receiver does not know is passed over, as the protocol
//! wants; what it needs and does not find is an error that names the member.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::negotiation::NegotiationStep;
use super::transfer::TransferStep;

/// The context every message carries.
pub const CONTEXT: &str = "https://w3id.org/dspace/2025/1/context.jsonld";

/// The process ids of an error that belongs to no process: the schemas want ids where there are none.
const NO_PROCESS: &str = "urn:uuid:00000000-0000-0000-0000-000000000000";

/// A message that moves something.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "@type", rename_all_fields = "camelCase")]
#[expect(missing_docs, reason = "names and members are those of the protocol")]
pub enum Message {
    CatalogRequestMessage {
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        filter: Vec<Value>,
    },
    ContractRequestMessage {
        consumer_pid: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        provider_pid: Option<String>,
        offer: Value,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        callback_address: Option<String>,
    },
    ContractOfferMessage {
        provider_pid: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        consumer_pid: Option<String>,
        offer: Value,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        callback_address: Option<String>,
    },
    ContractAgreementMessage {
        #[serde(flatten)]
        pids: Pids,
        agreement: Value,
    },
    ContractAgreementVerificationMessage {
        #[serde(flatten)]
        pids: Pids,
    },
    ContractNegotiationEventMessage {
        #[serde(flatten)]
        pids: Pids,
        event_type: EventType,
    },
    ContractNegotiationTerminationMessage {
        #[serde(flatten)]
        pids: Pids,
        #[serde(flatten)]
        why: Why,
    },
    TransferRequestMessage {
        consumer_pid: String,
        agreement_id: String,
        format: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data_address: Option<DataAddress>,
        callback_address: String,
    },
    TransferStartMessage {
        #[serde(flatten)]
        pids: Pids,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data_address: Option<DataAddress>,
    },
    TransferSuspensionMessage {
        #[serde(flatten)]
        pids: Pids,
        #[serde(flatten)]
        why: Why,
    },
    TransferCompletionMessage {
        #[serde(flatten)]
        pids: Pids,
    },
    TransferTerminationMessage {
        #[serde(flatten)]
        pids: Pids,
        #[serde(flatten)]
        why: Why,
    },
}

/// What a negotiation event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum EventType {
    /// The consumer accepts the provider's offer.
    Accepted,
    /// The provider finalizes the agreement.
    Finalized,
}

/// The two names of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pids {
    /// The consumer's.
    pub consumer_pid: String,
    /// The provider's.
    pub provider_pid: String,
}

/// Why a process ends or pauses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// A stable word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Sentences for people, or whatever else the sender has to say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reason: Vec<Value>,
}

impl Why {
    /// A code and sentences.
    pub fn new(code: &str, reasons: impl IntoIterator<Item = String>) -> Self {
        Self {
            code: Some(code.to_owned()),
            reason: reasons.into_iter().map(Value::String).collect(),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reasons = self.reason.iter().map(|reason| match reason {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        let reasons: Vec<_> = reasons.collect();
        match (&self.code, reasons.is_empty()) {
            (Some(code), true) => formatter.write_str(code),
            (Some(code), false) => write!(formatter, "{code}: {}", reasons.join("; ")),
            (None, true) => formatter.write_str("no reason was given"),
            (None, false) => formatter.write_str(&reasons.join("; ")),
        }
    }
}

/// Where and with what data can be fetched. Values of its properties, the token among them, are never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DataAddress {
    /// `DataAddress`
    #[serde(rename = "@type", default = "data_address_type")]
    pub kind: String,
    /// How to talk to the endpoint.
    pub endpoint_type: String,
    /// The endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// What else is needed there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoint_properties: Vec<EndpointProperty>,
}

/// EDC's name for the endpoint.
const ENDPOINT: &str = "https://w3id.org/edc/v0.0.1/ns/endpoint";

fn data_address_type() -> String {
    "DataAddress".to_owned()
}

/// A property of a data address.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointProperty {
    /// `EndpointProperty`
    #[serde(rename = "@type", default = "endpoint_property_type")]
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

fn endpoint_property_type() -> String {
    "EndpointProperty".to_owned()
}

impl fmt::Debug for DataAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.endpoint_properties.iter().map(|property| &property.name).collect();
        formatter
            .debug_struct("DataAddress")
            .field("endpoint", &self.endpoint)
            .field("properties", &names)
            .finish_non_exhaustive()
    }
}

impl DataAddress {
    /// The value of a property.
    pub fn property(&self, name: &str) -> Option<&str> {
        let found = self.endpoint_properties.iter().find(|property| property.name == name);
        found.map(|property| property.value.as_str())
    }

    /// With the endpoint among the properties as well: Eclipse EDC reads it there, and passes over the member of its own.
    #[must_use]
    pub fn spelled_out(mut self) -> Self {
        if let Some(endpoint) = self.endpoint.clone()
            && self.property(ENDPOINT).is_none()
        {
            self.endpoint_properties.push(EndpointProperty {
                kind: endpoint_property_type(),
                name: ENDPOINT.to_owned(),
                value: endpoint,
            });
        }
        self
    }
}

/// Why a body is not the message it should be.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// Not JSON, a member twice, or a member missing.
    #[error("not a message of the Dataspace Protocol 2025-1: {0}")]
    Json(#[from] serde_json::Error),
    /// Without the context of this version.
    #[error("`@context` must be an array of texts with `{CONTEXT}` among them")]
    Context,
    /// Both or none of two members of which one must be there.
    #[error("give one of `{0}` and `{1}`: the first begins a process, the second continues it")]
    OneOf(&'static str, &'static str),
}

impl Message {
    /// Reads a message.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(body: &[u8]) -> Result<Self, Malformed> {
        let json = crate::json::parse(body)?;
        let context = json
            .get("@context")
            .and_then(Value::as_array)
            .ok_or(Malformed::Context)?;
        if !context.iter().all(Value::is_string) || !context.iter().any(|entry| entry == CONTEXT) {
            return Err(Malformed::Context);
        }
        let message = serde_json::from_value(json)?;
        let (begins, continues, names) = match &message {
            Self::ContractRequestMessage {
                callback_address,
                provider_pid,
                ..
            } => (callback_address, provider_pid, ("callbackAddress", "providerPid")),
            Self::ContractOfferMessage {
                callback_address,
                consumer_pid,
                ..
            } => (callback_address, consumer_pid, ("callbackAddress", "consumerPid")),
            _ => return Ok(message),
        };
        if begins.is_some() == continues.is_some() {
            return Err(Malformed::OneOf(names.0, names.1));
        }
        Ok(message)
    }

    /// The message as it is sent.
    pub fn to_json(&self) -> Value {
        // Texts and maps of texts always serialise.
        with_context(serde_json::to_value(self).unwrap_or_default())
    }

    /// The message's own name for its kind, with the event where it is one.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::CatalogRequestMessage { .. } => "CatalogRequestMessage",
            Self::ContractRequestMessage { .. } => "ContractRequestMessage",
            Self::ContractOfferMessage { .. } => "ContractOfferMessage",
            Self::ContractAgreementMessage { .. } => "ContractAgreementMessage",
            Self::ContractAgreementVerificationMessage { .. } => "ContractAgreementVerificationMessage",
            Self::ContractNegotiationEventMessage { .. } => "ContractNegotiationEventMessage",
            Self::ContractNegotiationTerminationMessage { .. } => "ContractNegotiationTerminationMessage",
            Self::TransferRequestMessage { .. } => "TransferRequestMessage",
            Self::TransferStartMessage { .. } => "TransferStartMessage",
            Self::TransferSuspensionMessage { .. } => "TransferSuspensionMessage",
            Self::TransferCompletionMessage { .. } => "TransferCompletionMessage",
            Self::TransferTerminationMessage { .. } => "TransferTerminationMessage",
        }
    }

    /// What the message does to a negotiation, and the path below `negotiations/{pid}/` it is sent to.
    pub fn negotiation_step(&self) -> Option<(NegotiationStep, &'static [&'static str])> {
        Some(match self {
            Self::ContractRequestMessage { .. } => (NegotiationStep::Request, &["request"]),
            Self::ContractOfferMessage { .. } => (NegotiationStep::Offer, &["offers"]),
            Self::ContractAgreementMessage { .. } => (NegotiationStep::Agree, &["agreement"]),
            Self::ContractAgreementVerificationMessage { .. } => {
                (NegotiationStep::Verify, &["agreement", "verification"])
            }
            Self::ContractNegotiationEventMessage {
                event_type: EventType::Accepted,
                ..
            } => (NegotiationStep::Accept, &["events"]),
            Self::ContractNegotiationEventMessage {
                event_type: EventType::Finalized,
                ..
            } => (NegotiationStep::Finalize, &["events"]),
            Self::ContractNegotiationTerminationMessage { .. } => (NegotiationStep::Terminate, &["termination"]),
            _ => return None,
        })
    }

    /// What the message does to a transfer, and the path below `transfers/{pid}/` it is sent to.
    pub fn transfer_step(&self) -> Option<(TransferStep, &'static [&'static str])> {
        Some(match self {
            Self::TransferRequestMessage { .. } => (TransferStep::Request, &["request"]),
            Self::TransferStartMessage { .. } => (TransferStep::Start, &["start"]),
            Self::TransferSuspensionMessage { .. } => (TransferStep::Suspend, &["suspension"]),
            Self::TransferCompletionMessage { .. } => (TransferStep::Complete, &["completion"]),
            Self::TransferTerminationMessage { .. } => (TransferStep::Terminate, &["termination"]),
            _ => return None,
        })
    }

    /// The names of the process a message belongs to, as far as it gives them: the consumer's, the provider's.
    pub fn pids(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::CatalogRequestMessage { .. } => (None, None),
            Self::ContractRequestMessage {
                consumer_pid,
                provider_pid,
                ..
            } => (Some(consumer_pid), provider_pid.as_deref()),
            Self::ContractOfferMessage {
                consumer_pid,
                provider_pid,
                ..
            } => (consumer_pid.as_deref(), Some(provider_pid)),
            Self::TransferRequestMessage { consumer_pid, .. } => (Some(consumer_pid), None),
            Self::ContractAgreementMessage { pids, .. }
            | Self::ContractAgreementVerificationMessage { pids }
            | Self::ContractNegotiationEventMessage { pids, .. }
            | Self::ContractNegotiationTerminationMessage { pids, .. }
            | Self::TransferStartMessage { pids, .. }
            | Self::TransferSuspensionMessage { pids, .. }
            | Self::TransferCompletionMessage { pids }
            | Self::TransferTerminationMessage { pids, .. } => (Some(&pids.consumer_pid), Some(&pids.provider_pid)),
        }
    }
}

/// The same object with the protocol's context.
pub fn with_context(mut object: Value) -> Value {
    put(&mut object, "@context", json!([CONTEXT]));
    object
}

/// Sets a member of an object.
pub fn put(object: &mut Value, name: &str, value: Value) {
    if let Value::Object(members) = object {
        members.insert(name.to_owned(), value);
    }
}

/// `ContractNegotiation` or `TransferProcess`: where a process stands.
pub fn standing(kind: &str, pids: &Pids, state: &str) -> Value {
    with_context(json!({
        "@type": kind, "consumerPid": pids.consumer_pid, "providerPid": pids.provider_pid, "state": state
    }))
}

/// `ContractNegotiationError` or `TransferError`: a message that changed nothing.
pub fn refusal(kind: &str, pids: (Option<&str>, Option<&str>), code: &str, reason: &str) -> Value {
    with_context(json!({
        "@type": kind,
        "consumerPid": pids.0.unwrap_or(NO_PROCESS),
        "providerPid": pids.1.unwrap_or(NO_PROCESS),
        "code": code,
        "reason": [reason],
    }))
}

/// `CatalogError`
pub fn catalog_refusal(code: &str, reason: &str) -> Value {
    with_context(json!({ "@type": "CatalogError", "code": code, "reason": [reason] }))
}

/// The answer of `/.well-known/dspace-version`: this connector speaks one version. The binding is named HTTPS because the
/// protocol knows no other; on loopback there is no TLS under it.
pub fn versions() -> Value {
    json!({ "protocolVersions": [{ "version": "2025-1", "path": "/2025-1", "binding": "HTTPS" }] })
}
