//! The files of a bundle, wherever they come from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::Digest;
use crate::question::Part;

/// The most a single file of a bundle may hold.
const FILE_LIMIT: u64 = 1 << 20;

/// The most files a bundle may hold.
const COUNT_LIMIT: usize = 1_000;

/// The file the schema is in.
pub(super) const SCHEMA: &str = "schema/tidegate.cedarschema";

/// The file the correspondence of layers is in.
pub(super) const CORRESPONDENCE: &str = "policies/correspondence.toml";

/// The files of a bundle, by path relative to its root, with `/` between the parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where they come from, for messages.
    origin: String,
    files: BTreeMap<String, Arc<[u8]>>,
}

/// What is wrong with the files of a bundle.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file or directory that cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// More or larger files than a bundle has.
    #[error("`{0}` is too much for a bundle: at most 1,000 files of at most 1 MiB each")]
    TooLarge(PathBuf),
    /// A manifest that does not fit its files.
    #[error("the manifest does not fit: {0}")]
    Manifest(String),
}

/// The manifest: what a bundle's digest is taken over.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    files: BTreeMap<String, Digest>,
    v: u32,
}

macro_rules! built_in {
    ($($path:literal),+ $(,)?) => {
        &[$(($path, include_bytes!(concat!("../../", $path)).as_slice())),+]
    };
}

/// The files built into the program; a test holds the list equal to what is on disk.
const BUILT_IN: &[(&str, &[u8])] = built_in![
    "policies/correspondence.toml",
    "policies/iam/bucket-policy.json",
    "policies/iam/pool-role.json",
    "policies/iam/pool-trust.json",
    "policies/iam/provisioning-role.json",
    "policies/iam/provisioning-trust.json",
    "policies/iam/secret-policy.json",
    "policies/iam/service-role.json",
    "policies/iam/service-trust.json",
    "policies/iam/session-list.json",
    "policies/iam/session-object-delete.json",
    "policies/iam/session-object-read.json",
    "policies/iam/session-object-write.json",
    "policies/iam/session-received-write.json",
    "policies/iam/session-secret-read.json",
    "policies/iam/session-secret-rotate.json",
    "policies/iam/session-secret-write.json",
    "policies/iam/tenant-boundary.json",
    "policies/iam/tenant-role.json",
    "policies/iam/tenant-trust.json",
    "policies/platform/administration.cedar",
    "policies/platform/agreements.cedar",
    "policies/platform/credentials.cedar",
    "policies/platform/exchange.cedar",
    "policies/platform/footprints.cedar",
    "policies/platform/guardrails.cedar",
    "policies/platform/ingest.cedar",
    "policies/platform/pact.cedar",
    "policies/platform/tenants.cedar",
    "policies/platform/twins.cedar",
    "policies/platform/users.cedar",
    "schema/tidegate.cedarschema",
];

impl Source {
    /// The bundle built into the program: what the repository held when it was built.
    pub fn built_in() -> Self {
        let files = BUILT_IN
            .iter()
            .map(|(path, bytes)| ((*path).to_owned(), Arc::from(*bytes)))
            .collect();
        Self {
            origin: "built in".into(),
            files,
        }
    }

    /// The bundle below `root`: every file under `policies/` and `schema/` with an ending a bundle knows.
    ///
    /// # Errors
    /// A directory or file that cannot be read, or is larger than a bundle's may be.
    pub fn directory(root: &Path) -> Result<Self, SourceError> {
        let mut files = BTreeMap::new();
        for part in ["policies", "schema"] {
            collect(&root.join(part), part, &mut files)?;
        }
        Ok(Self {
            origin: root.display().to_string(),
            files,
        })
    }

    /// The bundle a manifest names, its files fetched by digest.
    ///
    /// # Errors
    /// A manifest that does not parse or names a file `fetch` does not have.
    pub fn archived(manifest: &[u8], fetch: impl Fn(Digest) -> Option<Arc<[u8]>>) -> Result<Self, SourceError> {
        let wrong = |problem: String| SourceError::Manifest(problem);
        let manifest: Manifest = crate::json::read(manifest).map_err(|error| wrong(error.to_string()))?;
        let mut files = BTreeMap::new();
        for (path, digest) in manifest.files {
            let bytes = fetch(digest).ok_or_else(|| wrong(format!("the file `{path}` ({digest}) is not kept")))?;
            if Digest::of(&bytes) != digest {
                return Err(wrong(format!(
                    "the file `{path}` was changed: it is no longer {digest}"
                )));
            }
            files.insert(path, bytes);
        }
        Ok(Self {
            origin: "archive".into(),
            files,
        })
    }

    /// The digests of the files a manifest names.
    ///
    /// # Errors
    /// A manifest that does not parse.
    pub fn named_by(manifest: &[u8]) -> Result<Vec<Digest>, SourceError> {
        let manifest: Manifest =
            crate::json::read(manifest).map_err(|error| SourceError::Manifest(error.to_string()))?;
        Ok(manifest.files.into_values().collect())
    }

    /// A bundle from files in memory.
    pub fn of(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let files = files
            .into_iter()
            .map(|(path, bytes)| (path, Arc::from(bytes)))
            .collect();
        Self {
            origin: "memory".into(),
            files,
        }
    }

    /// Where the files come from, for messages.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Every file with its path.
    pub fn files(&self) -> impl Iterator<Item = (&str, &Arc<[u8]>)> {
        self.files.iter().map(|(path, bytes)| (path.as_str(), bytes))
    }

    /// One file's bytes.
    pub fn file(&self, path: &str) -> Option<&Arc<[u8]>> {
        self.files.get(path)
    }

    /// The manifest in canonical JSON; its digest is the bundle's.
    pub fn manifest(&self) -> Part {
        let files = self
            .files
            .iter()
            .map(|(path, bytes)| (path.clone(), Digest::of(bytes)))
            .collect();
        // A map of strings to strings always serialises.
        Part::of(serde_json::to_vec(&Manifest { files, v: 1 }).unwrap_or_default())
    }
}

fn collect(directory: &Path, relative: &str, files: &mut BTreeMap<String, Arc<[u8]>>) -> Result<(), SourceError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| SourceError::Read { path, source }
    };
    for entry in std::fs::read_dir(directory).map_err(failed(directory))? {
        let path = entry.map_err(failed(directory))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let relative = format!("{relative}/{name}");
        // A link is not followed: what a bundle holds is what lies in it.
        let kind = std::fs::symlink_metadata(&path).map_err(failed(&path))?;
        if kind.is_dir() {
            collect(&path, &relative, files)?;
        } else if kind.is_file() && known(name) {
            if kind.len() > FILE_LIMIT || files.len() >= COUNT_LIMIT {
                return Err(SourceError::TooLarge(path));
            }
            files.insert(relative, std::fs::read(&path).map_err(failed(&path))?.into());
        }
    }
    Ok(())
}

/// Files an editor leaves behind are not part of a bundle; neither are JSON Schemas of other documents.
fn known(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(stem, ending)| (!stem.is_empty(), ending));
    matches!(ending, Some((true, "cedar" | "cedarschema" | "toml")))
        || (name.ends_with(".json") && !name.ends_with(".schema.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_in_is_what_is_on_disk() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let on_disk = Source::directory(root).unwrap();
        let names = |source: &Source| source.files().map(|(path, _)| path.to_owned()).collect::<Vec<_>>();
        assert_eq!(names(&Source::built_in()), names(&on_disk));
        assert_eq!(Source::built_in().manifest(), on_disk.manifest());
    }

    #[test]
    fn an_archived_bundle_is_the_same_bundle_or_an_error() {
        let source = Source::built_in();
        let kept: std::collections::HashMap<_, _> = source
            .files()
            .map(|(_, bytes)| (Digest::of(bytes), Arc::clone(bytes)))
            .collect();
        let manifest = source.manifest();
        let again = Source::archived(&manifest.bytes, |digest| kept.get(&digest).cloned()).unwrap();
        assert_eq!(again.manifest(), manifest);
        assert!(Source::archived(&manifest.bytes, |_| None).is_err());
        let forged: Arc<[u8]> = Arc::from(b"permit (principal, action, resource);".as_slice());
        assert!(Source::archived(&manifest.bytes, |_| Some(Arc::clone(&forged))).is_err());
    }

    #[test]
    fn any_changed_byte_changes_the_digest() {
        let source = Source::built_in();
        for (path, bytes) in source.files() {
            let mut files: Vec<_> = source
                .files()
                .map(|(path, bytes)| (path.to_owned(), bytes.to_vec()))
                .collect();
            let mut changed = bytes.to_vec();
            changed[0] ^= 1;
            files.iter_mut().find(|(name, _)| name == path).unwrap().1 = changed;
            assert_ne!(Source::of(files).manifest().digest, source.manifest().digest, "{path}");
        }
    }
}
