//! A supplier system among others: by what it is known must be its own.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use jiff::Timestamp;

use super::{Integration, Proof};
use crate::ids::{Bpnl, ClientId, Digest, IntegrationId};
use crate::registry::model::TenantWorld;

/// What one system would be known by is another's already: whoever has it would be both.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Taken {
    /// A client of the tenant's connector, or of its people.
    #[error(
        "the client `{0}` is the connector's or one that people sign in through; give the system a client of its own"
    )]
    Client(ClientId),
    /// The client of another system.
    #[error("the client `{client}` is that of the integration `{other}`; give each a client of its own")]
    OtherClient {
        /// The client.
        client: ClientId,
        /// Whose it is.
        other: IntegrationId,
    },
    /// The id is a client of the tenant's identity, which goes by it in decisions.
    #[error(
        "the id `{0}` is that of a client of the company's, which goes by it in decisions; choose another id, or name the client in `push.oauth2`"
    )]
    Id(IntegrationId),
    /// The partner is told of events through another system already.
    #[error("events for {partner} go to the integration `{other}`; a partner is told through one system")]
    Partner {
        /// The partner.
        partner: Bpnl,
        /// Through which.
        other: IntegrationId,
    },
    /// The certificate or key of another system.
    #[error("{digest} is a certificate or a key of the integration `{other}`; give each its own")]
    Proof {
        /// Its digest.
        digest: Digest,
        /// Whose it is.
        other: IntegrationId,
    },
}

impl Integration {
    /// Holds that the system is known by nothing that is another's in its tenant's world.
    ///
    /// # Errors
    /// What is, and whose.
    pub(in crate::registry) fn fits(&self, world: &TenantWorld) -> Result<(), Taken> {
        let identity = &world.tenant.identity;
        let client = self.client();
        if let Some(client) = client
            && (identity.connectors.contains(client) || identity.user_clients.contains(client))
        {
            return Err(Taken::Client(client.clone()));
        }
        let alike = identity
            .integrations
            .iter()
            .find(|known| known.as_str() == self.id.as_str());
        if let Some(alike) = alike
            && client != Some(alike)
        {
            return Err(Taken::Id(self.id.clone()));
        }
        for other in world.integrations.values().filter(|other| other.id != self.id) {
            if let Some(client) = client.filter(|client| other.client() == Some(client)) {
                let (client, other) = (client.clone(), other.id.clone());
                return Err(Taken::OtherClient { client, other });
            }
            let told = |system: &Self| system.notify.as_ref().map(|notify| notify.partner);
            if let Some(partner) = told(self).filter(|partner| told(other) == Some(*partner)) {
                let other = other.id.clone();
                return Err(Taken::Partner { partner, other });
            }
            let shared = self
                .proofs()
                .find(|proof| other.proofs().any(|known| known.digest == proof.digest));
            if let Some(shared) = shared {
                let (digest, other) = (shared.digest, other.id.clone());
                return Err(Taken::Proof { digest, other });
            }
        }
        Ok(())
    }

    fn proofs(&self) -> impl Iterator<Item = &Proof> {
        self.certificates().iter().chain(self.keys())
    }
}

impl TenantWorld {
    /// The supplier system that proves itself as this OAuth 2.0 client.
    pub fn integration_of(&self, client: &ClientId) -> Option<&Arc<Integration>> {
        let mut all = self.integrations.values();
        all.find(|integration| integration.client() == Some(client))
    }

    /// The system through which the partner is told of events.
    pub fn told_through(&self, partner: Bpnl) -> Option<&Arc<Integration>> {
        let mut enabled = self.integrations.values().filter(|system| system.enabled);
        enabled.find(|system| system.notify.as_ref().is_some_and(|notify| notify.partner == partner))
    }

    /// The supplier system that is known by the key with this digest at `now`. Every key of the tenant is looked at, in constant time.
    pub fn integration_of_key(&self, key: &Digest, now: Timestamp) -> Option<&Arc<Integration>> {
        self.known_by(key, now, Integration::keys)
    }

    /// The supplier system that is known by the certificate with this digest at `now`.
    pub fn integration_of_certificate(&self, certificate: &Digest, now: Timestamp) -> Option<&Arc<Integration>> {
        self.known_by(certificate, now, Integration::certificates)
    }

    fn known_by(
        &self,
        digest: &Digest,
        now: Timestamp,
        proofs: impl Fn(&Integration) -> &[Proof],
    ) -> Option<&Arc<Integration>> {
        let mut found = None;
        for integration in self.integrations.values() {
            for proof in proofs(integration) {
                let same = verify_slices_are_equal(proof.digest.as_bytes(), digest.as_bytes()).is_ok();
                if same && proof.counts(now) {
                    found = Some(integration);
                }
            }
        }
        found
    }
}
