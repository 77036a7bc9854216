//! The signaling of Eclipse EDC up to 0.17, which Tractus-X runs in production: the same purpose, another language.
//!
//! JSON-LD in a fixed context, so its members are read by their names. Where the names of the Dataspace Protocol are differs by
//! version ([`Space`]); what a connector is answered must have them where its own message had them, or it reads nothing. It differs from the protocol in what it says and
//! in what it does: `participantId` is the *consumer*, claims are not sent, resuming is a second `start` of the same
//! process, an answer other than 200 or 204 is repeated, and a flow is failed by `…/transferprocess/{id}/fail`.

use serde::{Deserialize, Deserializer, de};
use serde_json::{Value, json};

use super::address::{DataAddress, EDC, HTTP, TX_AUTH};
use super::{Begin, PULL};
use crate::ids::{AgreementId, AssetId, FlowId};

/// The `@type` of a start.
pub const START: &str = "DataFlowStartMessage";

/// Where a connector has the names of the Dataspace Protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Space {
    /// EDC up to 0.15; meant where nothing is said.
    #[default]
    V08,
    /// EDC 0.16 and 0.17.
    V2025,
}

impl Space {
    const ALL: [Self; 2] = [Self::V08, Self::V2025];

    /// The IRI that the prefix `dspace` stands for.
    pub fn iri(self) -> &'static str {
        match self {
            Self::V08 => "https://w3id.org/dspace/v0.8/",
            Self::V2025 => "https://w3id.org/dspace/2025/1/",
        }
    }
}

/// Reads the space from the `@context` of a message.
fn space<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Space, D::Error> {
    let context = Value::deserialize(deserializer)?;
    let contexts = match &context {
        Value::Array(many) => many.as_slice(),
        one => std::slice::from_ref(one),
    };
    let Some(named) = contexts.iter().find_map(|context| context.get("dspace")?.as_str()) else {
        return Ok(Space::default());
    };
    let known = Space::ALL.into_iter().find(|space| space.iri() == named);
    known.ok_or_else(|| {
        let [old, new] = Space::ALL.map(Space::iri);
        de::Error::custom(format!("`dspace` of the `@context` is neither `{old}` nor `{new}`"))
    })
}

/// A start as EDC up to 0.17 writes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LegacyStart {
    process_id: FlowId,
    agreement_id: AgreementId,
    dataset_id: AssetId,
    /// The consumer.
    participant_id: String,
    flow_type: String,
    #[serde(default)]
    transfer_type_destination: Option<String>,
    #[serde(default)]
    callback_address: Option<String>,
    #[serde(rename = "@context", default, deserialize_with = "space")]
    space: Space,
}

impl LegacyStart {
    /// Where the answer must have its names.
    pub fn space(&self) -> Space {
        self.space
    }

    /// Whether a body is one of these: by its `@type`, which the protocol's own messages do not have.
    pub fn is_one(body: &Value) -> bool {
        body.get("@type").and_then(Value::as_str) == Some(START)
    }

    /// The same in the words of the protocol, said to the provider `tenant`.
    pub fn begin(self, tenant: &str) -> Begin {
        let kind = self.transfer_type_destination.unwrap_or_else(|| "HttpData".into());
        Begin {
            message_id: None,
            participant_id: tenant.to_owned(),
            counter_party_id: self.participant_id,
            process_id: self.process_id,
            agreement_id: self.agreement_id,
            dataset_id: self.dataset_id,
            profile: match self.flow_type.as_str() {
                "PULL" => format!("{kind}{}", PULL.to_ascii_uppercase()),
                other => format!("{kind}-{other}"),
            },
            callback_address: self.callback_address,
            claims: None,
            data_address: None,
        }
    }
}

/// The answer to a start (`DataFlowResponseMessage`). The endpoint must be among the properties, all names must be IRIs.
pub fn response(address: &DataAddress, space: Space) -> Value {
    let property = |name: &str, value: &str| json!({ "@type": "dspace:EndpointProperty", "dspace:name": name, "dspace:value": value });
    let endpoint = address
        .endpoint()
        .map(|endpoint| property(&format!("{EDC}endpoint"), endpoint));
    let rest = address.endpoint_properties.iter().map(|one| {
        let is_iri = one.name.starts_with(TX_AUTH) || one.name.starts_with(EDC);
        let name = if is_iri {
            one.name.clone()
        } else {
            format!("{EDC}{}", one.name)
        };
        property(&name, &one.value)
    });
    json!({
        "@context": { "@vocab": EDC, "dspace": space.iri() },
        "@type": "DataFlowResponseMessage",
        "provisioning": false,
        "dataAddress": {
            "@type": "dspace:DataAddress",
            "dspace:endpointType": HTTP,
            "dspace:endpointProperties": endpoint.into_iter().chain(rest).collect::<Vec<_>>(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As EDC 0.15.1 sent it.
    const START_015: &str = r#"{"@type":"DataFlowStartMessage","transferTypeDestination":"HttpData","flowType":"PULL",
        "agreementId":"f1d91401-b1ef-4e9d-9186-8c71c8ddf34d","processId":"a7d61e20-8512-4322-ac96-3988a61f7d55",
        "datasetId":"pcf-asset","properties":{},"callbackAddress":"http://127.0.0.1:29193/api/control",
        "sourceDataAddress":{"@type":"dspace:DataAddress","dspace:endpointType":"HttpData","dspace:endpointProperties":[
          {"@type":"dspace:EndpointProperty","dspace:name":"https://w3id.org/edc/v0.0.1/ns/baseUrl","dspace:value":"http://127.0.0.1:8099/"}]},
        "participantId":"BPNL00000000C3EF",
        "@context":{"odrl":"http://www.w3.org/ns/odrl/2/","dspace":"https://w3id.org/dspace/v0.8/","@vocab":"https://w3id.org/edc/v0.0.1/ns/"}}"#;

    #[test]
    fn a_start_of_the_older_kind_says_the_same_in_other_words() {
        let body: Value = serde_json::from_str(START_015).unwrap();
        assert!(LegacyStart::is_one(&body));
        let begin = serde_json::from_value::<LegacyStart>(body)
            .unwrap()
            .begin("BPNL000000000DWF");
        assert_eq!(begin.participant_id, "BPNL000000000DWF");
        assert_eq!(begin.counter_party_id, "BPNL00000000C3EF");
        assert_eq!(begin.profile, "HttpData-PULL");
        assert!(begin.is_pull() && begin.claims.is_none());
        let push = START_015.replace("\"PULL\"", "\"PUSH\"");
        assert!(!serde_json::from_str::<LegacyStart>(&push).unwrap().begin("x").is_pull());
    }

    #[test]
    fn a_connector_is_answered_where_its_own_names_are() {
        let address: DataAddress = serde_json::from_value(json!({ "endpointType": HTTP, "endpoint": "http://e",
            "endpointProperties": [{ "name": "authorization", "value": "t" }] }))
        .unwrap();
        let old = "\"https://w3id.org/dspace/v0.8/\"";
        let new = START_015.replace(old, "\"https://w3id.org/dspace/2025/1/\"");
        let listed = new
            .replace("\"@context\":{", "\"@context\":[\"https://w3id.org/edc/v0.0.1\",{")
            .replace("}}", "}]}");
        let unsaid = START_015.replace("\"dspace\":\"https://w3id.org/dspace/v0.8/\",", "");
        for (text, space, iri) in [
            (START_015, Space::V08, "https://w3id.org/dspace/v0.8/"),
            (&unsaid, Space::V08, "https://w3id.org/dspace/v0.8/"),
            (&new, Space::V2025, "https://w3id.org/dspace/2025/1/"),
            (&listed, Space::V2025, "https://w3id.org/dspace/2025/1/"),
        ] {
            let start: LegacyStart = serde_json::from_str(text).unwrap();
            assert_eq!(start.space(), space, "{text}");
            assert_eq!(response(&address, start.space())["@context"]["dspace"], iri);
        }
        let odd = START_015.replace(old, "\"https://w3id.org/dspace/2031/1/\"");
        let error = serde_json::from_str::<LegacyStart>(&odd).unwrap_err();
        assert!(error.to_string().contains("neither"), "{error}");
    }

    #[test]
    fn the_answer_names_everything_by_iris() {
        let address: DataAddress = serde_json::from_value(json!({ "endpointType": HTTP, "endpoint": "http://e",
            "endpointProperties": [{ "name": "authorization", "value": "t" }, { "name": format!("{TX_AUTH}expiresIn"), "value": "300" }] }))
        .unwrap();
        let answer = response(&address, Space::V08);
        let names: Vec<_> = answer["dataAddress"]["dspace:endpointProperties"]
            .as_array()
            .unwrap()
            .iter()
            .map(|property| {
                (
                    property["dspace:name"].as_str().unwrap(),
                    property["dspace:value"].as_str().unwrap(),
                )
            })
            .collect();
        assert_eq!(
            names,
            [
                ("https://w3id.org/edc/v0.0.1/ns/endpoint", "http://e"),
                ("https://w3id.org/edc/v0.0.1/ns/authorization", "t"),
                ("https://w3id.org/tractusx/auth/expiresIn", "300"),
            ]
        );
    }
}
