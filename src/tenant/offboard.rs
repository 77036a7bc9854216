//! A company leaves the platform.

use super::{Office, PassageError, Watch};
use crate::agreements::Cause;
use crate::ids::TenantId;
use crate::ledger::record::Passage;
use crate::question::Action;
use crate::registry::{AgreementState, Identity, Tenant, TenantState};

/// Why the agreements of a company that leaves are retired.
const LEFT: &str = "the provider has left the platform";

impl Office<'_> {
    /// Stops a company, for a while or before it leaves: from the next request on, policies refuse everything.
    ///
    /// # Errors
    /// See [`PassageError`]; it is as it was then.
    pub async fn suspend(&self, id: TenantId) -> Result<(), PassageError> {
        self.turn(id, Action::SuspendTenant, TenantState::Suspended).await
    }

    /// Ends a suspension.
    ///
    /// # Errors
    /// See [`PassageError`]; it stays suspended then.
    pub async fn resume(&self, id: TenantId) -> Result<(), PassageError> {
        self.turn(id, Action::ResumeTenant, TenantState::Active).await
    }

    /// Puts a company into a state, where policy permits what leads there.
    async fn turn(&self, id: TenantId, action: Action, state: TenantState) -> Result<(), PassageError> {
        let tenant = self.on_record(id)?;
        self.permitted(action, &tenant).await?;
        Ok(self.registry.put_tenant(Tenant { state, ..tenant }).await?)
    }

    /// Takes a company off the platform, or goes on where an earlier run stopped.
    ///
    /// # Errors
    /// See [`PassageError`]. What was revoked stays revoked.
    pub async fn offboard(&self, id: TenantId, watch: Watch<'_>) -> Result<(), PassageError> {
        let state = self.on_record(id)?.state;
        match state {
            TenantState::Active => self.suspend(id).await?,
            TenantState::Suspended | TenantState::Onboarding => {}
            TenantState::Offboarded => {
                return Err(PassageError::State {
                    tenant: id,
                    state,
                    why: "there is nothing left to take away",
                });
            }
        }
        let tenant = self.on_record(id)?;
        let decision = self.permitted(Action::OffboardTenant, &tenant).await?;
        let run = self.run(id, Passage::Offboarding, decision);
        let now = self.clock.now();

        let tokens = async {
            let identity = Identity {
                not_before: Some(now),
                connectors: Default::default(),
                integrations: Default::default(),
                ..tenant.identity.clone()
            };
            let stored = self
                .registry
                .put_tenant(Tenant {
                    identity,
                    ..tenant.clone()
                })
                .await;
            stored.map_err(|error| error.to_string())?;
            Ok(vec![format!(
                "no token issued before {now} is taken any more, and no machine's at all"
            )])
        };
        self.step(&run, "tokens", watch, tokens).await?;
        #[cfg(feature = "provision")]
        if let Some(aws) = self.aws {
            let wanted = self.wanted(id)?;
            let revoked = async { aws.revoke(&wanted, now).await };
            self.step(&run, "sessions", watch, revoked).await?;
        }
        self.step(&run, "agreements", watch, self.retire_all(id)).await?;
        #[cfg(feature = "provision")]
        if let Some(aws) = self.aws {
            let wanted = self.wanted(id)?;
            aws.offboard(self, &run, &wanted, watch).await?;
        }
        let gone = async {
            let tenant = self.on_record(id).map_err(|error| error.to_string())?;
            let gone = Tenant {
                state: TenantState::Offboarded,
                connector: None,
                secrets: Default::default(),
                ..tenant
            };
            let stored = self.registry.put_tenant(gone).await;
            stored.map_err(|error| error.to_string())?;
            let kept = "its ledger, its record, its agreements and its footprints stay, out of everyone's reach";
            Ok(vec!["the tenant is off the platform".to_owned(), kept.to_owned()])
        };
        self.step(&run, "record", watch, gone).await
    }

    async fn retire_all(&self, id: TenantId) -> Result<Vec<String>, String> {
        let registry = self.registry.current();
        let agreements = registry
            .tenant(id)
            .into_iter()
            .flat_map(|world| world.agreements.values());
        let live: Vec<_> = agreements
            .filter(|agreement| agreement.state == AgreementState::Active)
            .collect();
        let cause = Cause::operator();
        for agreement in &live {
            let retired = self
                .agreements
                .retire(id, &agreement.id, LEFT, &cause, self.clock.now());
            retired.await.map_err(|error| error.to_string())?;
        }
        Ok(match live.len() {
            0 => Vec::new(),
            1 => vec!["one agreement is retired".to_owned()],
            many => vec![format!("{many} agreements are retired")],
        })
    }

    fn on_record(&self, id: TenantId) -> Result<Tenant, PassageError> {
        let registry = self.registry.current();
        let world = registry.tenant(id).ok_or(PassageError::Unknown(id))?;
        Ok(world.tenant.clone())
    }
}
