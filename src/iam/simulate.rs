//! AWS's policy simulator, offline: `SimulateCustomPolicy`'s request in, its response out.
//!
//! The request says who asks (`CallerArn`), what for (`ActionNames`, `ResourceArns`), in which circumstances
//! (`ContextEntries`) and under which policies. Beyond AWS's own members it takes what AWS's simulator does not: the policies
//! of a session (`SessionPolicyInputList`), service and resource control policies level by level
//! (`ServiceControlPolicyInputLists`, `ResourceControlPolicyInputLists`), and an assumed-role session or an identity provider
//! as the caller. The policies are AWS's text, as a string or as an object.
//!
//! A question of trust has the role in `ResourceArns`, its trust policy in `ResourcePolicy`, and the role, session or
//! identity provider that wants to take it on in `CallerArn`.
//!
//! The response has one result for each action on each resource. What AWS has no member for stands in `Trace`: the layer
//! that decided, and for a refusal the statement that came nearest to letting it through with the elements that failed.
//!
//! ```
//! use tidegate::iam::simulate::simulate;
//!
//! let simulation = simulate(r#"{
//!     "PolicyInputList": [{"Version": "2012-10-17", "Statement": [
//!         {"Sid": "Own", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::pcf/acme/*"}]}],
//!     "CallerArn": "arn:aws:sts::111122223333:assumed-role/acme/anna",
//!     "ActionNames": ["s3:GetObject"],
//!     "ResourceArns": ["arn:aws:s3:::pcf/acme/a.json", "arn:aws:s3:::pcf/globex/a.json"]
//! }"#)?;
//! assert!(!simulation.all_allowed());
//! let answer = serde_json::to_value(&simulation).unwrap();
//! assert_eq!(answer["EvaluationResults"][0]["EvalDecision"], "allowed");
//! assert_eq!(answer["EvaluationResults"][1]["EvalDecision"], "implicitDeny");
//! assert_eq!(answer["EvaluationResults"][1]["Trace"]["Nearest"]["Failed"][0]["Element"], "Resource");
//! # Ok::<(), tidegate::iam::simulate::SimulateError>(())
//! ```
//!
//! **Strict in what is unknown.** A member that is not known, a policy outside the subset of the language that is evaluated
//! exactly, a value that is not of its type: each is an error that names the place. None is read as "does not match".

mod answer;
mod entries;
mod error;
mod input;
mod policies;
mod write;

pub use answer::Simulation;
pub use error::SimulateError;
pub use write::request_document;

use answer::EvaluationResult;
use input::Input;
use policies::Policies;

use super::document::Document;
use super::evaluate::{Layers, evaluate};
use super::json;
use super::nearest::nearest;
use super::request::{Arn, Principal, Request, is_account};
use super::template::Params;

/// The longest request read, in bytes.
pub const MAX_REQUEST: usize = 4 * 1024 * 1024;

/// The most results one request may ask for.
const MAX_RESULTS: usize = 10_000;

/// The most statements looked at for one request, over all its results: keeps the answer of a size one can read.
const MAX_CHECKS: usize = 200_000;

/// Answers one request.
///
/// # Errors
/// What is wrong with the request or with a policy in it, where, and how to mend it.
pub fn simulate(text: &str) -> Result<Simulation, SimulateError> {
    let root = json::read_within(text, MAX_REQUEST).map_err(|fault| SimulateError::of_input(text, &fault))?;
    let input = Input::read(text, &root)?;
    let policies = Policies::compile(&input)?;
    let results = input.actions.len().saturating_mul(input.resources.len());
    if results > MAX_RESULTS || results.saturating_mul(policies.statements()) > MAX_CHECKS {
        let message = format!(
            "{results} results over {} statements are more than are answered at once (at most {MAX_RESULTS} results, and \
             {MAX_CHECKS} statements over all of them); ask in several requests",
            policies.statements()
        );
        return Err(SimulateError::plain(message));
    }
    let asked = input.actions.iter().flat_map(|&action| {
        let resources = input.resources.iter();
        resources.map(move |&resource| (action, resource))
    });
    Ok(Simulation::new(
        asked
            .map(|(action, resource)| one(&input, &policies, action, resource))
            .collect(),
    ))
}

fn one(input: &Input<'_>, policies: &Policies, action: &str, resource: &str) -> EvaluationResult {
    let account = resource_account(input, resource);
    let request = Request {
        principal: input.caller.clone().unwrap_or(Principal::Unknown {
            account: account.into(),
        }),
        action,
        resource,
        resource_account: account,
        context: input.context.clone(),
    };
    let rcp: Vec<&Document> = policies.rcp.iter().collect();
    let levels: Vec<Vec<&Document>> = policies.scp.iter().map(|level| level.iter().collect()).collect();
    let scp: Vec<&[&Document]> = levels.iter().map(Vec::as_slice).collect();
    let identity: Vec<&Document> = policies.identity.iter().collect();
    let session: Vec<&Document> = policies.session.iter().collect();
    let layers = Layers {
        rcp: &rcp,
        scp: &scp,
        resource: policies.of_resource(action, resource),
        identity: &identity,
        boundary: policies.boundary.as_ref(),
        session: &session,
    };
    let params = Params::new();
    let evaluation = evaluate(&request, &layers, &params);
    let nearest = nearest(&request, &layers, &params, &evaluation);
    EvaluationResult::new(&request, &layers, &evaluation, nearest.as_ref())
}

/// The account the ARN shows, else the owner that was named, else the caller's own; empty if nobody says.
fn resource_account<'i>(input: &'i Input<'_>, resource: &'i str) -> &'i str {
    let shown = Arn::split(resource).map(|arn| arn.account);
    let caller = || input.caller.as_ref().and_then(Principal::account);
    shown
        .filter(|account| is_account(account))
        .or(input.owner)
        .or_else(caller)
        .unwrap_or_default()
}
