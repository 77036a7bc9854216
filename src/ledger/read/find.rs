//! Finding a record by its id.

use super::Reader;
use crate::ids::RecordId;
use crate::ledger::error::LedgerError;
use crate::ledger::record::{LogId, Record};
use crate::ledger::tile::WIDTH;

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
            let groups = raw.size.unwrap_or(0).cast_unsigned() / WIDTH + 1;
            // One more than is signed, for what is not signed yet.
            for number in (0..=groups).rev() {
                let rows = self.plain(log, number).await?;
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
