//! Who writes: one row, which says so by the database's own clock.
//!
//! The row `lease` names a holder by a token that no other process has, and an epoch that grows each time somebody takes it.
//! Whoever holds it renews it about once a second. Each transaction that writes first locks the row where token and epoch still stand;
//! where they do not, another has taken it, and nothing is written. A lease that was not renewed for [`LAPSE`] is anyone's to take,
//! which needs the same row's lock. So of two processes never both write, whatever their clocks say and however long one of them
//! was stopped: the order of who locked that row is the order of what was written.
//!
//! A process that opens a new connection takes its own lease again with the next epoch. So what it sent on the connection before, and
//! does not know the fate of, cannot be carried out later.
//!
//! A transaction only locks the row and does not renew it each time: a row that is replaced with each commit leaves a trail of old
//! versions that every later one steps over while anybody reads an older state of the ledger.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use super::{Opening, Result};
use crate::database::Database;
use crate::ledger::store::Displaced;

/// After how long without being renewed a lease is another's to take, in seconds.
const LAPSE: f64 = 5.0;

/// How long a lease is left as it is after it was renewed. The writer asks once a second; so each time that it asks, but no more often.
const FRESH: Duration = Duration::from_millis(900);

/// This process's claim to be the one writer of a database.
#[derive(Debug)]
pub(in crate::ledger) struct Lease {
    database: Database,
    token: String,
    holder: String,
    /// On which is asked, while another one writes.
    waiting: Option<PgConnection>,
}

/// Under which a connection writes.
#[derive(Debug)]
pub(super) struct Held {
    token: String,
    epoch: i64,
    renewed: Instant,
}

/// What came of trying to take the lease.
pub(super) enum Taken {
    Held(Held),
    /// Another process holds it.
    Others(Arc<str>),
}

impl Lease {
    /// A claim of this process, distinct from every other.
    pub(in crate::ledger) fn new(database: Database) -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname");
        let host = host.ok().or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
        let process = std::process::id();
        let holder = match host.trim() {
            "" => format!("process {process}"),
            host => format!("process {process} on {host}"),
        };
        Self {
            database,
            token: uuid::Uuid::now_v7().simple().to_string(),
            holder,
            waiting: None,
        }
    }

    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    /// The connection that was kept while waiting. It is not there any more: where it fails, the next is a new one.
    pub(super) fn waiting(&mut self) -> Option<PgConnection> {
        self.waiting.take()
    }

    pub(super) fn wait(&mut self, connection: PgConnection) {
        self.waiting = Some(connection);
    }

    /// Takes the lease where it may be taken.
    pub(super) async fn take(&self, connection: &mut PgConnection, opening: Opening) -> Result<Taken> {
        let renewed = Instant::now();
        let held = |epoch| {
            let token = self.token.clone();
            Taken::Held(Held { token, epoch, renewed })
        };
        if opening != Opening::Again {
            // Another's transaction is not waited for: whoever is inside one writes. A time that lies ahead was told by another clock.
            let lapsed = sqlx::query_scalar(
                "UPDATE lease SET epoch = epoch + 1, token = $1, holder = $2, renewed = clock_timestamp() WHERE one IN (
                     SELECT one FROM lease WHERE abs(extract(epoch FROM clock_timestamp() - renewed)) > $3
                     FOR NO KEY UPDATE SKIP LOCKED) RETURNING epoch",
            );
            let lapsed = lapsed.bind(&self.token).bind(&self.holder).bind(LAPSE);
            if let Some(epoch) = lapsed.fetch_all(&mut *connection).await?.pop() {
                return Ok(held(epoch));
            }
        }
        // This process's own transaction of before, on a connection that it gave up, is waited for.
        let own = sqlx::query_scalar(
            "UPDATE lease SET epoch = epoch + 1, renewed = clock_timestamp() WHERE token = $1 RETURNING epoch",
        );
        if let Some(epoch) = own.bind(&self.token).fetch_all(&mut *connection).await?.pop() {
            return Ok(held(epoch));
        }
        Ok(Taken::Others(holder(connection).await?))
    }
}

/// Who holds the lease, in words.
async fn holder(connection: &mut PgConnection) -> Result<Arc<str>> {
    let holder = sqlx::query_scalar::<_, String>("SELECT holder FROM lease")
        .fetch_all(connection)
        .await?
        .pop();
    let holder = holder.filter(|holder| !holder.is_empty());
    Ok(holder.map_or_else(|| "another process".into(), Into::into))
}

impl Held {
    /// Whether it need not be renewed yet.
    pub(super) fn renewed_within(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.renewed) < FRESH
    }

    /// Begins a transaction in which nobody else can write.
    pub(super) async fn begin(&mut self, connection: &mut PgConnection) -> Result<()> {
        let began = Instant::now();
        let place = format!("WHERE epoch = {} AND token = '{}'", self.epoch, self.token);
        let renews = !self.renewed_within(began);
        let claim = match renews {
            true => format!("UPDATE lease SET renewed = clock_timestamp() {place} RETURNING epoch"),
            false => format!("SELECT epoch FROM lease {place} FOR NO KEY UPDATE"),
        };
        // One message: a number and 32 digits of hexadecimal, both this process's own, stand in it.
        let claim = sqlx::raw_sql(AssertSqlSafe(format!("BEGIN; {claim}")));
        let rows = claim.fetch_all(&mut *connection).await?;
        if rows.iter().any(|row| row.len() == 1) {
            if renews {
                self.renewed = began;
            }
            return Ok(());
        }
        sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await?;
        let holder = holder(connection).await?;
        Err(Displaced { holder }.into())
    }

    /// Says that this process is still there.
    pub(super) async fn renew(&mut self, connection: &mut PgConnection) -> Result<()> {
        let began = Instant::now();
        let query = sqlx::query("UPDATE lease SET renewed = clock_timestamp() WHERE epoch = $1 AND token = $2");
        let renewed = query.bind(self.epoch).bind(&self.token).execute(&mut *connection);
        match renewed.await?.rows_affected() {
            1 => {
                self.renewed = began;
                Ok(())
            }
            _ => {
                let holder = holder(connection).await?;
                Err(Displaced { holder }.into())
            }
        }
    }

    /// Gives it up, for another to take at once.
    pub(super) async fn release(&mut self, connection: &mut PgConnection) -> Result<()> {
        let sql = "UPDATE lease SET token = '', holder = '', renewed = 'epoch' WHERE epoch = $1 AND token = $2";
        let query = sqlx::query(sql).bind(self.epoch).bind(&self.token);
        query.execute(connection).await.map(drop)
    }
}

/// What writing through a connection that only reads comes to.
pub(super) fn reads_only() -> sqlx::Error {
    std::io::Error::other("this connection to the ledger only reads").into()
}
