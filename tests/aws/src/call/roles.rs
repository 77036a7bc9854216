//! Calls of STS and IAM.

use aws_sdk_iam::types::Tag as RoleTag;
use aws_sdk_sts::types::Tag;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::json;

use super::{AMR, AUD, BOUNDARY, Done, Request, done};
use crate::Failure;
use crate::clients::Clients;
use crate::deployment::Deployment;

pub(super) async fn session(
    clients: &Clients,
    action: &str,
    request: &Request,
    deployment: &Deployment<'_>,
) -> Result<Option<Done>, Failure> {
    Ok(match action {
        "AssumeRole" => {
            let mut call = clients
                .sts
                .assume_role()
                .role_arn(&request.resource)
                .role_session_name("probe");
            for (key, value) in request.tags() {
                call = call.tags(Tag::builder().key(key).value(value).build()?);
            }
            done(call.send().await)
        }
        "AssumeRoleWithWebIdentity" => {
            let call = deployment.nobody.sts.assume_role_with_web_identity();
            let call = call.role_arn(&request.resource).role_session_name("probe");
            done(call.web_identity_token(token(request)).send().await)
        }
        _ => None,
    })
}

pub(super) async fn make(clients: &Clients, action: &str, request: &Request) -> Result<Option<Done>, Failure> {
    let client = &clients.iam;
    let role = request.resource.rsplit('/').next().unwrap_or_default();
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"s3:*","Resource":"*"}}"#;
    let trust = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"sts:AssumeRole","Principal":"*"}}"#;
    let boundary = request.key(BOUNDARY).map(str::to_owned);
    Ok(match action {
        "CreateRole" => {
            let call = client.create_role().role_name(role).assume_role_policy_document(trust);
            done(call.set_permissions_boundary(boundary).send().await)
        }
        "DeleteRole" => done(client.delete_role().role_name(role).send().await),
        "DeleteRolePermissionsBoundary" => done(client.delete_role_permissions_boundary().role_name(role).send().await),
        "GetRole" => done(client.get_role().role_name(role).send().await),
        "PutRolePermissionsBoundary" => {
            let call = client.put_role_permissions_boundary().role_name(role);
            done(call.permissions_boundary(boundary.unwrap_or_default()).send().await)
        }
        "PutRolePolicy" => {
            let call = client.put_role_policy().role_name(role).policy_name("probe");
            done(call.policy_document(policy).send().await)
        }
        "UpdateAssumeRolePolicy" => done(
            client
                .update_assume_role_policy()
                .role_name(role)
                .policy_document(trust)
                .send()
                .await,
        ),
        _ => beside(client, action, role, &request.resource).await?,
    })
}

/// What there is to a role beside its trust, its own policies and its boundary; managed policies.
async fn beside(client: &aws_sdk_iam::Client, action: &str, role: &str, arn: &str) -> Result<Option<Done>, Failure> {
    const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";
    let all = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    Ok(match action {
        "AttachRolePolicy" => {
            let call = client.attach_role_policy().role_name(role);
            done(call.policy_arn(ADMINISTRATOR).send().await)
        }
        "DetachRolePolicy" => {
            let call = client.detach_role_policy().role_name(role);
            done(call.policy_arn(ADMINISTRATOR).send().await)
        }
        "CreatePolicyVersion" => {
            let call = client.create_policy_version().policy_arn(arn);
            done(call.policy_document(all).set_as_default(true).send().await)
        }
        "SetDefaultPolicyVersion" => {
            let call = client.set_default_policy_version().policy_arn(arn);
            done(call.version_id("v1").send().await)
        }
        "DeletePolicy" => done(client.delete_policy().policy_arn(arn).send().await),
        "DeleteRolePolicy" => {
            let call = client.delete_role_policy().role_name(role);
            done(call.policy_name("probe").send().await)
        }
        "GetRolePolicy" => {
            let call = client.get_role_policy().role_name(role);
            done(call.policy_name("probe").send().await)
        }
        "ListRolePolicies" => done(client.list_role_policies().role_name(role).send().await),
        "ListRoleTags" => done(client.list_role_tags().role_name(role).send().await),
        "ListRoles" => done(client.list_roles().send().await),
        "GetAccountAuthorizationDetails" => done(client.get_account_authorization_details().send().await),
        "TagRole" => {
            let tag = RoleTag::builder().key("probe").value("probe").build()?;
            done(client.tag_role().role_name(role).tags(tag).send().await)
        }
        "UntagRole" => done(client.untag_role().role_name(role).tag_keys("probe").send().await),
        "UpdateRole" => done(client.update_role().role_name(role).description("probe").send().await),
        _ => None,
    })
}

/// A token as an identity pool makes it, but for its signature, which the emulator does not check.
fn token(request: &Request) -> String {
    const POOL: &str = "cognito-identity.amazonaws.com";
    let mut claims = json!({"iss": format!("https://{POOL}"), "sub": "eu-central-1:probe", "exp": 4_102_444_800_u64});
    let tags: serde_json::Map<_, _> = request
        .tags()
        .map(|(key, value)| (key.to_owned(), json!([value])))
        .collect();
    if let Some(claims) = claims.as_object_mut() {
        if let Some(audience) = request.key(AUD) {
            claims.insert("aud".to_owned(), json!(audience));
        }
        let methods: Vec<_> = request.values(AMR).collect();
        if !methods.is_empty() {
            claims.insert("amr".to_owned(), json!(methods));
        }
        if !tags.is_empty() {
            let tags = json!({"principal_tags": tags, "transitive_tag_keys": []});
            claims.insert("https://aws.amazon.com/tags".to_owned(), tags);
        }
    }
    let part = |value: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!(
        "{}.{}.{}",
        part(&json!({"alg": "RS256", "kid": "probe"})),
        part(&claims),
        "c2lnbmF0dXJl"
    )
}
