//! The IAM documents in force for every tenant, as templates.

use crate::iam::{Document, DocumentError, DocumentKind};

/// The templates of a tenant's role: its policy, its trust policy, and one session policy per narrowed operation.
#[derive(Debug)]
pub struct RoleDocuments {
    pub(super) role: Document,
    pub(super) trust: Document,
    pub(super) object_read: Document,
    pub(super) object_write: Document,
    pub(super) object_delete: Document,
    pub(super) list: Document,
    pub(super) secret_read: Document,
    pub(super) secret_write: Document,
}

/// Why a set of templates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RoleDocumentsError {
    /// A template is not there.
    #[error("the IAM document `{0}.json` is missing from the bundle")]
    Missing(&'static str),
    /// A template does not load; the error shows where.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A template leaves open what nobody fills in; it would match nothing.
    #[error("the IAM document `{document}` has the unknown parameter `{{{parameter}}}`; known here: {known}")]
    Parameter {
        /// The document.
        document: &'static str,
        /// Its parameter.
        parameter: String,
        /// The parameters it may have.
        known: String,
    },
}

const NAMES: [&str; 6] = ["partition", "region", "account", "bucket", "identity_pool", "bpnl"];

impl RoleDocuments {
    /// Loads the eight templates; `read` gives the text of the one with a name, such as `session-object-read`.
    ///
    /// # Errors
    /// One is missing, does not load, or has a parameter that nobody fills in.
    pub fn load(read: impl Fn(&str) -> Option<String>) -> Result<Self, RoleDocumentsError> {
        let load = |name: &'static str, kind: DocumentKind, extra: &[&str]| {
            let text = read(name).ok_or(RoleDocumentsError::Missing(name))?;
            let document = Document::parse(name, &text, kind)?;
            let unknown = document
                .parameters()
                .find(|found| !NAMES.contains(found) && !extra.contains(found));
            if let Some(parameter) = unknown {
                let known = [NAMES.as_slice(), extra].concat().join(", ");
                return Err(RoleDocumentsError::Parameter {
                    document: name,
                    parameter: parameter.to_owned(),
                    known,
                });
            }
            Ok(document)
        };
        let session = |name, extra: &[&str]| load(name, DocumentKind::Session, extra);
        Ok(Self {
            role: load("tenant-role", DocumentKind::Identity, &[])?,
            trust: load("tenant-trust", DocumentKind::Trust, &[])?,
            object_read: session("session-object-read", &["product", "pcf"])?,
            object_write: session("session-object-write", &["product", "pcf"])?,
            object_delete: session("session-object-delete", &["product", "pcf"])?,
            list: session("session-list", &[])?,
            secret_read: session("session-secret-read", &["name"])?,
            secret_write: session("session-secret-write", &["name"])?,
        })
    }

    /// The templates this program was built with.
    ///
    /// # Errors
    /// As for [`RoleDocuments::load`]; a test holds that there are none.
    pub fn built_in() -> Result<Self, RoleDocumentsError> {
        macro_rules! built_in {
            ($($name:literal),*) => {
                |wanted: &str| match wanted {
                    $($name => Some(include_str!(concat!("../../policies/iam/", $name, ".json")).to_owned()),)*
                    _ => None,
                }
            };
        }
        Self::load(built_in![
            "tenant-role",
            "tenant-trust",
            "session-object-read",
            "session-object-write",
            "session-object-delete",
            "session-list",
            "session-secret-read",
            "session-secret-write"
        ])
    }
}
