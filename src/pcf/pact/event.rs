//! What partners send to `/3/events`: CloudEvents 1.0 in structured mode, of the four types PACT has.
//!
//! An event is read for what PACT demands of it, and refused where that is missing. Of members it does not know it takes no notice, as
//! CloudEvents has it.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::filter::Filter;
use super::values::uuid;

/// What every type of PACT's events is named after.
pub(super) const PREFIX: &str = "org.wbcsd.pact.ProductFootprint.";

/// The most values an event may have, and the most bytes one of them.
const MOST: usize = 100;
const LONGEST: usize = 512;

/// An event of a partner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its own id, as whoever made it gave it.
    pub id: String,
    /// Where it comes from, as whoever made it says.
    pub source: String,
    /// What it tells.
    pub told: Told,
}

/// What an event tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// `RequestCreatedEvent`: the partner asks for footprints.
    Created(Box<Filter>),
    /// `RequestFulfilledEvent`: the partner answers a request with that event's id.
    Fulfilled(String),
    /// `RequestRejectedEvent`: the partner will not answer it.
    Rejected(String),
    /// `PublishedEvent`: the partner has new footprints, with these ids.
    Published(Vec<String>),
}

impl Event {
    /// What of it is put on record, each as `name=value`.
    pub fn criteria(&self) -> Vec<String> {
        let named = |name: &str, value: &str| format!("{name}={value}");
        let mut all = match &self.told {
            Told::Created(filter) => filter.criteria(),
            Told::Fulfilled(request) | Told::Rejected(request) => vec![named("requestEventId", request)],
            Told::Published(ids) => ids.iter().map(|id| named("pfId", id)).collect(),
        };
        all.push(named("event", &self.id));
        all
    }
}

/// Why a text is no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// It is not JSON, or no object with the members of an event.
    #[error("the body is no CloudEvent: {0}")]
    Form(String),
    /// A member that is not what it must be.
    #[error("`{at}` {problem}")]
    Member {
        /// The member.
        at: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
}

fn wrong(at: &'static str, problem: &'static str) -> EventError {
    EventError::Member { at, problem }
}

#[derive(Deserialize)]
struct Envelope {
    r#type: String,
    specversion: String,
    id: String,
    source: String,
    time: String,
    data: Value,
}

impl Event {
    /// Reads an event.
    ///
    /// # Errors
    /// What is wrong, and where; never with what stands there.
    pub fn read(body: &[u8]) -> Result<Self, EventError> {
        let envelope: Envelope = crate::json::read(body).map_err(|error| EventError::Form(error.to_string()))?;
        if envelope.specversion != "1.0" {
            return Err(wrong("specversion", "is not `1.0`"));
        }
        for (at, text) in [("id", &envelope.id), ("source", &envelope.source)] {
            if text.is_empty() || text.len() > LONGEST {
                return Err(wrong(at, "is empty, or longer than 512 bytes"));
            }
        }
        let _: Timestamp = parsed("time", &envelope.time)?;
        let kind = envelope.r#type.strip_prefix(PREFIX).unwrap_or_default();
        let data = Data(&envelope.data);
        let told = match kind {
            "RequestCreatedEvent.3" => Told::Created(Box::new(data.filter()?)),
            "RequestFulfilledEvent.3" => {
                let given = envelope.data.get("pfs").and_then(Value::as_array);
                if given.is_none_or(Vec::is_empty) {
                    return Err(wrong("data.pfs", "is not a list of at least one footprint"));
                }
                Told::Fulfilled(data.request()?)
            }
            "RequestRejectedEvent.3" => {
                if !envelope.data.get("error").is_some_and(Value::is_object) {
                    return Err(wrong("data.error", "is not an object with `code` and `message`"));
                }
                Told::Rejected(data.request()?)
            }
            "PublishedEvent.3" => Told::Published(data.published()?),
            _ => {
                let problem = "is none of the four types of PACT 3, such as \
                               `org.wbcsd.pact.ProductFootprint.PublishedEvent.3`";
                return Err(wrong("type", problem));
            }
        };
        let Envelope { id, source, .. } = envelope;
        Ok(Self { id, source, told })
    }
}

fn parsed(at: &'static str, text: &str) -> Result<Timestamp, EventError> {
    text.parse()
        .map_err(|_| wrong(at, "is no date and time with an offset (RFC 3339)"))
}

/// The data of an event.
struct Data<'e>(&'e Value);

impl Data<'_> {
    fn request(&self) -> Result<String, EventError> {
        let found = self.0.get("requestEventId").and_then(Value::as_str);
        let found = found.filter(|id| !id.is_empty() && id.len() <= LONGEST);
        found
            .map(str::to_owned)
            .ok_or_else(|| wrong("data.requestEventId", "is missing, or longer than 512 bytes"))
    }

    fn published(&self) -> Result<Vec<String>, EventError> {
        let at = "data.pfIds";
        let ids = self.list(at, "pfIds")?;
        if ids.is_empty() {
            return Err(wrong(at, "is not a list of at least one id"));
        }
        let ids: Option<Vec<String>> = ids.iter().map(|id| uuid(id)).collect();
        ids.ok_or_else(|| wrong(at, "holds an id that is not a UUID"))
    }

    fn filter(&self) -> Result<Filter, EventError> {
        if !self.0.is_object() {
            return Err(wrong("data", "is not an object"));
        }
        let instant = |at, name: &str| match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => parsed(at, text).map(Some),
            Some(_) => Err(wrong(at, "is not a text")),
        };
        Ok(Filter {
            products: self.list("data.productId", "productId")?,
            companies: self.list("data.companyId", "companyId")?,
            geographies: self.list("data.geography", "geography")?,
            classifications: self.list("data.classification", "classification")?,
            valid_on: instant("data.validOn", "validOn")?,
            valid_after: instant("data.validAfter", "validAfter")?,
            valid_before: instant("data.validBefore", "validBefore")?,
            statuses: self.list("data.status", "status")?,
        })
    }

    /// A list of texts; none where it does not stand.
    fn list(&self, at: &'static str, name: &str) -> Result<Vec<String>, EventError> {
        let items = match self.0.get(name) {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) if items.len() <= MOST => items,
            Some(_) => return Err(wrong(at, "is not a list of at most 100 texts")),
        };
        let text = |item: &Value| item.as_str().filter(|text| text.len() <= LONGEST).map(str::to_owned);
        let texts: Option<Vec<String>> = items.iter().map(text).collect();
        texts.ok_or_else(|| wrong(at, "holds something that is not a text of at most 512 bytes"))
    }
}
