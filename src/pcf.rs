//! The exchange of footprints as the data space does it: asked for now, answered later (CX-0136, PCF API 1.2.0 and 1.3.0).
//!
//! A partner asks at the tenant's endpoint and gets 202; the answer goes to the partner's own endpoint later, with the roles
//! reversed: the tenant's connector negotiates the partner's offer, and so gets an address and a token to send to. In between lies
//! a queue on disk. What stands in it:
//!
//! | errand | from | decided when it came | decided at each attempt |
//! |---|---|---|---|
//! | answer | a partner's request | `access` | `access` |
//! | update | a footprint handed in that differs from what was there | `writeFootprint` | `access`, for each partner |
//! | request | the tenant's own system | `ingest` | nothing: nothing is handed out |
//! | publish | as an update, for a partner with a PACT host | `writeFootprint` | `access`, for each footprint |
//! | fulfil | a partner's request by an event (PACT) | `searchFootprints` | `access`, for each footprint |
//!
//! An attempt ([`Courier`]) finds the way ([`Road`]), asks `access` as of that instant, reads the document through the session that
//! only the permit opens, holds it against its schema ([`Models`]) and sends it ([`Carrier`]); what goes to PACT hosts, to these ([`Hosts`]). It ends the delivery, or puts it off
//! ([`retry`]). Deliveries are made at least once, under one exchange id, so that a partner can tell a repetition.
//!
//! # Worked example: a crash at the worst moment
//!
//! Elbe's system hands in a new ethanol footprint. (1) The change is noted: id and digest. (2) The document is stored. (3) The index
//! shows it. (4) The change becomes a delivery to Weser, and is crossed off in the same transaction. (5) The document is sent.
//! (6) The delivery is crossed off. A process that dies after 1 finds, on its next start, a change that the index does not show, and
//! drops it after a minute: Elbe got no answer and hands in again. After 2 the same. After 3 it makes the delivery. After 4 it sends.
//! After 5 it sends once more, under the same exchange id, and Weser takes the same bytes a second time.

mod carrier;
mod choose;
mod courier;
mod exchange;
mod model;
pub mod pact;
mod part;
mod renewal;
pub mod retry;
mod road;
mod segment;
mod store;
mod trial;

pub use carrier::{Carrier, Parcel, Reply};
pub use choose::{Found, choose, nameless};
pub use courier::{Attempt, Courier, Hosts, note_untold};
pub use exchange::{
    Answerable, Asked, Delivery, Errand, ExchangeId, ExchangeIdError, Form, Incoming, Letter, MESSAGE, Received,
    Requested, State, StateError, Wanted,
};
pub use model::{Flaw, MOST_FLAWS, Model, ModelError, Models, SchemaError, is_valid};
pub use part::{PartError, PartId, Parts};
pub use renewal::Renewed;
pub use road::{Boxed, Endpoint, Goal, Road, RoadError, numbers};
pub use segment::segment;
pub use store::{Change, Ends, FILE, Page, Paved, PcfStore, PcfStoreError, Spread, Taken, Worn};
