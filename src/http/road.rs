//! The way to a partner through the tenant's own connector, with the roles reversed.
//!
//! ```text
//! catalog of the partner -> an offer of the PCF exchange whose terms are understood -> negotiation -> transfer -> address and token
//! ```
//!
//! What was agreed is kept ([`PcfStore::pave`](crate::pcf::PcfStore::pave)): the next delivery enters with the same token while that is
//! good, then with one it is renewed to, then by a new transfer under the same agreement. A new agreement is another contract, so
//! there is one only where the connectors say that the old one gives no transfers any more ([`ManagementError::is_of_the_agreement`]),
//! and only where it has stood for a while ([`STOOD`]). What merely fails is tried again later, under the same agreement.
//!
//! Whatever is begun is ended: a transfer whose token ran out, was refused or never came is terminated at the connector
//! ([`transfer`]), so that neither side goes on having it.
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

mod transfer;

use self::transfer::Unentered;
use super::App;
use crate::contract::Terms;
use crate::dataspace::management::{CounterParty, Dataset, Management, ManagementError, Offered};
use crate::dataspace::signaling::DataAddress;
use crate::ids::{AgreementId, AssetId, Bpnl, TenantId};
use crate::pcf::{Boxed, Endpoint, Ends, Goal, Paved, PcfStoreError, Road, RoadError, Worn, numbers};
use crate::registry::TenantWorld;

/// How long a negotiation may take.
const NEGOTIATION: Duration = Duration::from_secs(60);

/// How long an agreement must have stood before another takes its place: what ails a transfer right after the contract was concluded is
/// not the contract, and another would not mend it.
const STOOD: SignedDuration = SignedDuration::from_hours(1);

/// How long after its token ran out a transfer is kept, in case it can be renewed.
const KEPT: SignedDuration = SignedDuration::from_mins(10);

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
            self.leave(ends, "the partner's endpoint refused its token").await;
        })
    }
}

/// What a way is found between.
struct Sides<'a> {
    world: &'a TenantWorld,
    ends: Ends<'a>,
    management: Management,
    party: CounterParty,
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
        if let Some(paved) = &kept
            && now < paved.until
            && let Some(endpoint) = self.handed(tenant, paved).await
        {
            return Ok(endpoint);
        }
        let sides = self.sides(world, goal).await?;
        let Some(kept) = kept else {
            return self.enter_anew(&sides).await;
        };
        if kept.flow.is_some() {
            if let Some(endpoint) = self.renewed(&sides, &kept).await? {
                return Ok(endpoint);
            }
            self.leave(ends, "its token has run out").await;
        }
        match self.enter(&sides, &kept).await {
            Ok(endpoint) => Ok(endpoint),
            Err(Unentered::Agreement(error)) if now.duration_since(kept.agreed) >= STOOD => {
                tracing::info!(
                    %tenant, partner = %goal.partner.bpnl, agreement = %kept.agreement, error = %error,
                    "an agreement of before gives no transfer any more; a new one is negotiated"
                );
                self.enter_anew(&sides).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Agrees with the partner, and enters.
    async fn enter_anew(&self, sides: &Sides<'_>) -> Result<Endpoint, RoadError> {
        let (agreement, version) = agree(sides).await?;
        let now = self.clock.now();
        let paved = Paved {
            agreement,
            agreed: now,
            version,
            flow: None,
            until: now,
        };
        // Noted before it is used: what was agreed must not be agreed on twice.
        self.pcf.pave(sides.ends, &paved).await.map_err(no_way)?;
        Ok(self.enter(sides, &paved).await?)
    }

    /// The tenant's connector and the partner's.
    async fn sides<'a>(&self, world: &'a TenantWorld, goal: Goal<'a>) -> Result<Sides<'a>, RoadError> {
        let Goal { partner, asset } = goal;
        let no_own = || no_way("the company's own connector is not on record, or its key cannot be read");
        let no_other = || no_way("where the partner's connector is (`dsp`) is not on record");
        let named = partner.did.as_ref().map(ToString::to_string);
        Ok(Sides {
            world,
            ends: (world.tenant.id, partner.bpnl, asset),
            management: self.management(world).await.ok_or_else(no_own)?,
            party: CounterParty {
                // Connectors go by their DID where they have one.
                participant: named.unwrap_or_else(|| partner.bpnl.to_string()),
                dsp: partner.dsp.clone().ok_or_else(no_other)?,
            },
        })
    }

    /// Where the way leads now, while its transfer stands.
    async fn handed(&self, tenant: TenantId, paved: &Paved) -> Option<Endpoint> {
        let address = self.received(tenant, paved.flow.as_ref()?).await?;
        endpoint(&address, paved)
    }

    /// Gives up the transfer of a way, but not the agreement it is under.
    async fn leave(&self, ends: Ends<'_>, reason: &str) {
        let left = async {
            if let Some(paved) = self.pcf.paved(ends).await?
                && let Some(flow) = &paved.flow
            {
                self.end_transfer(ends.0, flow, reason).await;
                // Afterwards: a transfer that is forgotten first would be ended by nobody after a crash.
                self.pcf.lose(ends).await?;
            }
            Ok::<_, PcfStoreError>(())
        };
        if let Err(error) = left.await {
            tracing::error!(tenant = %ends.0, partner = %ends.1, error = %error, "a way that is lost could not be noted as such");
        }
    }

    /// Gives up the transfers of ways that nobody has gone since their token ran out, but for those that are being gone.
    pub(super) async fn leave_worn_ways(&self, is_busy: impl Fn(TenantId, Bpnl) -> bool) {
        let before = self.clock.now() - KEPT;
        let worn = match self.pcf.worn(before).await {
            Ok(worn) => worn,
            Err(error) => {
                tracing::error!(error = %error, "the ways to partners cannot be read");
                return;
            }
        };
        for Worn { tenant, partner, asset } in worn {
            if !is_busy(tenant, partner) {
                self.leave((tenant, partner, asset.as_ref()), "its token has run out")
                    .await;
            }
        }
    }
}

/// The end of a way, as its transfer's address has it.
fn endpoint(address: &DataAddress, paved: &Paved) -> Option<Endpoint> {
    Some(Endpoint {
        url: address.endpoint()?.to_owned(),
        authorization: address.authorization()?,
        version: paved.version.clone(),
    })
}

/// Agrees to an offer of the partner's PCF exchange.
async fn agree(sides: &Sides<'_>) -> Result<(AgreementId, Option<String>), RoadError> {
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
            Ok(agreement) => return Ok((agreement, offer.version().map(str::to_owned))),
            // The partner, or the own connector, will not have this one.
            Err(error) if error.is_of_the_agreement() => refused = error.into(),
            // Whatever it was, it would befall the next as well; and this one may become a contract yet.
            Err(error) => return Err(error.into()),
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
    let version = |dataset: &Dataset| numbers(dataset.version.as_deref().unwrap_or_default());
    exchanges.sort_by_key(|dataset| std::cmp::Reverse((version(dataset), dataset.asset.clone())));
    exchanges.into_iter().flat_map(|dataset| &dataset.offers).collect()
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
        versions.sort_by_key(|version| std::cmp::Reverse(numbers(version.unwrap_or_default())));
        assert_eq!(versions, [Some("1.10"), Some("1.3.0"), Some("1.2.0"), None, Some("x")]);
    }
}
