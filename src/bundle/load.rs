//! From files to a bundle.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy::{Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator};

use super::error::Problem;
use super::source::{CORRESPONDENCE, SCHEMA};
use super::{Bundle, BundleError, Correspondence, PolicyCard, Source};
use crate::cedar::Index;
use crate::iam::{Account, Document, DocumentKind};

/// How far a policy may reach from the request: an entity of the request, and one of its attributes' attributes.
const LEVEL: u32 = 2;

/// The annotations every policy carries.
const ANNOTATIONS: [&str; 3] = ["id", "why", "control"];

pub(super) fn load(source: Source) -> Result<Bundle, BundleError> {
    let origin = source.origin().to_owned();
    let digest = Some(source.manifest().digest);
    let mut problems = Vec::new();
    let bundle = assemble(source, &mut problems);
    match bundle {
        Some(bundle) if problems.is_empty() => Ok(bundle),
        _ => Err(BundleError {
            origin,
            digest,
            problems,
        }),
    }
}

/// Goes on after a problem wherever the rest can still be looked at, so that all are reported at once.
fn assemble(source: Source, problems: &mut Vec<Problem>) -> Option<Bundle> {
    let schema = schema(&source, problems);
    let documents = documents(&source, problems);
    let correspondence = correspondence(&source, problems);
    let schema = schema?;
    let (policies, cards) = policies(&source, &schema, problems);
    if let Some(table) = &correspondence {
        let wrong = table.problems(&documents);
        problems.extend(
            wrong
                .into_iter()
                .map(|problem| Problem::plain(CORRESPONDENCE, problem, None)),
        );
    }
    let index = match Index::build(&policies, &schema) {
        Ok(index) => index,
        Err(problem) => {
            problems.push(Problem::plain(SCHEMA, problem, None));
            return None;
        }
    };
    let account = account(correspondence.as_ref()?, documents, problems);
    let manifest = source.manifest();
    Some(Bundle {
        digest: manifest.digest,
        manifest,
        source,
        schema,
        policies,
        index,
        cards,
        account: Arc::new(account?),
        correspondence: correspondence?,
    })
}

fn text<'a>(source: &'a Source, path: &str, problems: &mut Vec<Problem>) -> Option<&'a str> {
    let Some(bytes) = source.file(path) else {
        problems.push(Problem::plain(
            path,
            "the file is missing",
            Some("every bundle has this file"),
        ));
        return None;
    };
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) => {
            problems.push(Problem::plain(path, format!("not UTF-8 text: {error}"), None));
            None
        }
    }
}

fn schema(source: &Source, problems: &mut Vec<Problem>) -> Option<Schema> {
    let text = text(source, SCHEMA, problems)?;
    match Schema::from_cedarschema_str(text) {
        Ok((schema, warnings)) => {
            // A warning about the schema is a mistake not yet noticed; nothing is gained by letting it pass.
            problems.extend(warnings.map(|warning| Problem::labelled(SCHEMA, text, warning)));
            Some(schema)
        }
        Err(error) => {
            problems.push(Problem::labelled(SCHEMA, text, error));
            None
        }
    }
}

fn documents(source: &Source, problems: &mut Vec<Problem>) -> BTreeMap<String, Document> {
    let mut documents = BTreeMap::new();
    let paths: Vec<_> = source.files().map(|(path, _)| path.to_owned()).collect();
    for path in paths {
        let Some(name) = path
            .strip_prefix("policies/iam/")
            .and_then(|name| name.strip_suffix(".json"))
        else {
            continue;
        };
        let Some(text) = text(source, &path, problems) else {
            continue;
        };
        // A document that nothing attaches is reported as such below.
        let kind = Account::kind_of(name).unwrap_or(DocumentKind::Identity);
        match Document::parse(name, text, kind) {
            Ok(document) => {
                documents.insert(name.to_owned(), document);
            }
            Err(error) => problems.push(Problem {
                file: path.clone(),
                report: miette::Report::new(error),
            }),
        }
    }
    documents
}

fn account(
    table: &Correspondence,
    documents: BTreeMap<String, Document>,
    problems: &mut Vec<Problem>,
) -> Option<Account> {
    match Account::new(table.aws.clone(), table.isolation, documents) {
        Ok(account) => Some(account),
        Err(wrong) => {
            let path = |name: String| format!("policies/iam/{name}.json");
            problems.extend(
                wrong
                    .into_iter()
                    .map(|(name, problem)| Problem::plain(&path(name), problem, None)),
            );
            None
        }
    }
}

fn correspondence(source: &Source, problems: &mut Vec<Problem>) -> Option<Correspondence> {
    let text = text(source, CORRESPONDENCE, problems)?;
    match Correspondence::parse(text) {
        Ok(table) => Some(table),
        Err(problem) => {
            problems.push(Problem::plain(CORRESPONDENCE, problem, None));
            None
        }
    }
}

fn policies(
    source: &Source,
    schema: &Schema,
    problems: &mut Vec<Problem>,
) -> (PolicySet, BTreeMap<String, PolicyCard>) {
    let validator = Validator::new(schema.clone());
    let mut all = PolicySet::new();
    let mut cards: BTreeMap<String, PolicyCard> = BTreeMap::new();
    let paths: Vec<_> = source.files().map(|(path, _)| path.to_owned()).collect();
    for path in paths.iter().filter(|path| path.ends_with(".cedar")) {
        let Some(text) = text(source, path, problems) else {
            continue;
        };
        let parsed: PolicySet = match text.parse() {
            Ok(parsed) => parsed,
            Err(error) => {
                problems.push(Problem::labelled(path, text, error));
                continue;
            }
        };
        if parsed.templates().next().is_some() {
            let help = "write it for all principals and test their attributes; the prover cannot follow links";
            problems.push(Problem::plain(
                path,
                "a template with slots is not a policy of the platform",
                Some(help),
            ));
        }
        let mut named = PolicySet::new();
        for policy in parsed.policies() {
            let Some((id, card)) = card(policy, path, problems) else {
                continue;
            };
            if let Some(other) = cards.get(&id) {
                let message = format!("the id `{id}` stands twice: here and in {}", other.file);
                problems.push(Problem::plain(
                    path,
                    message,
                    Some("give one of the two policies another @id"),
                ));
                continue;
            }
            let policy = policy.new_id(PolicyId::new(&id));
            for set in [&mut named, &mut all] {
                if let Err(error) = set.add(policy.clone()) {
                    problems.push(Problem::plain(path, error.to_string(), None));
                }
            }
            cards.insert(id, card);
        }
        let found = validator.validate_with_level(&named, ValidationMode::Strict, LEVEL);
        problems.extend(
            found
                .validation_errors()
                .map(|error| Problem::labelled(path, text, error.clone())),
        );
        // A forbid that can never apply, because a word in its condition is misspelled, is to Cedar a mere warning.
        problems.extend(
            found
                .validation_warnings()
                .map(|warning| Problem::labelled(path, text, warning.clone())),
        );
    }
    if cards.is_empty() && problems.is_empty() {
        let help = Some("policies are in `policies/platform/*.cedar`");
        problems.push(Problem::plain("policies/platform", "the bundle has no policy", help));
    }
    (all, cards)
}

/// The id and the card of a policy, from its annotations.
fn card(policy: &Policy, file: &str, problems: &mut Vec<Problem>) -> Option<(String, PolicyCard)> {
    let wanted = |name| policy.annotation(name).filter(|text| !text.trim().is_empty());
    if let (Some(id), Some(why), Some(control)) = (wanted("id"), wanted("why"), wanted("control")) {
        return Some((
            id.to_owned(),
            PolicyCard {
                why: why.into(),
                control: control.into(),
                file: file.into(),
            },
        ));
    }
    let missing: Vec<_> = ANNOTATIONS.into_iter().filter(|name| wanted(name).is_none()).collect();
    let which = policy
        .annotation("id")
        .map_or_else(|| policy.id().to_string(), str::to_owned);
    problems.push(Problem::plain(
        file,
        format!("the policy `{which}` has no @{}", missing.join(", no @")),
        Some("every policy carries @id(\"theme/name\"), @why(\"a sentence\") and @control(\"ISO27001:A.…\")"),
    ));
    None
}
