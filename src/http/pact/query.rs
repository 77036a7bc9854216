//! The query of a list: the criteria, how many, and from where on.
//!
//! A criterion may stand more than once, and its name in any case, as PACT's own example has it. A parameter that is none of these is an
//! error: a criterion passed over would give more than was asked for.

use jiff::Timestamp;

use crate::http::exchange::decoded;
use crate::http::problem::{Kind, Problem};
use crate::ids::PcfId;
use crate::pcf::pact::Filter;
use crate::pcf::segment;
use crate::registry::integration::Pact;

/// The most footprints of one answer, and how many where the partner does not say.
pub(super) const MOST: usize = 100;

/// The most criteria of one request, and the most bytes of one.
const CRITERIA: usize = 100;
const LONGEST: usize = 512;

/// The parameters there are besides PACT's criteria: PACT's own `limit`, and this service's, which stands in the links it gives.
const BESIDES: [&str; 2] = ["limit", "after"];

/// The parameters there are, as PACT spells them.
fn known() -> impl Iterator<Item = &'static str> {
    Pact::CRITERIA.into_iter().chain(BESIDES)
}

/// What a list is asked for.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) filter: Filter,
    /// The most footprints the partner takes, at most [`MOST`].
    pub(super) limit: usize,
    /// Only those whose ids come after this one.
    pub(super) after: Option<PcfId>,
    /// The criteria as they came, and the limit, for the link to the next page.
    again: Vec<(&'static str, String)>,
}

impl Listing {
    /// Reads a query.
    ///
    /// # Errors
    /// 400, naming the parameter; never with the value that was sent.
    pub(super) fn read(raw: Option<&str>) -> Result<Self, Problem> {
        let mut listing = Self {
            limit: MOST,
            ..Self::default()
        };
        for pair in raw.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let found = known().find(|known| known.eq_ignore_ascii_case(name));
            let name = found.ok_or_else(|| {
                let expected = known().collect::<Vec<_>>().join("`, `");
                Problem::with(
                    Kind::Query,
                    format!("a query parameter is not known here; `{expected}` are"),
                )
            })?;
            let value = decoded(value).filter(|value| value.len() <= LONGEST);
            let value = value.ok_or_else(|| wrong(name, "is not percent-encoded UTF-8 of at most 512 bytes"))?;
            listing.take(name, value)?;
        }
        Ok(listing)
    }

    fn take(&mut self, name: &'static str, value: String) -> Result<(), Problem> {
        if self.again.len() >= CRITERIA {
            return Err(wrong(name, "is one criterion too many; at most 100 are taken"));
        }
        let filter = &mut self.filter;
        let list = match name {
            "productId" => &mut filter.products,
            "companyId" => &mut filter.companies,
            "geography" => &mut filter.geographies,
            "classification" => &mut filter.classifications,
            "status" => &mut filter.statuses,
            "limit" => return self.limit(value),
            "after" => {
                let id = value.parse().map_err(|_| wrong(name, "is no id of a footprint"))?;
                return once(name, self.after.replace(id).is_none());
            }
            _ => return self.instant(name, value),
        };
        list.push(value.clone());
        self.again.push((name, value));
        Ok(())
    }

    fn limit(&mut self, value: String) -> Result<(), Problem> {
        let limit: u64 = value
            .parse()
            .map_err(|_| wrong("limit", "is no whole number that is not negative"))?;
        once("limit", self.again.iter().all(|(known, _)| *known != "limit"))?;
        self.limit = usize::try_from(limit).unwrap_or(MOST).min(MOST);
        self.again.push(("limit", value));
        Ok(())
    }

    fn instant(&mut self, name: &'static str, value: String) -> Result<(), Problem> {
        let at: Timestamp = value.parse().map_err(|_| {
            wrong(
                name,
                "is no date and time with an offset, such as `2026-01-01T00:00:00Z`",
            )
        })?;
        let place = match name {
            "validOn" => &mut self.filter.valid_on,
            "validAfter" => &mut self.filter.valid_after,
            _ => &mut self.filter.valid_before,
        };
        once(name, place.replace(at).is_none())?;
        self.again.push((name, value));
        Ok(())
    }

    /// What is put on record of it.
    pub(super) fn criteria(&self) -> Vec<String> {
        let after = self.after.iter().map(|id| format!("after={id}"));
        self.filter.criteria().into_iter().chain(after).collect()
    }

    /// The query of the page after `last`.
    pub(super) fn next(&self, last: Option<&PcfId>) -> String {
        let again = self.again.iter().map(|(name, value)| (*name, value.as_str()));
        let after = last.map(|last| ("after", last.as_str()));
        let pairs = again
            .chain(after)
            .map(|(name, value)| format!("{name}={}", segment(value)));
        pairs.collect::<Vec<_>>().join("&")
    }
}

fn once(name: &'static str, first: bool) -> Result<(), Problem> {
    match first {
        true => Ok(()),
        false => Err(wrong(name, "stands more than once")),
    }
}

fn wrong(name: &'static str, problem: &str) -> Problem {
    Problem::with(Kind::Query, format!("`{name}` {problem}")).parameter(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> Listing {
        Listing::read(Some(raw)).unwrap()
    }

    #[test]
    fn a_query_is_read_whole_and_the_next_one_asks_for_the_same() {
        let raw = "productId=urn%3Ax%3A1&PRODUCTID=urn:x:2&validOn=2026-01-01T00:00:00%2B00:00&status=Active&limit=2";
        let listing = read(raw);
        assert_eq!(listing.filter.products, ["urn:x:1", "urn:x:2"]);
        assert_eq!((listing.limit, listing.after.as_ref()), (2, None));
        let last: PcfId = "3893bb5d-da16-4dc1-9185-11d97476c254".parse().unwrap();
        let next = read(&listing.next(Some(&last)));
        assert_eq!(
            (&next.filter, next.limit, &next.after),
            (&listing.filter, 2, &Some(last))
        );
        assert_eq!(read("").limit, MOST);
        assert_eq!(read("limit=100000").limit, MOST);
        assert_eq!(read("limit=0").limit, 0);
    }

    #[test]
    fn what_is_not_known_or_does_not_read_is_an_error() {
        for bad in [
            "$filter=a",
            "products=a",
            "=a",
            "limit=-1",
            "limit=ten",
            "limit=1&limit=2",
            "validOn=2026-01-01",
            "validOn=2026-01-01T00:00:00Z&validon=2026-01-01T00:00:00Z",
            "after=..%2F",
            "after=a&after=b",
            "geography=%",
            "geography=%ff",
        ] {
            assert!(Listing::read(Some(bad)).is_err(), "{bad}");
        }
        assert!(Listing::read(Some(&format!("productId={}", "a".repeat(513)))).is_err());
        assert!(Listing::read(Some(&"productId=a&".repeat(101))).is_err());
    }
}
