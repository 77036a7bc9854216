//! Agreements that the connector has and Tidegate does not have on record yet.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::agreements::{AgreementError, Cause};
use crate::dataspace::management::{Finalized, Management, ManagementError};
use crate::http::App;
use crate::ids::AgreementId;
use crate::question::{EntityKind, EntityRef};
use crate::registry::store::RegistryError;
use crate::registry::{Agreement, AgreementState, NewAgreement, TenantWorld};

impl App {
    /// The agreement of that id: on record, or asked of the tenant's connector and brought on record. Where there is none, why,
    /// as far as that can be said. `claims` are those of the message that names it; they go on record with it where the connector
    /// tells none of the day of signing.
    pub(in crate::http) async fn on_record(
        &self,
        world: &TenantWorld,
        id: &AgreementId,
        claims: Option<&Map<String, Value>>,
        now: Timestamp,
    ) -> (Option<Arc<Agreement>>, Option<String>) {
        if let Some(known) = world.agreements.get(id) {
            return (Some(Arc::clone(known)), None);
        }
        let Some(management) = self.management(world).await else {
            return (None, None);
        };
        // Within the time a control plane waits for its answer, so that it gets the reason and not a time-out.
        match finalized(&management.within(PATIENCE), id).await {
            Ok(Asked::Open) => (None, Some("the negotiation of the agreement is not finalized".into())),
            Ok(Asked::Retired) => (None, Some("the agreement was retired at the connector".into())),
            Ok(Asked::Final(mut found)) => {
                let said = claims.filter(|claims| !claims.is_empty());
                let said = said.and_then(|claims| serde_json::to_string(claims).ok());
                found.claims = found.claims.or(said.map(Into::into));
                match self.bring(world, &found, now).await {
                    Ok(agreement) => (Some(agreement), None),
                    Err(why) => (None, Some(why)),
                }
            }
            Ok(Asked::Unknown) => (None, None),
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
        if !tenant.is_named(&found.provider) {
            return Err("the agreement is not one in which this company provides".into());
        }
        let consumer = self.registry.current().company(&found.consumer).ok_or_else(|| {
            "the agreement's consumer is neither a BPNL nor the DID that is on record of one partner".to_owned()
        })?;
        let new = NewAgreement {
            id: found.id.clone(),
            provider: tenant.id,
            consumer,
            asset: found.asset.clone(),
            state: AgreementState::Active,
            // To the second, and perhaps by a clock that is ahead of ours.
            signed_at: found.signed_at.min(now),
            // What was in force at signing is what is in force now only if that was just now.
            signed: world
                .signed(&found.asset)
                .filter(|_| now.duration_since(found.signed_at) <= JUST_NOW),
            claims: found.claims.clone(),
            odrl: Arc::clone(&found.odrl),
        };
        let put = self.agreements.put(new, &told_by_connector(world), now).await;
        put.map_err(|error| not_put(&error))?;
        let registry = self.registry.current();
        let kept = registry
            .tenant(tenant.id)
            .and_then(|world| world.agreements.get(&found.id));
        kept.cloned().ok_or_else(|| NOT_PUT.to_owned())
    }
}

/// How long the connector may take to tell of an agreement that a flow is to begin under.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long ago an agreement may have been signed for the versions of today to be those of its signing. Connectors are asked every few
/// seconds; an hour without one is an outage.
const JUST_NOW: SignedDuration = SignedDuration::from_hours(1);

/// What the connector has of an agreement.
enum Asked {
    /// Nothing.
    Unknown,
    /// It is not agreed to the end.
    Open,
    /// Its operator has retired it.
    Retired,
    /// It is in force.
    Final(Box<Finalized>),
}

/// Asks the connector for an agreement, and whether it is in force: a connector has one on record before it is verified.
async fn finalized(management: &Management, id: &AgreementId) -> Result<Asked, ManagementError> {
    let Some(found) = management.agreement(id).await? else {
        return Ok(Asked::Unknown);
    };
    if !management.is_finalized(id).await? {
        return Ok(Asked::Open);
    }
    let retired = management.retirements().await?;
    if retired.entries.iter().any(|retirement| retirement.agreement == *id) {
        return Ok(Asked::Retired);
    }
    Ok(Asked::Final(Box::new(found)))
}

/// What is told of an agreement that could not be put on record for a reason that is no one's outside.
const NOT_PUT: &str = "the agreement could not be brought on record";

/// Why an agreement is not on record, in words for the tenant and the partner.
fn not_put(error: &AgreementError) -> String {
    match error {
        AgreementError::Registry(RegistryError::Terms { source, .. }) => {
            format!("the agreement's terms cannot be decided on: {source}")
        }
        AgreementError::Registry(RegistryError::Conflict { what, .. }) => {
            format!("another agreement is on record under this id, with another {what}")
        }
        error => {
            tracing::error!(%error, "an agreement could not be brought on record");
            NOT_PUT.to_owned()
        }
    }
}

/// The tenant's own connector says so.
pub(super) fn told_by_connector(world: &TenantWorld) -> Cause {
    let client = world.tenant.identity.connectors.first();
    let client = client.map_or("connector", |client| client.as_str());
    let id = format!("{}/{client}", world.tenant.id);
    Cause::told(&EntityRef::new(EntityKind::Connector, id))
}
