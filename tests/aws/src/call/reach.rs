//! What a request of the corpus asks that no call can ask here, and what a call would leave behind.

use super::{BOUNDARY, NoCall, Request, SECURE};
use crate::Failure;
use crate::deployment::Deployment;

/// Actions AWS asks for beside a call's own, or without any call.
const NO_CALL_OF_ITS_OWN: &[(&str, &str)] = &[
    ("iam:PassRole", "it is asked where a service is handed a role"),
    (
        "s3:BypassGovernanceRetention",
        "it is asked where a retained object is deleted",
    ),
    ("s3:ReplicateObject", "S3 itself asks it where it replicates"),
    (
        "sts:GetFederationToken",
        "it is for a user's keys; a session's are refused whatever the policies say",
    ),
    ("sts:SetSourceIdentity", "it is asked with the session"),
    ("sts:TagSession", "it is asked with the session"),
];

/// Actions that look at the boundary of the role that is there.
const OF_A_BOUND_ROLE: &[&str] = &[
    "iam:AttachRolePolicy",
    "iam:DeleteRolePermissionsBoundary",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:PutRolePolicy",
];

/// Whether what `action` does, done to a thing of the deployment, would change the answers to later requests.
pub fn changes_what_others_meet(action: &str) -> bool {
    const CHANGES: &[&str] = &[
        "iam:AttachRolePolicy",
        "iam:CreatePolicyVersion",
        "iam:CreateRole",
        "iam:DeletePolicy",
        "iam:DeleteRole",
        "iam:DeleteRolePermissionsBoundary",
        "iam:DeleteRolePolicy",
        "iam:DetachRolePolicy",
        "iam:PutRolePermissionsBoundary",
        "iam:PutRolePolicy",
        "iam:SetDefaultPolicyVersion",
        "iam:TagRole",
        "iam:UntagRole",
        "iam:UpdateAssumeRolePolicy",
        "iam:UpdateRole",
        "s3:DeleteBucket",
        "s3:DeleteBucketPolicy",
        "s3:PutBucketAcl",
        "s3:PutBucketNotification",
        "s3:PutBucketPolicy",
        "s3:PutBucketPublicAccessBlock",
        "s3:PutLifecycleConfiguration",
        "s3:PutObjectAcl",
        "s3:PutObjectRetention",
        "s3:PutReplicationConfiguration",
        "secretsmanager:CreateSecret",
        "secretsmanager:DeleteResourcePolicy",
        "secretsmanager:DeleteSecret",
        "secretsmanager:PutResourcePolicy",
        "secretsmanager:ReplicateSecretToRegions",
        "secretsmanager:RestoreSecret",
        "secretsmanager:RotateSecret",
        "secretsmanager:TagResource",
        "secretsmanager:UntagResource",
    ];
    CHANGES.contains(&action)
}

/// Why the call of `request` by `role` would ask something else than `request` does.
///
/// # Errors
/// A document of the role that cannot be written.
pub fn out_of_reach(
    request: &Request,
    role: Option<&str>,
    deployment: &Deployment<'_>,
) -> Result<Option<NoCall>, Failure> {
    if let Some(no_call) = of_the_action(request).or_else(|| elsewhere(request, deployment)) {
        return Ok(Some(no_call));
    }
    of_the_context(request, role, deployment)
}

/// Secrets Manager takes a part of an ARN for the secret it is the beginning of, and the policies are asked about that secret.
pub(super) fn part_of_an_arn(request: &Request, deployment: &Deployment<'_>) -> Option<NoCall> {
    let arn = request.resource.as_str();
    let asks = request.action.starts_with("secretsmanager:") && request.action != "secretsmanager:CreateSecret";
    let part = asks && arn.contains(":secret:") && deployment.secret_there(arn) == arn;
    match part && deployment.secrets_there().any(|there| there.starts_with(arn)) {
        true => because("the ARN is the beginning of a secret's, and that secret is what AWS asks the policies about"),
        false => None,
    }
}

fn of_the_action(request: &Request) -> Option<NoCall> {
    let (service, name) = request.action.split_once(':')?;
    let own = NO_CALL_OF_ITS_OWN.iter().find(|(action, _)| *action == request.action);
    if let Some((action, why)) = own {
        return because(format!("`{action}` has no call of its own; {why}"));
    }
    let all_capitals = name.len() > 1 && name.bytes().all(|byte| byte.is_ascii_uppercase());
    if service.bytes().any(|byte| byte.is_ascii_uppercase())
        || name.starts_with(|first: char| first.is_ascii_lowercase())
        || all_capitals
    {
        return because("a call does not spell its action, so it cannot spell it otherwise");
    }
    None
}

/// The resource is one the call cannot name.
fn elsewhere(request: &Request, deployment: &Deployment<'_>) -> Option<NoCall> {
    let (service, _) = request.action.split_once(':')?;
    let names = deployment.bundle.account.names();
    let known = names.params();
    if service == "s3" && request.resource.contains(":accesspoint/") {
        return because("there is no access point");
    }
    let mut parts = request.resource.splitn(6, ':').skip(1);
    // `*` has no parts, and S3's ARNs have no region and no account.
    for (what, own) in [
        ("partition", known.get("partition")),
        ("service", Some(if service == "sts" { "iam" } else { service })),
        ("region", known.get("region")),
        ("account", Some(names.account())),
    ] {
        let part = parts.next().filter(|part| !part.is_empty());
        match part {
            Some(part) if Some(part) != own && what == "service" => {
                return because("no call of the action names such a resource");
            }
            Some(part) if Some(part) != own => return because(format!("the resource is in another {what}")),
            _ => {}
        }
    }
    let path = parts.next().and_then(|rest| rest.strip_prefix("role/"));
    match path.is_some_and(|path| path.contains('/')) && service == "iam" {
        true => because("a call names a role without its path"),
        false => None,
    }
}

/// A condition key would have another value than the request says.
fn of_the_context(
    request: &Request,
    role: Option<&str>,
    deployment: &Deployment<'_>,
) -> Result<Option<NoCall>, Failure> {
    let service = request.action.split(':').next().unwrap_or_default();
    if service != "s3" && request.key(SECURE) == Some("false") {
        return Ok(because("only S3 is asked over connections that are not encrypted"));
    }
    if service != "sts" && request.tags().next().is_some() {
        return Ok(because("no call of the action passes tags"));
    }
    let given = matches!(
        request.action.as_str(),
        "iam:CreateRole" | "iam:PutRolePermissionsBoundary"
    );
    let boundary = request.key(BOUNDARY);
    let looked_at = boundary.is_some() || OF_A_BOUND_ROLE.contains(&request.action.as_str());
    if service != "iam" || given || !looked_at {
        return Ok(None);
    }
    // Where none of the caller's documents has the key, its value is the same to them.
    if let Some(role) = role
        && !deployment.mentions(role, BOUNDARY)?
    {
        return Ok(None);
    }
    Ok(match deployment.boundary_of(&request.resource) {
        Some(there) if there.as_deref() != boundary => {
            because("the role that is there has another permissions boundary, or has one where the request has none")
        }
        _ => None,
    })
}

fn because(reason: impl Into<String>) -> Option<NoCall> {
    Some(NoCall(reason.into()))
}
