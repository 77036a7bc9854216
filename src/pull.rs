//! Fetching footprints from suppliers' systems, by themselves and again and again.
//!
//! ```text
//! due -> may it? (ingest) -> its secret (readSecret) -> page -> documents -> intake -> where the next page is, written -> page -> … -> complete
//! ```
//!
//! What is fetched, how often and with which secret stands in the system's document ([`Pull`](crate::registry::integration::Pull)). A **run**
//! goes through all pages of a system's list, each at most once:
//!
//! 1. **Decided.** Policy is asked whether the system may hand footprints in at all (`ingest`), and whether its secret may be read to fetch from
//!    it (`readSecret`). The secret is read in a session for that one secret, which only the permit opens. So one company's run can
//!    reach no other company's secret, whatever its document says.
//! 2. **Fetched.** Pages are asked for no faster than the document allows. A system that asks for time (429, 503) gets it ([`peer::after`](crate::peer::after));
//!    one that does not answer is asked again after longer and longer waits, some times. The next page is where this one says, if that is at
//!    the same origin ([`link`]).
//! 3. **Taken.** Each document goes the way of what is handed in ([`crate::intake`]): held against its schema, decided by itself, stored,
//!    indexed, delivered to partners if it differs from what was there.
//! 4. **Written.** Where the next page is, is noted when all documents of a page are in ([`store`]). Whatever ends the process, the run goes on
//!    at the page that was in hand.
//!
//! What the run came to, and each entry that was not taken with the reason, is its report. A system that is stopped, or whose document
//! changes, ends its run before the next page.
//!
//! # Incremental
//!
//! A JSON source with `since` is asked for what changed since the last run that came to its end *began*: what changed while that went on is
//! asked for once more rather than missed. PACT 3.0 has no criterion for when a footprint was changed (its `validAfter` is about the time
//! a footprint is valid for, not about when it was written). There all is walked through each time, and what is known to the byte is not
//! written again; only that it may be was decided once more, and is on record.
//!
//! # Worked example
//!
//! Elbe fetches from its parent's PACT host, 200 footprints a page, every hour. On page 3 the host answers 503 with `Retry-After: 20`; the
//! run waits twenty seconds and goes on. At page 7 the service is stopped for an update. The next process finds the run under way, asks
//! policy anew, asks for page 7, and completes. The report says 8 pages, 12 taken, 1,570 unchanged, and 3 refused: for two of them
//! `ingest/own-products` stands as the reason with the record's id, and the third has no document of the aspect model. Had Elbe's admin
//! stopped the system meanwhile, the run would have ended as stopped after page 6, and nothing would have been asked of the host again.

pub mod document;
pub mod link;
pub mod page;
mod places;
pub mod run;
pub mod store;
mod walk;

use url::Url;

pub use self::places::{Place, Places};
pub use self::run::{Cause, Counts, Key, Listed, Run, RunState, Told, is_due, source};
pub use self::store::{Beginning, End, FILE, Last, PullStore, PullStoreError};
use crate::clock::Clock;
use crate::intake::Intake;
use crate::registry::integration::Source;

/// How many pages are in hand at once, and of one company.
const AT_ONCE: usize = 16;
const SHARE: usize = 2;

/// The most pages of a run.
const MOST_PAGES: u64 = 10_000;

/// How many footprints a PACT host is asked for at once.
const PACT_LIMIT: &str = "100";

/// What fetching needs besides the intake; made once.
#[derive(Debug)]
pub struct Fetching {
    /// The runs.
    pub store: PullStore,
    /// Places for pages.
    pub places: Places,
    /// The most pages of a run: a list that has no end is not gone through.
    pub most_pages: u64,
    /// Dev mode: systems are on this machine, and nowhere else.
    pub loopback: bool,
}

impl Fetching {
    /// With the bounds that stand here.
    pub fn new(store: PullStore, loopback: bool) -> Self {
        Self {
            store,
            places: Places::new(AT_ONCE, SHARE),
            most_pages: MOST_PAGES,
            loopback,
        }
    }
}

/// Goes through runs.
#[derive(Clone, Copy, Debug)]
pub struct Puller<'a> {
    /// Takes documents in.
    pub intake: Intake<'a>,
    /// The runs, and bounds.
    pub fetching: &'a Fetching,
    /// The time.
    pub clock: &'a Clock,
}

/// The address of the first page; `since` says from when on changes are asked for, where the source can be asked.
fn first_page(source: &Source, since: Option<jiff::Timestamp>) -> Option<Url> {
    match source {
        Source::Pact(pact) => {
            let mut url: Url = pact.url.parse().ok()?;
            let path = format!("{}/3/footprints", url.path().trim_end_matches('/'));
            url.set_path(&path);
            let criteria = pact.criteria.iter();
            let criteria = criteria.flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
            url.query_pairs_mut()
                .append_pair("limit", PACT_LIMIT)
                .extend_pairs(criteria);
            Some(url)
        }
        Source::Json(json) => {
            let mut url: Url = json.url.parse().ok()?;
            if let (Some(name), Some(since)) = (&json.since, since) {
                url.query_pairs_mut()
                    .append_pair(name, &crate::question::spell_time(since));
            }
            Some(url)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::integration::{Json, Pact};

    #[test]
    fn the_first_page_is_where_the_document_says() {
        let asked = |url: &str, criteria: &[(&str, &[&str])]| {
            let texts = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
            let criteria = criteria
                .iter()
                .map(|(name, values)| ((*name).to_owned(), texts(values)));
            let (url, criteria) = (url.into(), criteria.collect());
            let source = Source::Pact(Pact { url, criteria });
            first_page(&source, None).unwrap().to_string()
        };
        let pact = |url: &str| asked(url, &[]);
        assert_eq!(
            asked(
                "https://a.example",
                &[("productId", &["urn:x:a b", "urn:x:2"]), ("status", &["Active"])]
            ),
            "https://a.example/3/footprints?limit=100&productId=urn%3Ax%3A2&productId=urn%3Ax%3Aa+b&status=Active"
        );
        assert_eq!(pact("https://a.example"), "https://a.example/3/footprints?limit=100");
        assert_eq!(
            pact("https://a.example/pact/"),
            "https://a.example/pact/3/footprints?limit=100"
        );
        let since = "2026-11-25T09:00:00Z".parse().unwrap();
        let json = |url: &str, name: Option<&str>, since| {
            let json = Json {
                url: url.into(),
                items: String::new(),
                next: None,
                since: name.map(str::to_owned),
            };
            first_page(&Source::Json(json), since).unwrap().to_string()
        };
        let url = "https://a.example/pcf?plant=7";
        assert_eq!(json(url, None, Some(since)), url);
        assert_eq!(json(url, Some("since"), None), url);
        let asked = json(url, Some("changed_since"), Some(since));
        assert_eq!(
            asked,
            "https://a.example/pcf?plant=7&changed_since=2026-11-25T09%3A00%3A00.000Z"
        );
    }
}
