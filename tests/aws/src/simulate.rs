//! The isolation cases of `fixtures/iam/`, asked of AWS's own policy simulator.
//!
//! `iam:SimulateCustomPolicy` takes identity policies, a permissions boundary, service control policies and a context, and
//! answers with AWS's own evaluator. What it does not take (IAM API Reference, "SimulateCustomPolicy"):
//!
//! - sessions: "You cannot specify the ARN of an assumed role, federated user, or a service principal." A case with a session is
//!   asked as its role; that is the same question, for `aws:PrincipalArn` is the role's ARN in both;
//! - session policies: "The policies cannot be 'scope-down' policies";
//! - a resource's policy and a role at once: "Simulation of resource-based policies isn't supported for IAM roles."; trust
//!   policies neither;
//! - resource control policies.
//!
//! Such cases are counted, each with the reason.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, OrderedOrganizationPolicyType};
use serde::Deserialize;
use serde_json::Value;
use tidegate::decision::IamDecision;

use crate::Failure;

/// One case, as `fixtures/iam/SOURCES.md` describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Case {
    name: String,
    #[serde(rename = "trap")]
    _trap: String,
    request: Asked,
    identity: Vec<Value>,
    session: Option<Value>,
    boundary: Option<Value>,
    resource_policy: Option<Value>,
    #[serde(default)]
    scp: Vec<Vec<Value>>,
    #[serde(default)]
    rcp: Vec<Vec<Value>>,
    #[serde(rename = "kind")]
    _kind: Option<String>,
    expect: Expected,
    #[serde(rename = "leak")]
    _leak: bool,
    #[serde(rename = "source")]
    _source: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
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

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Expected {
    Allow,
    ExplicitDeny,
    ImplicitDeny,
}

impl From<Expected> for IamDecision {
    fn from(expected: Expected) -> Self {
        match expected {
            Expected::Allow => Self::Allowed,
            Expected::ExplicitDeny => Self::ExplicitDeny,
            Expected::ImplicitDeny => Self::ImplicitDeny,
        }
    }
}

/// What became of the cases.
#[derive(Clone, Debug, Default)]
pub struct Simulated {
    /// Cases AWS answers as expected.
    pub agree: usize,
    /// Cases it answers otherwise: the name, what was expected, what AWS said.
    pub differ: Vec<(String, IamDecision, String)>,
    /// Cases the simulator cannot be asked: the name and the reason.
    pub unasked: Vec<(String, &'static str)>,
}

impl fmt::Display for Simulated {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "as expected           {:>5}", self.agree)?;
        writeln!(formatter, "otherwise             {:>5}", self.differ.len())?;
        for (name, expected, said) in &self.differ {
            writeln!(formatter, "    {name}: expected {expected}, AWS says {said}")?;
        }
        writeln!(formatter, "cannot be put to it   {:>5}", self.unasked.len())?;
        for (name, reason) in &self.unasked {
            writeln!(formatter, "    {name}: {reason}")?;
        }
        Ok(())
    }
}

/// Reads every file of cases in a directory.
///
/// # Errors
/// The directory or a file cannot be read; a case has a member this crate does not know.
pub fn load(directory: &Path) -> Result<Vec<Case>, Failure> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "json") {
            files.push(path);
        }
    }
    files.sort();
    let mut cases = Vec::new();
    for path in files {
        let read: Result<Vec<Case>, _> = serde_json::from_slice(&std::fs::read(&path)?);
        cases.extend(read.map_err(|error| format!("{}: {error}", path.display()))?);
    }
    Ok(cases)
}

impl Case {
    /// The caller as the simulator takes it, or why the case cannot be put to it.
    ///
    /// # Errors
    /// The reason.
    pub fn caller(&self) -> Result<String, &'static str> {
        if self.request.action.starts_with("sts:") {
            return Err("the simulator asks no trust policies");
        }
        if self.session.is_some() {
            return Err("the simulator takes no session policies");
        }
        if !self.rcp.is_empty() {
            return Err("the simulator takes no resource control policies");
        }
        if self.identity.is_empty() {
            return Err("the simulator wants a policy of the caller's");
        }
        let caller = self.role_or_user()?;
        if self.resource_policy.is_some() && caller.contains(":role/") {
            return Err("the simulator takes no policy of a resource where a role asks");
        }
        Ok(caller)
    }

    fn role_or_user(&self) -> Result<String, &'static str> {
        let principal = &self.request.principal;
        if principal.contains(":user/") || principal.contains(":role/") {
            return Ok(principal.clone());
        }
        let session = principal
            .strip_prefix("arn:aws:sts::")
            .and_then(|rest| rest.split_once(":assumed-role/"));
        let (account, name) = session.ok_or("the simulator asks for users and roles only")?;
        let (role, _) = name.split_once('/').unwrap_or((name, ""));
        Ok(format!("arn:aws:iam::{account}:role/{role}"))
    }
}

/// Asks every case that can be put to the simulator.
///
/// # Errors
/// A call fails.
pub async fn judge(iam: &aws_sdk_iam::Client, cases: &[Case]) -> Result<Simulated, Failure> {
    let mut simulated = Simulated::default();
    for case in cases {
        let caller = match case.caller() {
            Ok(caller) => caller,
            Err(reason) => {
                simulated.unasked.push((case.name.clone(), reason));
                continue;
            }
        };
        let said = ask(iam, case, &caller)
            .await
            .map_err(|error| format!("{}: {error:?}", case.name))?;
        let expected = IamDecision::from(case.expect);
        if said == expected.as_str() {
            simulated.agree += 1;
        } else {
            simulated.differ.push((case.name.clone(), expected, said));
        }
    }
    Ok(simulated)
}

async fn ask(iam: &aws_sdk_iam::Client, case: &Case, caller: &str) -> Result<String, Failure> {
    let request = &case.request;
    let text = Value::to_string;
    let mut call = iam
        .simulate_custom_policy()
        .set_policy_input_list(Some(case.identity.iter().map(text).collect()))
        .caller_arn(caller)
        .action_names(&request.action)
        .resource_arns(&request.resource)
        .resource_owner(format!("arn:aws:iam::{}:root", request.resource_account))
        .set_resource_policy(case.resource_policy.as_ref().map(text));
    if let Some(boundary) = &case.boundary {
        call = call.permissions_boundary_policy_input_list(boundary.to_string());
    }
    for level in &case.scp {
        let policies = OrderedOrganizationPolicyType::builder();
        let policies = policies.set_service_control_policy_input_list(Some(level.iter().map(text).collect()));
        call = call.ordered_organization_policy_input_list(policies.build());
    }
    for (key, values) in &request.context {
        let (kind, values) = match values {
            Values::One(value) => (kind(key), vec![value.clone()]),
            Values::Many(values) => (ContextKeyTypeEnum::StringList, values.clone()),
        };
        let entry = ContextEntry::builder().context_key_name(key).context_key_type(kind);
        call = call.context_entries(entry.set_context_key_values(Some(values)).build());
    }
    let answered = call.send().await?;
    match answered.evaluation_results() {
        [result] => Ok(result.eval_decision().as_str().to_owned()),
        results => Err(format!("{} results to one question", results.len()).into()),
    }
}

/// The simulator wants to be told what kind of value a key has.
fn kind(key: &str) -> ContextKeyTypeEnum {
    match key.to_ascii_lowercase().as_str() {
        "aws:sourceip" | "aws:vpcsourceip" => ContextKeyTypeEnum::Ip,
        "aws:multifactorauthpresent" | "aws:securetransport" | "aws:viaawsservice" => ContextKeyTypeEnum::Boolean,
        "s3:max-keys" | "aws:multifactorauthage" | "aws:epochtime" => ContextKeyTypeEnum::Numeric,
        "aws:currenttime" | "aws:tokenissuetime" => ContextKeyTypeEnum::Date,
        _ => ContextKeyTypeEnum::String,
    }
}
