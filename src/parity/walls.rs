//! Each wall between tenants by itself.
//!
//! What one tenant asks of another's is stopped by the role, by the boundary, by the session policy and by the policy of the bucket
//! or secret. So a hole in one of them changes no answer: another wall still stands, and a case that only looks at answers holds.
//! Therefore every question and request of the corpus that reaches from one tenant to another is asked again, of each wall
//! alone: the other documents of the principal allow everything, those of the resource are not there. Nothing may come through.

use std::sync::LazyLock;

use super::asked;
use super::case::Case;
use super::finding::{Finding, Rule};
use super::request::{AwsRequest, RequestCase};
use crate::bundle::{Bundle, Caller};
use crate::decision::IamDecision;
use crate::iam::{AwsNames, Document, DocumentKind, Layers, OwnRole, Params, Principal, Request, TENANT_TAG, evaluate};
use crate::ids::TenantId;

/// What a wall is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wall {
    Role,
    Boundary,
    Session,
    Resource,
}

const WALLS: [Wall; 4] = [Wall::Role, Wall::Boundary, Wall::Session, Wall::Resource];

/// A policy that is no wall at all.
static EVERYTHING: LazyLock<Option<Document>> = LazyLock::new(|| {
    let text = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;
    Document::parse_deployed("everything", text, DocumentKind::Identity).ok()
});

impl Wall {
    fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Boundary => "boundary",
            Self::Session => "session policy",
            Self::Resource => "resource's policy",
        }
    }

    /// Whether a request that comes to this wall alone gets through. `None`: it does not stand here at all, for not every
    /// session has a policy nor every thing a wall of its own.
    fn lets_through(self, request: &Request<'_>, layers: &Layers<'_>, params: &Params<'_>) -> Option<bool> {
        let everything: Vec<&Document> = EVERYTHING.iter().collect();
        let open = Layers {
            identity: &everything,
            ..Layers::default()
        };
        let alone = match self {
            Self::Role => Layers {
                identity: layers.identity,
                ..open
            },
            Self::Boundary => Layers {
                boundary: layers.boundary,
                ..open
            },
            Self::Session if layers.session.is_empty() => return None,
            Self::Session => Layers {
                session: layers.session,
                ..open
            },
            Self::Resource => Layers {
                resource: Some(layers.resource?),
                ..open
            },
        };
        Some(evaluate(request, &alone, params).decision == IamDecision::Allowed)
    }
}

fn holes(walls: &[Wall], request: &Request<'_>, layers: &Layers<'_>, params: &Params<'_>) -> Vec<Finding> {
    let open = |wall: &&Wall| wall.lets_through(request, layers, params) == Some(true);
    let finding = |wall: &Wall| {
        let (wall, action, resource) = (wall.as_str(), request.action, request.resource);
        let message = format!("the {wall} alone would let {action} through to another tenant's {resource}");
        Finding::new(Rule::OpenWall, message)
    };
    walls.iter().filter(open).map(finding).collect()
}

/// The walls that are open to a question, if it reaches from one tenant to another.
pub(super) fn of_question(bundle: &Bundle, case: &Case) -> Vec<Finding> {
    let mut findings = Vec::new();
    asked::of_question(bundle, case, |ask, request, layers, params| {
        if ask.acting != ask.owner && ask.caller == Caller::Role {
            findings.extend(holes(&WALLS, request, layers, params));
        }
    });
    findings.dedup();
    findings
}

/// The walls that are open to a request, if it is a tenant's session that reaches for another's things. Its session policy is
/// the caller's to write, so it is no wall here; and a session with another tenant's tag is not told from that tenant's by the
/// walls that go by the tag.
pub(super) fn of_request(bundle: &Bundle, case: &RequestCase) -> Vec<Finding> {
    let names = bundle.account.names();
    let asked = case.request.each(&bundle.account, |request, layers, params| {
        let reaches_out = tenant(names, &case.request, request)
            .is_some_and(|tenant| is_anothers(names, &case.request, request.action, tenant));
        if reaches_out {
            holes(&[Wall::Role, Wall::Boundary, Wall::Resource], request, layers, params)
        } else {
            Vec::new()
        }
    });
    // A request that cannot be asked is reported as such.
    asked.into_iter().flatten().flatten().collect()
}

/// The tenant a session acts for, where role and tag do not contradict each other.
fn tenant(names: &AwsNames, case: &AwsRequest, request: &Request<'_>) -> Option<TenantId> {
    let (Principal::Session { role_arn, .. } | Principal::Role { arn: role_arn }) = &request.principal else {
        return None;
    };
    let tagged = case.one(TENANT_TAG)?.parse().ok()?;
    match names.own_role(role_arn)? {
        OwnRole::Tenant(tenant) => (tenant == tagged).then_some(tenant),
        OwnRole::Pool => Some(tagged),
        OwnRole::Service | OwnRole::Provisioning => None,
    }
}

/// Whether what is asked for is an object, a secret or a listing that is not below the tenant's own prefix.
fn is_anothers(names: &AwsNames, case: &AwsRequest, action: &str, tenant: TenantId) -> bool {
    let own = format!("{tenant}/");
    if case.account.is_some() {
        return false;
    }
    if names.in_bucket(&case.resource) {
        let bucket = names.bucket_arn();
        return match case
            .resource
            .strip_prefix(&*bucket)
            .and_then(|rest| rest.strip_prefix('/'))
        {
            Some(key) => !key.starts_with(&own),
            None if action.eq_ignore_ascii_case("s3:ListBucket") => {
                case.one("s3:prefix").is_some_and(|prefix| !prefix.starts_with(&own))
            }
            None => false,
        };
    }
    let secret = case.resource.split_once(":secret:tidegate/");
    secret.is_some_and(|(_, name)| !name.starts_with(&own))
}
