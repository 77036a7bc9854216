//! Agreements of a tenant's connector, followed: what comes about there comes on record here, and what ends on one side ends on the
//! other.
//!
//! What was agreed since the last time is asked for, and a little before that, for agreements are on record at the connector before
//! they are final. One that is not final then, or cannot be brought on record, waits for itself
//! ([`Waiting`](crate::dataspace::Waiting)): those after it do not.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};

use super::record::told_by_connector;
use crate::dataspace::management::{Finalized, Management, ManagementError, Retirements};
use crate::dataspace::{ConnectorState, Postponed};
use crate::http::App;
use crate::ids::{AgreementId, TenantId};
use crate::registry::{AgreementState, TenantWorld};

/// How far back agreements are asked for again: they are on record at the connector before they are final.
const OVERLAP: SignedDuration = SignedDuration::from_mins(10);

/// What a connector is told of an agreement that ended here.
const RETIRED: &str = "the provider retired the agreement";

impl App {
    /// Brings on record what was agreed since the last time, and what has waited long enough.
    ///
    /// # Errors
    /// The connector does not answer, or more agreements than can wait are not to be brought on record. What is on record by then stays.
    pub(super) async fn agreed(
        &self,
        world: &TenantWorld,
        management: &Management,
        state: &mut ConnectorState,
        now: Timestamp,
    ) -> Result<(), ManagementError> {
        let since = state.followed.unwrap_or(Timestamp::UNIX_EPOCH);
        let mut overfull = false;
        for found in management.agreements_since(since).await? {
            let known = world.agreements.get(&found.id).is_some() || state.waiting.has(&found.id);
            if !known && world.tenant.is_named(&found.provider) {
                overfull |= self.look_at(world, management, &found, state, now).await? == Some(Postponed::Full);
            }
        }
        if !overfull {
            state.followed = Some((now - OVERLAP).max(since));
        }
        for id in state.waiting.due(now) {
            // It may have been brought on record by a message that named it.
            if world.agreements.get(&id).is_some() {
                state.waiting.done(&id);
                continue;
            }
            match management.agreement(&id).await {
                Ok(Some(found)) => drop(self.look_at(world, management, &found, state, now).await?),
                Ok(None) => state.waiting.done(&id),
                Err(error) if error.is_silence() => return Err(error),
                Err(error) => drop(postpone(world.tenant.id, &id, &error.to_string(), state, now)),
            }
        }
        match overfull {
            true => Err(ManagementError::unreadable(
                "contractagreements",
                "more agreements than can wait are not final there or cannot be brought on record; the log names them",
            )),
            false => Ok(()),
        }
    }

    /// Brings an agreement on record if it is final, or has it wait; nothing where it came on record.
    async fn look_at(
        &self,
        world: &TenantWorld,
        management: &Management,
        found: &Finalized,
        state: &mut ConnectorState,
        now: Timestamp,
    ) -> Result<Option<Postponed>, ManagementError> {
        let tenant = world.tenant.id;
        let why = match management.is_finalized(&found.id).await {
            Ok(true) => match self.bring(world, found, now).await {
                Ok(_) => {
                    tracing::info!(%tenant, agreement = %found.id, "an agreement of the connector is on record");
                    state.waiting.done(&found.id);
                    return Ok(None);
                }
                Err(why) => why,
            },
            Ok(false) => "its negotiation has not come to its end".to_owned(),
            Err(error) if error.is_silence() => return Err(error),
            Err(error) => error.to_string(),
        };
        Ok(Some(postpone(tenant, &found.id, &why, state, now)))
    }

    /// Retires here what the connector's operator retired.
    pub(super) async fn retire_here(&self, tenant: TenantId, retired: &Retirements, now: Timestamp) {
        let registry = self.registry.current();
        let Some(world) = registry.tenant(tenant) else { return };
        for retirement in &retired.entries {
            let on_record = world.agreements.get(&retirement.agreement);
            if on_record.is_none_or(|agreement| agreement.state != AgreementState::Active) {
                continue;
            }
            let (id, reason) = (&retirement.agreement, retirement.reason.as_str());
            match self
                .agreements
                .retire(tenant, id, reason, &told_by_connector(world), now)
                .await
            {
                Ok(_) => tracing::info!(%tenant, agreement = %id, reason, "an agreement was retired at the connector"),
                Err(error) => tracing::error!(%tenant, %error, "a retirement could not be put on record"),
            }
        }
    }

    /// Retires at the connector what was retired here, where it knows retirement (Tractus-X does): otherwise it would go on starting
    /// transfers under it.
    pub(super) async fn retire_there(
        &self,
        world: &TenantWorld,
        management: &Management,
        retired: &Retirements,
        state: &mut ConnectorState,
    ) -> Result<(), ManagementError> {
        if !retired.known {
            return Ok(());
        }
        let tenant = world.tenant.id;
        let there: HashSet<_> = retired.entries.iter().map(|entry| &entry.agreement).collect();
        let ended = world
            .agreements
            .values()
            .filter(|agreement| agreement.state == AgreementState::Retired);
        for agreement in ended {
            if there.contains(&agreement.id) || state.told.contains(&agreement.id) {
                continue;
            }
            match management.retire(&agreement.id, RETIRED).await {
                Ok(_) => {
                    tracing::info!(%tenant, agreement = %agreement.id, "an agreement that ended here is retired at the connector")
                }
                Err(error) if error.is_silence() => return Err(error),
                Err(error) => {
                    tracing::error!(%tenant, agreement = %agreement.id, %error, "an agreement that ended here could not be retired at the connector; retire it there");
                }
            }
            state.told.insert(agreement.id.clone());
        }
        Ok(())
    }
}

/// Has an agreement wait that cannot be brought on record yet, and tells of it as it begins to wait and as it is given up.
fn postpone(tenant: TenantId, id: &AgreementId, why: &str, state: &mut ConnectorState, now: Timestamp) -> Postponed {
    let postponed = state.waiting.postpone(id, now);
    match postponed {
        Postponed::First | Postponed::Full => {
            tracing::warn!(%tenant, agreement = %id, why, "an agreement of the connector cannot be brought on record yet");
        }
        Postponed::GivenUp => {
            tracing::error!(%tenant, agreement = %id, why, "an agreement of the connector could not be brought on record within a day; it is, once a transfer names it");
        }
        Postponed::Again => {}
    }
    postponed
}
