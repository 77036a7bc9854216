//! Requests that partners make by events.

use jiff::Timestamp;

use super::requests::{put, put_again};
use super::{PcfStore, PcfStoreError, Taken, deliveries, from_json, to_json};
use crate::database::args;
use crate::ids::{Bpnl, RecordId, TenantId};
use crate::pcf::exchange::{Delivery, Errand, ExchangeId, Requested};

impl PcfStore {
    /// Takes in a request that a partner made by an event and puts its answer into the queue, or finds it there.
    ///
    /// # Errors
    /// The database; nothing is taken in then.
    pub async fn take_event(
        &self,
        (tenant, partner, exchange): (TenantId, Bpnl, ExchangeId),
        requested: Requested,
        record: RecordId,
        now: Timestamp,
    ) -> Result<Taken, PcfStoreError> {
        let ends = (tenant, partner, exchange);
        let asked = to_json(&requested);
        let mut transaction = self.tables.begin().await?;
        if !put(&mut transaction, ends, &asked, record, now).await? {
            let sql = "SELECT asked FROM incoming WHERE tenant = $1 AND partner = $2 AND exchange = $3";
            let exchange = exchange.to_string();
            let args = args![tenant.as_str(), partner.as_str(), &exchange];
            let before: Option<(String,)> = transaction.find(sql, args).await?;
            let (before,) = before.ok_or(sqlx::Error::RowNotFound)?;
            let before: Requested = from_json("request", &before)?;
            if (&before.event, &before.filter) != (&requested.event, &requested.filter) {
                return Ok(Taken::Conflict);
            }
            if !put_again(&mut transaction, ends, &asked, record, now).await? {
                return Ok(Taken::Known);
            }
        }
        let errand = Errand::Fulfil(Box::new(requested));
        deliveries::put(&mut transaction, tenant, partner, exchange, &errand, now).await?;
        transaction.commit().await?;
        self.wake();
        Ok(Taken::Queued)
    }

    /// Notes what an attempt hands out, so that the next one does not count it once more.
    ///
    /// # Errors
    /// The database; it must not be handed out then.
    pub async fn hands_out(&self, delivery: &Delivery, requested: Requested) -> Result<(), PcfStoreError> {
        let sql = "UPDATE delivery SET errand = $1, used = $2 WHERE number = $3";
        let errand = to_json(&Errand::Fulfil(Box::new(requested)));
        self.tables.run(sql, args![&errand, true, delivery.number]).await?;
        Ok(())
    }
}
