//! Calls by which one tenant might reach another's things, and for which neither Tidegate nor the corpus has a question.
//!
//! Whoever holds a session of a tenant's role can ask AWS for anything: by a secret's name, many secrets at once, a prefix
//! without its slash, an old version, another tenant's role. Each row is one such request; beside the emulator's answer stands what
//! `iam::evaluate` says under the account's documents.
//!
//! The rows are in two files: `attempts` are made under the documents as they are, `planted` with a mistake in the role's policy,
//! to see that the other documents hold, and that the judge sees a leak where there is one.

mod attempts;
mod planted;

use serde_json::{Value, json};
use tidegate::bundle::Bundle;
use tidegate::decision::IamDecision;
use tidegate::iam::{self, Context, Document, DocumentKind, Isolation, Layers, Params, Principal, SessionPolicy};

use crate::Failure;
use crate::call::{AMR, Answer, NoCall, Request};
use crate::deployment::{Caller, Deployment, Plan};
use crate::report::{Judged, Unasked, Verdicts};

const OWN: &str = "BPNL000000000DWF";
const OTHER: &str = "BPNL00000000B2CD";
/// No BPNL, but nothing in AWS keeps someone from such a name, and the own one is its beginning.
const SIBLING: &str = "BPNL000000000DWFX";
/// A tenant whose role nobody needs.
const SPARE: &str = "BPNL0000000000ZZ";

/// Who makes the call of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    /// A session of the role of [`OWN`].
    Tenant,
    /// A session of the role that serves all tenants.
    Pool,
    Service,
    Provisioning,
    /// Someone with a token of an identity pool.
    Nobody,
}

#[derive(Clone, Debug)]
struct Row {
    name: &'static str,
    who: Who,
    /// The tag `bpnl` of the session.
    tag: Option<&'static str>,
    /// A session policy with its parameters.
    policy: Option<(&'static str, &'static [(&'static str, &'static str)])>,
    /// A policy that the caller's role has beside its own.
    extra: Option<Value>,
    request: Request,
}

fn row(name: &'static str, request: Request) -> Row {
    Row {
        name,
        who: Who::Tenant,
        tag: Some(OWN),
        policy: None,
        extra: None,
        request,
    }
}

impl Row {
    fn by(mut self, who: Who) -> Self {
        self.who = who;
        if !matches!(who, Who::Tenant | Who::Pool) {
            self.tag = None;
        }
        self
    }

    fn tagged(mut self, tag: Option<&'static str>) -> Self {
        self.tag = tag;
        self
    }

    fn under(mut self, name: &'static str, params: &'static [(&'static str, &'static str)]) -> Self {
        self.policy = Some((name, params));
        self
    }

    /// With statements beside the role's own.
    fn widened(mut self, statements: Value) -> Self {
        self.extra = Some(json!({"Version": "2012-10-17", "Statement": statements}));
        self
    }

    fn granted(self, action: &str) -> Self {
        self.widened(json!({"Effect": "Allow", "Action": action, "Resource": "*"}))
    }

    /// The caller's role.
    fn role(&self, bundle: &Bundle) -> Result<String, Failure> {
        let names = bundle.account.names();
        let pool = names.role_arn(Isolation::Tags, OWN.parse()?);
        Ok(match self.who {
            Who::Tenant | Who::Nobody => names.role_arn(Isolation::Role, OWN.parse()?),
            Who::Pool => pool,
            Who::Service => pool.replace("-pool", "-service"),
            Who::Provisioning => pool.replace("-pool", "-provisioning"),
        })
    }
}

/// The secret of a tenant that the rows ask for.
fn secret(bundle: &Bundle, tenant: &str) -> Result<String, Failure> {
    let own = bundle
        .account
        .names()
        .secret_arn(OWN.parse()?, &"beyond".parse()?, "Ab12Cd");
    Ok(own.replace(OWN, tenant))
}

/// What the rows need to be there.
///
/// # Errors
/// A name that does not parse.
pub fn plan(bundle: &Bundle, plan: &mut Plan) -> Result<(), Failure> {
    for tenant in [OWN, OTHER, SPARE] {
        plan.tenants.insert(tenant.parse()?);
    }
    for tenant in [OWN, OTHER, SIBLING] {
        plan.secret(&secret(bundle, tenant)?);
    }
    Ok(())
}

/// Asks every row.
///
/// # Errors
/// The emulator cannot be asked, or answers what nobody expects.
pub async fn judge(deployment: &mut Deployment<'_>) -> Result<Verdicts, Failure> {
    let mut verdicts = Verdicts {
        title: "beyond the corpus".to_owned(),
        ..Verdicts::default()
    };
    let mut rows = attempts::rows(deployment.bundle)?;
    rows.extend(planted::rows(deployment.bundle)?);
    for row in rows {
        let name = format!("beyond/{}", row.name);
        let wrong = |error: Failure| format!("{name}: {error:?}");
        let ours = ours(deployment.bundle, &row).map_err(wrong)?;
        match theirs(deployment, &row).await.map_err(wrong)? {
            Ok(theirs) => verdicts.judged.push(Judged { name, ours, theirs }),
            Err(NoCall(reason)) => verdicts.unasked.push(Unasked { name, reason }),
        }
    }
    Ok(verdicts)
}

async fn theirs(deployment: &mut Deployment<'_>, row: &Row) -> Result<Result<Answer, NoCall>, Failure> {
    let role = row.role(deployment.bundle)?;
    let policy = match row.policy {
        None => None,
        Some((name, params)) => {
            Some(document(deployment.bundle, name)?.render(&with_names(deployment.bundle, params))?)
        }
    };
    let caller = match row.who {
        Who::Nobody => Caller::Nobody,
        _ => Caller::Session {
            role: role.clone(),
            tags: row
                .tag
                .iter()
                .map(|tag| ("bpnl".to_owned(), (*tag).to_owned()))
                .collect(),
            policy,
        },
    };
    if let Some(extra) = &row.extra {
        deployment.grant(&role, Some(&extra.to_string())).await?;
    }
    let answer = deployment.ask(&caller, &row.request).await;
    if row.extra.is_some() {
        deployment.grant(&role, None).await?;
    }
    answer
}

fn document<'b>(bundle: &'b Bundle, name: &str) -> Result<&'b Document, Failure> {
    bundle
        .account
        .document(name)
        .ok_or_else(|| format!("there is no document `{name}`").into())
}

fn with_names<'b>(bundle: &'b Bundle, params: &'static [(&'static str, &'static str)]) -> Params<'b> {
    let known = bundle.account.names().params().with("bpnl", OWN);
    params
        .iter()
        .fold(known, |known, (name, value)| known.with(name, *value))
}

/// What Tidegate's evaluator says, with the account's documents and what the row adds.
fn ours(bundle: &Bundle, row: &Row) -> Result<Answer, Failure> {
    let names = bundle.account.names();
    let role = row.role(bundle)?;
    let principal = match row.who {
        Who::Nobody => Principal::Federated {
            provider: "cognito-identity.amazonaws.com".into(),
        },
        _ => Principal::session(&role, "tidegate")?,
    };
    let mut context = Context::new().with("aws:SecureTransport", "true");
    if let Some(tag) = row.tag {
        context = context.with("aws:PrincipalTag/bpnl", tag);
    }
    for (key, value) in &row.request.context {
        context = match key.as_str() {
            AMR => context.with_many(key.as_str(), [value.as_str()]),
            _ => context.with(key.as_str(), value.as_str()),
        };
    }
    let session = match row.policy {
        None => None,
        Some((name, params)) => Some(SessionPolicy {
            document: document(bundle, name)?,
            params: with_names(bundle, params),
        }),
    };
    let extra = match &row.extra {
        None => None,
        Some(extra) => Some(Document::parse_deployed(
            "extra",
            &extra.to_string(),
            DocumentKind::Identity,
        )?),
    };
    let tagged = row
        .request
        .context
        .iter()
        .any(|(key, _)| key.starts_with("aws:RequestTag/"));
    let action = row.request.action.as_str();
    let actions: &[&str] = if tagged { &[action, "sts:TagSession"] } else { &[action] };
    let allowed = actions.iter().all(|action| {
        let request = iam::Request {
            principal: principal.clone(),
            action,
            resource: &row.request.resource,
            resource_account: names.account(),
            context: context.clone(),
        };
        let decision = bundle
            .account
            .with_layers(&request, session.as_ref(), &[], |layers, params| {
                let identity: Vec<&Document> = layers.identity.iter().copied().chain(&extra).collect();
                let widened = Layers {
                    identity: &identity,
                    ..*layers
                };
                iam::evaluate(&request, &widened, params).decision
            });
        decision == IamDecision::Allowed
    });
    Ok(if allowed { Answer::LetThrough } else { Answer::Denied })
}
