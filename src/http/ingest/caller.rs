//! Which supplier system hands in: the three ways it can prove itself, and what each binds.
//!
//! | proof | where | what is on record | what makes it this tenant's |
//! |---|---|---|---|
//! | token | `Authorization: Bearer` | the client's id | the verifier of the tenant of the route |
//! | key | `X-API-Key` | SHA-256 of the key | only keys of the tenant of the route are looked at |
//! | certificate | the TLS connection, or a header of the load balancer | SHA-256 of its DER | the same |
//!
//! A request proves itself in one way. Which is in force for a system its document says, so a key that was found in a drawer opens
//! nothing once the document names a certificate. Two proofs at once are refused: nobody can say which the caller meant, and a proxy
//! that adds one of its own would speak for whoever comes through it. All that fails is one answer, 401.
//!
//! # Keys
//!
//! A key is compared by its SHA-256, with every key of the tenant and in constant time, so the time an answer takes tells neither how
//! much of a key is right nor which of them it is like. Plain SHA-256 is enough for keys that are drawn at random, which
//! `tidegate integration key` does: 256 bits that nobody can go through. Two may count at a time, one of them until an instant: that is
//! how a key is changed without an hour at which neither works.
//!
//! # Worked example
//!
//! The document of `sap-duisburg` names two keys, the old one until the first of December. On the last of November both are taken;
//! on the first the old one is answered like any stranger's, and no request of the system failed, for it has had the new one since
//! October.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header::AUTHORIZATION};
use jiff::Timestamp;
use metrics::counter;

use super::SCOPE;
use super::certificate::{PeerCertificate, Presented};
use crate::decide::Permit;
use crate::facts::ClientKind;
use crate::http::App;
use crate::http::caller::{optional_header, tenant};
use crate::http::observe::Patience;
use crate::http::problem::{Kind, Problem};
use crate::ids::{ClientId, Digest};
use crate::ledger::record::Request;
use crate::question::ask::{self, System, SystemFacts};
use crate::registry::{Integration, Tenant, TenantWorld};
use crate::telemetry;

/// Where a key stands.
const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// The longest key that is looked at, in bytes.
const LONGEST_KEY: usize = 512;

/// A supplier system that proved itself.
#[derive(Clone, Debug)]
pub(super) enum Proven {
    /// One with a document.
    Integration(Arc<Integration>),
    /// A client that the tenant's identity names.
    Client(ClientId),
}

impl Proven {
    /// What a question says of it.
    pub(super) fn facts<'a>(&'a self, tenant: &'a Tenant) -> SystemFacts<'a> {
        let system = match self {
            Self::Integration(integration) => System::Integration(integration),
            Self::Client(client) => System::Client(client),
        };
        SystemFacts { tenant, system }
    }

    /// The same system as it is on record now, where it still is.
    pub(super) fn now(&self, world: &TenantWorld) -> Option<Self> {
        match self {
            Self::Integration(before) => world.integrations.get(&before.id).cloned().map(Self::Integration),
            Self::Client(client) => {
                let identity = &world.tenant.identity;
                identity.integrations.contains(client).then(|| self.clone())
            }
        }
    }
}

/// How a request came here, besides its headers.
#[derive(Clone, Debug)]
pub struct Came {
    /// Over a connection whose peer has that certificate.
    peer: Option<PeerCertificate>,
    /// May ask for more time than others have.
    pub(super) patience: Patience,
}

impl<S: Sync> FromRequestParts<S> for Came {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self {
            peer: parts.extensions.get().cloned(),
            patience: parts.extensions.get().cloned().unwrap_or_default(),
        })
    }
}

fn refused(code: &'static str) -> Problem {
    counter!(telemetry::TOKEN_REFUSALS, "code" => code).increment(1);
    Problem::unauthenticated(true).because(code)
}

/// A supplier system that may hand in at all.
pub(super) struct Entered {
    /// The tenant of the route, as it was then.
    pub(super) world: Arc<TenantWorld>,
    pub(super) proven: Proven,
    pub(super) permit: Permit,
}

impl App {
    /// Lets in whoever may hand in at the tenant of the route; nothing of the body has been looked at.
    ///
    /// # Errors
    /// As for [`App::system`]; 404: no such tenant; 403: policy says no; 503: that could not be recorded.
    pub(super) async fn let_in(
        &self,
        bpnl: &str,
        headers: &HeaderMap,
        came: &Came,
        request: &Request,
    ) -> Result<Entered, Problem> {
        let now = self.clock.now();
        let world = Arc::clone(tenant(&self.registry.current(), bpnl)?);
        let proven = self.system(&world, headers, came, now).await?;
        let question = ask::ingest(&proven.facts(&world.tenant), now);
        let permit = self.permitted(world.tenant.id, question, request).await?;
        Ok(Entered { world, proven, permit })
    }

    /// The supplier system of the tenant of the route that the request proves to come from.
    ///
    /// # Errors
    /// 401 for every proof that is none of this tenant's; 400 for two at once.
    async fn system(
        &self,
        world: &TenantWorld,
        headers: &HeaderMap,
        came: &Came,
        now: Timestamp,
    ) -> Result<Proven, Problem> {
        let key = headers.contains_key(X_API_KEY);
        let token = headers.contains_key(AUTHORIZATION);
        // A certificate of the connection is no second proof: it is there whatever the request says, and counts where nothing else does.
        match (token, key) {
            (true, true) => {
                let detail = "the request carries a token and a key; send the one the integration is known by";
                Err(Problem::with(Kind::Header, detail))
            }
            (false, true) => by_key(world, headers, now),
            (true, false) => self.by_token(world, headers, now).await,
            (false, false) => match self.presented(headers, came)? {
                Some(certificate) => by_certificate(world, &certificate, now),
                None => self.by_token(world, headers, now).await,
            },
        }
    }

    async fn by_token(&self, world: &TenantWorld, headers: &HeaderMap, now: Timestamp) -> Result<Proven, Problem> {
        let tenant = world.tenant.id;
        let machine = self
            .machine(headers, tenant, ClientKind::Integration, SCOPE, now)
            .await?;
        let known = world.integration_of(machine.client()).cloned();
        Ok(known.map_or_else(|| Proven::Client(machine.client().clone()), Proven::Integration))
    }

    fn presented(&self, headers: &HeaderMap, came: &Came) -> Result<Option<Presented>, Problem> {
        match (&came.peer, self.certificate_header.as_ref()) {
            (Some(peer), _) => Presented::of(peer).map(Some).ok_or_else(|| refused("certificate")),
            (None, Some(name)) => match optional_header(headers, name) {
                Ok(None) => Ok(None),
                Ok(Some(text)) => Presented::from_header(text)
                    .map(Some)
                    .ok_or_else(|| refused("certificate")),
                Err(_) => Err(refused("certificate")),
            },
            (None, None) => Ok(None),
        }
    }
}

fn by_key(world: &TenantWorld, headers: &HeaderMap, now: Timestamp) -> Result<Proven, Problem> {
    let key = optional_header(headers, &X_API_KEY).ok().flatten();
    let key = key
        .filter(|key| !key.is_empty() && key.len() <= LONGEST_KEY)
        .ok_or_else(|| refused("key"))?;
    let known = world.integration_of_key(&Digest::of(key.as_bytes()), now);
    known.cloned().map(Proven::Integration).ok_or_else(|| refused("key"))
}

fn by_certificate(world: &TenantWorld, certificate: &Presented, now: Timestamp) -> Result<Proven, Problem> {
    if !certificate.is_valid_at(now) {
        return Err(refused("certificate-time"));
    }
    let known = world.integration_of_certificate(&certificate.digest(), now);
    known
        .cloned()
        .map(Proven::Integration)
        .ok_or_else(|| refused("certificate"))
}
