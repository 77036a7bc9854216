//! The IAM layer: what AWS would answer, computed here from the same policy documents AWS holds.
//!
//! Tidegate asks two layers about every operation that touches AWS. Cedar is one; this is the other. It reads the
//! documents that are really attached to a tenant's role and session, and evaluates a request in AWS's order: an explicit
//! deny anywhere wins; resource and service control policies are ceilings; then the resource's policy, the role's own
//! policies, its permissions boundary and the session's policies.
//!
//! Three rules keep it honest:
//!
//! - **A closed subset.** What is not evaluated exactly is refused when the document is loaded, with its place in the text.
//!   It is never taken as "does not match", for a `Deny` that does not match opens what it was written to close.
//! - **Literal values.** What fills a policy variable or a template parameter is compared character by character. A tenant
//!   whose tag is `*` reaches no other tenant.
//! - **Pure.** Documents, a request and parameters in; an answer out. No clock, no network, no file. Time is a condition key.
//!
//! # One request
//!
//! ```
//! use tidegate::decision::IamDecision;
//! use tidegate::iam::{Context, Document, DocumentKind, Layers, Params, Principal, Request, evaluate};
//!
//! // One template serves every tenant …
//! let role = Document::parse("tenant-role", r#"{
//!     "Version": "2012-10-17",
//!     "Statement": [{
//!         "Sid": "OwnObjects", "Effect": "Allow",
//!         "Action": "s3:GetObject", "Resource": "arn:aws:s3:::pcf/{bpnl}/*"
//!     }]
//! }"#, DocumentKind::Identity)?;
//! // … and is evaluated with that tenant's values.
//! let params = Params::new().with("bpnl", "BPNL000000000DWF");
//!
//! let ask = |resource| Request {
//!     principal: Principal::session("arn:aws:iam::111122223333:role/tidegate-tenant-BPNL000000000DWF", "alice").unwrap(),
//!     action: "s3:GetObject",
//!     resource,
//!     resource_account: "111122223333",
//!     context: Context::new(),
//! };
//! let layers = Layers { identity: &[&role], ..Layers::default() };
//!
//! let own = evaluate(&ask("arn:aws:s3:::pcf/BPNL000000000DWF/pcf/a.json"), &layers, &params);
//! assert_eq!(own.decision, IamDecision::Allowed);
//! assert_eq!(own.statements(), ["tenant-role#OwnObjects"]);
//!
//! let other = evaluate(&ask("arn:aws:s3:::pcf/BPNL00000003CRHK/pcf/a.json"), &layers, &params);
//! assert_eq!(other.decision, IamDecision::ImplicitDeny);
//! # Ok::<(), tidegate::iam::DocumentError>(())
//! ```
//!
//! Whom AWS gives credentials of a role in the first place is in [`mapping`].
//!
//! # Where a policy may mean more than a request says
//!
//! Three things stand in policies that a request does not always show. An account may be named by its canonical user id
//! ([`Context::with_canonical_user`] gives it), a federated user's session belongs to a user whose name it does not bear, and
//! a role session does not show its role's path. The last is told by the role's name, which is unique in its account. Of the
//! other two, what cannot be told is taken to mean the principal in a `Deny`, and not to in an `Allow`.
//!
//! # What is not here
//!
//! No database of services and actions: whether an action exists, or which resources and keys it knows, is for a linter.
//! KMS key policies, VPC endpoint policies, service-linked roles and the exemption of an organization's management account
//! from its service control policies are the caller's to know. Wildcards in a `Resource` span colons, as AWS's guide
//! says of a trailing one.

mod account;
mod condition;
mod context;
mod document;
mod error;
mod evaluate;
mod explain;
mod json;
pub mod mapping;
mod names;
mod nearest;
mod outline;
mod parse;
mod pattern;
mod principal;
mod request;
pub mod simulate;
mod template;
mod value;

#[cfg(test)]
mod tests;

pub use account::{Account, Answer, SessionPolicy, TENANT_TAG};
pub use context::Context;
pub use document::{Document, DocumentKind, Statement, Unmet};
pub use error::{DocumentError, Problem};
pub use evaluate::{Evaluation, Layer, Layers, Matched, Traced, evaluate, trace};
pub use explain::{Explained, NearMiss};
pub use names::{AwsNames, Isolation, NameError, OwnRole, RoleDocuments, secret_id};
pub use nearest::{Failed, Nearest, nearest};
pub use outline::{Difference, Outline};
pub use request::{Principal, PrincipalError, Request};
pub use template::{Params, RenderError};
