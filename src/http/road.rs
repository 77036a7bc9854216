//! The way to a partner through the tenant's own connector, with the roles reversed.
//!
//! ```text
//! catalog of the partner -> an offer of the PCF exchange whose terms are understood -> negotiation -> transfer -> address and token
//! ```
//!
//! What was agreed is kept ([`PcfStore::pave`](crate::pcf::PcfStore::pave)): the next delivery enters with the same token while that is
//! good, then starts a new transfer under the same agreement, and only where that fails negotiates again.
//!
//! To accept an offer is to be bound by it. So only an offer is accepted whose terms compile, that is, in which every word is
//! one the Catena-X profile gives a meaning; the tenant's people find the agreement at their connector.
//!
//! # Worked example
//!
//! Elbe is to answer Weser. Weser's connector offers `pcf-exchange` for `cx.pcf.base:1` to members under the framework agreement; that
//! compiles, Elbe's connector accepts it, and a transfer gives `https://…/api/public` with a token good for five minutes. The next
//! footprint for Weser, two minutes later, goes there at once. Had the offer asked for `"leftOperand": "Dividend"`, Elbe would have
//! accepted nothing, and the delivery would say why.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::App;
use crate::contract::Terms;
use crate::dataspace::management::{CounterParty, Dataset, Management, ManagementError, Offered};
use crate::ids::{AgreementId, AssetId, FlowId, TenantId};
use crate::pcf::{Boxed, Endpoint, Ends, Goal, Paved, Road, RoadError};
use crate::registry::TenantWorld;

/// How long a negotiation may take, and the start of a transfer.
const NEGOTIATION: Duration = Duration::from_secs(60);
const TRANSFER: Duration = Duration::from_secs(30);

/// How long after its start a transfer's address may take to arrive, and how often it is looked for.
const ARRIVAL: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);

/// How long a token is taken to be good where nobody says so, and how long before its end it is no longer used.
const GOOD: i64 = 300;
const MARGIN: i64 = 30;

/// The most offers that are tried, one after the other.
const OFFERS: usize = 3;

impl Road for App {
    fn find<'a>(&'a self, world: &'a TenantWorld, goal: Goal<'a>) -> Boxed<'a, Result<Endpoint, RoadError>> {
        Box::pin(self.way(world, goal))
    }

    fn lost<'a>(&'a self, world: &'a TenantWorld, goal: Goal<'a>) -> Boxed<'a, ()> {
        Box::pin(async move {
            let ends = (world.tenant.id, goal.partner.bpnl, goal.asset);
            if let Err(error) = self.pcf.lose(ends).await {
                tracing::error!(tenant = %ends.0, partner = %ends.1, error = %error, "a way that is lost could not be noted as such");
            }
        })
    }
}

/// What a way is found between.
struct Sides<'a> {
    ends: Ends<'a>,
    management: Management,
    party: CounterParty,
}

impl Sides<'_> {
    /// Starts a transfer under the agreement.
    async fn transfer(&self, agreement: &AgreementId) -> Result<FlowId, ManagementError> {
        self.management.transfer(&self.party, agreement, TRANSFER).await
    }
}

fn no_way(problem: impl ToString) -> RoadError {
    RoadError(problem.to_string())
}

impl From<ManagementError> for RoadError {
    fn from(error: ManagementError) -> Self {
        no_way(error)
    }
}

impl App {
    async fn way(&self, world: &TenantWorld, goal: Goal<'_>) -> Result<Endpoint, RoadError> {
        let tenant = world.tenant.id;
        let ends = (tenant, goal.partner.bpnl, goal.asset);
        let kept = self.pcf.paved(ends).await.map_err(no_way)?;
        let now = self.clock.now();
        if let Some(Paved {
            flow: Some(flow),
            until,
            ..
        }) = &kept
            && now < *until
            && let Some((endpoint, _)) = self.handed(tenant, flow).await
        {
            return Ok(endpoint);
        }
        let sides = self.sides(world, goal).await?;
        if let Some(Paved { agreement, .. }) = &kept {
            match sides.transfer(agreement).await {
                Ok(flow) => return self.enter(&sides, agreement, flow).await,
                Err(error) => tracing::info!(
                    %tenant, partner = %goal.partner.bpnl, %agreement, error = %error,
                    "an agreement of before gives no transfer; a new one is negotiated"
                ),
            }
        }
        let agreement = agree(&sides).await?;
        let paved = Paved {
            agreement: agreement.clone(),
            flow: None,
            until: now,
        };
        // Noted before it is used: what was agreed must not be agreed on twice.
        self.pcf.pave(ends, &paved).await.map_err(no_way)?;
        let flow = sides.transfer(&agreement).await?;
        self.enter(&sides, &agreement, flow).await
    }

    /// The tenant's connector and the partner's.
    async fn sides<'a>(&self, world: &TenantWorld, goal: Goal<'a>) -> Result<Sides<'a>, RoadError> {
        let Goal { partner, asset } = goal;
        let no_own = || no_way("the company's own connector is not on record, or its key cannot be read");
        let no_other = || no_way("where the partner's connector is, is not on record");
        Ok(Sides {
            ends: (world.tenant.id, partner.bpnl, asset),
            management: self.management(world).await.ok_or_else(no_own)?,
            party: CounterParty {
                partner: partner.bpnl,
                participant: partner.bpnl.to_string(),
                dsp: partner.dsp.clone().ok_or_else(no_other)?,
            },
        })
    }

    /// What the partner hands out for a transfer that was started under the agreement.
    async fn enter(&self, sides: &Sides<'_>, agreement: &AgreementId, flow: FlowId) -> Result<Endpoint, RoadError> {
        let mut waited = Duration::ZERO;
        let (endpoint, good) = loop {
            match self.handed(sides.ends.0, &flow).await {
                Some(handed) => break handed,
                None if waited >= ARRIVAL => {
                    return Err(no_way("the transfer started, but its address did not arrive"));
                }
                None => {
                    tokio::time::sleep(LOOK).await;
                    waited += LOOK;
                }
            }
        };
        let paved = Paved {
            agreement: agreement.clone(),
            flow: Some(flow),
            until: until(self.clock.now(), good),
        };
        self.pcf.pave(sides.ends, &paved).await.map_err(no_way)?;
        Ok(endpoint)
    }

    /// What a partner handed out for a transfer, and for how many seconds it was good then.
    async fn handed(&self, tenant: TenantId, flow: &FlowId) -> Option<(Endpoint, i64)> {
        let received = self.received(tenant, flow).await?;
        let endpoint = Endpoint {
            url: received.endpoint,
            authorization: received.authorization,
        };
        Some((endpoint, received.expires_in.unwrap_or(GOOD)))
    }
}

/// Agrees to an offer of the partner's PCF exchange.
async fn agree(sides: &Sides<'_>) -> Result<AgreementId, RoadError> {
    let Sides { management, party, .. } = sides;
    let catalog = management.catalog(party).await?;
    let mut refused = no_way("the partner's connector offers no PCF exchange, or not that asset");
    for offer in offers(&catalog, sides.ends.2).into_iter().take(OFFERS) {
        if let Err(problem) = Terms::from_odrl(&offer.policy().to_string()) {
            refused = no_way(format!(
                "the partner's offer has terms that are not understood: {problem}"
            ));
            continue;
        }
        match management.negotiate(party, offer, NEGOTIATION).await {
            Ok(agreement) => return Ok(agreement),
            Err(error) => refused = error.into(),
        }
    }
    Err(refused)
}

/// Until when a token that is good for so many seconds is used.
fn until(now: Timestamp, good: i64) -> Timestamp {
    let used = SignedDuration::from_secs(good.saturating_sub(MARGIN).max(0));
    now.checked_add(used).unwrap_or(now)
}

/// The offers of a PCF exchange, or of that asset alone; those of the highest version first.
fn offers<'c>(catalog: &'c [Dataset], asset: Option<&AssetId>) -> Vec<&'c Offered> {
    let fits = |dataset: &&Dataset| dataset.pcf_exchange && asset.is_none_or(|asset| dataset.asset == *asset);
    let mut exchanges: Vec<&Dataset> = catalog.iter().filter(fits).collect();
    exchanges.sort_by_key(|dataset| std::cmp::Reverse((numbers(dataset.version.as_deref()), dataset.asset.clone())));
    exchanges.into_iter().flat_map(|dataset| &dataset.offers).collect()
}

fn numbers(version: Option<&str>) -> Vec<u32> {
    let parts = version.unwrap_or_default().split('.');
    parts.map_while(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_used_until_shortly_before_its_end() {
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(until(now, 300).as_second(), 270);
        assert_eq!(until(now, 10), now);
        assert_eq!(until(now, -5), now);
        assert_eq!(until(Timestamp::MAX, i64::MAX), Timestamp::MAX);
    }

    #[test]
    fn the_highest_version_comes_first() {
        let mut versions = [Some("1.2.0"), None, Some("1.10"), Some("1.3.0"), Some("x")];
        versions.sort_by_key(|version| std::cmp::Reverse(numbers(*version)));
        assert_eq!(versions, [Some("1.10"), Some("1.3.0"), Some("1.2.0"), None, Some("x")]);
    }
}
