//! The isolation cases of `fixtures/iam/`, asked of AWS's own policy simulator.
//!
//! `iam:SimulateCustomPolicy` takes identity policies, a resource policy, a permissions boundary and a context, and answers with
//! AWS's own evaluator. It takes no session policies and no session as the caller (API reference, `CallerArn`: "You cannot
//! specify the ARN of an assumed role, federated user, or a service principal"), so a case with a session is asked as its role where
//! that is the same question, and else counted with the reason.

use std::collections::BTreeMap;
use std::path::Path;

use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, PolicyEvaluationDecisionType};
use serde::Deserialize;
use serde_json::Value;

use crate::Failure;
use crate::call::Answer;
use crate::report::{Judged, Unasked, Verdicts};

/// One case, as `fixtures/iam/SOURCES.md` describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    name: String,
    request: Asked,
    identity: Vec<Value>,
    session: Option<Value>,
    boundary: Option<Value>,
    resource_policy: Option<Value>,
    #[serde(default)]
    scp: Vec<Vec<Value>>,
    #[serde(default)]
    rcp: Vec<Value>,
    expect: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    principal: String,
    action: String,
    resource: String,
    resource_account: String,
    context: BTreeMap<String, Values>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Many(Vec<String>),
}

impl Case {
    /// The caller as the simulator takes it, or why the case cannot be put to it.
    fn caller(&self) -> Result<String, &'static str> {
        if self.session.is_some() {
            return Err("the simulator takes no session policies");
        }
        if !self.rcp.is_empty() || !self.scp.is_empty() {
            return Err("the organization's policies are the account's own in the simulator");
        }
        if self.request.action.starts_with("sts:") {
            return Err("the simulator asks no trust policies");
        }
        let principal = &self.request.principal;
        let Some(session) = principal.strip_prefix("arn:aws:sts::") else {
            return if principal.contains(":user/") || principal.contains(":role/") {
                Ok(principal.clone())
            } else {
                Err("the simulator asks for users and roles only")
            };
        };
        let (account, name) = session.split_once(":assumed-role/").ok_or("no session of a role")?;
        let (role, _) = name.split_once('/').ok_or("no session of a role")?;
        let policy = self.resource_policy.as_ref().map(Value::to_string).unwrap_or_default();
        if policy.contains(":assumed-role/") {
            return Err("the resource's policy names the session, which the simulator does not take as the caller");
        }
        Ok(format!("arn:aws:iam::{account}:role/{role}"))
    }
}

/// Asks every case that can be put to the simulator.
///
/// # Errors
/// The cases cannot be read, or a call fails.
pub async fn judge(iam: &aws_sdk_iam::Client, cases: &Path) -> Result<Verdicts, Failure> {
    let cases: Vec<Case> = serde_json::from_slice(&std::fs::read(cases)?)?;
    let mut verdicts = Verdicts {
        title: format!("the isolation cases, {}", cases.len()),
        ..Verdicts::default()
    };
    for case in cases {
        let ours = match case.expect.as_str() {
            "allow" => Answer::LetThrough,
            _ => Answer::Denied,
        };
        let name = case.name.clone();
        match case.caller() {
            Err(reason) => verdicts.unasked.push(Unasked {
                name,
                reason: reason.to_owned(),
                ours,
            }),
            Ok(caller) => {
                let theirs = ask(iam, &case, &caller)
                    .await
                    .map_err(|error| format!("{name}: {error:?}"))?;
                verdicts.judged.push(Judged { name, ours, theirs });
            }
        }
    }
    Ok(verdicts)
}

async fn ask(iam: &aws_sdk_iam::Client, case: &Case, caller: &str) -> Result<Answer, Failure> {
    let request = &case.request;
    let mut call = iam
        .simulate_custom_policy()
        .set_policy_input_list(Some(case.identity.iter().map(Value::to_string).collect()))
        .caller_arn(caller)
        .action_names(&request.action)
        .resource_arns(&request.resource)
        .resource_owner(format!("arn:aws:iam::{}:root", request.resource_account))
        .set_resource_policy(case.resource_policy.as_ref().map(Value::to_string));
    if let Some(boundary) = &case.boundary {
        call = call.permissions_boundary_policy_input_list(boundary.to_string());
    }
    for (key, values) in &request.context {
        let (kind, values) = match values {
            Values::One(value) => (ContextKeyTypeEnum::String, vec![value.clone()]),
            Values::Many(values) => (ContextKeyTypeEnum::StringList, values.clone()),
        };
        let entry = ContextEntry::builder().context_key_name(key).context_key_type(kind);
        call = call.context_entries(entry.set_context_key_values(Some(values)).build());
    }
    let answered = call.send().await?;
    match answered.evaluation_results() {
        [result] if *result.eval_decision() == PolicyEvaluationDecisionType::Allowed => Ok(Answer::LetThrough),
        [_] => Ok(Answer::Denied),
        results => Err(format!("{} results to one question", results.len()).into()),
    }
}
