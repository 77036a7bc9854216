//! Where a test's ledger lies: the same tests are held to both stores.

use std::path::Path;

use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::{FILE, TENANTS, clock, decision, edit, keys, put_secret};
use crate::clock::Clock;
use crate::database::tests::cluster::{Cluster, TestDatabase};
pub(super) use crate::database::tests::{On, on_both};
use crate::ledger::read::Reader;
use crate::ledger::report::Report;
use crate::ledger::verify::{Trust, verify_at};
use crate::ledger::{Database, Ledger, LedgerError, Options, Place};

/// A directory with the ledger's secret, and a place, which for SQLite is that directory.
pub(super) struct At {
    dir: TempDir,
    database: Option<TestDatabase>,
    place: Place,
}

impl At {
    /// Where nothing is yet.
    pub(super) async fn new(on: On) -> Self {
        match on {
            On::Sqlite => Self::of(None),
            On::Postgres => Self::of(Some(Cluster::shared().database(None).await)),
        }
    }

    pub(super) fn of(database: Option<TestDatabase>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        put_secret(dir.path());
        let place = match &database {
            None => Place::Directory(dir.path().to_owned()),
            Some(database) => Place::Postgres(Database::parse(&database.url()).unwrap()),
        };
        Self { dir, database, place }
    }

    /// A ledger of 42 records for the first tenant and 3 for the second, closed. Written once and copied.
    pub(super) async fn written(on: On) -> Self {
        static WRITTEN: Template = Template::new();
        WRITTEN
            .copy(on, async |ledger| {
                for (name, count) in [(TENANTS[0], 42), (TENANTS[1], 3)] {
                    for number in 0..count {
                        ledger.append(decision(name, number)).await.unwrap();
                    }
                }
            })
            .await
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn database(&self) -> &TestDatabase {
        self.database.as_ref().unwrap()
    }

    pub(super) async fn open(&self) -> Ledger {
        self.try_open().await.unwrap()
    }

    pub(super) async fn try_open(&self) -> Result<Ledger, LedgerError> {
        self.open_with(clock(), Options::default()).await
    }

    pub(super) async fn open_with(&self, clock: Clock, options: Options) -> Result<Ledger, LedgerError> {
        Ledger::open_at(self.place.clone(), keys(), clock, options).await
    }

    /// With another secret than the one beside it.
    pub(super) async fn open_as(&self, keys: crate::ledger::LedgerKeys) -> Result<Ledger, LedgerError> {
        Ledger::open_at(self.place.clone(), keys, clock(), Options::default()).await
    }

    pub(super) async fn reader(&self) -> Result<Reader, LedgerError> {
        Reader::open_beside(&self.place, self.dir()).await
    }

    pub(super) async fn verify(&self) -> Result<Report, LedgerError> {
        self.verify_with(&Trust::default()).await
    }

    pub(super) async fn verify_with(&self, trust: &Trust) -> Result<Report, LedgerError> {
        verify_at(&self.place, self.dir(), trust, |_| {}).await
    }

    /// Runs SQL on the store as an intruder would, in SQLite's words as far as the tests need them.
    pub(super) async fn edit(&self, sql: &str) {
        match &self.database {
            None => edit(self.dir(), sql).await,
            Some(database) => database.run(&format!("{HELPERS}{}", translated(sql))).await,
        }
    }

    /// Keeps everybody from writing until it is let go.
    pub(super) async fn hold_up(&self) -> HeldUp {
        match &self.database {
            None => {
                let options = SqliteConnectOptions::new().filename(self.dir().join(FILE));
                let mut connection = options.connect().await.unwrap();
                sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
                HeldUp::Sqlite(connection)
            }
            Some(database) => {
                let mut connection = database.connect().await;
                let sql = "BEGIN; SELECT FROM lease FOR UPDATE";
                sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
                HeldUp::Postgres(connection)
            }
        }
    }

    /// Runs SQL that is the store's own.
    pub(super) async fn edit_either(&self, sqlite: &str, postgres: &str) {
        match &self.database {
            None => edit(self.dir(), sqlite).await,
            Some(database) => database.run(postgres).await,
        }
    }
}

/// A transaction of somebody else.
pub(super) enum HeldUp {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl HeldUp {
    pub(super) async fn let_go(self) {
        match self {
            Self::Sqlite(connection) => connection.close().await.unwrap(),
            Self::Postgres(connection) => connection.close().await.unwrap(),
        }
    }
}

/// What SQLite's functions are in PostgreSQL.
const HELPERS: &str = "
    CREATE OR REPLACE FUNCTION zeroblob(bytes int) RETURNS bytea LANGUAGE sql AS $$ SELECT decode(repeat('00', bytes), 'hex') $$;
    CREATE OR REPLACE FUNCTION replace(whole bytea, this text, that text) RETURNS bytea LANGUAGE sql
        AS $$ SELECT convert_to(replace(convert_from(whole, 'UTF8'), this, that), 'UTF8') $$;
";

/// Bytes are written `'\x…'`, and a record is bytes where SQLite has text.
fn translated(sql: &str) -> String {
    let sql = sql.replace("char(10)", "chr(10)").replace(" AS BLOB)", " AS bytea)");
    sql.replace(" AS TEXT)", " AS bytea)").replace("x'", "'\\x")
}

/// A ledger that is written once and copied.
pub(super) struct Template {
    sqlite: OnceCell<Vec<u8>>,
    postgres: OnceCell<TestDatabase>,
}

impl Template {
    pub(super) const fn new() -> Self {
        Self {
            sqlite: OnceCell::const_new(),
            postgres: OnceCell::const_new(),
        }
    }

    pub(super) async fn copy(&self, on: On, write: impl AsyncFnOnce(&Ledger)) -> At {
        let written = async {
            let at = At::new(on).await;
            let ledger = at.open().await;
            write(&ledger).await;
            ledger.close().await;
            at
        };
        match on {
            On::Sqlite => {
                let bytes = self
                    .sqlite
                    .get_or_init(|| async { std::fs::read(written.await.dir().join(FILE)).unwrap() });
                let bytes = bytes.await;
                let at = At::new(on).await;
                std::fs::write(at.dir().join(FILE), bytes).unwrap();
                at
            }
            On::Postgres => {
                let written = self.postgres.get_or_init(|| async { written.await.database().clone() });
                At::of(Some(Cluster::shared().database(Some(written.await)).await))
            }
        }
    }
}
