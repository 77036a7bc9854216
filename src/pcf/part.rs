//! Parts by the numbers that manufacturer and customer have for them.
//!
//! A request names a part by the number its manufacturer or its customer has for it; a document names its product by URNs. A number
//! stands for a product when it is one of the document's product ids, or what follows the last colon of one. Where a product id
//! says by PACT's convention who assigned it (`urn:…:vendor-assigned:…`, `urn:…:buyer-assigned:…`), it stands for that side's
//! number only.
//!
//! ```
//! use tidegate::pcf::{PartId, Parts};
//!
//! let asked = Parts::new(Some("401765".parse().unwrap()), None).unwrap();
//! assert!(asked.name(["urn:mycompany.com:product-id:401765"]));
//! assert!(asked.name(["urn:pathfinder:product:customcode:vendor-assigned:401765"]));
//! assert!(!asked.name(["urn:pathfinder:product:customcode:buyer-assigned:401765"]));
//! assert!("".parse::<PartId>().is_err());
//! ```

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The most characters of a part's number.
const LONGEST: usize = 128;

/// The number a company has for a part. It is data of that company's: compared and stored, never a path, never logged.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PartId(Arc<str>);

/// A text that is no part's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a part id; expected 1 to {LONGEST} characters without control characters and without white space at its ends"
)]
pub struct PartError;

impl PartId {
    /// The number as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `product`, one of a document's product ids, is this number or ends in it.
    fn stands_in(&self, product: &str) -> bool {
        let rest = product.strip_suffix(self.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with(':'))
    }
}

impl FromStr for PartId {
    type Err = PartError;

    fn from_str(text: &str) -> Result<Self, PartError> {
        let sound =
            (1..=LONGEST).contains(&text.chars().count()) && !text.chars().any(char::is_control) && text.trim() == text;
        sound.then(|| Self(text.into())).ok_or(PartError)
    }
}

impl TryFrom<String> for PartId {
    type Error = PartError;

    fn try_from(text: String) -> Result<Self, PartError> {
        text.parse()
    }
}

impl From<PartId> for String {
    fn from(part: PartId) -> Self {
        part.0.as_ref().to_owned()
    }
}

impl fmt::Debug for PartId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PartId(…)")
    }
}

/// A part as a request names it: by its manufacturer's number, its customer's, or both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parts {
    /// The manufacturer's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    manufacturer: Option<PartId>,
    /// The customer's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    customer: Option<PartId>,
}

impl Parts {
    /// A part by at least one number.
    pub fn new(manufacturer: Option<PartId>, customer: Option<PartId>) -> Option<Self> {
        (manufacturer.is_some() || customer.is_some()).then_some(Self { manufacturer, customer })
    }

    /// The manufacturer's number.
    pub fn manufacturer(&self) -> Option<&PartId> {
        self.manufacturer.as_ref()
    }

    /// The customer's number.
    pub fn customer(&self) -> Option<&PartId> {
        self.customer.as_ref()
    }

    /// The number to look a part up by.
    pub fn first(&self) -> Option<&PartId> {
        self.manufacturer.as_ref().or(self.customer.as_ref())
    }

    /// Whether a document with these product ids is about the part: every number given must stand in one of them.
    pub fn name<'p>(&self, products: impl IntoIterator<Item = &'p str> + Clone) -> bool {
        let stands = |part: &Option<PartId>, not_of: &str| {
            part.as_ref().is_none_or(|part| {
                let mut products = products.clone().into_iter();
                products.any(|product| part.stands_in(product) && !product.contains(not_of))
            })
        };
        stands(&self.manufacturer, ":buyer-assigned:") && stands(&self.customer, ":vendor-assigned:")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(manufacturer: Option<&str>, customer: Option<&str>) -> Parts {
        let part = |text: &str| text.parse().unwrap();
        Parts::new(manufacturer.map(part), customer.map(part)).unwrap()
    }

    #[test]
    fn a_number_stands_for_a_product_as_a_whole_or_after_its_last_colon() {
        let product = ["urn:gtin:4712345060507", "urn:x:A 1/2"];
        for good in ["urn:gtin:4712345060507", "4712345060507", "gtin:4712345060507", "A 1/2"] {
            assert!(parts(Some(good), None).name(product), "{good}");
            assert!(parts(None, Some(good)).name(product), "{good}");
        }
        for bad in [
            "712345060507",
            "urn:gtin",
            "gtin",
            "4712345060507 ",
            "A",
            "a 1/2",
            "URN:GTIN:4712345060507",
        ] {
            let part: Result<PartId, _> = bad.parse();
            assert!(part.is_err() || !parts(Some(bad), None).name(product), "{bad}");
        }
    }

    #[test]
    fn who_assigned_a_number_counts_and_both_must_stand() {
        let product = [
            "urn:pathfinder:product:customcode:vendor-assigned:M1",
            "urn:pathfinder:product:customcode:buyer-assigned:C1",
        ];
        assert!(parts(Some("M1"), None).name(product));
        assert!(parts(None, Some("C1")).name(product));
        assert!(parts(Some("M1"), Some("C1")).name(product));
        assert!(!parts(Some("C1"), None).name(product));
        assert!(!parts(None, Some("M1")).name(product));
        assert!(!parts(Some("M1"), Some("C2")).name(product));
        assert!(Parts::new(None, None).is_none());
    }

    #[test]
    fn a_number_is_text_that_can_be_kept_and_is_not_printed() {
        for bad in ["", " ", " a", "a ", "a\n", "\0", &"x".repeat(129)] {
            assert_eq!(bad.parse::<PartId>(), Err(PartError), "{bad:?}");
        }
        assert!("ä".repeat(128).parse::<PartId>().is_ok());
        let secret = parts(Some("secret-4711"), None);
        assert!(!format!("{secret:?}").contains("4711"));
        let json = serde_json::to_string(&secret).unwrap();
        assert_eq!(json, r#"{"manufacturer":"secret-4711"}"#);
        assert_eq!(serde_json::from_str::<Parts>(&json).unwrap(), secret);
    }
}
