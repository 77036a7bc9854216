//! Why the vault did not do what it was asked.

use std::io;
use std::path::{Path, PathBuf};

#[cfg(feature = "aws")]
use crate::aws::Failure;
use crate::decision::{IamAnswer, IamDecision};
use crate::iam::Layer;

/// A refusal by the IAM layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// The IAM action, such as `s3:GetObject`.
    pub action: &'static str,
    /// The ARN asked for.
    pub resource: String,
    /// `explicitDeny` or `implicitDeny`.
    pub decision: IamDecision,
    /// The layer that settled it.
    pub decided_by: Layer,
    /// The statements that deny, as `document#sid`, sorted; none for an implicit deny.
    pub statements: Vec<String>,
}

impl Denied {
    /// The refusal as it is recorded.
    pub fn answer(&self) -> IamAnswer {
        IamAnswer::Evaluated {
            decision: self.decision,
            statements: self.statements.clone(),
        }
    }
}

/// A refusal by AWS of what the IAM layer allows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{action} on `{resource}`: {code}: {message}")]
pub struct Refused {
    /// The IAM action, such as `s3:GetObject`.
    pub action: &'static str,
    /// The ARN asked for.
    pub resource: String,
    /// AWS's own code, such as `AccessDenied`.
    pub code: String,
    /// AWS's own message.
    pub message: String,
    /// AWS's id of the request, by which its logs tell more.
    pub request: Option<String>,
}

#[cfg(feature = "aws")]
impl Refused {
    /// What AWS says of a call that IAM refuses.
    pub(super) fn of(failure: Failure, action: &'static str, resource: &str) -> Box<Self> {
        Box::new(Self {
            action,
            resource: resource.to_owned(),
            code: failure.code,
            message: failure.message,
            request: failure.request,
        })
    }
}

/// Why an operation of the vault failed. No message holds a secret, a key or a token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The IAM layer does not allow it.
    #[error("the session may not `{}` on `{}`: {} by the {:?} layer", .0.action, .0.resource, .0.decision, .0.decided_by)]
    AccessDenied(Box<Denied>),
    /// AWS refuses what the IAM layer allows: what is deployed is not what the bundle says, or it is not there at all and the session
    /// may not know.
    #[error("the IAM layer allows it, AWS does not: {0}")]
    Refused(Box<Refused>),
    /// The service did not answer in time, or not at all, or there is too much asked of it.
    #[error("{0}")]
    Unavailable(String),
    /// A new version of a secret is not accepted where it is to be used.
    #[error("the new version of {what} is not accepted: {why}; the current one stays")]
    NotAccepted {
        /// The secret.
        what: String,
        /// What its target says.
        why: String,
    },
    /// There is no such object, secret or version.
    #[error("{0} does not exist")]
    NotFound(String),
    /// What is stored is not what was written, or was written under another key, tenant or name.
    #[error("{what} cannot be trusted: {why}; restore it from a backup")]
    Tampered {
        /// The object or secret.
        what: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// What is to be stored is too long.
    #[error("{what} has {size} bytes; at most {limit} are kept")]
    TooLarge {
        /// The object or secret.
        what: String,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Another process has the vault open.
    #[error("the vault at `{}` is in use by another process; stop that one first", .0.display())]
    InUse(PathBuf),
    /// What is in the vault was sealed with another key.
    #[error(
        "the vault at `{}` was sealed with another key; give it the one of its time, for without that no secret in it can be read", .0.display()
    )]
    OtherKey(PathBuf),
    /// A path inside the vault is a symbolic link or not of the expected kind.
    #[error("`{}` is not a plain file or directory of the vault; remove it", .0.display())]
    ForeignPath(PathBuf),
    /// The file system refused.
    #[error("could not {doing} `{}`", .path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The system's random generator or cipher failed, or the worker thread died.
    #[error("the vault could not {0}")]
    Internal(&'static str),
}

impl VaultError {
    /// For `map_err` on a file operation.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { doing, path, source }
    }

    pub(super) fn tampered(what: &str, why: &'static str) -> Self {
        Self::Tampered {
            what: what.to_owned(),
            why,
        }
    }
}
