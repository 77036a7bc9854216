//! Agreements that the connector has and Tidegate does not have on record yet.

use std::sync::Arc;

use jiff::Timestamp;

use crate::dataspace::management::Finalized;
use crate::http::App;
use crate::ids::AgreementId;
use crate::registry::{Agreement, AgreementState, Signed, TenantWorld, TermsPool};

impl App {
    /// The agreement of that id: on record, or asked of the tenant's connector and brought on record. Where there is none, why,
    /// as far as that can be said.
    pub(super) async fn on_record(
        &self,
        world: &TenantWorld,
        id: &AgreementId,
        now: Timestamp,
    ) -> (Option<Arc<Agreement>>, Option<String>) {
        if let Some(known) = world.agreements.get(id) {
            return (Some(Arc::clone(known)), None);
        }
        let Some(management) = self.management(world).await else {
            return (None, None);
        };
        match management.agreement(id).await {
            Ok(Some(found)) => match self.bring(world, &found, now).await {
                Ok(agreement) => (Some(agreement), None),
                Err(why) => (None, Some(why)),
            },
            Ok(None) => (None, None),
            Err(error) => {
                tracing::warn!(tenant = %world.tenant.id, agreement = %id, error = %error, "the connector was asked for an agreement in vain");
                (
                    None,
                    Some("the agreement is not on record, and the connector could not be asked for it".into()),
                )
            }
        }
    }

    /// Brings an agreement of the tenant's connector on record.
    ///
    /// # Errors
    /// Why it cannot be: in words for the tenant and the partner.
    pub(super) async fn bring(
        &self,
        world: &TenantWorld,
        found: &Finalized,
        now: Timestamp,
    ) -> Result<Arc<Agreement>, String> {
        let tenant = &world.tenant;
        let own = [
            Some(tenant.id.as_str()),
            tenant
                .connector
                .as_ref()
                .map(|connector| connector.participant.as_str()),
        ];
        if !own.contains(&Some(found.provider.as_str())) {
            return Err("the agreement is not one in which this company provides".into());
        }
        let consumer = found
            .consumer
            .parse()
            .map_err(|error| format!("the agreement's consumer: {error}"))?;
        let contract = TermsPool::default()
            .compile(&found.odrl)
            .map_err(|error| format!("the agreement's terms cannot be decided on: {error}"))?;
        let signed = world.assets.get(&found.asset).map(|asset| Signed {
            api: asset.api.clone(),
            asset: asset.version.clone(),
            models: world.models(&found.asset),
        });
        let agreement = Agreement {
            id: found.id.clone(),
            provider: tenant.id,
            consumer,
            asset: found.asset.clone(),
            state: AgreementState::Active,
            // To the second, and perhaps by a clock that is ahead of ours.
            signed_at: found.signed_at.min(now),
            signed,
            claims: None,
            odrl: contract.odrl,
            terms: contract.terms,
        };
        let kept = self.registry.put_agreement(agreement).await;
        kept.map_err(|error| {
            tracing::error!(tenant = %tenant.id, error = %error, "an agreement could not be brought on record");
            "the agreement could not be brought on record".to_owned()
        })
    }
}
