//! The tenant's role.

use std::collections::BTreeMap;

use aws_sdk_iam::types::{Role, Tag};
use jiff::Timestamp;

use super::{Provision, about, found, says};
use crate::aws::Service;
use crate::iam::DocumentKind;
use crate::ids::TenantId;
use crate::tenant::revocation;
use crate::tenant::wanted::{Wanted, WantedRole};
use crate::tenant::{Care, Difference, MISSING};

/// What the role's one inline policy is called.
const POLICY: &str = "tenant-role";

/// The tag that says whose role it is.
const TAG: &str = "bpnl";

impl Provision {
    /// Compares the role with what it should be.
    pub(super) async fn role(&self, wanted: &Wanted, care: Care) -> Result<Vec<Difference>, String> {
        let Some(role) = &wanted.role else {
            return Ok(Vec::new());
        };
        let thing = format!("the role `{}`", role.name);
        let Some(there) = self.there(&role.name).await? else {
            if care == Care::Mend {
                self.make_role(role, wanted.tenant).await?;
                self.policies(role, wanted.tenant, care).await?;
            }
            return Ok(vec![Difference::new(thing, MISSING)]);
        };
        let mut all = Vec::new();
        self.is_ours(&there, role, wanted.tenant, care, &mut all)?;
        let trust = decoded(there.assume_role_policy_document().unwrap_or_default());
        if !says(&trust, &role.trust, DocumentKind::Trust) {
            if care == Care::Mend {
                let call = self.iam.update_assume_role_policy().role_name(&role.name);
                let call = call.policy_document(&role.trust).send();
                let put = self.call(Service::Iam, "UpdateAssumeRolePolicy", call).await;
                put.map_err(about(&thing))?;
            }
            all.push(Difference::new(&thing, "is trusted otherwise than `tenant-trust` says"));
        }
        all.extend(self.policies(role, wanted.tenant, care).await?);
        Ok(all)
    }

    /// What nobody may change here: whose role it is, and its boundary.
    fn is_ours(
        &self,
        there: &Role,
        wanted: &WantedRole,
        tenant: TenantId,
        care: Care,
        all: &mut Vec<Difference>,
    ) -> Result<(), String> {
        let thing = format!("the role `{}`", wanted.name);
        let tag = there.tags().iter().find(|tag| tag.key() == TAG).map(Tag::value);
        let boundary = there
            .permissions_boundary()
            .and_then(|boundary| boundary.permissions_boundary_arn());
        let mut problems = Vec::new();
        if tag != Some(tenant.as_str()) {
            let has = tag.map_or("no tag `bpnl`".to_owned(), |tag| format!("the tag `bpnl` = `{tag}`"));
            problems.push(format!(
                "has {has} and is not Tidegate's; rename or delete it, or tag it if it is"
            ));
        }
        if boundary != Some(wanted.boundary.as_str()) {
            let has = boundary.map_or("no boundary".to_owned(), |boundary| {
                format!("the boundary `{boundary}`")
            });
            let problem = format!(
                "has {has} in the place of `{}`, which only an administrator may change",
                wanted.boundary
            );
            problems.push(problem);
        }
        match (care, problems.is_empty()) {
            (Care::Mend, false) => Err(format!("{thing} {}", problems.join("; it "))),
            _ => {
                all.extend(problems.into_iter().map(|problem| Difference::new(&thing, problem)));
                Ok(())
            }
        }
    }

    /// The role's inline policies: those there should be, and no other. A deny of the tenant's own sessions of before takes nothing
    /// from anyone once it is spent, and goes with the next mending.
    async fn policies(&self, role: &WantedRole, tenant: TenantId, care: Care) -> Result<Vec<Difference>, String> {
        let thing = format!("the role `{}`", role.name);
        let revocation = revocation::name(tenant);
        let listed = self.inline(&role.name).await?;
        let mut all = Vec::new();
        let wanted = [(POLICY, Some(&role.policy)), (&revocation, role.revocation.as_ref())];
        let wanted: BTreeMap<&str, &String> = wanted
            .into_iter()
            .filter_map(|(name, text)| Some((name, text?)))
            .collect();
        for extra in listed.iter().filter(|name| !wanted.contains_key(name.as_str())) {
            if care == Care::Mend {
                self.drop_policy(&role.name, extra).await?;
            }
            if *extra != revocation {
                let problem = format!("has the policy `{extra}`, which is none of Tidegate's");
                all.push(Difference::new(&thing, problem));
            }
        }
        for (name, should) in wanted {
            let text = match listed.iter().any(|listed| listed == name) {
                true => self.policy(&role.name, name).await?,
                false => None,
            };
            let problem = match text {
                Some(text) if says(&text, should, DocumentKind::Identity) => continue,
                Some(_) => format!("has another policy `{name}` than it should"),
                None => format!("has no policy `{name}`"),
            };
            if care == Care::Mend {
                self.put_policy(&role.name, name, should).await?;
            }
            all.push(Difference::new(&thing, problem));
        }
        let call = self.iam.list_attached_role_policies().role_name(&role.name).send();
        let attached = self
            .call(Service::Iam, "ListAttachedRolePolicies", call)
            .await
            .map_err(about(&thing))?;
        for policy in attached.attached_policies() {
            let arn = policy.policy_arn().unwrap_or_default();
            let problem = format!("has the managed policy `{arn}` attached, which only an administrator may detach");
            match care {
                Care::Mend => return Err(format!("{thing} {problem}")),
                Care::Look => all.push(Difference::new(&thing, problem)),
            }
        }
        Ok(all)
    }

    async fn make_role(&self, role: &WantedRole, tenant: TenantId) -> Result<(), String> {
        let thing = format!("the role `{}`", role.name);
        let tag = |key: &str, value: &str| {
            let tag = Tag::builder().key(key).value(value).build();
            tag.map_err(|error| format!("{thing}: {error}"))
        };
        let call = self
            .iam
            .create_role()
            .role_name(&role.name)
            .permissions_boundary(&role.boundary);
        let call = call
            .assume_role_policy_document(&role.trust)
            .tags(tag(TAG, tenant.as_str())?);
        let call = call.description(format!("Tidegate: sessions of {tenant}"));
        let made = self.call(Service::Iam, "CreateRole", call.send()).await;
        made.map(drop).map_err(about(&thing))
    }

    /// Denies what sessions of before may still do. Denies of others that refuse nobody any more go, where one role serves all.
    pub(in crate::tenant) async fn revoke(&self, wanted: &Wanted, at: Timestamp) -> Result<Vec<String>, String> {
        let names = self.account.names();
        let name = names.role_name(self.account.isolation(), wanted.tenant);
        if self.there(&name).await?.is_none() {
            return Ok(Vec::new());
        }
        let own = revocation::name(wanted.tenant);
        for other in self.inline(&name).await? {
            let one = other != own && other.starts_with("sessions-of-before-");
            let text = if one { self.policy(&name, &other).await? } else { None };
            if text.is_some_and(|text| revocation::is_spent(&text, at)) {
                self.drop_policy(&name, &other).await?;
            }
        }
        self.put_policy(&name, &own, &revocation::document(wanted.tenant, at))
            .await?;
        Ok(vec![format!(
            "sessions of `{name}` for {} issued before {at} may do nothing any more",
            wanted.tenant
        )])
    }

    /// Deletes the role with its policies. Sessions of it end with it: one of the same name is another to AWS.
    pub(super) async fn delete_role(&self, wanted: &Wanted) -> Result<Vec<String>, String> {
        let Some(role) = &wanted.role else {
            return Ok(Vec::new());
        };
        let Some(there) = self.there(&role.name).await? else {
            return Ok(Vec::new());
        };
        let tag = there.tags().iter().find(|tag| tag.key() == TAG).map(Tag::value);
        let thing = format!("the role `{}`", role.name);
        if tag != Some(wanted.tenant.as_str()) {
            return Err(format!(
                "{thing} does not have the tag `bpnl` = `{}`, so it is not Tidegate's and stays",
                wanted.tenant
            ));
        }
        for policy in self.inline(&role.name).await? {
            self.drop_policy(&role.name, &policy).await?;
        }
        let call = self.iam.delete_role().role_name(&role.name).send();
        self.call(Service::Iam, "DeleteRole", call)
            .await
            .map_err(about(&thing))?;
        Ok(vec![format!("{thing} is deleted")])
    }

    async fn there(&self, name: &str) -> Result<Option<Role>, String> {
        let call = self.iam.get_role().role_name(name).send();
        let got = found(self.call(Service::Iam, "GetRole", call).await);
        let got = got.map_err(about(&format!("the role `{name}`")))?;
        Ok(got.and_then(|got| got.role))
    }

    async fn inline(&self, role: &str) -> Result<Vec<String>, String> {
        let call = self.iam.list_role_policies().role_name(role).send();
        let listed = self.call(Service::Iam, "ListRolePolicies", call).await;
        Ok(listed.map_err(about(&format!("the role `{role}`")))?.policy_names)
    }

    async fn policy(&self, role: &str, name: &str) -> Result<Option<String>, String> {
        let call = self.iam.get_role_policy().role_name(role).policy_name(name).send();
        let got = found(self.call(Service::Iam, "GetRolePolicy", call).await);
        let got = got.map_err(about(&format!("the policy `{name}` of the role `{role}`")))?;
        Ok(got.map(|got| decoded(&got.policy_document)))
    }

    async fn put_policy(&self, role: &str, name: &str, text: &str) -> Result<(), String> {
        let call = self.iam.put_role_policy().role_name(role).policy_name(name);
        let put = self
            .call(Service::Iam, "PutRolePolicy", call.policy_document(text).send())
            .await;
        put.map(drop)
            .map_err(about(&format!("the policy `{name}` of the role `{role}`")))
    }

    async fn drop_policy(&self, role: &str, name: &str) -> Result<(), String> {
        let call = self.iam.delete_role_policy().role_name(role).policy_name(name).send();
        let dropped = found(self.call(Service::Iam, "DeleteRolePolicy", call).await);
        dropped
            .map(drop)
            .map_err(about(&format!("the policy `{name}` of the role `{role}`")))
    }
}

/// A document as it was put: IAM gives it back percent-encoded (RFC 3986).
fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}
