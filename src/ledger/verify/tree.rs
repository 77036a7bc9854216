//! A log's tree alone, for whoever goes on with its records.

use super::log::LogCheck;
use super::looked::Hands;
use super::source::Stored;
use super::trust::{check_note, tail};
use super::walk::Walk;
use crate::ledger::error::LedgerError;
use crate::ledger::read::Reader;
use crate::ledger::record::LogId;
use crate::ledger::report::{FindingKind, Findings};

/// What a log's tree shows, its bodies and what is private aside.
pub(in crate::ledger) struct TreeReport {
    /// How many records there are.
    pub(in crate::ledger) records: u64,
    /// The first thing that is wrong.
    pub(in crate::ledger) wrong: Option<String>,
}

/// Holds a log's records to its tree and its signed root, with the key that is stored for it.
pub(in crate::ledger) async fn tree(reader: &mut Reader, log: LogId) -> Result<TreeReport, LedgerError> {
    let raw = reader.log(log).await?;
    let mut about = Findings::default();
    let key = raw.verifier_key.as_deref().and_then(|key| key.parse().ok());
    if key.is_none() {
        about.add(FindingKind::Key, None, "the log has no key, or none that can be used");
    }
    let checkpoint = check_note(raw.note.as_deref(), key.as_ref(), &mut about);
    let edge = checkpoint.as_ref().map(|checkpoint| tail(&raw, checkpoint, &mut about));
    let named = checkpoint
        .iter()
        .map(|checkpoint| (checkpoint.size, checkpoint.root))
        .collect();
    let signed = checkpoint.as_ref().map(|checkpoint| checkpoint.size);
    let (mut check, mut walk) = (
        LogCheck::new(log, named, None),
        Walk::new(signed, edge.unwrap_or_default()),
    );
    let mut source = Stored {
        reader,
        log,
        private: false,
        hands: &mut Hands::new(),
    };
    while walk.next(&mut source, &mut check).await?.is_some() {}
    let seen = check.finish(checkpoint.as_ref(), walk.above());
    let mut findings = about.list.into_iter().chain(seen.findings.list);
    Ok(TreeReport {
        records: seen.records,
        wrong: findings.next().map(|finding| finding.message),
    })
}
