//! PACT: footprints as partners outside Catena-X read them (PACT Technical Specifications 3.0, WBCSD).
//!
//! A document of the aspect model is told in PACT's terms here, when somebody asks; what lies in the vault stays as it came. Both come
//! from the same methodology, and from 9.0.0 on most members have the same names. What differs:
//!
//! - **Nothing is made up.** Where a member that PACT demands does not follow from the document, there is no footprint to serve
//!   ([`Underivable`]), and whoever runs the service is told which member and why. A member that PACT leaves open is left out.
//! - **Numbers** are texts of digits in PACT. They are spelled as the document's number reads, never rounded.
//! - **Ids** of companies and products are URNs in PACT; others the document has are left out.
//! - **Geography** is one of region, country and subdivision in PACT. Of those a document has, the narrowest counts. `Global` is none
//!   of them; `Several` cannot be told.
//! - **7.0.0** excludes all that is biogenic from `pcfExcludingBiogenic`, PACT 3.0 only the uptake from `pcfExcludingBiogenicUptake`.
//!   The latter follows from two other members: what includes everything, less the uptake, which is at most zero.
//! - **What PACT has no words for** is not lost: the document goes along in `extensions` ([`Whole`]).
//! - **Attestations** are of another rulebook than the PACT Methodology, so none is told as its verification.
//!
//! # Worked example
//!
//! ```
//! use tidegate::pcf::{Model, pact};
//!
//! let document: serde_json::Value = serde_json::from_str(include_str!("../../fixtures/pcf/official/10.0.0.json")).unwrap();
//! let told = serde_json::to_value(pact::convert(Model::V10, &document).unwrap()).unwrap();
//! assert_eq!(told["productIds"][0], "urn:mycompany.com:product-id:401765");
//! assert_eq!(told["pcf"]["pcfExcludingBiogenicUptake"], "2.9");
//! assert_eq!(told["pcf"]["geographyCountrySubdivision"], "US-NY");
//!
//! // The example of 7.0.0 has web addresses where PACT demands URNs.
//! let document: serde_json::Value = serde_json::from_str(include_str!("../../fixtures/pcf/official/7.0.0.json")).unwrap();
//! assert_eq!(pact::convert(Model::V7, &document).unwrap_err().member, "companyIds");
//! ```

mod event;
mod filter;
mod flat;
mod grant;
mod nested;
mod read;
mod sent;
mod values;
mod whole;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

pub use event::{Event, EventError, Told};
pub use filter::Filter;
pub use grant::{candidates, is_id, told};
pub use sent::{MEDIA, MOST_IN_EVENT, Refused, Sent};
pub use whole::Whole;

use self::values::{Decimal, Geography};
use super::model::Model;

/// The version of PACT's specification that footprints are told in.
pub const SPEC_VERSION: &str = "3.0.4";

/// Why a document has no footprint in PACT's terms. It names the member, never what stands in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{member}`, which PACT demands, does not follow from the document: {why}")]
pub struct Underivable {
    /// The member of PACT's footprint.
    pub member: &'static str,
    /// What is wrong with what it would follow from.
    pub why: &'static str,
}

/// What PACT demands `member` for is not there.
fn missing(member: &'static str) -> Underivable {
    let why = "the document does not say it, or says it more than once";
    Underivable { member, why }
}

/// The footprint of a document that is valid in that version of the model.
///
/// # Errors
/// The first member that PACT demands and that does not follow from the document.
pub fn convert(model: Model, document: &Value) -> Result<ProductFootprint, Underivable> {
    match model {
        Model::V7 => flat::convert(document),
        Model::V9 | Model::V10 => nested::convert(document),
    }
}

/// A footprint in PACT's terms. Serialises as PACT's `ProductFootprint`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductFootprint {
    id: String,
    spec_version: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    preceding_pf_ids: Vec<String>,
    created: Timestamp,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    validity_period_start: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    validity_period_end: Option<Timestamp>,
    company_name: String,
    company_ids: Vec<String>,
    product_description: String,
    product_ids: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    product_classifications: Vec<String>,
    product_name_company: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    pcf: CarbonFootprint,
}

/// PACT's `CarbonFootprint`: all emissions in kg CO2e, all carbon contents in kg C, for the declared unit.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct CarbonFootprint {
    declared_unit_of_measurement: String,
    declared_unit_amount: Decimal,
    product_mass_per_declared_unit: Decimal,
    reference_period_start: Timestamp,
    reference_period_end: Timestamp,
    #[serde(flatten)]
    geography: Option<Geography>,
    pcf_excluding_biogenic_uptake: Decimal,
    pcf_including_biogenic_uptake: Decimal,
    fossil_ghg_emissions: Decimal,
    fossil_carbon_content: Decimal,
    ipcc_characterization_factors: Vec<String>,
    cross_sectoral_standards: Vec<String>,
    exempted_emissions_percent: Decimal,
    /// What PACT leaves open.
    #[serde(flatten)]
    more: Map<String, Value>,
}
