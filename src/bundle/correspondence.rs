//! The correspondence of layers: how a Cedar action becomes a question to IAM.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::iam::{AwsNames, Document, Isolation, Params};
use crate::ids::TenantId;
use crate::question::{Action, EntityKind, EntityRef, Question, Value};

/// The names of the deployment in AWS, as they are written down.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AwsRow {
    partition: String,
    region: String,
    account: String,
    bucket: String,
    identity_pool: String,
    user_pool: String,
    isolation: Isolation,
}

impl AwsRow {
    fn names(&self) -> Result<AwsNames, String> {
        let (pool, users) = (&self.identity_pool, &self.user_pool);
        let names = AwsNames::new(&self.partition, &self.region, &self.account, &self.bucket, pool, users);
        names.map_err(|error| format!("[aws]: {error}"))
    }
}

/// The table of `policies/correspondence.toml`.
#[derive(Clone, Debug)]
pub struct Correspondence {
    /// The names under `[aws]`.
    pub aws: AwsNames,
    /// How tenants are kept apart, under `[aws]`.
    pub isolation: Isolation,
    rows: BTreeMap<Action, Row>,
}

#[derive(Clone, Debug)]
enum Row {
    Iam(IamRow),
    CedarOnly(String),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct IamRow {
    cedar: Vec<String>,
    actions: Vec<String>,
    resource: String,
    session: Option<String>,
    #[serde(default)]
    caller: Caller,
    #[serde(default)]
    context: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CedarOnlyRow {
    cedar: Vec<String>,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    aws: AwsRow,
    iam: Vec<IamRow>,
    cedar_only: Vec<CedarOnlyRow>,
}

/// Who makes the request to AWS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Caller {
    /// A session of the acting tenant's role.
    #[default]
    Role,
    /// Someone who has no role yet, for whom the identity pool vouches; the role's trust policy decides.
    IdentityPool,
}

/// What a question means to the IAM layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mapping<'a> {
    /// AWS is not asked; the text says why.
    NotApplicable(String),
    /// The question lacks what the table needs, so nothing can be granted; the text says what.
    Unanswerable(String),
    /// AWS is asked.
    Ask(IamAsk<'a>),
}

/// One question to IAM, which may be several actions on one resource, all of which must be allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IamAsk<'a> {
    /// The IAM actions.
    pub actions: &'a [String],
    /// The ARN.
    pub resource: String,
    /// Condition keys of the request and their values.
    pub context: Vec<(&'a str, String)>,
    /// Whose role is in force: the tenant the principal acts for.
    pub acting: TenantId,
    /// Whose the resource is.
    pub owner: TenantId,
    /// Values for the template parameters of the session policy: those of the resource, and `partner` where a partner asks.
    pub parameters: Vec<(&'static str, String)>,
    /// The session policy's document, where one is in force.
    pub session: Option<&'a str>,
    /// Who makes the request.
    pub caller: Caller,
}

impl Correspondence {
    /// Reads the table.
    ///
    /// # Errors
    /// Says what is wrong: a syntax error with its place, an unknown member or action, an action that stands twice.
    pub fn parse(text: &str) -> Result<Self, String> {
        let table: Table = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut rows = BTreeMap::new();
        let iam = table.iam.into_iter().map(|row| (row.cedar.clone(), Row::Iam(row)));
        let cedar_only = table
            .cedar_only
            .into_iter()
            .map(|row| (row.cedar, Row::CedarOnly(row.reason)));
        for (names, row) in iam.chain(cedar_only) {
            for name in names {
                let action: Action = name.parse().map_err(|error| format!("{error}"))?;
                if rows.insert(action, row.clone()).is_some() {
                    return Err(format!("the action `{action}` stands twice"));
                }
            }
        }
        Ok(Self {
            aws: table.aws.names()?,
            isolation: table.aws.isolation,
            rows,
        })
    }

    /// What is wrong with the table, given the documents of the bundle: actions it does not cover, session policies it names
    /// that are not there.
    pub fn problems(&self, documents: &BTreeMap<String, Document>) -> Vec<String> {
        let mut problems = Vec::new();
        for action in Action::ALL {
            let Some(row) = self.rows.get(action) else {
                let help = "give it a row under [[iam]], or under [[cedar_only]] with the reason";
                problems.push(format!("the action `{action}` is not covered; {help}"));
                continue;
            };
            let Row::Iam(row) = row else { continue };
            if let Some(name) = row.session.as_ref().filter(|name| !documents.contains_key(*name)) {
                problems.push(format!(
                    "the action `{action}` needs the document `policies/iam/{name}.json`"
                ));
            }
            if row.actions.is_empty() {
                problems.push(format!(
                    "the action `{action}` has no IAM action; use [[cedar_only]] if that is meant"
                ));
            }
        }
        problems.dedup();
        problems
    }

    /// What `question` means to the IAM layer where tenants are kept apart by `isolation`.
    pub fn map(&self, question: &Question, isolation: Isolation) -> Mapping<'_> {
        let row = match self.rows.get(&question.action) {
            Some(Row::Iam(row)) => row,
            Some(Row::CedarOnly(reason)) => return Mapping::NotApplicable(reason.clone()),
            None => return Mapping::Unanswerable(format!("the action `{}` is not in the table", question.action)),
        };
        let Some(acting) = acting_tenant(question) else {
            return Mapping::Unanswerable("the question does not say for which tenant the principal acts".into());
        };
        let Some(owner) = tenant_of(question, &question.resource) else {
            return Mapping::Unanswerable("the question does not say which tenant the resource belongs to".into());
        };
        let parameters = parameters(question);
        let known = self.aws.params().with("bpnl", owner.as_str().to_owned());
        let known = known.with("role", self.aws.role_name(isolation, owner));
        let known = parameters
            .iter()
            .fold(known, |params, (name, value)| params.with(name, value.as_str()));
        let resource = match fill(&row.resource, &known) {
            Ok(resource) => resource,
            Err(missing) => {
                return Mapping::NotApplicable(format!("there is no such object: its `{missing}` is not known"));
            }
        };
        let mut context = Vec::with_capacity(row.context.len());
        for (key, value) in &row.context {
            match fill(value, &known) {
                Ok(value) => context.push((key.as_str(), value)),
                Err(missing) => return Mapping::Unanswerable(format!("`{missing}` is not known")),
            }
        }
        Mapping::Ask(IamAsk {
            actions: &row.actions,
            resource,
            context,
            acting,
            owner,
            parameters,
            session: row.session.as_deref(),
            caller: row.caller,
        })
    }
}

/// Puts values into the placeholders of `template`; the name of the first that has none is the error.
fn fill(template: &str, known: &Params<'_>) -> Result<String, String> {
    let mut out = String::with_capacity(template.len() + 64);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let (name, after) = after.split_once('}').ok_or(after)?;
        out.push_str(known.get(name).ok_or(name)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// The tenant whose role the principal acts with: a person's or a supplier system's own; for a partner, that of the
/// connector that carried the request, or that gave the partner its client.
fn acting_tenant(question: &Question) -> Option<TenantId> {
    let actor = match question.principal.kind {
        EntityKind::User | EntityKind::Integration => &question.principal,
        EntityKind::Partner => match question.context.get("connector").or(question.context.get("client")) {
            Some(Value::Entity(carrier)) => carrier,
            _ => return None,
        },
        _ => return None,
    };
    tenant_of(question, actor)
}

fn tenant_of(question: &Question, reference: &EntityRef) -> Option<TenantId> {
    match question.entity(reference)?.attrs.get("tenant") {
        Some(Value::Entity(tenant)) if tenant.kind == EntityKind::Tenant => tenant.id.parse().ok(),
        _ => None,
    }
}

/// What a template may say of the resource and of who asks.
fn parameters(question: &Question) -> Vec<(&'static str, String)> {
    let mut parameters = Vec::with_capacity(3);
    let attribute = |name: &str| match question.entity(&question.resource)?.attrs.get(name) {
        Some(Value::String(text)) => Some(text.to_string()),
        _ => None,
    };
    for name in ["product", "name", "suffix"] {
        parameters.extend(attribute(name).map(|value| (name, value)));
    }
    if question.resource.kind == EntityKind::Footprint {
        let local = question
            .resource
            .id
            .rsplit_once('/')
            .map_or(&*question.resource.id, |(_, local)| local);
        parameters.push(("pcf", local.to_owned()));
    }
    if question.principal.kind == EntityKind::Partner {
        parameters.push(("partner", question.principal.id.to_string()));
    }
    parameters
}
