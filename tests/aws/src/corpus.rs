//! The questions of the corpus, asked of the emulator.

use tidegate::bundle::{self, Bundle, IamAsk, Mapping};
use tidegate::decision::{IamAnswer, IamDecision};
use tidegate::engine;
use tidegate::iam::Isolation;
use tidegate::ids::TenantId;
use tidegate::parity::{Case, Corpus};
use tidegate::question::{Entity, EntityKind, Value};

use crate::Failure;
use crate::call::{AMR, AUD, Answer, Asked, NoCall, Request};
use crate::deployment::{Caller, Deployment, Plan};
use crate::report::{Judged, Unasked, Verdicts};

/// What the questions need to be there: a role for each tenant they act for or against, each secret they name.
pub fn plan(bundle: &Bundle, corpus: &Corpus, plan: &mut Plan) {
    let worlds = corpus.worlds.values().flat_map(|world| world.entities());
    let questions = corpus.cases.iter().flat_map(|case| &case.question.entities);
    let names = bundle.account.names();
    for secret in worlds
        .chain(questions)
        .filter(|entity| entity.uid.kind == EntityKind::Secret)
    {
        if let (Some(Ok(tenant)), Some(Ok(name)), Some(suffix)) = (
            attribute(secret, "tenant").map(|tenant| tenant.parse::<TenantId>()),
            attribute(secret, "name").map(|name| name.parse()),
            attribute(secret, "suffix"),
        ) {
            plan.secret(&names.secret_arn(tenant, &name, &suffix));
        }
    }
    for case in &corpus.cases {
        if let Mapping::Ask(ask) = bundle.correspondence.map(&case.question, Isolation::Role) {
            plan.tenants.extend([ask.acting, ask.owner]);
        }
    }
}

fn attribute(entity: &Entity, name: &str) -> Option<String> {
    match entity.attrs.get(name)? {
        Value::String(text) => Some(text.to_string()),
        Value::Entity(reference) => Some(reference.id.to_string()),
        _ => None,
    }
}

/// Asks every question that is one to AWS, tenants kept apart by `isolation`.
///
/// # Errors
/// The emulator cannot be asked, or answers what nobody expects.
pub async fn judge(
    deployment: &mut Deployment<'_>,
    corpus: &Corpus,
    isolation: Isolation,
) -> Result<Verdicts, Failure> {
    let kept_apart = match isolation {
        Isolation::Role => "role",
        Isolation::Tags => "tags",
    };
    let mut verdicts = Verdicts {
        title: format!(
            "questions of the corpus, {}, tenants kept apart by {kept_apart}",
            corpus.cases.len()
        ),
        ..Verdicts::default()
    };
    for case in &corpus.cases {
        let name = format!("{kept_apart}/{}", case.id());
        let ours = match engine::ask_iam_under(deployment.bundle, &case.question, isolation) {
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
        match ask(deployment, case, isolation)
            .await
            .map_err(|error| format!("{name}: {error:?}"))?
        {
            Ok(theirs) => verdicts.judged.push(Judged { name, ours, theirs }),
            Err(NoCall(reason)) => verdicts.unasked.push(Unasked { name, reason }),
        }
    }
    Ok(verdicts)
}

/// All actions of the question, one after the other; the first that is denied denies the question.
async fn ask(deployment: &mut Deployment<'_>, case: &Case, isolation: Isolation) -> Result<Asked, Failure> {
    let bundle = deployment.bundle;
    let ask = match bundle.correspondence.map(&case.question, isolation) {
        Mapping::Ask(ask) => ask,
        Mapping::Unanswerable(reason) | Mapping::NotApplicable(reason) => return Ok(Err(NoCall(reason))),
    };
    let caller = match caller(bundle, &ask, isolation)? {
        Ok(caller) => caller,
        Err(no_call) => return Ok(Err(no_call)),
    };
    for action in ask.actions {
        // No call of its own: AWS asks for it where a session is assumed with tags.
        if action == "sts:TagSession" {
            continue;
        }
        match deployment.ask(&caller, &request(bundle, &ask, action)).await? {
            Ok(Answer::LetThrough) => {}
            other => return Ok(other),
        }
    }
    Ok(Ok(Answer::LetThrough))
}

fn request(bundle: &Bundle, ask: &IamAsk<'_>, action: &str) -> Request {
    let request = Request::new(action, &ask.resource);
    let request = ask
        .context
        .iter()
        .fold(request, |request, (key, value)| request.with(key, value));
    match ask.caller {
        bundle::Caller::Role => request,
        bundle::Caller::IdentityPool => request
            .with(AUD, bundle.account.names().identity_pool())
            .with(AMR, "authenticated")
            .with("aws:RequestTag/bpnl", ask.acting.as_str()),
    }
}

fn caller(bundle: &Bundle, ask: &IamAsk<'_>, isolation: Isolation) -> Result<Result<Caller, NoCall>, Failure> {
    if ask.caller == bundle::Caller::IdentityPool {
        // There a session acts for the tenant of its tag, so that asking for another tenant's is no request AWS could refuse.
        return Ok(match isolation == Isolation::Tags && ask.acting != ask.owner {
            true => Err(NoCall(
                "where one role serves all tenants, no request names another tenant's".to_owned(),
            )),
            false => Ok(Caller::Nobody),
        });
    }
    let names = bundle.account.names();
    let policy = match ask.session {
        None => None,
        Some(name) => {
            let document = bundle
                .account
                .document(name)
                .ok_or_else(|| format!("there is no document `{name}`"))?;
            let known = names.params().with("bpnl", ask.acting.to_string());
            let params = ask
                .parameters
                .iter()
                .fold(known, |params, (name, value)| params.with(name, value.as_str()));
            match document.render(&params) {
                Ok(text) => Some(text),
                Err(error) => {
                    return Ok(Err(NoCall(format!(
                        "the session policy `{name}` cannot be written: {error}"
                    ))));
                }
            }
        }
    };
    Ok(Ok(Caller::Session {
        role: names.role_arn(isolation, ask.acting),
        tags: vec![("bpnl".to_owned(), ask.acting.to_string())],
        policy,
    }))
}
