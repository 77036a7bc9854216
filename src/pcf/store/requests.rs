//! Requests in both directions, and what came of them.

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{PcfStore, PcfStoreError, from_json, parsed, to_json};
use crate::database::{Transaction, args};
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
        let asked = &request.asked;
        let is_same =
            |before: &Asked| before.parts == asked.parts && before.model == asked.model && before.form == asked.form;
        let ends = (request.tenant, request.partner, request.exchange);
        let errand = Errand::Answer(asked.clone());
        self.take_in(ends, (asked, is_same), &errand, record, now).await
    }

    /// Takes in what a partner asked, and puts `errand` into the queue, which answers it; `is_same` says whether what was asked before under the
    /// same id is this.
    pub(super) async fn take_in<T: Serialize + DeserializeOwned>(
        &self,
        ends: (TenantId, Bpnl, ExchangeId),
        (asked, is_same): (&T, impl Fn(&T) -> bool),
        errand: &Errand,
        record: RecordId,
        now: Timestamp,
    ) -> Result<Taken, PcfStoreError> {
        let (tenant, partner, exchange) = ends;
        let written = to_json(asked);
        let mut transaction = self.tables.begin().await?;
        if !put(&mut transaction, ends, &written, record, now).await? {
            let sql = "SELECT asked FROM incoming WHERE tenant = $1 AND partner = $2 AND exchange = $3";
            let exchange = exchange.to_string();
            let args = args![tenant.as_str(), partner.as_str(), &exchange];
            let before: Option<(String,)> = transaction.find(sql, args).await?;
            let (before,) = before.ok_or(sqlx::Error::RowNotFound)?;
            if !is_same(&from_json("request", &before)?) {
                return Ok(Taken::Conflict);
            }
            if !put_again(&mut transaction, ends, &written, record, now).await? {
                return Ok(Taken::Known);
            }
        }
        super::deliveries::put(&mut transaction, tenant, partner, exchange, errand, now).await?;
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
        let sql = "SELECT state FROM incoming WHERE tenant = $1 AND partner = $2 AND exchange = $3";
        let exchange = exchange.to_string();
        let args = args![tenant.as_str(), partner.as_str(), &exchange];
        let found: Option<(String,)> = self.tables.find(sql, args).await?;
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
        let mut transaction = self.tables.begin().await?;
        transaction
            .run(
                "INSERT INTO outgoing (tenant, exchange, partner, wanted, state, at, changed, record)
                 VALUES ($1, $2, $3, $4, 'open', $5, $5, $6)",
                args![
                    tenant.as_str(),
                    &exchange.to_string(),
                    partner.as_str(),
                    &to_json(wanted),
                    now.as_millisecond(),
                    &record.to_string(),
                ],
            )
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
        let sql = "SELECT digest FROM outgoing WHERE tenant = $1 AND exchange = $2 AND partner = $3";
        let exchange = exchange.to_string();
        let args = args![tenant.as_str(), &exchange, partner.as_str()];
        let found: Option<(Option<String>,)> = self.tables.find(sql, args).await?;
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
        let mut transaction = self.tables.begin().await?;
        transaction
            .run(
                "INSERT INTO received (tenant, partner, pcf, product, model, digest, exchange, message, at, record)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
                 ON CONFLICT (tenant, partner, pcf) DO UPDATE SET product = excluded.product, model = excluded.model,
                   digest = excluded.digest, exchange = excluded.exchange, message = excluded.message, at = excluded.at,
                   record = excluded.record",
                args![
                    received.tenant.as_str(),
                    received.partner.as_str(),
                    received.pcf.as_str(),
                    received.product.as_str(),
                    received.model.version(),
                    &received.digest.to_string(),
                    received.exchange.map(|exchange| exchange.to_string()).as_deref(),
                    received.message.as_deref(),
                    now.as_millisecond(),
                    &received.record.to_string(),
                ],
            )
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
        let sql = "SELECT digest FROM received WHERE tenant = $1 AND partner = $2 AND pcf = $3";
        let args = args![tenant.as_str(), partner.as_str(), pcf];
        let found: Option<(String,)> = self.tables.find(sql, args).await?;
        found.map(|(digest,)| parsed("received footprint", &digest)).transpose()
    }
}

/// Writes a request that is new; returns whether it is.
async fn put(
    transaction: &mut Transaction,
    (tenant, partner, exchange): (TenantId, Bpnl, ExchangeId),
    asked: &str,
    record: RecordId,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let sql = "INSERT INTO incoming (tenant, partner, exchange, asked, state, at, changed, record)
               VALUES ($1, $2, $3, $4, 'open', $5, $5, $6) ON CONFLICT DO NOTHING";
    let new = transaction
        .run(
            sql,
            args![
                tenant.as_str(),
                partner.as_str(),
                &exchange.to_string(),
                asked,
                now.as_millisecond(),
                &record.to_string(),
            ],
        )
        .await?;
    Ok(new > 0)
}

/// Opens a request anew that ended without an answer; returns whether it had.
async fn put_again(
    transaction: &mut Transaction,
    (tenant, partner, exchange): (TenantId, Bpnl, ExchangeId),
    asked: &str,
    record: RecordId,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let sql = "UPDATE incoming SET asked = $1, state = 'open', changed = $2, record = $3
               WHERE tenant = $4 AND partner = $5 AND exchange = $6 AND state IN ('failed', 'dead')";
    let opened = transaction
        .run(
            sql,
            args![
                asked,
                now.as_millisecond(),
                &record.to_string(),
                tenant.as_str(),
                partner.as_str(),
                &exchange.to_string(),
            ],
        )
        .await?;
    Ok(opened > 0)
}

/// Crosses off the request that a footprint answers.
async fn answer(transaction: &mut Transaction, received: &Received, now: Timestamp) -> Result<(), sqlx::Error> {
    let exchange = received.exchange.map(|exchange| exchange.to_string());
    let (tenant, exchange, now) = (received.tenant.as_str(), exchange.as_deref(), now.as_millisecond());
    let sql = "UPDATE outgoing SET state = 'answered', digest = $1, changed = $2
               WHERE tenant = $3 AND exchange = $4 AND partner = $5";
    let digest = received.digest.to_string();
    let args = args![&digest, now, tenant, exchange, received.partner.as_str()];
    transaction.run(sql, args).await?;
    // A request that was answered need not be sent any more.
    let sql = "UPDATE delivery SET state = 'answered', next = $1
               WHERE tenant = $2 AND kind = 'request' AND exchange = $3 AND state = 'open'";
    transaction.run(sql, args![now, tenant, exchange]).await?;
    Ok(())
}
