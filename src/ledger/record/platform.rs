//! What the platform does with AWS: tenants that come and go, and where AWS answers otherwise than expected.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{RecordId, TenantId};

/// AWS refused what both layers allow. The answer was a failure; what is deployed is not what the bundle says, or what was asked
/// for is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Diverged {
    /// The IAM action, such as `s3:GetObject`.
    pub action: String,
    /// AWS's code.
    pub code: String,
    /// The record of the decision that permitted it.
    pub decision: RecordId,
    /// AWS's message.
    pub message: String,
    /// AWS's id of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The ARN asked for.
    pub resource: String,
}

/// What is done with a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Passage {
    /// It comes onto the platform.
    Onboarding,
    /// It leaves the platform.
    Offboarding,
}

impl fmt::Display for Passage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Onboarding => "onboarding",
            Self::Offboarding => "offboarding",
        })
    }
}

/// How far a step has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Progress {
    /// It is about to be made. Where nothing follows, it may be half done: the next run finds out.
    Begun,
    /// It is done, as `what` tells.
    Done,
    /// It was done before.
    Kept,
    /// It was not done, as `what` tells.
    Failed,
}

/// A step of a tenant's coming or going. A step is written down as begun before it is made and as done after, so that whoever
/// finds the log knows how far it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// Who has it done: the Cedar principal's entity id.
    pub by: String,
    /// The record of the decision that permits it; it names all steps of one run.
    pub decision: RecordId,
    /// What is done with the tenant.
    pub passage: Passage,
    /// How far it has come.
    pub progress: Progress,
    /// The step, such as `role`.
    pub step: String,
    /// The tenant.
    pub tenant: TenantId,
    /// What was done, or what is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
}
