//! The Cedar layer: question in, answer out.
//!
//! Cedar's authorizer scans every policy of its set on every request. Tidegate asks it only about the policies whose scope
//! can match, found by an [`Index`] that is built once per bundle: the kind of the principal, the action and the kind of the
//! resource pick a prepared policy set. That is exact, because Cedar's answer depends only on which policies are satisfied
//! and a policy whose scope cannot match is not (proved in cedar-spec as
//! `isAuthorized_eq_for_scope_based_policy_slice`); full evaluation remains as the oracle the tests compare with.
//!
//! Two rules differ from plain Cedar, both on the side of deny:
//! - Cedar skips a policy that fails to evaluate, even a `forbid`. Here any evaluation error makes the decision a deny and
//!   is named in the answer.
//! - A question whose context or entities do not fit the schema is not evaluated at all; that is an error and a deny.
//!
//! # Worked example
//!
//! The question of [`crate::question`] (a partner asks for a footprint) falls into the slot (Partner, access, Footprint).
//! In it stand the guardrails that bind an agreement to its parties, asset and dates, all `forbid`; the one `permit` comes
//! from the contract itself, compiled from its ODRL and brought along by the question as [`Terms`](crate::contract::Terms).
//! So are the access rules of a company's digital twins ([`crate::twin`]).
//! Without an agreement there is no permit, so consent is not a rule one could forget.

mod explain;
mod index;
mod slices;
mod translate;

use cedar_policy::{Authorizer, PolicySet, Schema};

use crate::decision::{CedarAnswer, Effect};
use crate::ids::Digest;
use crate::question::Question;

pub use explain::{Clause, Explanation, Ground, NearMiss, explain};
pub use index::Index;
pub use translate::{TranslateError, translate};

/// Answers `question` from the policies of `index` and from the contract terms the question brings along.
pub fn answer(index: &Index, schema: &Schema, question: &Question) -> CedarAnswer {
    answer_slice(index, schema, question, question.canonical().entities.digest)
}

/// As [`answer`], where the digest of the question's entities in canonical form is at hand.
pub fn answer_slice(index: &Index, schema: &Schema, question: &Question, slice: Digest) -> CedarAnswer {
    let request = match translate::translate_kept(question, slice, schema, index.slices()) {
        Ok(request) => request,
        Err(error) => return untranslatable(&error),
    };
    let mut tally = Tally::default();
    if let Some(policies) = index.slot(question.principal.kind, question.action, question.resource.kind) {
        tally.add(&request, policies);
    }
    for policies in brought(question) {
        tally.add(&request, policies);
    }
    tally.answer()
}

fn untranslatable(error: &TranslateError) -> CedarAnswer {
    CedarAnswer {
        decision: Effect::Deny,
        errors: vec![error.to_string()],
        policies: vec![],
    }
}

/// Answers `question` the way plain Cedar would, over every policy at once: the oracle for [`answer`].
pub fn answer_in_full(policies: &PolicySet, schema: &Schema, question: &Question) -> CedarAnswer {
    let request = match translate(question, schema) {
        Ok(request) => request,
        Err(error) => return untranslatable(&error),
    };
    let mut all = policies.clone();
    for policy in brought(question).flat_map(PolicySet::policies) {
        if let Err(error) = all.add(policy.clone()) {
            return CedarAnswer {
                decision: Effect::Deny,
                errors: vec![error.to_string()],
                policies: vec![],
            };
        }
    }
    let mut tally = Tally::default();
    tally.add(&request, &all);
    tally.answer()
}

/// The policies a question brings along that have a say.
fn brought(question: &Question) -> impl Iterator<Item = &PolicySet> {
    let supplements = question.terms.values();
    supplements.filter_map(|supplement| supplement.policies(question.action))
}

/// Joins the answers over several policy sets into the answer over their union: some forbid satisfied denies; else some
/// permit satisfied allows; else deny. This is Cedar's own rule, and it does not care how the policies are divided.
#[derive(Default)]
struct Tally {
    permits: Vec<String>,
    forbids: Vec<String>,
    errors: Vec<String>,
}

impl Tally {
    fn add(&mut self, request: &translate::Prepared, policies: &PolicySet) {
        let response = Authorizer::new().is_authorized(&request.request, policies, &request.entities);
        let determining = match response.decision() {
            cedar_policy::Decision::Allow => &mut self.permits,
            // A deny without a reason is the absence of a permit and adds nothing.
            cedar_policy::Decision::Deny => &mut self.forbids,
        };
        determining.extend(response.diagnostics().reason().map(ToString::to_string));
        self.errors
            .extend(response.diagnostics().errors().map(ToString::to_string));
    }

    fn answer(self) -> CedarAnswer {
        let Self {
            permits,
            forbids,
            mut errors,
        } = self;
        errors.sort_unstable();
        let allowed = forbids.is_empty() && errors.is_empty() && !permits.is_empty();
        // Cedar names the forbids of a deny. Where only errors stand against a permit, no policy determined the deny.
        let mut policies = if allowed { permits } else { forbids };
        policies.sort_unstable();
        CedarAnswer {
            decision: if allowed { Effect::Allow } else { Effect::Deny },
            errors,
            policies,
        }
    }
}
