//! Finding the bundle a command works on.

use std::path::{Path, PathBuf};

use super::{BundleArgs, Failure};
use crate::assemble::BundleSource;
use crate::bundle::Bundle;

impl BundleArgs {
    /// Where the bundle comes from: the directory that was named; else the current one, where it looks like a bundle; else
    /// what was built in.
    pub(super) fn source(&self) -> BundleSource {
        if let Some(directory) = &self.directory {
            return BundleSource::Directory(directory.clone());
        }
        let here = Path::new(".");
        if here.join("policies").is_dir() && here.join("schema/tidegate.cedarschema").is_file() {
            return BundleSource::Directory(PathBuf::from("."));
        }
        BundleSource::BuiltIn
    }

    /// Loads it.
    pub(super) fn load(&self) -> Result<Bundle, Failure> {
        self.source().load().map_err(Failure::invalid)
    }
}

/// Where a bundle comes from, for people.
pub(super) fn name(source: &BundleSource) -> String {
    match source {
        BundleSource::Directory(root) => root.display().to_string(),
        BundleSource::BuiltIn => "built in".into(),
    }
}
