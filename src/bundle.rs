//! The bundle: schema, policies, IAM documents and their correspondence, of one version, named by digest.
//!
//! A bundle is loaded whole or not at all. Loading parses the schema and every policy, validates the policies in strict mode
//! and to level 2, requires `@id`, `@why` and `@control` on each, builds the policy index, parses the IAM document templates
//! and checks that the correspondence table covers every action of the schema. What comes out is an immutable [`Bundle`];
//! nothing is parsed per request afterwards.
//!
//! The digest is SHA-256 over a manifest in canonical JSON that lists every file with its own digest. It names what can
//! change an answer: two bundles with one digest decide alike. The manifest and the files go into the ledger when a bundle
//! is put in force, so a decision can be replayed when the directory is long gone.
//!
//! [`Live`] holds the bundle in force on a watch channel. `SIGHUP` and a changed file make it load again; a bundle that does
//! not load is refused with a labelled error, the last good one stays in force, and readiness and a metric say so.
//!
//! # Worked example
//!
//! ```text
//! $ tidegate validate --bundle .
//!   × policies/platform/users.cedar: attribute `tenent` on entity type `Tidegate::User` not found
//!     ╭─[policies/platform/users.cedar:12:8]
//!  12 │ when { principal.tenent == resource.tenant };
//!     ·        ────────┬───────
//!     ╰────
//!   help: did you mean `tenant`?
//! ```

mod correspondence;
mod error;
mod live;
mod load;
mod source;

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy::{PolicySet, Schema};

pub use correspondence::{Caller, Correspondence, IamAsk, Mapping};
pub use error::BundleError;
pub use live::{Changes, Live, Refusal, Status};
pub use source::{Source, SourceError};

use crate::cedar::Index;
use crate::iam::Account;
use crate::ids::Digest;
use crate::question::Part;

/// What a policy says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyCard {
    /// Why the policy exists, in a sentence.
    pub why: String,
    /// The control it serves, such as `ISO27001:A.8.3`.
    pub control: String,
    /// The file it stands in.
    pub file: String,
}

/// A version of all that decides, ready to be asked.
#[derive(Debug)]
pub struct Bundle {
    /// SHA-256 of the manifest.
    pub digest: Digest,
    /// The manifest in canonical JSON.
    pub manifest: Part,
    /// The files it was made of.
    pub source: Source,
    /// The schema.
    pub schema: Schema,
    /// Every policy of the platform.
    pub policies: PolicySet,
    /// The same policies, sorted by what they can match.
    pub index: Index,
    /// What each policy says of itself, by id.
    pub cards: BTreeMap<String, PolicyCard>,
    /// The platform's account in AWS, with the IAM documents in their places.
    pub account: Arc<Account>,
    /// Which IAM question an action corresponds to.
    pub correspondence: Correspondence,
}

impl Bundle {
    /// Loads a bundle from its files.
    ///
    /// # Errors
    /// Every problem found, each with its file and where possible the place in it.
    pub fn load(source: Source) -> Result<Self, BundleError> {
        load::load(source)
    }

    /// The files and the manifest, each with its digest, as the ledger keeps them.
    pub fn parts(&self) -> impl Iterator<Item = Part> {
        self.source
            .files()
            .map(|(_, bytes)| Part::of(bytes.to_vec()))
            .chain([self.manifest.clone()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_bundle_loads() {
        let bundle = Bundle::load(Source::built_in()).unwrap_or_else(|error| panic!("{}", error.render()));
        assert!(bundle.cards.len() > 25);
        let mut sizes: Vec<_> = bundle.index.sizes().collect();
        sizes.sort();
        for ((p, a, r), n) in sizes {
            println!("{p} {a} {r} {n}");
        }
    }
}
