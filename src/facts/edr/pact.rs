//! Tokens of the PACT endpoint: what a partner's own client is given for its secret, and shows with each request.
//!
//! They are biscuits as the tokens of data flows are, and made from the same secret; but each tenant and generation has a root key of
//! its own for them. So a token of a data flow fails here at the signature, and a token of this kind fails there, as another
//! tenant's does at either. The kind stands in the token all the same, as a second lock.
//!
//! A token says which client it was given to, of which partner, and by which secret (its digest). It is worth nothing once the registry
//! says otherwise: whoever calls this module looks all three up at each request. What may be done with it is policy's to say.
//!
//! Its end is minutes away, and it grants all that the client may. Nobody narrows it: a token with a block appended is refused.

use biscuit_auth::builder::Term;
use biscuit_auth::datalog::SymbolTable;
use biscuit_auth::format::schema;
use jiff::Timestamp;
use prost::Message as _;

use super::authority::{self, Facts};
use super::{EdrError, EdrKeys, Minted, verify};
use crate::ids::{Bpnl, ClientId, Digest, TenantId};

/// What tells these tokens from others, beside their key.
const KIND: &str = "pact";

/// What a token of the PACT endpoint says: its one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PactGrant {
    /// The tenant at whose endpoint it is good.
    pub tenant: TenantId,
    /// The address of that endpoint.
    pub endpoint: Box<str>,
    /// The company it was given to.
    pub partner: Bpnl,
    /// The client it was given to.
    pub client: ClientId,
    /// The digest of the secret it was given for.
    pub credential: Digest,
    /// From when on it is no good, in whole seconds.
    pub expires: Timestamp,
}

impl EdrKeys {
    /// Makes a token of the PACT endpoint.
    ///
    /// # Errors
    /// [`EdrError::Mint`] where the library fails.
    pub fn mint_pact(&self, grant: &PactGrant) -> Result<Minted, EdrError> {
        let text = |text: &dyn std::fmt::Display| Term::Str(text.to_string());
        let facts = [
            ("kind", text(&KIND)),
            ("tenant", text(&grant.tenant)),
            ("endpoint", text(&grant.endpoint)),
            ("partner", text(&grant.partner)),
            ("client", text(&grant.client)),
            ("credential", text(&grant.credential)),
        ];
        let root = self.pact_root(grant.tenant, self.generation)?;
        authority::sign(&root, self.generation, grant.expires, facts)
    }

    /// What a token says that was made for this tenant's endpoint, and is good at `now`.
    ///
    /// # Errors
    /// The first check that fails. [`EdrError::Expired`] only of a token that this tenant's endpoint gave.
    pub fn read_pact(
        &self,
        tenant: TenantId,
        endpoint: &str,
        bearer: &str,
        now: Timestamp,
    ) -> Result<PactGrant, EdrError> {
        let root = |generation| {
            let known = self.generations().any(|known| known == generation);
            let root = known.then(|| self.pact_root(tenant, generation).ok()).flatten();
            root.map(|root| root.public())
        };
        let (_, envelope) = verify::signed(bearer, root)?;
        if !envelope.blocks.is_empty() {
            return Err(EdrError::Blocks);
        }
        let grant = read(&envelope)?;
        if grant.tenant != tenant || *grant.endpoint != *endpoint {
            return Err(EdrError::Endpoint);
        }
        match now < grant.expires {
            true => Ok(grant),
            false => Err(EdrError::Expired),
        }
    }

    fn pact_root(&self, tenant: TenantId, generation: u32) -> Result<biscuit_auth::KeyPair, EdrError> {
        self.pair(&format!("{KIND}/{tenant}/{generation}"))
    }
}

fn read(envelope: &schema::Biscuit) -> Result<PactGrant, EdrError> {
    let block = schema::Block::decode(envelope.authority.block.as_slice()).map_err(|_| EdrError::Authority)?;
    let symbols = SymbolTable::from(block.symbols.clone()).map_err(|_| EdrError::Authority)?;
    let facts = Facts::of(&block, &symbols, 7)?;
    if facts.text("kind")? != KIND {
        return Err(EdrError::Authority);
    }
    Ok(PactGrant {
        tenant: facts.id("tenant")?,
        endpoint: facts.text("endpoint")?.into(),
        partner: facts.id("partner")?,
        client: facts.id("client")?,
        credential: facts.id("credential")?,
        expires: facts.expires()?,
    })
}

#[cfg(test)]
mod tests {
    use biscuit_auth::UnverifiedBiscuit;
    use biscuit_auth::builder::BlockBuilder;
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::facts::edr::Grant;

    const ELBE: &str = "BPNL000000000DWF";
    const ISAR: &str = "BPNL00000000B2CD";
    const ENDPOINT: &str = "https://t.example/exchange/BPNL000000000DWF";

    fn now() -> Timestamp {
        "2026-11-25T09:00:00Z".parse().unwrap()
    }

    fn grant() -> PactGrant {
        PactGrant {
            tenant: ELBE.parse().unwrap(),
            endpoint: ENDPOINT.into(),
            partner: "BPNL00000000C3EF".parse().unwrap(),
            client: "weser".parse().unwrap(),
            credential: Digest::of(b"a secret"),
            expires: "2026-11-25T09:15:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_token_is_good_at_its_tenants_endpoint_until_its_end_and_nowhere_else() {
        let keys = EdrKeys::from_seed(&[7; 32], 2);
        let minted = keys.mint_pact(&grant()).unwrap();
        let token = minted.token.expose_secret();
        let read = |keys: &EdrKeys, tenant: &str, endpoint, at: &str| {
            keys.read_pact(tenant.parse().unwrap(), endpoint, token, at.parse().unwrap())
        };
        let (before, end) = ("2026-11-25T09:14:59.999Z", "2026-11-25T09:15:00Z");
        assert_eq!(read(&keys, ELBE, ENDPOINT, before), Ok(grant()));
        assert_eq!(read(&keys, ELBE, ENDPOINT, end), Err(EdrError::Expired));
        assert_eq!(
            read(&keys, ELBE, "https://other.example", before),
            Err(EdrError::Endpoint)
        );
        assert_eq!(read(&keys, ISAR, ENDPOINT, before), Err(EdrError::Signature));
        // The generation before is good, the one before that is not.
        assert_eq!(
            read(&EdrKeys::from_seed(&[7; 32], 3), ELBE, ENDPOINT, before),
            Ok(grant())
        );
        let later = EdrKeys::from_seed(&[7; 32], 4);
        assert_eq!(read(&later, ELBE, ENDPOINT, before), Err(EdrError::Generation));
    }

    #[test]
    fn a_token_of_a_data_flow_is_none_here_nor_one_of_these_there() {
        let keys = EdrKeys::from_seed(&[7; 32], 1);
        let own = keys.mint_pact(&grant()).unwrap();
        let flow = Grant {
            tenant: ELBE.parse().unwrap(),
            endpoint: ENDPOINT.into(),
            consumer: "BPNL00000000C3EF".parse().unwrap(),
            agreement: "a-1".parse().unwrap(),
            asset: "pcf".parse().unwrap(),
            purpose: "cx.pcf.base:1".into(),
            terms: Digest::of(b"terms"),
            flow: "flow".into(),
            expires: grant().expires,
        };
        let flow = keys.mint(&flow).unwrap();
        let tenant = ELBE.parse().unwrap();
        let there = keys.verifier(tenant, ENDPOINT).unwrap();
        assert_eq!(
            there.verify(own.token.expose_secret(), now()).unwrap_err(),
            EdrError::Signature
        );
        assert_eq!(
            keys.read_pact(tenant, ENDPOINT, flow.token.expose_secret(), now()),
            Err(EdrError::Signature)
        );
    }

    #[test]
    fn nobody_appends_to_a_token() {
        let keys = EdrKeys::from_seed(&[7; 32], 1);
        let minted = keys.mint_pact(&grant()).unwrap();
        let token = UnverifiedBiscuit::from_base64(minted.token.expose_secret()).unwrap();
        let block = BlockBuilder::new().code("check if true").unwrap();
        let longer = token.append(block).unwrap().to_base64().unwrap();
        let read = keys.read_pact(ELBE.parse().unwrap(), ENDPOINT, &longer, now());
        assert_eq!(read, Err(EdrError::Blocks));
    }
}
