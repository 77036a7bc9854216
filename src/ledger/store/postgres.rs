//! A ledger in PostgreSQL: its schema, how it is opened, and its statements.
//!
//! All of it lies in the schema `tidegate_ledger`, with the tables of [the other store](super::sqlite) and two more: `ledger_format`, the
//! number of the format, and `lease`, which says who writes ([`lease`]). Records are kept as bytes: PostgreSQL's text refuses some that
//! a record may hold, and what was tampered with is to be judged, not refused. Names are compared byte by byte (`COLLATE "C"`), for an
//! index in the order of a language is broken by an update of the system's C library.
//!
//! A statement that is not answered for long fails here, whatever the network does with it. A connection on which anything failed is
//! given up by whoever has it, so none is used that may still be inside a transaction.
//!
//! PostgreSQL keeps the bytes of a row that was deleted or replaced until it is vacuumed, and its write-ahead log and backups keep them
//! for as long as they are kept. See [`PostgresStore::tidy`] for what is done about it.

mod connect;
mod format;
mod lease;
mod write;

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection, Row};

use self::format::{bring_up_to_date, check_format, make};
pub(in crate::ledger) use self::lease::Lease;
use self::lease::Taken;
use super::{
    Opening, PAGE, RawBundle, RawLog, RawPeriod, RawPrivate, RawRow, RawSigned, RawSlice, Result, Rows, Store,
};
use crate::database::{Database, PATIENCE, within};
use crate::ids::Digest;
use crate::ledger::error::LedgerError;
use crate::ledger::record::LogId;

/// How long it may take to say good-bye.
const FAREWELL: Duration = Duration::from_secs(2);

/// A connection to the database.
#[derive(Debug)]
pub(in crate::ledger) struct PostgresStore {
    connection: PgConnection,
    looking: bool,
    /// Whether there is a table of changes of keys.
    key_changes: bool,
    /// Under which this connection may write; none for one that reads.
    lease: Option<lease::Held>,
    /// When something was erased that may still lie in the tables' files.
    erased: Option<Instant>,
    database: Database,
}

impl PostgresStore {
    /// Connects to write, and takes the lease.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Standby`] where another process writes; whatever else keeps this one from it.
    pub(in crate::ledger) async fn writer(
        lease: &mut Lease,
        opening: Opening,
    ) -> std::result::Result<Self, LedgerError> {
        let database = lease.database().clone();
        let mut connection = match lease.waiting() {
            Some(connection) => connection,
            None => {
                let opened = connect::to_write(&database).await;
                let mut connection = opened.map_err(LedgerError::store("open the ledger"))?;
                if opening == Opening::First {
                    let made = make(&mut connection).await;
                    made.map_err(LedgerError::store("create the ledger's tables"))?;
                }
                check_format(&mut connection, &database).await?;
                check_durable(&mut connection).await?;
                connection
            }
        };
        let taken = within(PATIENCE, lease.take(&mut connection, opening)).await;
        match taken.map_err(LedgerError::store("take the lease of the ledger"))? {
            Taken::Held(mut held) => {
                // On a connection that has waited: who wrote meanwhile may have been a newer version, which changed the tables.
                if let Err(error) = check_format(&mut connection, &database).await {
                    // Where this fails, it lapses.
                    let _ = within(PATIENCE, held.release(&mut connection)).await;
                    return Err(error);
                }
                bring_up_to_date(&mut connection).await?;
                // Whoever erased or changed keys before may have ended, or lost its connection, before it was done.
                let sql = "SELECT EXISTS (SELECT FROM period WHERE wrapped IS NULL) OR EXISTS (SELECT FROM key_change)";
                let erased = sqlx::query_scalar::<_, bool>(sql).fetch_one(&mut connection);
                let erased = within(PATIENCE, erased).await;
                let erased = erased.map_err(LedgerError::store("look for what was erased"))?;
                Ok(Self {
                    connection,
                    looking: false,
                    key_changes: true,
                    lease: Some(held),
                    erased: erased.then(Instant::now),
                    database,
                })
            }
            Taken::Others(holder) => {
                // Asked again in a second, on the same connection.
                lease.wait(connection);
                Err(LedgerError::Standby { holder })
            }
        }
    }

    /// Connects to read.
    pub(in crate::ledger) async fn reader(database: &Database) -> std::result::Result<Self, LedgerError> {
        let opened = connect::to_read(database).await;
        let mut connection = opened.map_err(LedgerError::store("open the ledger"))?;
        let key_changes = check_format(&mut connection, database).await?;
        Ok(Self {
            connection,
            looking: false,
            key_changes,
            lease: None,
            erased: None,
            database: database.clone(),
        })
    }

    /// Does what can be done for erased bytes to be gone from the tables' files too; returns whether it is done. What made them
    /// unreadable is that the key of their month is gone; so it is that key whose old row must go. Its table is small and is written
    /// anew, which leaves no copy in a free place of a page. The large ones are vacuumed beside the service: what they held was sealed
    /// with that key. Both need the tables' owner. The write-ahead log and backups keep what they have.
    async fn tidy(&mut self) -> Result<bool> {
        let Some(erased) = self.erased else { return Ok(true) };
        // Whoever reads an older state keeps the old rows from being left out. Those who began since see the new one; of other
        // roles' sessions PostgreSQL may not tell when they began, so these are waited for.
        let older = sqlx::query_scalar::<_, bool>(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_stat_activity WHERE (datname = current_database() OR datname IS NULL)
                AND pid <> pg_backend_pid() AND backend_xmin IS NOT NULL
                AND COALESCE(xact_start < clock_timestamp() - make_interval(secs => $1), true))",
        );
        let older = older.bind(erased.elapsed().as_secs_f64());
        if within(PATIENCE, older.fetch_one(&mut self.connection)).await? {
            return Ok(false);
        }
        let rewrite = sqlx::raw_sql("VACUUM (FULL) period").execute(&mut self.connection);
        within(PATIENCE, rewrite).await?;
        self.erased = None;
        let database = self.database.clone();
        tokio::spawn(async move {
            if let Err(error) = vacuum(&database).await {
                tracing::warn!(%error, "what was erased is unreadable, but its old rows stay until the database vacuums them");
            }
        });
        Ok(true)
    }
}

/// Vacuums the tables that hold what was sealed.
async fn vacuum(database: &Database) -> Result<()> {
    let mut connection = connect::to_tidy(database).await?;
    // One by one, for VACUUM may be in no transaction.
    for table in ["VACUUM private", "VACUUM slice", "VACUUM record"] {
        sqlx::raw_sql(table).execute(&mut connection).await?;
    }
    connection.close().await
}

/// Holds that a commit is durable when it is answered.
async fn check_durable(connection: &mut PgConnection) -> std::result::Result<(), LedgerError> {
    let sql =
        "SELECT pg_catalog.current_setting('fsync') = 'on' AND pg_catalog.current_setting('synchronous_commit') = 'on'";
    let durable = within(PATIENCE, sqlx::query_scalar::<_, bool>(sql).fetch_one(connection)).await;
    match durable.map_err(LedgerError::store("ask whether commits are durable"))? {
        true => Ok(()),
        false => Err(LedgerError::NotDurable),
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn write(&mut self, rows: Rows) -> Result<()> {
        let (erased, rewrapped) = (!rows.erased.is_empty(), !rows.rewrapped.is_empty());
        let lease = self.lease.as_mut().ok_or_else(lease::reads_only)?;
        within(PATIENCE, write::transaction(&mut self.connection, lease, rows)).await?;
        if erased || rewrapped {
            self.erased = Some(Instant::now());
        }
        // Keys are stored anew log by log: that is done with once, as the writer rests.
        if erased {
            // It is written by now, whatever comes of this: the writer tries it again as it rests.
            match self.tidy().await {
                Ok(true) => {}
                Ok(false) => {
                    tracing::warn!("the old rows of erased keys stay until those who read an older state are done")
                }
                Err(error) => tracing::warn!(%error, "the old rows of erased keys stay for now"),
            }
        }
        Ok(())
    }

    async fn probe(&mut self) -> Result<()> {
        let lease = self.lease.as_mut().ok_or_else(lease::reads_only)?;
        within(PATIENCE, lease.renew(&mut self.connection)).await
    }

    async fn renew(&mut self) -> Result<()> {
        match &self.lease {
            Some(lease) if lease.renewed_within(Instant::now()) => Ok(()),
            _ => self.probe().await,
        }
    }

    async fn release(&mut self) -> Result<()> {
        match &mut self.lease {
            Some(lease) => within(FAREWELL, lease.release(&mut self.connection)).await,
            None => Ok(()),
        }
    }

    async fn rest(&mut self) -> Result<bool> {
        self.tidy().await
    }

    async fn look(&mut self) -> Result<()> {
        self.look_away().await?;
        // It is the first reading that fixes what is seen.
        let sql = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT FROM ledger_format";
        within(PATIENCE, sqlx::raw_sql(sql).execute(&mut self.connection)).await?;
        self.looking = true;
        Ok(())
    }

    async fn look_away(&mut self) -> Result<()> {
        if std::mem::take(&mut self.looking) {
            within(PATIENCE, sqlx::raw_sql("COMMIT").execute(&mut self.connection)).await?;
        }
        Ok(())
    }

    /// Nothing: pages have checksums where the cluster was made so, and its own tools look through the indexes (`pg_amcheck`).
    async fn integrity(&mut self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn names(&mut self) -> Result<BTreeSet<String>> {
        // Steps from name to name through the index, for DISTINCT would visit every record.
        let names: Vec<String> = within(
            PATIENCE,
            sqlx::query_scalar(
                "WITH RECURSIVE each(log) AS (
                     SELECT (SELECT log FROM record ORDER BY log LIMIT 1)
                     UNION ALL SELECT (SELECT r.log FROM record r WHERE r.log > each.log ORDER BY r.log LIMIT 1)
                     FROM each WHERE each.log IS NOT NULL),
                 bundled(log) AS (
                     SELECT (SELECT log FROM bundle ORDER BY log LIMIT 1)
                     UNION ALL SELECT (SELECT b.log FROM bundle b WHERE b.log > bundled.log ORDER BY b.log LIMIT 1)
                     FROM bundled WHERE bundled.log IS NOT NULL)
                 SELECT log FROM each WHERE log IS NOT NULL UNION SELECT log FROM bundled WHERE log IS NOT NULL
                 UNION SELECT log FROM log UNION SELECT log FROM checkpoint UNION SELECT log FROM cosigned",
            )
            .fetch_all(&mut self.connection),
        )
        .await?;
        let changed = match self.key_changes {
            true => sqlx::query_scalar("SELECT DISTINCT log FROM key_change"),
            false => sqlx::query_scalar("SELECT log FROM log LIMIT 0"),
        };
        let changed: Vec<String> = within(PATIENCE, changed.fetch_all(&mut self.connection)).await?;
        Ok(names.into_iter().chain(changed).collect())
    }

    async fn unsigned(&mut self) -> Result<Vec<String>> {
        let sql =
            "SELECT log FROM checkpoint c WHERE EXISTS (SELECT FROM record r WHERE r.log = c.log AND r.seq >= c.size)";
        within(PATIENCE, sqlx::query_scalar(sql).fetch_all(&mut self.connection)).await
    }

    async fn marked(&mut self) -> Result<Vec<(String, i64)>> {
        let query = sqlx::query_as("SELECT log, records FROM ahead ORDER BY log");
        within(PATIENCE, query.fetch_all(&mut self.connection)).await
    }

    async fn log(&mut self, log: LogId) -> Result<RawLog> {
        let query = sqlx::query(
            "SELECT (SELECT verifier_key FROM log WHERE log = $1), (SELECT origin FROM log WHERE log = $1),
                    (SELECT note FROM checkpoint WHERE log = $1), (SELECT size FROM checkpoint WHERE log = $1),
                    (SELECT edge FROM checkpoint WHERE log = $1), (SELECT max(number) FROM bundle WHERE log = $1)",
        );
        let row = query.bind(log.to_string()).fetch_one(&mut self.connection);
        let row = within(PATIENCE, row).await?;
        Ok(RawLog {
            verifier_key: row.try_get(0)?,
            origin: row.try_get(1)?,
            note: row.try_get(2)?,
            size: row.try_get(3)?,
            edge: row.try_get(4)?,
            last_bundle: row.try_get(5)?,
        })
    }

    async fn key_changes(&mut self, log: LogId) -> Result<Vec<String>> {
        if !self.key_changes {
            return Ok(Vec::new());
        }
        let query = sqlx::query_scalar("SELECT note FROM key_change WHERE log = $1 AND size >= 0 ORDER BY size");
        let query = query.bind(log.to_string());
        within(PATIENCE, query.fetch_all(&mut self.connection)).await
    }

    async fn is_changing(&mut self) -> Result<bool> {
        if !self.key_changes {
            return Ok(false);
        }
        let sql = "SELECT EXISTS (SELECT FROM key_change WHERE log = 'platform' AND size = -1)";
        within(PATIENCE, sqlx::query_scalar(sql).fetch_one(&mut self.connection)).await
    }

    async fn cosigned(&mut self, log: LogId) -> Result<Option<(i64, String)>> {
        let query = sqlx::query_as("SELECT size, note FROM cosigned WHERE log = $1").bind(log.to_string());
        within(PATIENCE, query.fetch_optional(&mut self.connection)).await
    }

    async fn signed(&mut self, after: &str) -> Result<Vec<RawSigned>> {
        let query = sqlx::query(
            "SELECT c.log, c.note, w.note FROM checkpoint c LEFT JOIN cosigned w ON w.log = c.log
             WHERE c.log > $1 ORDER BY c.log LIMIT $2",
        );
        let query = query.bind(after.to_owned()).bind(PAGE);
        let rows = within(PATIENCE, query.fetch_all(&mut self.connection)).await?;
        let read = |row: &PgRow| {
            Ok(RawSigned {
                log: row.try_get(0)?,
                note: row.try_get(1)?,
                cosigned: row.try_get(2)?,
            })
        };
        rows.iter().map(read).collect()
    }

    async fn rows(&mut self, log: LogId, from: i64, limit: i64) -> Result<Vec<RawRow>> {
        let query = sqlx::query(
            "SELECT seq, hash, mac, record, period, private FROM record WHERE log = $1 AND seq >= $2 ORDER BY seq LIMIT $3",
        );
        let query = query.bind(log.to_string()).bind(from).bind(limit.min(PAGE));
        let rows = within(PATIENCE, query.fetch_all(&mut self.connection)).await?;
        let read = |row: &PgRow| {
            Ok(RawRow {
                seq: row.try_get(0)?,
                hash: row.try_get(1)?,
                mac: row.try_get(2)?,
                record: row.try_get(3)?,
                period: row.try_get(4)?,
                private: row.try_get(5)?,
            })
        };
        rows.iter().map(read).collect()
    }

    async fn bundles(&mut self, log: LogId, numbers: Range<i64>) -> Result<Vec<RawBundle>> {
        let sql = "SELECT b.number, b.entries, t.hashes FROM bundle b
                   LEFT JOIN tile t ON t.log = b.log AND t.level = 0 AND t.number = b.number
                   WHERE b.log = $1 AND b.number >= $2 AND b.number < $3 ORDER BY b.number";
        let query = sqlx::query_as(sql).bind(log.to_string());
        let query = query.bind(numbers.start).bind(numbers.end);
        within(PATIENCE, query.fetch_all(&mut self.connection)).await
    }

    async fn privates(&mut self, log: LogId, numbers: Range<i64>) -> Result<Vec<RawPrivate>> {
        let sql = "SELECT number, period, content FROM private
                   WHERE log = $1 AND number >= $2 AND number < $3 ORDER BY number, period";
        let query = sqlx::query_as(sql).bind(log.to_string());
        let query = query.bind(numbers.start).bind(numbers.end);
        within(PATIENCE, query.fetch_all(&mut self.connection)).await
    }

    async fn next_bundle(&mut self, log: LogId, from: i64) -> Result<Option<i64>> {
        let query = sqlx::query_scalar("SELECT min(number) FROM bundle WHERE log = $1 AND number >= $2");
        let query = query.bind(log.to_string()).bind(from);
        within(PATIENCE, query.fetch_one(&mut self.connection)).await
    }

    async fn tile(&mut self, log: LogId, level: i64, number: i64) -> Result<Option<Vec<u8>>> {
        let query = sqlx::query_scalar("SELECT hashes FROM tile WHERE log = $1 AND level = $2 AND number = $3");
        let query = query.bind(log.to_string()).bind(level).bind(number);
        within(PATIENCE, query.fetch_optional(&mut self.connection)).await
    }

    async fn period(&mut self, log: LogId, period: &str) -> Result<Option<RawPeriod>> {
        let query = sqlx::query_scalar("SELECT wrapped FROM period WHERE log = $1 AND period = $2");
        let query = query.bind(log.to_string()).bind(period.to_owned());
        let found: Option<Option<Vec<u8>>> = within(PATIENCE, query.fetch_optional(&mut self.connection)).await?;
        Ok(found.map(|wrapped| wrapped.map_or(RawPeriod::Erased, RawPeriod::Kept)))
    }

    async fn periods(&mut self, log: LogId) -> Result<Vec<String>> {
        let sql = "SELECT period FROM period WHERE log = $1 AND wrapped IS NOT NULL ORDER BY period";
        let query = sqlx::query_scalar(sql).bind(log.to_string());
        within(PATIENCE, query.fetch_all(&mut self.connection)).await
    }

    async fn all_periods(&mut self, log: LogId) -> Result<Vec<String>> {
        let query = sqlx::query_scalar("SELECT period FROM period WHERE log = $1 ORDER BY period");
        let query = query.bind(log.to_string());
        within(PATIENCE, query.fetch_all(&mut self.connection)).await
    }

    async fn slice(&mut self, log: LogId, commitment: &Digest) -> Result<Option<RawSlice>> {
        let sql = "SELECT commitment, period, content FROM slice WHERE log = $1 AND commitment = $2";
        let query = sqlx::query(sql)
            .bind(log.to_string())
            .bind(commitment.as_bytes().to_vec());
        let row = within(PATIENCE, query.fetch_optional(&mut self.connection)).await?;
        row.as_ref().map(slice).transpose()
    }

    async fn slices(&mut self, log: LogId, after: &[u8]) -> Result<Vec<RawSlice>> {
        let query = sqlx::query(
            "SELECT commitment, period, content FROM slice WHERE log = $1 AND commitment > $2 ORDER BY commitment LIMIT $3",
        );
        let query = query.bind(log.to_string()).bind(after.to_vec()).bind(PAGE);
        let rows = within(PATIENCE, query.fetch_all(&mut self.connection)).await?;
        rows.iter().map(slice).collect()
    }

    async fn body(&mut self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        let query = sqlx::query_scalar("SELECT content FROM body WHERE digest = $1");
        let query = query.bind(digest.as_bytes().to_vec());
        within(PATIENCE, query.fetch_optional(&mut self.connection)).await
    }

    async fn bodies(&mut self, after: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let query = sqlx::query_as("SELECT digest, content FROM body WHERE digest > $1 ORDER BY digest LIMIT $2");
        let query = query.bind(after.to_vec()).bind(PAGE);
        within(PATIENCE, query.fetch_all(&mut self.connection)).await
    }

    async fn present(&mut self, digests: &[Digest]) -> Result<HashSet<Digest>> {
        let query = sqlx::query_scalar("SELECT digest FROM body WHERE digest = ANY($1)").bind(bytes(digests));
        let found = within(PATIENCE, query.fetch_all(&mut self.connection)).await?;
        Ok(known(found))
    }

    async fn present_slices(&mut self, log: LogId, commitments: &[Digest]) -> Result<HashSet<Digest>> {
        let query = sqlx::query_scalar("SELECT commitment FROM slice WHERE log = $1 AND commitment = ANY($2)");
        let query = query.bind(log.to_string()).bind(bytes(commitments));
        let found = within(PATIENCE, query.fetch_all(&mut self.connection)).await?;
        Ok(known(found))
    }

    async fn close(self: Box<Self>) -> Result<()> {
        within(FAREWELL, self.connection.close()).await
    }
}

fn slice(row: &PgRow) -> Result<RawSlice> {
    Ok(RawSlice {
        commitment: row.try_get(0)?,
        period: row.try_get(1)?,
        content: row.try_get(2)?,
    })
}

fn bytes(digests: &[Digest]) -> Vec<Vec<u8>> {
    digests.iter().map(|digest| digest.as_bytes().to_vec()).collect()
}

fn known(found: Vec<Vec<u8>>) -> HashSet<Digest> {
    let found = found.into_iter().filter_map(|digest| digest.try_into().ok());
    found.map(Digest::from_bytes).collect()
}
