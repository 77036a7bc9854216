//! One tenant's verifier of EDR tokens: from a bearer token to what it grants, and from there to what it permits.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use biscuit_auth::builder::{Fact, Term};
use biscuit_auth::datalog::{RunLimits, SymbolTable};
use biscuit_auth::error::{RunLimit, Token};
use biscuit_auth::format::schema;
use biscuit_auth::{AuthorizerBuilder, Biscuit, PublicKey};
use jiff::Timestamp;
use prost::Message as _;

use super::admission::{self, MAX_BLOCK};
use super::{EdrError, Grant, MAX_APPENDED, MAX_TOKEN, RevocationId, Use, authority};
use crate::ids::TenantId;

/// Other tools append the padding that Tidegate leaves out; stray bits in the last character are refused either way.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Far above what admitted checks can take. The time is wall-clock time, so it must not be what bounds the work.
const LIMITS: RunLimits = RunLimits {
    max_facts: 100,
    max_iterations: 10,
    max_time: Duration::from_secs(1),
};

/// The verifier of one tenant's tokens. See the [module](super) for what it checks and why.
#[derive(Clone)]
pub struct EdrVerifier {
    tenant: TenantId,
    endpoint: Box<str>,
    roots: BTreeMap<u32, PublicKey>,
}

impl EdrVerifier {
    pub(super) fn new(tenant: TenantId, endpoint: &str, roots: BTreeMap<u32, PublicKey>) -> Self {
        Self {
            tenant,
            endpoint: endpoint.into(),
            roots,
        }
    }

    /// Verifies a token as far as that can be done without knowing the request: all but the checks that were appended.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn verify(&self, bearer: &str, now: Timestamp) -> Result<Edr, EdrError> {
        let (token, envelope) = self.signed(bearer)?;
        let (grant, symbols) = self.granted(&envelope)?;
        if now >= grant.expires {
            return Err(EdrError::Expired);
        }
        admit(&envelope, symbols)?;
        Ok(Edr { grant, token })
    }

    /// What a token was made for, expired or not: enough to say whose it is, never enough to hand anything out.
    ///
    /// # Errors
    /// It was not made for this tenant's endpoint.
    pub fn made_for(&self, bearer: &str) -> Result<Grant, EdrError> {
        let (_, envelope) = self.signed(bearer)?;
        self.granted(&envelope).map(|(grant, _)| grant)
    }

    /// What the first block grants here, and the symbols that later blocks may refer to.
    fn granted(&self, envelope: &schema::Biscuit) -> Result<(Grant, SymbolTable), EdrError> {
        let (grant, symbols) = first_block(envelope)?;
        if grant.tenant == self.tenant && grant.endpoint == self.endpoint {
            Ok((grant, symbols))
        } else {
            Err(EdrError::Endpoint)
        }
    }

    /// The steps up to the signatures.
    fn signed(&self, bearer: &str) -> Result<(Biscuit, schema::Biscuit), EdrError> {
        signed(bearer, |generation| self.roots.get(&generation).copied())
    }
}

/// A token whose signatures all verify with a root key of its generation.
pub(super) fn signed(
    bearer: &str,
    root: impl FnOnce(u32) -> Option<PublicKey>,
) -> Result<(Biscuit, schema::Biscuit), EdrError> {
    if bearer.len() > MAX_TOKEN.div_ceil(3) * 4 {
        return Err(EdrError::TooLong);
    }
    let bytes = BASE64.decode(bearer).map_err(|_| EdrError::Form)?;
    let envelope = schema::Biscuit::decode(bytes.as_slice()).map_err(|_| EdrError::Form)?;
    bounded(&envelope)?;
    let root = envelope.root_key_id.and_then(root).ok_or(EdrError::Generation)?;
    let token = Biscuit::from(&bytes, root).map_err(|error| match error {
        Token::Format(biscuit_auth::error::Format::Signature(_)) => EdrError::Signature,
        _ => EdrError::Form,
    })?;
    Ok((token, envelope))
}

impl fmt::Debug for EdrVerifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "EdrVerifier({})", self.tenant)
    }
}

/// How much there is to verify, and with what kind of keys, before anything is verified.
fn bounded(envelope: &schema::Biscuit) -> Result<(), EdrError> {
    if envelope.blocks.len() > MAX_APPENDED {
        return Err(EdrError::Blocks);
    }
    if envelope.blocks.iter().any(|block| block.block.len() > MAX_BLOCK) {
        return Err(EdrError::Block);
    }
    let ed25519 = schema::public_key::Algorithm::Ed25519 as i32;
    let own = |block: &schema::SignedBlock| block.external_signature.is_none() && block.next_key.algorithm == ed25519;
    let all_own = own(&envelope.authority) && envelope.blocks.iter().all(own);
    if all_own { Ok(()) } else { Err(EdrError::Foreign) }
}

/// What the first block grants, and the symbols that later blocks may refer to.
fn first_block(envelope: &schema::Biscuit) -> Result<(Grant, SymbolTable), EdrError> {
    let block = schema::Block::decode(envelope.authority.block.as_slice()).map_err(|_| EdrError::Authority)?;
    let symbols = SymbolTable::from(block.symbols.clone()).map_err(|_| EdrError::Authority)?;
    Ok((authority::read(&block, &symbols)?, symbols))
}

/// Admits every appended block, or refuses the token.
fn admit(envelope: &schema::Biscuit, mut symbols: SymbolTable) -> Result<(), EdrError> {
    for signed in &envelope.blocks {
        let block = schema::Block::decode(signed.block.as_slice()).map_err(|_| EdrError::Block)?;
        // As the library joins them: a block may use the symbols of those before it.
        let own = SymbolTable::from(block.symbols.clone()).map_err(|_| EdrError::Block)?;
        symbols.extend(&own).map_err(|_| EdrError::Block)?;
        admission::admit(&block, &symbols)?;
    }
    Ok(())
}

/// A sound token, made by [`EdrVerifier::verify`] alone.
#[derive(Clone)]
pub struct Edr {
    grant: Grant,
    token: Biscuit,
}

impl Edr {
    /// What it grants.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    /// The revocation ids of its blocks. Whoever denies the first denies all that was narrowed from it.
    pub fn revocation_ids(&self) -> Vec<RevocationId> {
        let ids = self.token.revocation_identifiers();
        ids.iter().map(|id| RevocationId::from_bytes(id)).collect()
    }

    /// Whether the checks in the token hold for one request.
    ///
    /// # Errors
    /// [`EdrError::Narrowed`] where one does not; [`EdrError::Timeout`] where the machine stalled.
    pub fn permits(&self, asked: &Use<'_>) -> Result<(), EdrError> {
        let seconds = u64::try_from(asked.now.as_second()).map_err(|_| EdrError::Expired)?;
        let text = |value: &str| Term::Str(value.to_owned());
        let facts = [
            Some(("time", Term::Date(seconds))),
            Some(("operation", text(asked.operation.as_str()))),
            Some(("recipient", text(asked.recipient.as_str()))),
            Some(("endpoint_tenant", text(self.grant.tenant.as_str()))),
            asked.pcf.map(|pcf| ("pcf", text(pcf.as_str()))),
            asked.product.map(|product| ("product", text(product.as_str()))),
        ];
        let mut builder = AuthorizerBuilder::new().set_limits(LIMITS);
        for (name, value) in facts.into_iter().flatten() {
            builder = builder.fact(Fact::new(name.to_owned(), vec![value])).map_err(refusal)?;
        }
        let builder = builder
            .policy("allow if tenant($t), endpoint_tenant($t)")
            .map_err(refusal)?;
        let mut authorizer = builder.build(&self.token).map_err(refusal)?;
        authorizer.authorize().map(drop).map_err(refusal)
    }
}

fn refusal(error: Token) -> EdrError {
    match error {
        Token::RunLimit(RunLimit::Timeout) => EdrError::Timeout,
        _ => EdrError::Narrowed,
    }
}

impl fmt::Debug for Edr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Edr").field(&self.grant).finish()
    }
}

/// The bytes of a token, for tests that change them.
#[cfg(test)]
pub(super) fn bytes_of(token: &str) -> Vec<u8> {
    BASE64.decode(token).unwrap_or_default()
}
