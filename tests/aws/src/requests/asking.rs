//! A request of the corpus as a call: who makes it, with which parameters.

use std::borrow::Cow;

use tidegate::bundle::Bundle;
use tidegate::iam::Params;
use tidegate::parity::AwsRequest;

use super::{is_principal_tag, is_request_tag, role_of, tags};
use crate::Failure;
use crate::call::{AMR, Asked, NoCall, Request, out_of_reach};
use crate::deployment::{Caller, Deployment};

const POOL: &str = "cognito-identity.amazonaws.com";
const BY_TOKEN: &str = "sts:AssumeRoleWithWebIdentity";

/// Whether the resource belongs to the platform's account, as far as one can see.
pub(super) fn is_ours(bundle: &Bundle, request: &AwsRequest) -> bool {
    let shown = request.resource.split(':').nth(4).filter(|account| !account.is_empty());
    let account = request.account.as_deref().or(shown);
    account.is_none_or(|account| account == bundle.account.names().account())
}

/// The bucket of an ARN of S3.
pub(super) fn bucket(resource: &str) -> Option<&str> {
    resource.strip_prefix("arn:aws:s3:::")?.split('/').next()
}

/// Makes the call of an action.
pub(super) async fn ask(deployment: &mut Deployment<'_>, request: &AwsRequest, action: &str) -> Result<Asked, Failure> {
    let call = match call(deployment, request, action) {
        Ok(call) => call,
        Err(no_call) => return Ok(Err(no_call)),
    };
    if let Some(no_call) = out_of_reach(&call, role_of(request).as_deref(), deployment)? {
        return Ok(Err(no_call));
    }
    let caller = match caller(deployment, request, action)? {
        Ok(caller) => caller,
        Err(no_call) => return Ok(Err(no_call)),
    };
    let Caller::Session { role, .. } = &caller else {
        return deployment.ask(&caller, &call).await;
    };
    let role = role.clone();
    if deployment.bundle.account.names().own_role(&role).is_none() {
        deployment.outsider(&role).await?;
    }
    let Some(own) = policy_of_caller(request)? else {
        return deployment.ask(&caller, &call).await;
    };
    deployment.grant(&role, Some(&own)).await?;
    let answer = deployment.ask(&caller, &call).await;
    deployment.grant(&role, None).await?;
    answer
}

/// What a caller has that is none of the platform's.
fn policy_of_caller(request: &AwsRequest) -> Result<Option<String>, Failure> {
    match request.policies.as_slice() {
        [] => Ok(None),
        [policy] => Ok(Some(policy.render(&Params::new())?)),
        more => Err(format!("a caller with {} policies", more.len()).into()),
    }
}

fn call(deployment: &Deployment<'_>, request: &AwsRequest, action: &str) -> Result<Request, NoCall> {
    if !is_ours(deployment.bundle, request) {
        return Err(NoCall("the resource is in another account".to_owned()));
    }
    let mut call = Request::new(action, &request.resource);
    for (key, values) in request.context.iter().filter(|(key, _)| !is_principal_tag(key)) {
        match values.as_slice() {
            [value] => call = call.with(key, value),
            values if key == AMR => call = values.iter().fold(call, |call, value| call.with(key, value)),
            // They are the tags' own, and the call passes the tags.
            keys if key == "aws:TagKeys" && names_all_tags(keys, request) => {}
            _ => return Err(NoCall(format!("the condition key `{key}` has several values or none"))),
        }
    }
    Ok(call)
}

fn names_all_tags(keys: &[String], request: &AwsRequest) -> bool {
    let passed = request.context.keys().filter(|key| is_request_tag(key));
    let passed = passed.filter_map(|key| key.split_once('/').map(|(_, name)| name));
    passed.clone().count() == keys.len() && passed.into_iter().all(|name| keys.iter().any(|key| key == name))
}

fn caller(deployment: &Deployment<'_>, request: &AwsRequest, action: &str) -> Result<Result<Caller, NoCall>, Failure> {
    let no_call = |reason: Cow<'static, str>| Ok(Err(NoCall(reason.into_owned())));
    let token = action == BY_TOKEN;
    if request.principal == POOL && token {
        return Ok(Ok(Caller::Nobody));
    }
    let account = deployment.bundle.account.names().account();
    let ours = format!("arn:aws:iam::{account}:role/");
    let Some(role) = role_of(request).filter(|role| role.starts_with(&ours)) else {
        return no_call(stranger(&request.principal, account).into());
    };
    if token {
        return no_call("whoever brings a token is its bearer, whatever session they have beside it".into());
    }
    let several = |(key, values): &(&String, &Vec<String>)| is_principal_tag(key) && values.len() != 1;
    if let Some((key, _)) = request.context.iter().find(several) {
        return no_call(format!("a session has one value of `{key}`").into());
    }
    let tags = tags(request);
    if let Some((_, value)) = tags.iter().find(|(_, value)| !deployment.knows_tag(value)) {
        let reason = format!("no pattern can be written for the tag `{value}` in the emulator's words");
        return no_call(reason.into());
    }
    Ok(session_policy(deployment, request)?.map(|policy| Caller::Session { role, tags, policy }))
}

/// Why nobody here can ask as this principal.
fn stranger(principal: &str, account: &str) -> &'static str {
    match principal {
        POOL => "someone with a token can ask for nothing but to take on a role by it",
        arn if arn.ends_with(":root") && arn.contains(account) => {
            "the emulator looks at no policy where the root user asks"
        }
        arn if arn.starts_with("arn:") && !arn.contains(account) => "the caller is of another account",
        arn if arn.starts_with("arn:") => "the caller is neither a role nor a bearer of the identity pool's token",
        _ => "the caller is a service or another provider of identities",
    }
}

fn session_policy(
    deployment: &Deployment<'_>,
    request: &AwsRequest,
) -> Result<Result<Option<String>, NoCall>, Failure> {
    let Some((name, values)) = &request.session else {
        return Ok(Ok(None));
    };
    let account = &deployment.bundle.account;
    let document = account.document(name).ok_or("there is no such session policy")?;
    let known: Params<'_> = account.names().params();
    let params = values
        .iter()
        .fold(known, |params, (name, value)| params.with(name, value.as_str()));
    Ok(match document.render(&params) {
        Ok(text) => Ok(Some(text)),
        Err(error) => Err(NoCall(format!(
            "the session policy `{name}` cannot be written: {error}"
        ))),
    })
}
