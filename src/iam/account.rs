//! The platform's AWS account: which document is attached to what, so that any request can be answered as AWS would.
//!
//! # Two walls, two ways of keeping tenants apart
//!
//! A request of a tenant's session meets up to five documents. On the side of the principal: the role's policy grants, the
//! permissions boundary and the session policy narrow. On the side of the resource: the bucket's policy and the policy of each
//! secret deny whatever is not the session's own, whoever granted it. A mistake in one of them opens nothing.
//!
//! | attached to | documents | parameters of their own |
//! |---|---|---|
//! | `tidegate-tenant-{bpnl}`, a role for each tenant | `tenant-role`, `tenant-boundary`, `tenant-trust` | `bpnl`; `owner` in the trust policy |
//! | `tidegate-pool`, one role for all with session tags | `pool-role`, `tenant-boundary`, `pool-trust` | |
//! | `tidegate-service`, what runs | `service-role`, `service-trust` | |
//! | `tidegate-provisioning`, what onboards | `provisioning-role`, `provisioning-trust` | |
//! | one session | `session-*` | `bpnl`, and the one thing it is for: `product`, `partner`, `pcf`, `name` |
//! | the bucket | `bucket-policy` | |
//! | each secret of a tenant | `secret-policy` | `owner` |
//!
//! What is attached to a principal says `{bpnl}` for the tenant it stands for; what is attached to a resource says `{owner}`.
//! Either way of keeping tenants apart ([`Isolation`]) puts the tenant in `aws:PrincipalTag/bpnl`: as a tag of the role, or of the
//! session. The boundary and the bucket's policy, of which there is one each for all tenants, go by that tag.
//!
//! # Worked example
//!
//! ```
//! # use tidegate::bundle::{Bundle, Source};
//! # use tidegate::decision::IamDecision;
//! use tidegate::iam::{Context, Principal, Request};
//! # let bundle = Bundle::load(Source::built_in()).unwrap();
//! let account = &bundle.account;
//! let names = account.names();
//! // A session of one tenant reaches for an object of another …
//! let role = "arn:aws:iam::123456789012:role/tidegate-tenant-BPNL000000000DWF";
//! let request = Request {
//!     principal: Principal::session(role, "ada").unwrap(),
//!     action: "s3:GetObject",
//!     resource: "arn:aws:s3:::tidegate-footprints/BPNL00000003CRHK/pcf/1/a.json",
//!     resource_account: names.account(),
//!     context: Context::new().with("aws:PrincipalTag/bpnl", "BPNL000000000DWF"),
//! };
//! // … its role does not grant that, and the bucket forbids it.
//! let answer = account.answer(&request, None);
//! assert_eq!(answer.decision, IamDecision::ExplicitDeny);
//! assert_eq!(answer.statements, ["bucket-policy#OwnPrefixOnly"]);
//! ```

use std::collections::BTreeMap;

use super::context::Context;
use super::document::{Document, DocumentKind};
use super::evaluate::{Layer, Layers, evaluate};
use super::names::{AwsNames, Isolation, OwnRole};
use super::request::{Principal, Request};
use super::template::Params;
use crate::decision::IamDecision;
use crate::ids::TenantId;

/// Every document but the session policies: its name, kind, and the parameters it may have beside the names of the platform.
const ATTACHED: [(&str, DocumentKind, &[&str]); 11] = [
    ("bucket-policy", DocumentKind::Resource, &[]),
    ("pool-role", DocumentKind::Identity, &[]),
    ("pool-trust", DocumentKind::Trust, &[]),
    ("provisioning-role", DocumentKind::Identity, &[]),
    ("provisioning-trust", DocumentKind::Trust, &[]),
    ("secret-policy", DocumentKind::Resource, &["owner"]),
    ("service-role", DocumentKind::Identity, &[]),
    ("service-trust", DocumentKind::Trust, &[]),
    ("tenant-boundary", DocumentKind::Boundary, &[]),
    ("tenant-role", DocumentKind::Identity, &["bpnl"]),
    ("tenant-trust", DocumentKind::Trust, &["owner"]),
];

const SESSION: &[&str] = &["bpnl", "name", "partner", "pcf", "product"];

/// The tag that says for whom a session acts: of the tenant's role, or of the session where one role serves all.
pub const TENANT_TAG: &str = "aws:PrincipalTag/bpnl";

/// The platform's account with all that is attached in it.
#[derive(Clone, Debug)]
pub struct Account {
    names: AwsNames,
    isolation: Isolation,
    documents: BTreeMap<String, Document>,
}

/// What AWS would answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// `allowed`, `explicitDeny` or `implicitDeny`.
    pub decision: IamDecision,
    /// The layer that settled it.
    pub decided_by: Layer,
    /// The statements that decided, as `document#sid`, sorted.
    pub statements: Vec<String>,
}

/// A session policy with the values of its parameters.
#[derive(Clone, Debug)]
pub struct SessionPolicy<'s> {
    /// Its document, such as `session-object-read`.
    pub document: &'s Document,
    /// `bpnl` and what the session is for: `product` and `pcf`, `partner` and `pcf`, or `name`.
    pub params: Params<'s>,
}

impl Account {
    /// What a document of this name is attached to; `None` if nothing attaches it.
    pub fn kind_of(name: &str) -> Option<DocumentKind> {
        if name.starts_with("session-") {
            return Some(DocumentKind::Session);
        }
        let attached = ATTACHED.iter().find(|(known, ..)| *known == name);
        attached.map(|(_, kind, _)| *kind)
    }

    /// Puts the documents in their places.
    ///
    /// # Errors
    /// Every document that is missing, that nothing attaches, or that leaves a parameter open which nobody fills in: the document's
    /// name and what is wrong.
    pub fn new(
        names: AwsNames,
        isolation: Isolation,
        documents: BTreeMap<String, Document>,
    ) -> Result<Self, Vec<(String, String)>> {
        let mut problems = Vec::new();
        let params = names.params();
        for (name, ..) in ATTACHED {
            if !documents.contains_key(name) {
                problems.push((name.to_owned(), "the document is missing".to_owned()));
            }
        }
        for (name, document) in &documents {
            let own = ATTACHED.iter().find(|(known, ..)| known == name);
            let extra = match (own, Self::kind_of(name)) {
                (Some((_, _, extra)), _) => extra,
                (None, Some(_)) => SESSION,
                (None, None) => {
                    let known: Vec<_> = ATTACHED.iter().map(|(known, ..)| *known).collect();
                    let known = known.join(", ");
                    let problem = format!("nothing attaches a document of this name; known are {known} and session-…");
                    problems.push((name.clone(), problem));
                    continue;
                }
            };
            let open = |parameter: &&str| params.get(parameter).is_none() && !extra.contains(parameter);
            if let Some(parameter) = document.parameters().find(open) {
                let known: Vec<_> = params.names().chain(extra.iter().copied()).collect();
                let known = known.join(", ");
                let problem = format!("nobody fills in its parameter `{{{parameter}}}`; known here are {known}");
                problems.push((name.clone(), problem));
            }
        }
        drop(params);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            names,
            isolation,
            documents,
        })
    }

    /// The platform's names.
    pub fn names(&self) -> &AwsNames {
        &self.names
    }

    /// How tenants are kept apart.
    pub fn isolation(&self) -> Isolation {
        self.isolation
    }

    /// A document by name.
    pub fn document(&self, name: &str) -> Option<&Document> {
        self.documents.get(name)
    }

    /// All documents, by name.
    pub fn documents(&self) -> impl ExactSizeIterator<Item = &Document> {
        self.documents.values()
    }

    /// A request to take a role on, of someone the identity pool vouches for. Their session would be tagged with the tenant they act
    /// for, for the tag comes out of their token.
    pub fn web_identity<'a>(&'a self, tenant: TenantId, action: &'a str, role: &'a str) -> Request<'a> {
        let tags = BTreeMap::from([("bpnl".to_owned(), tenant.to_string())]);
        self.vouched_for(action, role, "authenticated", &tags)
    }

    /// A request to take a role on, of someone the identity pool vouches for: signed in or a guest (`amr`), for a session with these
    /// tags.
    pub(super) fn vouched_for<'a>(
        &'a self,
        action: &'a str,
        role: &'a str,
        amr: &'static str,
        tags: &BTreeMap<String, String>,
    ) -> Request<'a> {
        let mut context = Context::new()
            .with("cognito-identity.amazonaws.com:aud", self.names.identity_pool())
            .with_many("cognito-identity.amazonaws.com:amr", [amr]);
        if !tags.is_empty() {
            context = context.with_many("aws:TagKeys", tags.keys().cloned());
        }
        for (key, value) in tags {
            context = context.with(format!("aws:RequestTag/{key}"), value.clone());
        }
        Request {
            principal: Principal::Federated {
                provider: "cognito-identity.amazonaws.com".into(),
            },
            action,
            resource: role,
            resource_account: self.names.account(),
            context,
        }
    }

    /// Answers a request with what is attached to its principal and its resource. A principal that is not the platform's has
    /// nothing attached that is known here.
    pub fn answer(&self, request: &Request<'_>, session: Option<&SessionPolicy<'_>>) -> Answer {
        self.with_layers(request, session, &[], |layers, params| {
            let evaluation = evaluate(request, layers, params);
            Answer {
                decision: evaluation.decision,
                decided_by: evaluation.decided_by,
                statements: evaluation.statements(),
            }
        })
    }

    /// Finds what is in force for a request, and the values of the parameters. `foreign` are the policies of a principal that is
    /// not the platform's.
    pub fn with_layers<T>(
        &self,
        request: &Request<'_>,
        session: Option<&SessionPolicy<'_>>,
        foreign: &[&Document],
        then: impl FnOnce(&Layers<'_>, &Params<'_>) -> T,
    ) -> T {
        let role = match &request.principal {
            Principal::Session { role_arn, .. } | Principal::Role { arn: role_arn } => self.names.own_role(role_arn),
            _ => None,
        };
        let attached = role.map(OwnRole::documents);
        let identity = attached.and_then(|attached| self.document(attached.policy));
        let boundary = attached.and_then(|attached| self.document(attached.boundary?));
        let mut params = self.names.params();
        if let Some(session) = session {
            params = params.within_session(&session.params);
        }
        if let Some(OwnRole::Tenant(tenant)) = role {
            params = params.with("bpnl", tenant.to_string());
        }
        let (guard, owner) = self.guard(request);
        if let Some(owner) = owner {
            params = params.with("owner", owner.to_string());
        }
        let narrowing = session.map(|session| session.document);
        let layers = Layers {
            resource: guard,
            identity: identity.as_ref().map_or(foreign, std::slice::from_ref),
            boundary,
            session: narrowing.as_slice(),
            ..Layers::default()
        };
        then(&layers, &params)
    }

    /// The policy of a resource, and the tenant whose resource it is where the policy is that tenant's.
    /// A trust policy is asked about taking a role on; other actions on a role are for the caller's own policies alone.
    fn guard(&self, request: &Request<'_>) -> (Option<&Document>, Option<TenantId>) {
        let resource = request.resource;
        if self.names.in_bucket(resource) {
            return (self.document("bucket-policy"), None);
        }
        if let Some(owner) = self.names.secret_owner(resource) {
            return (self.document("secret-policy"), Some(owner));
        }
        let Some(role) = self.names.own_role(resource).filter(|_| request.concerns_trust()) else {
            return (None, None);
        };
        let owner = match role {
            OwnRole::Tenant(owner) => Some(owner),
            OwnRole::Pool | OwnRole::Service | OwnRole::Provisioning => None,
        };
        (self.document(role.documents().trust), owner)
    }
}
