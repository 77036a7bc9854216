//! What can be wrong with a deployment, by kind: each kind has a name that stays, for programs that count or mute findings.

use std::fmt;

use serde::{Serialize, Serializer};

/// A kind of finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A role of the platform is not there.
    MissingRole,
    /// A role bears a name of the platform but is not that role: it is of another account, or on a path.
    WrongArn,
    /// A role has no policy of its own.
    MissingPolicy,
    /// A role has a policy that the platform does not give it.
    ExtraPolicy,
    /// A role has no permissions boundary, another one, or one where there should be none.
    WrongBoundary,
    /// The managed policy that is the boundary is not there.
    MissingBoundary,
    /// A role's tag `bpnl` is not its tenant's number, or a role has one that stands for no tenant.
    WrongTag,
    /// A document does not mean what the bundle's template does.
    ChangedDocument,
    /// A document has something that is not evaluated exactly, so that nobody can say what it means.
    UnreadableDocument,
    /// A bucket or secret has no policy.
    MissingResourcePolicy,
    /// A role with the platform's prefix that the platform does not know reaches what is the tenants'.
    Stranger,
    /// The corpus does not hold under the bundle itself, so nothing can be said of what is deployed.
    Corpus,
}

impl Rule {
    /// Every kind, in the order of the declaration.
    pub const ALL: [Self; 12] = [
        Self::MissingRole,
        Self::WrongArn,
        Self::MissingPolicy,
        Self::ExtraPolicy,
        Self::WrongBoundary,
        Self::MissingBoundary,
        Self::WrongTag,
        Self::ChangedDocument,
        Self::UnreadableDocument,
        Self::MissingResourcePolicy,
        Self::Stranger,
        Self::Corpus,
    ];

    /// The name, which stays.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MissingRole => "missing-role",
            Self::WrongArn => "wrong-arn",
            Self::MissingPolicy => "missing-policy",
            Self::ExtraPolicy => "extra-policy",
            Self::WrongBoundary => "wrong-boundary",
            Self::MissingBoundary => "missing-boundary",
            Self::WrongTag => "wrong-tag",
            Self::ChangedDocument => "changed-document",
            Self::UnreadableDocument => "unreadable-document",
            Self::MissingResourcePolicy => "missing-resource-policy",
            Self::Stranger => "stranger",
            Self::Corpus => "corpus",
        }
    }

    /// How to mend it.
    pub fn mend(self) -> &'static str {
        match self {
            Self::MissingRole => "Create or update the stack that has it.",
            Self::WrongArn => {
                "Give the names of this deployment (`--names`), or find out who made a role of this name elsewhere."
            }
            Self::MissingPolicy => "Update the stack that has the role, or onboard the tenant again.",
            Self::ExtraPolicy => "Detach or delete it; what it grants is granted by nobody's decision.",
            Self::WrongBoundary => "Put the boundary back that the table of attached documents gives the role.",
            Self::MissingBoundary => "Create or update the shared stack.",
            Self::WrongTag => {
                "Tag the role with its tenant's number, and no other role at all: the boundary goes by this tag."
            }
            Self::ChangedDocument => {
                "Put the template's document back; or, where the change is meant, make it in `policies/iam/` first."
            }
            Self::UnreadableDocument => "Put the template's document back.",
            Self::MissingResourcePolicy => {
                "Update the shared stack, or onboard the tenant again: without it only the role's policy stands."
            }
            Self::Stranger => {
                "Rename it if it is none of the platform's; else take from it what reaches the tenants' things."
            }
            Self::Corpus => "Run `tidegate check` and mend what it finds.",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Something that is not as the bundle says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its kind.
    pub rule: Rule,
    /// What it is about: the name of a role, a managed policy or a bucket, the ARN of a secret.
    pub on: String,
    /// The document by the name of its template, where it is one document's.
    pub document: Option<String>,
    /// The statement, by its Sid or number, where it is one statement's.
    pub statement: Option<String>,
    /// What is wrong, for people.
    pub message: String,
    /// How to mend it.
    pub mend: &'static str,
}

impl Finding {
    /// A finding of a kind about a thing.
    pub(super) fn new(rule: Rule, on: &str, message: impl Into<String>) -> Self {
        Self {
            rule,
            on: on.to_owned(),
            document: None,
            statement: None,
            message: message.into(),
            mend: rule.mend(),
        }
    }

    /// About one of its documents.
    pub(super) fn in_document(mut self, document: &str) -> Self {
        self.document = Some(document.to_owned());
        self
    }

    /// About one statement of the document.
    pub(super) fn in_statement(mut self, statement: Option<String>) -> Self {
        self.statement = statement;
        self
    }
}

impl fmt::Display for Finding {
    /// `tidegate-service, service-role#Quick: is a statement …`
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.on)?;
        if let Some(document) = &self.document {
            write!(formatter, ", {document}")?;
        }
        if let Some(statement) = &self.statement {
            write!(formatter, "#{statement}")?;
        }
        write!(formatter, ": {}", self.message)
    }
}
