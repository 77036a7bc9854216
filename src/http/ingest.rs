//! Supplier systems handing in footprints, and asking partners for theirs.
//!
//! Which system it is its proof says ([`caller`]), what it may hand in the policies ([`crate::intake`]). A footprint that differs from what
//! was there is delivered to every partner with an agreement in force on one of its assets. That it changes is noted before it
//! does ([`crate::pcf::PcfStore::note_changes`]), so that a crash on the way costs nobody the update.

mod arriving;
mod batch;
pub(super) mod caller;
pub mod certificate;
mod footprints;
mod outcome;
mod request;
mod runs;
mod systems;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;

pub use self::footprints::{BATCHES, hand_in};
pub use self::request::request;
pub use self::runs::{begin as begin_run, list as list_runs};
pub use self::systems::{list as list_systems, put as put_system};
use super::App;
use super::caller::one_header;
use super::problem::{Kind, Problem};
use crate::ingest::DOCUMENT_LIMIT;
use crate::intake::Intake;

/// The scope of a supplier system's token.
pub const SCOPE: &str = "pcf.write";

impl App {
    /// What takes footprints in.
    pub(crate) fn intake(&self) -> Intake<'_> {
        Intake {
            gate: &self.gate,
            vault: &self.vault,
            registry: &self.registry,
            pcf: &self.pcf,
            models: &self.models,
        }
    }
}

pub(super) async fn read_document(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Problem> {
    let media = one_header(headers, &CONTENT_TYPE)?;
    if media.split(';').next().map(str::trim) != Some("application/json") {
        return Err(Problem::with(Kind::MediaType, "expected `application/json`"));
    }
    read_body(body, DOCUMENT_LIMIT).await
}

/// The whole body, if it has at most `limit` bytes.
pub(super) async fn read_body(body: Body, limit: usize) -> Result<Vec<u8>, Problem> {
    use http_body_util::{BodyExt, LengthLimitError, Limited};
    match Limited::new(body, limit).collect().await {
        Ok(whole) => Ok(whole.to_bytes().into()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => Err(Problem::with(
            Kind::TooLarge,
            format!("at most {limit} bytes are taken"),
        )),
        Err(_) => Err(Problem::with(Kind::Body, "the body broke off")),
    }
}
