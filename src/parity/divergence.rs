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

use super::case::{Case, Expect, ExpectCedar, ExpectIam};
use super::corpus::Corpus;
use super::finding::{Finding, Rule};
use crate::decision::{Decision, Effect, IamAnswer, IamDecision};
use crate::question::EntityKind;

/// What a tag begins with that names a class.
pub(super) const TAG: &str = "diverges:";

/// The layer that allows what the other denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
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
    match &decision.iam {
        IamAnswer::Evaluated { decision: iam, .. } => wider(decision.cedar.decision, *iam),
        IamAnswer::NotApplicable { .. } => None,
    }
}

fn wider(cedar: Effect, iam: IamDecision) -> Option<Wider> {
    match (cedar, iam == IamDecision::Allowed) {
        (Effect::Allow, false) => Some(Wider::Cedar),
        (Effect::Deny, true) => Some(Wider::Iam),
        (Effect::Allow, true) | (Effect::Deny, false) => None,
    }
}

/// As [`disagreement`], of answers as a case spells them.
fn spelled_disagreement(answers: &Expect) -> Option<Wider> {
    match &answers.iam {
        ExpectIam::Asked(asked) => wider(answers.cedar.decision()?, asked.decision),
        ExpectIam::Unasked(_) => None,
    }
}

/// What determined Cedar's answer.
fn causes(answer: &ExpectCedar) -> BTreeSet<String> {
    let ExpectCedar::Asked(answer) = answer else {
        return BTreeSet::new();
    };
    let mut causes = answer.policies.clone();
    if answer.errors > 0 {
        causes.insert("error".to_owned());
    }
    if causes.is_empty() {
        causes.insert("no permit".to_owned());
    }
    causes
}

fn unlisted(wider: Wider, rest: &str) -> Finding {
    let (allows, denies) = match wider {
        Wider::Cedar => ("Cedar", "AWS"),
        Wider::Iam => ("AWS", "Cedar"),
    };
    let message = format!("unlisted divergence: {allows} allows what {denies} denies, and {rest}");
    Finding::new(Rule::UnlistedDivergence, message)
}

/// What the cases of a corpus show of the listed divergences: which class is borne for which cause, by which kind of
/// principal. A disagreement that no case was written for is explained only by what cases of the same kind show, so that a
/// class which is right for partners does not excuse people.
#[derive(Clone, Debug, Default)]
pub struct Listed(BTreeMap<(Wider, EntityKind, String), BTreeSet<String>>);

impl Listed {
    /// Reads the classes off the cases that name them.
    pub fn of(corpus: &Corpus) -> Self {
        let mut listed = Self::default();
        for case in &corpus.cases {
            let Some(wider) = spelled_disagreement(&case.expect) else {
                continue;
            };
            let borne = causes(&case.expect.cedar);
            for name in case.classes() {
                let class = corpus.divergences.iter().find(|class| class.name == name);
                let Some(class) = class.filter(|class| class.wider == wider) else {
                    continue;
                };
                for cause in borne.intersection(&class.causes) {
                    let key = (wider, case.question.principal.kind, cause.clone());
                    listed.0.entry(key).or_default().insert(class.name.clone());
                }
            }
        }
        listed
    }

    /// The classes that explain why the layers give `answers` to a principal of `kind`; none where they do not disagree.
    ///
    /// # Errors
    /// Says which cause no class explains.
    pub fn explain(&self, kind: EntityKind, answers: &Expect) -> Result<BTreeSet<String>, Finding> {
        let Some(wider) = spelled_disagreement(answers) else {
            return Ok(BTreeSet::new());
        };
        let mut classes = BTreeSet::new();
        let mut open = Vec::new();
        for cause in causes(&answers.cedar) {
            let key = (wider, kind, cause);
            match self.0.get(&key) {
                Some(explaining) => classes.extend(explaining.iter().cloned()),
                None => open.push(key.2),
            }
        }
        if open.is_empty() {
            return Ok(classes);
        }
        let open = open.join("`, `");
        Err(unlisted(
            wider,
            &format!("no case of a listed class bears `{open}` for a {kind}"),
        ))
    }
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

    /// What is wrong with one case's disagreement, or its lack, when both layers give the answers `got`.
    pub(super) fn case(&mut self, case: &Case, got: &Expect) -> Vec<Finding> {
        let mut findings = Vec::new();
        let wider = spelled_disagreement(got);
        let causes = causes(&got.cedar);
        let mut open = causes.clone();
        for name in case.classes() {
            let Some(class) = self.classes.iter().find(|class| class.name == name) else {
                let message = format!("the class of divergences `{name}` is not in divergences.json");
                findings.push(Finding::new(Rule::UnknownDivergence, message));
                continue;
            };
            let shared: BTreeSet<_> = class.causes.intersection(&causes).cloned().collect();
            if wider != Some(class.wider) || shared.is_empty() {
                let message =
                    format!("healed: the layers do not disagree as the class `{name}` says; take the tag out");
                findings.push(Finding::new(Rule::HealedDivergence, message));
                continue;
            }
            open.retain(|cause| !shared.contains(cause));
            self.borne.entry(&class.name).or_default().extend(shared);
            *self.covered.entry(&class.name).or_default() += 1;
        }
        if let (Some(wider), false) = (wider, open.is_empty()) {
            let open: Vec<_> = open.iter().map(String::as_str).collect();
            let open = open.join("`, `");
            findings.push(unlisted(wider, &format!("no class the case names covers `{open}`")));
        }
        findings
    }

    /// What is wrong with the list itself, after every case was seen; and how many cases each class covers.
    pub(super) fn close(self) -> (Vec<Finding>, BTreeMap<String, usize>) {
        let mut findings = Vec::new();
        let mut covered = BTreeMap::new();
        for class in self.classes {
            let none = BTreeSet::new();
            let borne = self.borne.get(class.name.as_str()).unwrap_or(&none);
            for idle in class.causes.difference(borne) {
                let message = format!(
                    "divergences.json: no case of the class `{}` bears the cause `{idle}`",
                    class.name
                );
                findings.push(Finding::new(Rule::IdleCause, message));
            }
            covered.insert(
                class.name.clone(),
                self.covered.get(class.name.as_str()).copied().unwrap_or_default(),
            );
        }
        (findings, covered)
    }
}
