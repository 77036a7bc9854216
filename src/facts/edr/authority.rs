//! The first block of a token: written by Tidegate alone, and read for exactly what it writes.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use biscuit_auth::builder::{Check, Fact, Term};
use biscuit_auth::datalog::SymbolTable;
use biscuit_auth::format::schema;
use biscuit_auth::format::schema::term::Content;
use biscuit_auth::{Biscuit, KeyPair};
use jiff::Timestamp;
use secrecy::SecretString;

use super::{EdrError, Grant, Minted, RevocationId};

/// Makes a token with that root key.
pub(super) fn mint(root: &KeyPair, generation: u32, grant: &Grant) -> Result<Minted, EdrError> {
    let text = |text: &dyn std::fmt::Display| Term::Str(text.to_string());
    let facts = [
        ("tenant", text(&grant.tenant)),
        ("endpoint", text(&grant.endpoint)),
        ("provider", text(&grant.tenant)),
        ("consumer", text(&grant.consumer)),
        ("agreement", text(&grant.agreement)),
        ("asset", text(&grant.asset)),
        ("purpose", text(&grant.purpose)),
        ("terms", text(&grant.terms)),
        ("flow", text(&grant.flow)),
    ];
    sign(root, generation, grant.expires, facts)
}

/// Makes a token of these facts and its end, which is a check as well.
pub(super) fn sign(
    root: &KeyPair,
    generation: u32,
    expires: Timestamp,
    facts: impl IntoIterator<Item = (&'static str, Term)>,
) -> Result<Minted, EdrError> {
    let failed = |_| EdrError::Mint;
    let second = expires.as_second();
    let end = Timestamp::from_second(second).map_err(|_| EdrError::Mint)?;
    let date = u64::try_from(second).map_err(|_| EdrError::Mint)?;
    let within: Check = format!("check if time($t), $t < {end}")
        .as_str()
        .try_into()
        .map_err(failed)?;
    let mut builder = Biscuit::builder()
        .root_key_id(generation)
        .check(within)
        .map_err(failed)?;
    for (name, value) in facts.into_iter().chain([("expires", Term::Date(date))]) {
        builder = builder.fact(Fact::new(name.to_owned(), vec![value])).map_err(failed)?;
    }
    let token = builder.build(root).map_err(failed)?;
    let ids = token.revocation_identifiers();
    Ok(Minted {
        token: SecretString::from(URL_SAFE_NO_PAD.encode(token.to_vec().map_err(failed)?)),
        id: RevocationId::from_bytes(ids.first().ok_or(EdrError::Mint)?),
    })
}

/// Reads a first block whose signature verified. The one check in it says what `expires` says; the library evaluates it.
pub(super) fn read(block: &schema::Block, symbols: &SymbolTable) -> Result<Grant, EdrError> {
    let facts = Facts::of(block, symbols, 10)?;
    let tenant = facts.id("tenant")?;
    if facts.text("provider")? != facts.text("tenant")? {
        return Err(EdrError::Authority);
    }
    Ok(Grant {
        tenant,
        endpoint: facts.text("endpoint")?.into(),
        consumer: facts.id("consumer")?,
        agreement: facts.id("agreement")?,
        asset: facts.id("asset")?,
        purpose: facts.text("purpose")?.into(),
        terms: facts.id("terms")?,
        flow: facts.text("flow")?.into(),
        expires: facts.expires()?,
    })
}

/// The facts of a first block.
pub(super) struct Facts<'a> {
    block: &'a schema::Block,
    symbols: &'a SymbolTable,
}

impl<'a> Facts<'a> {
    /// Those of a block that has so many facts, one check, and nothing else.
    pub(super) fn of(block: &'a schema::Block, symbols: &'a SymbolTable, count: usize) -> Result<Self, EdrError> {
        let plain = block.rules.is_empty()
            && block.scope.is_empty()
            && block.public_keys.is_empty()
            && block.context.is_none()
            && block.checks.len() == 1
            && block.facts.len() == count;
        match plain {
            true => Ok(Self { block, symbols }),
            false => Err(EdrError::Authority),
        }
    }

    /// The end of the token.
    pub(super) fn expires(&self) -> Result<Timestamp, EdrError> {
        let Content::Date(seconds) = self.value("expires")? else {
            return Err(EdrError::Authority);
        };
        let seconds = i64::try_from(*seconds).map_err(|_| EdrError::Authority)?;
        Timestamp::from_second(seconds).map_err(|_| EdrError::Authority)
    }

    /// The one value of the one fact of that name.
    fn value(&self, name: &str) -> Result<&'a Content, EdrError> {
        let named = |fact: &&schema::Fact| self.symbols.get_symbol(fact.predicate.name) == Some(name);
        let mut found = self.block.facts.iter().filter(named);
        match (found.next().map(|fact| fact.predicate.terms.as_slice()), found.next()) {
            (Some([term]), None) => term.content.as_ref().ok_or(EdrError::Authority),
            _ => Err(EdrError::Authority),
        }
    }

    pub(super) fn text(&self, name: &str) -> Result<&'a str, EdrError> {
        match self.value(name)? {
            Content::String(symbol) => self.symbols.get_symbol(*symbol).ok_or(EdrError::Authority),
            _ => Err(EdrError::Authority),
        }
    }

    pub(super) fn id<T: FromStr>(&self, name: &str) -> Result<T, EdrError> {
        self.text(name)?.parse().map_err(|_| EdrError::Authority)
    }
}
