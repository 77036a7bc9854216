//! The clients with which a partner comes to a tenant's PACT endpoint by itself, without a connector.
//!
//! A tenant gives a partner a client id and a secret, by whatever way the two trust. On record is the secret's SHA-256 alone. A plain
//! digest is enough, for no person makes these secrets up: [`secret`] does, from 256 random bits, and those cannot be guessed from
//! their digest. Nobody registers by itself.
//!
//! A client may stand there twice, with two secrets: that is how a secret is changed. The new one is added, the old one gets an end
//! ([`PactClient::until`]), and until then both are good.
//!
//! # Worked example
//!
//! ```
//! use secrecy::ExposeSecret as _;
//! use tidegate::registry::{PactClient, drawn_secret};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (old, new) = (drawn_secret().unwrap(), drawn_secret().unwrap());
//! let client: tidegate::ids::ClientId = "acme".parse()?;
//! let end: jiff::Timestamp = "2026-12-01T00:00:00Z".parse()?;
//! let retiring = PactClient { until: Some(end), ..PactClient::new(client.clone(), &old) };
//! let standing = PactClient::new(client, &new);
//!
//! let before: jiff::Timestamp = "2026-11-30T23:59:59Z".parse()?;
//! assert!(retiring.proves(old.expose_secret(), before) && standing.proves(new.expose_secret(), before));
//! assert!(!retiring.proves(old.expose_secret(), end) && standing.proves(new.expose_secret(), end));
//! # Ok(())
//! # }
//! ```

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::rand;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::model::{Relation, TenantWorld};
use crate::ids::{Bpnl, ClientId, Digest};

/// A client with one of its secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PactClient {
    /// The client's id.
    pub client: ClientId,
    /// SHA-256 of its secret.
    pub digest: Digest,
    /// From when on it is no good, and every token made with it neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl PactClient {
    /// A client with that secret, without an end.
    pub fn new(client: ClientId, secret: &SecretString) -> Self {
        Self {
            client,
            digest: Digest::of(secret.expose_secret().as_bytes()),
            until: None,
        }
    }

    /// Whether it is good at `now`.
    pub fn stands(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Whether `secret` is its secret, and good at `now`. How long it takes says nothing of the secret.
    pub fn proves(&self, secret: &str, now: Timestamp) -> bool {
        let shown = Digest::of(secret.as_bytes());
        verify_slices_are_equal(self.digest.as_bytes(), shown.as_bytes()).is_ok() && self.stands(now)
    }
}

/// A new secret of a client, or key of a supplier system: 256 random bits in hexadecimal. Nothing where the system has no randomness.
pub fn drawn_secret() -> Option<SecretString> {
    let mut bytes = Zeroizing::new([0; 32]);
    rand::fill(bytes.as_mut_slice()).ok()?;
    Some(hex::encode(bytes.as_slice()).into())
}

impl Relation {
    /// The relation to a partner of whom nothing is on record yet.
    pub fn with(partner: Bpnl) -> Self {
        Self {
            partner,
            groups: Default::default(),
            contracts: Default::default(),
            pact: None,
        }
    }

    /// The clients of the partner.
    pub fn pact_clients(&self) -> &[PactClient] {
        self.pact.as_deref().unwrap_or_default()
    }
}

impl TenantWorld {
    /// The partner that shows this secret of this client, and the entry by which it is good.
    pub fn pact_partner(&self, client: &ClientId, secret: &str, now: Timestamp) -> Option<(Bpnl, &PactClient)> {
        self.one_pact_client(client, |known| known.proves(secret, now))
    }

    /// The partner whose client it is, while the secret with that digest is good.
    pub fn pact_holder(&self, client: &ClientId, digest: Digest, now: Timestamp) -> Option<Bpnl> {
        let found = self.one_pact_client(client, |known| known.digest == digest && known.stands(now));
        found.map(|(partner, _)| partner)
    }

    /// A client of the partner's that is good at `now`: the first by name.
    pub fn pact_client_of(&self, partner: Bpnl, now: Timestamp) -> Option<ClientId> {
        let relation = self.relations.get(&partner)?;
        let standing = relation.pact_clients().iter().filter(|known| known.stands(now));
        standing.map(|known| known.client.clone()).min()
    }

    /// Whether it is a client of the partner's, good at `now`.
    pub fn has_pact_client(&self, partner: Bpnl, client: &ClientId, now: Timestamp) -> bool {
        let found = self.one_pact_client(client, |known| known.stands(now));
        found.is_some_and(|(holder, _)| holder == partner)
    }

    /// The entry of a client that fits. A client on record of two partners is neither's.
    fn one_pact_client(&self, client: &ClientId, fits: impl Fn(&PactClient) -> bool) -> Option<(Bpnl, &PactClient)> {
        let holders = self.relations.values().filter_map(|relation| {
            let mut own = relation.pact_clients().iter().filter(|known| known.client == *client);
            own.clone().next()?;
            Some((relation.partner, own.find(|known| fits(known))))
        });
        let mut holders = holders;
        let (partner, found) = holders.next()?;
        match holders.next() {
            None => found.map(|found| (partner, found)),
            Some(_) => None,
        }
    }
}

/// A client that is on record of another partner of the same tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The client.
    pub client: ClientId,
    /// Whose it is.
    pub holder: Bpnl,
    /// Who was to have it.
    pub wanted: Bpnl,
}

impl fmt::Display for Held {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, holder, wanted } = self;
        write!(
            formatter,
            "the PACT client `{client}` is that of {holder}, so it cannot be that of {wanted}; give each partner a client of its own"
        )
    }
}

/// The first of `clients` that `world` has on record of another partner than `partner`.
pub(super) fn taken(world: &TenantWorld, partner: Bpnl, clients: &[PactClient]) -> Option<Held> {
    let others = world.relations.values().filter(|relation| relation.partner != partner);
    let mut held = others.flat_map(|relation| {
        let own = relation.pact_clients().iter();
        own.map(|known| (relation.partner, &known.client))
    });
    held.find(|(_, client)| clients.iter().any(|wanted| wanted.client == **client))
        .map(|(holder, client)| Held {
            client: client.clone(),
            holder,
            wanted: partner,
        })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::registry::world::WorldDocument;

    const ELBE: &str = "BPNL000000000DWF";
    const WESER: &str = "BPNL00000000C3EF";
    const ODER: &str = "BPNL00000000D4GH";

    fn now() -> Timestamp {
        "2026-11-25T09:00:00Z".parse().unwrap()
    }

    /// A world document of Elbe with these relations.
    fn document(relations: &serde_json::Value) -> Result<TenantWorld, String> {
        let identity = serde_json::json!({
            "issuer": "https://i.example", "jwks": "https://i.example/jwks", "resource_server": ELBE, "connectors": ["edc"],
            "integrations": [], "user_clients": [],
        });
        let tenant = serde_json::json!({ "id": ELBE, "name": "Elbe", "state": "active", "identity": identity });
        let all = serde_json::json!({ "tenants": [tenant], "partners": [], "relations": relations });
        let document = WorldDocument::read(all.to_string().as_bytes()).map_err(|error| error.to_string())?;
        let seed = document.seed().map_err(|error| error.to_string())?;
        Ok(seed.worlds.into_iter().next().unwrap())
    }

    fn relation(partner: &str, client: &str, secret: &str) -> serde_json::Value {
        let digest = Digest::of(secret.as_bytes());
        let pact = serde_json::json!([{ "client": client, "digest": digest }]);
        serde_json::json!({ "provider": ELBE, "partner": partner, "pact": pact })
    }

    #[test]
    fn the_world_document_gives_clients_and_each_is_one_partners() {
        let both = serde_json::json!([relation(WESER, "weser", "one"), relation(ODER, "oder", "two")]);
        let world = document(&both).unwrap();
        let shows = |client: &str, secret: &str| {
            let found = world.pact_partner(&client.parse().unwrap(), secret, now());
            found.map(|(partner, _)| partner.to_string())
        };
        assert_eq!(shows("weser", "one").as_deref(), Some(WESER));
        assert_eq!(shows("oder", "two").as_deref(), Some(ODER));
        for (client, secret) in [("weser", "two"), ("oder", "one"), ("weser", ""), ("nobody", "one")] {
            assert_eq!(shows(client, secret), None, "{client} {secret}");
        }
        let shared = serde_json::json!([relation(WESER, "weser", "one"), relation(ODER, "weser", "two")]);
        let refused = document(&shared).unwrap_err();
        assert!(refused.contains("a client of its own"), "{refused}");
    }

    /// Two sources of what is on record could still bring it about: then the client is nobody's.
    #[test]
    fn a_client_of_two_partners_is_neithers() {
        let mut world = document(&serde_json::json!([relation(WESER, "weser", "one")])).unwrap();
        let client: ClientId = "weser".parse().unwrap();
        assert!(world.pact_partner(&client, "one", now()).is_some());
        let other = Relation {
            pact: Some(vec![PactClient::new(client.clone(), &"two".into())]),
            ..Relation::with(ODER.parse().unwrap())
        };
        world.relations.insert_mut(other.partner, Arc::new(other));
        for secret in ["one", "two"] {
            assert_eq!(world.pact_partner(&client, secret, now()), None);
            assert_eq!(world.pact_holder(&client, Digest::of(secret.as_bytes()), now()), None);
        }
    }

    #[test]
    fn secrets_are_long_and_never_the_same() {
        let (one, other) = (drawn_secret().unwrap(), drawn_secret().unwrap());
        assert_eq!(one.expose_secret().len(), 64);
        assert_ne!(one.expose_secret(), other.expose_secret());
    }
}
