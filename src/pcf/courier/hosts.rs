//! Partners' PACT hosts, as they are called: found in the documents of a company's systems, entered with the secret that these name.
//!
//! A host that took an event is kept for a few minutes, with its token and its connection, so that a thousand events are not a thousand
//! readings of a secret and a thousand tokens. It is forgotten as soon as its document says something else, it does not know Tidegate any
//! more, or its time is over; what becomes of it in between (the system is stopped, its agreements end) is looked at for each event anyway.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use reqwest::Url;

use super::{Attempt, Courier, Delivery};
use crate::ids::{Digest, IntegrationId, RequestId, TenantId};
use crate::ledger::record::Request;
use crate::peer::{Access, Clerk, Peer, Unread};
use crate::question::ask::{System, SystemFacts};
use crate::registry::TenantWorld;
use crate::registry::integration::Notify;

/// How long a host is kept.
const KEPT: SignedDuration = SignedDuration::from_mins(5);

/// The hosts that were called lately.
#[derive(Debug)]
pub struct Hosts {
    /// Where this service is reached, which events say they come from.
    base_url: String,
    /// Dev mode: hosts are on this machine, and nowhere else.
    loopback: bool,
    kept: Mutex<HashMap<Key, Host>>,
}

type Key = (TenantId, IntegrationId);

/// A host as it is called.
#[derive(Debug)]
pub(super) struct Host {
    key: Key,
    /// Of what its document says of it.
    digest: Digest,
    until: Timestamp,
    pub(super) url: Url,
    pub(super) peer: Peer,
}

impl Hosts {
    /// No hosts yet.
    pub fn new(base_url: String, loopback: bool) -> Self {
        Self {
            base_url,
            loopback,
            kept: Mutex::default(),
        }
    }

    /// What an event of the tenant says it comes from: its PACT endpoint.
    pub(super) fn source(&self, tenant: TenantId) -> String {
        format!("{}/exchange/{tenant}", self.base_url)
    }

    /// Keeps a host for the next event.
    pub(super) fn keep(&self, host: Host) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(host.key.clone(), host);
    }

    /// The host that was kept, if it still is what its document says. Whoever has it puts it back: each is had by one at a time.
    fn take(&self, key: &Key, digest: Digest, now: Timestamp) -> Option<Host> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, host| now < host.until);
        kept.remove(key).filter(|host| host.digest == digest)
    }
}

/// Where events go: PACT's path below the address.
fn events(notify: &Notify) -> Option<Url> {
    let mut url: Url = notify.url.parse().ok()?;
    let path = format!("{}/3/events", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Some(url)
}

/// A digest of all that a document says of telling a host.
fn digest(notify: &Notify) -> Digest {
    // Documents that were read always serialise.
    Digest::of(&serde_json::to_vec(notify).unwrap_or_default())
}

impl Courier<'_> {
    /// The partner's host.
    pub(super) async fn host(&self, world: &TenantWorld, delivery: &Delivery) -> Result<Host, Attempt> {
        let system = world.told_through(delivery.partner);
        let found = system.and_then(|system| Some((system, system.notify.as_ref()?)));
        let Some((system, notify)) = found else {
            let problem =
                "no system is on record through which the partner is told of events (`notify`), or it was stopped";
            return Err(Attempt::later(problem, None));
        };
        let now = self.clock.now();
        let (key, digest) = ((world.tenant.id, system.id.clone()), digest(notify));
        if let Some(host) = self.hosts.take(&key, digest, now) {
            return Ok(host);
        }
        let facts = SystemFacts {
            tenant: &world.tenant,
            system: System::Integration(system),
        };
        let clerk = Clerk {
            gate: self.gate,
            vault: self.vault,
        };
        let request = Request {
            id: RequestId::new(),
            traceparent: None,
        };
        let secret = clerk.secret(&facts, notify.auth.secret(), &request, now).await;
        let secret = secret.map_err(|error| {
            let record = match &error {
                Unread::Denied(refusal) => Some(refusal.record()),
                _ => None,
            };
            Attempt::later(format!("the integration `{}`: {error}", system.id), record)
        })?;
        let unusable = |problem: String| Attempt::later(format!("the integration `{}`: {problem}", system.id), None);
        let peer = Peer::new(Access::of_notify(notify), &secret, self.hosts.loopback, now);
        let no_address = || unusable("its address does not read".to_owned());
        Ok(Host {
            url: events(notify).ok_or_else(no_address)?,
            peer: peer.map_err(unusable)?,
            key,
            digest,
            until: now.checked_add(KEPT).unwrap_or(now),
        })
    }
}
