//! Beginning a run: where it goes on, from when on it asks, and which older ones are forgotten.

use jiff::Timestamp;

use super::{KEPT, PullStore, PullStoreError, Row, run_rows};
use crate::database::{Transaction, args};
use crate::ids::{Digest, IntegrationId, TenantId};
use crate::pull::run::{Cause, Counts, Key, Run, RunState};

/// What is to be begun.
#[derive(Clone, Copy, Debug)]
pub struct Beginning<'a> {
    /// Whose system it is.
    pub tenant: TenantId,
    /// Which.
    pub integration: &'a IntegrationId,
    /// What its document says of fetching. Of what was fetched under another nothing is taken over.
    pub source: Digest,
    /// Why.
    pub cause: Cause,
    /// Whether everything is asked for, and not what changed alone.
    pub whole: bool,
}

/// Where a run begins.
struct Start {
    cursor: Option<String>,
    since: Option<Timestamp>,
    mark: Timestamp,
}

impl PullStore {
    /// Begins a run, unless one of the system is under way.
    ///
    /// Where the last one failed, this one goes on where that stopped: what a list of a million entries needs most is not to begin at the
    /// first of them each time. Else it begins at the first page, and asks for what changed since the last run that came to its end began.
    ///
    /// # Errors
    /// The database, or a row that does not read.
    pub async fn begin(&self, beginning: Beginning<'_>, now: Timestamp) -> Result<Option<Key>, PullStoreError> {
        let Beginning {
            tenant, integration, ..
        } = beginning;
        let mut transaction = self.tables.begin().await?;
        let sql = run_rows!("WHERE tenant = $1 AND integration = $2 ORDER BY number DESC LIMIT 1");
        let args = args![tenant.as_str(), integration.as_str()];
        let last: Option<Row> = transaction.find(sql, args).await?;
        let sealed = last.as_ref().and_then(|row| row.8.clone());
        let last = last.map(|row| self.read(row)).transpose()?;
        if last.as_ref().is_some_and(|last| last.state == RunState::Running) {
            return Ok(None);
        }
        let key = Key {
            tenant,
            integration: integration.clone(),
            number: last.as_ref().map_or(0, |last| last.key.number).saturating_add(1),
        };
        let goes_on = last.filter(|last| goes_on(last, &beginning));
        let start = match goes_on {
            Some(last) => Start {
                cursor: sealed,
                since: last.since,
                mark: last.mark,
            },
            None => Start {
                cursor: None,
                since: mark(&mut transaction, &beginning).await?,
                mark: now,
            },
        };
        let sql =
            "INSERT INTO run (tenant, integration, number, cause, began, state, source, cursor, since, mark, counts)
                   VALUES ($1, $2, $3, $4, $5, 'running', $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING";
        let (source, counts) = (beginning.source.to_string(), Counts::default().to_json());
        let args = args![
            tenant.as_str(),
            integration.as_str(),
            key.number,
            beginning.cause.as_str(),
            now.as_millisecond(),
            &source,
            start.cursor.as_deref(),
            start.since.map(Timestamp::as_millisecond),
            start.mark.as_millisecond(),
            &counts,
        ];
        if transaction.run(sql, args).await? == 0 {
            // Another process was faster.
            return Ok(None);
        }
        forget(&mut transaction, &key).await?;
        transaction.commit().await?;
        self.woken.notify_one();
        Ok(Some(key))
    }
}

fn goes_on(last: &Run, beginning: &Beginning<'_>) -> bool {
    !beginning.whole && last.state == RunState::Failed && last.source == beginning.source && last.cursor.is_some()
}

/// When the last run that came to its end began to ask.
async fn mark(transaction: &mut Transaction, beginning: &Beginning<'_>) -> Result<Option<Timestamp>, PullStoreError> {
    if beginning.whole {
        return Ok(None);
    }
    let sql = "SELECT mark FROM run WHERE tenant = $1 AND integration = $2 AND state = 'complete' AND source = $3
               ORDER BY number DESC LIMIT 1";
    let source = beginning.source.to_string();
    let args = args![beginning.tenant.as_str(), beginning.integration.as_str(), &source];
    let found: Option<(i64,)> = transaction.find(sql, args).await?;
    found.map(|(mark,)| super::instant(mark)).transpose()
}

/// Forgets runs that are too many: all but the latest, and the last that came to its end.
async fn forget(transaction: &mut Transaction, key: &Key) -> Result<(), PullStoreError> {
    let (tenant, integration) = (key.tenant.as_str(), key.integration.as_str());
    let sql = "SELECT max(number) FROM run WHERE tenant = $1 AND integration = $2 AND state = 'complete'";
    let found: Option<(Option<i64>,)> = transaction.find(sql, args![tenant, integration]).await?;
    let complete = found.and_then(|(number,)| number).unwrap_or_default();
    let oldest = key.number.saturating_sub(KEPT);
    for sql in [
        "DELETE FROM refusal WHERE tenant = $1 AND integration = $2 AND number <= $3 AND number <> $4",
        "DELETE FROM run WHERE tenant = $1 AND integration = $2 AND number <= $3 AND number <> $4",
    ] {
        transaction
            .run(sql, args![tenant, integration, oldest, complete])
            .await?;
    }
    Ok(())
}
