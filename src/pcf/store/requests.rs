//! Requests in both directions, and what came of them.

use jiff::Timestamp;
use sqlx::{Sqlite, Transaction};

use super::{PcfStore, PcfStoreError, from_json, parsed, to_json};
use crate::ids::{Bpnl, Digest, RecordId, TenantId};
use crate::pcf::exchange::{Answerable, Asked, Errand, ExchangeId, Incoming, Received, State, Wanted};

/// What became of a partner's request when it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is new, or ended without an answer before: the answer is in the queue.
    Queued,
    /// It is known, and open or answered: nothing changes.
    Known,
    /// The partner used the id before, for another request.
    Conflict,
}

impl PcfStore {
    /// Takes in a request of a partner and puts its answer into the queue, or finds it there.
    ///
    /// # Errors
    /// The database; nothing is taken in then.
    pub async fn take(&self, request: &Incoming, record: RecordId, now: Timestamp) -> Result<Taken, PcfStoreError> {
        let Incoming {
            tenant,
            partner,
            exchange,
            asked,
        } = request;
        let mut transaction = self.pool.begin().await?;
        let known: Option<(String, String)> =
            sqlx::query_as("SELECT asked, state FROM incoming WHERE tenant = ? AND partner = ? AND exchange = ?")
                .bind(tenant.as_str())
                .bind(partner.as_str())
                .bind(exchange.to_string())
                .fetch_optional(&mut *transaction)
                .await?;
        if let Some((before, state)) = known {
            let before: Asked = from_json("request", &before)?;
            let same = before.parts == asked.parts && before.model == asked.model && before.form == asked.form;
            if !same {
                return Ok(Taken::Conflict);
            }
            let ended = matches!(state.parse(), Ok(State::Failed | State::Dead));
            if !ended {
                return Ok(Taken::Known);
            }
        }
        sqlx::query(
            "INSERT INTO incoming (tenant, partner, exchange, asked, state, at, changed, record) VALUES (?, ?, ?, ?, 'open', ?, ?, ?)
             ON CONFLICT DO UPDATE SET asked = excluded.asked, state = 'open', changed = excluded.changed, record = excluded.record",
        )
        .bind(tenant.as_str())
        .bind(partner.as_str())
        .bind(exchange.to_string())
        .bind(to_json(asked))
        .bind(now.as_millisecond())
        .bind(now.as_millisecond())
        .bind(record.to_string())
        .execute(&mut *transaction)
        .await?;
        let errand = Errand::Answer(asked.clone());
        super::deliveries::put(&mut transaction, *tenant, *partner, *exchange, &errand, now).await?;
        transaction.commit().await?;
        self.wake();
        Ok(Taken::Queued)
    }

    /// How a partner's request stands, where there is one.
    ///
    /// # Errors
    /// The database.
    pub async fn incoming(
        &self,
        tenant: TenantId,
        partner: Bpnl,
        exchange: ExchangeId,
    ) -> Result<Option<State>, PcfStoreError> {
        let found: Option<(String,)> =
            sqlx::query_as("SELECT state FROM incoming WHERE tenant = ? AND partner = ? AND exchange = ?")
                .bind(tenant.as_str())
                .bind(partner.as_str())
                .bind(exchange.to_string())
                .fetch_optional(&self.pool)
                .await?;
        found.map(|(state,)| parsed("request", &state)).transpose()
    }

    /// Takes in a request of the tenant's own and puts it into the queue.
    ///
    /// # Errors
    /// The database; nothing is taken in then.
    pub async fn want(
        &self,
        tenant: TenantId,
        partner: Bpnl,
        exchange: ExchangeId,
        wanted: &Wanted,
        record: RecordId,
        now: Timestamp,
    ) -> Result<(), PcfStoreError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query(
            "INSERT INTO outgoing (tenant, exchange, partner, wanted, state, at, changed, record) VALUES (?, ?, ?, ?, 'open', ?, ?, ?)",
        )
        .bind(tenant.as_str())
        .bind(exchange.to_string())
        .bind(partner.as_str())
        .bind(to_json(wanted))
        .bind(now.as_millisecond())
        .bind(now.as_millisecond())
        .bind(record.to_string())
        .execute(&mut *transaction)
        .await?;
        let errand = Errand::Request(wanted.clone());
        super::deliveries::put(&mut transaction, tenant, partner, exchange, &errand, now).await?;
        transaction.commit().await?;
        self.wake();
        Ok(())
    }

    /// Whether `partner` has a request of `tenant`'s by that id to answer. A request that could not be delivered, or was given up,
    /// can still be answered: the partner has it then, whatever went wrong on the way.
    ///
    /// # Errors
    /// The database.
    pub async fn answerable(
        &self,
        tenant: TenantId,
        partner: Bpnl,
        exchange: ExchangeId,
    ) -> Result<Answerable, PcfStoreError> {
        let found: Option<(Option<String>,)> =
            sqlx::query_as("SELECT digest FROM outgoing WHERE tenant = ? AND exchange = ? AND partner = ?")
                .bind(tenant.as_str())
                .bind(exchange.to_string())
                .bind(partner.as_str())
                .fetch_optional(&self.pool)
                .await?;
        match found {
            None => Ok(Answerable::Unknown),
            Some((None,)) => Ok(Answerable::Open),
            Some((Some(digest),)) => parsed("request", &digest).map(Answerable::Answered),
        }
    }

    /// Indexes a footprint that lies in the vault, and crosses off the request it answers, where it answers one.
    ///
    /// # Errors
    /// The database; neither is done then.
    pub async fn receive(&self, received: &Received, answers: bool, now: Timestamp) -> Result<(), PcfStoreError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query(
            "INSERT OR REPLACE INTO received (tenant, partner, pcf, product, model, digest, exchange, message, at, record)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(received.tenant.as_str())
        .bind(received.partner.as_str())
        .bind(received.pcf.as_str())
        .bind(received.product.as_str())
        .bind(received.model.version())
        .bind(received.digest.to_string())
        .bind(received.exchange.map(|exchange| exchange.to_string()))
        .bind(received.message.as_deref())
        .bind(now.as_millisecond())
        .bind(received.record.to_string())
        .execute(&mut *transaction)
        .await?;
        if answers {
            answer(&mut transaction, received, now).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The digest of the footprint of that id that `tenant` has of `partner`.
    ///
    /// # Errors
    /// The database.
    pub async fn received(&self, tenant: TenantId, partner: Bpnl, pcf: &str) -> Result<Option<Digest>, PcfStoreError> {
        let found: Option<(String,)> =
            sqlx::query_as("SELECT digest FROM received WHERE tenant = ? AND partner = ? AND pcf = ?")
                .bind(tenant.as_str())
                .bind(partner.as_str())
                .bind(pcf)
                .fetch_optional(&self.pool)
                .await?;
        found.map(|(digest,)| parsed("received footprint", &digest)).transpose()
    }
}

async fn answer(
    transaction: &mut Transaction<'static, Sqlite>,
    received: &Received,
    now: Timestamp,
) -> Result<(), PcfStoreError> {
    let exchange = received.exchange.map(|exchange| exchange.to_string());
    sqlx::query("UPDATE outgoing SET state = 'answered', digest = ?, changed = ? WHERE tenant = ? AND exchange = ? AND partner = ?")
        .bind(received.digest.to_string())
        .bind(now.as_millisecond())
        .bind(received.tenant.as_str())
        .bind(exchange.as_deref())
        .bind(received.partner.as_str())
        .execute(&mut **transaction)
        .await?;
    // A request that was answered need not be sent any more.
    sqlx::query("UPDATE delivery SET state = 'answered', next = ? WHERE tenant = ? AND kind = 'request' AND exchange = ? AND state = 'open'")
        .bind(now.as_millisecond())
        .bind(received.tenant.as_str())
        .bind(exchange)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}
