//! The corpus, asked of the emulator.

use std::collections::BTreeMap;

use tidegate::bundle::{IamAsk, Mapping};
use tidegate::decision::{IamAnswer, IamDecision};
use tidegate::engine;
use tidegate::ids::TenantId;
use tidegate::parity::{Case, Corpus};
use tidegate::question::{Entity, EntityKind, Value};

use crate::Failure;
use crate::call::{self, Answer, NoCall, Request};
use crate::clients::Clients;
use crate::deployment::{Deployment, Plan, TAG, document};
use crate::report::{Judged, Unasked, Verdicts};

/// What the corpus needs to be there: a role for each tenant it acts for or against, each secret of its questions.
pub fn plan(bundle: &tidegate::bundle::Bundle, corpus: &Corpus) -> Plan {
    let mut plan = Plan::default();
    let aws = &bundle.correspondence.aws;
    let mut add = |entity: &Entity| {
        let named = |name: &str| match entity.attrs.get(name) {
            Some(Value::String(text)) => Some(text.to_string()),
            Some(Value::Entity(reference)) => Some(reference.id.to_string()),
            _ => None,
        };
        if entity.uid.kind != EntityKind::Secret {
            return;
        }
        let (Some(Ok(tenant)), Some(Ok(name)), Some(suffix)) = (
            named("tenant").map(|tenant| tenant.parse::<TenantId>()),
            named("name").map(|name| name.parse()),
            named("suffix"),
        ) else {
            return;
        };
        // Another length is a case's trick: AWS makes no such secret.
        if suffix.len() == 6 {
            plan.secrets.insert(aws.secret_arn(tenant, &name, &suffix));
        }
    };
    let worlds = corpus.worlds.values().flat_map(|world| world.entities());
    let questions = corpus.cases.iter().flat_map(|case| &case.question.entities);
    worlds.chain(questions).for_each(&mut add);
    for case in &corpus.cases {
        if let Mapping::Ask(ask) = bundle.correspondence.map(&case.question) {
            plan.tenants.extend([ask.acting, ask.owner]);
        }
    }
    plan
}

/// Asks every case that is a question to AWS.
///
/// # Errors
/// The emulator cannot be asked, or answers what nobody expects.
pub async fn judge(deployment: &Deployment<'_>, corpus: &Corpus) -> Result<Verdicts, Failure> {
    let mut verdicts = Verdicts {
        title: format!("the corpus, {} cases", corpus.cases.len()),
        ..Verdicts::default()
    };
    let mut sessions = Sessions::default();
    for case in &corpus.cases {
        let name = format!("corpus/{}", case.id());
        let ours = match engine::ask_iam(deployment.bundle, &case.question) {
            IamAnswer::NotApplicable { .. } => {
                verdicts.not_applicable += 1;
                continue;
            }
            IamAnswer::Evaluated {
                decision: IamDecision::Allowed,
                ..
            } => Answer::LetThrough,
            IamAnswer::Evaluated { .. } => Answer::Denied,
        };
        match ask(deployment, case, &mut sessions)
            .await
            .map_err(|error| format!("{name}: {error}"))?
        {
            Ok(theirs) => verdicts.judged.push(Judged { name, ours, theirs }),
            Err(NoCall(reason)) => verdicts.unasked.push(Unasked { name, reason }),
        }
    }
    Ok(verdicts)
}

/// Sessions by tenant and session policy; they outlive the run.
type Sessions = BTreeMap<(TenantId, Option<String>), Clients>;

/// All actions of the question, one after the other; the first that is denied denies the question.
async fn ask(
    deployment: &Deployment<'_>,
    case: &Case,
    sessions: &mut Sessions,
) -> Result<Result<Answer, NoCall>, Failure> {
    let ask = match deployment.bundle.correspondence.map(&case.question) {
        Mapping::Ask(ask) => ask,
        Mapping::Unanswerable(reason) | Mapping::NotApplicable(reason) => return Ok(Err(NoCall(reason))),
    };
    let clients = match &ask.trust {
        Some(_) => deployment.nobody.clone(),
        None => match session(deployment, &ask, sessions).await? {
            Ok(clients) => clients,
            Err(no_call) => return Ok(Err(no_call)),
        },
    };
    for action in ask.actions {
        // No call of its own: AWS asks for it where a session is assumed with tags.
        if action == "sts:TagSession" {
            continue;
        }
        match call::make(&clients, &request(deployment, &ask, action), deployment).await? {
            Ok(Answer::LetThrough) => {}
            other => return Ok(other),
        }
    }
    Ok(Ok(Answer::LetThrough))
}

fn request(deployment: &Deployment<'_>, ask: &IamAsk<'_>, action: &str) -> Request {
    let context = ask.context.iter();
    let request = context.fold(Request::new(action, &ask.resource), |request, (key, value)| {
        request.with(key, value)
    });
    match &ask.trust {
        None => request,
        Some(_) => request
            .with(
                "cognito-identity.amazonaws.com:aud",
                deployment.bundle.correspondence.aws.identity_pool(),
            )
            .with("cognito-identity.amazonaws.com:amr", "authenticated")
            .with(&format!("aws:RequestTag/{TAG}"), ask.acting.as_str()),
    }
}

async fn session(
    deployment: &Deployment<'_>,
    ask: &IamAsk<'_>,
    sessions: &mut Sessions,
) -> Result<Result<Clients, NoCall>, Failure> {
    let policy = match ask.session {
        None => None,
        Some(name) => {
            let known = deployment.params(&ask.acting);
            let params = ask
                .parameters
                .iter()
                .fold(known, |params, (name, value)| params.with(name, value.as_str()));
            match document(deployment.bundle, name)?.render(&params) {
                Ok(text) => Some(text),
                Err(error) => {
                    return Ok(Err(NoCall(format!(
                        "the session policy `{name}` cannot be written: {error}"
                    ))));
                }
            }
        }
    };
    let key = (ask.acting, policy.clone());
    if let Some(clients) = sessions.get(&key) {
        return Ok(Ok(clients.clone()));
    }
    let clients = deployment
        .session(&ask.acting, policy, &[(TAG, ask.acting.as_str())])
        .await?;
    sessions.insert(key, clients.clone());
    Ok(Ok(clients))
}
