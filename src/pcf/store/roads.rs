//! What was agreed with partners' connectors on the way to them, so that a restart need not agree on it anew.

use jiff::Timestamp;

use super::{PcfStore, PcfStoreError, instant, parsed};
use crate::database::args;
use crate::ids::{AgreementId, AssetId, Bpnl, FlowId, TenantId};

/// From whom to whom a way leads, and at whom to which asset, where it matters.
pub type Ends<'a> = (TenantId, Bpnl, Option<&'a AssetId>);

/// A way to a partner that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paved {
    /// The agreement on the partner's offer, with the tenant as its consumer.
    pub agreement: AgreementId,
    /// When it was concluded.
    pub agreed: Timestamp,
    /// The version of the API that was offered, where the offer says so.
    pub version: Option<String>,
    /// The transfer under it, where one was started.
    pub flow: Option<FlowId>,
    /// Until when that transfer's token is good.
    pub until: Timestamp,
}

/// A way whose token has run out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worn {
    /// From whom.
    pub tenant: TenantId,
    /// To whom.
    pub partner: Bpnl,
    /// To which asset, where it matters.
    pub asset: Option<AssetId>,
}

/// The columns of a way beside its ends.
type Columns = (String, Option<i64>, Option<String>, Option<String>, i64);

impl PcfStore {
    /// The way between `ends` that was found last.
    ///
    /// # Errors
    /// The database, or a row that does not read.
    pub async fn paved(&self, (tenant, partner, asset): Ends<'_>) -> Result<Option<Paved>, PcfStoreError> {
        let sql = "SELECT agreement, agreed, version, flow, until FROM road WHERE tenant = $1 AND partner = $2 AND asset = $3";
        let args = args![tenant.as_str(), partner.as_str(), name(asset)];
        let found: Option<Columns> = self.tables.find(sql, args).await?;
        let Some((agreement, agreed, version, flow, until)) = found else {
            return Ok(None);
        };
        Ok(Some(Paved {
            agreement: parsed("way", &agreement)?,
            agreed: instant("way", agreed.unwrap_or_default())?,
            version,
            flow: flow.map(|flow| parsed("way", &flow)).transpose()?,
            until: instant("way", until)?,
        }))
    }

    /// The ways with a transfer whose token was good until `before` at most, a hundred of them.
    ///
    /// # Errors
    /// The database, or a row that does not read.
    pub async fn worn(&self, before: Timestamp) -> Result<Vec<Worn>, PcfStoreError> {
        let sql =
            "SELECT tenant, partner, asset FROM road WHERE flow IS NOT NULL AND until <= $1 ORDER BY until LIMIT 100";
        let args = args![before.as_millisecond()];
        let found: Vec<(String, String, String)> = self.tables.fetch(sql, args).await?;
        let worn = found.into_iter().map(|(tenant, partner, asset)| {
            let asset = (!asset.is_empty()).then_some(asset);
            Ok(Worn {
                tenant: parsed("way", &tenant)?,
                partner: parsed("way", &partner)?,
                asset: asset.map(|asset| parsed("way", &asset)).transpose()?,
            })
        });
        worn.collect()
    }

    /// Notes the way between `ends`, in place of the one before.
    ///
    /// # Errors
    /// The database.
    pub async fn pave(&self, (tenant, partner, asset): Ends<'_>, paved: &Paved) -> Result<(), PcfStoreError> {
        let sql = "INSERT INTO road (tenant, partner, asset, agreement, agreed, version, flow, until)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
                   ON CONFLICT (tenant, partner, asset) DO UPDATE SET agreement = excluded.agreement, agreed = excluded.agreed,
                     version = excluded.version, flow = excluded.flow, until = excluded.until";
        let args = args![
            tenant.as_str(),
            partner.as_str(),
            name(asset),
            paved.agreement.as_str(),
            paved.agreed.as_millisecond(),
            paved.version.as_deref(),
            paved.flow.as_ref().map(FlowId::as_str),
            paved.until.as_millisecond(),
        ];
        self.tables.run(sql, args).await?;
        Ok(())
    }

    /// Forgets the transfer of the way between `ends`, but not the agreement.
    ///
    /// # Errors
    /// The database.
    pub async fn lose(&self, (tenant, partner, asset): Ends<'_>) -> Result<(), PcfStoreError> {
        let sql = "UPDATE road SET flow = NULL WHERE tenant = $1 AND partner = $2 AND asset = $3";
        let args = args![tenant.as_str(), partner.as_str(), name(asset)];
        self.tables.run(sql, args).await?;
        Ok(())
    }
}

/// The asset, or nothing where it does not matter which: no asset's id is empty.
fn name(asset: Option<&AssetId>) -> &str {
    asset.map(AssetId::as_str).unwrap_or_default()
}
