//! The other way: a request as the evaluator takes it, written as a simulator's request.

use serde_json::{Map, Value, json};

use crate::iam::context::{Context, Found};
use crate::iam::document::Document;
use crate::iam::evaluate::Layers;
use crate::iam::request::{Principal, Request};
use crate::iam::template::{Params, RenderError};

/// The request as a document that [`simulate`](super::simulate) answers as [`evaluate`](crate::iam::evaluate) does, with the
/// policies rendered: to ask other evaluators the same question.
///
/// What the document cannot say is said through context keys: a session's ARN does not show the path of its role, so
/// `aws:PrincipalArn` is given where there is one.
///
/// # Errors
/// A template parameter without a value, or with one that AWS would not take literally.
pub fn request_document(request: &Request<'_>, layers: &Layers<'_>, params: &Params<'_>) -> Result<Value, RenderError> {
    let render = |document: &&Document| document.render(params).map(Value::from);
    let all = |documents: &[&Document]| documents.iter().map(render).collect::<Result<Value, _>>();
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| out.insert(name.to_owned(), value);
    put("PolicyInputList", all(layers.identity)?);
    put("ActionNames", json!([request.action]));
    put("ResourceArns", json!([request.resource]));
    if !request.resource_account.is_empty() {
        put("ResourceOwner", request.resource_account.into());
    }
    if let Some(caller) = caller(&request.principal) {
        put("CallerArn", caller.into());
    }
    if let Some(boundary) = &layers.boundary {
        put("PermissionsBoundaryPolicyInputList", all(&[boundary])?);
    }
    if let Some(policy) = &layers.resource {
        put("ResourcePolicy", render(policy)?);
    }
    if !layers.session.is_empty() {
        put("SessionPolicyInputList", all(layers.session)?);
    }
    if !layers.scp.is_empty() {
        let levels: Value = layers.scp.iter().map(|level| all(level)).collect::<Result<_, _>>()?;
        put("ServiceControlPolicyInputLists", levels);
    }
    if !layers.rcp.is_empty() {
        put("ResourceControlPolicyInputLists", json!([all(layers.rcp)?]));
    }
    let entries = entries(&request.context, &request.principal);
    if !entries.is_empty() {
        put("ContextEntries", entries.into());
    }
    Ok(out.into())
}

fn caller<'r>(principal: &'r Principal<'_>) -> Option<&'r str> {
    match principal {
        Principal::Session { session_arn: text, .. }
        | Principal::Role { arn: text }
        | Principal::User { arn: text }
        | Principal::FederatedUser { arn: text }
        | Principal::Root { arn: text }
        | Principal::Federated { provider: text }
        | Principal::Service { name: text } => Some(text),
        Principal::Anonymous => Some("*"),
        Principal::Unknown { .. } => None,
    }
}

fn entries(context: &Context<'_>, principal: &Principal<'_>) -> Vec<Value> {
    let entry = |key: &str, values: Value, kind: &str| json!({ "ContextKeyName": key, "ContextKeyValues": values, "ContextKeyType": kind });
    let keys = context.iter().map(|(key, found)| match found {
        Found::One(value) => entry(key, json!([value]), "string"),
        Found::Many(values) => entry(key, json!(values), "stringList"),
    });
    let mut entries: Vec<Value> = keys.collect();
    let said = context
        .iter()
        .any(|(key, _)| key.eq_ignore_ascii_case("aws:PrincipalArn"));
    if let Principal::Session { role_arn, .. } = principal
        && !said
        && role_arn.matches('/').count() > 1
    {
        entries.push(entry("aws:PrincipalArn", json!([role_arn]), "string"));
    }
    entries
}
