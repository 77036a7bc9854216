//! The response, in the names and order of AWS's API model.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::decision::{Effect, IamDecision};
use crate::iam::document::Document;
use crate::iam::evaluate::{Evaluation, Layer, Layers, Matched};
use crate::iam::nearest::{self, Nearest};
use crate::iam::request::Request;

/// The answer to a request: serializes as AWS's `SimulatePolicyResponse`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Simulation {
    evaluation_results: Vec<EvaluationResult>,
    is_truncated: bool,
}

impl Simulation {
    pub(super) fn new(evaluation_results: Vec<EvaluationResult>) -> Self {
        Self {
            evaluation_results,
            is_truncated: false,
        }
    }

    /// Whether every action is allowed on every resource that was asked about.
    pub fn all_allowed(&self) -> bool {
        self.decisions().all(|decision| decision == IamDecision::Allowed)
    }

    /// The decisions, action by action and within one resource by resource.
    pub fn decisions(&self) -> impl Iterator<Item = IamDecision> {
        self.evaluation_results.iter().map(|result| result.eval_decision)
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct EvaluationResult {
    eval_action_name: String,
    eval_resource_name: String,
    eval_decision: IamDecision,
    /// The statements that determine the decision; none for an implicit deny.
    matched_statements: Vec<Place>,
    missing_context_values: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organizations_decision_detail: Option<OrganizationsDetail>,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions_boundary_decision_detail: Option<BoundaryDetail>,
    /// Empty within an account, absent where no resource is named, as AWS does it.
    #[serde(skip_serializing_if = "Option::is_none")]
    eval_decision_details: Option<BTreeMap<&'static str, IamDecision>>,
    trace: Trace,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct OrganizationsDetail {
    allowed_by_organizations: bool,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct BoundaryDetail {
    allowed_by_permissions_boundary: bool,
}

/// Where a statement stands.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Place {
    source_policy_id: String,
    source_policy_type: &'static str,
    start_position: Position,
    end_position: Position,
}

/// From 1; an end is the place just after.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Position {
    line: usize,
    column: usize,
}

/// What AWS's response has no member for.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Trace {
    decided_by: &'static str,
    /// For a refusal: the nearest statement, or `null` where the layer has none that could have allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    nearest: Option<Option<NearestStatement>>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct NearestStatement {
    #[serde(flatten)]
    place: Place,
    /// The Sid, or the statement's number from 0.
    statement: String,
    failed: Vec<FailedElement>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct FailedElement {
    element: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_key: Option<String>,
}

impl EvaluationResult {
    pub(super) fn new(
        request: &Request<'_>,
        layers: &Layers<'_>,
        evaluation: &Evaluation<'_>,
        nearest: Option<&Nearest<'_>>,
    ) -> Self {
        let decision = evaluation.decision;
        let denies = |layer| says(evaluation, layer) == IamDecision::ExplicitDeny;
        let organizations = (!layers.scp.is_empty()).then(|| OrganizationsDetail {
            allowed_by_organizations: !denies(Layer::Scp)
                && layers.scp.iter().all(|level| nearest::allows(level, evaluation)),
        });
        let boundary = layers.boundary.map(|_| BoundaryDetail {
            allowed_by_permissions_boundary: says(evaluation, Layer::Boundary) == IamDecision::Allowed,
        });
        Self {
            eval_action_name: request.action.to_owned(),
            eval_resource_name: request.resource.to_owned(),
            eval_decision: decision,
            matched_statements: evaluation.determining().map(Place::of).collect(),
            missing_context_values: evaluation.missing_keys.iter().map(|key| (*key).to_owned()).collect(),
            organizations_decision_detail: organizations,
            permissions_boundary_decision_detail: boundary,
            eval_decision_details: (request.resource != "*").then(|| details(request, layers, evaluation)),
            trace: Trace {
                decided_by: evaluation.decided_by.as_str(),
                nearest: (decision != IamDecision::Allowed).then(|| nearest.map(NearestStatement::of)),
            },
        }
    }
}

/// What each side says, for a request from one account to another.
fn details(
    request: &Request<'_>,
    layers: &Layers<'_>,
    evaluation: &Evaluation<'_>,
) -> BTreeMap<&'static str, IamDecision> {
    let mut details = BTreeMap::new();
    if request.principal.account() != Some(request.resource_account) {
        details.insert("IAM Policy", says(evaluation, Layer::Identity));
        details.insert("Resource Policy", says(evaluation, Layer::Resource));
        if layers.boundary.is_some() {
            details.insert("Permissions Boundary Policy", says(evaluation, Layer::Boundary));
        }
    }
    details
}

/// What the statements of one layer say on their own.
fn says(evaluation: &Evaluation<'_>, layer: Layer) -> IamDecision {
    let has = |effect| {
        let mut matched = evaluation.matched.iter();
        matched.any(|matched| matched.layer == layer && matched.statement.effect() == effect)
    };
    if has(Effect::Deny) {
        IamDecision::ExplicitDeny
    } else if has(Effect::Allow) {
        IamDecision::Allowed
    } else {
        IamDecision::ImplicitDeny
    }
}

impl Place {
    fn of(matched: &Matched<'_>) -> Self {
        let span = matched.statement.span();
        Self {
            source_policy_id: matched.document.name().to_owned(),
            // Of AWS's own list of types; an input is attached to nobody.
            source_policy_type: if matched.layer == Layer::Resource {
                "resource"
            } else {
                "none"
            },
            start_position: Position::of(matched.document, span.start),
            end_position: Position::of(matched.document, span.end),
        }
    }
}

impl Position {
    fn of(document: &Document, byte: usize) -> Self {
        let (line, column) = document.position(byte);
        Self { line, column }
    }
}

impl NearestStatement {
    fn of(nearest: &Nearest<'_>) -> Self {
        let failed = nearest.failed.iter().map(|failed| FailedElement {
            element: failed.element,
            context_key: failed.key.map(str::to_owned),
        });
        Self {
            place: Place::of(&nearest.subject),
            statement: nearest.subject.statement.label().to_owned(),
            failed: failed.collect(),
        }
    }
}
