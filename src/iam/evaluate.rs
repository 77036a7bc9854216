//! AWS's evaluation order over the policies in force.

use super::context::Scope;
use super::document::{Document, DocumentKind, Statement, Unmet};
use super::principal::Reach;
use super::request::{Principal, Request};
use super::template::Params;
use crate::decision::{Effect, IamDecision};

/// The policies in force for one request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layers<'d> {
    /// Resource control policies that reach the resource. AWS's own `RCPFullAWSAccess` is always understood.
    pub rcp: &'d [&'d Document],
    /// Service control policies from the root of the organization down to the account; every level must allow. None at
    /// all: the account is in no organization. They are about the users, roles and root of an account, and are not asked
    /// of a service, a provider's user or the anonymous.
    pub scp: &'d [&'d [&'d Document]],
    /// The policy of the resource; for a role that is to be assumed, its trust policy.
    pub resource: Option<&'d Document>,
    /// The policies of the principal.
    pub identity: &'d [&'d Document],
    /// The permissions boundary of the principal.
    pub boundary: Option<&'d Document>,
    /// The policies given when the session was made, which add up; none at all: the session has the whole role.
    pub session: &'d [&'d Document],
}

impl<'d> Layers<'d> {
    /// The service control policies that are asked of the principal.
    fn scp_for(&self, request: &Request<'_>) -> &'d [&'d [&'d Document]] {
        match request.principal.account() {
            Some(_) => self.scp,
            None => &[],
        }
    }
}

/// A kind of policy, in the order AWS asks them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Resource control policies.
    Rcp,
    /// Service control policies.
    Scp,
    /// The resource's policy or the role's trust policy.
    Resource,
    /// The principal's own policies.
    Identity,
    /// The permissions boundary.
    Boundary,
    /// The session's policies.
    Session,
}

impl Layer {
    /// The layer's name in answers, such as `session-policy`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rcp => "resource-control-policy",
            Self::Scp => "service-control-policy",
            Self::Resource => "resource-policy",
            Self::Identity => "identity-policy",
            Self::Boundary => "permissions-boundary",
            Self::Session => "session-policy",
        }
    }

    fn holds(self, kind: DocumentKind) -> bool {
        match self {
            Self::Rcp => kind == DocumentKind::Rcp,
            Self::Scp => kind == DocumentKind::Scp,
            Self::Resource => matches!(kind, DocumentKind::Resource | DocumentKind::Trust),
            Self::Identity => kind == DocumentKind::Identity,
            Self::Boundary => kind == DocumentKind::Boundary,
            Self::Session => kind == DocumentKind::Session,
        }
    }
}

/// A statement that applied to the request.
#[derive(Clone, Copy, Debug)]
pub struct Matched<'d> {
    /// The layer it was found in.
    pub layer: Layer,
    /// Its document.
    pub document: &'d Document,
    /// The statement.
    pub statement: &'d Statement,
}

/// The answer to one request.
#[derive(Clone, Debug)]
pub struct Evaluation<'d> {
    /// `allowed`, `explicitDeny` or `implicitDeny`.
    pub decision: IamDecision,
    /// The layer that settled it: the first that denied, the first that had to allow and did not, or the one that
    /// granted.
    pub decided_by: Layer,
    /// Every statement that applied, allowing or denying, in the order of the layers.
    pub matched: Vec<Matched<'d>>,
    /// Condition keys that were looked for and absent, sorted.
    pub missing_keys: Vec<&'d str>,
}

impl<'d> Evaluation<'d> {
    /// The statements that decided: the denying ones, or the allowing ones of an allowed request. An implicit deny is decided
    /// by the absence of a statement, so it has none.
    pub fn determining(&self) -> impl Iterator<Item = &Matched<'d>> {
        let wanted = match self.decision {
            IamDecision::Allowed => Some(Effect::Allow),
            IamDecision::ExplicitDeny => Some(Effect::Deny),
            IamDecision::ImplicitDeny => None,
        };
        let matched = self.matched.iter();
        matched.filter(move |matched| Some(matched.statement.effect()) == wanted)
    }

    /// The statements that decided, as `document#sid`, sorted.
    pub fn statements(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .determining()
            .map(|matched| format!("{}#{}", matched.document.name(), matched.statement.label()))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// Answers a request as AWS does (IAM User Guide, "How AWS enforcement code logic evaluates requests").
///
/// A document of a kind that does not belong in its place allows nothing there; its denials still count. One action is
/// allowed to whoever has an account, even against a denial: `sts:GetCallerIdentity` (STS API Reference).
pub fn evaluate<'d>(request: &Request<'_>, layers: &Layers<'d>, params: &Params<'_>) -> Evaluation<'d> {
    let mut pass = Pass {
        scope: Scope::new(request, params).bounded(layers.boundary.is_some()),
        matched: Vec::new(),
    };
    pass.layer(Layer::Rcp, layers.rcp);
    let mut scp = true;
    for level in layers.scp_for(request) {
        scp &= pass.layer(Layer::Scp, level) > Reach::Nobody;
    }
    let resource = pass.layer(Layer::Resource, layers.resource.as_slice());
    let identity = pass.layer(Layer::Identity, layers.identity) > Reach::Nobody;
    let boundary = pass.layer(Layer::Boundary, layers.boundary.as_slice()) > Reach::Nobody;
    let session = pass.layer(Layer::Session, layers.session) > Reach::Nobody;

    let denied = pass
        .matched
        .iter()
        .find(|matched| matched.statement.effect() == Effect::Deny);
    let (decision, decided_by) = match denied {
        _ if request.asks_who_i_am() => (IamDecision::Allowed, Layer::Identity),
        Some(matched) => (IamDecision::ExplicitDeny, matched.layer),
        None => {
            let answers = Answers {
                scp,
                resource,
                identity,
                boundary: boundary || layers.boundary.is_none(),
                session: session || layers.session.is_empty(),
            };
            match answers.combine(request, layers.resource.map(Document::kind)) {
                Ok(layer) => (IamDecision::Allowed, layer),
                Err(layer) => (IamDecision::ImplicitDeny, layer),
            }
        }
    };
    Evaluation {
        decision,
        decided_by,
        matched: pass.matched,
        missing_keys: pass.scope.into_missing(),
    }
}

/// What became of one statement.
#[derive(Clone, Copy, Debug)]
pub struct Traced<'d> {
    /// The statement, its document and layer.
    pub subject: Matched<'d>,
    /// The first check it failed; `None` if it applied.
    pub unmet: Option<Unmet<'d>>,
}

/// Every statement of every layer with the first check it failed: what [`evaluate`] saw, for an explanation.
pub fn trace<'d>(request: &Request<'_>, layers: &Layers<'d>, params: &Params<'_>) -> Vec<Traced<'d>> {
    let scope = Scope::new(request, params).bounded(layers.boundary.is_some());
    let mut traced = Vec::new();
    let mut walk = |layer: Layer, documents: &[&'d Document]| {
        for &document in documents {
            traced.extend(document.statements().iter().map(|statement| Traced {
                subject: Matched {
                    layer,
                    document,
                    statement,
                },
                unmet: statement.check(&scope).err(),
            }));
        }
    };
    walk(Layer::Rcp, layers.rcp);
    layers.scp_for(request).iter().for_each(|level| walk(Layer::Scp, level));
    walk(Layer::Resource, layers.resource.as_slice());
    walk(Layer::Identity, layers.identity);
    walk(Layer::Boundary, layers.boundary.as_slice());
    walk(Layer::Session, layers.session);
    traced
}

struct Pass<'e, 'd> {
    scope: Scope<'e, 'd>,
    matched: Vec<Matched<'d>>,
}

impl<'d> Pass<'_, 'd> {
    /// Notes the statements that apply and gives the widest reach of an `Allow` among them.
    fn layer(&mut self, layer: Layer, documents: &[&'d Document]) -> Reach {
        let mut widest = Reach::Nobody;
        for &document in documents {
            let in_place = layer.holds(document.kind());
            for statement in document.statements() {
                let Ok(reach) = statement.check(&self.scope) else {
                    continue;
                };
                match statement.effect() {
                    Effect::Allow if !in_place => continue,
                    Effect::Allow => widest = widest.max(reach),
                    Effect::Deny => {}
                }
                self.matched.push(Matched {
                    layer,
                    document,
                    statement,
                });
            }
        }
        widest
    }
}

/// What each layer says where no statement denies.
struct Answers {
    /// Every level allows, or there is none.
    scp: bool,
    resource: Reach,
    identity: bool,
    /// The boundary allows, or there is none.
    boundary: bool,
    /// The session's policies allow, or there are none.
    session: bool,
}

impl Answers {
    /// The layer that grants, or the first that had to allow and did not.
    fn combine(&self, request: &Request<'_>, resource_kind: Option<DocumentKind>) -> Result<Layer, Layer> {
        let trust = request.concerns_trust();
        if trust && resource_kind != Some(DocumentKind::Trust) {
            return Err(Layer::Resource);
        }
        // Whatever the role trusts (IAM User Guide, "Switching to an IAM role (AWS API)").
        if trust && matches!(request.principal, Principal::Root { .. }) {
            return Err(Layer::Identity);
        }
        let Some(account) = request.principal.account() else {
            // Nobody's account stands behind a service, a provider or the anonymous: only the resource can grant.
            return if self.resource >= Reach::Limited {
                Ok(Layer::Resource)
            } else {
                Err(Layer::Resource)
            };
        };
        if !self.scp {
            return Err(Layer::Scp);
        }
        let own_side = self.own_side(&request.principal);
        if account != request.resource_account {
            return if self.resource >= Reach::Delegated {
                own_side
            } else {
                Err(Layer::Resource)
            };
        }
        match self.resource {
            Reach::Direct => Ok(Layer::Resource),
            Reach::Limited => self.narrowed().map(|()| Layer::Resource),
            Reach::Unknown | Reach::Nobody if trust => Err(Layer::Resource),
            Reach::Delegated | Reach::Unknown | Reach::Nobody => own_side,
        }
    }

    /// What the principal's own account allows it.
    fn own_side(&self, principal: &Principal<'_>) -> Result<Layer, Layer> {
        match principal {
            // The root user needs no policy.
            Principal::Root { .. } => Ok(Layer::Identity),
            _ if !self.identity => Err(Layer::Identity),
            _ => self.narrowed().map(|()| Layer::Identity),
        }
    }

    fn narrowed(&self) -> Result<(), Layer> {
        if !self.boundary {
            return Err(Layer::Boundary);
        }
        if !self.session {
            return Err(Layer::Session);
        }
        Ok(())
    }
}
