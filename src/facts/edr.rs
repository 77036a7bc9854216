//! EDR tokens: what a consumer holds after a transfer started, and shows at the exchange endpoint with each request.
//!
//! When a connector starts a transfer, Tidegate, as the tenant's data plane, hands out an endpoint data reference (EDR): an
//! address and a token. The token is a biscuit (Eclipse Biscuit, specification 3.3): a chain of signed blocks, of which the
//! first says what was granted, and to which any holder can append blocks that narrow it, without asking anyone. To the data
//! space it is opaque, as an EDR's `authorization` is by CX-0018.
//!
//! **One root key for each tenant and generation.** All are derived from one secret ([`EdrKeys`]), none is shared. A token
//! of another tenant fails at the signature, before anything it says is looked at; no comparison of claims keeps tenants
//! apart here. The tenant and the endpoint stand in the token all the same, as a second lock.
//!
//! **What the first block says** ([`Grant`]): tenant, endpoint, provider, consumer, agreement, asset, purpose, the digest of
//! the terms, the data flow, and its end, which is also a check. These are facts, each once, and the block is read for
//! exactly these: it is ours alone to write, so anything else in it is no token of ours.
//!
//! **What a holder may append**: checks, and nothing else. Datalog is a language in which 1 KB of text can ask for seconds of
//! computing: measured, a block with a four-way join over 60 facts of its own burned 8.4 s although the library's time limit
//! was one millisecond, for limits are tested between iterations only, and *anyone who holds a token can append such a
//! block*. So appended blocks are admitted by their structure before the library evaluates anything: no facts, no
//! rules, no scopes, no block signed by a third party; checks whose bodies draw at most three predicates from `time`, `pcf`,
//! `product`, `operation` and `recipient`, of which the request gives exactly one fact each, so that there is nothing to join;
//! comparisons, `contains`, `starts_with` and `ends_with`, but no `matches` (regular expressions), no external function and
//! no closure. `&&` and `||` are closures in this version of the language; a comma says "and", `or` between two
//! bodies says "or". The structure is read from the signed bytes, not from a printed form that a clever name could fool.
//!
//! **Order** (each step before the next has anything to work on): length, envelope and number of blocks; the root key
//! by generation; all signatures; the first block; its end; admission of the others; and last, for one request, the authorizer with one
//! policy. The work of the last step is bounded by admission; the library's time limit is wall-clock time and stands at one
//! second, so that only a stalled machine can reach it. If one does, the answer is "try again" ([`EdrError::Timeout`], 503), never a refusal.
//!
//! A sound token is only half an answer: the flow must still be started and the agreement decides at each request. Both are
//! looked up under the ids in the token, by whoever calls this module.
//!
//! # Example
//!
//! A supplier's data plane grants Weser an hour. Weser hands its auditor a token for one footprint and ten minutes, offline.
//!
//! ```
//! use biscuit_auth::{UnverifiedBiscuit, builder::BlockBuilder};
//! use secrecy::ExposeSecret as _;
//! use tidegate::facts::edr::{EdrError, EdrKeys, Grant, Operation, Use};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let keys = EdrKeys::from_seed(&[7; 32], 1);
//! let now: jiff::Timestamp = "2026-11-25T09:00:00Z".parse()?;
//! let grant = Grant {
//!     tenant: "BPNL000000000DWF".parse()?,
//!     endpoint: "https://tidegate.example/exchange/BPNL000000000DWF".into(),
//!     consumer: "BPNL00000000C3EF".parse()?,
//!     agreement: "0b6f6a3e-7a55-4c8c-9d6b-0d1c5a4f1001".parse()?,
//!     asset: "pcf".parse()?,
//!     purpose: "cx.pcf.base:1".into(),
//!     terms: tidegate::ids::Digest::of(b"terms"),
//!     flow: "a7d61e20-8512-4322-ac96-3988a61f7d55".into(),
//!     expires: "2026-11-25T10:00:00Z".parse()?,
//! };
//! let minted = keys.mint(&grant)?;
//!
//! // Weser, on its own machine: no key of Tidegate's is needed to narrow a token.
//! let narrowed = UnverifiedBiscuit::from_base64(minted.token.expose_secret())?.append(BlockBuilder::new().code(
//!     r#"check if pcf("3893bb5d-da16-4dc1-9185-11d97476c254"); check if time($t), $t < 2026-11-25T09:10:00Z;"#,
//! )?)?;
//!
//! let endpoint = keys.verifier(grant.tenant, &grant.endpoint)?;
//! let token = endpoint.verify(&narrowed.to_base64()?, now)?;
//! let one = "3893bb5d-da16-4dc1-9185-11d97476c254".parse()?;
//! let other = "11111111-da16-4dc1-9185-11d97476c254".parse()?;
//! let fetch = |pcf, now| Use { now, operation: Operation::Read, pcf: Some(pcf), product: None, recipient: grant.consumer };
//! assert_eq!(token.permits(&fetch(&one, now)), Ok(()));
//! assert_eq!(token.permits(&fetch(&other, now)), Err(EdrError::Narrowed));
//! assert_eq!(token.permits(&fetch(&one, "2026-11-25T09:10:00Z".parse()?)), Err(EdrError::Narrowed));
//!
//! // At another tenant the same token is not even looked into.
//! let elsewhere = keys.verifier("BPNL00000000B2CD".parse()?, &grant.endpoint)?;
//! assert_eq!(elsewhere.verify(minted.token.expose_secret(), now).unwrap_err(), EdrError::Signature);
//! # Ok(())
//! # }
//! ```

mod admission;
mod authority;
mod error;
mod keys;
mod pact;
mod refresh;
mod verify;

#[cfg(test)]
mod tests;

use std::fmt;

use jiff::Timestamp;
use secrecy::SecretString;

pub use error::EdrError;
pub use keys::{EdrKeyError, EdrKeys, FILE};
pub use pact::PactGrant;
pub use refresh::Refresh;
pub use verify::{Edr, EdrVerifier};

use crate::ids::{AgreementId, AssetId, Bpnl, Digest, PcfId, ProductId, TenantId};

/// The greatest length of a token, in bytes before base64.
pub const MAX_TOKEN: usize = 4 * 1024;

/// How many blocks may be appended.
pub const MAX_APPENDED: usize = 4;

/// What a token grants: its first block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The tenant at whose endpoint it is good; it is the provider as well.
    pub tenant: TenantId,
    /// The address of that endpoint.
    pub endpoint: Box<str>,
    /// The company it was granted to.
    pub consumer: Bpnl,
    /// The agreement it was granted under.
    pub agreement: AgreementId,
    /// What the agreement is about.
    pub asset: AssetId,
    /// What for, as contracts spell it.
    pub purpose: Box<str>,
    /// The terms of the agreement when it was granted.
    pub terms: Digest,
    /// The data flow that was started; the token is good while it is.
    pub flow: Box<str>,
    /// From when on it is no good, in whole seconds.
    pub expires: Timestamp,
}

/// What one request does with a token.
#[derive(Clone, Copy, Debug)]
pub struct Use<'a> {
    /// When.
    pub now: Timestamp,
    /// What is done.
    pub operation: Operation,
    /// With which footprint, where the request names one.
    pub pcf: Option<&'a PcfId>,
    /// Of which product, where that is known.
    pub product: Option<&'a ProductId>,
    /// For whom: the consumer itself where the request names nobody else.
    pub recipient: Bpnl,
}

/// What is done with a token, as checks spell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `read`: a footprint is fetched or asked for.
    Read,
    /// `write`: a footprint is handed in.
    Write,
}

impl Operation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// Names the first block of a token, and with it every token narrowed from it: the block's signature. It is no
/// secret, and it grants nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RevocationId(Box<[u8]>);

impl RevocationId {
    /// The id in its bytes.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for RevocationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(&self.0))
    }
}

/// A token just made.
#[derive(Debug)]
pub struct Minted {
    /// The token, in base64url without padding: letters, digits, `-` and `_`, so never to be taken for a JWT.
    pub token: SecretString,
    /// By which it can be revoked.
    pub id: RevocationId,
}
