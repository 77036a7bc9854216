//! What a company registers of its footprints in a digital twin registry (DTR), and who is to see it.
//!
//! A partner finds a footprint through a registry: it looks up the *shell* of a part, reads in it which submodels there are, and asks at
//! the address of one under a contract it negotiates with the connector named beside it. Tidegate knows the footprints, the assets, the
//! contracts and the connector, so it says what is to be registered ([`Publication::shells`]): descriptors of the Asset
//! Administration Shell registry (AAS Part 2, version 3.0) as Catena-X has them (CX-0002, CX-0136).
//!
//! # What is registered
//!
//! One shell for each product within an asset that is on offer, so that whoever sees the one asset learns nothing of the other. In it, of
//! each version of the aspect model the footprint that is in use and was declared last, and of that two submodels, for there are two
//! ways to get it:
//!
//! | `idShort` | `interface` | `href` |
//! |---|---|---|
//! | `PCFExchangeEndpoint` | `PCF-1.1` | `{base}/exchange/{bpnl}/productIds/{part}`: ask, and be answered later |
//! | `SynchronousPCFExchangeEndpoint` | `SUBMODEL-3.0` | `{base}/exchange/{bpnl}/pcf/{id}/submodel`: fetch |
//!
//! Ids are made of what they name (UUIDs of version 8 over SHA-256), so that the same footprint is registered under the same ids on every
//! run. The base is the configured one; nothing is taken from a request.
//!
//! # Who sees it
//!
//! A registry shows a specific asset id to the BPNLs that stand in its `externalSubjectId`, and finds a shell by what it shows. Who
//! stands there is not worked out here. **Policy is asked**, the very questions that are asked when somebody comes:
//!
//! - `discover`: does an offer on the asset show itself to this partner?
//! - `access`: does an agreement of this partner on the asset grant one of the shell's footprints, now?
//! - `readAssetId`: do the company's own access rules show this specific asset id to it, where it has such rules ([`crate::twin`])?
//!
//! One of the first two must be permitted, and the third. A customer's part number is shown to those alone who may read the document it
//! stands in. Asked about are all companies on record: partners, whom the company has relations or agreements with, and each that
//! the text of its offers' terms names.
//!
//! `PUBLIC_READABLE` in place of names is for the names that everybody may know ([`PUBLIC_NAMES`]), and only where everybody may see
//! the offer: a company nobody has heard of, a member of the data space and no more, and every company on record, taken for a
//! member, are all permitted `discover`. So terms that name a single company, as one of few or as the one that is left out, make nothing
//! public.
//!
//! What the descriptors show is where to ask. Whoever asks there is decided anew, each time.
//!
//! # A worked example
//!
//! Elbe offers the asset `pcf-ethanol` to Weser alone, and has one footprint of part 401765 in it, of the model 10.0.0. That is one shell
//! with `manufacturerPartId` 401765 and `digitalTwinType` `PartType`, both for Weser, and two submodels with the semantic id
//! `urn:samm:io.catenax.pcf:10.0.0#Pcf`. Once Elbe shows the offer to all members, `manufacturerPartId` is `PUBLIC_READABLE`. The day an access
//! rule of Elbe's shows Weser nothing but 9.0.0, the shell stays, and the submodel can no longer be reached.

mod address;
mod audience;
mod descriptor;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

pub use self::address::{Address, Named};
use self::audience::Audience;
use self::descriptor::shell;
pub use self::descriptor::{
    AssetIdDescriptor, Endpoint, Key, LangString, ProtocolInformation, Reference, SecurityAttribute, ShellDescriptor,
    SubmodelDescriptor,
};
use crate::bundle::Bundle;
use crate::ids::{AgreementId, AssetId, ClientId, ProductId, TenantId, Version};
use crate::registry::{Footprint, FootprintStatus, Registry, TenantWorld};
use crate::twin::{PUBLIC_NAMES, SpecificAssetId};

/// What makes a product that is told of by its type a twin (CX-0126): there are no twins of single pieces here.
const TWIN_TYPE: (&str, &str) = ("digitalTwinType", "PartType");

/// Why nothing can be registered for a company.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShellError {
    /// A descriptor names the connector that negotiates, and the company has none on record.
    #[error(
        "{0} has no connector on record, and a descriptor says where contracts are negotiated; give the company its `connector`, and \
         a client under `connectors` of its identity"
    )]
    Connector(TenantId),
    /// The address cannot stand in a descriptor.
    #[error(
        "the connector of {tenant} is at `{address}`, and a semicolon ends the address in a descriptor's `subprotocolBody`; give it one without"
    )]
    Address {
        /// The company.
        tenant: TenantId,
        /// The address.
        address: String,
    },
}

/// What is needed to say what a company registers.
#[derive(Clone, Copy, Debug)]
pub struct Publication<'a> {
    /// The policies that are asked.
    pub bundle: &'a Bundle,
    /// Who is on record.
    pub registry: &'a Registry,
    /// The company, and what is its own.
    pub world: &'a TenantWorld,
    /// The address the service is reached under, without a slash at its end.
    pub base_url: &'a str,
    /// What the exchange is for: a Catena-X usage purpose.
    pub purpose: &'a str,
    /// As of when.
    pub now: Timestamp,
    /// How often data was handed out under agreements whose terms count that. One that is missing makes nobody see anything.
    pub uses: &'a BTreeMap<AgreementId, u64>,
}

/// A product within an asset, and its footprints that are to be found.
struct Group<'a> {
    asset: &'a AssetId,
    product: &'a ProductId,
    /// The newest in use of each version of the model.
    footprints: BTreeMap<&'a Version, &'a Footprint>,
}

impl Publication<'_> {
    /// The shells that are to be registered, in the order of asset and product.
    ///
    /// # Errors
    ///
    /// Something to be published, and no connector that could be named in it.
    pub fn shells(&self) -> Result<Vec<ShellDescriptor>, ShellError> {
        let groups = self.groups();
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let (client, dsp) = self.connector()?;
        let audience = Audience::of(self, client);
        Ok(groups.iter().map(|group| shell(self, group, dsp, &audience)).collect())
    }

    /// The company's client that questions name as who carried them, and where its connector negotiates.
    fn connector(&self) -> Result<(&ClientId, &str), ShellError> {
        let tenant = &self.world.tenant;
        let none = || ShellError::Connector(tenant.id);
        let client = tenant.identity.connectors.first().ok_or_else(none)?;
        let dsp = tenant.connector.as_ref().ok_or_else(none)?.dsp.as_str();
        match dsp.contains(';') {
            true => Err(ShellError::Address {
                tenant: tenant.id,
                address: dsp.to_owned(),
            }),
            false => Ok((client, dsp)),
        }
    }

    fn groups(&self) -> Vec<Group<'_>> {
        let on_offer: BTreeSet<&AssetId> = self.world.offers.values().map(|offer| &offer.asset).collect();
        let mut groups: BTreeMap<(&AssetId, &ProductId), BTreeMap<&Version, &Footprint>> = BTreeMap::new();
        let active = |footprint: &&Footprint| footprint.status == FootprintStatus::Active;
        for footprint in self.world.footprints.values().map(AsRef::as_ref).filter(active) {
            for asset in footprint.assets.iter().filter(|asset| on_offer.contains(asset)) {
                let group = groups.entry((asset, &footprint.product)).or_default();
                let held = group.entry(&footprint.model).or_insert(footprint);
                // As the one that answers a request is chosen.
                if (footprint.created, &footprint.id) > (held.created, &held.id) {
                    *held = footprint;
                }
            }
        }
        let group = |((asset, product), footprints)| Group {
            asset,
            product,
            footprints,
        };
        groups.into_iter().map(group).collect()
    }
}

/// The specific asset ids of the twin that a footprint is about: the numbers its document has for the part, and of what kind the twin is.
/// Where a product id says by PACT's convention that the buyer assigned it, it is the customer's number.
pub fn asset_ids(footprint: &Footprint) -> BTreeSet<SpecificAssetId> {
    let id = |(name, value): (&str, &str)| SpecificAssetId {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let number = |product: &str| {
        let number = product.rsplit(':').next().unwrap_or(product);
        let name = match product.contains(":buyer-assigned:") {
            true => "customerPartId",
            false => "manufacturerPartId",
        };
        (!number.is_empty()).then(|| id((name, number)))
    };
    let numbers = footprint.product_names().filter_map(number);
    numbers.chain([id(TWIN_TYPE)]).collect()
}

/// The semantic id of a footprint in that version of the aspect model.
pub fn semantic_id(model: &Version) -> String {
    format!("urn:samm:io.catenax.pcf:{model}#Pcf")
}
