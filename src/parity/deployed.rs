//! What is deployed, held to the bundle: the IAM documents of an account as AWS has them, not as a template of infrastructure says
//! they should be.
//!
//! A stack that was created without an error proves little. Somebody widens a role by hand, a script of last year puts an old
//! document back, a boundary is taken off for an hour and forgotten. CloudFormation does not see all of that, and none of it is in any
//! repository. So the documents are read back from AWS and compared, in two ways:
//!
//! - **by what they say.** Each of the platform's roles must have exactly what [`crate::iam::Account`] says is attached to it: one
//!   policy, one trust policy, its boundary, its tag, each document with the meaning of the bundle's template under the
//!   deployment's names. A policy besides that only denies is told and no more: so sessions are revoked. What is missing, other or there besides is a [`Finding`] that names role, document and statement.
//! - **by what they mean.** The documents are put in the templates' place, and the whole corpus is asked on both layers again. A
//!   [`Consequence`] is a question that is answered otherwise than under the bundle, with Cedar's answer beside it; or a wall
//!   between tenants that would stand open by itself.
//!
//! The first finds every change, the second says what it comes to. A change without a consequence is still a finding: the corpus
//! does not ask everything.
//!
//! # What is read
//!
//! The JSON of `aws iam get-account-authorization-details`, whole, with two members of our own for what IAM does not list:
//!
//! ```json
//! {
//!   "RoleDetailList": [],
//!   "Policies": [],
//!   "BucketPolicies": {"tidegate-footprints": {"Version": "2012-10-17", "Statement": []}},
//!   "SecretPolicies": {"arn:aws:secretsmanager:eu-central-1:123456789012:secret:tidegate/BPNL000000000DWF/edc-AbCdEf": null}
//! }
//! ```
//!
//! Where one of them is absent, that is said in the report: it was not looked at. `null` in place of a document is a bucket or secret
//! without a policy.
//!
//! # Worked example
//!
//! ```
//! use tidegate::bundle::{Bundle, Source};
//! use tidegate::iam::Params;
//! use tidegate::parity::{Corpus, deployed};
//! # let bundle = Bundle::load(Source::built_in()).unwrap();
//! let account = &bundle.account;
//! let render = |name: &str| account.document(name).unwrap().render(&account.names().params()).unwrap();
//! // The service's role, to which somebody added a statement …
//! let policy = render("service-role").replace(
//!     r#""Statement":["#,
//!     r#""Statement":[{"Sid":"Quick","Effect":"Allow","Action":"s3:GetObject","Resource":"*"},"#,
//! );
//! let export = serde_json::json!({"RoleDetailList": [{
//!     "RoleName": "tidegate-service", "Arn": "arn:aws:iam::123456789012:role/tidegate-service",
//!     "AssumeRolePolicyDocument": render("service-trust"),
//!     "RolePolicyList": [{"PolicyName": "service-role", "PolicyDocument": policy}],
//! }]});
//! let export = deployed::Export::read(export.to_string().as_bytes()).unwrap();
//! let report = deployed::check(&bundle, &Corpus::default(), &deployed::Deployment::of(&bundle), &export);
//! // … is named with the statement.
//! let finding = report.findings.iter().find(|finding| finding.rule == deployed::Rule::ChangedDocument).unwrap();
//! assert_eq!((finding.on.as_str(), finding.document.as_deref()), ("tidegate-service", Some("service-role")));
//! assert_eq!(finding.statement.as_deref(), Some("Quick"));
//! ```

mod export;
mod finding;
mod granted;
mod meaning;
mod render;
mod resources;
mod roles;
mod strangers;
mod template;

#[cfg(test)]
mod tests;

use serde::Serialize;

pub use export::{Export, ExportError};
pub use finding::{Finding, Rule};
pub use meaning::{Consequence, Effects, Variant};

use super::corpus::Corpus;
use crate::bundle::{Bundle, Correspondence};
use crate::iam::{AwsNames, Isolation};
use crate::ids::Digest;

/// What the deployment calls things, and how it keeps tenants apart.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// Its names in AWS.
    pub names: AwsNames,
    /// How tenants are kept apart there.
    pub isolation: Isolation,
}

impl Deployment {
    /// As the bundle says.
    pub fn of(bundle: &Bundle) -> Self {
        Self::from(&bundle.correspondence)
    }
}

impl From<&Correspondence> for Deployment {
    fn from(table: &Correspondence) -> Self {
        Self {
            names: table.aws.clone(),
            isolation: table.isolation,
        }
    }
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The bundle that the deployment was held to.
    pub bundle: Digest,
    /// The platform's roles that are deployed, by name.
    pub roles: Vec<String>,
    /// What is not as the bundle says.
    pub findings: Vec<Finding>,
    /// What the deployed documents mean, once for each way in which they differ.
    pub variants: Vec<Variant>,
    /// How many questions and requests of the corpus each variant was asked.
    pub asked: usize,
    /// What was not looked at, and what someone may want to look at.
    pub notes: Vec<String>,
}

impl Report {
    /// Whether what is deployed is what the bundle says, and means it.
    pub fn holds(&self) -> bool {
        self.findings.is_empty() && self.variants.iter().all(|variant| variant.consequences.is_empty())
    }

    /// Whether no role of the platform is deployed.
    pub fn is_empty(&self) -> bool {
        self.roles.is_empty()
    }
}

/// Holds what is deployed to `bundle`, whose templates are rendered with the names of `deployment`. The corpus is asked under the
/// bundle's own names.
pub fn check(bundle: &Bundle, corpus: &Corpus, deployment: &Deployment, export: &Export) -> Report {
    let mut notes = Vec::new();
    let mut findings = roles::findings(bundle, deployment, export, &mut notes);
    findings.extend(resources::findings(bundle, deployment, export, &mut notes));
    findings.extend(strangers::findings(deployment, export, &mut notes));
    let roles: Vec<_> = roles::own(deployment, export)
        .map(|(_, role)| role.name.clone())
        .collect();
    let (mut variants, mut asked) = (Vec::new(), 0);
    if !roles.is_empty() {
        let meaning = meaning::of(bundle, corpus, deployment, export);
        findings.extend(meaning.findings);
        (variants, asked) = (meaning.variants, meaning.asked);
    }
    Report {
        bundle: bundle.digest,
        roles,
        findings,
        variants,
        asked,
        notes,
    }
}
