//! A case: a question, and what each layer must say to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::divergence::TAG;
use super::world::World;
use crate::decision::{CedarAnswer, Decision, Effect, IamAnswer, IamDecision};
use crate::question::{Question, record, reference};

/// The tag of a case that was written by a machine, such as the smallest example that broke a law.
pub const GENERATED: &str = "generated";

/// One question of the corpus with the answers it must get.
#[derive(Clone, Debug)]
pub struct Case {
    /// The directory the case stands in.
    pub theme: String,
    /// Its name, which is that of its file.
    pub name: String,
    /// The rule or the bug it pins.
    pub why: String,
    /// What it is about; `diverges:…` names a class of `divergences.json`.
    pub tags: BTreeSet<String>,
    /// The world the question was drawn from.
    pub world: Arc<World>,
    /// The question.
    pub question: Question,
    /// What each layer must say.
    pub expect: Expect,
}

impl Case {
    /// `theme/name`.
    pub fn id(&self) -> String {
        format!("{}/{}", self.theme, self.name)
    }

    /// The classes of divergences it names.
    pub(super) fn classes(&self) -> impl Iterator<Item = &str> {
        self.tags.iter().filter_map(|tag| tag.strip_prefix(TAG))
    }
}

/// What each layer must say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The Cedar layer.
    pub cedar: ExpectCedar,
    /// The IAM layer.
    pub iam: ExpectIam,
}

/// What Cedar must say. The comparison is exact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ExpectCedar {
    /// Cedar must be asked.
    Asked(ExpectPolicies),
    /// Cedar is not asked: the case is a request to AWS itself.
    Unasked(NotApplicable),
}

impl ExpectCedar {
    /// What Cedar decides, if it is asked.
    pub fn decision(&self) -> Option<Effect> {
        match self {
            Self::Asked(asked) => Some(asked.decision),
            Self::Unasked(_) => None,
        }
    }
}

/// What Cedar must say to a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectPolicies {
    /// Allow or deny.
    pub decision: Effect,
    /// How many policies fail to evaluate.
    #[serde(default)]
    pub errors: usize,
    /// The policies that determine the decision: of contract terms as `terms/{name in the world}/…`, of access rules as `rules/…`.
    pub policies: BTreeSet<String>,
}

/// What the IAM layer must say. The comparison is exact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ExpectIam {
    /// AWS must be asked.
    Asked(ExpectAsked),
    /// AWS must not be asked.
    Unasked(NotApplicable),
}

impl ExpectIam {
    /// The answer in a word, as AWS spells it; `n/a` where AWS is not asked.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Asked(asked) => asked.decision.as_str(),
            Self::Unasked(_) => "n/a",
        }
    }
}

/// What AWS must say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectAsked {
    /// `allowed`, `explicitDeny` or `implicitDeny`.
    pub decision: IamDecision,
    /// The statements that decide, as `document#sid`.
    pub statements: BTreeSet<String>,
}

/// The word `not-applicable`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotApplicable {
    /// The layer is not asked.
    #[serde(rename = "not-applicable")]
    NotApplicable,
}

impl Expect {
    /// The answers of `decision`, spelled as a case of `world` would expect them.
    pub fn of(decision: &Decision, world: &World) -> Self {
        let CedarAnswer {
            decision: effect,
            errors,
            policies,
        } = &decision.cedar;
        let policies = policies.iter().map(|policy| world.spelled(policy)).collect();
        Self {
            cedar: ExpectCedar::Asked(ExpectPolicies {
                decision: *effect,
                errors: errors.len(),
                policies,
            }),
            iam: ExpectIam::of(&decision.iam),
        }
    }
}

impl ExpectIam {
    /// An answer as a case spells it. A case names the documents of a role for each tenant; where one role serves all, its documents
    /// have the same statements under the same Sids.
    pub fn of(answer: &IamAnswer) -> Self {
        let spelled = |statement: &String| match statement.strip_prefix("pool-") {
            Some(rest) => format!("tenant-{rest}"),
            None => statement.clone(),
        };
        match answer {
            IamAnswer::NotApplicable { .. } => Self::Unasked(NotApplicable::NotApplicable),
            IamAnswer::Evaluated { decision, statements } => Self::Asked(ExpectAsked {
                decision: *decision,
                statements: statements.iter().map(spelled).collect(),
            }),
        }
    }
}

/// The file of a case.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CaseFile {
    name: String,
    why: String,
    #[serde(default)]
    tags: BTreeSet<String>,
    world: String,
    question: QuestionFile,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuestionFile {
    principal: Json,
    action: String,
    resource: Json,
    context: Json,
    /// Entities that stand in for those of the world.
    #[serde(default)]
    entities: Vec<Json>,
    /// Entities the question lacks though it names them.
    #[serde(default)]
    without: Vec<Json>,
}

/// Reads the case `name` of `theme`.
pub(super) fn read(
    theme: &str,
    name: &str,
    text: &[u8],
    worlds: &BTreeMap<String, Arc<World>>,
) -> Result<Case, String> {
    let file: CaseFile = crate::json::read(text).map_err(|error| error.to_string())?;
    check_head(name, &file.name, &file.why)?;
    if matches!(file.expect.cedar, ExpectCedar::Unasked(_)) {
        return Err(
            "Cedar is asked every question; only a case with `request` may expect `not-applicable` of it".into(),
        );
    }
    let world = worlds.get(&file.world).ok_or_else(|| {
        let known: Vec<_> = worlds.keys().map(String::as_str).collect();
        format!("there is no world `{}`; known are `{}`", file.world, known.join("`, `"))
    })?;
    let question = draw(&file.question, world)?;
    Ok(Case {
        theme: theme.to_owned(),
        name: file.name,
        why: file.why,
        tags: file.tags,
        world: Arc::clone(world),
        question,
        expect: file.expect,
    })
}

/// Holds what every case says of itself.
pub(super) fn check_head(file: &str, name: &str, why: &str) -> Result<(), String> {
    if name != file {
        return Err(format!("its name is `{name}`; it must be that of the file"));
    }
    if why.trim().is_empty() {
        return Err("its `why` is empty; say which rule or bug the case pins".into());
    }
    Ok(())
}

/// Draws the question from its world.
fn draw(file: &QuestionFile, world: &World) -> Result<Question, String> {
    let wrong = |error: crate::question::QuestionError| error.to_string();
    let replaced = world.entities_of(Json::Array(file.entities.clone()), "/question/entities")?;
    let replaced_names: BTreeSet<_> = replaced.iter().map(|entity| entity.uid.clone()).collect();
    let world = world.with(replaced);
    let at = "/question/without";
    let without = file
        .without
        .iter()
        .map(|uid| reference(uid, at))
        .collect::<Result<BTreeSet<_>, _>>();
    let without = without.map_err(wrong)?;
    let principal = reference(&file.principal, "/question/principal").map_err(wrong)?;
    let resource = reference(&file.resource, "/question/resource").map_err(wrong)?;
    let action = file
        .action
        .parse()
        .map_err(|error| format!("at `/question/action`: {error}"))?;
    let context = record(&file.context, "/question/context").map_err(wrong)?;
    let mut question = world.question(principal, action, resource, context);
    let reached: BTreeSet<_> = question.entities.iter().map(|entity| entity.uid.clone()).collect();
    // What has no effect was meant to have one.
    if let Some(idle) = replaced_names.union(&without).find(|uid| !reached.contains(uid)) {
        return Err(format!(
            "{idle} is changed or left out, but the question does not reach it"
        ));
    }
    // A misspelled name would make a case that denies for a reason nobody meant.
    let named = [&question.principal, &question.resource].into_iter();
    let named = named.chain(question.context.values().filter_map(|value| match value {
        crate::question::Value::Entity(uid) => Some(uid),
        _ => None,
    }));
    if let Some(unknown) = named.into_iter().find(|uid| !world.knows(uid)) {
        return Err(format!(
            "{unknown} is not in the world `{}`; give it under `entities`, or to ask without it under `without` as well",
            world.name()
        ));
    }
    question.entities.retain(|entity| !without.contains(&entity.uid));
    Ok(question)
}
