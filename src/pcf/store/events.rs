//! Requests that partners make by events.

use jiff::Timestamp;

use super::{PcfStore, PcfStoreError, Taken, to_json};
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
        ends: (TenantId, Bpnl, ExchangeId),
        requested: Requested,
        record: RecordId,
        now: Timestamp,
    ) -> Result<Taken, PcfStoreError> {
        let is_same = |before: &Requested| before.event == requested.event && before.filter == requested.filter;
        let errand = Errand::Fulfil(Box::new(requested.clone()));
        self.take_in(ends, (&requested, is_same), &errand, record, now).await
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
