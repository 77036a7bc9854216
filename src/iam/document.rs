//! A policy document, compiled.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use super::condition::Condition;
use super::context::Scope;
use super::error::{DocumentError, Fault};
use super::json;
use super::parse;
use super::pattern::Pattern;
use super::principal::{Principals, Reach};
use super::template::{self, Chunk, Dialect, Params, RenderError};
use crate::decision::Effect;

/// What a document is attached to, which decides what it may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DocumentKind {
    /// Attached to a role, user or group: grants.
    Identity,
    /// Given when a session is made: narrows the role for that session.
    Session,
    /// The permissions boundary of a role or user: narrows.
    Boundary,
    /// A service control policy of the organization: narrows every principal of an account.
    Scp,
    /// A resource control policy of the organization; may only deny.
    Rcp,
    /// Attached to a resource (bucket, secret): says who may use it.
    Resource,
    /// A role's trust policy: says who may take the role on.
    Trust,
}

impl DocumentKind {
    /// Whether documents of this kind name principals.
    pub(super) fn names_principals(self) -> bool {
        matches!(self, Self::Rcp | Self::Resource | Self::Trust)
    }
}

/// A compiled policy document. Evaluating it parses nothing.
///
/// ```
/// use tidegate::iam::{Document, DocumentKind, Params};
/// let text = r#"{
///     "Version": "2012-10-17",
///     "Statement": {"Sid": "Own", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::pcf/{bpnl}/*"}
/// }"#;
/// let document = Document::parse("tenant-role", text, DocumentKind::Identity).unwrap();
/// assert_eq!(document.parameters().collect::<Vec<_>>(), ["bpnl"]);
/// let deployed = document.render(&Params::new().with("bpnl", "BPNL000000000DWF")).unwrap();
/// assert!(deployed.contains("arn:aws:s3:::pcf/BPNL000000000DWF/*"));
/// ```
#[derive(Clone)]
pub struct Document {
    name: Box<str>,
    kind: DocumentKind,
    text: Box<str>,
    statements: Vec<Statement>,
    chunks: Vec<Chunk>,
    parameters: BTreeSet<Box<str>>,
}

/// One statement of a document.
#[derive(Clone, Debug)]
pub struct Statement {
    /// The Sid, or the statement's number in the document from 0.
    pub(super) label: Box<str>,
    pub(super) effect: Effect,
    pub(super) span: Range<usize>,
    /// In lower case, as [`Scope::action`] is: actions are compared without regard to it.
    pub(super) actions: Matcher,
    /// Absent in a trust policy, which is about the one role it is attached to.
    pub(super) resources: Option<Matcher>,
    /// Absent where the document is attached to the principal.
    pub(super) principals: Option<Principals>,
    pub(super) conditions: Vec<Condition>,
}

/// An element and its `Not…` form.
#[derive(Clone, Debug)]
pub(super) struct Matcher {
    pub(super) negated: bool,
    pub(super) patterns: Vec<Pattern>,
}

/// The first check of a statement that a request does not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmet<'d> {
    /// `Action` or `NotAction`.
    Action,
    /// `Principal` or `NotPrincipal`.
    Principal,
    /// `Resource` or `NotResource`.
    Resource,
    /// The condition on this key.
    Condition(&'d str),
}

impl Document {
    /// Reads a template: `{name}` in principals, resources and condition values is a template parameter.
    ///
    /// # Errors
    /// Everything outside the subset of the policy language that is evaluated exactly, with its place and a remedy.
    pub fn parse(name: &str, text: &str, kind: DocumentKind) -> Result<Self, DocumentError> {
        Self::read(name, text, kind, true)
    }

    /// Reads a document as AWS holds it: single braces are plain characters.
    ///
    /// # Errors
    /// As for [`Document::parse`].
    pub fn parse_deployed(name: &str, text: &str, kind: DocumentKind) -> Result<Self, DocumentError> {
        Self::read(name, text, kind, false)
    }

    fn read(name: &str, text: &str, kind: DocumentKind, templated: bool) -> Result<Self, DocumentError> {
        let compile = || -> Result<Self, Fault> {
            let root = json::read(text)?;
            let dialect = Dialect {
                parameters: templated,
                variables: parse::has_variables(&root)?,
                session: kind == DocumentKind::Session,
            };
            let statements = parse::statements(&root, kind, dialect)?;
            let chunks = template::chunks(&root, dialect).map_err(|problem| Fault::new(problem, root.span.clone()))?;
            let named = chunks.iter().filter_map(|chunk| match chunk {
                Chunk::Parameter(name) => Some(name.clone()),
                Chunk::Text(_) => None,
            });
            let parameters = named.collect();
            Ok(Self {
                name: name.into(),
                kind,
                text: text.into(),
                statements,
                chunks,
                parameters,
            })
        };
        compile().map_err(|fault| DocumentError::new(name, text, fault))
    }

    /// The name the document was loaded under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the document is attached to.
    pub fn kind(&self) -> DocumentKind {
        self.kind
    }

    /// The text the document was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The statements in their order.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// The template parameters the document leaves open, sorted.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().map(AsRef::as_ref)
    }

    /// The JSON really deployed: parameters filled in, white space removed.
    ///
    /// # Errors
    /// A parameter without a value, or with one that AWS would not take literally.
    pub fn render(&self, params: &Params<'_>) -> Result<String, RenderError> {
        template::render(&self.chunks, params, self.kind == DocumentKind::Session)
    }

    /// Line and column, both from 1 and the column in characters, of a byte of the text; AWS's simulator reports positions so.
    pub fn position(&self, byte: usize) -> (usize, usize) {
        json::position(&self.text, byte)
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Document({:?} {})", self.kind, self.name)
    }
}

impl Statement {
    /// The Sid, or the statement's number in the document from 0; a Sid of digits only stands behind a `#`.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Allow or deny.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// The bytes of the document the statement was read from.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Whether the statement applies to the request, and how its principal was named.
    pub(super) fn check<'d>(&'d self, scope: &Scope<'_, 'd>) -> Result<Reach, Unmet<'d>> {
        if !self.actions.matches(&scope.action, scope) {
            return Err(Unmet::Action);
        }
        let reach = self
            .principals
            .as_ref()
            .map_or(Reach::Direct, |principals| principals.reach(scope));
        if !reach.means(self.effect) {
            return Err(Unmet::Principal);
        }
        let resources = self.resources.as_ref();
        if !resources.is_none_or(|resources| resources.matches(scope.request.resource, scope)) {
            return Err(Unmet::Resource);
        }
        match self.conditions.iter().find(|condition| !condition.holds(scope)) {
            Some(condition) => Err(Unmet::Condition(&condition.key)),
            None => Ok(reach),
        }
    }
}

impl Matcher {
    pub(super) fn matches<'d>(&'d self, text: &str, scope: &Scope<'_, 'd>) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(text, scope)) != self.negated
    }
}
