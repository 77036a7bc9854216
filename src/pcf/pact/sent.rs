//! What is sent to a partner's `/3/events`: CloudEvents 1.0 in structured mode, of three of the four types PACT has.
//!
//! ```
//! use tidegate::pcf::pact::{Refused, Sent};
//!
//! let told = Sent::Rejected { request: "r-1", why: Refused::Nothing };
//! let event = told.event("urn:uuid:0198f0c2-0000-7000-8000-000000000000", "https://a.example/pact", "2026-11-27T09:00:00Z".parse().unwrap());
//! let event: serde_json::Value = serde_json::from_slice(&event).unwrap();
//! assert_eq!(event["type"], "org.wbcsd.pact.ProductFootprint.RequestRejectedEvent.3");
//! assert_eq!(event["data"]["requestEventId"], "r-1");
//! assert_eq!(event["data"]["error"]["code"], "NotFound");
//! ```

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use super::event::PREFIX;
use crate::ids::PcfId;

/// The media type of an event.
pub const MEDIA: &str = "application/cloudevents+json";

/// The most footprints that one event is about.
pub const MOST_IN_EVENT: usize = 100;

/// What a partner is told.
#[derive(Debug)]
pub enum Sent<'a> {
    /// `RequestFulfilledEvent`: the footprints it asked for.
    Fulfilled {
        /// The id of the event it asked by.
        request: &'a str,
        /// The footprints, at least one, in PACT's words.
        footprints: &'a [Box<RawValue>],
    },
    /// `RequestRejectedEvent`: there are none for it.
    Rejected {
        /// The id of the event it asked by.
        request: &'a str,
        /// Why.
        why: Refused,
    },
    /// `PublishedEvent`: footprints that are new, or have a new version.
    Published(&'a [PcfId]),
}

/// Why a request is rejected. What policy says of single footprints is not told, nor that there are any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Nothing that fits is for the partner, or there is nothing.
    Nothing,
    /// There is more than one event can tell.
    TooMuch,
}

impl Refused {
    /// PACT's code of the error, and words for people.
    fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::Nothing => ("NotFound", "there is no such footprint, or it is not for you"),
            Self::TooMuch => (
                "BadRequest",
                "more footprints fit than one event can hold; name products, or ask `GET 3/footprints`, which has pages",
            ),
        }
    }
}

#[derive(Serialize)]
struct Envelope<'a> {
    r#type: String,
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    time: Timestamp,
    data: Data<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    #[serde(rename_all = "camelCase")]
    Fulfilled {
        request_event_id: &'a str,
        pfs: &'a [Box<RawValue>],
    },
    #[serde(rename_all = "camelCase")]
    Rejected { request_event_id: &'a str, error: Error },
    #[serde(rename_all = "camelCase")]
    Published { pf_ids: &'a [PcfId] },
}

#[derive(Serialize)]
struct Error {
    code: &'static str,
    message: &'static str,
}

impl Sent<'_> {
    /// The event: its id, which is the same however often it is sent, and the endpoint of whoever sends it.
    pub fn event(&self, id: &str, source: &str, time: Timestamp) -> Vec<u8> {
        let (kind, data) = match *self {
            Self::Fulfilled { request, footprints } => (
                "RequestFulfilledEvent",
                Data::Fulfilled {
                    request_event_id: request,
                    pfs: footprints,
                },
            ),
            Self::Rejected { request, why } => {
                let (code, message) = why.told();
                let error = Error { code, message };
                let request_event_id = request;
                (
                    "RequestRejectedEvent",
                    Data::Rejected {
                        request_event_id,
                        error,
                    },
                )
            }
            Self::Published(ids) => ("PublishedEvent", Data::Published { pf_ids: ids }),
        };
        let envelope = Envelope {
            r#type: format!("{PREFIX}{kind}.3"),
            specversion: "1.0",
            id,
            source,
            time,
            data,
        };
        // Texts, and JSON that was read, always serialise.
        serde_json::to_vec(&envelope).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pcf::pact::{Event, Told};

    fn read(sent: &Sent<'_>) -> Event {
        let time = "2026-11-27T09:00:00Z".parse().unwrap();
        Event::read(&sent.event("e-1", "https://a.example/exchange/BPNL000000000DWF", time)).unwrap()
    }

    /// Law: what is sent reads as an event of the type it is meant as.
    #[test]
    fn an_event_reads_as_what_it_was_meant_as() {
        let id: PcfId = "3a6c14a7-4deb-498a-b5ea-16ce2535b576".parse().unwrap();
        let published = read(&Sent::Published(std::slice::from_ref(&id)));
        assert_eq!(published.told, Told::Published(vec![id.to_string()]));
        assert_eq!(
            (published.id.as_str(), published.source.as_str()),
            ("e-1", "https://a.example/exchange/BPNL000000000DWF")
        );
        for why in [Refused::Nothing, Refused::TooMuch] {
            let rejected = read(&Sent::Rejected { request: "r/1", why });
            assert_eq!(rejected.told, Told::Rejected("r/1".to_owned()));
        }
        let footprints = [RawValue::from_string(r#"{ "a": 1.10 }"#.to_owned()).unwrap()];
        let fulfilled = Sent::Fulfilled {
            request: "r-1",
            footprints: &footprints,
        };
        assert_eq!(read(&fulfilled).told, Told::Fulfilled("r-1".to_owned()));
        let event = fulfilled.event("e-1", "s", Timestamp::UNIX_EPOCH);
        let text = String::from_utf8(event).unwrap();
        assert!(text.contains(r#""pfs":[{ "a": 1.10 }]"#), "to the byte: {text}");
    }
}
