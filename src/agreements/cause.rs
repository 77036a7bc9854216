//! Who causes a change, as the ledger tells it.

use crate::decide::Permit;
use crate::ids::RecordId;
use crate::question::EntityRef;

/// Who causes a change.
#[derive(Clone, Debug)]
pub struct Cause {
    pub(super) by: String,
    pub(super) decision: Option<RecordId>,
}

impl Cause {
    /// The principal of a question that was decided with allow, such as the person who may retire agreements.
    pub fn permitted(permit: &Permit) -> Self {
        Self {
            by: permit.question().principal.to_string(),
            decision: Some(permit.record()),
        }
    }

    /// Someone whose word counts without a decision, spelled as a Cedar principal: the tenant's own connector, which tells what was
    /// agreed.
    pub fn told(principal: &EntityRef) -> Self {
        Self {
            by: principal.to_string(),
            decision: None,
        }
    }

    /// The operator's own document.
    pub fn operator() -> Self {
        Self {
            by: "operator".into(),
            decision: None,
        }
    }

    /// The service by itself: time passed.
    pub(super) fn time() -> Self {
        Self {
            by: "tidegate".into(),
            decision: None,
        }
    }
}
