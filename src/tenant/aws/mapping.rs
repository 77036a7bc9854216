//! The identity pool: one for all tenants, looked at each time and mended where that is one's own.

use std::collections::HashMap;

use aws_sdk_cognitoidentity::types::{AmbiguousRoleResolutionType, RoleMapping, RoleMappingType};

use super::{Provision, about};
use crate::aws::Service;
use crate::groups::TENANT_CLAIM;
use crate::tenant::{Care, Difference};

/// The session tag that says for whom.
const TAG: &str = "bpnl";

impl Provision {
    /// Compares the identity pool with what it should be.
    pub(super) async fn mapping(&self, care: Care) -> Result<Vec<Difference>, String> {
        let mut all = self.pool_itself(care).await?;
        all.extend(self.mapped(care).await?);
        all.extend(self.tagged(care).await?);
        all.extend(self.people(care).await?);
        Ok(all)
    }

    /// The user pool, as the identity pool names it.
    pub(super) fn user_pool(&self) -> String {
        let names = self.account.names();
        let (region, domain, pool) = (names.region(), names.domain(), names.user_pool());
        format!("cognito-idp.{region}.{domain}/{pool}")
    }

    /// People of the user pool who signed in through the tenants' client: whom roles are mapped for.
    fn provider(&self) -> String {
        format!("{}:{}", self.user_pool(), self.setting.people_client)
    }

    /// What only an administrator may change: no guests, no classic flow, and whether a login is still good is looked at.
    async fn pool_itself(&self, care: Care) -> Result<Vec<Difference>, String> {
        let id = self.account.names().identity_pool();
        let thing = format!("the identity pool `{id}`");
        let call = self.identity.describe_identity_pool().identity_pool_id(id).send();
        let pool = self
            .call(Service::CognitoIdentity, "DescribeIdentityPool", call)
            .await
            .map_err(about(&thing))?;
        let provider = self.user_pool();
        let ours = pool.cognito_identity_providers().iter().find(|known| {
            known.provider_name() == Some(&provider) && known.client_id() == Some(self.setting.people_client.as_str())
        });
        let mut problems = Vec::new();
        if pool.allow_classic_flow() == Some(true) {
            problems.push("has the classic flow on, in which whoever signs in names their role".to_owned());
        }
        if pool.allow_unauthenticated_identities() {
            problems.push("lets guests in".to_owned());
        }
        match ours {
            None => problems.push(format!(
                "does not know the user pool's client `{}`",
                self.setting.people_client
            )),
            Some(known) if known.server_side_token_check() != Some(true) => {
                problems.push("does not look whether a login is still good (server side token check)".to_owned());
            }
            Some(_) => {}
        }
        for_administrators(&thing, problems, care)
    }

    /// Roles are chosen by the token, and where it names no one role, none is.
    async fn mapped(&self, care: Care) -> Result<Vec<Difference>, String> {
        let id = self.account.names().identity_pool();
        let thing = format!("the identity pool `{id}`");
        let call = self.identity.get_identity_pool_roles().identity_pool_id(id).send();
        let there = self
            .call(Service::CognitoIdentity, "GetIdentityPoolRoles", call)
            .await
            .map_err(about(&thing))?;
        let roles = there.roles.unwrap_or_default();
        let mut mappings = there.role_mappings.unwrap_or_default();
        let provider = self.provider();
        let sound = mappings.get(&provider).is_some_and(|mapping| {
            *mapping.r#type() == RoleMappingType::Token
                && mapping.ambiguous_role_resolution() == Some(&AmbiguousRoleResolutionType::Deny)
        });
        if sound {
            return Ok(Vec::new());
        }
        if care == Care::Mend {
            let mapping = RoleMapping::builder()
                .r#type(RoleMappingType::Token)
                .ambiguous_role_resolution(AmbiguousRoleResolutionType::Deny)
                .build()
                .map_err(|error| format!("{thing}: {error}"))?;
            mappings.insert(provider.clone(), mapping);
            // One call sets all mappings, so those of others are said again.
            let call = self.identity.set_identity_pool_roles().identity_pool_id(id);
            let call = call.set_roles(Some(roles)).set_role_mappings(Some(mappings)).send();
            self.call(Service::CognitoIdentity, "SetIdentityPoolRoles", call)
                .await
                .map_err(about(&thing))?;
        }
        Ok(vec![Difference::new(
            thing,
            format!("does not map people of `{provider}` by their token, ambiguous is deny"),
        )])
    }

    /// Sessions are tagged with the tenant the token names.
    async fn tagged(&self, care: Care) -> Result<Vec<Difference>, String> {
        let (id, provider) = (self.account.names().identity_pool(), self.user_pool());
        let thing = format!("the identity pool `{id}`");
        let call = self.identity.get_principal_tag_attribute_map().identity_pool_id(id);
        let call = call.identity_provider_name(&provider).send();
        let there = super::found(
            self.call(Service::CognitoIdentity, "GetPrincipalTagAttributeMap", call)
                .await,
        );
        let there = there.map_err(about(&thing))?;
        let wanted = HashMap::from([(TAG.to_owned(), TENANT_CLAIM.to_owned())]);
        if there.is_some_and(|there| there.principal_tags() == Some(&wanted) && there.use_defaults() != Some(true)) {
            return Ok(Vec::new());
        }
        if care == Care::Mend {
            let call = self.identity.set_principal_tag_attribute_map().identity_pool_id(id);
            let call = call
                .identity_provider_name(&provider)
                .use_defaults(false)
                .set_principal_tags(Some(wanted))
                .send();
            let put = self
                .call(Service::CognitoIdentity, "SetPrincipalTagAttributeMap", call)
                .await;
            put.map_err(about(&thing))?;
        }
        Ok(vec![Difference::new(
            thing,
            format!("does not tag sessions `{TAG}` from `{TENANT_CLAIM}` alone"),
        )])
    }

    /// People must not be able to say themselves of which tenant they are.
    async fn people(&self, care: Care) -> Result<Vec<Difference>, String> {
        let thing = format!(
            "the app client `{}`, through which people sign in,",
            self.setting.people_client
        );
        let client = self
            .describe_client(self.setting.people_client.as_str(), &thing)
            .await?;
        let mut problems = Vec::new();
        // A client of which nothing is said may write everything.
        match client.write_attributes.as_deref() {
            None | Some([]) => problems.push(format!(
                "does not say what people may change, so they may change `{TENANT_CLAIM}`"
            )),
            Some(may) if may.iter().any(|name| name == TENANT_CLAIM) => {
                problems.push(format!("lets people change `{TENANT_CLAIM}`"));
            }
            Some(_) => {}
        }
        for_administrators(&thing, problems, care)
    }
}

/// Differences that are told, or, where they are to be mended, keep everything else from being made.
fn for_administrators(thing: &str, problems: Vec<String>, care: Care) -> Result<Vec<Difference>, String> {
    match (care, problems.is_empty()) {
        (Care::Mend, false) => Err(format!(
            "{thing} {}; only an administrator may change that",
            problems.join(", and ")
        )),
        _ => Ok(problems
            .into_iter()
            .map(|problem| Difference::new(thing, problem))
            .collect()),
    }
}
