//! What was agreed with partners' connectors on the way to them, so that a restart need not agree on it anew.

use jiff::Timestamp;

use super::{PcfStore, PcfStoreError, instant, parsed};
use crate::ids::{AgreementId, AssetId, Bpnl, FlowId, TenantId};

/// From whom to whom a way leads, and at whom to which asset, where it matters.
pub type Ends<'a> = (TenantId, Bpnl, Option<&'a AssetId>);

/// A way to a partner that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paved {
    /// The agreement on the partner's offer, with the tenant as its consumer.
    pub agreement: AgreementId,
    /// The transfer under it, where one was started.
    pub flow: Option<FlowId>,
    /// Until when that transfer's token is good.
    pub until: Timestamp,
}

impl PcfStore {
    /// The way between `ends` that was found last.
    ///
    /// # Errors
    /// The database, or a row that does not read.
    pub async fn paved(&self, (tenant, partner, asset): Ends<'_>) -> Result<Option<Paved>, PcfStoreError> {
        let found: Option<(String, Option<String>, i64)> =
            sqlx::query_as("SELECT agreement, flow, until FROM road WHERE tenant = ? AND partner = ? AND asset = ?")
                .bind(tenant.as_str())
                .bind(partner.as_str())
                .bind(name(asset))
                .fetch_optional(&self.pool)
                .await?;
        let Some((agreement, flow, until)) = found else {
            return Ok(None);
        };
        Ok(Some(Paved {
            agreement: parsed("way", &agreement)?,
            flow: flow.map(|flow| parsed("way", &flow)).transpose()?,
            until: instant("way", until)?,
        }))
    }

    /// Notes the way between `ends`, in place of the one before.
    ///
    /// # Errors
    /// The database.
    pub async fn pave(&self, (tenant, partner, asset): Ends<'_>, paved: &Paved) -> Result<(), PcfStoreError> {
        sqlx::query(
            "INSERT OR REPLACE INTO road (tenant, partner, asset, agreement, flow, until) VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(tenant.as_str())
        .bind(partner.as_str())
        .bind(name(asset))
        .bind(paved.agreement.as_str())
        .bind(paved.flow.as_ref().map(FlowId::as_str))
        .bind(paved.until.as_millisecond())
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Forgets the transfer of the way between `ends`, but not the agreement.
    ///
    /// # Errors
    /// The database.
    pub async fn lose(&self, (tenant, partner, asset): Ends<'_>) -> Result<(), PcfStoreError> {
        sqlx::query("UPDATE road SET flow = NULL WHERE tenant = ? AND partner = ? AND asset = ?")
            .bind(tenant.as_str())
            .bind(partner.as_str())
            .bind(name(asset))
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}

/// The asset, or nothing where it does not matter which: no asset's id is empty.
fn name(asset: Option<&AssetId>) -> &str {
    asset.map(AssetId::as_str).unwrap_or_default()
}
