//! Changes of footprints, noted before they come about and made into deliveries after.
//!
//! Both are done for many at a time: a supplier that hands in a hundred thousand footprints costs as many rows, and not as many waits
//! for the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use jiff::Timestamp;

use super::{PcfStore, PcfStoreError, instant, parsed, to_json};
use crate::database::{Arg, Insert, Transaction, args};
use crate::ids::{Bpnl, Digest, PcfId, TenantId};
use crate::pcf::exchange::{Errand, ExchangeId};
use crate::pcf::pact::MOST_IN_EVENT;

/// A change of a footprint that has not become deliveries yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The tenant whose footprint it is.
    pub tenant: TenantId,
    /// The footprint.
    pub pcf: PcfId,
    /// What its bytes are to be.
    pub digest: Digest,
    /// When it was noted.
    pub at: Timestamp,
}

/// A change, and to whom it is to be told: to nobody where it never came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread {
    /// The change.
    pub change: Change,
    /// The partners whose connectors it goes to.
    pub partners: BTreeSet<Bpnl>,
    /// The partners whose PACT hosts are told of it.
    pub told: BTreeSet<Bpnl>,
}

/// What a row of a change is known by.
type Key = (TenantId, PcfId, Digest);

impl Change {
    fn key(&self) -> Key {
        (self.tenant, self.pcf.clone(), self.digest)
    }
}

static NOTE: LazyLock<Insert> = LazyLock::new(|| {
    Insert::new(
        "INSERT INTO change (tenant, pcf, digest, at)",
        4,
        "ON CONFLICT (tenant, pcf, digest) DO UPDATE SET at = excluded.at",
    )
});

static PUT: LazyLock<Insert> = LazyLock::new(|| {
    Insert::new(
        "INSERT INTO delivery (tenant, partner, kind, exchange, errand, state, attempts, used, at, next)",
        10,
        "",
    )
});

impl PcfStore {
    /// Notes that footprints are about to change, before they do; all or none of them.
    ///
    /// # Errors
    /// The database; the footprints must not change then, or nobody would be told.
    pub async fn note_changes(&self, changes: &[Change]) -> Result<(), PcfStoreError> {
        // Each row once, and rows in the order of their keys, in which they are locked.
        let keyed = changes.iter().map(|change| (change.key(), change.at));
        let rows: BTreeMap<Key, Timestamp> = keyed.collect();
        if rows.is_empty() {
            return Ok(());
        }
        let digests: Vec<_> = rows.keys().map(|(_, _, digest)| digest.to_string()).collect();
        let values: Vec<Arg<'_>> = rows
            .iter()
            .zip(&digests)
            .flat_map(|(((tenant, pcf, _), at), digest)| {
                let [tenant, pcf, digest] = [tenant.as_str(), pcf.as_str(), digest.as_str()].map(Arg::from);
                [tenant, pcf, digest, Arg::from(at.as_millisecond())]
            })
            .collect();
        let mut transaction = self.tables.begin().await?;
        transaction.insert(&NOTE, &values).await?;
        Ok(transaction.commit().await?)
    }

    /// Notes that a footprint is about to change; see [`PcfStore::note_changes`].
    ///
    /// # Errors
    /// As there.
    pub async fn note_change(&self, change: &Change) -> Result<(), PcfStoreError> {
        self.note_changes(std::slice::from_ref(change)).await
    }

    /// The changes that have not become deliveries, oldest first: those that come after `after`, `limit` of them at most.
    ///
    /// # Errors
    /// The database, or a row that does not read.
    pub async fn changes(&self, after: Option<&Change>, limit: u32) -> Result<Vec<Change>, PcfStoreError> {
        let sql = "SELECT tenant, pcf, digest, at FROM change WHERE (at, tenant, pcf, digest) > ($1, $2, $3, $4)
                   ORDER BY at, tenant, pcf, digest LIMIT $5";
        let digest = after.map(|change| change.digest.to_string()).unwrap_or_default();
        let args = args![
            after.map_or(i64::MIN, |change| change.at.as_millisecond()),
            after.map_or("", |change| change.tenant.as_str()),
            after.map_or("", |change| change.pcf.as_str()),
            &digest,
            i64::from(limit),
        ];
        let rows: Vec<(String, String, String, i64)> = self.tables.fetch(sql, args).await?;
        let read = |(tenant, pcf, digest, at): (String, String, String, i64)| {
            Ok(Change {
                tenant: parsed("change", &tenant)?,
                pcf: parsed("change", &pcf)?,
                digest: parsed("change", &digest)?,
                at: instant("change", at)?,
            })
        };
        rows.into_iter().map(read).collect()
    }

    /// Makes each change into one delivery for each of its partners, those of which a partner is told by events into as few as possible, and
    /// crosses it off; all of them or none. What was crossed off before is
    /// not delivered again.
    ///
    /// # Errors
    /// The database; the changes stay then.
    pub async fn spread(&self, spread: &[Spread], now: Timestamp) -> Result<(), PcfStoreError> {
        let mut ordered: Vec<&Spread> = spread.iter().collect();
        ordered.sort_by_cached_key(|spread| spread.change.key());
        let mut transaction = self.tables.begin().await?;
        let mut crossed_off = BTreeSet::new();
        for spread in ordered {
            if cross_off(&mut transaction, &spread.change).await? {
                crossed_off.insert(spread.change.key());
            }
        }
        // The oldest change is delivered first.
        let ours = spread.iter().filter(|spread| crossed_off.remove(&spread.change.key()));
        let ours: Vec<&Spread> = ours.collect();
        let updates = ours.iter().copied().flat_map(updates);
        let letters: Vec<Letter> = updates.chain(published(&ours)).collect();
        put_all(&mut transaction, &letters, now).await?;
        transaction.commit().await?;
        if !letters.is_empty() {
            self.wake();
        }
        Ok(())
    }
}

/// Returns whether it was there.
async fn cross_off(transaction: &mut Transaction, change: &Change) -> Result<bool, sqlx::Error> {
    let sql = "DELETE FROM change WHERE tenant = $1 AND pcf = $2 AND digest = $3";
    let digest = change.digest.to_string();
    let args = args![change.tenant.as_str(), change.pcf.as_str(), &digest];
    Ok(transaction.run(sql, args).await? > 0)
}

/// A delivery as it is written.
struct Letter {
    tenant: TenantId,
    partner: Bpnl,
    kind: &'static str,
    exchange: String,
    errand: String,
}

impl Letter {
    fn new(tenant: TenantId, partner: Bpnl, errand: &Errand) -> Self {
        Self {
            tenant,
            partner,
            kind: errand.as_str(),
            exchange: ExchangeId::new().to_string(),
            errand: to_json(errand),
        }
    }
}

fn updates(spread: &Spread) -> impl Iterator<Item = Letter> {
    let change = &spread.change;
    let errand = Errand::Update(change.pcf.clone(), change.digest);
    let partners = spread.partners.iter();
    partners.map(move |partner| Letter::new(change.tenant, *partner, &errand))
}

/// What each partner's PACT host is told, as many footprints at a time as an event has.
fn published(spread: &[&Spread]) -> Vec<Letter> {
    let mut told: BTreeMap<(TenantId, Bpnl), Vec<(PcfId, Digest)>> = BTreeMap::new();
    for Spread { change, told: to, .. } in spread {
        for partner in to {
            let list = told.entry((change.tenant, *partner)).or_default();
            list.push((change.pcf.clone(), change.digest));
        }
    }
    let mut letters = Vec::new();
    for ((tenant, partner), list) in told {
        let events = list.chunks(MOST_IN_EVENT).map(|some| Errand::Publish(some.to_vec()));
        letters.extend(events.map(|errand| Letter::new(tenant, partner, &errand)));
    }
    letters
}

async fn put_all(transaction: &mut Transaction, letters: &[Letter], now: Timestamp) -> Result<(), sqlx::Error> {
    let now = Arg::from(now.as_millisecond());
    let values: Vec<Arg<'_>> = letters
        .iter()
        .flat_map(|letter| {
            let texts = [letter.tenant.as_str(), letter.partner.as_str(), letter.kind];
            let [tenant, partner, kind] = texts.map(Arg::from);
            let [exchange, errand] = [&letter.exchange, &letter.errand].map(Arg::from);
            let (state, attempts, used) = (Arg::from("open"), Arg::from(0), Arg::from(false));
            [tenant, partner, kind, exchange, errand, state, attempts, used, now, now]
        })
        .collect();
    transaction.insert(&PUT, &values).await
}
