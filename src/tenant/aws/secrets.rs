//! The tenant's secrets: how its machines prove themselves to the user pool.
//!
//! A secret bears the id of the client it is of as a tag. So it is seen, without reading it, whether it is of the client that is there or
//! of one that is gone: such a secret is deleted and made anew.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::types::Tag;
use secrecy::ExposeSecret;

use super::clients::Made;
use super::{Provision, about, found, says};
use crate::aws::{Class, Failure, Service};
use crate::iam::{DocumentKind, secret_id};
use crate::ids::{SecretName, SecretSuffix, TenantId};
use crate::tenant::wanted::Wanted;
use crate::tenant::{Care, Difference, MISSING};
use crate::vault::ClientCredentials;

/// The tag with the client's id.
const CLIENT: &str = "client";

/// How often, and how long apart, a secret is made whose name is not free yet: a deletion takes a moment.
const TRIES: u32 = 8;
const APART: Duration = Duration::from_secs(1);

impl Provision {
    /// Compares the tenant's secrets with what they should be, and gives the last parts of their ARNs.
    pub(super) async fn secrets(
        &self,
        wanted: &Wanted,
        made: &[Made],
        care: Care,
    ) -> Result<(Vec<Difference>, BTreeMap<SecretName, SecretSuffix>), String> {
        let (mut all, mut suffixes) = (Vec::new(), BTreeMap::new());
        for client in &wanted.clients {
            let id = secret_id(wanted.tenant, &client.secret);
            let thing = format!("the secret `{id}`");
            let of = made.iter().find(|made| made.secret == client.secret);
            let there = self.describe(&id).await.map_err(about(&thing))?;
            let problem = stale(there.as_ref(), of);
            let mut arn = there.as_ref().and_then(|there| there.arn().map(str::to_owned));
            if let (Some(_), Care::Mend) = (problem, care) {
                let of = of.ok_or_else(|| format!("{thing}: its app client is not there"))?;
                if let Some(there) = &there {
                    self.delete_for_good(&id, there.deleted_date().is_some())
                        .await
                        .map_err(about(&thing))?;
                }
                arn = Some(self.make_secret(&id, wanted.tenant, of, &thing).await?);
            }
            all.extend(problem.map(|problem| Difference::new(&thing, problem)));
            let Some(arn) = arn else { continue };
            all.extend(self.guard(&id, &wanted.secret_policy, care).await?);
            suffixes.insert(client.secret.clone(), suffix(&arn, &thing)?);
        }
        Ok((all, suffixes))
    }

    /// The policy of a secret.
    async fn guard(&self, id: &str, policy: &str, care: Care) -> Result<Option<Difference>, String> {
        let thing = format!("the secret `{id}`");
        let call = self.secrets.get_resource_policy().secret_id(id).send();
        let got = found(self.call(Service::SecretsManager, "GetResourcePolicy", call).await).map_err(about(&thing))?;
        let text = got.and_then(|got| got.resource_policy).unwrap_or_default();
        if says(&text, policy, DocumentKind::Resource) {
            return Ok(None);
        }
        if care == Care::Mend {
            let call = self.secrets.put_resource_policy().secret_id(id).resource_policy(policy);
            let call = call.block_public_policy(true).send();
            self.call(Service::SecretsManager, "PutResourcePolicy", call)
                .await
                .map_err(about(&thing))?;
        }
        let problem = if text.is_empty() {
            "has no policy"
        } else {
            "has another policy than `secret-policy` says"
        };
        Ok(Some(Difference::new(thing, problem)))
    }

    async fn make_secret(&self, id: &str, tenant: TenantId, of: &Made, thing: &str) -> Result<String, String> {
        let client = ClientCredentials {
            token_endpoint: self.setting.token_url.clone(),
            client_id: of.id.to_string(),
            client_secret: of.value.clone(),
        };
        let text = client.write().map_err(|error| format!("{thing}: {error}"))?;
        let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
        let mut tries = TRIES;
        loop {
            let call = self
                .secrets
                .create_secret()
                .name(id)
                .secret_string(text.expose_secret());
            let call = call.client_request_token(uuid::Uuid::new_v4().to_string());
            let call = call
                .tags(tag("bpnl", tenant.as_str()))
                .tags(tag(CLIENT, of.id.as_str()));
            match self.call(Service::SecretsManager, "CreateSecret", call.send()).await {
                Ok(made) => {
                    return made
                        .arn
                        .ok_or_else(|| format!("{thing}: Secrets Manager gave it no ARN"));
                }
                // Its deletion is under way.
                Err(failure) if tries > 1 && failure.code == "InvalidRequestException" => {
                    tries -= 1;
                    tokio::time::sleep(APART).await;
                }
                Err(failure) => return Err(about(thing)(failure)),
            }
        }
    }

    async fn describe(&self, id: &str) -> Result<Option<DescribeSecretOutput>, Failure> {
        let call = self.secrets.describe_secret().secret_id(id).send();
        found(self.call(Service::SecretsManager, "DescribeSecret", call).await)
    }

    /// Deletes a secret at once and for good. One whose deletion was only scheduled must be taken back for that; nobody can read it
    /// meanwhile, for its tenant is not active.
    async fn delete_for_good(&self, id: &str, scheduled: bool) -> Result<bool, Failure> {
        if scheduled {
            let call = self.secrets.restore_secret().secret_id(id).send();
            self.call(Service::SecretsManager, "RestoreSecret", call).await?;
        }
        let call = self
            .secrets
            .delete_secret()
            .secret_id(id)
            .force_delete_without_recovery(true)
            .send();
        match self.call(Service::SecretsManager, "DeleteSecret", call).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.class == Class::Missing => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Deletes the tenant's secrets for good.
    pub(super) async fn delete_secrets(&self, wanted: &Wanted) -> Result<Vec<String>, String> {
        let mut gone = Vec::new();
        for client in &wanted.clients {
            let id = secret_id(wanted.tenant, &client.secret);
            let thing = format!("the secret `{id}`");
            let Some(there) = self.describe(&id).await.map_err(about(&thing))? else {
                continue;
            };
            if self
                .delete_for_good(&id, there.deleted_date().is_some())
                .await
                .map_err(about(&thing))?
            {
                gone.push(format!("{thing} is deleted for good"));
            }
        }
        Ok(gone)
    }
}

/// Why a secret is not the one of this client.
fn stale(there: Option<&DescribeSecretOutput>, of: Option<&Made>) -> Option<&'static str> {
    let Some(there) = there else { return Some(MISSING) };
    if there.deleted_date().is_some() {
        return Some("is about to be deleted");
    }
    let tag = there
        .tags()
        .iter()
        .find(|tag| tag.key() == Some(CLIENT))
        .and_then(Tag::value);
    match of {
        Some(of) if tag != Some(of.id.as_str()) => Some("is of another app client"),
        _ => None,
    }
}

fn suffix(arn: &str, thing: &str) -> Result<SecretSuffix, String> {
    let suffix = arn.rsplit_once('-').map_or("", |(_, suffix)| suffix);
    suffix
        .parse()
        .map_err(|error| format!("{thing}: its ARN `{arn}`: {error}"))
}
