//! Roles of the account that are none of the platform's, and may reach what is the tenants' all the same.
//!
//! The policy of the bucket and of each secret lets nobody read but sessions of tenants' roles, and nobody of another account do
//! anything; it does not keep an administrator of the account from writing. So each other role is asked about, with its own policies
//! and with the policy of the bucket: who reaches something is told. It is a finding where the role has the platform's prefix, for then
//! it is one of ours that nobody decided on, or one that wants to be taken for it.

use super::export::Role;
use super::finding::{Finding, Rule};
use super::{Deployment, Export};
use crate::decision::IamDecision;
use crate::iam::{Context, Document, DocumentKind, Layers, Params, Principal, Request, evaluate};

const PREFIX: &str = "tidegate-";

/// A number that no company has: who reaches this tenant's things reaches those of any.
const ANY_TENANT: &str = "BPNL000000000000";

const ON_OBJECTS: [&str; 4] = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:PutObjectAcl"];
const ON_BUCKET: [&str; 4] = [
    "s3:ListBucket",
    "s3:PutBucketPolicy",
    "s3:DeleteBucketPolicy",
    "s3:PutBucketAcl",
];
const ON_SECRETS: [&str; 4] = [
    "secretsmanager:GetSecretValue",
    "secretsmanager:PutSecretValue",
    "secretsmanager:PutResourcePolicy",
    "secretsmanager:DeleteResourcePolicy",
];

pub(super) fn findings(deployment: &Deployment, export: &Export, notes: &mut Vec<String>) -> Vec<Finding> {
    let names = &deployment.names;
    let mut findings = Vec::new();
    let mut others = Vec::new();
    for role in &export.roles {
        if names.own_role(&names.arn_of_role(&role.name)).is_some() {
            continue;
        }
        let reach = Reach::of(role, deployment, export);
        let named = role.name.starts_with(PREFIX);
        let told = reach.told();
        match (named, told) {
            (true, Some(told)) => findings.push(Finding::new(Rule::Stranger, &role.name, told)),
            (true, None) => notes.push(format!(
                "the role `{}` is none of the platform's; its policies reach nothing of the tenants'",
                role.name
            )),
            (false, Some(told)) => others.push(format!("`{}` {told}", role.name)),
            (false, None) => {}
        }
    }
    if !others.is_empty() {
        notes.push(format!(
            "roles beside the platform's, with what they reach: {}",
            others.join("; ")
        ));
    }
    findings
}

/// What a role's policies let it do to the tenants' things.
struct Reach {
    actions: Vec<&'static str>,
    /// Policies that nobody can say the meaning of.
    unknown: Vec<String>,
}

impl Reach {
    fn of(role: &Role, deployment: &Deployment, export: &Export) -> Self {
        let mut unknown = Vec::new();
        let mut read = |name: &str, text: &str, kind| {
            let document = Document::parse_deployed(name, text, kind);
            document.map_err(|_| unknown.push(name.to_owned())).ok()
        };
        let inline = role.inline.iter().map(|(name, text)| (name, Some(text)));
        let attached = role.attached.iter().map(|arn| (arn, export.managed.get(arn)));
        let mut identity = Vec::new();
        let mut absent = Vec::new();
        for (name, text) in inline.chain(attached) {
            match text {
                Some(text) => identity.extend(read(name, text, DocumentKind::Identity)),
                None => absent.push(name.clone()),
            }
        }
        let boundary = role
            .boundary
            .as_ref()
            .and_then(|arn| Some((arn, export.managed.get(arn)?)));
        let boundary = boundary.and_then(|(arn, text)| read(arn, text, DocumentKind::Boundary));
        let policies = export.buckets.as_ref();
        let policy = policies.and_then(|buckets| buckets.get(deployment.names.bucket())?.as_ref());
        let guard = policy.and_then(|text| read("bucket-policy", text, DocumentKind::Resource));
        unknown.extend(absent);
        let identity: Vec<&Document> = identity.iter().collect();
        let layers = Layers {
            identity: &identity,
            boundary: boundary.as_ref(),
            ..Layers::default()
        };
        let guarded = Layers {
            resource: guard.as_ref(),
            ..layers
        };
        let names = &deployment.names;
        let transport = Context::new().with("aws:SecureTransport", "true");
        // A role that bears a tenant's tag is let by what goes by the tag, with that tenant's things.
        let tenant = role.tags.iter().find(|(key, _)| key.eq_ignore_ascii_case("bpnl"));
        let tenant = tenant.map_or(ANY_TENANT, |(_, tenant)| tenant);
        let bucket = names.bucket_arn();
        let object = format!("{bucket}/{tenant}/pcf/a/b.json");
        let secret = names.arn_of_secret(&format!("tidegate/{tenant}/edc-AbCdEf"));
        let ask = |action: &'static str, resource: &str, layers: &Layers<'_>| {
            let request = Request {
                principal: Principal::Role {
                    arn: role.arn.as_str().into(),
                },
                action,
                resource,
                resource_account: names.account(),
                context: role.tags.iter().fold(transport.clone(), |context, (key, value)| {
                    context.with(format!("aws:PrincipalTag/{key}"), value.as_str())
                }),
            };
            evaluate(&request, layers, &Params::new()).decision == IamDecision::Allowed
        };
        let mut actions = Vec::new();
        actions.extend(ON_OBJECTS.into_iter().filter(|action| ask(action, &object, &guarded)));
        actions.extend(ON_BUCKET.into_iter().filter(|action| ask(action, &bucket, &guarded)));
        actions.extend(ON_SECRETS.into_iter().filter(|action| ask(action, &secret, &layers)));
        Self { actions, unknown }
    }

    /// As the rest of a sentence that the role begins; `None` where it reaches nothing.
    fn told(&self) -> Option<String> {
        let mut told = Vec::new();
        if !self.actions.is_empty() {
            told.push(format!(
                "is allowed {} on what is the tenants'",
                self.actions.join(", ")
            ));
        }
        if !self.unknown.is_empty() {
            told.push(format!("has policies that cannot be read: {}", self.unknown.join(", ")));
        }
        (!told.is_empty()).then(|| told.join(", and "))
    }
}
