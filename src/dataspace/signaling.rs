//! The messages of the Data Plane Signaling Protocol, as control planes really send them.
//!
//! Three generations are in use, and one data plane meets them all. The protocol's release candidate 3 and the main line of
//! Eclipse EDC name the kind of transfer `profile`; EDC 0.18 names it `transferType` and adds the address of the control
//! plane's signaling API; EDC up to 0.17 sends JSON-LD of another shape ([`legacy`]). They differ in what they leave
//! out as well, or send as `null`. So a message is read for what decides, strictly, and what it holds beyond that is passed
//! over, as the protocol wants: members of later versions must not break a data plane.
//!
//! What decides is: which flow (`processId`), under which agreement, about which asset, with whom, and what the control
//! plane verified of them (`claims`). The flow is named by `processId` everywhere, for EDC puts it into every later path and
//! does not look at the `dataFlowId` it was answered; so that is answered with the same text.

pub mod address;
pub mod legacy;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use address::DataAddress;

use super::flow::State;
use crate::ids::{AgreementId, AssetId, FlowId};

/// The end of every profile in which the consumer fetches, in any case: `HttpData-PULL`, `…/profile/http-pull`.
const PULL: &str = "-pull";

/// `prepare` and `start`: a flow begins.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Begin {
    /// The message's own id; a repetition has the same.
    #[serde(default)]
    pub message_id: Option<String>,
    /// The company whose control plane sends, by its id in the data space.
    pub participant_id: String,
    /// The other company.
    pub counter_party_id: String,
    /// The flow.
    pub process_id: FlowId,
    /// The agreement, by the id the sending connector knows it under.
    pub agreement_id: AgreementId,
    /// The asset.
    pub dataset_id: AssetId,
    /// The kind of transfer.
    #[serde(alias = "transferType")]
    pub profile: String,
    /// Where the control plane takes signals, if it says so. It is never simply believed.
    #[serde(default)]
    pub callback_address: Option<String>,
    /// What the control plane verified of the other company.
    #[serde(default)]
    pub claims: Option<Map<String, Value>>,
    /// Where to push to; has no place in a transfer in which the consumer fetches.
    #[serde(default)]
    pub data_address: Option<DataAddress>,
}

impl Begin {
    /// Whether the consumer fetches the data, the one direction there is here.
    pub fn is_pull(&self) -> bool {
        let tail = self
            .profile
            .len()
            .checked_sub(PULL.len())
            .and_then(|start| self.profile.get(start..));
        tail.is_some_and(|tail| tail.eq_ignore_ascii_case(PULL))
    }
}

/// `started` and `resume`: data may be fetched (again), with the address where that is known.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Started {
    /// Where the data is.
    #[serde(default)]
    pub data_address: Option<DataAddress>,
}

/// `suspend` and `terminate`: why.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Ended {
    /// The reason in words, where one is given.
    #[serde(default)]
    pub reason: Option<String>,
}

/// The answer to a message about a flow, and a signal to the control plane (`DataFlowStatusMessage`).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The message's own id.
    pub message_id: String,
    /// The flow.
    pub data_flow_id: FlowId,
    /// Where it stands.
    pub state: State,
    /// Where the data is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_address: Option<DataAddress>,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Status {
    /// That `flow` stands there.
    pub fn of(flow: &FlowId, state: State) -> Self {
        Self {
            message_id: uuid::Uuid::now_v7().to_string(),
            data_flow_id: flow.clone(),
            state,
            data_address: None,
            error: None,
        }
    }

    /// The same, with where the data is.
    #[must_use]
    pub fn at(mut self, address: DataAddress) -> Self {
        self.data_address = Some(address);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As EDC 0.18.0 sent it.
    const EDC_018: &str = r#"{"messageId":"d4a0b61a-4bed-4053-b0fa-3206e4bbcb4f","participantId":"BPNL000000000DWF",
        "counterPartyId":"BPNL00000000C3EF","dataspaceContext":"dataspace-protocol-http:2025-1",
        "processId":"476d6e97-1d03-4c13-8d93-c41e5f2308ed","agreementId":"c444421b-9917-4f20-bfa4-5831e14caa9b",
        "datasetId":"pcf-asset","callbackAddress":"http://localhost:29195/api/signaling","transferType":"HttpData-PULL",
        "labels":[],"metadata":{},"claims":{"client_id":"BPNL00000000C3EF"}}"#;

    /// As the conformance kit of release candidate 3 sends it, in the order of a Java map.
    const RC3: &str = r#"{"claims":{},"profile":"http-pull","datasetId":"d","agreementId":"a","processId":"p-1",
        "dataspaceContext":"tck-dataspace","counterPartyId":"BPNL00000000C3EF","participantId":"BPNL000000000DWF","messageId":"m"}"#;

    #[test]
    fn both_generations_are_read() {
        for (text, profile, callback) in [(EDC_018, "HttpData-PULL", true), (RC3, "http-pull", false)] {
            let read: Begin = crate::json::read(text.as_bytes()).unwrap();
            assert_eq!(read.profile, profile);
            assert_eq!(read.callback_address.is_some(), callback);
            assert!(read.is_pull());
        }
    }

    #[test]
    fn what_is_null_is_absent_and_what_is_unknown_is_passed_over() {
        let text = RC3.replace(
            "\"claims\":{}",
            "\"claims\":null,\"labels\":null,\"metadata\":null,\"later\":{\"x\":[1]}",
        );
        assert!(crate::json::read::<Begin>(text.as_bytes()).unwrap().claims.is_none());
    }

    #[test]
    fn what_decides_is_strict() {
        for (good, bad) in [
            ("\"processId\":\"p-1\"", "\"processId\":\"../x\""),
            ("\"processId\":\"p-1\"", "\"processId\":7"),
            ("\"processId\":\"p-1\",", ""),
            ("\"agreementId\":\"a\"", "\"agreementId\":\"a/b\""),
            ("\"datasetId\":\"d\",", ""),
            ("\"profile\":\"http-pull\",", ""),
            (
                "\"profile\":\"http-pull\"",
                "\"profile\":\"http-pull\",\"transferType\":\"HttpData-PULL\"",
            ),
            ("\"participantId\":\"BPNL000000000DWF\",", ""),
            ("\"claims\":{}", "\"claims\":[]"),
            ("\"messageId\":\"m\"", "\"messageId\":\"m\",\"processId\":\"p-2\""),
        ] {
            let text = RC3.replace(good, bad);
            assert_ne!(text, RC3);
            assert!(crate::json::read::<Begin>(text.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_pull_is_pull() {
        let mut begin: Begin = crate::json::read(RC3.as_bytes()).unwrap();
        for (profile, pull) in [
            ("HttpData-PULL", true),
            ("https://w3id.org/dspace-sig/profile/http-pull", true),
            ("HttpData-PUSH", false),
            ("pull", false),
            ("-pulls", false),
            ("ä-pull", true),
            ("", false),
        ] {
            profile.clone_into(&mut begin.profile);
            assert_eq!(begin.is_pull(), pull, "{profile}");
        }
    }
}
