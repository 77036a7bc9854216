//! Where a log ends: its tree, and how much of it is signed and in tiles.

use std::sync::Arc;

use super::super::checkpoint::Checkpoint;
use super::super::keys::{LedgerKeys, Vouching};
use super::super::note::{NoteError, Signer};
use super::super::record::LogId;
use super::super::store::{PAGE, RawLog, RawRow, Store};
use super::super::tile::WIDTH;
use super::super::tree::{Tree, leaf_hash};

/// Where a log ends, as of the batch at hand.
pub(super) struct Head {
    pub(super) text: Arc<str>,
    pub(super) tree: Tree,
    /// The tree of the records that lie in bundles.
    pub(super) tiled: Tree,
    /// How many records the stored checkpoint names.
    pub(super) signed: u64,
    pub(super) signer: Signer,
    pub(super) vouching: Vouching,
}

impl Head {
    /// A log without records.
    pub(super) fn new(log: LogId, keys: &LedgerKeys) -> Result<Self, NoteError> {
        Ok(Self {
            text: log.as_str().into(),
            tree: Tree::default(),
            tiled: Tree::default(),
            signed: 0,
            signer: keys.signer(log)?,
            vouching: keys.vouching(log)?,
        })
    }

    /// Takes what is stored of the log: its checkpoint, and the rows from the last full tile on. To append to a log that was cut or
    /// changed would sign the damage, so all of it is held to the checkpoint, and what lies beyond to what vouches for it.
    pub(super) fn stored(mut self, raw: &RawLog, rows: &[RawRow]) -> Result<Self, String> {
        let key = raw.verifier_key.as_deref().ok_or("it has no key")?;
        if key != self.signer.verifier().to_string() {
            let mine = self.signer.verifier();
            return Err(format!("its key is `{key}`, but this service signs with `{mine}`"));
        }
        let note = raw.note.as_deref().ok_or("it has no checkpoint")?;
        let checkpoint = Checkpoint::open(note, self.signer.verifier()).map_err(|error| error.to_string())?;
        let edge = raw.edge.as_deref().unwrap_or_default();
        let signed = Tree::from_bytes(checkpoint.size, edge).filter(|tree| tree.root() == checkpoint.root);
        let signed = signed.ok_or("the edge of its tree is not that of its checkpoint")?;
        (self.tiled, self.signed) = (signed.tiled(), signed.size());
        let bundles = raw.last_bundle.map_or(0, |last| last.saturating_add(1));
        if u64::try_from(bundles) != Ok(self.tiled.size() / WIDTH) {
            let named = self.tiled.size() / WIDTH;
            return Err(format!(
                "its checkpoint names {named} full bundles, but there are {bundles}"
            ));
        }
        self.tree = self.tiled.clone();
        for row in rows {
            self.take(row, &signed)?;
        }
        match self.tree.size() < self.signed {
            true => {
                let (named, last) = (self.signed, self.tree.size());
                Err(format!("its checkpoint names {named} records, but there are {last}"))
            }
            false => Ok(self),
        }
    }

    fn take(&mut self, row: &RawRow, signed: &Tree) -> Result<(), String> {
        let seq = self.tree.size();
        if u64::try_from(row.seq) != Ok(seq) {
            return Err(format!("record {seq} is missing"));
        }
        let hash = leaf_hash(&row.record);
        if row.hash != hash.as_bytes() {
            return Err(format!("record {seq} does not have the hash it was written with"));
        }
        if seq >= self.signed && !self.vouching.holds(seq, &hash, &row.mac) {
            return Err(format!("record {seq} was not written by this ledger"));
        }
        self.tree.push(hash);
        if self.tree.size() == self.signed && self.tree != *signed {
            return Err("its newest records are not those its checkpoint names".to_owned());
        }
        Ok(())
    }
}

/// Takes what is stored of a log into its head, or says what contradicts what.
pub(super) async fn read_head(
    store: &mut Box<dyn Store>,
    log: LogId,
    head: Head,
) -> Result<Result<Head, String>, sqlx::Error> {
    let raw = store.log(log).await?;
    let from = raw.size.unwrap_or(0);
    let rows = read_rows(store, log, from - from.rem_euclid(WIDTH.cast_signed())).await?;
    Ok(match raw.is_empty() && rows.is_empty() {
        true => Ok(head),
        false => head.stored(&raw, &rows),
    })
}

/// The rows of a log from that number on.
pub(super) async fn read_rows(
    store: &mut Box<dyn Store>,
    log: LogId,
    mut from: i64,
) -> Result<Vec<RawRow>, sqlx::Error> {
    let mut rows = Vec::new();
    loop {
        let page = store.rows(log, from, PAGE).await?;
        let full = i64::try_from(page.len()) == Ok(PAGE);
        from = page.last().map_or(from, |last| last.seq.saturating_add(1));
        rows.extend(page);
        if !full {
            return Ok(rows);
        }
    }
}
