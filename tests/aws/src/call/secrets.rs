//! Calls of Secrets Manager.

use aws_sdk_secretsmanager::types::{ReplicaRegionType, Tag};

use super::{BLOCK_PUBLIC, Done, Request, done};
use crate::Failure;
use crate::clients::Clients;
use crate::deployment::Deployment;

pub(super) async fn make(
    clients: &Clients,
    action: &str,
    request: &Request,
    deployment: &Deployment<'_>,
) -> Result<Option<Done>, Failure> {
    let client = &clients.secrets;
    let id = match request.by_name {
        true => deployment.secret_name(&request.resource)?,
        false => deployment.secret_there(&request.resource),
    };
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"secretsmanager:RotateSecret","Resource":"*"}}"#;
    Ok(match action {
        "BatchGetSecretValue" => {
            let ids = deployment.secrets_there().take(20).cloned().collect();
            done(
                client
                    .batch_get_secret_value()
                    .set_secret_id_list(Some(ids))
                    .send()
                    .await,
            )
        }
        "CreateSecret" => {
            // Before it is made, a secret has no suffix; an ARN without one is that of its name.
            let whole = request.resource.split_once(":secret:").map(|(_, name)| name);
            let name = deployment
                .secret_name(&request.resource)
                .ok()
                .or(whole)
                .unwrap_or_default();
            done(client.create_secret().name(name).secret_string("new").send().await)
        }
        "DeleteResourcePolicy" => done(client.delete_resource_policy().secret_id(id).send().await),
        "DeleteSecret" => done(client.delete_secret().secret_id(id).send().await),
        "DescribeSecret" => done(client.describe_secret().secret_id(id).send().await),
        "GetResourcePolicy" => done(client.get_resource_policy().secret_id(id).send().await),
        "GetSecretValue" => done(client.get_secret_value().secret_id(id).send().await),
        "ListSecretVersionIds" => done(client.list_secret_version_ids().secret_id(id).send().await),
        "ListSecrets" => done(client.list_secrets().send().await),
        "PutResourcePolicy" => done(
            client
                .put_resource_policy()
                .secret_id(id)
                .resource_policy(policy)
                .set_block_public_policy(request.key(BLOCK_PUBLIC).map(|block| block == "true"))
                .send()
                .await,
        ),
        "PutSecretValue" => done(
            client
                .put_secret_value()
                .secret_id(id)
                .secret_string("new")
                .send()
                .await,
        ),
        "ReplicateSecretToRegions" => {
            let region = ReplicaRegionType::builder().region("eu-west-1").build();
            let call = client.replicate_secret_to_regions().secret_id(id);
            done(call.add_replica_regions(region).send().await)
        }
        "RotateSecret" => done(client.rotate_secret().secret_id(id).send().await),
        "RestoreSecret" => done(client.restore_secret().secret_id(id).send().await),
        "TagResource" => {
            let tag = Tag::builder().key("probe").value("probe").build();
            done(client.tag_resource().secret_id(id).tags(tag).send().await)
        }
        "UntagResource" => done(client.untag_resource().secret_id(id).tag_keys("probe").send().await),
        "UpdateSecret" => done(client.update_secret().secret_id(id).secret_string("new").send().await),
        "UpdateSecretVersionStage" => {
            let version = deployment.new_version(&request.resource).await?;
            let call = client.update_secret_version_stage().secret_id(id);
            let call = call.version_stage(format!("probe-{version}"));
            done(call.move_to_version_id(version).send().await)
        }
        _ => None,
    })
}
