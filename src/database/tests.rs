//! A place for the tables of a test: the same tests are held to both kinds.

pub(crate) mod cluster;

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tempfile::TempDir;

use self::cluster::{Cluster, TestDatabase};
use super::{Database, Place};

/// A kind of place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Sqlite,
    Postgres,
}

/// Makes of each function that takes an [`On`] a test in either place. Those on PostgreSQL are run by
/// `cargo test --lib on_postgres -- --ignored`.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => { $crate::database::tests::on_both!(flavor = "current_thread"; $($name),+); };
    (flavor = $flavor:literal; $($name:ident),+ $(,)?) => {$(
        mod $name {
            use $crate::database::tests::On;

            #[tokio::test(flavor = $flavor)]
            async fn on_sqlite() {
                super::$name(On::Sqlite).await;
            }

            #[tokio::test(flavor = $flavor)]
            #[ignore = "needs PostgreSQL: `cargo test --lib on_postgres -- --ignored`"]
            async fn on_postgres() {
                super::$name(On::Postgres).await;
            }
        }
    )+};
}
pub(crate) use on_both;

/// A place where nothing is yet, gone with this value.
pub(crate) struct Home {
    dir: TempDir,
    database: Option<TestDatabase>,
    place: Place,
}

impl Home {
    pub(crate) async fn new(on: On) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let database = match on {
            On::Sqlite => None,
            On::Postgres => Some(Cluster::shared().database(None).await),
        };
        let place = match &database {
            None => Place::Directory(dir.path().to_owned()),
            Some(database) => Place::Postgres(Database::parse(&database.url()).unwrap()),
        };
        Self { dir, database, place }
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Runs SQL in a file of the directory, or in the database, as an intruder or another version would.
    pub(crate) async fn edit(&self, file: &str, sql: &str) {
        if let Some(database) = &self.database {
            return database.run(sql).await;
        }
        let options = SqliteConnectOptions::new().filename(self.dir().join(file));
        let mut connection = options.foreign_keys(false).connect().await.unwrap();
        let ran = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await;
        assert!(ran.is_ok(), "{sql}: {ran:?}");
        connection.close().await.unwrap();
    }
}
