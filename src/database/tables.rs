//! Statements on a set of tables, in either place.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPool, PgPoolOptions, PgRow};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous,
};
use sqlx::{Arguments as _, Executor, FromRow, IntoArguments, Postgres, Sqlite};

use super::{Layout, PATIENCE, Place, TablesError, WRITING, within};

type Result<T> = std::result::Result<T, sqlx::Error>;

/// How many sessions a set of tables has at a server, at most.
const SESSIONS: u32 = 8;

/// How long a statement may take that reads a large part of a set.
const LONG: Duration = Duration::from_secs(60);

/// A value that a statement is given.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arg<'a> {
    Text(Option<&'a str>),
    Number(Option<i64>),
    Flag(bool),
}

impl<'a> From<&'a str> for Arg<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Some(text))
    }
}

impl<'a> From<&'a String> for Arg<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(Some(text))
    }
}

impl<'a> From<Option<&'a str>> for Arg<'a> {
    fn from(text: Option<&'a str>) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Arg<'_> {
    fn from(number: i64) -> Self {
        Self::Number(Some(number))
    }
}

impl From<Option<i64>> for Arg<'_> {
    fn from(number: Option<i64>) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Arg<'_> {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

/// The values of a statement, in the order of their numbers.
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$($crate::database::Arg::from($value)),*] };
}
pub(crate) use args;

/// What a row is read into: a tuple of texts, numbers and flags.
pub(crate) trait Columns: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

impl<T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin> Columns for T {}

/// A database as far as values go.
trait Values: sqlx::Database {
    fn values(args: &[Arg<'_>]) -> Result<Self::Arguments>;
}

macro_rules! values {
    ($($database:ty),+) => {$(
        impl Values for $database {
            fn values(args: &[Arg<'_>]) -> Result<Self::Arguments> {
                let mut values = Self::Arguments::default();
                for arg in args {
                    let added = match *arg {
                        Arg::Text(text) => values.add(text),
                        Arg::Number(number) => values.add(number),
                        Arg::Flag(flag) => values.add(flag),
                    };
                    added.map_err(sqlx::Error::Encode)?;
                }
                Ok(values)
            }
        }
    )+};
}
values!(Sqlite, Postgres);

async fn fetch<'e, D, T>(on: impl Executor<'e, Database = D>, sql: &'static str, args: &[Arg<'_>]) -> Result<Vec<T>>
where
    D: Values,
    D::Arguments: IntoArguments<D>,
    T: for<'r> FromRow<'r, D::Row> + Send + Unpin,
{
    sqlx::query_as_with(sql, D::values(args)?).fetch_all(on).await
}

async fn run<'e>(on: impl Executor<'e, Database = Sqlite>, sql: &'static str, args: &[Arg<'_>]) -> Result<u64> {
    let done = sqlx::query_with(sql, Sqlite::values(args)?).execute(on).await?;
    Ok(done.rows_affected())
}

async fn run_there<'e>(on: impl Executor<'e, Database = Postgres>, sql: &'static str, args: &[Arg<'_>]) -> Result<u64> {
    let done = sqlx::query_with(sql, Postgres::values(args)?).execute(on).await?;
    Ok(done.rows_affected())
}

/// A set of tables, opened. Clones share the connections.
#[derive(Clone, Debug)]
pub(crate) struct Tables(Pool);

#[derive(Clone, Debug)]
enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

impl Tables {
    /// Opens the tables of `layout`, making them where there are none.
    ///
    /// # Errors
    /// The place cannot be reached, or a newer version of the program made them.
    pub(crate) async fn open(place: &Place, layout: &Layout) -> std::result::Result<Self, TablesError> {
        match place {
            Place::Directory(directory) => {
                let pool = open_file(&directory.join(layout.file)).await?;
                layout.make_file(&pool).await?;
                Ok(Self(Pool::Sqlite(pool)))
            }
            Place::Postgres(database) => {
                // Planned with the values: a statement for what is newer than a number would else be planned for a third of the rows.
                let session = database.session(layout.schema, &WRITING);
                let session = session.options([("plan_cache_mode", "force_custom_plan")]);
                let pool = PgPoolOptions::new()
                    .max_connections(SESSIONS)
                    .acquire_timeout(PATIENCE)
                    .connect_with(session);
                let pool = within(PATIENCE, pool).await?;
                layout.make_schema(&pool).await?;
                Ok(Self(Pool::Postgres(pool)))
            }
        }
    }

    /// The rows that a statement gives.
    pub(crate) async fn fetch<T: Columns>(&self, sql: &'static str, args: &[Arg<'_>]) -> Result<Vec<T>> {
        match &self.0 {
            Pool::Sqlite(pool) => fetch(pool, sql, args).await,
            Pool::Postgres(pool) => within(PATIENCE, fetch(pool, sql, args)).await,
        }
    }

    /// The first row that a statement gives, where it gives one.
    pub(crate) async fn find<T: Columns>(&self, sql: &'static str, args: &[Arg<'_>]) -> Result<Option<T>> {
        Ok(self.fetch(sql, args).await?.into_iter().next())
    }

    /// Runs a statement by itself, durable on return; how many rows it changed.
    pub(crate) async fn run(&self, sql: &'static str, args: &[Arg<'_>]) -> Result<u64> {
        match &self.0 {
            Pool::Sqlite(pool) => run(pool, sql, args).await,
            Pool::Postgres(pool) => within(PATIENCE, run_there(pool, sql, args)).await,
        }
    }

    /// Begins to change something. In SQLite nobody else writes until it ends; in PostgreSQL others do, and each statement sees what
    /// was committed before it (`READ COMMITTED`). Dropped, it changes nothing.
    pub(crate) async fn begin(&self) -> Result<Transaction> {
        let (inner, patience) = match &self.0 {
            Pool::Sqlite(pool) => (Inner::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await?), PATIENCE),
            Pool::Postgres(pool) => (Inner::Postgres(within(PATIENCE, pool.begin()).await?), PATIENCE),
        };
        Ok(Transaction { inner, patience })
    }

    /// Begins to read: all that is read is of one moment.
    pub(crate) async fn look(&self) -> Result<Transaction> {
        let inner = match &self.0 {
            Pool::Sqlite(pool) => Inner::Sqlite(pool.begin().await?),
            Pool::Postgres(pool) => {
                let begun = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
                Inner::Postgres(within(PATIENCE, begun).await?)
            }
        };
        let patience = LONG;
        Ok(Transaction { inner, patience })
    }

    /// Listens to what others [say](Transaction::say) on `channel`; nothing where there is nobody who could tell (SQLite).
    pub(crate) async fn listen(&self, channel: &str) -> Result<Option<PgListener>> {
        let Pool::Postgres(pool) = &self.0 else { return Ok(None) };
        let mut listener = within(PATIENCE, PgListener::connect_with(pool)).await?;
        within(PATIENCE, listener.listen(channel)).await?;
        Ok(Some(listener))
    }

    /// Closes it, for a test that wants it gone.
    #[cfg(test)]
    pub(crate) async fn close(&self) {
        match &self.0 {
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Postgres(pool) => pool.close().await,
        }
    }
}

/// Opens a file, making it where there is none, readable by its owner only.
async fn open_file(path: &Path) -> Result<SqlitePool> {
    // Made here and not by SQLite, which would let others read it.
    let mut options = std::fs::OpenOptions::new();
    let made = options.append(true).create(true).mode(0o600).open(path);
    made.map_err(sqlx::Error::Io)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    // One connection: changes are made one after the other, in the order in which they were asked for.
    SqlitePoolOptions::new().max_connections(1).connect_with(options).await
}

/// Statements that are carried out together, or not at all.
#[derive(Debug)]
pub(crate) struct Transaction {
    inner: Inner,
    patience: Duration,
}

#[derive(Debug)]
enum Inner {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl Transaction {
    /// The rows that a statement gives.
    pub(crate) async fn fetch<T: Columns>(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<Vec<T>> {
        match &mut self.inner {
            Inner::Sqlite(on) => fetch(&mut **on, sql, args).await,
            Inner::Postgres(on) => within(self.patience, fetch(&mut **on, sql, args)).await,
        }
    }

    /// The first row that a statement gives, where it gives one.
    pub(crate) async fn find<T: Columns>(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<Option<T>> {
        Ok(self.fetch(sql, args).await?.into_iter().next())
    }

    /// Runs a statement; how many rows it changed.
    pub(crate) async fn run(&mut self, sql: &'static str, args: &[Arg<'_>]) -> Result<u64> {
        match &mut self.inner {
            Inner::Sqlite(on) => run(&mut **on, sql, args).await,
            Inner::Postgres(on) => within(self.patience, run_there(&mut **on, sql, args)).await,
        }
    }

    /// Tells those who listen to `channel`, once this is committed; in SQLite nobody can.
    pub(crate) async fn say(&mut self, channel: &'static str) -> Result<()> {
        match &mut self.inner {
            Inner::Sqlite(_) => Ok(()),
            Inner::Postgres(_) => self.run("SELECT pg_notify($1, '')", args![channel]).await.map(drop),
        }
    }

    /// Makes it so, durable on return. Where this fails it may have been done all the same.
    pub(crate) async fn commit(self) -> Result<()> {
        match self.inner {
            Inner::Sqlite(on) => on.commit().await,
            Inner::Postgres(on) => within(self.patience, on.commit()).await,
        }
    }
}
