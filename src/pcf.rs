//! The exchange of footprints as the data space does it: asked for now, answered later (CX-0136, PCF API 1.2.0 and 1.3.0).

mod carrier;
mod choose;
mod courier;
mod exchange;
mod model;
mod part;
pub mod retry;
mod road;
mod store;

pub use carrier::{Carrier, Reply};
pub use choose::{Found, choose, nameless};
pub use courier::{Attempt, Courier, is_valid};
pub use exchange::{
    Answerable, Asked, Delivery, Errand, ExchangeId, ExchangeIdError, Form, Incoming, Letter, MESSAGE, Received, State,
    StateError, Wanted,
};
pub use model::{Flaw, MOST_FLAWS, Model, ModelError, Models, SchemaError};
pub use part::{PartError, PartId, Parts};
pub use road::{Endpoint, Nowhere, Road, RoadError, Way};
pub use store::{Change, FILE, Page, PcfStore, PcfStoreError, Taken};
