//! How the ledger's sessions are set, whatever the server's defaults are.

use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use super::Result;
use crate::database::{Database, PATIENCE, WRITING, within};

/// Where the ledger's tables are.
const SCHEMA: &str = "tidegate_ledger";

/// A connection of the one writer.
pub(super) async fn to_write(database: &Database) -> Result<PgConnection> {
    connect(database, &WRITING).await
}

/// A connection that reads, for as long as it takes.
pub(super) async fn to_read(database: &Database) -> Result<PgConnection> {
    let reading = [
        ("default_transaction_read_only", "on"),
        ("idle_in_transaction_session_timeout", "0"),
    ];
    connect(database, &reading).await
}

/// A connection that vacuums.
pub(super) async fn to_tidy(database: &Database) -> Result<PgConnection> {
    connect(database, &[("lock_timeout", "3s")]).await
}

async fn connect(database: &Database, settings: &[(&str, &str)]) -> Result<PgConnection> {
    within(
        PATIENCE,
        PgConnection::connect_with(&database.session(SCHEMA, settings)),
    )
    .await
}
