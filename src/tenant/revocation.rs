//! A deny for all sessions that were issued before an instant.
//!
//! Credentials of STS cannot be taken back; a policy of their role can refuse them by when they were issued. AWS's own console does the
//! same under "Revoke active sessions" (IAM User Guide, "Revoking IAM role temporary security credentials").
//!
//! ```
//! # use tidegate::tenant::revocation::{document, is_spent};
//! let at = "2026-11-27T09:00:00Z".parse().unwrap();
//! let text = document("BPNL000000000DWF".parse().unwrap(), at);
//! assert!(text.contains(r#""aws:TokenIssueTime":"2026-11-27T09:00:00Z""#));
//! // A session of a role lives an hour at most here, so after that the deny refuses nobody.
//! assert!(!is_spent(&text, "2026-11-27T09:59:00Z".parse().unwrap()));
//! assert!(is_spent(&text, "2026-11-27T10:01:00Z".parse().unwrap()));
//! ```

use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::{Value, json};

use crate::ids::TenantId;

/// The longest life of a session of a tenant's role: what the role allows (IAM's `MaxSessionDuration`, its default).
pub const LONGEST_SESSION: SignedDuration = SignedDuration::from_hours(1);

/// The deny for the sessions of `tenant` issued before `at`. It names the tenant, for where one role serves all.
pub fn document(tenant: TenantId, at: Timestamp) -> String {
    // Whole seconds, as AWS counts them: a session of this very second is refused too.
    let at = at.round(Unit::Second).unwrap_or(at);
    json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "SessionsOfBefore",
            "Effect": "Deny",
            "Action": "*",
            "Resource": "*",
            "Condition": {
                "StringEquals": {"aws:PrincipalTag/bpnl": tenant.to_string()},
                "DateLessThan": {"aws:TokenIssueTime": at.to_string()},
            },
        }],
    })
    .to_string()
}

/// What the deny is called among a role's inline policies.
pub fn name(tenant: TenantId) -> String {
    format!("sessions-of-before-{tenant}")
}

/// Whether all sessions that a deny refuses are at their end anyway. A text that is none is not.
pub fn is_spent(text: &str, now: Timestamp) -> bool {
    let at = serde_json::from_str::<Value>(text).ok().and_then(|document| {
        let at = document.pointer("/Statement/0/Condition/DateLessThan/aws:TokenIssueTime")?;
        at.as_str()?.parse::<Timestamp>().ok()
    });
    at.and_then(|at| at.checked_add(LONGEST_SESSION).ok())
        .is_some_and(|end| end < now)
}
