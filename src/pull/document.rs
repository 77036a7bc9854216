//! From what a system lists to the document of the aspect model that is taken in.
//!
//! A PACT host lists footprints in PACT's own words ([`ProductFootprint`] of version 3). The gate takes documents of the Catena-X aspect model,
//! and none follows from the other: the aspect model demands members that PACT does not have (9.0.0: `partialFullPcf`, the document's
//! `version`, `retroOrProspectivePcfType`, `distributionStageIncluded`; 7.0.0: `partialFullPcf`, `version`). To convert would be to
//! invent them, in the supplier's name. So a footprint is taken where the host sends the document along, in PACT's own place for what it has no
//! words for: an element of `extensions` whose `dataSchema` names `io.catenax.pcf`, with the document as `data`. It is taken to the byte as
//! it stands there. A host may as well list such documents themselves.
//!
//! ```json
//! { "id": "079e425a-464f-528d-341d-4a944a1dfd70", "specVersion": "3.0.0", "…": "…",
//!   "extensions": [{ "specVersion": "2.0.0", "dataSchema": "urn:samm:io.catenax.pcf:9.0.0#Pcf", "data": { "scopeOfPcfForm": ["…"] } }] }
//! ```
//!
//! [`ProductFootprint`]: https://docs.carbon-transparency.org

use serde_json::value::RawValue;

use super::page::Members;
use crate::ids::PcfId;

/// What the schema of an extension is known by.
const MODEL: &str = "io.catenax.pcf";

/// What a system lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// Footprints as PACT has them.
    Pact,
    /// Documents of the aspect model.
    Documents,
}

/// An entry of a page, with the document in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The document.
    pub document: Vec<u8>,
    /// The id under which it is listed, where it says.
    pub id: Option<PcfId>,
}

/// An entry without a document that could be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Without {
    /// The id under which it is listed, where it says.
    pub id: Option<PcfId>,
    /// Why.
    pub reason: &'static str,
}

const NONE: &str = "a PACT footprint without a document of the Catena-X aspect model, of which PACT's own members say too little \
    (9.0.0 demands `partialFullPcf`, `version`, `retroOrProspectivePcfType` and `distributionStageIncluded`): \
    expected one in `extensions`, with a `dataSchema` that names `io.catenax.pcf`";
const SEVERAL: &str = "`extensions` has more than one document of `io.catenax.pcf`, and nothing says which is meant";
const TWICE: &str = "a member stands twice, so it means two things";

/// The document of an entry.
///
/// # Errors
/// There is none, or it is not clear which.
pub fn of(listed: Listed, item: String) -> Result<Entry, Without> {
    if listed == Listed::Documents {
        let document = item.into_bytes();
        return Ok(Entry { document, id: None });
    }
    let without = |id: &Option<PcfId>, reason| Without { id: id.clone(), reason };
    let Ok(raw) = serde_json::from_str::<&RawValue>(&item) else {
        return Err(without(&None, NONE));
    };
    let members = Members::of(raw).map_err(|_| without(&None, TWICE))?;
    let id = members.text("id").and_then(|id| id.parse().ok());
    if is_document(&members) {
        let document = item.into_bytes();
        return Ok(Entry { document, id });
    }
    let list = members.get("extensions").map(RawValue::get);
    let extensions: Vec<&RawValue> = list
        .and_then(|list| serde_json::from_str(list).ok())
        .unwrap_or_default();
    let mut found = None;
    for extension in extensions {
        let extension = Members::of(extension).map_err(|_| without(&id, TWICE))?;
        let named = extension
            .text("dataSchema")
            .is_some_and(|schema| schema.contains(MODEL));
        let data = extension.get("data").filter(|_| named);
        if data.is_some() && found.is_some() {
            return Err(without(&id, SEVERAL));
        }
        found = found.or(data);
    }
    match found {
        Some(data) => Ok(Entry {
            document: data.get().as_bytes().to_vec(),
            id,
        }),
        None => Err(without(&id, NONE)),
    }
}

/// Whether it is a document of the aspect model itself, by the place at which one says so.
fn is_document(members: &Members<'_>) -> bool {
    let version = members.text("specVersion");
    members.get("scopeOfPcfForm").is_some() || version.is_some_and(|version| version.contains(MODEL))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "079e425a-464f-528d-341d-4a944a1dfd70";

    fn listed(extensions: &str) -> Result<Entry, Without> {
        of(
            Listed::Pact,
            format!(r#"{{"id":"{ID}","specVersion":"3.0.0","extensions":{extensions}}}"#),
        )
    }

    #[test]
    fn the_document_in_an_extension_is_taken_to_the_byte() {
        let data = r#"{ "scopeOfPcfForm" : [1.0,  1.00] }"#;
        let other =
            r#"{"specVersion":"2.0.0","dataSchema":"https://reg.carbon-transparency.org/shipment/1.0.0","data":{}}"#;
        for schema in [
            "urn:samm:io.catenax.pcf:9.0.0#Pcf",
            "https://raw.githubusercontent.com/eclipse-tractusx/sldt-semantic-models/main/io.catenax.pcf/9.0.0/gen/Pcf-schema.json",
        ] {
            let found = listed(&format!(r#"[{other}, {{"dataSchema":"{schema}","data":{data}}}]"#)).unwrap();
            assert_eq!(found.document, data.as_bytes());
            assert_eq!(found.id, Some(ID.parse().unwrap()));
        }
    }

    #[test]
    fn a_footprint_without_one_is_refused_and_named() {
        let named = r#"{"dataSchema":"urn:samm:io.catenax.pcf:9.0.0#Pcf","data":{}}"#;
        let cases = [
            ("[]", NONE),
            ("null", NONE),
            ("7", NONE),
            (r#"[{"dataSchema":"urn:other","data":{}}]"#, NONE),
            (r#"[{"dataSchema":"urn:samm:io.catenax.pcf:9.0.0#Pcf"}]"#, NONE),
            (&format!("[{named},{named}]"), SEVERAL),
            (r#"[{"dataSchema":"io.catenax.pcf","data":1,"data":2}]"#, TWICE),
        ];
        for (extensions, reason) in cases {
            let id = Some(ID.parse().unwrap());
            assert_eq!(listed(extensions), Err(Without { id, reason }), "{extensions}");
        }
        for nothing in ["null", "7", "[]", "\"x\"", "{}"] {
            let without = Without { id: None, reason: NONE };
            assert_eq!(of(Listed::Pact, nothing.to_owned()), Err(without), "{nothing}");
        }
    }

    #[test]
    fn a_document_that_is_listed_itself_is_taken_as_it_is() {
        for text in [
            r#"{ "scopeOfPcfForm": [] }"#,
            r#"{"specVersion":"urn:io.catenax.pcf:datamodel:version:7.0.0"}"#,
        ] {
            assert_eq!(of(Listed::Pact, text.to_owned()).unwrap().document, text.as_bytes());
        }
        // A system that lists documents lists nothing else: what is none is told by what reads documents.
        assert_eq!(of(Listed::Documents, "7".to_owned()).unwrap().document, b"7");
    }
}
