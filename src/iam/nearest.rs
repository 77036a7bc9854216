//! For a refused request, the statement that came nearest to letting it through, and what in it did not fit.
//!
//! Only the layer that refused is searched: a role's own policy is of no interest where its boundary is silent. There, the
//! statement with the fewest failing elements is the nearest; of two with as many, the one that got further in the order
//! action, principal, resource, conditions; of two that got as far, the one that stands first.
//!
//! ```
//! use tidegate::iam::{Context, Document, DocumentKind, Layers, Params, Principal, Request, evaluate, nearest};
//!
//! let role = Document::parse_deployed("role", r#"{"Version": "2012-10-17", "Statement": [
//!     {"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::pcf/acme/*"},
//!     {"Sid": "Write", "Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::pcf/acme/*"}
//! ]}"#, DocumentKind::Identity)?;
//! let layers = Layers { identity: &[&role], ..Layers::default() };
//! let request = Request {
//!     principal: Principal::parse("arn:aws:sts::111122223333:assumed-role/acme/anna").unwrap(),
//!     action: "s3:PutObject",
//!     resource: "arn:aws:s3:::pcf/globex/a.json",
//!     resource_account: "111122223333",
//!     context: Context::new(),
//! };
//! let params = Params::new();
//! let evaluation = evaluate(&request, &layers, &params);
//! let nearest = nearest(&request, &layers, &params, &evaluation).unwrap();
//! assert_eq!(nearest.subject.statement.label(), "Write");
//! assert_eq!(nearest.failed.iter().map(|failed| failed.element).collect::<Vec<_>>(), ["Resource"]);
//! # Ok::<(), tidegate::iam::DocumentError>(())
//! ```

use std::cmp::Reverse;

use super::context::Scope;
use super::document::{Document, Matcher, Statement};
use super::evaluate::{Evaluation, Layer, Layers, Matched};
use super::request::Request;
use super::template::Params;
use crate::decision::{Effect, IamDecision};

/// The statement that came nearest to letting a request through.
#[derive(Clone, Debug)]
pub struct Nearest<'d> {
    /// The statement, its document and layer.
    pub subject: Matched<'d>,
    /// What in it did not fit, in the order it is checked. Empty where the statement applied but may not grant this:
    /// a resource policy that only names the account, for example.
    pub failed: Vec<Failed<'d>>,
}

/// An element of a statement that did not fit a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed<'d> {
    /// The element as the document writes it: `Action`, `NotAction`, `Principal`, `NotPrincipal`, `Resource`, `NotResource`,
    /// `Condition`; `Effect` for a statement that applied and denies.
    pub element: &'static str,
    /// The condition key, for a `Condition`.
    pub key: Option<&'d str>,
    /// How far the check got: an element's place in the order of checks.
    stage: usize,
}

/// The nearest statement to letting the request through: for an explicit deny the statement that denies it; nothing for an
/// allowed request, nor where the layer that refused has no statement that could have allowed.
pub fn nearest<'d>(
    request: &Request<'_>,
    layers: &Layers<'d>,
    params: &Params<'_>,
    evaluation: &Evaluation<'d>,
) -> Option<Nearest<'d>> {
    match evaluation.decision {
        IamDecision::Allowed => None,
        IamDecision::ExplicitDeny => {
            let subject = *evaluation.determining().next()?;
            let failed = vec![Failed::new("Effect", 0)];
            Some(Nearest { subject, failed })
        }
        IamDecision::ImplicitDeny => {
            let scope = Scope::new(request, params).bounded(layers.boundary.is_some());
            let candidates = candidates(request, layers, evaluation)
                .into_iter()
                .map(|subject| Nearest {
                    subject,
                    failed: failures(subject.statement, &scope),
                });
            candidates.min_by_key(|nearest| {
                let got_to = nearest.failed.first().map_or(usize::MAX, |failed| failed.stage);
                (nearest.failed.len(), Reverse(got_to))
            })
        }
    }
}

/// The statements that could have allowed, where the answer was that nothing does.
fn candidates<'d>(request: &Request<'_>, layers: &Layers<'d>, evaluation: &Evaluation<'d>) -> Vec<Matched<'d>> {
    let layer = evaluation.decided_by;
    let resource = layers.resource.as_slice();
    let mut places: Vec<(Layer, &[&'d Document])> = Vec::new();
    match layer {
        Layer::Rcp => places.push((layer, layers.rcp)),
        Layer::Scp => {
            let silent = layers.scp.iter().find(|level| !allows(level, evaluation));
            places.extend(silent.map(|level| (layer, *level)));
        }
        Layer::Resource => places.push((layer, resource)),
        Layer::Identity => {
            places.push((layer, layers.identity));
            // Within an account, the policy of the resource could have granted as well.
            if request.principal.account() == Some(request.resource_account) {
                places.push((Layer::Resource, resource));
            }
        }
        Layer::Boundary => places.push((layer, layers.boundary.as_slice())),
        Layer::Session => places.push((layer, layers.session)),
    }
    let statements = places.iter().flat_map(|&(layer, documents)| {
        let of = move |&document: &&'d Document| {
            document.statements().iter().map(move |statement| Matched {
                layer,
                document,
                statement,
            })
        };
        documents.iter().flat_map(of)
    });
    statements
        .filter(|matched| matched.statement.effect() == Effect::Allow)
        .collect()
}

/// Whether a statement of one of these documents allows.
pub(super) fn allows(documents: &[&Document], evaluation: &Evaluation<'_>) -> bool {
    evaluation.matched.iter().any(|matched| {
        matched.statement.effect() == Effect::Allow
            && documents
                .iter()
                .any(|document| std::ptr::eq(*document, matched.document))
    })
}

/// Every element of the statement that does not fit.
fn failures<'d>(statement: &'d Statement, scope: &Scope<'_, 'd>) -> Vec<Failed<'d>> {
    let mut failed = Vec::new();
    let request = scope.request;
    let name = |matcher: &Matcher, plain, negated| if matcher.negated { negated } else { plain };
    if !statement.actions.matches(&scope.action, scope) {
        failed.push(Failed::new(name(&statement.actions, "Action", "NotAction"), 0));
    }
    if let Some(principals) = &statement.principals
        && !principals.reach(scope).means(statement.effect)
    {
        let element = if principals.negated {
            "NotPrincipal"
        } else {
            "Principal"
        };
        failed.push(Failed::new(element, 1));
    }
    if let Some(resources) = &statement.resources
        && !resources.matches(request.resource, scope)
    {
        failed.push(Failed::new(name(resources, "Resource", "NotResource"), 2));
    }
    for (index, condition) in statement.conditions.iter().enumerate() {
        if !condition.holds(scope) {
            failed.push(Failed {
                element: "Condition",
                key: Some(&condition.key),
                stage: 3 + index,
            });
        }
    }
    failed
}

impl Failed<'_> {
    fn new(element: &'static str, stage: usize) -> Self {
        Self {
            element,
            key: None,
            stage,
        }
    }
}
