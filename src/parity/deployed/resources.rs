//! The bucket's policy and the policy of each tenant's secret, held to their templates.

use super::finding::{Finding, Rule};
use super::roles::compare;
use super::{Deployment, Export};
use crate::bundle::Bundle;

pub(super) fn findings(
    bundle: &Bundle,
    deployment: &Deployment,
    export: &Export,
    notes: &mut Vec<String>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let names = &deployment.names;
    let bucket = names.bucket();
    match export.buckets.as_ref().map(|buckets| buckets.get(bucket)) {
        None => notes.push(format!(
            "`BucketPolicies` is not in the file: the policy of the bucket `{bucket}` was not looked at"
        )),
        Some(Some(Some(text))) => findings.extend(compare(bundle, &names.params(), "bucket-policy", text, bucket)),
        Some(Some(None) | None) => {
            let message = "the bucket has no policy, or is not in the file";
            let finding = Finding::new(Rule::MissingResourcePolicy, bucket, message);
            findings.push(finding.in_document("bucket-policy"));
        }
    }
    let Some(secrets) = &export.secrets else {
        notes.push("`SecretPolicies` is not in the file: the policies of secrets were not looked at".to_owned());
        return findings;
    };
    for (arn, policy) in secrets {
        let Some(owner) = names.secret_owner(arn) else {
            notes.push(format!("the secret `{arn}` is no tenant's and was not looked at"));
            continue;
        };
        let params = names.params().with("owner", owner.to_string());
        match policy {
            Some(text) => findings.extend(compare(bundle, &params, "secret-policy", text, arn)),
            None => {
                let finding = Finding::new(Rule::MissingResourcePolicy, arn, "the secret has no policy");
                findings.push(finding.in_document("secret-policy"));
            }
        }
    }
    findings
}
