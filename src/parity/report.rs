//! What a run of the corpus found.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Layer;
use super::case::{Case, Expect, ExpectCedar, ExpectIam, GENERATED};
use super::corpus::Corpus;
use super::divergence::Watch;
use super::finding::{Finding, Rule, Verdict};
use super::request::RequestCase;
use super::{sign_in, walls};
use crate::bundle::Bundle;
use crate::decision::{Decision, Effect, IamDecision};
use crate::engine;
use crate::iam::Isolation;
use crate::ids::Digest;

/// Every case with what it expects, what it got, and whether that will do.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The bundle that was asked.
    pub bundle: Digest,
    /// Which layers were held to the corpus.
    pub layer: Layer,
    /// Counts over all cases.
    pub totals: Totals,
    /// Every case, in the order of the corpus.
    pub cases: Vec<Outcome>,
    /// How many cases each class of divergences covers.
    pub divergences: BTreeMap<String, usize>,
    /// What is wrong with the list of divergences as a whole.
    pub problems: Vec<Finding>,
}

/// One case's outcome.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The directory the case stands in.
    pub theme: String,
    /// Its name.
    pub name: String,
    /// The rule or the bug it pins.
    pub why: String,
    /// Whether it was written by a machine and not thought of by a person.
    pub generated: bool,
    /// What it expects.
    pub expected: Expect,
    /// What it got, both layers.
    pub got: Expect,
    /// What failed to evaluate, in Cedar's words.
    pub errors: Vec<String>,
    /// What both layers together decide; to a request to AWS itself, what AWS does.
    pub effect: Effect,
    /// How the layers stand to each other, and to what the case expects.
    pub verdict: Verdict,
    /// The classes of divergences the case names.
    pub divergences: Vec<String>,
    /// What is wrong; empty when the case holds.
    pub findings: Vec<Finding>,
}

impl Outcome {
    /// `theme/name`.
    pub fn id(&self) -> String {
        format!("{}/{}", self.theme, self.name)
    }

    /// How the layers stand to each other, once everything that is wrong was found. Where only one layer is held to the
    /// corpus, nothing was compared.
    fn verdict(&self, layer: Layer) -> Verdict {
        match &self.got.iam {
            _ if !self.findings.is_empty() => Verdict::Mismatch,
            ExpectIam::Asked(_) if layer == Layer::Both && self.divergences.is_empty() => Verdict::Agree,
            ExpectIam::Asked(_) if layer == Layer::Both => Verdict::Listed,
            ExpectIam::Asked(_) | ExpectIam::Unasked(_) => Verdict::NotApplicable,
        }
    }
}

/// Counts of answers, as they were got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    /// Cases.
    pub cases: usize,
    /// Cases that were written by a machine.
    pub generated: usize,
    /// Cases that do not hold.
    pub failed: usize,
    /// Cases Cedar allows.
    pub cedar_allow: usize,
    /// Cases Cedar denies.
    pub cedar_deny: usize,
    /// Cases Cedar is not asked about.
    pub cedar_not_applicable: usize,
    /// Cases AWS allows.
    pub iam_allowed: usize,
    /// Cases AWS denies.
    pub iam_denied: usize,
    /// Cases AWS is not asked about.
    pub iam_not_applicable: usize,
}

impl Totals {
    /// Counts `outcomes`.
    pub fn of<'o>(outcomes: impl IntoIterator<Item = &'o Outcome>) -> Self {
        let mut totals = Self::default();
        for outcome in outcomes {
            totals.cases += 1;
            totals.generated += usize::from(outcome.generated);
            totals.failed += usize::from(!outcome.findings.is_empty());
            match outcome.got.cedar.decision() {
                Some(Effect::Allow) => totals.cedar_allow += 1,
                Some(Effect::Deny) => totals.cedar_deny += 1,
                None => totals.cedar_not_applicable += 1,
            }
            match &outcome.got.iam {
                ExpectIam::Unasked(_) => totals.iam_not_applicable += 1,
                ExpectIam::Asked(asked) if asked.decision == IamDecision::Allowed => totals.iam_allowed += 1,
                ExpectIam::Asked(_) => totals.iam_denied += 1,
            }
        }
        totals
    }
}

impl Report {
    /// Whether every case holds and the list of divergences is sound.
    pub fn holds(&self) -> bool {
        self.totals.failed == 0 && self.problems.is_empty()
    }

    /// Whether there was nothing to check.
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    /// The cases that do not hold.
    pub fn failures(&self) -> impl Iterator<Item = &Outcome> {
        self.cases.iter().filter(|outcome| !outcome.findings.is_empty())
    }

    /// The policies and statements that determined at least one answer.
    pub fn determining(&self) -> BTreeSet<&str> {
        self.cases.iter().flat_map(|outcome| outcome.got.names()).collect()
    }
}

impl Expect {
    /// The policies and statements named.
    fn names(&self) -> impl Iterator<Item = &str> {
        let statements = match &self.iam {
            ExpectIam::Asked(asked) => Some(&asked.statements),
            ExpectIam::Unasked(_) => None,
        };
        let policies = match &self.cedar {
            ExpectCedar::Asked(asked) => Some(&asked.policies),
            ExpectCedar::Unasked(_) => None,
        };
        policies.into_iter().chain(statements).flatten().map(String::as_str)
    }
}

/// Asks `bundle` every question of `corpus` and compares. Where both layers are held to the corpus, so is the list of
/// divergences.
pub(super) fn run(bundle: &Bundle, corpus: &Corpus, layer: Layer) -> Report {
    let mut watch = Watch::new(&corpus.divergences);
    let mut cases = Vec::with_capacity(corpus.cases.len());
    for case in &corpus.cases {
        let decision = engine::decide(bundle, &case.question);
        let mut outcome = compare(case, &decision, layer);
        if layer != Layer::Cedar {
            let other = other_isolation(bundle, case, &outcome.got.iam);
            outcome.findings.extend(other);
            outcome.findings.extend(walls::of_question(bundle, case));
        }
        if layer == Layer::Both {
            outcome.findings.extend(watch.case(case, &outcome.got));
        }
        outcome.verdict = outcome.verdict(layer);
        cases.push(outcome);
    }
    if layer != Layer::Cedar {
        cases.extend(corpus.requests.iter().map(|case| ask(bundle, case)));
        cases.extend(sign_in::outcomes(bundle, &corpus.sign_ins));
    }
    cases.sort_by(|one, other| (&one.theme, &one.name).cmp(&(&other.theme, &other.name)));
    let (problems, divergences) = match layer {
        Layer::Both => watch.close(),
        Layer::Cedar | Layer::Iam => Default::default(),
    };
    let totals = Totals::of(&cases);
    Report {
        bundle: bundle.digest,
        layer,
        totals,
        cases,
        divergences,
        problems,
    }
}

fn compare(case: &Case, decision: &Decision, layer: Layer) -> Outcome {
    let got = Expect::of(decision, &case.world);
    let mut findings = Vec::new();
    if layer != Layer::Iam && got.cedar != case.expect.cedar {
        let message = format!("cedar: expected {}, got {}", show_cedar(&case.expect), show_cedar(&got));
        findings.push(Finding::new(Rule::CedarAnswer, message));
    }
    if layer != Layer::Cedar && got.iam != case.expect.iam {
        let (expected, got) = (show_iam(&case.expect.iam), show_iam(&got.iam));
        let message = format!("iam: expected {expected}, got {got}");
        findings.push(Finding::new(Rule::IamAnswer, message));
    }
    Outcome {
        theme: case.theme.clone(),
        name: case.name.clone(),
        why: case.why.clone(),
        generated: case.tags.contains(GENERATED),
        expected: case.expect.clone(),
        got,
        errors: decision.cedar.errors.clone(),
        effect: decision.effect,
        verdict: Verdict::NotApplicable,
        divergences: case.classes().map(str::to_owned).collect(),
        findings,
    }
}

/// What is wrong with a case where tenants are kept apart the other way: one corpus describes both, so the answer must be that of
/// the bundle's own way.
fn other_isolation(bundle: &Bundle, case: &Case, own: &ExpectIam) -> Option<Finding> {
    let (other, name) = match bundle.account.isolation() {
        Isolation::Role => (Isolation::Tags, "one role and session tags"),
        Isolation::Tags => (Isolation::Role, "a role for each tenant"),
    };
    let got = ExpectIam::of(&engine::ask_iam_under(bundle, &case.question, other));
    (got != *own).then(|| {
        let (own, got) = (show_iam(own), show_iam(&got));
        let message = format!("iam: with {name} it would be {got} in place of {own}");
        Finding::new(Rule::IamAnswer, message)
    })
}

/// Asks AWS itself, each action of the case. The outcome shows the first answer that is not the expected one, or the first.
fn ask(bundle: &Bundle, case: &RequestCase) -> Outcome {
    let expected = &case.expect.iam;
    let mut findings = Vec::new();
    let mut shown = None;
    match case.request.ask(&bundle.account) {
        Ok(answers) => {
            for (action, got) in case.request.actions.iter().zip(answers) {
                let wrong = got != *expected;
                if wrong {
                    let (expected, got) = (show_iam(expected), show_iam(&got));
                    let message = format!("iam: {action}: expected {expected}, got {got}");
                    findings.push(Finding::new(Rule::IamAnswer, message));
                }
                if shown.is_none() || wrong && findings.len() == 1 {
                    shown = Some(got);
                }
            }
        }
        Err(problem) => findings.push(Finding::new(Rule::IamAnswer, problem)),
    }
    findings.extend(walls::of_request(bundle, case));
    let iam = shown.unwrap_or_else(|| expected.clone());
    Outcome {
        theme: case.theme.clone(),
        name: case.name.clone(),
        why: case.why.clone(),
        generated: case.tags.contains(GENERATED),
        expected: case.expect.clone(),
        effect: if iam.allows() { Effect::Allow } else { Effect::Deny },
        got: Expect {
            cedar: ExpectCedar::UNASKED,
            iam,
        },
        errors: Vec::new(),
        verdict: match findings.is_empty() {
            true => Verdict::NotApplicable,
            false => Verdict::Mismatch,
        },
        divergences: Vec::new(),
        findings,
    }
}

fn show_cedar(expect: &Expect) -> String {
    let ExpectCedar::Asked(cedar) = &expect.cedar else {
        return "not-applicable".to_owned();
    };
    let mut text = format!("{} by {}", cedar.decision, list(&cedar.policies));
    if cedar.errors > 0 {
        text.push_str(&format!(" with {} failing to evaluate", cedar.errors));
    }
    text
}

fn show_iam(expect: &ExpectIam) -> String {
    match expect {
        ExpectIam::Unasked(_) => "not-applicable".to_owned(),
        ExpectIam::Asked(asked) => format!("{} by {}", asked.decision, list(&asked.statements)),
    }
}

fn list(names: &BTreeSet<String>) -> String {
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    if names.is_empty() {
        "nothing".to_owned()
    } else {
        names.join(", ")
    }
}
