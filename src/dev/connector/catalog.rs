//! What a connector offers: assets, policies, and the contract definitions that join them.
//!
//! An offer goes by the id of its contract definition, so a definition is about one asset. (EDC joins a definition with any
//! number of assets and makes up an id for each offer; Tidegate's offers are one to one.)

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::message::with_context;
use super::policy;

/// Prefixes in the names and values of an asset's properties, written out before anyone else reads them.
const PREFIXES: [(&str, &str); 5] = [
    ("dct:", "http://purl.org/dc/terms/"),
    ("cx-taxo:", "https://w3id.org/catenax/taxonomy#"),
    ("cx-common:", "https://w3id.org/catenax/ontology/common#"),
    ("edc:", "https://w3id.org/edc/v0.0.1/ns/"),
    ("rdfs:", "http://www.w3.org/2000/01/rdf-schema#"),
];

/// The kind of transfer every asset can be had by: the consumer fetches it over HTTP.
pub const FORMAT: &str = "HttpData-PULL";

/// Something that can be had.
#[derive(Clone, Debug, PartialEq)]
pub struct Asset {
    /// Public properties, names and `@id`s in full.
    pub properties: Map<String, Value>,
    /// Where the data plane finds it; private.
    pub data_address: Value,
}

/// A policy, by which an offer is shown or contracted.
#[derive(Clone, Debug, PartialEq)]
pub struct PolicyDefinition {
    /// The text as it was published.
    pub odrl: Value,
}

/// An asset under an access policy and a contract policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The policy that says who may see the offer. It is Tidegate that judges by it; the connector only keeps the name.
    pub access: String,
    /// The policy one agrees to.
    pub contract: String,
    /// The asset.
    pub asset: String,
}

/// An offer, as it can be negotiated.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// Its id, which is that of its definition.
    pub id: String,
    /// What it is about.
    pub asset: String,
    /// The rules of its contract policy, in the spelling of the wire.
    pub rules: Map<String, Value>,
}

/// Everything a connector offers.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Assets, by id.
    pub assets: BTreeMap<String, Asset>,
    /// Policies, by id.
    pub policies: BTreeMap<String, PolicyDefinition>,
    /// Contract definitions, by id.
    pub definitions: BTreeMap<String, Definition>,
}

impl Catalog {
    /// The offer `id`, where its definition names an asset and a policy that are there and the policy is understood.
    pub fn offer(&self, id: &str) -> Option<Offer> {
        let definition = self.definitions.get(id)?;
        self.assets.get(&definition.asset)?;
        let policy = self.policies.get(&definition.contract)?;
        let rules = policy::wire(&policy.odrl.to_string()).ok()?;
        Some(Offer {
            id: id.to_owned(),
            asset: definition.asset.clone(),
            rules,
        })
    }

    /// Every offer.
    pub fn offers(&self) -> Vec<Offer> {
        self.definitions.keys().filter_map(|id| self.offer(id)).collect()
    }

    /// A dataset of the catalog: an asset with the offers of it that may be shown.
    pub fn dataset(&self, asset: &str, offers: &[Offer], service: &Value) -> Value {
        let mut dataset = self
            .assets
            .get(asset)
            .map(|asset| asset.properties.clone())
            .unwrap_or_default();
        let policies: Vec<_> = offers
            .iter()
            .map(|offer| policy::offer(&offer.id, &offer.rules))
            .collect();
        dataset.insert("@id".into(), json!(asset));
        dataset.insert("@type".into(), json!("Dataset"));
        dataset.insert("hasPolicy".into(), Value::Array(policies));
        dataset.insert(
            "distribution".into(),
            json!([{ "@type": "Distribution", "format": FORMAT, "accessService": service }]),
        );
        Value::Object(dataset)
    }

    /// The datasets of the offers that may be shown, in the order of their assets' ids.
    pub fn datasets(&self, offers: &[Offer], service: &Value) -> Vec<Value> {
        let mut by_asset: BTreeMap<&str, Vec<Offer>> = BTreeMap::new();
        for offer in offers {
            by_asset.entry(&offer.asset).or_default().push(offer.clone());
        }
        let datasets = by_asset.iter();
        datasets
            .map(|(asset, offers)| self.dataset(asset, offers, service))
            .collect()
    }
}

/// The catalog with these datasets.
pub fn answer(id: &str, participant: &str, datasets: Value, service: &Value) -> Value {
    let none = datasets.as_array().is_none_or(Vec::is_empty);
    let mut catalog = json!({
        "@id": id, "@type": "Catalog", "participantId": participant, "service": [service], "dataset": datasets
    });
    if none {
        // The schema has no empty list.
        catalog.as_object_mut().map(|members| members.remove("dataset"));
    }
    with_context(catalog)
}

/// The address of a connector, as catalogs give it.
pub fn service(id: &str, address: &str) -> Value {
    json!({ "@id": id, "@type": "DataService", "endpointURL": address })
}

/// Properties with every known prefix written out.
pub fn written_out(properties: &Map<String, Value>) -> Map<String, Value> {
    let full = |text: &str| {
        let found = PREFIXES.iter().find_map(|(prefix, namespace)| {
            let name = text.strip_prefix(prefix)?;
            Some(format!("{namespace}{name}"))
        });
        found.unwrap_or_else(|| text.to_owned())
    };
    let value = |value: &Value| match value.get("@id").and_then(Value::as_str) {
        Some(id) => json!({ "@id": full(id) }),
        None => value.clone(),
    };
    properties
        .iter()
        .map(|(name, inner)| (full(name), value(inner)))
        .collect()
}
