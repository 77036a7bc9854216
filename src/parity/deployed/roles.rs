//! Each role of the platform, held to what the account says is attached to it.

use super::Deployment;
use super::export::{Export, Role};
use super::finding::{Finding, Rule};
use crate::bundle::Bundle;
use crate::decision::Effect;
use crate::iam::{Document, DocumentKind, Isolation, Outline, OwnRole, Params, Statement};

/// The tag that says for whom a role's sessions act, as the role has it.
const TAG: &str = "bpnl";

/// The platform's roles among those of the account, told by their names.
pub(super) fn own<'e>(deployment: &Deployment, export: &'e Export) -> impl Iterator<Item = (OwnRole, &'e Role)> {
    let names = deployment.names.clone();
    let kind = move |role: &'e Role| Some((names.own_role(&names.arn_of_role(&role.name))?, role));
    export.roles.iter().filter_map(kind)
}

pub(super) fn findings(
    bundle: &Bundle,
    deployment: &Deployment,
    export: &Export,
    notes: &mut Vec<String>,
) -> Vec<Finding> {
    let mut findings = missing(deployment, export);
    findings.extend(boundary(bundle, deployment, export));
    for (kind, role) in own(deployment, export) {
        of_role(bundle, deployment, kind, role, &mut findings, notes);
    }
    findings
}

/// The roles that must be there whoever the tenants are. Which tenants there are is not known here.
fn missing(deployment: &Deployment, export: &Export) -> Vec<Finding> {
    let shared = match deployment.isolation {
        Isolation::Role => &[OwnRole::Service, OwnRole::Provisioning][..],
        Isolation::Tags => &[OwnRole::Service, OwnRole::Provisioning, OwnRole::Pool],
    };
    let found: Vec<_> = own(deployment, export).map(|(kind, _)| kind).collect();
    if found.is_empty() {
        return Vec::new();
    }
    let missing = shared.iter().filter(|kind| !found.contains(kind));
    missing
        .map(|kind| {
            let document = kind.documents().policy;
            let name = format!("tidegate-{}", document.trim_end_matches("-role"));
            let message = format!("there is no role of this name, which `policies/iam/{document}.json` is for");
            Finding::new(Rule::MissingRole, &name, message)
        })
        .collect()
}

/// The managed policy that is the boundary of every role whose sessions act for tenants.
fn boundary(bundle: &Bundle, deployment: &Deployment, export: &Export) -> Vec<Finding> {
    let arn = deployment.names.boundary_arn();
    let needed = own(deployment, export).any(|(kind, _)| kind.documents().boundary.is_some());
    match export.managed.get(&arn) {
        Some(text) => compare(bundle, &deployment.names.params(), "tenant-boundary", text, &arn),
        None if needed => {
            let message = "the policy is not there, or not in the file; roles that act for tenants are bounded by it";
            vec![Finding::new(Rule::MissingBoundary, &arn, message).in_document("tenant-boundary")]
        }
        None => Vec::new(),
    }
}

fn of_role(
    bundle: &Bundle,
    deployment: &Deployment,
    kind: OwnRole,
    role: &Role,
    findings: &mut Vec<Finding>,
    notes: &mut Vec<String>,
) {
    let names = &deployment.names;
    let arn = names.arn_of_role(&role.name);
    if role.arn != arn {
        let message = format!("its ARN is `{}`, not `{arn}`", role.arn);
        findings.push(Finding::new(Rule::WrongArn, &role.name, message));
    }
    findings.extend(tags(kind, role));
    let documents = kind.documents();
    let params = params(deployment, kind);
    findings.extend(compare(bundle, &params, documents.trust, &role.trust, &role.name));
    match main_policy(bundle, &params, documents.policy, role) {
        Some((_, text)) => findings.extend(compare(bundle, &params, documents.policy, text, &role.name)),
        None => {
            let message = "the role has no inline policy".to_owned();
            findings.push(Finding::new(Rule::MissingPolicy, &role.name, message).in_document(documents.policy));
        }
    }
    let main = main_policy(bundle, &params, documents.policy, role).map(|(name, _)| name);
    for (name, text) in role.inline.iter().filter(|(name, _)| Some(name) != main) {
        // So sessions are revoked that were given out before: it takes away and grants nothing.
        if only_denies(text) {
            notes.push(format!(
                "`{}` has the inline policy `{name}` besides, which only denies",
                role.name
            ));
            continue;
        }
        let message = format!("the inline policy `{name}` is there besides, {}", statements_of(text));
        findings.push(Finding::new(Rule::ExtraPolicy, &role.name, message));
    }
    for arn in &role.attached {
        let message = format!("the managed policy `{arn}` is attached");
        findings.push(Finding::new(Rule::ExtraPolicy, &role.name, message));
    }
    findings.extend(bounds(deployment, kind, role));
}

/// The values of the parameters in the documents of a role.
pub(super) fn params(deployment: &Deployment, kind: OwnRole) -> Params<'_> {
    let params = deployment.names.params();
    match kind {
        OwnRole::Tenant(tenant) => params
            .with("bpnl", tenant.to_string())
            .with("owner", tenant.to_string()),
        OwnRole::Pool | OwnRole::Service | OwnRole::Provisioning => params,
    }
}

/// Which of a role's inline policies is its own: the one that means what the template does, else the one that has the most of its
/// statements. What it is called plays no part.
fn main_policy<'r>(
    bundle: &Bundle,
    params: &Params<'_>,
    template: &str,
    role: &'r Role,
) -> Option<(&'r String, &'r String)> {
    let template = bundle.account.document(template);
    let wanted = template.and_then(|template| outline(template, &template.render(params).ok()?).ok());
    let likeness = |text: &str| {
        let Some((wanted, own)) = wanted.as_ref().zip(template.and_then(|own| outline(own, text).ok())) else {
            return (false, 0);
        };
        let shared = own
            .statements()
            .filter(|label| wanted.statements().any(|other| other == *label));
        (own == *wanted, shared.count())
    };
    // Of several that are alike, the first.
    let best = role.inline.iter().rev().max_by_key(|(_, text)| likeness(text));
    best.map(|(name, text)| (name, text))
}

fn outline(template: &Document, text: &str) -> Result<Outline, crate::iam::DocumentError> {
    Outline::of(template.name(), text, template.kind())
}

/// A document held to its template.
pub(super) fn compare(bundle: &Bundle, params: &Params<'_>, template: &str, text: &str, on: &str) -> Vec<Finding> {
    let unreadable = |problem: String| vec![Finding::new(Rule::UnreadableDocument, on, problem).in_document(template)];
    let Some(document) = bundle.account.document(template) else {
        return unreadable("the bundle has no document of this name".to_owned());
    };
    let rendered = match document.render(params) {
        Ok(rendered) => rendered,
        Err(error) => return unreadable(format!("the template cannot be rendered: {error}")),
    };
    match (outline(document, &rendered), outline(document, text)) {
        (Ok(wanted), Ok(own)) => {
            let differences = own.differences_from(&wanted).into_iter();
            differences
                .map(|difference| {
                    Finding::new(Rule::ChangedDocument, on, difference.what)
                        .in_document(template)
                        .in_statement(difference.statement)
                })
                .collect()
        }
        (Err(error), _) => unreadable(format!("the template, rendered, is none: {error}")),
        (_, Err(error)) => unreadable(error.problem().to_string()),
    }
}

fn only_denies(text: &str) -> bool {
    let document = Document::parse_deployed("policy", text, DocumentKind::Identity);
    document.is_ok_and(|document| {
        let statements = document.statements().iter();
        statements.map(Statement::effect).all(|effect| effect == Effect::Deny)
    })
}

/// The Sids of a policy nobody expects, so that it can be found.
fn statements_of(text: &str) -> String {
    match Outline::of("policy", text, DocumentKind::Identity) {
        Ok(outline) => {
            let labels: Vec<_> = outline.statements().map(|label| format!("`{label}`")).collect();
            format!("with the statements {}", labels.join(", "))
        }
        Err(error) => format!("and cannot be read: {}", error.problem()),
    }
}

/// The tag must be the tenant's, and only a tenant's role has one: everything that bounds a session goes by it.
fn tags(kind: OwnRole, role: &Role) -> Option<Finding> {
    let tagged = role.tags.iter().find(|(key, _)| key.eq_ignore_ascii_case(TAG));
    let wanted = match kind {
        OwnRole::Tenant(tenant) => Some((TAG.to_owned(), tenant.to_string())),
        OwnRole::Pool | OwnRole::Service | OwnRole::Provisioning => None,
    };
    if tagged == wanted.as_ref() {
        return None;
    }
    let shown = |tag: Option<&(String, String)>| match tag {
        Some((key, value)) => format!("the tag `{key}` = `{value}`"),
        None => format!("no tag `{TAG}`"),
    };
    let message = format!("it has {}, and should have {}", shown(tagged), shown(wanted.as_ref()));
    Some(Finding::new(Rule::WrongTag, &role.name, message))
}

fn bounds(deployment: &Deployment, kind: OwnRole, role: &Role) -> Option<Finding> {
    let wanted = kind.documents().boundary.map(|_| deployment.names.boundary_arn());
    if role.boundary == wanted {
        return None;
    }
    let shown = |arn: Option<&String>| arn.map_or_else(|| "none".to_owned(), |arn| format!("`{arn}`"));
    let message = format!(
        "its permissions boundary is {}, and should be {}",
        shown(role.boundary.as_ref()),
        shown(wanted.as_ref())
    );
    Some(Finding::new(Rule::WrongBoundary, &role.name, message).in_document("tenant-boundary"))
}
