//! The two policies of an offer, each of the kind that belongs in its place.
//!
//! An access policy keeps from negotiating whoever may not see the offer; a usage policy in its place would keep nobody from it. So
//! one text does not serve for both, as it does in an example of CX-0136: what it says of use is nothing an access policy can ask.
//! Only texts of before there was an action `access` are read as access policies where one belongs.

use std::collections::HashMap;
use std::sync::Arc;

use super::model::{Offer, Tenant};
use super::pool::TermsPool;
use crate::contract::{ContractError, Kind, Parties, Role, Terms};
use crate::ids::{AssetId, OfferId};

/// A policy of an offer that is none, not one for its place, or not about this offer.
#[derive(Debug, thiserror::Error)]
#[error("the {what}: {source}")]
pub struct OfferError {
    /// Which of the two.
    pub what: &'static str,
    /// What is wrong with it.
    pub source: Box<ContractError>,
}

/// Reads offers. Each text is compiled once and kept once, however many offers it stands in.
#[derive(Debug)]
pub struct OfferReader<'p> {
    pool: &'p mut TermsPool,
    access: Texts,
    usage: Texts,
}

type Texts = HashMap<Arc<str>, Read>;

/// A policy that was read.
#[derive(Clone, Debug)]
struct Read {
    odrl: Arc<str>,
    terms: Arc<Terms>,
    parties: Parties,
}

impl<'p> OfferReader<'p> {
    /// A reader that shares terms through `pool`.
    pub fn new(pool: &'p mut TermsPool) -> Self {
        Self {
            pool,
            access: Texts::new(),
            usage: Texts::new(),
        }
    }

    /// The offer of `asset` by `provider`, under two policies.
    ///
    /// # Errors
    /// A policy that does not compile or is of the other kind, or that names another company or asset.
    pub fn read(
        &mut self,
        id: OfferId,
        provider: &Tenant,
        asset: AssetId,
        (access, usage): (&str, &str),
    ) -> Result<Offer, OfferError> {
        let (access_terms, access_odrl) = self.policy(Kind::Access, access, provider, &asset)?;
        let (usage_terms, usage_odrl) = self.policy(Kind::Usage, usage, provider, &asset)?;
        Ok(Offer {
            id,
            provider: provider.id,
            asset,
            access_terms,
            usage_terms,
            access_odrl,
            usage_odrl,
        })
    }

    fn policy(
        &mut self,
        kind: Kind,
        text: &str,
        provider: &Tenant,
        asset: &AssetId,
    ) -> Result<(Arc<Terms>, Arc<str>), OfferError> {
        let wrong = |source| OfferError {
            what: match kind {
                Kind::Access => "access policy of the offer",
                Kind::Usage => "usage policy of the offer",
            },
            source: Box::new(source),
        };
        let texts = match kind {
            Kind::Access => &mut self.access,
            Kind::Usage => &mut self.usage,
        };
        let Read { odrl, terms, parties } = match texts.get(text) {
            Some(known) => known.clone(),
            None => {
                let terms = Terms::from_odrl_as(text, kind).map_err(wrong)?;
                let read = Read {
                    odrl: text.into(),
                    parties: terms.parties().cloned().unwrap_or_default(),
                    terms: self.pool.share(terms),
                };
                texts.insert(Arc::clone(&read.odrl), read.clone());
                read
            }
        };
        let target = format_args!("the asset of the offer, `{asset}`, or left out");
        let named = parties.check(Role::Target, target, |name| name == asset.as_str());
        named.map_err(wrong)?;
        let assigner = format_args!("the company that offers, `{}`, or left out", provider.participant());
        let named = parties.check(Role::Assigner, assigner, |name| provider.is_named(name));
        named.map_err(wrong)?;
        Ok((terms, odrl))
    }
}
