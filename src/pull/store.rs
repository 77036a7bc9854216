//! Runs at rest: which there were, how far each came, and what it reports.
//!
//! A page is done when its documents are in; then the address of the next one is written, and only then is that page asked for. So after
//! whatever ends the process a run goes on at the page that was in hand, and no page before it is fetched again. What is kept of an
//! address is sealed: suppliers put what opens a list into it.
//!
//! A system has at most one run at a time. That is an index of the table, so it holds whoever begins one.

mod begin;

use std::sync::Arc;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Notify;
use url::Url;

pub use self::begin::Beginning;
use super::run::{Counts, Key, Listed, Run, RunState, Told};
use crate::database::{Layout, Place, Step, Tables, TablesError, args};
use crate::ids::{IntegrationId, RecordId, TenantId};
use crate::vault::Seal;

/// Why runs cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum PullStoreError {
    /// The database.
    #[error("the runs: {0}")]
    Database(#[from] sqlx::Error),
    /// The tables cannot be used.
    #[error("the tables of the runs: {0}")]
    Tables(#[from] TablesError),
    /// A row that does not parse: it was changed by hand, or by a newer version.
    #[error("the runs: a row does not read: {0}")]
    Row(String),
    /// No randomness.
    #[error("where a run stands could not be sealed")]
    Seal,
}

/// The file below the data directory.
pub const FILE: &str = "pulls.sqlite";

/// How many runs of a system are kept; the last that came to its end is kept besides.
pub const KEPT: i64 = 50;

/// The most entries that were not taken of which a run tells one by one; it counts them all.
pub const MOST_REFUSALS: u64 = 100;

const LAYOUT: Layout = Layout {
    file: FILE,
    schema: "tidegate_pulls",
    sqlite: &[Step::Sql(
        "
CREATE TABLE run (tenant TEXT NOT NULL, integration TEXT NOT NULL, number INTEGER NOT NULL, cause TEXT NOT NULL, began INTEGER NOT NULL,
  ended INTEGER, state TEXT NOT NULL, source TEXT NOT NULL, cursor TEXT, since INTEGER, mark INTEGER NOT NULL, counts TEXT NOT NULL,
  problem TEXT, again INTEGER, record TEXT, PRIMARY KEY (tenant, integration, number)) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX run_under_way ON run (tenant, integration) WHERE state = 'running';
CREATE TABLE refusal (tenant TEXT NOT NULL, integration TEXT NOT NULL, number INTEGER NOT NULL, page INTEGER NOT NULL, place INTEGER NOT NULL,
  pcf TEXT, reason TEXT NOT NULL, record TEXT, PRIMARY KEY (tenant, integration, number, page, place)) STRICT, WITHOUT ROWID;
",
    )],
    postgres: &["
CREATE TABLE run (tenant TEXT COLLATE \"C\" NOT NULL, integration TEXT COLLATE \"C\" NOT NULL, number BIGINT NOT NULL, cause TEXT NOT NULL,
  began BIGINT NOT NULL, ended BIGINT, state TEXT COLLATE \"C\" NOT NULL, source TEXT NOT NULL, cursor TEXT, since BIGINT, mark BIGINT NOT NULL,
  counts TEXT NOT NULL, problem TEXT, again BIGINT, record TEXT, PRIMARY KEY (tenant, integration, number));
CREATE UNIQUE INDEX run_under_way ON run (tenant, integration) WHERE state = 'running';
CREATE TABLE refusal (tenant TEXT COLLATE \"C\" NOT NULL, integration TEXT COLLATE \"C\" NOT NULL, number BIGINT NOT NULL, page BIGINT NOT NULL,
  place BIGINT NOT NULL, pcf TEXT, reason TEXT NOT NULL, record TEXT, PRIMARY KEY (tenant, integration, number, page, place));
"],
};

/// The columns of a run, in the order of [`Row`].
macro_rules! run_rows {
    ($rest:literal) => {
        concat!(
            "SELECT tenant, integration, number, cause, began, ended, state, source, cursor, since, mark, counts, problem, again, record \
             FROM run ",
            $rest
        )
    };
}
use run_rows;

type Row = (
    String,
    String,
    i64,
    String,
    i64,
    Option<i64>,
    String,
    String,
    Option<String>,
    Option<i64>,
    i64,
    String,
    Option<String>,
    Option<i64>,
    Option<String>,
);

/// The runs of all tenants' systems.
#[derive(Debug)]
pub struct PullStore {
    tables: Tables,
    seal: Arc<Seal>,
    /// Woken when a run was begun.
    woken: Notify,
}

/// When the last run of a system began, and when the next may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Last {
    /// When it began.
    pub began: Timestamp,
    /// Before when the system asked not to be asked again.
    pub again: Option<Timestamp>,
    /// Whether it is under way.
    pub running: bool,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The state it is in then.
    pub state: RunState,
    /// What was wrong, where something was.
    pub problem: Option<String>,
    /// Before when the system asked not to be asked again.
    pub again: Option<Timestamp>,
}

impl PullStore {
    /// Opens the runs in `place`, making empty tables where there are none.
    ///
    /// # Errors
    /// The place cannot be used.
    pub async fn open(place: &Place, seal: Arc<Seal>) -> Result<Self, PullStoreError> {
        Ok(Self {
            tables: Tables::open(place, &LAYOUT).await?,
            seal,
            woken: Notify::new(),
        })
    }

    /// Waits until a run was begun.
    pub async fn woken(&self) {
        self.woken.notified().await;
    }

    /// The runs that are under way, or were when the process ended.
    ///
    /// # Errors
    /// The database, or a row that does not read.
    pub async fn under_way(&self) -> Result<Vec<Run>, PullStoreError> {
        let sql = run_rows!("WHERE state = 'running' ORDER BY began, tenant, integration");
        let rows: Vec<Row> = self.tables.fetch(sql, args![]).await?;
        rows.into_iter().map(|row| self.read(row)).collect()
    }

    /// Of each system the last run.
    ///
    /// # Errors
    /// The database, or a row that does not read.
    pub async fn last(&self) -> Result<Vec<((TenantId, IntegrationId), Last)>, PullStoreError> {
        let sql = "SELECT tenant, integration, began, again, state FROM run AS last WHERE number =
                     (SELECT max(number) FROM run WHERE run.tenant = last.tenant AND run.integration = last.integration)";
        let rows: Vec<(String, String, i64, Option<i64>, String)> = self.tables.fetch(sql, args![]).await?;
        let read = |(tenant, integration, began, again, state): (String, String, i64, Option<i64>, String)| {
            let last = Last {
                began: instant(began)?,
                again: again.map(instant).transpose()?,
                running: parsed::<RunState>(&state)? == RunState::Running,
            };
            Ok(((parsed(&tenant)?, parsed(&integration)?), last))
        };
        rows.into_iter().map(read).collect()
    }

    /// Notes the decision that let the run begin, or go on.
    ///
    /// # Errors
    /// The database.
    pub async fn decided(&self, key: &Key, record: RecordId) -> Result<(), PullStoreError> {
        let sql = "UPDATE run SET record = $1 WHERE tenant = $2 AND integration = $3 AND number = $4";
        let record = record.to_string();
        let args = args![&record, key.tenant.as_str(), key.integration.as_str(), key.number];
        self.tables.run(sql, args).await?;
        Ok(())
    }

    /// Notes that a page is done: what the run came to with it, what of it was not taken, and where the next one is.
    ///
    /// # Errors
    /// The database; the page is fetched again then.
    pub async fn advance(
        &self,
        key: &Key,
        counts: &Counts,
        refusals: &[Listed],
        next: Option<&Url>,
    ) -> Result<(), PullStoreError> {
        let cursor = next.map(|url| self.sealed(key, url)).transpose()?;
        let mut transaction = self.tables.begin().await?;
        let (tenant, integration) = (key.tenant.as_str(), key.integration.as_str());
        for Listed { page, place, told } in refusals {
            let sql = "INSERT INTO refusal (tenant, integration, number, page, place, pcf, reason, record)
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";
            let record = told.record.map(|record| record.to_string());
            let reason = storable(&told.reason);
            let args = args![
                tenant,
                integration,
                key.number,
                number(*page),
                number(*place),
                told.id.as_ref().map(|id| id.as_str()),
                &reason,
                record.as_deref(),
            ];
            transaction.run(sql, args).await?;
        }
        let sql = "UPDATE run SET counts = $1, cursor = $2 WHERE tenant = $3 AND integration = $4 AND number = $5 AND state = 'running'";
        let counts = counts.to_json();
        let args = args![&counts, cursor.as_deref(), tenant, integration, key.number];
        transaction.run(sql, args).await?;
        Ok(transaction.commit().await?)
    }

    /// Ends a run. One that ended before stays as it ended.
    ///
    /// # Errors
    /// The database; the run goes on then.
    pub async fn end(&self, key: &Key, end: &End, now: Timestamp) -> Result<(), PullStoreError> {
        let sql = "UPDATE run SET state = $1, problem = $2, again = $3, ended = $4,
                     cursor = CASE WHEN $1 = 'failed' THEN cursor ELSE NULL END
                   WHERE tenant = $5 AND integration = $6 AND number = $7 AND state = 'running'";
        let problem = end.problem.as_deref().map(storable);
        let args = args![
            end.state.as_str(),
            problem.as_deref(),
            end.again.map(Timestamp::as_millisecond),
            now.as_millisecond(),
            key.tenant.as_str(),
            key.integration.as_str(),
            key.number,
        ];
        self.tables.run(sql, args).await?;
        Ok(())
    }

    /// The last runs of a system, the latest first, each with what it did not take.
    ///
    /// # Errors
    /// The database, or a row that does not read.
    pub async fn runs(
        &self,
        tenant: TenantId,
        integration: &IntegrationId,
        limit: u32,
    ) -> Result<Vec<(Run, Vec<Listed>)>, PullStoreError> {
        let mut look = self.tables.look().await?;
        let sql = run_rows!("WHERE tenant = $1 AND integration = $2 ORDER BY number DESC LIMIT $3");
        let args = args![tenant.as_str(), integration.as_str(), i64::from(limit)];
        let rows: Vec<Row> = look.fetch(sql, args).await?;
        let mut runs = Vec::new();
        for row in rows {
            let run = self.read(row)?;
            let sql = "SELECT page, place, pcf, reason, record FROM refusal WHERE tenant = $1 AND integration = $2 AND number = $3
                       ORDER BY page, place";
            let args = args![tenant.as_str(), integration.as_str(), run.key.number];
            let rows: Vec<(i64, i64, Option<String>, String, Option<String>)> = look.fetch(sql, args).await?;
            let refusals: Result<Vec<_>, _> = rows.into_iter().map(listed).collect();
            runs.push((run, refusals?));
        }
        Ok(runs)
    }

    fn sealed(&self, key: &Key, url: &Url) -> Result<String, PullStoreError> {
        let text = SecretString::from(url.as_str());
        self.seal.seal(&of(key), &text).map_err(|_| PullStoreError::Seal)
    }

    fn read(&self, row: Row) -> Result<Run, PullStoreError> {
        let (
            tenant,
            integration,
            number,
            cause,
            began,
            ended,
            state,
            source,
            cursor,
            since,
            mark,
            counts,
            problem,
            again,
            record,
        ) = row;
        let key = Key {
            tenant: parsed(&tenant)?,
            integration: parsed(&integration)?,
            number,
        };
        // Under another key of the vault it does not open any more, and the run begins at the first page.
        let cursor = cursor.and_then(|sealed| {
            let opened = self.seal.open(&of(&key), &sealed).ok();
            opened.and_then(|url| url.expose_secret().parse().ok())
        });
        let record: Option<uuid::Uuid> = record.as_deref().map(parsed).transpose()?;
        Ok(Run {
            cause: parsed(&cause)?,
            began: instant(began)?,
            ended: ended.map(instant).transpose()?,
            state: parsed(&state)?,
            source: parsed(&source)?,
            cursor,
            since: since.map(instant).transpose()?,
            mark: instant(mark)?,
            counts: crate::json::read(counts.as_bytes()).map_err(|error| PullStoreError::Row(error.to_string()))?,
            problem,
            again: again.map(instant).transpose()?,
            record: record.map(RecordId),
            key,
        })
    }
}

/// What a cursor is sealed as: that of a system, for the next run may take it over.
fn of(key: &Key) -> String {
    format!("pull/{}/{}", key.tenant, key.integration)
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A text as a row can have it: PostgreSQL takes a NUL in none.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn listed(row: (i64, i64, Option<String>, String, Option<String>)) -> Result<Listed, PullStoreError> {
    let (page, place, pcf, reason, record) = row;
    let record: Option<uuid::Uuid> = record.as_deref().map(parsed).transpose()?;
    Ok(Listed {
        page: u64::try_from(page).unwrap_or_default(),
        place: u64::try_from(place).unwrap_or_default(),
        told: Told {
            id: pcf.as_deref().map(parsed).transpose()?,
            reason,
            record: record.map(RecordId),
        },
    })
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, PullStoreError> {
    text.parse()
        .map_err(|error: T::Err| PullStoreError::Row(error.to_string()))
}

fn instant(milliseconds: i64) -> Result<Timestamp, PullStoreError> {
    Timestamp::from_millisecond(milliseconds).map_err(|error| PullStoreError::Row(error.to_string()))
}

#[cfg(test)]
mod tests;
