//! The format of the database: its tables, and who makes them.

use std::path::PathBuf;

use sqlx::Connection;
use sqlx::postgres::PgConnection;

use super::Result;
use crate::database::{Database, MAKING, PATIENCE, within};
use crate::ledger::error::LedgerError;

/// The version of the format, kept in the table `ledger_format`; the number is that of the same tables in SQLite.
const FORMAT: i64 = 4;

/// The version before: without the table `key_change`. A reader takes it as it is.
const BEFORE: i64 = 3;

const SCHEMA: &str = "
    CREATE TABLE ledger_format (format BIGINT NOT NULL);
    CREATE TABLE log (log TEXT COLLATE \"C\" PRIMARY KEY, origin TEXT NOT NULL, verifier_key TEXT NOT NULL);
    CREATE TABLE record (log TEXT COLLATE \"C\" NOT NULL, seq BIGINT NOT NULL, hash BYTEA NOT NULL, mac BYTEA NOT NULL, record BYTEA NOT NULL,
        period TEXT COLLATE \"C\", private BYTEA, PRIMARY KEY (log, seq));
    CREATE TABLE bundle (log TEXT COLLATE \"C\" NOT NULL, number BIGINT NOT NULL, entries BYTEA NOT NULL, PRIMARY KEY (log, number));
    CREATE TABLE private (log TEXT COLLATE \"C\" NOT NULL, number BIGINT NOT NULL, period TEXT COLLATE \"C\" NOT NULL, content BYTEA NOT NULL,
        PRIMARY KEY (log, number, period));
    CREATE TABLE tile (log TEXT COLLATE \"C\" NOT NULL, level BIGINT NOT NULL, number BIGINT NOT NULL, hashes BYTEA NOT NULL,
        PRIMARY KEY (log, level, number));
    CREATE TABLE checkpoint (log TEXT COLLATE \"C\" PRIMARY KEY, size BIGINT NOT NULL, edge BYTEA NOT NULL, note TEXT NOT NULL);
    CREATE TABLE ahead (log TEXT COLLATE \"C\" PRIMARY KEY, records BIGINT NOT NULL);
    CREATE TABLE cosigned (log TEXT COLLATE \"C\" PRIMARY KEY, size BIGINT NOT NULL, note TEXT NOT NULL);
    CREATE TABLE slice (log TEXT COLLATE \"C\" NOT NULL, commitment BYTEA NOT NULL, period TEXT COLLATE \"C\" NOT NULL, content BYTEA NOT NULL,
        PRIMARY KEY (log, commitment));
    CREATE TABLE period (log TEXT COLLATE \"C\" NOT NULL, period TEXT COLLATE \"C\" NOT NULL, wrapped BYTEA, PRIMARY KEY (log, period));
    CREATE TABLE body (digest BYTEA PRIMARY KEY, content BYTEA NOT NULL);
    CREATE TABLE lease (one BOOLEAN PRIMARY KEY DEFAULT true CHECK (one), epoch BIGINT NOT NULL, token TEXT NOT NULL, holder TEXT NOT NULL,
        renewed TIMESTAMPTZ NOT NULL);
    INSERT INTO ledger_format VALUES (3);
    INSERT INTO lease (epoch, token, holder, renewed) VALUES (0, '', '', 'epoch');
";

/// What came with the current one.
const SINCE: &str = "
    CREATE TABLE key_change (log TEXT COLLATE \"C\" NOT NULL, size BIGINT NOT NULL, note TEXT NOT NULL, PRIMARY KEY (log, size));
    UPDATE ledger_format SET format = 4;
";

/// Whether the tables are there.
async fn is_made(connection: &mut PgConnection) -> Result<bool> {
    let sql =
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = 'tidegate_ledger' AND c.relname = 'ledger_format')";
    within(PATIENCE, sqlx::query_scalar(sql).fetch_one(connection)).await
}

/// The version of the tables that are there; nothing where there are none.
async fn version(connection: &mut PgConnection) -> Result<Option<i64>> {
    if !is_made(connection).await? {
        return Ok(None);
    }
    let query = sqlx::query_scalar::<_, Option<i64>>("SELECT max(format) FROM ledger_format");
    let format = within(PATIENCE, query.fetch_one(connection)).await?;
    Ok(Some(format.unwrap_or(0)))
}

/// Makes the tables where there are none. The schema may have been made before, for a role that may not make one.
pub(super) async fn make(connection: &mut PgConnection) -> Result<()> {
    if is_made(connection).await? {
        return Ok(());
    }
    let mut transaction = connection.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(MAKING)
        .execute(&mut *transaction)
        .await?;
    if !is_made(&mut transaction).await? {
        let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'tidegate_ledger')";
        if !sqlx::query_scalar::<_, bool>(sql).fetch_one(&mut *transaction).await? {
            sqlx::raw_sql("CREATE SCHEMA tidegate_ledger")
                .execute(&mut *transaction)
                .await?;
        }
        sqlx::raw_sql(SCHEMA).execute(&mut *transaction).await?;
        sqlx::raw_sql(SINCE).execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

/// Brings tables of the version before up to date. Only who holds the lease does: a writer of that version would not know the new one.
pub(super) async fn bring_up_to_date(connection: &mut PgConnection) -> std::result::Result<(), LedgerError> {
    let update = async {
        if version(connection).await? == Some(BEFORE) {
            let mut transaction = connection.begin().await?;
            sqlx::raw_sql(SINCE).execute(&mut *transaction).await?;
            transaction.commit().await?;
            tracing::info!(from = BEFORE, to = FORMAT, "the ledger's format was brought up to date");
        }
        Ok(())
    };
    update
        .await
        .map_err(LedgerError::store("bring the ledger's format up to date"))
}

/// Holds that the tables are of a version that is known here; whether they have `key_change`.
pub(super) async fn check_format(
    connection: &mut PgConnection,
    database: &Database,
) -> std::result::Result<bool, LedgerError> {
    let path = PathBuf::from(database.to_string());
    let found = version(connection).await;
    match found.map_err(LedgerError::store("read the ledger's format"))? {
        Some(FORMAT) => Ok(true),
        Some(BEFORE) => Ok(false),
        None => Err(LedgerError::Absent { path }),
        Some(found) => {
            let expected = FORMAT;
            Err(LedgerError::Format { path, found, expected })
        }
    }
}
