//! Why AWS would answer as it does, for people: the layer that settled it, the statements, and for a refusal the statement
//! that came nearest to letting the request through.

use serde::Serialize;

use super::account::{Account, SessionPolicy};
use super::evaluate::evaluate;
use super::nearest::{Nearest, nearest};
use super::request::Request;
use crate::decision::IamDecision;

/// One request to AWS, answered and explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// The action asked for.
    pub action: String,
    /// The ARN it was asked for.
    pub resource: String,
    /// `allowed`, `explicitDeny` or `implicitDeny`.
    pub decision: IamDecision,
    /// The layer that settled it, such as `session-policy`.
    pub decided_by: &'static str,
    /// The statements that decided, as `document#sid`.
    pub statements: Vec<String>,
    /// Condition keys that were looked for and absent.
    pub missing_keys: Vec<String>,
    /// For a refusal, the statement that came nearest.
    pub nearest: Option<NearMiss>,
}

/// A statement that nearly let a request through, or that denied it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NearMiss {
    /// As `document#sid`.
    pub statement: String,
    /// Where it begins in the document: line and column, from 1.
    pub line: usize,
    /// See `line`.
    pub column: usize,
    /// What did not fit: `Action`, `Resource`, `Condition s3:prefix`; `Effect` for a statement that denies.
    pub failed: Vec<String>,
}

impl Account {
    /// As [`Account::answer`], with the reasons.
    pub fn explain(&self, request: &Request<'_>, session: Option<&SessionPolicy<'_>>) -> Explained {
        self.with_layers(request, session, &[], |layers, params| {
            let evaluation = evaluate(request, layers, params);
            Explained {
                action: request.action.to_owned(),
                resource: request.resource.to_owned(),
                decision: evaluation.decision,
                decided_by: evaluation.decided_by.as_str(),
                statements: evaluation.statements(),
                missing_keys: evaluation.missing_keys.iter().map(|key| (*key).to_owned()).collect(),
                nearest: nearest(request, layers, params, &evaluation).map(|nearest| NearMiss::of(&nearest)),
            }
        })
    }
}

impl NearMiss {
    fn of(nearest: &Nearest<'_>) -> Self {
        let (document, statement) = (nearest.subject.document, nearest.subject.statement);
        let (line, column) = document.position(statement.span().start);
        let failed = nearest.failed.iter().map(|failed| match failed.key {
            Some(key) => format!("{} {key}", failed.element),
            None => failed.element.to_owned(),
        });
        Self {
            statement: format!("{}#{}", document.name(), statement.label()),
            line,
            column,
            failed: failed.collect(),
        }
    }
}
