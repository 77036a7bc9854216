//! Giving an entry its place in its log, and its rows a place in the batch.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::super::Appended;
use super::super::error::LedgerError;
use super::super::note::NoteError;
use super::super::period::Period;
use super::super::private;
use super::super::record::{self, Event, LogId, Opened, RECORD_VERSION, Record, RecordError, RecordTime};
use super::super::store::{NewLog, NewRecord, NewSlice};
use super::super::tree::leaf_hash;
use super::{Append, Batch, Private, Writer, sealing};
use crate::ids::RecordId;

impl Writer {
    /// Gives an entry its place in its log and puts its rows into the batch. `id` is its record's, where that left already.
    pub(super) async fn stage(
        &mut self,
        batch: &mut Batch,
        time: RecordTime,
        append: Append,
        id: Option<RecordId>,
    ) -> Result<Appended, LedgerError> {
        let Append {
            log,
            event,
            private,
            bodies,
            mark,
        } = append;
        self.load(log).await?;
        // All that can fail for this entry alone comes before anything of it is in the batch.
        let (asked, slice) = match private {
            None => (None, None),
            Some(private) => {
                self.check_key(batch, log, private.key.period()).await?;
                let slice = self.sealed_slice(batch, log, &private)?;
                (Some((private.key.period().to_string(), private.asked)), slice)
            }
        };
        self.open_log(batch, time, log)?;
        let appended = self.enter(batch, time, log, event, asked, id)?;
        if let (Some(records), Some(tenant)) = (mark, log.tenant()) {
            batch.marked.insert(tenant, records);
        }
        if let Some(slice) = slice {
            batch.digests.insert(slice.commitment);
            batch.rows.slices.push(slice);
        }
        for (digest, content) in bodies {
            if batch.digests.insert(digest) && !self.recent.contains(&digest) {
                batch.rows.bodies.push((digest, content));
            }
        }
        Ok(appended)
    }

    /// Holds that a key was not erased since something was sealed with it.
    async fn check_key(&mut self, batch: &Batch, log: LogId, period: Period) -> Result<(), LedgerError> {
        if batch.erases(log, period) || self.kept_key(log, period).await?.is_none() {
            return Err(LedgerError::Stale(period));
        }
        Ok(())
    }

    /// An entry's slice as it is kept, unless such a one is stored.
    fn sealed_slice(&self, batch: &Batch, log: LogId, private: &Private) -> Result<Option<NewSlice>, LedgerError> {
        let (commitment, content) = &private.slice;
        if batch.digests.contains(commitment) || self.recent.contains(commitment) {
            return Ok(None);
        }
        let content = private::seal_slice(&private.key, commitment, content).ok_or(LedgerError::Sealing)?;
        Ok(Some(NewSlice {
            log: log.as_str().into(),
            commitment: *commitment,
            period: private.key.period().to_string(),
            content,
        }))
    }

    /// Enters a log's first use in the store and, for a tenant's, in the platform's log.
    pub(super) fn open_log(&mut self, batch: &mut Batch, time: RecordTime, log: LogId) -> Result<(), LedgerError> {
        let verifier_key = match self.heads.get(&log) {
            Some(head) if head.tree.size() == 0 => head.signer.verifier().to_string(),
            _ => return Ok(()),
        };
        if let LogId::Tenant(_) = log {
            self.open_log(batch, time, LogId::Platform)?;
            let verifier_key = verifier_key.clone();
            let event = Event::Opened(Opened { log, verifier_key }).to_canonical()?;
            self.enter(batch, time, LogId::Platform, event, None, None)?;
        }
        let (log, origin) = (log.as_str().into(), self.keys.origin(log));
        batch.rows.logs.push(NewLog {
            log,
            origin,
            verifier_key,
        });
        Ok(())
    }

    /// Appends one record to a log.
    pub(super) fn enter(
        &mut self,
        batch: &mut Batch,
        time: RecordTime,
        log: LogId,
        event: Box<RawValue>,
        private: Option<(String, Vec<u8>)>,
        id: Option<RecordId>,
    ) -> Result<Appended, LedgerError> {
        let head = self.heads.get_mut(&log).ok_or(LedgerError::Closed)?;
        let id = id.or_else(|| record::new_id(time)).ok_or(NoteError::Signer)?;
        let (seq, v) = (head.tree.size(), RECORD_VERSION);
        let record = Record {
            event,
            id,
            log,
            seq,
            time,
            v,
        };
        let record = serde_json::to_string(&record).map_err(RecordError::from)?;
        let hash = leaf_hash(record.as_bytes());
        head.tree.push(hash);
        if seq == 0 {
            // With its first record, so that a log without a checkpoint is one that was robbed of it.
            batch.rows.checkpoints.extend(sealing::checkpoint(head)?);
            head.signed = 1;
        }
        batch.touched.insert(log);
        batch.rows.records.push(NewRecord {
            log: Arc::clone(&head.text),
            seq: seq.cast_signed(),
            hash,
            mac: head.vouching.vouch(seq, &hash),
            record,
            private,
        });
        Ok(Appended {
            log,
            seq,
            id,
            hash,
            time,
        })
    }
}
