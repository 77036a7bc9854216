//! `fixtures/emulator-differences.json`: where the emulator is known to answer otherwise than AWS documents.
//!
//! ```json
//! {
//!   "name": "tags-of-web-identities", "ours": "let-through", "emulator": "denied",
//!   "reason": "the emulator reads no session tags from a token",
//!   "documentation": {"page": "IAM User Guide, …", "sentence": "To pass session tags from …"},
//!   "questions": ["corpus/credentials/assume-role-admin"]
//! }
//! ```
//!
//! The list is held from both sides, and question by question: what differs must stand in exactly one class, in that
//! direction; what stands in a class must differ. So no class can cover what nobody looked at, and none can outlive its cause.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use crate::Failure;
use crate::call::Answer;
use crate::report::Judged;

/// One cause of differences.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// Its name.
    pub name: String,
    /// What Tidegate's IAM layer says.
    pub ours: Answer,
    /// What the emulator does.
    pub emulator: Answer,
    /// What the emulator gets wrong.
    pub reason: String,
    /// What settles it.
    pub documentation: Documentation,
    /// The questions that differ for this cause.
    pub questions: BTreeSet<String>,
}

/// A sentence of AWS's documentation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Documentation {
    /// The guide and its page.
    pub page: String,
    /// The sentence, word for word.
    pub sentence: String,
}

/// Reads the list.
///
/// # Errors
/// The file cannot be read, or a class lacks a reason or its documentation.
pub fn load(path: &Path) -> Result<Vec<Difference>, Failure> {
    let list: Vec<Difference> = serde_json::from_slice(&std::fs::read(path)?)?;
    for Difference {
        name,
        reason,
        documentation,
        ..
    } in &list
    {
        let told = [reason, &documentation.page, &documentation.sentence];
        if told.iter().any(|text| text.trim().is_empty()) {
            return Err(format!("the class `{name}` lacks its reason or the sentence that settles it").into());
        }
    }
    Ok(list)
}

/// What is wrong with the list, given what the emulator did.
pub fn findings(list: &[Difference], judged: &[Judged]) -> Vec<String> {
    let mut findings = Vec::new();
    for Judged { name, ours, theirs } in judged.iter().filter(|judged| !judged.agrees()) {
        let covers =
            |class: &&Difference| class.questions.contains(name) && class.ours == *ours && class.emulator == *theirs;
        match list.iter().filter(covers).count() {
            1 => {}
            0 => findings.push(format!(
                "{name}: we say {ours:?}, the emulator {theirs:?}, and no class lists it"
            )),
            classes => findings.push(format!("{name}: stands in {classes} classes")),
        }
    }
    for class in list {
        if class.questions.is_empty() {
            findings.push(format!("the class `{}` explains nothing", class.name));
        }
        for name in &class.questions {
            match judged.iter().find(|judged| judged.name == *name) {
                None => findings.push(format!("the class `{}` lists {name}, which is not asked", class.name)),
                Some(judged) if judged.agrees() => {
                    findings.push(format!(
                        "the class `{}` lists {name}, which does not differ",
                        class.name
                    ));
                }
                Some(_) => {}
            }
        }
    }
    findings
}
