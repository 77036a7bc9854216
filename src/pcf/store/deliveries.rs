//! The queue of what is to be delivered.

use jiff::Timestamp;
use sqlx::{Sqlite, Transaction};

use super::{PcfStore, PcfStoreError, from_json, instant, parsed, row, to_json};
use crate::ids::{Bpnl, Digest, PcfId, RecordId, TenantId};
use crate::pcf::exchange::{Delivery, Errand, ExchangeId, Letter, State};

/// A change of a footprint that has not become deliveries yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The tenant whose footprint it is.
    pub tenant: TenantId,
    /// The footprint.
    pub pcf: PcfId,
    /// What its bytes are to be.
    pub digest: Digest,
    /// When it was noted.
    pub at: Timestamp,
}

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
    transaction: &mut Transaction<'static, Sqlite>,
    tenant: TenantId,
    partner: Bpnl,
    exchange: ExchangeId,
    errand: &Errand,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO delivery (tenant, partner, kind, exchange, errand, state, attempts, used, at, next)
         VALUES (?, ?, ?, ?, ?, 'open', 0, 0, ?, ?)",
    )
    .bind(tenant.as_str())
    .bind(partner.as_str())
    .bind(errand.as_str())
    .bind(exchange.to_string())
    .bind(to_json(errand))
    .bind(now.as_millisecond())
    .bind(now.as_millisecond())
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

impl PcfStore {
    /// Notes that a footprint is about to change, before it does.
    ///
    /// # Errors
    /// The database; the footprint must not change then, or nobody would be told.
    pub async fn note_change(&self, change: &Change) -> Result<(), PcfStoreError> {
        sqlx::query("INSERT OR REPLACE INTO change (tenant, pcf, digest, at) VALUES (?, ?, ?, ?)")
            .bind(change.tenant.as_str())
            .bind(change.pcf.as_str())
            .bind(change.digest.to_string())
            .bind(change.at.as_millisecond())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The changes that have not become deliveries, oldest first.
    ///
    /// # Errors
    /// The database, or a row that does not read.
    pub async fn changes(&self) -> Result<Vec<Change>, PcfStoreError> {
        let rows: Vec<(String, String, String, i64)> =
            sqlx::query_as("SELECT tenant, pcf, digest, at FROM change ORDER BY at LIMIT 100")
                .fetch_all(&self.pool)
                .await?;
        let read = |(tenant, pcf, digest, at): (String, String, String, i64)| {
            Ok(Change {
                tenant: parsed("change", &tenant)?,
                pcf: parsed("change", &pcf)?,
                digest: parsed("change", &digest)?,
                at: instant("change", at)?,
            })
        };
        rows.into_iter().map(read).collect()
    }

    /// Makes a change into one delivery for each of `partners` and crosses it off, both or neither.
    ///
    /// # Errors
    /// The database; the change stays then.
    pub async fn spread(
        &self,
        change: &Change,
        partners: impl IntoIterator<Item = Bpnl>,
        now: Timestamp,
    ) -> Result<(), PcfStoreError> {
        let mut transaction = self.pool.begin().await?;
        let errand = Errand::Update(change.pcf.clone(), change.digest);
        for partner in partners {
            put(
                &mut transaction,
                change.tenant,
                partner,
                ExchangeId::new(),
                &errand,
                now,
            )
            .await?;
        }
        sqlx::query("DELETE FROM change WHERE tenant = ? AND pcf = ? AND digest = ?")
            .bind(change.tenant.as_str())
            .bind(change.pcf.as_str())
            .bind(change.digest.to_string())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.wake();
        Ok(())
    }

    /// Wakes whoever waits for something to deliver: a change that was noted has come about.
    pub fn changed(&self) {
        self.wake();
    }

    /// Of each partner of each tenant the open delivery that waits longest, where its time has come.
    ///
    /// # Errors
    /// The database, or a row that does not read.
    pub async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<Delivery>, PcfStoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT number, tenant, partner, exchange, errand, attempts, used, state, at, min(next), problem, record
             FROM delivery WHERE state = 'open' AND next <= ? GROUP BY tenant, partner ORDER BY min(next) LIMIT ?",
        )
        .bind(now.as_millisecond())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| letter(row).map(|letter| letter.delivery))
            .collect()
    }

    /// Notes that an attempt comes so far as to hand a footprint out.
    ///
    /// # Errors
    /// The database; it must not be handed out then.
    pub async fn uses(&self, delivery: &Delivery) -> Result<(), PcfStoreError> {
        sqlx::query("UPDATE delivery SET used = 1 WHERE number = ?")
            .bind(delivery.number)
            .execute(&self.pool)
            .await?;
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
        sqlx::query(
            "UPDATE delivery SET attempts = attempts + 1, next = ?, problem = ?, record = coalesce(?, record) WHERE number = ?",
        )
        .bind(next.as_millisecond())
        .bind(problem)
        .bind(record.map(|record| record.to_string()))
        .bind(delivery.number)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Ends a delivery, and with an answer the request it answers.
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
        let mut transaction = self.pool.begin().await?;
        sqlx::query(
            "UPDATE delivery SET attempts = attempts + 1, state = ?, next = ?, problem = ?, record = coalesce(?, record)
             WHERE number = ?",
        )
        .bind(state.as_str())
        .bind(now.as_millisecond())
        .bind(problem)
        .bind(record.map(|record| record.to_string()))
        .bind(delivery.number)
        .execute(&mut *transaction)
        .await?;
        if let Errand::Answer(_) = delivery.errand {
            sqlx::query("UPDATE incoming SET state = ?, changed = ? WHERE tenant = ? AND partner = ? AND exchange = ?")
                .bind(state.as_str())
                .bind(now.as_millisecond())
                .bind(delivery.tenant.as_str())
                .bind(delivery.partner.as_str())
                .bind(delivery.exchange.to_string())
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The deliveries of a tenant, latest first.
    ///
    /// # Errors
    /// The database, or a row that does not read.
    pub async fn deliveries(&self, tenant: TenantId, page: Page) -> Result<Vec<Letter>, PcfStoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT number, tenant, partner, exchange, errand, attempts, used, state, at, next, problem, record
             FROM delivery WHERE tenant = ? AND number < ? AND (? IS NULL OR state = ?) ORDER BY number DESC LIMIT ?",
        )
        .bind(tenant.as_str())
        .bind(page.before.unwrap_or(i64::MAX))
        .bind(page.state.map(State::as_str))
        .bind(page.state.map(State::as_str))
        .bind(page.limit)
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(letter).collect()
    }

    /// How many deliveries are open, and how many dead.
    ///
    /// # Errors
    /// The database.
    pub async fn depth(&self) -> Result<(i64, i64), PcfStoreError> {
        let (open,): (i64,) = sqlx::query_as("SELECT count(*) FROM delivery WHERE state = 'open'")
            .fetch_one(&self.pool)
            .await?;
        let (dead,): (i64,) = sqlx::query_as("SELECT count(*) FROM delivery WHERE state = 'dead'")
            .fetch_one(&self.pool)
            .await?;
        Ok((open, dead))
    }
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
