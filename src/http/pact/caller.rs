//! Who asks at the PACT endpoint.

use axum::http::HeaderMap;
use jiff::{SignedDuration, Timestamp};
use metrics::counter;

use crate::facts::bearer;
use crate::facts::edr::{EdrError, PactGrant};
use crate::http::App;
use crate::http::caller::token_as;
use crate::http::exchange::PURPOSE;
use crate::http::problem::Problem;
use crate::ids::{Bpnl, ClientId};
use crate::question::ask::{ExchangeFacts, Via};
use crate::registry::{Registry, TenantWorld};
use crate::telemetry;

/// How long a token is good.
pub(super) const LIFETIME: SignedDuration = SignedDuration::from_mins(15);

/// What the log calls a token that is sound, of a client that is not on record any more.
const GONE: &str = "pact-client";

/// A partner that came by itself, with a client of its own.
#[derive(Clone, Debug)]
pub(in crate::http) struct PactCaller {
    /// The company.
    pub partner: Bpnl,
    /// Its client.
    pub client: ClientId,
}

impl PactCaller {
    /// What a question is made of, as far as it is about who asks.
    pub(super) fn facts<'a>(
        &'a self,
        registry: &'a Registry,
        world: &'a TenantWorld,
        now: Timestamp,
    ) -> ExchangeFacts<'a> {
        ExchangeFacts {
            now,
            world,
            via: Via::PactClient(&self.client),
            partner: self.partner,
            known: registry.partner(self.partner).map(AsRef::as_ref),
            purpose: PURPOSE,
            recipient: None,
            // What counts is the version of the PCF API that the asset is offered under: PACT's is no version of that.
            api: None,
            uses: None,
        }
    }
}

impl App {
    /// The partner whose token the request carries.
    ///
    /// # Errors
    /// 401: the token is not one that this tenant's endpoint gave to a client that is still on record with the secret it was given for,
    /// or its time is over.
    pub(super) fn pact_caller(
        &self,
        headers: &HeaderMap,
        world: &TenantWorld,
        now: Timestamp,
    ) -> Result<PactCaller, Problem> {
        let token = token_as(headers, bearer)?;
        let tenant = world.tenant.id;
        let endpoint = self.exchange_url(tenant);
        let grant = self.dataspace.keys.read_pact(tenant, &endpoint, token, now);
        let grant = grant.map_err(|error| refused(error.code()))?;
        let holder = world.pact_holder(&grant.client, grant.credential, now);
        if holder != Some(grant.partner) {
            return Err(refused(GONE));
        }
        if is_too_old(&grant, world) {
            return Err(refused(EdrError::Revoked.code()));
        }
        Ok(PactCaller {
            partner: grant.partner,
            client: grant.client,
        })
    }
}

/// Whether the token was made before the instant from which on the tenant takes any.
fn is_too_old(grant: &PactGrant, world: &TenantWorld) -> bool {
    let made = grant.expires.checked_sub(LIFETIME);
    let from = world.tenant.identity.not_before;
    from.is_some_and(|from| made.map_or(true, |made| made < from))
}

fn refused(code: &'static str) -> Problem {
    counter!(telemetry::TOKEN_REFUSALS, "code" => code).increment(1);
    Problem::unauthenticated(true).because(code)
}
