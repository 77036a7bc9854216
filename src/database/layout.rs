//! How a set of tables is made, and brought from one format to the next.
//!
//! The format is a number: how many steps were done. SQLite keeps it as `user_version`, PostgreSQL in the table `format` of the set's
//! schema. What is older is brought up to date when it is opened, in one transaction; what is newer is refused.

use sqlx::postgres::{PgConnection, PgPool};
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{AssertSqlSafe, Connection as _};

use super::{MAKING, PATIENCE, TablesError, within};

/// A set of tables.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The file below the data directory.
    pub(crate) file: &'static str,
    /// The schema in PostgreSQL.
    pub(crate) schema: &'static str,
    /// How the file is made, from nothing to what it is now.
    pub(crate) sqlite: &'static [Step],
    /// How the schema is filled. What was never otherwise in PostgreSQL is one step.
    pub(crate) postgres: &'static [&'static str],
}

/// A step from one format to the next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Statements.
    Sql(&'static str),
    /// Columns that are added where they are missing: table, name, type.
    Columns(&'static [(&'static str, &'static str, &'static str)]),
}

/// How many steps there are; fewer than any number that would not fit.
fn known<T>(steps: &[T]) -> i64 {
    i64::try_from(steps.len()).unwrap_or(i64::MAX)
}

/// The steps that are left to do.
fn left<T>(steps: &[T], found: i64) -> Result<&[T], TablesError> {
    let done = usize::try_from(found).ok().and_then(|done| steps.get(done..));
    let known = known(steps);
    done.ok_or(TablesError::Format { found, known })
}

impl Layout {
    /// Makes the tables of a file, or brings them up to date.
    pub(super) async fn make_file(&self, pool: &SqlitePool) -> Result<(), TablesError> {
        let mut connection = pool.acquire().await?;
        if left(self.sqlite, file_format(&mut connection).await?)?.is_empty() {
            return Ok(());
        }
        // Another process may be about to do the same.
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let found = file_format(&mut transaction).await?;
        for step in left(self.sqlite, found)? {
            step.take(&mut transaction).await?;
        }
        let noted = format!("PRAGMA user_version = {}", known(self.sqlite));
        sqlx::raw_sql(AssertSqlSafe(noted)).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Makes the tables of a schema, or brings them up to date. The schema may have been made before, for a role that may not make one.
    pub(super) async fn make_schema(&self, pool: &PgPool) -> Result<(), TablesError> {
        let mut connection = within(PATIENCE, pool.acquire()).await?;
        if left(self.postgres, self.schema_format(&mut connection).await?)?.is_empty() {
            return Ok(());
        }
        let mut transaction = connection.begin().await?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(MAKING)
            .execute(&mut *transaction)
            .await?;
        let found = self.schema_format(&mut transaction).await?;
        if found == 0 {
            let made = "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1)";
            let made: bool = sqlx::query_scalar(made)
                .bind(self.schema)
                .fetch_one(&mut *transaction)
                .await?;
            let schema = match made {
                true => String::new(),
                false => format!("CREATE SCHEMA {};", self.schema),
            };
            let sql = format!("{schema} CREATE TABLE format (format BIGINT NOT NULL); INSERT INTO format VALUES (0)");
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *transaction).await?;
        }
        for step in left(self.postgres, found)? {
            sqlx::raw_sql(*step).execute(&mut *transaction).await?;
        }
        sqlx::query("UPDATE format SET format = $1")
            .bind(known(self.postgres))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The format of the schema's tables; 0 where there are none.
    async fn schema_format(&self, connection: &mut PgConnection) -> Result<i64, sqlx::Error> {
        let sql =
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                   WHERE n.nspname = $1 AND c.relname = 'format')";
        let is_made = sqlx::query_scalar(sql).bind(self.schema).fetch_one(&mut *connection);
        if !within(PATIENCE, is_made).await? {
            return Ok(0);
        }
        let format = sqlx::query_scalar::<_, Option<i64>>("SELECT max(format) FROM format");
        // A table without a row was not made here.
        Ok(within(PATIENCE, format.fetch_one(connection)).await?.unwrap_or(-1))
    }
}

async fn file_format(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("PRAGMA user_version").fetch_one(connection).await
}

impl Step {
    async fn take(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let columns = match self {
            Self::Sql(sql) => return sqlx::raw_sql(*sql).execute(connection).await.map(drop),
            Self::Columns(columns) => columns,
        };
        for (table, column, kind) in *columns {
            let known: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pragma_table_info($1) WHERE name = $2)")
                .bind(*table)
                .bind(*column)
                .fetch_one(&mut *connection)
                .await?;
            if !known {
                let added = format!("ALTER TABLE {table} ADD COLUMN {column} {kind}");
                sqlx::raw_sql(AssertSqlSafe(added)).execute(&mut *connection).await?;
            }
        }
        Ok(())
    }
}
