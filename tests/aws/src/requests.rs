//! The cases of the corpus that are requests to AWS itself, made for real.
//!
//! A case may name any caller and any condition key; what can be made here are requests of the platform's own roles and of people
//! with a token of the identity pool, with the keys a call has parameters for.

use std::collections::BTreeMap;

use tidegate::bundle::Bundle;
use tidegate::iam::{OwnRole, Params, Principal};
use tidegate::parity::{AwsRequest, Corpus};

use crate::Failure;
use crate::call::{Answer, Asked, NoCall, Request};
use crate::deployment::{Caller, Deployment, Plan};
use crate::report::{Judged, Unasked, Verdicts};

const TAG: &str = "aws:PrincipalTag/";

/// What the requests need to be there.
pub fn plan(bundle: &Bundle, corpus: &Corpus, plan: &mut Plan) {
    let names = bundle.account.names();
    for case in &corpus.requests {
        let request = &case.request;
        if names.secret_owner(&request.resource).is_some() {
            plan.secret(&request.resource);
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

/// Asks every request, each of its actions by itself.
///
/// # Errors
/// The emulator cannot be asked, or answers what nobody expects.
pub async fn judge(deployment: &mut Deployment<'_>, corpus: &Corpus) -> Result<Verdicts, Failure> {
    let mut verdicts = Verdicts {
        title: format!("requests of the corpus, {}", corpus.requests.len()),
        ..Verdicts::default()
    };
    for case in &corpus.requests {
        let answers = case.request.ask(&deployment.bundle.account)?;
        let allowed: BTreeMap<_, _> = case
            .request
            .actions
            .iter()
            .zip(answers)
            .map(|(action, answer)| (action, answer.allows()))
            .collect();
        for (action, ours) in &allowed {
            // Where tags are passed, one call asks for both.
            let tags_too =
                action.as_str() != "sts:TagSession" && case.request.context.keys().any(|key| is_request_tag(key));
            let tagging = allowed.iter().find(|(action, _)| action.as_str() == "sts:TagSession");
            let ours = match *ours && (!tags_too || tagging.is_none_or(|(_, allowed)| *allowed)) {
                true => Answer::LetThrough,
                false => Answer::Denied,
            };
            let name = format!("request/{}#{action}", case.id());
            match ask(deployment, &case.request, action)
                .await
                .map_err(|error| format!("{name}: {error:?}"))?
            {
                Ok(theirs) => verdicts.judged.push(Judged { name, ours, theirs }),
                Err(NoCall(reason)) => verdicts.unasked.push(Unasked { name, reason }),
            }
        }
    }
    Ok(verdicts)
}

async fn ask(deployment: &mut Deployment<'_>, request: &AwsRequest, action: &str) -> Result<Asked, Failure> {
    if action == "sts:TagSession" {
        return Ok(Err(NoCall(
            "`sts:TagSession` has no call of its own; it is asked with the session".to_owned(),
        )));
    }
    let names = deployment.bundle.account.names();
    let account = request.resource.split(':').nth(4).filter(|account| !account.is_empty());
    if request
        .account
        .as_deref()
        .or(account)
        .is_some_and(|account| account != names.account())
    {
        return Ok(Err(NoCall("the resource is in another account".to_owned())));
    }
    let caller = match caller(deployment, request)? {
        Ok(caller) => caller,
        Err(no_call) => return Ok(Err(no_call)),
    };
    let mut call = Request::new(action, &request.resource);
    for (key, values) in request.context.iter().filter(|(key, _)| !is_principal_tag(key)) {
        match values.as_slice() {
            [value] => call = call.with(key, value),
            _ => return Ok(Err(NoCall(format!("the condition key `{key}` has several values")))),
        }
    }
    deployment.ask(&caller, &call).await
}

fn caller(deployment: &Deployment<'_>, request: &AwsRequest) -> Result<Result<Caller, NoCall>, Failure> {
    let names = deployment.bundle.account.names();
    if request.principal == "cognito-identity.amazonaws.com" {
        return Ok(Ok(Caller::Nobody));
    }
    let role = role_of(request).filter(|role| names.own_role(role).is_some());
    let Some(role) = role else {
        return Ok(Err(NoCall("the caller is not a role of the platform".to_owned())));
    };
    let tags = tags(request);
    if let Some((_, value)) = tags.iter().find(|(_, value)| !deployment.knows_tag(value)) {
        return Ok(Err(NoCall(format!(
            "no pattern can be written for the tag `{value}` in the emulator's words"
        ))));
    }
    let policy = match &request.session {
        None => None,
        Some((name, values)) => {
            let document = deployment
                .bundle
                .account
                .document(name)
                .ok_or("there is no such session policy")?;
            let known: Params<'_> = names.params();
            let params = values
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
    Ok(Ok(Caller::Session { role, tags, policy }))
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
