//! A company comes onto the platform.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::wanted::{Wanted, resource_server};
use super::{Difference, Office, PassageError, Watch};
use crate::ids::{GroupNames, TenantId};
use crate::ledger::record::Passage;
use crate::question::Action;
use crate::registry::{ConnectorSettings, Identity, Tenant, TenantState};

/// A company that is to come.
#[derive(Clone, Debug)]
pub struct Newcomer {
    /// Its BPNL.
    pub tenant: TenantId,
    /// Its name, for people.
    pub name: String,
    /// Whose tokens its endpoints take, where that is not the platform's own user pool.
    pub identity: Option<Identity>,
    /// Its connector, where Tidegate is to publish its offers there.
    pub connector: Option<ConnectorSettings>,
}

/// What came of onboarding a company.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Onboarded {
    /// It is active now.
    Active,
    /// It was active before; this is what is not as it should be.
    Already(Vec<Difference>),
}

impl Office<'_> {
    /// Brings a company onto the platform, or goes on where an earlier run stopped.
    ///
    /// # Errors
    /// See [`PassageError`]. What was made stays for the next run, and nothing answers for the tenant until that is done.
    pub async fn onboard(&self, newcomer: &Newcomer, watch: Watch<'_>) -> Result<Onboarded, PassageError> {
        let id = newcomer.tenant;
        let known = self.registry.current().tenant(id).map(|world| world.tenant.clone());
        match known.as_ref().map(|tenant| tenant.state) {
            None | Some(TenantState::Onboarding | TenantState::Offboarded) => {}
            Some(TenantState::Active) => return Ok(Onboarded::Already(self.differences(id).await?)),
            Some(state @ TenantState::Suspended) => {
                let why = "it is on the platform; have its suspension ended, or offboard it";
                return Err(PassageError::State { tenant: id, state, why });
            }
        }
        let tenant = self.record_of(newcomer, known)?;
        let decision = self.permitted(Action::OnboardTenant, &tenant).await?;
        let run = self.run(id, Passage::Onboarding, decision);

        let record = async {
            let stored = self.registry.put_tenant(tenant.clone()).await;
            stored.map_err(|error| error.to_string())?;
            Ok(vec!["the tenant is on record as `onboarding`".to_owned()])
        };
        self.step(&run, "record", watch, record).await?;
        #[cfg(feature = "provision")]
        let tenant = match self.aws {
            Some(aws) => {
                let wanted = self.wanted(id)?;
                aws.onboard(self, &run, &wanted, tenant, watch).await?
            }
            None => tenant,
        };
        let activate = async {
            if tenant.identity.connectors.is_empty() {
                return Err("no client of its connector is on record, so nobody could speak for it".to_owned());
            }
            let active = Tenant {
                state: TenantState::Active,
                ..tenant
            };
            let stored = self.registry.put_tenant(active).await;
            stored.map_err(|error| error.to_string())?;
            Ok(vec![format!(
                "the tenant is active; its endpoint is {}",
                resource_server(self.base_url, id)
            )])
        };
        self.step(&run, "activate", watch, activate).await?;
        Ok(Onboarded::Active)
    }

    /// The record a company begins with. Of one that was here before, what was refused then is refused still.
    fn record_of(&self, newcomer: &Newcomer, known: Option<Tenant>) -> Result<Tenant, PassageError> {
        let not_before = known.as_ref().and_then(|tenant| tenant.identity.not_before);
        let identity = match &newcomer.identity {
            Some(identity) => Identity {
                not_before,
                ..identity.clone()
            },
            None => self.own_identity(newcomer.tenant, not_before)?,
        };
        Ok(Tenant {
            id: newcomer.tenant,
            name: newcomer.name.clone(),
            state: TenantState::Onboarding,
            identity,
            disabled_users: Default::default(),
            connector: newcomer.connector.clone(),
            ledger: known.map(|tenant| tenant.ledger).unwrap_or_default(),
            secrets: BTreeMap::new(),
        })
    }

    /// That of a tenant whose people and machines are in the platform's own user pool; without clients yet.
    fn own_identity(&self, tenant: TenantId, not_before: Option<jiff::Timestamp>) -> Result<Identity, PassageError> {
        #[cfg(feature = "provision")]
        if let Some(aws) = self.aws {
            let issuer = aws.issuer();
            return Ok(Identity {
                jwks: format!("{issuer}/.well-known/jwks.json"),
                issuer,
                resource_server: resource_server(self.base_url, tenant),
                connectors: Default::default(),
                integrations: Default::default(),
                user_clients: [aws.setting().people_client.clone()].into(),
                groups: GroupNames::Prefixed,
                not_before,
            });
        }
        let _ = (tenant, not_before);
        Err(PassageError::Step {
            step: "record",
            why: "the platform is not in AWS (there is no [aws] in the configuration), so it must be said whose tokens the tenant's \
                  endpoints take: give --identity FILE"
                .to_owned(),
        })
    }

    /// What should stand for a tenant in AWS.
    ///
    /// # Errors
    /// The bundle does not say it.
    pub fn wanted(&self, tenant: TenantId) -> Result<Wanted, PassageError> {
        let bundle = Arc::clone(&self.gate.live().current());
        let registry = self.registry.current();
        let left = registry
            .tenant(tenant)
            .and_then(|world| world.tenant.identity.not_before);
        Wanted::of(&bundle, (tenant, left), self.base_url, self.clock.now()).map_err(|error| PassageError::Step {
            step: "plan",
            why: error.to_string(),
        })
    }

    /// Compares what stands for a tenant with what should.
    ///
    /// # Errors
    /// The tenant is not on record, or AWS cannot be asked.
    pub async fn differences(&self, tenant: TenantId) -> Result<Vec<Difference>, PassageError> {
        let registry = self.registry.current();
        let world = registry.tenant(tenant).ok_or(PassageError::Unknown(tenant))?;
        #[cfg(feature = "provision")]
        if let Some(aws) = self.aws {
            let wanted = self.wanted(tenant)?;
            let told = aws.differences(&wanted, &world.tenant).await;
            return told.map_err(|why| PassageError::Step { step: "look", why });
        }
        let _ = world;
        Ok(Vec::new())
    }
}
