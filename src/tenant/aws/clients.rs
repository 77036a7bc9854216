//! The tenant's resource server and the app clients of its machines.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cognitoidentityprovider::types::{
    OAuthFlowType, ResourceServerScopeType, TimeUnitsType, TokenValidityUnitsType, UserPoolClientType,
};
use secrecy::SecretString;

use super::{Provision, about, found};
use crate::aws::Service;
use crate::ids::{ClientId, SecretName};
use crate::tenant::wanted::{Purpose, Wanted, WantedClient};
use crate::tenant::{Care, Difference, MISSING};

/// How long an access token of a machine is good, in minutes. Short, for it cannot be taken back.
const TOKEN_MINUTES: i32 = 15;

/// An app client that is there.
pub(super) struct Made {
    pub(super) purpose: Purpose,
    pub(super) secret: SecretName,
    pub(super) id: ClientId,
    /// What the client proves itself with.
    pub(super) value: SecretString,
}

impl Provision {
    /// Compares the tenant's resource server with what it should be.
    pub(super) async fn server(&self, wanted: &Wanted, care: Care) -> Result<Vec<Difference>, String> {
        let pool = self.account.names().user_pool();
        let thing = format!("the resource server `{}`", wanted.server);
        let call = self
            .idp
            .describe_resource_server()
            .user_pool_id(pool)
            .identifier(&wanted.server)
            .send();
        let got = found(self.call(Service::CognitoIdp, "DescribeResourceServer", call).await).map_err(about(&thing))?;
        let there = got.and_then(|got| got.resource_server);
        let scopes = || {
            let scope = |(name, description): (&str, &str)| {
                let scope = ResourceServerScopeType::builder()
                    .scope_name(name)
                    .scope_description(description)
                    .build();
                scope.map_err(|error| format!("{thing}: {error}"))
            };
            Wanted::scopes().map(scope).collect::<Result<Vec<_>, _>>()
        };
        let Some(there) = there else {
            if care == Care::Mend {
                let call = self
                    .idp
                    .create_resource_server()
                    .user_pool_id(pool)
                    .identifier(&wanted.server);
                let call = call.name(wanted.tenant.to_string()).set_scopes(Some(scopes()?)).send();
                self.call(Service::CognitoIdp, "CreateResourceServer", call)
                    .await
                    .map_err(about(&thing))?;
            }
            return Ok(vec![Difference::new(thing, MISSING)]);
        };
        let has: BTreeSet<_> = there.scopes().iter().map(ResourceServerScopeType::scope_name).collect();
        if has == Wanted::scopes().map(|(scope, _)| scope).collect() {
            return Ok(Vec::new());
        }
        if care == Care::Mend {
            let call = self
                .idp
                .update_resource_server()
                .user_pool_id(pool)
                .identifier(&wanted.server);
            let call = call.name(wanted.tenant.to_string()).set_scopes(Some(scopes()?)).send();
            self.call(Service::CognitoIdp, "UpdateResourceServer", call)
                .await
                .map_err(about(&thing))?;
        }
        Ok(vec![Difference::new(thing, "has other scopes")])
    }

    /// Compares the tenant's app clients with what they should be, and gives those that are there.
    pub(super) async fn clients(&self, wanted: &Wanted, care: Care) -> Result<(Vec<Difference>, Vec<Made>), String> {
        let (mut all, mut made) = (Vec::new(), Vec::new());
        for client in &wanted.clients {
            let thing = format!("the app client `{}`", client.name);
            let there = match self.client_id(client).await? {
                Some(id) => Some(self.describe_client(&id, &thing).await?),
                None => None,
            };
            let problem = match &there {
                None => Some(MISSING),
                Some(there) => otherwise(there, client),
            };
            let there = match (there, problem, care) {
                (None, _, Care::Mend) => Some(self.make_client(client, &thing).await?),
                (Some(there), Some(_), Care::Mend) => Some(self.update_client(&there, client, &thing).await?),
                (there, _, _) => there,
            };
            all.extend(problem.map(|problem| Difference::new(&thing, problem)));
            if let Some(there) = there {
                made.push(as_made(there, client, &thing)?);
            }
        }
        Ok((all, made))
    }

    /// The id of the client of that name. Names are not unique in Cognito, so two of one name are a conflict.
    async fn client_id(&self, client: &WantedClient) -> Result<Option<String>, String> {
        let mut listed = self.listed.lock().await;
        if listed.is_none() {
            *listed = Some(self.list_clients().await?);
        }
        let ids = listed.as_ref().and_then(|listed| listed.get(&client.name));
        match ids.map(Vec::as_slice) {
            None | Some([]) => Ok(None),
            Some([one]) => Ok(Some(one.clone())),
            Some(many) => Err(format!(
                "there are {} app clients `{}` ({}); delete all but the one that is in use",
                many.len(),
                client.name,
                many.join(", ")
            )),
        }
    }

    async fn list_clients(&self) -> Result<BTreeMap<String, Vec<String>>, String> {
        let (mut listed, mut from) = (BTreeMap::<String, Vec<String>>::new(), None);
        loop {
            let call = self
                .idp
                .list_user_pool_clients()
                .user_pool_id(self.account.names().user_pool());
            let call = call.max_results(60).set_next_token(from).send();
            let page = self.call(Service::CognitoIdp, "ListUserPoolClients", call).await;
            let page = page.map_err(about("the app clients of the user pool"))?;
            for client in page.user_pool_clients() {
                let (Some(name), Some(id)) = (client.client_name(), client.client_id()) else {
                    continue;
                };
                listed.entry(name.to_owned()).or_default().push(id.to_owned());
            }
            from = page.next_token;
            if from.is_none() {
                return Ok(listed);
            }
        }
    }

    pub(super) async fn describe_client(&self, id: &str, thing: &str) -> Result<UserPoolClientType, String> {
        let call = self
            .idp
            .describe_user_pool_client()
            .user_pool_id(self.account.names().user_pool());
        let got = self
            .call(Service::CognitoIdp, "DescribeUserPoolClient", call.client_id(id).send())
            .await;
        let got = got.map_err(about(thing))?;
        got.user_pool_client
            .ok_or_else(|| format!("{thing}: Cognito describes nothing"))
    }

    async fn make_client(&self, client: &WantedClient, thing: &str) -> Result<UserPoolClientType, String> {
        let call = self
            .idp
            .create_user_pool_client()
            .user_pool_id(self.account.names().user_pool());
        let call = call.client_name(&client.name).generate_secret(true);
        let call = call
            .allowed_o_auth_flows_user_pool_client(true)
            .allowed_o_auth_flows(OAuthFlowType::ClientCredentials);
        let call = call
            .set_allowed_o_auth_scopes(Some(client.scopes.clone()))
            .enable_token_revocation(true);
        let call = call
            .access_token_validity(TOKEN_MINUTES)
            .token_validity_units(minutes());
        let made = self
            .call(Service::CognitoIdp, "CreateUserPoolClient", call.send())
            .await;
        let made = made.map_err(about(thing))?.user_pool_client;
        let made = made.ok_or_else(|| format!("{thing}: Cognito made nothing"))?;
        let mut listed = self.listed.lock().await;
        let ids = listed.get_or_insert_default().entry(client.name.clone()).or_default();
        ids.extend(made.client_id().map(str::to_owned));
        Ok(made)
    }

    /// Puts a client right. What an update does not name is set to its default, so it names all there is.
    async fn update_client(
        &self,
        there: &UserPoolClientType,
        client: &WantedClient,
        thing: &str,
    ) -> Result<UserPoolClientType, String> {
        let id = there.client_id().unwrap_or_default();
        if there.client_secret().is_none() {
            return Err(format!(
                "{thing} ({id}) has no secret and cannot be given one; delete it, and run this again"
            ));
        }
        let call = self
            .idp
            .update_user_pool_client()
            .user_pool_id(self.account.names().user_pool());
        let call = call.client_id(id).client_name(&client.name);
        let call = call
            .allowed_o_auth_flows_user_pool_client(true)
            .allowed_o_auth_flows(OAuthFlowType::ClientCredentials);
        let call = call
            .set_allowed_o_auth_scopes(Some(client.scopes.clone()))
            .enable_token_revocation(true);
        let call = call
            .access_token_validity(TOKEN_MINUTES)
            .token_validity_units(minutes());
        self.call(Service::CognitoIdp, "UpdateUserPoolClient", call.send())
            .await
            .map_err(about(thing))?;
        self.describe_client(id, thing).await
    }

    /// Deletes the tenant's app clients and its resource server.
    pub(super) async fn delete_clients(&self, wanted: &Wanted) -> Result<Vec<String>, String> {
        let pool = self.account.names().user_pool();
        let mut gone = Vec::new();
        for client in &wanted.clients {
            let thing = format!("the app client `{}`", client.name);
            let Some(id) = self.client_id(client).await? else {
                continue;
            };
            let call = self
                .idp
                .delete_user_pool_client()
                .user_pool_id(pool)
                .client_id(&id)
                .send();
            let deleted = found(self.call(Service::CognitoIdp, "DeleteUserPoolClient", call).await);
            if deleted.map_err(about(&thing))?.is_some() {
                gone.push(format!("{thing} is deleted"));
            }
            if let Some(listed) = self.listed.lock().await.as_mut() {
                listed.remove(&client.name);
            }
        }
        let thing = format!("the resource server `{}`", wanted.server);
        let call = self
            .idp
            .delete_resource_server()
            .user_pool_id(pool)
            .identifier(&wanted.server)
            .send();
        let deleted = found(self.call(Service::CognitoIdp, "DeleteResourceServer", call).await);
        if deleted.map_err(about(&thing))?.is_some() {
            gone.push(format!("{thing} is deleted"));
        }
        Ok(gone)
    }
}

fn minutes() -> TokenValidityUnitsType {
    TokenValidityUnitsType::builder()
        .access_token(TimeUnitsType::Minutes)
        .build()
}

/// What of a client is otherwise than it should be.
fn otherwise(there: &UserPoolClientType, client: &WantedClient) -> Option<&'static str> {
    let has: BTreeSet<_> = there.allowed_o_auth_scopes().iter().collect();
    if there.client_secret().is_none() {
        return Some("has no secret");
    }
    if there.allowed_o_auth_flows() != [OAuthFlowType::ClientCredentials] {
        return Some("is not for `client_credentials` alone");
    }
    if has != client.scopes.iter().collect() {
        return Some("may ask for other scopes");
    }
    None
}

fn as_made(there: UserPoolClientType, client: &WantedClient, thing: &str) -> Result<Made, String> {
    let id = there.client_id().unwrap_or_default();
    let id = id.parse().map_err(|error| format!("{thing}: {error}"))?;
    Ok(Made {
        purpose: client.purpose,
        secret: client.secret.clone(),
        id,
        value: there.client_secret.unwrap_or_default().into(),
    })
}
