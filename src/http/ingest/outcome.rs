//! What became of a document, as its sender is told.

use serde::Serialize;

use crate::http::decided::{reasons, unrecorded, upstream};
use crate::http::problem::{Kind, Problem};
use crate::ids::{Digest, RecordId, TenantId};
use crate::intake::{Failure, Refused, Taken, Unfit};

/// A document that was taken.
#[derive(Debug, Serialize)]
pub(super) struct Stored {
    pcf_id: String,
    product_id: String,
    model: String,
    digest: Digest,
    version: u32,
    /// Whether it differs from what was there: a new version.
    changed: bool,
    /// The record of the decision.
    record: RecordId,
}

impl From<&Taken> for Stored {
    fn from(taken: &Taken) -> Self {
        let footprint = &taken.footprint;
        Self {
            pcf_id: footprint.id.to_string(),
            product_id: footprint.product.to_string(),
            model: footprint.model.full().to_owned(),
            digest: footprint.digest,
            version: footprint.version,
            changed: taken.changed,
            record: taken.permit.record(),
        }
    }
}

/// A document that was not.
pub(super) fn problem(refused: Refused, tenant: TenantId) -> Problem {
    match refused {
        Refused::Unfit(Unfit::Invalid { model, flaws }) => {
            let detail = format!("the document is not valid in version {model} of the aspect model");
            Problem::with(Kind::Document, detail).flaws(flaws)
        }
        Refused::Unfit(Unfit::Unread) => Problem::new(Kind::Internal),
        Refused::Unfit(unfit) => Problem::with(Kind::Document, unfit.to_string()),
        Refused::Denied(refusal) => {
            let reasons = reasons(&refusal);
            Problem::forbidden(&refusal, reasons).about(tenant)
        }
        Refused::Gone => Problem::with(Kind::Forbidden, "the system was taken off the record while it sent"),
        Refused::Unrecorded => unrecorded(),
        Refused::Failed(permit, Failure::Vault(error)) => upstream(&error, &permit),
        Refused::Failed(permit, failure) => {
            tracing::error!(record = %permit.record(), error = %failure, "a footprint was not taken after an allow");
            Problem::with(Kind::Upstream, "the footprint was not taken; hand it in again").after(&permit)
        }
    }
}
