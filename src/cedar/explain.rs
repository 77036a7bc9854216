//! Why a question was answered as it was, and the nearest change that would flip it.
//!
//! Every policy that can match is taken apart into its clauses (the conjuncts of its `when` and `unless` conditions and of
//! its scope), and each clause is evaluated by itself. What stands between a deny and an allow is then plain: the clauses of
//! the forbids that matched, and the unmet clauses of the permit that came closest.

use cedar_policy::{Authorizer, Effect as CedarEffect, Policy, PolicyId, PolicySet, Schema};
use serde::Serialize;
use serde_json::{Value, json};

use super::translate::{Prepared, translate};
use super::{Index, answer, brought};
use crate::decision::{CedarAnswer, Effect};
use crate::question::Question;

/// One condition of a policy, by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Clause {
    /// The condition as Cedar text.
    pub text: String,
    /// Whether it holds; nothing when it failed to evaluate.
    pub holds: Option<bool>,
}

/// A policy that could match, and how far it is from doing so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NearMiss {
    /// The policy's id.
    pub policy: String,
    /// Its `@why`.
    pub why: String,
    /// `permit` or `forbid`.
    pub effect: &'static str,
    /// Whether the whole of it holds.
    pub matched: bool,
    /// Its clauses.
    pub clauses: Vec<Clause>,
}

impl NearMiss {
    /// The clauses that keep it from matching.
    pub fn unmet(&self) -> impl Iterator<Item = &Clause> {
        self.clauses.iter().filter(|clause| clause.holds != Some(true))
    }
}

/// The answer and what stands around it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The answer of [`answer`].
    pub answer: CedarAnswer,
    /// Every policy that could match, the closest first.
    pub policies: Vec<NearMiss>,
    /// The nearest change that flips the decision, one step a line; empty when no single permit or forbid shows one.
    pub flip: Vec<String>,
}

/// One reason why a decision is what it is.
#[derive(Clone, Copy, Debug)]
pub enum Ground<'e> {
    /// A policy that determined it.
    Policy(&'e NearMiss),
    /// Where none did: a clause that the nearest policy that would permit lacks.
    Lacking(&'e NearMiss, &'e Clause),
}

impl Explanation {
    /// Why a decision that these policies determined is what it is.
    pub fn grounds(&self, determining: &[String]) -> Vec<Ground<'_>> {
        let determined = self
            .policies
            .iter()
            .filter(|policy| determining.contains(&policy.policy));
        let grounds: Vec<_> = determined.map(Ground::Policy).collect();
        if !grounds.is_empty() {
            return grounds;
        }
        let nearest = self.policies.iter().find(|policy| policy.effect == "permit");
        let lacks = nearest
            .into_iter()
            .flat_map(|policy| policy.unmet().map(move |clause| Ground::Lacking(policy, clause)));
        lacks.collect()
    }
}

/// Explains the answer to `question`.
pub fn explain(index: &Index, schema: &Schema, question: &Question) -> Explanation {
    let answer = answer(index, schema, question);
    let mut policies = Vec::new();
    if let Ok(request) = translate(question, schema) {
        let slot = index.slot(question.principal.kind, question.action, question.resource.kind);
        for policy in slot.into_iter().chain(brought(question)).flat_map(PolicySet::policies) {
            policies.push(take_apart(policy, &request));
        }
    }
    policies.sort_by_key(|policy| (!policy.matched, policy.unmet().count(), policy.policy.clone()));
    let flip = flip(&answer, &policies);
    Explanation { answer, policies, flip }
}

fn flip(answer: &CedarAnswer, policies: &[NearMiss]) -> Vec<String> {
    let mut steps = Vec::new();
    if answer.decision == Effect::Allow {
        let closest = policies
            .iter()
            .filter(|policy| policy.effect == "forbid")
            .min_by_key(|policy| policy.unmet().count());
        if let Some(forbid) = closest {
            steps.extend(
                forbid
                    .unmet()
                    .map(|clause| format!("would be denied by `{}` if {}", forbid.policy, clause.text)),
            );
        }
        return steps;
    }
    for forbid in policies
        .iter()
        .filter(|policy| policy.effect == "forbid" && policy.matched)
    {
        let clauses: Vec<_> = forbid.clauses.iter().map(|clause| clause.text.as_str()).collect();
        steps.push(format!(
            "`{}` must not match; it does because {}",
            forbid.policy,
            clauses.join(" and ")
        ));
    }
    let permits = || policies.iter().filter(|policy| policy.effect == "permit");
    if !permits().any(|permit| permit.matched) {
        match permits().min_by_key(|permit| permit.unmet().count()) {
            Some(permit) => {
                let unmet = permit
                    .unmet()
                    .map(|clause| format!("`{}` would permit if {}", permit.policy, clause.text));
                steps.extend(unmet);
            }
            None => {
                steps.push("no policy permits such a request at all; for a contract moment, an agreement must".into())
            }
        }
    }
    steps
}

/// Splits a policy into clauses and evaluates each by itself.
fn take_apart(policy: &Policy, request: &Prepared) -> NearMiss {
    let effect = match policy.effect() {
        CedarEffect::Permit => "permit",
        CedarEffect::Forbid => "forbid",
    };
    let mut clauses = Vec::new();
    if let Ok(Value::Object(members)) = policy.to_json() {
        for scope in ["principal", "resource"] {
            let whole = members.get(scope).cloned().unwrap_or(Value::Null);
            if whole.get("op").and_then(Value::as_str) != Some("All") {
                clauses.extend(clause(request, scope, &whole, &[]));
            }
        }
        for condition in members
            .get("conditions")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let Some(body) = condition.get("body") else { continue };
            if condition.get("kind").and_then(Value::as_str) == Some("unless") {
                clauses.extend(clause(
                    request,
                    "",
                    &Value::Null,
                    &[json!({ "kind": "unless", "body": body })],
                ));
            } else {
                for part in conjuncts(body) {
                    clauses.extend(clause(
                        request,
                        "",
                        &Value::Null,
                        &[json!({ "kind": "when", "body": part })],
                    ));
                }
            }
        }
    }
    let matched = clauses.iter().all(|clause| clause.holds == Some(true));
    let why = policy.annotation("why").unwrap_or_default().to_owned();
    NearMiss {
        policy: policy.id().to_string(),
        why,
        effect,
        matched,
        clauses,
    }
}

fn conjuncts(expression: &Value) -> Vec<&Value> {
    match expression.get("&&") {
        Some(pair) => ["left", "right"]
            .into_iter()
            .filter_map(|side| pair.get(side))
            .flat_map(conjuncts)
            .collect(),
        None => vec![expression],
    }
}

/// Evaluates a policy that consists of one scope constraint or one condition.
fn clause(request: &Prepared, scope: &str, constraint: &Value, conditions: &[Value]) -> Option<Clause> {
    let all = json!({ "op": "All" });
    let pick = |name: &str| if name == scope { constraint.clone() } else { all.clone() };
    let whole = json!({
        "effect": "permit",
        "principal": pick("principal"),
        "action": all,
        "resource": pick("resource"),
        "conditions": conditions,
    });
    let policy = Policy::from_json(Some(PolicyId::new("clause")), whole).ok()?;
    let text = clause_text(&policy.to_cedar()?);
    let set = PolicySet::from_policies([policy]).ok()?;
    let response = Authorizer::new().is_authorized(&request.request, &set, &request.entities);
    let failed = response.diagnostics().errors().next().is_some();
    let holds = (!failed).then_some(response.decision() == cedar_policy::Decision::Allow);
    Some(Clause { text, holds })
}

/// The clause itself out of the text of a policy that has only it.
fn clause_text(policy: &str) -> String {
    let flat = policy.split_whitespace().collect::<Vec<_>>().join(" ");
    let body = |keyword: &str| {
        let (_, rest) = flat.split_once(&format!("{keyword} {{"))?;
        Some(rest.trim_end_matches(';').trim_end_matches('}').trim().to_owned())
    };
    if let Some(text) = body(") when") {
        return text;
    }
    if let Some(text) = body(") unless") {
        return format!("not ({text})");
    }
    let scope = flat
        .trim_start_matches("permit(")
        .trim_start_matches("permit (")
        .trim_end_matches(';')
        .trim_end_matches(')');
    scope
        .split(", ")
        .find(|part| part.contains(' '))
        .unwrap_or(scope)
        .trim()
        .to_owned()
}
