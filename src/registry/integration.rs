//! A system of another company that a tenant works with, as one document says: how it proves who it is and what it may hand in, what is
//! fetched from it, and of what it is told.
//!
//! Supplier systems differ; the exchange must not care. So what is particular to one is data: there is no code for SAP or for a
//! manufacturing system, only three ways to prove oneself (OAuth 2.0 client credentials, a client certificate, an API key) in two
//! directions. Where Tidegate is the one asked (`push`), the document says by what the system is known: the id of a client, or SHA-256
//! digests of certificates and keys. Where Tidegate asks (`pull`) or tells (`notify`), it names secrets of the tenant's, never their values. So a document
//! holds nothing that must be kept from anyone, and can lie in version control.
//!
//! ```
//! use tidegate::registry::Integration;
//!
//! let integration = Integration::read(br#"{
//!     "id": "sap-duisburg", "tenant": "BPNL000000000DWF", "name": "SAP of the Duisburg works",
//!     "products": ["urn:mycompany.com:product-id"], "assets": ["pcf-ethanol"],
//!     "push": { "apiKey": [{ "digest": "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" }] }
//! }"#).unwrap();
//! assert!(integration.enabled);
//!
//! let error = Integration::read(br#"{"id": "sap", "tenant": "BPNL000000000DWF", "name": "SAP"}"#).unwrap_err();
//! assert!(error.to_string().contains("`push`, `pull` or `notify`"));
//! ```

mod check;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::world::Taken;
use crate::ids::{AssetId, Bpnl, ClientId, Digest, IntegrationId, ProductId, SecretName, TenantId};

/// The longest document taken, in bytes.
pub const MOST_BYTES: usize = 64 * 1024;

/// A system of another company that a tenant works with: a supplier's, or a partner's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Integration {
    /// Its id, one of its tenant's.
    pub id: IntegrationId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name, for people; never used to decide.
    pub name: String,
    /// Whether it may do anything.
    #[serde(default = "enabled")]
    pub enabled: bool,
    /// The products whose footprints it hands in: each a product's id, or the beginning of one up to a colon. All, where none is named.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub products: BTreeSet<ProductId>,
    /// The assets that what it hands in becomes part of.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub assets: BTreeSet<AssetId>,
    /// How it proves who it is where it hands footprints in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<Push>,
    /// What is fetched from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<Pull>,
    /// Of what it is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<Notify>,
}

fn enabled() -> bool {
    true
}

/// How a system that hands footprints in proves who it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Push {
    /// With a token of the tenant's own issuer for this client (RFC 6749, section 4.4).
    Oauth2(Client),
    /// With a client certificate (RFC 8705): the digests are those of the certificates' DER.
    Certificate(Vec<Proof>),
    /// With a key in the header `X-API-Key`: the digests are those of the keys.
    ApiKey(Vec<Proof>),
}

/// An OAuth 2.0 client of the tenant's own issuer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Client {
    /// Its id.
    pub client: ClientId,
}

/// What a certificate or a key is known by. A key is random and long, so a digest without salt gives nothing of it away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Proof {
    /// The SHA-256.
    pub digest: Digest,
    /// Until when it counts; without end, where that does not stand. Two at a time are how one takes the other's place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Proof {
    /// Whether it counts at `now`.
    pub fn counts(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// What is fetched from a supplier's system, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Pull {
    /// Where footprints are.
    pub source: Source,
    /// How Tidegate proves who it is.
    pub auth: Auth,
    /// Seconds from the beginning of one run to that of the next.
    pub every_seconds: u32,
    /// The most requests a second.
    #[serde(default = "requests")]
    pub requests_per_second: u32,
    /// Whose server certificates are believed, where those of the public authorities are not meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<Trust>,
}

fn requests() -> u32 {
    5
}

/// Where footprints are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// A PACT host system of version 3: `GET {url}/3/footprints`.
    Pact(Pact),
    /// Any system that answers with JSON.
    Json(Json),
}

/// A PACT host system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Pact {
    /// Its address, without `/3/footprints`.
    pub url: String,
    /// Which footprints are asked for, by PACT's criteria; all, where none stands.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub criteria: BTreeMap<String, BTreeSet<String>>,
}

impl Pact {
    /// What footprints can be asked for by (PACT Technical Specifications 3.0, ListFootprints).
    pub const CRITERIA: [&str; 8] = [
        "productId",
        "companyId",
        "geography",
        "classification",
        "validOn",
        "validAfter",
        "validBefore",
        "status",
    ];
}

/// A system that answers with JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Json {
    /// What is asked for first.
    pub url: String,
    /// Where in an answer the documents are: a JSON pointer (RFC 6901) to an array; the answer itself, where it is empty.
    #[serde(default)]
    pub items: String,
    /// Where in an answer the address of the next page is: a JSON pointer. The header `Link` with `rel="next"` counts besides (RFC 8288).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The query parameter that asks for what changed since an instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

/// A partner's PACT host system that is sent events: `POST {url}/3/events` (PACT Technical Specifications 3.0).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Notify {
    /// The partner.
    pub partner: Bpnl,
    /// The system's address, without `/3/events`.
    pub url: String,
    /// How Tidegate proves who it is.
    pub auth: Auth,
    /// Whose server certificates are believed, where those of the public authorities are not meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<Trust>,
}

/// How Tidegate proves who it is to another company's system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Auth {
    /// With a token: the secret holds `tokenEndpoint`, `clientId` and `clientSecret`.
    Oauth2(Token),
    /// With a client certificate: the secret holds the chain and the key as PEM.
    Certificate(Named),
    /// With a key in a header: the secret is the key.
    ApiKey(Key),
}

/// Where a token comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Token {
    /// The tenant's secret.
    pub secret: SecretName,
    /// What is asked for; nothing, where the system knows no scopes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

/// A secret of the tenant's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Named {
    /// The tenant's secret.
    pub secret: SecretName,
}

/// A key in a header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Key {
    /// The header.
    pub header: String,
    /// The tenant's secret.
    pub secret: SecretName,
}

/// Whose server certificates are believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Trust {
    /// Certificates of authorities, as PEM. No others are believed.
    pub authorities: String,
    /// Lists of what they revoked, as PEM. Where one stands, a certificate whose revocation cannot be told is not believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<String>,
}

/// What is wrong with a document: everything that was found, each with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntegrationError(Vec<String>);

impl fmt::Display for IntegrationError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for IntegrationError {}

impl fmt::Display for Push {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match self {
            Self::Oauth2(known) => return write!(formatter, "token of the client `{}`", known.client),
            Self::Certificate(_) => "client certificate",
            Self::ApiKey(_) => "key",
        };
        formatter.write_str(way)
    }
}

impl Integration {
    /// Reads a document and holds that all of it makes sense.
    ///
    /// # Errors
    /// Everything that is wrong with it; where it is not the JSON of such a document, the first thing.
    pub fn read(document: &[u8]) -> Result<Self, IntegrationError> {
        let wrong = |problem: String| IntegrationError(vec![problem]);
        if document.len() > MOST_BYTES {
            return Err(wrong(format!(
                "it has {} bytes; at most {MOST_BYTES} are taken",
                document.len()
            )));
        }
        let read: Self = crate::json::read(document).map_err(|error| wrong(error.to_string()))?;
        let problems = check::problems(&read);
        match problems.is_empty() {
            true => Ok(read),
            false => Err(IntegrationError(problems)),
        }
    }

    /// The OAuth 2.0 client it proves itself as.
    pub fn client(&self) -> Option<&ClientId> {
        match &self.push {
            Some(Push::Oauth2(known)) => Some(&known.client),
            _ => None,
        }
    }

    /// The certificates it is known by.
    pub fn certificates(&self) -> &[Proof] {
        match &self.push {
            Some(Push::Certificate(proofs)) => proofs,
            _ => &[],
        }
    }

    /// The keys it is known by.
    pub fn keys(&self) -> &[Proof] {
        match &self.push {
            Some(Push::ApiKey(proofs)) => proofs,
            _ => &[],
        }
    }

    /// The tenant's secrets it needs.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretName> {
        let pull = self.pull.iter().map(|pull| &pull.auth);
        let notify = self.notify.iter().map(|notify| &notify.auth);
        pull.chain(notify).map(Auth::secret)
    }
}

impl Auth {
    /// The tenant's secret it is done with.
    pub fn secret(&self) -> &SecretName {
        match self {
            Self::Oauth2(token) => &token.secret,
            Self::Certificate(named) => &named.secret,
            Self::ApiKey(key) => &key.secret,
        }
    }
}
