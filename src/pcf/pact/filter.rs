//! Which footprints a partner asks for: the criteria of `ListFootprints` and of a `RequestCreatedEvent`, which are the same.
//!
//! Values of one criterion are joined by "or", criteria by "and"; case counts nowhere. A status that there is none of, or a company
//! nobody has heard of, fits nothing: that is no error.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

use super::ProductFootprint;
use crate::ingest::{MOST_PRODUCTS, PRODUCT_BYTES};
use crate::registry::Footprint;

/// How long a footprint is valid after its reference period, where it does not say.
const YEARS: i32 = 3;

/// What a partner asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Filter {
    /// `productId`
    pub products: Vec<String>,
    /// `companyId`
    pub companies: Vec<String>,
    /// `geography`
    pub geographies: Vec<String>,
    /// `classification`
    pub classifications: Vec<String>,
    /// `validOn`: it begins then or before, and ends then or after.
    pub valid_on: Option<Timestamp>,
    /// `validAfter`: it begins after that.
    pub valid_after: Option<Timestamp>,
    /// `validBefore`: it ends before that.
    pub valid_before: Option<Timestamp>,
    /// `status`
    pub statuses: Vec<String>,
}

impl Filter {
    /// The criteria, each as `name=value`, as they are put on record.
    pub fn criteria(&self) -> Vec<String> {
        let lists = [
            ("productId", &self.products),
            ("companyId", &self.companies),
            ("geography", &self.geographies),
            ("classification", &self.classifications),
            ("status", &self.statuses),
        ];
        let lists = lists
            .into_iter()
            .flat_map(|(name, values)| values.iter().map(move |value| format!("{name}={value}")));
        let instants = [
            ("validOn", self.valid_on),
            ("validAfter", self.valid_after),
            ("validBefore", self.valid_before),
        ];
        let instants = instants
            .into_iter()
            .filter_map(|(name, value)| value.map(|value| format!("{name}={value}")));
        lists.chain(instants).collect()
    }

    /// Whether the index says that a document fits nothing, so that it need not be opened. Where the index does not know all of a
    /// document's products, it says nothing of them.
    pub fn rules_out(&self, entry: &Footprint) -> bool {
        let indexed = (1..MOST_PRODUCTS).contains(&entry.products.len());
        let all_short = self.products.iter().all(|product| product.len() <= PRODUCT_BYTES);
        let product = indexed && all_short && !any(&self.products, entry.product_names());
        product || !any(&self.statuses, [entry.status.as_str()])
    }

    /// Whether a footprint is one that is asked for.
    pub fn fits(&self, footprint: &ProductFootprint) -> bool {
        let texts = |texts: &'_ [String]| texts.to_vec();
        let has = |wanted: &[String], own: Vec<String>| any(wanted, own.iter().map(String::as_str));
        let geography = footprint.pcf.geography.as_ref();
        let within = |name: &String| geography.is_some_and(|own| own.is_within(name));
        has(&self.products, texts(&footprint.product_ids))
            && has(&self.companies, texts(&footprint.company_ids))
            && has(&self.classifications, texts(&footprint.product_classifications))
            && has(&self.statuses, vec![footprint.status.clone()])
            && (self.geographies.is_empty() || self.geographies.iter().any(within))
            && self.fits_in_time(footprint)
    }

    fn fits_in_time(&self, footprint: &ProductFootprint) -> bool {
        let (start, end) = validity(footprint);
        self.valid_on.is_none_or(|on| start <= on && on <= end)
            && self.valid_after.is_none_or(|after| start > after)
            && self.valid_before.is_none_or(|before| end < before)
    }
}

/// Whether one of `wanted` is among `own`, or nothing is wanted.
fn any<'o>(wanted: &[String], own: impl IntoIterator<Item = &'o str>) -> bool {
    let mut own = own.into_iter();
    wanted.is_empty() || own.any(|own| wanted.iter().any(|wanted| wanted.to_lowercase() == own.to_lowercase()))
}

/// From when to when a footprint is valid: as it says, or for three years from the end of its reference period.
fn validity(footprint: &ProductFootprint) -> (Timestamp, Timestamp) {
    let from = footprint.pcf.reference_period_end;
    let years = from.to_zoned(TimeZone::UTC).checked_add(YEARS.years());
    let until = years.map_or(Timestamp::MAX, |until| until.timestamp());
    (
        footprint.validity_period_start.unwrap_or(from),
        footprint.validity_period_end.unwrap_or(until),
    )
}
