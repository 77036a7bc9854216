//! Footprints are taken in, many at a time; a document with other bytes is the next version, and the one before goes into the history.
//!
//! What tells versions apart is the digest of the document. The same bytes again are the same version, whenever and however often they come:
//! a supplier that is not sure whether something arrived hands it in again. What the index says of them may change all the same (they
//! become part of another asset); that is no version.
//!
//! The row of the version before is written to `history` in the same transaction that replaces it, so there is no moment, and no crash,
//! after which a version is in neither table or in both. Versions of one footprint are numbered from 1 without a gap: whoever changes the
//! registry has it alone (`edit`). The history decides nothing and is not in memory.
//!
//! # Worked example
//!
//! `3893…` is there as version 2 with the bytes `B`. One call brings `B`, `C`, `D`: the first is version 2 and changes nothing; the others
//! are versions 3 and 4. One row of `footprint` is written, that of version 4, and two of `history`: version 2, and version 3, which nobody
//! ever saw in memory.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::edit::Edit;
use super::rows::{from_json, to_json};
use super::{RegistryError, RegistryStore};
use crate::database::{Arg, Insert, args};
use crate::ids::{PcfId, TenantId};
use crate::registry::Registry;
use crate::registry::model::Footprint;

static PUT: LazyLock<Insert> = LazyLock::new(|| {
    Insert::new(
        "INSERT INTO footprint (tenant, id, document, version)",
        4,
        "ON CONFLICT (tenant, id) DO UPDATE SET document = excluded.document, version = excluded.version",
    )
});

static KEEP: LazyLock<Insert> =
    LazyLock::new(|| Insert::new("INSERT INTO history (tenant, pcf, number, document)", 4, ""));

/// What became of a footprint that was taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indexed {
    /// Which version it is.
    pub version: u32,
    /// Whether its bytes are others than those of the version before, or there was none.
    pub is_new: bool,
}

/// A version of a footprint that another took the place of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Superseded {
    /// What the index knew of it.
    pub footprint: Footprint,
    /// When another took its place.
    pub superseded_at: Timestamp,
}

impl RegistryStore {
    /// Takes in footprints, each in place of the version before, all or none of them: one change, durable and in memory on return. Their
    /// `version` is not looked at; it follows from what is there. Where one id stands several times, its documents are versions one after
    /// the other, in this order. What became of each is at its place.
    ///
    /// # Errors
    /// The database, or a tenant that is not there; nothing is taken in then.
    pub async fn put_footprints(
        &self,
        footprints: &[Footprint],
        now: Timestamp,
    ) -> Result<Vec<Indexed>, RegistryError> {
        if footprints.is_empty() {
            return Ok(Vec::new());
        }
        let mut edit = self.edit().await?;
        let registry = self.current();
        let mut versions = Versions::over(&registry);
        let mut indexed = Vec::with_capacity(footprints.len());
        for footprint in footprints {
            indexed.push(versions.take(footprint, now)?);
        }
        // Dropped, the edit changed nothing.
        if !versions.rows.is_empty() {
            versions.write(&mut edit).await?;
            edit.commit().await?;
        }
        Ok(indexed)
    }

    /// Takes in one footprint; see [`RegistryStore::put_footprints`].
    ///
    /// # Errors
    /// As there.
    pub async fn put_footprint(&self, footprint: Footprint, now: Timestamp) -> Result<Indexed, RegistryError> {
        let indexed = self.put_footprints(std::slice::from_ref(&footprint), now).await?;
        Ok(indexed.into_iter().next().unwrap_or(Indexed {
            version: footprint.version,
            is_new: false,
        }))
    }

    /// The versions of a footprint that others took the place of and whose number is below `before`, the newest first, `limit` at most.
    ///
    /// # Errors
    /// The database, or a row that does not read.
    pub async fn history(
        &self,
        tenant: TenantId,
        pcf: &PcfId,
        before: u32,
        limit: u32,
    ) -> Result<Vec<Superseded>, RegistryError> {
        let sql = "SELECT document FROM history WHERE tenant = $1 AND pcf = $2 AND number < $3
                   ORDER BY number DESC LIMIT $4";
        let args = args![tenant.as_str(), pcf.as_str(), i64::from(before), i64::from(limit)];
        let rows: Vec<(String,)> = self.tables.fetch(sql, args).await?;
        rows.iter()
            .map(|(document,)| from_json("version of the footprint", pcf.as_str(), document))
            .collect()
    }
}

/// What is to be written for footprints that are taken in.
struct Versions<'r> {
    registry: &'r Registry,
    /// In the order of their keys, in which rows are locked.
    rows: BTreeMap<(TenantId, PcfId), Footprint>,
    superseded: Vec<Superseded>,
}

impl<'r> Versions<'r> {
    fn over(registry: &'r Registry) -> Self {
        Self {
            registry,
            rows: BTreeMap::new(),
            superseded: Vec::new(),
        }
    }

    fn take(&mut self, footprint: &Footprint, now: Timestamp) -> Result<Indexed, RegistryError> {
        let tenant = footprint.tenant;
        let world = self.registry.tenant(tenant);
        let world = world.ok_or(RegistryError::NoSuchTenant(tenant))?;
        let key = (tenant, footprint.id.clone());
        let stored = world.footprints.get(&footprint.id).map(AsRef::as_ref);
        let known = self.rows.get(&key).or(stored);
        let (version, is_new) = match known {
            None => (Footprint::FIRST, true),
            Some(known) if known.digest == footprint.digest => (known.version, false),
            Some(known) => (known.version.saturating_add(1), true),
        };
        let mut next = footprint.clone();
        next.version = version;
        if known == Some(&next) {
            return Ok(Indexed { version, is_new });
        }
        if let Some(known) = known.filter(|_| is_new) {
            self.superseded.push(Superseded {
                footprint: known.clone(),
                superseded_at: now,
            });
        }
        self.rows.insert(key, next);
        Ok(Indexed { version, is_new })
    }

    async fn write(&self, edit: &mut Edit<'_>) -> Result<(), sqlx::Error> {
        let version = edit.version();
        let documents: Vec<_> = self.rows.values().map(to_json).collect();
        let rows = self.rows.keys().zip(&documents);
        let values: Vec<Arg<'_>> = rows
            .flat_map(|((tenant, pcf), document)| {
                let [tenant, pcf, document] = [tenant.as_str(), pcf.as_str(), document.as_str()].map(Arg::from);
                [tenant, pcf, document, Arg::from(version)]
            })
            .collect();
        edit.transaction().insert(&PUT, &values).await?;
        let documents: Vec<_> = self.superseded.iter().map(to_json).collect();
        let values: Vec<Arg<'_>> = self
            .superseded
            .iter()
            .zip(&documents)
            .flat_map(|(Superseded { footprint, .. }, document)| {
                let number = Arg::from(i64::from(footprint.version));
                let texts = [footprint.tenant.as_str(), footprint.id.as_str(), document.as_str()];
                let [tenant, pcf, document] = texts.map(Arg::from);
                [tenant, pcf, number, document]
            })
            .collect();
        edit.transaction().insert(&KEEP, &values).await
    }
}
