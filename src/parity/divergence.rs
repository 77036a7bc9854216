//! Where the layers may disagree, and why.
//!
//! The layers disagree over a question when both are asked and one allows what the other denies. That is not always a
//! mistake: AWS knows nothing of contracts, so a role that may read its tenant's object may also read it for a partner whose
//! contract has ended. Each such cause is a class in `divergences.json`:
//!
//! ```json
//! {"name": "contract", "wider": "iam", "reason": "AWS knows nothing of contracts …",
//!  "causes": ["no permit", "exchange/agreement-in-force"]}
//! ```
//!
//! `wider` is the layer that allows. `causes` are the Cedar policies that may determine such a case; `no permit` stands for a
//! deny that no policy determined, `error` for one where a policy failed to evaluate. A case takes part with the tag
//! `diverges:contract`. The list is held from both sides: a case that disagrees must be covered, each of its causes, by the
//! classes it names; a case that names a class must disagree by a cause of it; and every cause of every class must be borne
//! by a case. So a class cannot grow to hide what nobody looked at, and cannot outlive its cause.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::case::Case;
use crate::decision::{Decision, Effect, IamAnswer, IamDecision};

/// What a tag begins with that names a class.
const TAG: &str = "diverges:";

/// The layer that allows what the other denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wider {
    /// Cedar allows, AWS refuses: the decision is a deny and an alert.
    Cedar,
    /// AWS allows, Cedar refuses.
    Iam,
}

/// One cause of disagreement.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Divergence {
    /// Its name; cases take part with the tag `diverges:{name}`.
    pub name: String,
    /// The layer that allows.
    pub wider: Wider,
    /// Why the layers may disagree so.
    pub reason: String,
    /// The Cedar policies that may determine such a case, or `no permit`, or `error`.
    pub causes: BTreeSet<String>,
}

/// Which layer is wider, where the two disagree.
pub fn disagreement(decision: &Decision) -> Option<Wider> {
    let IamAnswer::Evaluated { decision: iam, .. } = &decision.iam else {
        return None;
    };
    match (decision.cedar.decision, *iam == IamDecision::Allowed) {
        (Effect::Allow, false) => Some(Wider::Cedar),
        (Effect::Deny, true) => Some(Wider::Iam),
        (Effect::Allow, true) | (Effect::Deny, false) => None,
    }
}

/// What determined Cedar's answer.
fn causes(case: &Case, decision: &Decision) -> BTreeSet<String> {
    let answer = &decision.cedar;
    let mut causes: BTreeSet<_> = answer
        .policies
        .iter()
        .map(|policy| case.world.spelled(policy))
        .collect();
    if !answer.errors.is_empty() {
        causes.insert("error".to_owned());
    }
    if causes.is_empty() {
        causes.insert("no permit".to_owned());
    }
    causes
}

/// Holds the list and the cases against each other.
pub(super) struct Watch<'d> {
    classes: &'d [Divergence],
    borne: BTreeMap<&'d str, BTreeSet<String>>,
    covered: BTreeMap<&'d str, usize>,
}

impl<'d> Watch<'d> {
    pub(super) fn new(classes: &'d [Divergence]) -> Self {
        Self {
            classes,
            borne: BTreeMap::new(),
            covered: BTreeMap::new(),
        }
    }

    /// What is wrong with one case's disagreement, or its lack.
    pub(super) fn case(&mut self, case: &Case, decision: &Decision) -> Vec<String> {
        let mut findings = Vec::new();
        let wider = disagreement(decision);
        let causes = causes(case, decision);
        let mut open = causes.clone();
        for name in case.tags.iter().filter_map(|tag| tag.strip_prefix(TAG)) {
            let Some(class) = self.classes.iter().find(|class| class.name == name) else {
                findings.push(format!("the class of divergences `{name}` is not in divergences.json"));
                continue;
            };
            let shared: BTreeSet<_> = class.causes.intersection(&causes).cloned().collect();
            if wider != Some(class.wider) || shared.is_empty() {
                findings.push(format!(
                    "healed: the layers do not disagree as the class `{name}` says; take the tag out"
                ));
                continue;
            }
            open.retain(|cause| !shared.contains(cause));
            self.borne.entry(&class.name).or_default().extend(shared);
            *self.covered.entry(&class.name).or_default() += 1;
        }
        if let (Some(wider), false) = (wider, open.is_empty()) {
            let (allows, denies) = match wider {
                Wider::Cedar => ("Cedar", "AWS"),
                Wider::Iam => ("AWS", "Cedar"),
            };
            let open: Vec<_> = open.iter().map(String::as_str).collect();
            findings.push(format!(
                "unlisted divergence: {allows} allows what {denies} denies, and no class the case names covers `{}`",
                open.join("`, `")
            ));
        }
        findings
    }

    /// What is wrong with the list itself, after every case was seen; and how many cases each class covers.
    pub(super) fn close(self) -> (Vec<String>, BTreeMap<String, usize>) {
        let mut findings = Vec::new();
        let mut covered = BTreeMap::new();
        for class in self.classes {
            let none = BTreeSet::new();
            let borne = self.borne.get(class.name.as_str()).unwrap_or(&none);
            for idle in class.causes.difference(borne) {
                findings.push(format!(
                    "divergences.json: no case of the class `{}` bears the cause `{idle}`",
                    class.name
                ));
            }
            covered.insert(
                class.name.clone(),
                self.covered.get(class.name.as_str()).copied().unwrap_or_default(),
            );
        }
        (findings, covered)
    }
}
