//! The tenant's groups in the user pool.

use super::{Provision, about, found};
use crate::aws::Service;
use crate::iam::mapping::Group;
use crate::tenant::wanted::Wanted;
use crate::tenant::{Care, Difference, MISSING};

impl Provision {
    /// Compares the tenant's groups with what they should be.
    pub(super) async fn groups(&self, wanted: &Wanted, care: Care) -> Result<Vec<Difference>, String> {
        let pool = self.account.names().user_pool();
        let mut all = Vec::new();
        for group in &wanted.groups {
            let thing = format!("the group `{}`", group.name);
            let call = self.idp.get_group().user_pool_id(pool).group_name(&group.name).send();
            let got = found(self.call(Service::CognitoIdp, "GetGroup", call).await).map_err(about(&thing))?;
            let Some(there) = got.and_then(|got| got.group) else {
                if care == Care::Mend {
                    self.make_group(group, &thing).await?;
                }
                all.push(Difference::new(thing, MISSING));
                continue;
            };
            let precedence = there.precedence().and_then(|precedence| u32::try_from(precedence).ok());
            let role = there.role_arn().filter(|role| !role.is_empty());
            let problem = match (role == group.role.as_deref(), precedence == group.precedence) {
                (true, true) => continue,
                (false, _) => format!(
                    "comes with the role {}, not {}",
                    shown(role),
                    shown(group.role.as_deref())
                ),
                (true, false) => format!("has precedence {precedence:?}, not {:?}", group.precedence),
            };
            if care == Care::Mend {
                // What is not said again is taken away.
                let call = self.idp.update_group().user_pool_id(pool).group_name(&group.name);
                let call = call
                    .set_role_arn(group.role.clone())
                    .set_precedence(cognito(group.precedence));
                let put = self.call(Service::CognitoIdp, "UpdateGroup", call.send()).await;
                put.map_err(about(&thing))?;
            }
            all.push(Difference::new(thing, problem));
        }
        if care == Care::Look {
            all.extend(self.extra_groups(wanted).await?);
        }
        Ok(all)
    }

    async fn make_group(&self, group: &Group, thing: &str) -> Result<(), String> {
        let call = self.idp.create_group().user_pool_id(self.account.names().user_pool());
        let call = call.group_name(&group.name).set_role_arn(group.role.clone());
        let call = call.set_precedence(cognito(group.precedence)).send();
        self.call(Service::CognitoIdp, "CreateGroup", call)
            .await
            .map(drop)
            .map_err(about(thing))
    }

    /// Groups with the tenant's number in their names that no company role asks for.
    async fn extra_groups(&self, wanted: &Wanted) -> Result<Vec<Difference>, String> {
        let prefix = format!("{}.", wanted.tenant);
        let (mut all, mut from) = (Vec::new(), None);
        loop {
            let call = self.idp.list_groups().user_pool_id(self.account.names().user_pool());
            let call = call.limit(60).set_next_token(from).send();
            let page = self.call(Service::CognitoIdp, "ListGroups", call).await;
            let page = page.map_err(about("the groups of the user pool"))?;
            for name in page.groups().iter().filter_map(|group| group.group_name()) {
                let known = wanted.groups.iter().any(|group| group.name == name);
                if name.starts_with(&prefix) && !known {
                    all.push(Difference::new(
                        format!("the group `{name}`"),
                        "is none that a policy knows; delete it",
                    ));
                }
            }
            from = page.next_token;
            if from.is_none() {
                return Ok(all);
            }
        }
    }

    /// Deletes the tenant's groups; people stay in the pool, without a group of this tenant.
    pub(super) async fn delete_groups(&self, wanted: &Wanted) -> Result<Vec<String>, String> {
        let mut gone = 0;
        for group in &wanted.groups {
            let call = self.idp.delete_group().user_pool_id(self.account.names().user_pool());
            let call = call.group_name(&group.name).send();
            let deleted = found(self.call(Service::CognitoIdp, "DeleteGroup", call).await);
            gone += usize::from(
                deleted
                    .map_err(about(&format!("the group `{}`", group.name)))?
                    .is_some(),
            );
        }
        Ok(if gone == 0 {
            Vec::new()
        } else {
            vec![format!("{gone} groups are deleted")]
        })
    }
}

fn shown(role: Option<&str>) -> String {
    role.map_or("none".to_owned(), |role| format!("`{role}`"))
}

/// A precedence as Cognito's API has it.
fn cognito(precedence: Option<u32>) -> Option<i32> {
    precedence.and_then(|precedence| i32::try_from(precedence).ok())
}
