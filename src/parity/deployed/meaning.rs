//! What the deployed documents come to: put in the templates' place, and asked the whole corpus.
//!
//! What is shared (the service's and provisioning's roles, the boundary, the bucket's policy) is asked first. Then each way in which a
//! tenant's role, the shared role or a secret is set up, once however many have it, together with what is shared; what the
//! shared documents alone account for is not told again.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::export::Role;
use super::finding::{Finding, Rule};
use super::granted::{everything, granted, nothing};
use super::roles::own;
use super::template::{Own, back};
use super::{Deployment, Export};
use crate::bundle::{Bundle, Source};
use crate::decision::Effect;
use crate::iam::OwnRole;
use crate::parity::case::ExpectIam;
use crate::parity::{self, Corpus, Layer, Outcome, Report, run_layer};
use crate::question::EntityKind;

/// One way in which documents are deployed, and what it comes to.
#[derive(Clone, Debug, Serialize)]
pub struct Variant {
    /// The roles and secrets that are set up so; `shared documents` for what there is one of.
    pub of: Vec<String>,
    /// What the corpus says to it otherwise than to the bundle.
    pub consequences: Vec<Consequence>,
}

/// What a change comes to in one case; the gravest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effects {
    /// AWS allows what it would refuse under the bundle, or the other way round.
    Answer,
    /// The answer is the same, but a wall between tenants would stand open if it stood alone.
    Wall,
    /// The answer is the same, and other statements give it.
    Statements,
}

/// A case of the corpus that does not hold with the deployed documents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Consequence {
    /// What it comes to.
    pub effects: Effects,
    /// `theme/name`.
    pub case: String,
    /// The rule the case pins.
    pub why: String,
    /// What Cedar says; absent where the case is a request to AWS itself.
    pub cedar: Option<Effect>,
    /// What AWS answers under the bundle's documents.
    pub bundle: ExpectIam,
    /// What it answers under the deployed ones, with the statements.
    pub deployed: ExpectIam,
    /// Whether Cedar and the deployed documents contradict each other where Cedar and the bundle's do not.
    pub disagree: bool,
    /// What is wrong, in words.
    pub findings: Vec<String>,
}

pub(super) struct Meaning {
    pub(super) variants: Vec<Variant>,
    pub(super) findings: Vec<Finding>,
    pub(super) asked: usize,
}

/// Documents in the templates' place, by name.
type Documents = BTreeMap<&'static str, String>;

const SHARED: &str = "shared documents";

pub(super) fn of(bundle: &Bundle, corpus: &Corpus, deployment: &Deployment, export: &Export) -> Meaning {
    let base = run_layer(bundle, corpus, Layer::Both);
    let mut meaning = Meaning {
        variants: Vec::new(),
        findings: Vec::new(),
        asked: base.cases.len(),
    };
    if !base.holds() {
        let message = "the corpus does not hold under the bundle itself, so it was not asked about what is deployed";
        meaning.findings.push(Finding::new(Rule::Corpus, SHARED, message));
        return meaning;
    }
    let sought = Sought {
        bundle,
        corpus,
        deployment,
        export,
    };
    let (shared, parent) = match sought.shared().and_then(|shared| Ok((sought.run(&shared)?, shared))) {
        Ok((report, shared)) => {
            let consequences = otherwise(&base, &base, &report);
            meaning.variants.push(Variant {
                of: vec![SHARED.to_owned()],
                consequences,
            });
            (shared, report)
        }
        Err(problem) => {
            meaning.findings.push(unasked(SHARED, &problem));
            (Documents::new(), base.clone())
        }
    };
    for (documents, of) in sought.variants(&mut meaning.findings) {
        let mut together = shared.clone();
        together.extend(documents);
        match sought.run(&together) {
            Ok(report) => {
                let consequences = otherwise(&base, &parent, &report);
                meaning.variants.push(Variant { of, consequences });
            }
            Err(problem) => meaning.findings.push(unasked(&of.join(", "), &problem)),
        }
    }
    meaning
}

/// That a document could not be put to the corpus, so that nobody knows what it comes to.
fn unasked(on: &str, problem: &str) -> Finding {
    let message = format!("what is deployed cannot be put to the corpus: {problem}");
    Finding::new(Rule::UnreadableDocument, on, message)
}

/// The cases that do not hold and do under `parent`, or not for the same reasons.
fn otherwise(base: &Report, parent: &Report, report: &Report) -> Vec<Consequence> {
    let known: BTreeMap<_, _> = parent.cases.iter().map(|outcome| (outcome.id(), outcome)).collect();
    let bundle: BTreeMap<_, _> = base
        .cases
        .iter()
        .map(|outcome| (outcome.id(), &outcome.got.iam))
        .collect();
    let changed = report.failures().filter(|outcome| {
        let before = known.get(&outcome.id());
        before.is_none_or(|before| before.findings != outcome.findings)
    });
    let mut consequences: Vec<_> = changed
        .map(|outcome| {
            let bundle = bundle.get(&outcome.id()).copied().unwrap_or(&outcome.got.iam);
            consequence(outcome, bundle)
        })
        .collect();
    consequences.sort_by(|one, other| (one.effects, &one.case).cmp(&(other.effects, &other.case)));
    consequences
}

fn consequence(outcome: &Outcome, bundle: &ExpectIam) -> Consequence {
    let cedar = outcome.got.cedar.decision();
    let deployed = &outcome.got.iam;
    let contradicts = |answer: &ExpectIam| {
        matches!(answer, ExpectIam::Asked(_)) && cedar.is_some_and(|cedar| (cedar == Effect::Allow) != answer.allows())
    };
    let opens = |finding: &&parity::Finding| finding.rule == parity::Rule::OpenWall;
    let effects = match outcome.findings.iter().find(opens) {
        _ if bundle.allows() != deployed.allows() => Effects::Answer,
        Some(_) => Effects::Wall,
        None => Effects::Statements,
    };
    Consequence {
        effects,
        case: outcome.id(),
        why: outcome.why.clone(),
        cedar,
        bundle: bundle.clone(),
        deployed: deployed.clone(),
        disagree: contradicts(deployed) && !contradicts(bundle),
        findings: outcome.findings.iter().map(ToString::to_string).collect(),
    }
}

struct Sought<'s> {
    bundle: &'s Bundle,
    corpus: &'s Corpus,
    deployment: &'s Deployment,
    export: &'s Export,
}

impl Sought<'_> {
    /// Asks the corpus with `documents` in the templates' place.
    fn run(&self, documents: &Documents) -> Result<Report, String> {
        let files = self.bundle.source.files().map(|(path, bytes)| {
            let name = path
                .strip_prefix("policies/iam/")
                .and_then(|name| name.strip_suffix(".json"));
            let other = name.and_then(|name| documents.get(name));
            let bytes = other.map_or_else(|| bytes.to_vec(), |text| text.clone().into_bytes());
            (path.to_owned(), bytes)
        });
        let changed = Bundle::load(Source::of(files)).map_err(|error| error.to_string())?;
        Ok(run_layer(&changed, self.corpus, Layer::Both))
    }

    /// What there is one of.
    fn shared(&self) -> Result<Documents, String> {
        let mut documents = Documents::new();
        for (kind, role) in own(self.deployment, self.export) {
            if matches!(kind, OwnRole::Service | OwnRole::Provisioning) {
                let attached = kind.documents();
                documents.insert(attached.policy, self.templated(&granted(role, self.export)?, None)?);
                documents.insert(attached.trust, self.templated(&role.trust, None)?);
            }
        }
        if let Some(buckets) = &self.export.buckets {
            let policy = buckets.get(self.deployment.names.bucket()).and_then(Option::as_ref);
            let text = policy.cloned().unwrap_or_else(|| nothing("s3:NoSuchAction"));
            documents.insert("bucket-policy", self.templated(&text, None)?);
        }
        if let Some(text) = self.export.managed.get(&self.deployment.names.boundary_arn()) {
            documents.insert("tenant-boundary", self.templated(text, None)?);
        }
        Ok(documents)
    }

    /// Each way in which a role that acts for tenants, or a secret, is set up, with those that are.
    fn variants(&self, findings: &mut Vec<Finding>) -> BTreeMap<Documents, Vec<String>> {
        let mut variants: BTreeMap<Documents, Vec<String>> = BTreeMap::new();
        for (kind, role) in own(self.deployment, self.export) {
            if matches!(kind, OwnRole::Tenant(_) | OwnRole::Pool) {
                self.put(&role.name, self.of_role(kind, role), &mut variants, findings);
            }
        }
        for (arn, policy) in self.export.secrets.iter().flatten() {
            let Some(tenant) = self.deployment.names.secret_owner(arn) else {
                continue;
            };
            let text = policy.clone().unwrap_or_else(|| nothing("secretsmanager:NoSuchAction"));
            let own = Own {
                tenant,
                parameter: "{owner}",
            };
            let documents = self.each(&[("secret-policy", text, Some(own))]);
            self.put(arn, documents, &mut variants, findings);
        }
        variants
    }

    fn put(
        &self,
        on: &str,
        documents: Result<Vec<Documents>, String>,
        variants: &mut BTreeMap<Documents, Vec<String>>,
        findings: &mut Vec<Finding>,
    ) {
        match documents {
            Ok(all) => {
                for documents in all {
                    variants.entry(documents).or_default().push(on.to_owned());
                }
            }
            Err(problem) => findings.push(unasked(on, &problem)),
        }
    }

    fn of_role(&self, kind: OwnRole, role: &Role) -> Result<Vec<Documents>, String> {
        let attached = kind.documents();
        let own = |parameter| match kind {
            OwnRole::Tenant(tenant) => Some(Own { tenant, parameter }),
            OwnRole::Pool | OwnRole::Service | OwnRole::Provisioning => None,
        };
        // Without a boundary, or with one that is not in the file, nothing is kept out.
        let boundary = role.boundary.as_ref().and_then(|arn| self.export.managed.get(arn));
        let boundary = boundary.cloned().unwrap_or_else(everything);
        self.each(&[
            (attached.policy, granted(role, self.export)?, own("{bpnl}")),
            (attached.trust, role.trust.clone(), own("{owner}")),
            ("tenant-boundary", boundary, None),
        ])
    }

    /// The documents as templates. Where they name other companies, once with each tenant of the corpus in their place.
    fn each(&self, documents: &[(&'static str, String, Option<Own>)]) -> Result<Vec<Documents>, String> {
        let turn = |stand_in: Option<&str>| -> Result<(Documents, bool), String> {
            let mut turned = Documents::new();
            let mut others = false;
            for (name, text, own) in documents {
                let document = back(text, self.deployment, *own, stand_in)?;
                others |= !document.others.is_empty();
                turned.insert(name, document.text);
            }
            Ok((turned, others))
        };
        let (turned, others) = turn(None)?;
        if !others {
            return Ok(vec![turned]);
        }
        let tenants = self.tenants();
        let each = tenants.iter().map(|tenant| Ok(turn(Some(tenant))?.0));
        each.collect()
    }

    /// The tenants of the corpus's worlds.
    fn tenants(&self) -> BTreeSet<String> {
        let worlds = self.corpus.worlds.values();
        let tenants = worlds.flat_map(|world| world.of_kind(EntityKind::Tenant));
        tenants.map(|tenant| tenant.uid.id.to_string()).collect()
    }

    fn templated(&self, text: &str, own: Option<Own>) -> Result<String, String> {
        Ok(back(text, self.deployment, own, None)?.text)
    }
}
