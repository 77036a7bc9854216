//! The cases of the corpus that are requests to AWS itself, made for real.
//!
//! A case may name any caller and any condition key; what can be made here are requests of the platform's own roles and of people
//! with a token of the identity pool, with the keys a call has parameters for.
//!
//! Some requests would change what later ones meet: a role's trust, a secret's policy, whether either is there. Those that Tidegate
//! denies are asked in their place, and one the emulator lets through nevertheless ends the run; those it allows are asked when
//! nothing else is left to ask ([`Turn`]).

mod asking;

use tidegate::bundle::Bundle;
use tidegate::iam::{OwnRole, Principal};
use tidegate::parity::{AwsRequest, Corpus, RequestCase};

use crate::Failure;
use crate::call::{Answer, NoCall, changes_what_others_meet};
use crate::deployment::{Deployment, Plan};
use crate::report::{Judged, Unasked, Verdicts};

const TAG: &str = "aws:PrincipalTag/";

/// What the requests need to be there.
pub fn plan(bundle: &Bundle, corpus: &Corpus, plan: &mut Plan) {
    let names = bundle.account.names();
    for case in &corpus.requests {
        let request = &case.request;
        if asking::is_ours(bundle, request) {
            plan.secret(&request.resource);
            let bucket = asking::bucket(&request.resource).filter(|bucket| *bucket != names.bucket());
            plan.buckets.extend(bucket.map(str::to_owned));
        }
        let caller = role_of(request).and_then(|role| names.own_role(&role));
        for role in caller.into_iter().chain(names.own_role(&request.resource)) {
            if let OwnRole::Tenant(tenant) = role {
                plan.tenants.insert(tenant);
            }
        }
        plan.tags.extend(
            tags(request)
                .into_iter()
                .map(|(_, value)| value)
                .filter(|value| is_plain(value)),
        );
    }
}

/// When a request is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// While others are to come.
    First,
    /// When nobody is left to meet what it changes.
    Last,
}

/// Asks every request of a turn, each of its actions by itself.
///
/// # Errors
/// The emulator cannot be asked, answers what nobody expects, or lets through a change that Tidegate denies: what follows would
/// meet something else than the documents.
pub async fn judge(deployment: &mut Deployment<'_>, corpus: &Corpus, turn: Turn) -> Result<Verdicts, Failure> {
    let which = match turn {
        Turn::First => "",
        Turn::Last => ", those that change what is there",
    };
    let mut verdicts = Verdicts {
        title: format!("requests of the corpus, {}{which}", corpus.requests.len()),
        ..Verdicts::default()
    };
    for Question { case, action, ours } in questions(deployment.bundle, corpus, turn)? {
        let name = format!("request/{}#{action}", case.id());
        if turn == Turn::Last {
            deployment.take_back(&case.request.resource).await?;
        }
        let answer = asking::ask(deployment, &case.request, action).await;
        match answer.map_err(|error| format!("{name}: {error:?}"))? {
            Ok(Answer::LetThrough) if ours == Answer::Denied && changes_what_others_meet(action) => {
                return Err(
                    format!("{name}: we deny it, the emulator did it, and what it changed is in the way").into(),
                );
            }
            Ok(theirs) => verdicts.judged.push(Judged { name, ours, theirs }),
            Err(NoCall(reason)) => verdicts.unasked.push(Unasked { name, reason }),
        }
    }
    Ok(verdicts)
}

/// One action of a case.
struct Question<'c> {
    case: &'c RequestCase,
    action: &'c str,
    ours: Answer,
}

/// The questions of a turn; deletions come after all else.
fn questions<'c>(bundle: &Bundle, corpus: &'c Corpus, turn: Turn) -> Result<Vec<Question<'c>>, Failure> {
    let mut questions = Vec::new();
    for case in &corpus.requests {
        for action in &case.request.actions {
            let ours = ours(bundle, &case.request, action)?;
            let last = ours == Answer::LetThrough && changes_what_others_meet(action);
            if last == (turn == Turn::Last) {
                questions.push(Question { case, action, ours });
            }
        }
    }
    if turn == Turn::Last {
        questions.sort_by_key(|question| question.action.contains(":Delete"));
    }
    Ok(questions)
}

/// What Tidegate says to the call of an action. Where it passes tags, AWS asks for that too.
fn ours(bundle: &Bundle, request: &AwsRequest, action: &str) -> Result<Answer, Failure> {
    let session = action.starts_with("sts:AssumeRole") && request.context.keys().any(|key| is_request_tag(key));
    let actions = [action.to_owned()].into_iter();
    let asked = AwsRequest {
        actions: actions.chain(session.then(|| "sts:TagSession".to_owned())).collect(),
        ..request.clone()
    };
    let allowed = asked.ask(&bundle.account)?.iter().all(|answer| answer.allows());
    Ok(if allowed { Answer::LetThrough } else { Answer::Denied })
}

fn role_of(request: &AwsRequest) -> Option<String> {
    match Principal::parse(&request.principal).ok()? {
        Principal::Session { role_arn, .. } | Principal::Role { arn: role_arn } => Some(role_arn.into_owned()),
        _ => None,
    }
}

fn tags(request: &AwsRequest) -> Vec<(String, String)> {
    let tag = |(key, values): (&String, &Vec<String>)| {
        let value = values.first()?.clone();
        is_principal_tag(key).then(|| (key.chars().skip(TAG.len()).collect(), value))
    };
    request.context.iter().filter_map(tag).collect()
}

fn is_principal_tag(key: &str) -> bool {
    key.to_ascii_lowercase().starts_with(&TAG.to_ascii_lowercase())
}

fn is_request_tag(key: &str) -> bool {
    key.to_ascii_lowercase().starts_with("aws:requesttag/")
}

/// Whether a tag can be put into a pattern and mean itself.
fn is_plain(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
