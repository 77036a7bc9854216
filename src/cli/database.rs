//! Where the ledger and all else that is in tables lie, as it is told on the command line and in the configuration.

use std::path::Path;

use clap::Args;

use super::Failure;
use crate::config::DatabaseSource;
use crate::database::{Database, Place};

/// A ledger that is not in the data directory.
#[derive(Args, Clone, Debug)]
pub(super) struct DatabaseArgs {
    /// The environment variable with the URL of the ledger's PostgreSQL database, where it is not in the data directory; the
    /// keys are there in any case
    #[arg(long, value_name = "NAME")]
    database_env: Option<String>,
}

impl DatabaseArgs {
    /// The database, where one is named.
    pub(super) fn database(&self) -> Result<Option<Database>, Failure> {
        let source = self.database_env.clone().map(DatabaseSource::Environment);
        let read = |source| read("ledger_database", source);
        source.as_ref().map(read).transpose()
    }

    /// The place of the ledger: the database, or else the data directory.
    pub(super) fn place(&self, data: &Path) -> Result<Place, Failure> {
        Ok(Place::of(self.database()?, data))
    }
}

/// Reads a database's URL, which the configuration has under `member`. What it is, is in no message: it may hold a password.
pub(super) fn read(member: &str, source: &DatabaseSource) -> Result<Database, Failure> {
    let (name, url) = match source {
        DatabaseSource::Url(url) => (format!("`{member}`"), url.clone()),
        DatabaseSource::Environment(name) => {
            let url = std::env::var(name);
            let name = format!("the environment variable `{name}`");
            let url = url.map_err(|_| Failure::invalid(format!("{name} is not set: it names a database")))?;
            (name, url)
        }
    };
    Database::parse(url.trim()).map_err(|error| Failure::invalid(format!("{name}: {error}")))
}
