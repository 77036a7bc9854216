//! Descriptors, as they are registered: AAS Part 2 (IDTA-01002), version 3.0, with what CX-0136 says of footprints.

use std::collections::BTreeSet;

use serde::Serialize;
use uuid::{Builder, Uuid};

use super::audience::Audience;
use super::{Address, Group, Named, PUBLIC_NAMES, Publication, asset_ids, semantic_id};
use crate::ids::{Digest, TenantId};
use crate::pcf::PartId;
use crate::question::ask::TwinFacts;
use crate::registry::Footprint;
use crate::twin::{PUBLIC_READABLE, SpecificAssetId};

/// The shell of a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShellDescriptor {
    /// Its id: `urn:uuid:…`.
    pub id: String,
    /// The id of the part itself: `urn:uuid:…`.
    pub global_asset_id: String,
    /// The numbers it is found by, each with who may see it.
    pub specific_asset_ids: Vec<AssetIdDescriptor>,
    /// Its submodels.
    pub submodel_descriptors: Vec<SubmodelDescriptor>,
}

/// A number that a part is found by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssetIdDescriptor {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Who may see it. Where that does not stand, a registry shows it to nobody but its owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_subject_id: Option<Reference>,
}

/// A reference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reference {
    /// Always `ExternalReference`.
    pub r#type: &'static str,
    /// What it refers to.
    pub keys: Vec<Key>,
}

/// What a reference refers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Key {
    /// Always `GlobalReference`.
    pub r#type: &'static str,
    /// The name of it.
    pub value: String,
}

/// A submodel: one way to one footprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubmodelDescriptor {
    /// Its id: `urn:uuid:…`.
    pub id: String,
    /// Which way it is.
    pub id_short: &'static str,
    /// The version of the aspect model.
    pub semantic_id: Reference,
    /// For people.
    pub description: Vec<LangString>,
    /// Where it is.
    pub endpoints: Vec<Endpoint>,
}

/// A text in a language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LangString {
    /// The language (BCP 47).
    pub language: &'static str,
    /// The text.
    pub text: String,
}

/// Where a submodel is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// What is spoken there.
    pub interface: &'static str,
    /// How to get there.
    pub protocol_information: ProtocolInformation,
}

/// How to get to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProtocolInformation {
    /// The address.
    pub href: String,
    /// Always `HTTP`.
    pub endpoint_protocol: &'static str,
    /// Always `1.1`.
    pub endpoint_protocol_version: [&'static str; 1],
    /// Always `DSP`: a contract is negotiated first.
    pub subprotocol: &'static str,
    /// `id={asset};dspEndpoint={address}`: what is negotiated, and where.
    pub subprotocol_body: String,
    /// Always `plain`.
    pub subprotocol_body_encoding: &'static str,
    /// Always the one that says there is none: the subprotocol sees to it.
    pub security_attributes: [SecurityAttribute; 1],
}

/// How an endpoint is secured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SecurityAttribute {
    /// Always `NONE`.
    pub r#type: &'static str,
    /// Always `NONE`.
    pub key: &'static str,
    /// Always `NONE`.
    pub value: &'static str,
}

fn reference(values: impl IntoIterator<Item = String>) -> Reference {
    let key = |value| Key {
        r#type: "GlobalReference",
        value,
    };
    Reference {
        r#type: "ExternalReference",
        keys: values.into_iter().map(key).collect(),
    }
}

/// The shell of a product within an asset.
pub(super) fn shell(
    publication: &Publication<'_>,
    group: &Group<'_>,
    dsp: &str,
    audience: &Audience<'_>,
) -> ShellDescriptor {
    let tenant = publication.world.tenant.id;
    let ids: BTreeSet<SpecificAssetId> = group
        .footprints
        .values()
        .flat_map(|footprint| asset_ids(footprint))
        .collect();
    let twin = TwinFacts {
        product: group.product,
        asset_ids: &ids,
    };
    let seen = audience.sees(group);
    let described = ids.iter().map(|id| {
        let shown = match seen.is_empty() {
            true => Some(BTreeSet::new()),
            false => audience.shown(&seen, twin, id, PUBLIC_NAMES.contains(&id.name.as_str())),
        };
        let subjects: Vec<String> = match shown {
            None => vec![PUBLIC_READABLE.to_owned()],
            Some(companies) => companies.iter().map(ToString::to_string).collect(),
        };
        AssetIdDescriptor {
            name: id.name.clone(),
            value: id.value.clone(),
            external_subject_id: (!subjects.is_empty()).then(|| reference(subjects)),
        }
    });
    let of_shell = [tenant.as_str(), group.asset.as_str(), group.product.as_str()];
    let submodels = group.footprints.values().flat_map(|footprint| {
        let body = format!("id={};dspEndpoint={dsp}", group.asset);
        ways(footprint)
            .into_iter()
            .map(move |way| way.descriptor(publication, group, footprint, &body))
    });
    ShellDescriptor {
        id: urn("shell", &of_shell),
        global_asset_id: urn("part", &[tenant.as_str(), group.product.as_str()]),
        specific_asset_ids: described.collect(),
        submodel_descriptors: submodels.collect(),
    }
}

/// A way to a footprint.
struct Way {
    id_short: &'static str,
    interface: &'static str,
    named: Named,
    does: &'static str,
}

/// The ways there are to a footprint. One whose document has no number for the part that could be asked for can only be fetched.
fn ways(footprint: &Footprint) -> Vec<Way> {
    let numbers = asset_ids(footprint).into_iter();
    let mut numbers = numbers.filter(|id| id.name == "manufacturerPartId");
    let number: Option<PartId> = numbers.find_map(|id| id.value.parse().ok());
    let later = number.map(|part| Way {
        id_short: "PCFExchangeEndpoint",
        interface: "PCF-1.1",
        named: Named::Part(part),
        does: "asked for, and answered later",
    });
    let now = Way {
        id_short: "SynchronousPCFExchangeEndpoint",
        interface: "SUBMODEL-3.0",
        named: Named::Footprint(footprint.id.clone()),
        does: "fetched",
    };
    later.into_iter().chain([now]).collect()
}

impl Way {
    fn descriptor(
        self,
        publication: &Publication<'_>,
        group: &Group<'_>,
        footprint: &Footprint,
        body: &str,
    ) -> SubmodelDescriptor {
        let tenant: TenantId = publication.world.tenant.id;
        let names = [
            tenant.as_str(),
            group.asset.as_str(),
            footprint.id.as_str(),
            self.id_short,
        ];
        let address = Address {
            tenant,
            named: self.named,
        };
        let none = SecurityAttribute {
            r#type: "NONE",
            key: "NONE",
            value: "NONE",
        };
        SubmodelDescriptor {
            id: urn("submodel", &names),
            id_short: self.id_short,
            semantic_id: reference([semantic_id(&footprint.model)]),
            description: vec![LangString {
                language: "en",
                text: format!(
                    "product carbon footprint in the model {}, to be {}",
                    footprint.model, self.does
                ),
            }],
            endpoints: vec![Endpoint {
                interface: self.interface,
                protocol_information: ProtocolInformation {
                    href: address.url(publication.base_url),
                    endpoint_protocol: "HTTP",
                    endpoint_protocol_version: ["1.1"],
                    subprotocol: "DSP",
                    subprotocol_body: body.to_owned(),
                    subprotocol_body_encoding: "plain",
                    security_attributes: [none],
                },
            }],
        }
    }
}

/// The id of what these names name: a UUID of version 8 (RFC 9562, section 5.8) over the SHA-256 of them. No name has a space in it.
fn urn(kind: &str, names: &[&str]) -> String {
    let spelled = format!("tidegate {kind} {}", names.join(" "));
    let mut bytes = [0; 16];
    for (place, byte) in bytes.iter_mut().zip(Digest::of(spelled.as_bytes()).as_bytes()) {
        *place = *byte;
    }
    let uuid: Uuid = Builder::from_custom_bytes(bytes).into_uuid();
    format!("urn:uuid:{uuid}")
}
