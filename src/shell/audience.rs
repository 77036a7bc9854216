//! Who may see what of a company's twins: asked of policy, for each company on record.

use std::collections::BTreeSet;

use super::{Group, Publication};
use crate::decision::Effect;
use crate::engine;
use crate::ids::{Bpnl, ClientId};
use crate::question::ask::{self, ExchangeFacts, LookupFacts, TwinFacts};
use crate::question::{Action, Question};
use crate::registry::{Offer, Partner};
use crate::twin::SpecificAssetId;

/// Asks in the name of a company's own connector.
pub(super) struct Audience<'a> {
    publication: &'a Publication<'a>,
    client: &'a ClientId,
    companies: BTreeSet<Bpnl>,
    /// None where every number is taken, and then nothing is public.
    stranger: Option<Partner>,
}

/// Who sees a shell, and by which right.
pub(super) struct Seen {
    /// Those whom an offer shows itself to, or whom an agreement grants a footprint.
    all: BTreeSet<Bpnl>,
    /// Those whom an agreement grants a footprint.
    granted: BTreeSet<Bpnl>,
    /// Whether an offer shows itself to everybody.
    public: bool,
}

impl<'a> Audience<'a> {
    pub(super) fn of(publication: &'a Publication<'a>, client: &'a ClientId) -> Self {
        let companies = companies(publication);
        let stranger = stranger(&companies);
        Self {
            publication,
            client,
            companies,
            stranger,
        }
    }

    /// Who sees the shell of `group`.
    pub(super) fn sees(&self, group: &Group<'_>) -> Seen {
        let offers = self.publication.world.offers.values();
        let offers: Vec<&Offer> = offers
            .map(AsRef::as_ref)
            .filter(|offer| offer.asset == *group.asset)
            .collect();
        let granted: BTreeSet<Bpnl> = self
            .companies
            .iter()
            .copied()
            .filter(|bpnl| self.granted(group, *bpnl))
            .collect();
        let registry = self.publication.registry;
        let offered = self.companies.iter().copied().filter(|bpnl| {
            let facts = self.facts(*bpnl, registry.partner(*bpnl).map(AsRef::as_ref));
            offers
                .iter()
                .any(|offer| allowed(self, &ask::offer(&facts, Action::Discover, offer)))
        });
        Seen {
            all: offered.chain(granted.iter().copied()).collect(),
            granted,
            public: offers.iter().any(|offer| self.is_public(offer)),
        }
    }

    /// Whom a registry shows a specific asset id of the twin to: BPNLs, or nobody in particular because it is everybody.
    pub(super) fn shown(
        &self,
        seen: &Seen,
        twin: TwinFacts<'_>,
        id: &SpecificAssetId,
        for_all: bool,
    ) -> Option<BTreeSet<Bpnl>> {
        if let Some(stranger) = self.stranger.as_ref().filter(|_| for_all && seen.public) {
            let facts = self.lookup(stranger.bpnl, Some(stranger));
            if allowed(self, &ask::asset_id(&facts, twin, id)) {
                return None;
            }
        }
        // The number a customer has for a part is that customer's to tell, and stands in the document.
        let those = match id.name == "customerPartId" {
            true => &seen.granted,
            false => &seen.all,
        };
        let registry = self.publication.registry;
        let may = |bpnl: &Bpnl| {
            let facts = self.lookup(*bpnl, registry.partner(*bpnl).map(AsRef::as_ref));
            allowed(self, &ask::asset_id(&facts, twin, id))
        };
        Some(those.iter().copied().filter(may).collect())
    }

    fn lookup<'f>(&'f self, partner: Bpnl, known: Option<&'f Partner>) -> LookupFacts<'f> {
        LookupFacts {
            now: self.publication.now,
            world: self.publication.world,
            connector: self.client,
            partner,
            known,
        }
    }

    fn facts<'f>(&'f self, partner: Bpnl, known: Option<&'f Partner>) -> ExchangeFacts<'f> {
        self.lookup(partner, known).exchange(self.publication.purpose)
    }

    /// Whether an agreement of this company grants it one of the group's footprints.
    fn granted(&self, group: &Group<'_>, bpnl: Bpnl) -> bool {
        let Publication {
            world, registry, uses, ..
        } = self.publication;
        let known = registry.partner(bpnl).map(AsRef::as_ref);
        group.footprints.values().any(|footprint| {
            let agreements = world.agreements_on(footprint, Some(bpnl));
            let mut agreements = agreements
                .into_iter()
                .filter(|agreement| agreement.asset == *group.asset);
            agreements.any(|agreement| {
                let facts = ExchangeFacts {
                    uses: uses.get(&agreement.id).copied(),
                    ..self.facts(bpnl, known)
                };
                allowed(
                    self,
                    &ask::access(&facts, &footprint.id, Some(footprint), Some(agreement)),
                )
            })
        })
    }

    /// Whether an offer shows itself to whoever is a member: to one nobody has heard of, and to each on record, taken for a member.
    fn is_public(&self, offer: &Offer) -> bool {
        let Some(stranger) = &self.stranger else { return false };
        let member = |bpnl: &Bpnl| match self.publication.registry.partner(*bpnl) {
            Some(known) => Partner {
                membership: stranger.membership.clone(),
                ..Partner::clone(known)
            },
            None => Partner {
                bpnl: *bpnl,
                ..stranger.clone()
            },
        };
        let mut all = self.companies.iter().map(member).chain([stranger.clone()]);
        all.all(|member| {
            let facts = self.facts(member.bpnl, Some(&member));
            allowed(self, &ask::offer(&facts, Action::Discover, offer))
        })
    }
}

impl Seen {
    /// Nobody, by no right.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty() && !self.public
    }
}

fn allowed(audience: &Audience<'_>, question: &Question) -> bool {
    engine::decide(audience.publication.bundle, question).effect == Effect::Allow
}

/// Every company anybody could mean: who is on record, and who is named in the terms of the offers.
fn companies(publication: &Publication<'_>) -> BTreeSet<Bpnl> {
    let Publication { world, registry, .. } = publication;
    let partners = registry.partners().map(|partner| partner.bpnl);
    let related = world.relations.keys().copied();
    let consumers = world.agreements.values().map(|agreement| agreement.consumer);
    let named = world
        .offers
        .values()
        .flat_map(|offer| named(offer.access_terms.canonical()));
    let mut all: BTreeSet<Bpnl> = partners.chain(related).chain(consumers).chain(named).collect();
    // A company is no partner of its own.
    all.remove(&world.tenant.id.0);
    all
}

/// The BPNLs in a text.
fn named(text: &[u8]) -> impl Iterator<Item = Bpnl> + '_ {
    let windows = text.windows(16).filter_map(|window| std::str::from_utf8(window).ok());
    windows.filter_map(|text| text.parse().ok())
}

/// A member of the data space, and no more, that nobody has heard of.
fn stranger(known: &BTreeSet<Bpnl>) -> Option<Partner> {
    let numbers = (0_u64..1_000_000_000_000).filter_map(|number| format!("BPNL{number:012}").parse().ok());
    let mut numbers = numbers;
    let bpnl = numbers.find(|bpnl| !known.contains(bpnl))?;
    Some(Partner {
        bpnl,
        name: String::new(),
        membership: "active".to_owned(),
        frameworks: BTreeSet::new(),
        region: None,
        affiliates: BTreeSet::new(),
        dsp: None,
        did: None,
    })
}
