//! Finding a record by its id.

use super::Reader;
use crate::ids::RecordId;
use crate::ledger::error::LedgerError;
use crate::ledger::record::{LogId, Record};

/// How many groups may lie in rows: more are signed, and put into bundles, before.
const MAX_TAIL: u64 = 16;

impl Reader {
    /// Where the record of that id is: its log and its number there. Goes through all records, the newest first.
    ///
    /// # Errors
    ///
    /// The store's; a record that cannot be read.
    pub async fn find(
        &mut self,
        id: RecordId,
        mut progress: impl FnMut(u64),
    ) -> Result<Option<(LogId, u64)>, LedgerError> {
        let wanted = format!("\"id\":\"{id}\"");
        let mut read = 0;
        for log in self.logs().await? {
            let raw = self.log(log).await?;
            let bundles = raw.last_bundle.map_or(0, |last| last.saturating_add(1).cast_unsigned());
            // The newest lie in rows, some of them not signed yet.
            let beyond = bundles.saturating_add(MAX_TAIL);
            for number in (bundles..beyond).chain((0..bundles).rev()) {
                let rows = self.plain(log, number).await?;
                if rows.is_empty() && number >= bundles {
                    continue;
                }
                read += rows.len() as u64;
                progress(read);
                let found = rows
                    .iter()
                    .filter(|row| memchr::memmem::find(&row.bytes, wanted.as_bytes()).is_some());
                // The text may stand in another's record, as the decision that permitted what that one tells of.
                let mut found = found.filter_map(|row| Record::parse(&row.bytes).ok());
                if let Some(record) = found.find(|record| record.id == id) {
                    return Ok(Some((log, record.seq)));
                }
            }
        }
        Ok(None)
    }
}
