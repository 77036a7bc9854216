//! The policies of a request, compiled.

use super::error::SimulateError;
use super::input::Input;
use crate::iam::document::{Document, DocumentKind};
use crate::iam::json::{self, Node, Value};
use crate::iam::request::{Arn, is_trust_action};

/// A policy as the request gives it.
pub(super) struct Source<'n> {
    /// As AWS's response names it, `PolicyInputList.1`.
    pub(super) name: String,
    pub(super) text: &'n str,
}

pub(super) struct Policies {
    pub(super) identity: Vec<Document>,
    pub(super) boundary: Option<Document>,
    pub(super) session: Vec<Document>,
    pub(super) scp: Vec<Vec<Document>>,
    pub(super) rcp: Vec<Document>,
    /// The resource's policy read as a trust policy, if anything that is asked needs it so.
    trust: Option<Document>,
    /// The resource's policy read as such.
    resource: Option<Document>,
}

impl Policies {
    pub(super) fn compile(input: &Input<'_>) -> Result<Self, SimulateError> {
        let needed = |trust: bool| {
            let mut actions = input.actions.iter();
            let asked = actions.any(|action| {
                input
                    .resources
                    .iter()
                    .any(|resource| asks_trust(action, resource) == trust)
            });
            input.resource_policy.as_ref().filter(|_| asked)
        };
        let controls = input.rcp.iter().filter(|source| !is_full_access(source.text));
        let levels = input.scp.iter();
        Ok(Self {
            identity: all(&input.identity, DocumentKind::Identity)?,
            boundary: one(input.boundary.as_ref(), DocumentKind::Boundary)?,
            session: all(&input.session, DocumentKind::Session)?,
            scp: levels
                .map(|level| all(level, DocumentKind::Scp))
                .collect::<Result<_, _>>()?,
            rcp: all(controls, DocumentKind::Rcp)?,
            trust: one(needed(true), DocumentKind::Trust)?,
            resource: one(needed(false), DocumentKind::Resource)?,
        })
    }

    /// The policy of the resource as this question reads it.
    pub(super) fn of_resource(&self, action: &str, resource: &str) -> Option<&Document> {
        if asks_trust(action, resource) {
            self.trust.as_ref()
        } else {
            self.resource.as_ref()
        }
    }

    /// How many statements each result looks at.
    pub(super) fn statements(&self) -> usize {
        let lists = [&self.identity, &self.session, &self.rcp];
        let single = [&self.boundary, &self.trust, &self.resource];
        let all = lists
            .into_iter()
            .flatten()
            .chain(self.scp.iter().flatten())
            .chain(single.into_iter().flatten());
        all.map(|document| document.statements().len()).sum()
    }
}

fn all<'s>(
    sources: impl IntoIterator<Item = &'s Source<'s>>,
    kind: DocumentKind,
) -> Result<Vec<Document>, SimulateError> {
    sources.into_iter().map(|source| compile(source, kind)).collect()
}

fn one(source: Option<&Source<'_>>, kind: DocumentKind) -> Result<Option<Document>, SimulateError> {
    source.map(|source| compile(source, kind)).transpose()
}

fn compile(source: &Source<'_>, kind: DocumentKind) -> Result<Document, SimulateError> {
    Document::parse_deployed(&source.name, source.text, kind)
        .map_err(|error| SimulateError::of_policy(&source.name, source.text, &error))
}

/// Whether a trust policy decides: an action of taking a role on, asked of a role.
fn asks_trust(action: &str, resource: &str) -> bool {
    let is_role = |arn: Arn<'_>| arn.service == "iam" && arn.resource.starts_with("role/");
    is_trust_action(action) && Arn::split(resource).is_some_and(is_role)
}

/// Whether a text is AWS's own `RCPFullAWSAccess`, which is attached everywhere and is the only resource control policy
/// with an `Allow`. It grants nothing, so it is passed over.
fn is_full_access(text: &str) -> bool {
    let Ok(root) = json::read(text) else { return false };
    let Value::Object(members) = &root.value else {
        return false;
    };
    let mut statements = Vec::new();
    for member in members {
        match (member.key.as_str(), &member.node.value) {
            ("Version", Value::String(version)) if version == "2012-10-17" => {}
            ("Id", Value::String(_)) => {}
            ("Statement", Value::Array(nodes)) => statements.extend(nodes),
            ("Statement", _) => statements.push(&member.node),
            _ => return false,
        }
    }
    let [statement] = statements.as_slice() else {
        return false;
    };
    let Value::Object(elements) = &statement.value else {
        return false;
    };
    let mut found = 0;
    for element in elements {
        match element.key.as_str() {
            "Sid" => continue,
            "Effect" if is(&element.node, "Allow") => {}
            "Principal" | "Action" | "Resource" if is(&element.node, "*") => {}
            _ => return false,
        }
        found += 1;
    }
    found == 4
}

/// Whether a value is this text, alone or as the only one of a list.
fn is(node: &Node, wanted: &str) -> bool {
    match &node.value {
        Value::String(text) => text == wanted,
        Value::Array(nodes) => matches!(nodes.as_slice(), [node] if is(node, wanted)),
        _ => false,
    }
}
