//! The queue of what is to be delivered.

use jiff::Timestamp;

use super::{PcfStore, PcfStoreError, from_json, instant, parsed, row, to_json};
use crate::database::{Transaction, args};
use crate::ids::{Bpnl, RecordId, TenantId};
use crate::pcf::exchange::{Delivery, Errand, ExchangeId, Letter, State};

/// Which deliveries of a tenant are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Those in this state, or all.
    pub state: Option<State>,
    /// Those with a lower number than this, or the latest.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

type Row = (
    i64,
    String,
    String,
    String,
    String,
    i64,
    bool,
    String,
    i64,
    i64,
    Option<String>,
    Option<String>,
);

pub(super) async fn put(
    transaction: &mut Transaction,
    tenant: TenantId,
    partner: Bpnl,
    exchange: ExchangeId,
    errand: &Errand,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let sql = "INSERT INTO delivery (tenant, partner, kind, exchange, errand, state, attempts, used, at, next)
               VALUES ($1, $2, $3, $4, $5, 'open', 0, $6, $7, $7)";
    transaction
        .run(
            sql,
            args![
                tenant.as_str(),
                partner.as_str(),
                errand.as_str(),
                &exchange.to_string(),
                &to_json(errand),
                false,
                now.as_millisecond(),
            ],
        )
        .await
        .map(drop)
}

impl PcfStore {
    /// Wakes whoever waits for something to deliver: a change that was noted has come about.
    pub fn changed(&self) {
        self.wake();
    }

    /// Of each partner of each tenant the open delivery that waits longest, where its time has come.
    ///
    /// # Errors
    /// The database, or a row that does not read.
    pub async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Delivery>, PcfStoreError> {
        let sql = "SELECT number, tenant, partner, exchange, errand, attempts, used, state, at, next, problem, record
                   FROM (SELECT number, tenant, partner, exchange, errand, attempts, used, state, at, next, problem, record,
                           row_number() OVER (PARTITION BY tenant, partner ORDER BY next, number) AS place
                         FROM delivery WHERE state = 'open' AND next <= $1) AS waiting
                   WHERE place = 1 ORDER BY next, number LIMIT $2";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows: Vec<Row> = self.tables.fetch(sql, args![now.as_millisecond(), limit]).await?;
        rows.into_iter()
            .map(|row| letter(row).map(|letter| letter.delivery))
            .collect()
    }

    /// Notes that an attempt comes so far as to hand a footprint out.
    ///
    /// # Errors
    /// The database; it must not be handed out then.
    pub async fn uses(&self, delivery: &Delivery) -> Result<(), PcfStoreError> {
        let sql = "UPDATE delivery SET used = $1 WHERE number = $2";
        self.tables.run(sql, args![true, delivery.number]).await?;
        Ok(())
    }

    /// Notes that an attempt failed, and when the next is due.
    ///
    /// # Errors
    /// The database.
    pub async fn postpone(
        &self,
        delivery: &Delivery,
        next: Timestamp,
        problem: &str,
        record: Option<RecordId>,
    ) -> Result<(), PcfStoreError> {
        let sql = "UPDATE delivery SET attempts = attempts + 1, next = $1, problem = $2, record = coalesce($3, record)
                   WHERE number = $4 AND state = 'open'";
        let record = record.map(|record| record.to_string());
        let (next, problem) = (next.as_millisecond(), told(problem));
        let args = args![next, &problem, record.as_deref(), delivery.number];
        self.tables.run(sql, args).await?;
        Ok(())
    }

    /// Ends a delivery, and with an answer, by whatever way, the request it answers. One that ended before stays as it ended.
    ///
    /// # Errors
    /// The database; the delivery is made again then.
    pub async fn end(
        &self,
        delivery: &Delivery,
        state: State,
        problem: Option<&str>,
        record: Option<RecordId>,
        now: Timestamp,
    ) -> Result<(), PcfStoreError> {
        let mut transaction = self.tables.begin().await?;
        let sql = "UPDATE delivery SET attempts = attempts + 1, state = $1, next = $2, problem = $3, record = coalesce($4, record)
                   WHERE number = $5 AND state = 'open'";
        let (record, problem) = (record.map(|record| record.to_string()), problem.map(told));
        let (now, state) = (now.as_millisecond(), state.as_str());
        let args = args![state, now, problem.as_deref(), record.as_deref(), delivery.number];
        let ended = transaction.run(sql, args).await? > 0;
        if let (true, Errand::Answer(_) | Errand::Fulfil(_)) = (ended, &delivery.errand) {
            let sql =
                "UPDATE incoming SET state = $1, changed = $2 WHERE tenant = $3 AND partner = $4 AND exchange = $5";
            let exchange = delivery.exchange.to_string();
            let args = args![
                state,
                now,
                delivery.tenant.as_str(),
                delivery.partner.as_str(),
                &exchange
            ];
            transaction.run(sql, args).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// The deliveries of a tenant, latest first.
    ///
    /// # Errors
    /// The database, or a row that does not read.
    pub async fn deliveries(&self, tenant: TenantId, page: Page) -> Result<Vec<Letter>, PcfStoreError> {
        let sql = "SELECT number, tenant, partner, exchange, errand, attempts, used, state, at, next, problem, record
                   FROM delivery WHERE tenant = $1 AND number < $2 AND (CAST($3 AS TEXT) IS NULL OR state = $3)
                   ORDER BY number DESC LIMIT $4";
        let args = args![
            tenant.as_str(),
            page.before.unwrap_or(i64::MAX),
            page.state.map(State::as_str),
            i64::from(page.limit),
        ];
        let rows: Vec<Row> = self.tables.fetch(sql, args).await?;
        rows.into_iter().map(letter).collect()
    }

    /// How many deliveries are open, and how many dead.
    ///
    /// # Errors
    /// The database.
    pub async fn depth(&self) -> Result<(i64, i64), PcfStoreError> {
        let sql = "SELECT (SELECT count(*) FROM delivery WHERE state = 'open'), (SELECT count(*) FROM delivery WHERE state = 'dead')";
        let depth = self.tables.find(sql, args![]).await?;
        Ok(depth.ok_or(sqlx::Error::RowNotFound)?)
    }
}

/// A problem as a row can have it: a partner's words may hold a NUL, which PostgreSQL takes in no text.
fn told(problem: &str) -> String {
    problem.replace('\0', "\u{fffd}")
}

fn letter(read: Row) -> Result<Letter, PcfStoreError> {
    const WHAT: &str = "delivery";
    let (number, tenant, partner, exchange, errand, attempts, used, state, at, next, problem, record) = read;
    let record: Option<uuid::Uuid> = record.map(|record| parsed(WHAT, &record)).transpose()?;
    Ok(Letter {
        delivery: Delivery {
            number,
            tenant: parsed(WHAT, &tenant)?,
            partner: parsed(WHAT, &partner)?,
            exchange: parsed(WHAT, &exchange)?,
            errand: from_json(WHAT, &errand)?,
            attempts: u32::try_from(attempts).map_err(|error| row(WHAT, error))?,
            used,
        },
        state: parsed(WHAT, &state)?,
        at: instant(WHAT, at)?,
        next: instant(WHAT, next)?,
        problem,
        record: record.map(RecordId),
    })
}
