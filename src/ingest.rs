//! Footprint documents at the door: what one says of itself, read without believing it.
//!
//! A footprint comes as a document of the aspect model `io.catenax.pcf` in version 7.0.0, 9.0.0 or 10.0.0. It is stored and
//! served byte for byte, never re-written; here only those members are read that a decision needs: its id, its owner, its
//! product, its status and its model version. Their places differ by version:
//!
//! | | 7.0.0 | 9.0.0, 10.0.0 (every node is an array) |
//! |---|---|---|
//! | id | `id` | `pcfAssessmentAndMethodology[].pcfAssessmentInformation[].idAndVersion[].id` |
//! | owner | `companyIds` | `companyAndProductInformation[].companyInformation[].companyIds` |
//! | product | `productIds` | `companyAndProductInformation[].productInformation[].productIds` |
//! | status | `extWBCSD_pfStatus` | `…idAndVersion[].status` |
//! | created | `created` | `…pcfAssessmentInformation[].time[].created` |
//! | valid from | `validityPeriodStart` | `…pcfAssessmentInformation[].time[].validityPeriodStart` |
//! | valid until | `validityPeriodEnd` | `…pcfAssessmentInformation[].time[].validityPeriodEnd` |
//! | version | `specVersion` | `scopeOfPcfForm[].specVersion` |
//!
//! Owners are spelled `urn:bpn:id:BPNL…`, `urn:BPNL…` or `urn:cofinity-x.com:bpn:BPNL…`; a document must name exactly one
//! BPNL, or it does not say whose it is. Whether that company may store it here is for the policies to say
//! (`footprints/own-document`), not for this module.

pub mod split;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use crate::ids::{AssetId, Bpnl, Digest, PcfId, ProductId, TenantId, Version};
use crate::registry::{Footprint, FootprintStatus};

/// The largest footprint document taken.
pub const DOCUMENT_LIMIT: usize = 1 << 20;

/// The most product ids of one document that are indexed, and the most bytes of one.
pub const MOST_PRODUCTS: usize = 64;
pub(crate) const PRODUCT_BYTES: usize = 512;

/// The versions of the aspect model that are taken.
pub const MODELS: [&str; 3] = ["7.0.0", "9.0.0", "10.0.0"];

/// Why a document is not a footprint that can be stored.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Larger than [`DOCUMENT_LIMIT`].
    #[error("the document has {0} bytes; at most {DOCUMENT_LIMIT} are taken")]
    TooLarge(usize),
    /// Not JSON, or a member stands twice.
    #[error("the document is not JSON as it should be: {0}")]
    Json(#[from] serde_json::Error),
    /// The version is missing or not one that is taken.
    #[error("`{at}` is {found}; expected `urn:io.catenax.pcf:datamodel:version:` and one of 7.0.0, 9.0.0, 10.0.0")]
    Version {
        /// JSON pointer.
        at: &'static str,
        /// What stands there.
        found: String,
    },
    /// A member that a decision needs is missing or wrong.
    #[error("`{at}`: {problem}")]
    Member {
        /// JSON pointer, `*` for any element.
        at: &'static str,
        /// What is wrong.
        problem: String,
    },
}

/// What a footprint document says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Its id.
    pub id: PcfId,
    /// The company it names as its own.
    pub owner: Bpnl,
    /// The product it is about.
    pub product: ProductId,
    /// The version of the aspect model.
    pub model: Version,
    /// The status it gives itself.
    pub status: FootprintStatus,
    /// Every id it has for its product, [`MOST_PRODUCTS`] of them at most: what a request may name the product by.
    pub products: BTreeSet<String>,
    /// When it says it was declared, where it says so.
    pub created: Option<Timestamp>,
    /// From when on it says it is valid, where it says so.
    pub valid_from: Option<Timestamp>,
    /// Until when it says it is valid, where it says so.
    pub valid_until: Option<Timestamp>,
}

/// Where each member stands in one version of the model.
struct Places {
    id: &'static str,
    owner: &'static str,
    product: &'static str,
    status: &'static str,
    created: &'static str,
    valid_from: &'static str,
    valid_until: &'static str,
}

const FLAT: Places = Places {
    id: "/id",
    owner: "/companyIds/*",
    product: "/productIds/*",
    status: "/extWBCSD_pfStatus",
    created: "/created",
    valid_from: "/validityPeriodStart",
    valid_until: "/validityPeriodEnd",
};

const NESTED: Places = Places {
    id: "/pcfAssessmentAndMethodology/*/pcfAssessmentInformation/*/idAndVersion/*/id",
    owner: "/companyAndProductInformation/*/companyInformation/*/companyIds/*",
    product: "/companyAndProductInformation/*/productInformation/*/productIds/*",
    status: "/pcfAssessmentAndMethodology/*/pcfAssessmentInformation/*/idAndVersion/*/status",
    created: "/pcfAssessmentAndMethodology/*/pcfAssessmentInformation/*/time/*/created",
    valid_from: "/pcfAssessmentAndMethodology/*/pcfAssessmentInformation/*/time/*/validityPeriodStart",
    valid_until: "/pcfAssessmentAndMethodology/*/pcfAssessmentInformation/*/time/*/validityPeriodEnd",
};

const SPEC: &str = "urn:io.catenax.pcf:datamodel:version:";

impl Claims {
    /// Reads what `document` says of itself.
    ///
    /// # Errors
    /// Names the place and what was expected there.
    pub fn read(document: &[u8]) -> Result<Self, DocumentError> {
        if document.len() > DOCUMENT_LIMIT {
            return Err(DocumentError::TooLarge(document.len()));
        }
        Self::of(&crate::json::parse(document)?)
    }

    /// Reads what a document says of itself that was parsed before.
    ///
    /// # Errors
    /// Names the place and what was expected there.
    pub fn of(value: &Value) -> Result<Self, DocumentError> {
        let (model, places) = version(value)?;
        let member = |at, problem: String| DocumentError::Member { at, problem };
        let id = one(value, places.id)?;
        let id = id.strip_prefix("urn:uuid:").unwrap_or(id).to_ascii_lowercase();
        let status = match texts(value, places.status).as_slice() {
            [] => FootprintStatus::Active,
            ["Active"] => FootprintStatus::Active,
            ["Deprecated"] => FootprintStatus::Deprecated,
            _ => return Err(member(places.status, "expected `Active` or `Deprecated`".into())),
        };
        let products = texts(value, places.product);
        let product = products.iter().find_map(|text| text.parse().ok());
        let no_product = || {
            let expected = "expected at least one product id of A-Z a-z 0-9 `.` `_` `:` `-`, such as a URN";
            member(places.product, expected.into())
        };
        let indexed = products.iter().filter(|text| text.len() <= PRODUCT_BYTES);
        // One that is no instant orders nothing and is passed over.
        let instants = |place| {
            let texts = texts(value, place).into_iter();
            texts.filter_map(|text| text.parse::<Timestamp>().ok())
        };
        Ok(Self {
            products: products_of(indexed.copied()),
            // The latest, where a document has several.
            created: instants(places.created).max(),
            // Of several periods, the one that all have in common.
            valid_from: instants(places.valid_from).max(),
            valid_until: instants(places.valid_until).min(),
            id: id.parse().map_err(|error| member(places.id, format!("{error}")))?,
            owner: owner(value, places.owner)?,
            product: product.ok_or_else(no_product)?,
            model,
            status,
        })
    }

    /// The index entry of the document under the prefix of `tenant`, as if it were the first of its id: which version it becomes is
    /// known once it is taken in ([`RegistryStore::put_footprints`](crate::registry::store::RegistryStore::put_footprints)).
    pub fn footprint(&self, tenant: TenantId, assets: BTreeSet<AssetId>, document: &[u8]) -> Footprint {
        Footprint {
            id: self.id.clone(),
            version: Footprint::FIRST,
            tenant,
            owner: self.owner,
            product: self.product.clone(),
            model: self.model.clone(),
            status: self.status,
            products: self.products.clone(),
            created: self.created,
            valid_from: self.valid_from,
            valid_until: self.valid_until,
            assets,
            digest: Digest::of(document),
            length: document.len() as u64,
        }
    }
}

/// The first of them by name, each once: fewer than [`MOST_PRODUCTS`] are all there are.
fn products_of<'d>(indexed: impl Iterator<Item = &'d str>) -> BTreeSet<String> {
    let all: BTreeSet<&str> = indexed.collect();
    all.into_iter().take(MOST_PRODUCTS).map(str::to_owned).collect()
}

fn version(value: &Value) -> Result<(Version, &'static Places), DocumentError> {
    let (at, found) = match value.get("specVersion") {
        Some(found) => ("/specVersion", Some(found)),
        None => (
            "/scopeOfPcfForm/*/specVersion",
            value.pointer("/scopeOfPcfForm/0/specVersion"),
        ),
    };
    let shown = found.map_or("missing".to_owned(), |found| format!("{found:.120}"));
    let model = found
        .and_then(Value::as_str)
        .map(|text| text.strip_prefix(SPEC).unwrap_or(text))
        .filter(|text| MODELS.contains(text))
        .and_then(|text| text.parse::<Version>().ok())
        .ok_or(DocumentError::Version { at, found: shown })?;
    let places = if model.major() == 7 { &FLAT } else { &NESTED };
    Ok((model, places))
}

/// The one BPNL the document names as its owner.
fn owner(value: &Value, at: &'static str) -> Result<Bpnl, DocumentError> {
    let named: BTreeSet<Bpnl> = texts(value, at).into_iter().filter_map(bpnl_in).collect();
    let mut named = named.into_iter();
    let problem = match (named.next(), named.next()) {
        (Some(owner), None) => return Ok(owner),
        (None, _) => "expected the owner's BPNL, such as `urn:bpn:id:BPNL000000000DWF`".to_owned(),
        (Some(first), Some(second)) => format!("names more than one owner: {first} and {second}"),
    };
    Err(DocumentError::Member { at, problem })
}

/// The BPNL at the end of a URN, or the whole text.
fn bpnl_in(text: &str) -> Option<Bpnl> {
    text.rsplit(':').next().and_then(|last| last.parse().ok())
}

/// Every text at `place`, where `*` stands for any element of an array.
fn texts<'a>(value: &'a Value, place: &str) -> Vec<&'a str> {
    let mut found = vec![value];
    for step in place.split('/').skip(1) {
        found = match step {
            "*" => found.into_iter().filter_map(Value::as_array).flatten().collect(),
            name => found.into_iter().filter_map(|value| value.get(name)).collect(),
        };
    }
    found.into_iter().filter_map(Value::as_str).collect()
}

fn one<'a>(value: &'a Value, at: &'static str) -> Result<&'a str, DocumentError> {
    match texts(value, at).as_slice() {
        [text] => Ok(text),
        [] => Err(DocumentError::Member {
            at,
            problem: "the member is missing".into(),
        }),
        more => Err(DocumentError::Member {
            at,
            problem: format!("stands {} times", more.len()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(version: &str) -> String {
        let path = format!("{}/fixtures/pcf/official/{version}.json", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn the_official_examples_say_whose_they_are() {
        for version in ["9.0.0", "10.0.0"] {
            let claims = Claims::read(read(version).as_bytes()).unwrap();
            assert_eq!(claims.id.as_str(), "3893bb5d-da16-4dc1-9185-11d97476c254");
            assert_eq!(claims.owner.as_str(), "BPNL000000000DWF");
            assert_eq!(claims.product.as_str(), "urn:mycompany.com:product-id:401765");
            assert_eq!(claims.model.full(), version);
            assert_eq!(claims.products, BTreeSet::from([claims.product.to_string()]));
            assert_eq!(claims.created, Some("2022-05-22T21:47:32Z".parse().unwrap()));
            assert_eq!(claims.valid_from, Some("2022-01-01T00:00:01Z".parse().unwrap()));
            assert_eq!(claims.valid_until, Some("2022-12-31T23:59:59Z".parse().unwrap()));
        }
        // The example of 7.0.0 names web addresses as company ids: it does not say whose it is, so it is refused.
        let error = Claims::read(read("7.0.0").as_bytes()).unwrap_err().to_string();
        assert!(
            error.contains("/companyIds/*") && error.contains("owner's BPNL"),
            "{error}"
        );
    }

    #[test]
    fn validity_is_read_in_every_model_and_what_is_no_instant_is_passed_over() {
        for document in [
            include_str!("../fixtures/pcf/dev/elbe-solvent-7.0.0.json"),
            include_str!("../fixtures/pcf/dev/elbe-resin-9.0.0.json"),
            include_str!("../fixtures/pcf/dev/elbe-ethanol-10.0.0.json"),
        ] {
            let validity = |text: &str| {
                let claims = Claims::read(text.as_bytes()).unwrap();
                let (from, until) = (claims.valid_from, claims.valid_until);
                [from, until].map(|instant| instant.map(|instant| instant.to_string()))
            };
            let [from, until] = ["2022-01-01T00:00:01Z", "2022-12-31T23:59:59Z"];
            assert_eq!(validity(document), [Some(from.to_owned()), Some(until.to_owned())]);
            let with = |name: &str, written: &str, new: &str| {
                let name = format!("\"{name}\"");
                let (before, after) = document.split_once(&name).unwrap();
                let text = format!("{name}{after}").replacen(written, new, 1);
                validity(&format!("{before}{text}"))
            };
            // Written in another zone it is the same instant.
            let moved = with("validityPeriodStart", from, "2022-01-01T02:00:01+02:00");
            assert_eq!(moved, [Some(from.to_owned()), Some(until.to_owned())]);
            assert_eq!(
                with("validityPeriodStart", from, "soon"),
                [None, Some(until.to_owned())]
            );
            assert_eq!(
                with("validityPeriodEnd", "validityPeriodEnd", "end"),
                [Some(from.to_owned()), None]
            );
        }
    }

    #[test]
    fn a_document_names_exactly_one_owner() {
        let with = |ids: &str| {
            let value = r#"["telnet://192.0.2.16:80/", "ftp://ftp.is.co.za/rfc/rfc1808.txt", "http://www.ietf.org/rfc/rfc2396.txt", "http://www.wikipedia.org"]"#;
            let text = read("7.0.0").replace("\"companyIds\" : [ \"telnet://192.0.2.16:80/\", \"ftp://ftp.is.co.za/rfc/rfc1808.txt\", \"http://www.ietf.org/rfc/rfc2396.txt\", \"http://www.wikipedia.org\" ]", &format!("\"companyIds\": {ids}"));
            assert!(!text.contains(value));
            let text = text.replace("\"productIds\" : [ \"ftp", "\"productIds\" : [ \"urn:x:1\", \"ftp");
            Claims::read(text.as_bytes())
                .map(|claims| claims.owner.to_string())
                .map_err(|error| error.to_string())
        };
        assert_eq!(
            with(r#"["urn:bpn:id:BPNL000000000DWF", "urn:uuid:1"]"#).unwrap(),
            "BPNL000000000DWF"
        );
        assert_eq!(
            with(r#"["BPNL000000000DWF", "urn:BPNL000000000DWF"]"#).unwrap(),
            "BPNL000000000DWF"
        );
        assert!(
            with(r#"["urn:BPNL000000000DWF", "urn:BPNL00000000B2CD"]"#)
                .unwrap_err()
                .contains("more than one owner")
        );
        assert!(with("[]").is_err());
        assert!(with(r#"["urn:bpnl000000000dwf"]"#).is_err());
    }

    #[test]
    fn a_bad_document_is_an_error_that_names_the_place() {
        let cases: [(&str, &str); 6] = [
            ("{", "not JSON"),
            ("[]", "version"),
            (r#"{"specVersion":"8.0.0"}"#, "/specVersion"),
            (r#"{"specVersion":7}"#, "/specVersion"),
            (r#"{"specVersion":"urn:io.catenax.pcf:datamodel:version:7.0.0"}"#, "/id"),
            (r#"{"id":"a","id":"b"}"#, "stands twice"),
        ];
        for (document, expected) in cases {
            let error = Claims::read(document.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{document}: {error}");
        }
        assert!(matches!(
            Claims::read(&vec![b' '; DOCUMENT_LIMIT + 1]),
            Err(DocumentError::TooLarge(_))
        ));
    }
}
