//! A footprint with the document it is told from.
//!
//! PACT has no words for much of what the aspect model says. Where both sides speak Catena-X, nothing need be lost: the document goes
//! along, byte for byte, as an extension of the data model (PACT's `DataModelExtension`) under the URN of its version. Whoever is granted a
//! footprint is granted that document; it is what the exchange endpoint hands out under the same decision.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::ProductFootprint;
use crate::pcf::Model;

/// The version of PACT's specification of extensions.
const EXTENSIONS: &str = "2.0.0";

/// A footprint in PACT's terms, and its document in `extensions`. Serialises as PACT's `ProductFootprint`.
#[derive(Debug, Serialize)]
pub struct Whole<'d> {
    #[serde(flatten)]
    footprint: ProductFootprint,
    extensions: [Extension<'d>; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Extension<'d> {
    spec_version: &'static str,
    data_schema: String,
    data: &'d RawValue,
}

impl ProductFootprint {
    /// Told together with the document of that version that it was converted from.
    fn with(self, model: Model, document: &RawValue) -> Whole<'_> {
        Whole {
            footprint: self,
            extensions: [Extension {
                spec_version: EXTENSIONS,
                data_schema: format!("{model}#Pcf"),
                data: document,
            }],
        }
    }

    /// The same written down, with the bytes of that document.
    ///
    /// # Errors
    /// They are no JSON.
    pub fn whole(self, model: Model, document: &[u8]) -> serde_json::Result<Box<RawValue>> {
        to_raw_value(&self.with(model, serde_json::from_slice(document)?))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::pcf::pact::convert;

    #[test]
    fn the_document_goes_along_to_the_byte() {
        // Spaces and the spelling of a number are no one's to change.
        let text = include_str!("../../../fixtures/pcf/official/10.0.0.json").replacen(": 2.9", " :  2.90e0", 1);
        let document: Value = serde_json::from_str(&text).unwrap();
        let raw: &RawValue = serde_json::from_str(&text).unwrap();
        let told = convert(Model::V10, &document).unwrap().with(Model::V10, raw);
        let told = serde_json::to_string(&told).unwrap();
        assert!(told.contains(text.trim()), "{told}");
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(
            told["extensions"][0]["dataSchema"],
            "urn:samm:io.catenax.pcf:10.0.0#Pcf"
        );
        assert_eq!(
            told["id"],
            document
                .pointer("/pcfAssessmentAndMethodology/0/pcfAssessmentInformation/0/idAndVersion/0/id")
                .unwrap()
                .clone()
        );
    }
}
