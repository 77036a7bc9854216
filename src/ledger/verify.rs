//! Verifying a ledger from its data directory alone.
//!
//! Every record of every log is read once, in order, and held to its hash, to the tiles over it, to its log's signed root and to the
//! bodies it names; every body is held to its digest, and with the ledger's secret at hand everything private to its commitment. All
//! that is wrong is reported, not the first thing only:
//!
//! ```text
//! platform          ok: 3 records, 2026-03-01T12:00:00.000Z to 2026-03-01T12:05:11.204Z
//! BPNL00000000000A  BROKEN at record 17: 42 records, 2026-03-01T12:00:00.000Z to 2026-03-01T12:05:11.204Z
//!     record 17 was changed: its bytes no longer give the hash sha256:4355a46b…
//! BROKEN: 2 logs, 45 records, 61 bodies
//! ```
//!
//! Alone, a directory vouches for itself with the keys it holds. [`Trust`] brings what was kept elsewhere: verifier keys,
//! and checkpoints that the logs must still contain.

mod bodies;
mod keys;
mod log;
mod looked;
mod published;
mod source;
mod tree;
mod trust;
mod walk;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use self::bodies::{BodyFindings, PrivateCheck};
pub(super) use self::keys::Told;
use self::log::LogCheck;
use self::looked::Hands;
pub use self::published::verify_published;
use self::source::Stored;
pub(super) use self::tree::tree;
pub use self::trust::Trust;
use self::trust::{check_copies, check_note, check_stored_cosigned, history, tail};
use self::walk::{Sound, Walk};
use super::checkpoint::{Checkpoint, log_of};
use super::error::LedgerError;
use super::note::VerifierKey;
use super::read::Reader;
use super::record::{Event, LogId, Named, Opened};
use super::report::{FindingKind, Findings, LogReport, Report};
use super::store::RawLog;
use super::succession::KeyHistory;
use super::tile::WIDTH;
use crate::database::Place;
use crate::ids::Digest;

/// How many digests of bodies known to be stored are remembered.
const MAX_PRESENT: usize = 100_000;

/// How far verifying has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The log being read; absent while the bodies are.
    pub log: Option<LogId>,
    /// How many records, or bodies, were read so far in all.
    pub read: u64,
}

/// Verifies the ledger in `dir`.
///
/// # Errors
///
/// There is no ledger, or it cannot be read at all. What is wrong with one that can be read is in the report.
pub async fn verify(dir: &Path) -> Result<Report, LedgerError> {
    verify_with(dir, &Trust::default(), |_| {}).await
}

/// Verifies the ledger in `dir` against what was kept elsewhere, telling `progress` now and then.
///
/// # Errors
///
/// As [`verify`].
pub async fn verify_with(
    dir: &Path,
    trust: &Trust,
    progress: impl FnMut(Progress) + Send,
) -> Result<Report, LedgerError> {
    verify_at(&Place::Directory(dir.to_owned()), dir, trust, progress).await
}

/// Verifies the ledger at a place, with the secret in `dir` where it is there.
///
/// # Errors
///
/// As [`verify`].
pub async fn verify_at(
    place: &Place,
    dir: &Path,
    trust: &Trust,
    progress: impl FnMut(Progress) + Send,
) -> Result<Report, LedgerError> {
    trust.check()?;
    let mut findings = Findings::default();
    let mut verifier = Verifier::new(trust, progress);
    // What the store calls malformed is a finding: it is what a changed byte in the wrong place looks like.
    if let Err(error) = verifier.all(place, dir, &mut findings).await {
        match damage(&error) {
            Some(why) => findings.add(
                FindingKind::Unreadable,
                None,
                format!("the ledger's store is damaged: {why}"),
            ),
            None => return Err(error),
        }
    }
    let (logs, bodies, findings) = (verifier.reports, verifier.bodies, findings.list);
    let ok = findings.is_empty() && logs.iter().all(|log| log.ok);
    Ok(Report {
        ok,
        logs,
        bodies,
        findings,
        segments: None,
    })
}

/// What the store says where an error means that what is stored is damaged, a table that is gone included.
fn damage(error: &LedgerError) -> Option<String> {
    let source = match error {
        LedgerError::Store { source, .. } => source,
        LedgerError::Bundle { .. } => return Some("their bundle cannot be unpacked".to_owned()),
        _ => return None,
    };
    super::store::damage(source)?;
    Some(match source.as_database_error() {
        Some(database) => database.message().to_owned(),
        None => source.to_string(),
    })
}

struct Verifier<'a, P> {
    trust: &'a Trust,
    progress: P,
    read: u64,
    bodies: u64,
    changed_bodies: HashSet<Digest>,
    present: HashSet<Digest>,
    /// What the platform's log says of the others.
    told: BTreeMap<LogId, Told>,
    reports: Vec<LogReport>,
}

impl<'a, P: FnMut(Progress) + Send> Verifier<'a, P> {
    fn new(trust: &'a Trust, progress: P) -> Self {
        let (changed_bodies, present) = (HashSet::new(), HashSet::new());
        let (told, reports) = (BTreeMap::new(), Vec::new());
        Self {
            trust,
            progress,
            read: 0,
            bodies: 0,
            changed_bodies,
            present,
            told,
            reports,
        }
    }

    async fn all(&mut self, place: &Place, dir: &Path, findings: &mut Findings) -> Result<(), LedgerError> {
        let mut reader = Reader::open_beside(place, dir).await?;
        // Indexes are not ours to hash, but a changed one hides what is stored from whoever looks for it.
        for problem in reader.integrity().await? {
            let message = format!("the ledger's store is damaged: {problem}");
            findings.add(FindingKind::Unreadable, None, message);
        }
        self.check_bodies(&mut reader, findings).await?;
        let names = reader.log_names().await?;
        for name in names.iter().filter(|name| name.parse::<LogId>().is_err()) {
            let message = format!("something is stored for `{}`, which names no log", name.escape_debug());
            findings.add(FindingKind::Malformed, None, message);
        }
        // The platform's log sorts first: what it says of the others is known when they are read.
        for log in reader.logs().await? {
            self.check_log(&mut reader, log).await?;
        }
        self.check_erased();
        Ok(())
    }

    /// Holds every body to its digest, those too that only another body names.
    async fn check_bodies(&mut self, reader: &mut Reader, findings: &mut Findings) -> Result<(), LedgerError> {
        let mut after = Vec::new();
        loop {
            let page = reader.bodies(&after).await?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            after = last.clone();
            for (stored, content) in page {
                self.bodies += 1;
                let actual = Digest::of(&content);
                if stored != actual.as_bytes() {
                    let stored = <[u8; 32]>::try_from(stored).ok().map(Digest::from_bytes);
                    let named = stored.map_or("something that is no digest".to_owned(), |digest| digest.to_string());
                    let message = format!("a body stored under {named} was changed: its content has digest {actual}");
                    findings.add(FindingKind::BodyChanged, None, message);
                    self.changed_bodies.extend(stored);
                }
            }
            (self.progress)(Progress {
                log: None,
                read: self.bodies,
            });
        }
    }

    async fn check_log(&mut self, reader: &mut Reader, log: LogId) -> Result<(), LedgerError> {
        let raw = reader.log(log).await?;
        let mut about = Findings::default();
        let changes = reader.key_changes(log).await?;
        let keys = self.check_key(log, raw.verifier_key.as_deref(), &changes, &mut about);
        let key = keys.as_ref().map(KeyHistory::current);
        let checkpoint = check_note(raw.note.as_deref(), key, &mut about);
        check_copies(&raw, key, checkpoint.as_ref(), &mut about);
        let known = keys.as_ref().map(|keys| self.trust.known(log, keys, keys, &mut about));
        let mut named = known.unwrap_or_default();
        trust::name(&mut named, checkpoint.as_ref().map(Checkpoint::names), &mut about);
        let stored = reader.stored_cosigned(log).await?;
        check_stored_cosigned(stored.as_ref(), &mut about);
        let note = stored.map(|(_, note)| note);
        let cosigned = self.trust.cosigned(note.iter(), keys.as_ref(), &mut named, &mut about);
        let mut check = LogCheck::new(log, named, keys.as_ref());
        let tail = checkpoint.as_ref().map(|checkpoint| tail(&raw, checkpoint, &mut about));
        let signed = checkpoint.as_ref().map(|checkpoint| checkpoint.size);
        let mut walk = Walk::new(signed, tail.unwrap_or_default());
        let private = self.read_log(reader, log, &mut walk, &mut check, &mut about).await?;
        self.check_stray(reader, log, &raw, &check, signed, &mut about).await?;
        let records = check.next();
        let seen = check.finish(checkpoint.as_ref(), walk.above());
        if seen.records == 0 && raw.note.is_none() {
            about.add(FindingKind::Missing, None, "the log has no record");
        }
        let mut findings = seen.findings;
        findings.list.extend(about.list);
        findings.sort();
        self.reports.push(LogReport {
            log,
            ok: findings.list.is_empty(),
            records: seen.records,
            first: seen.first,
            last: seen.last,
            size: signed.unwrap_or(0).min(records),
            root: checkpoint.map(|checkpoint| checkpoint.root),
            cosigned,
            verifier_key: keys.map(|keys| keys.current().clone()),
            erased: private.erased,
            more_findings: findings.more + about.more,
            findings: findings.list,
            warnings: seen.warnings.list.into_iter().chain(private.warning).collect(),
        });
        Ok(())
    }

    /// Reads a log's records.
    async fn read_log(
        &mut self,
        reader: &mut Reader,
        log: LogId,
        walk: &mut Walk,
        check: &mut LogCheck,
        about: &mut Findings,
    ) -> Result<bodies::Private, LedgerError> {
        let mut bodies = BodyFindings::default();
        let mut private = PrivateCheck::new(log);
        let mut hands = Hands::new();
        loop {
            let mut source = Stored {
                reader,
                log,
                private: true,
                hands: &mut hands,
            };
            let Some(mut sound) = walk.next(&mut source, check).await? else {
                break;
            };
            // What is neither signed nor vouched for opens no log and excuses nothing.
            let vouched = reader.vouching(log)?.is_some();
            let opens = |named: &Named| match named {
                Named::Event(record) => {
                    matches!(record.event, Event::Opened(_) | Event::Erased(_) | Event::KeyChanged(_))
                }
                Named::Decision(..) => false,
            };
            sound.retain(|(seq, named, _)| vouched || *seq < walk.signed() || !opens(named));
            self.read += sound.len() as u64;
            (self.progress)(Progress {
                log: Some(log),
                read: self.read,
            });
            self.check_sound(reader, sound, &mut private, &mut bodies, about)
                .await?;
        }
        private.slices(reader, about).await?;
        bodies.report(about);
        Ok(private.report(about))
    }

    async fn check_sound(
        &mut self,
        reader: &mut Reader,
        sound: Sound,
        private: &mut PrivateCheck,
        bodies: &mut BodyFindings,
        about: &mut Findings,
    ) -> Result<(), LedgerError> {
        // What is known to be there and unchanged, as nearly all is, needs no second look.
        let mut named: Vec<(Digest, u64)> = Vec::new();
        for (seq, record, sealed) in sound {
            self.note_opening(seq, &record, about);
            let bodies = record.bodies();
            let open = bodies
                .iter()
                .filter(|digest| !self.present.contains(digest) || self.changed_bodies.contains(digest));
            named.extend(open.map(|digest| (*digest, seq)));
            private.record(reader, seq, &record, sealed).await?;
        }
        private.present(reader).await?;
        let unknown: BTreeSet<Digest> = named.iter().map(|(digest, _)| *digest).collect();
        let unknown: Vec<Digest> = unknown.into_iter().collect();
        if self.present.len() > MAX_PRESENT {
            self.present.clear();
        }
        let found = reader.present(&unknown).await?;
        let missing: HashSet<Digest> = unknown.into_iter().filter(|digest| !found.contains(digest)).collect();
        self.present.extend(found);
        for (digest, seq) in named {
            if missing.contains(&digest) {
                bodies.add(FindingKind::BodyMissing, digest, seq);
            } else if self.changed_bodies.contains(&digest) {
                bodies.add(FindingKind::BodyChanged, digest, seq);
            }
        }
        Ok(())
    }

    /// Looks for what stands where nothing should: rows below those that are read, and bundles beyond.
    async fn check_stray(
        &mut self,
        reader: &mut Reader,
        log: LogId,
        raw: &RawLog,
        check: &LogCheck,
        signed: Option<u64>,
        about: &mut Findings,
    ) -> Result<(), LedgerError> {
        let bundles = raw.last_bundle.map_or(0, |last| last.saturating_add(1).cast_unsigned());
        let tiled = bundles.saturating_mul(WIDTH).min(check.next() - check.next() % WIDTH);
        let [below, beyond] = reader.stray(log, tiled, check.next()).await?;
        if let Some(seq) = below {
            let message = match seq < 0 {
                true => format!("a record stands under the impossible number {seq}"),
                false => format!("record {seq} stands a second time beside its bundle"),
            };
            about.add(FindingKind::Malformed, None, message);
        }
        if let Some(seq) = beyond {
            let message = format!("a record stands under the number {seq}, where the log ends before");
            about.add(FindingKind::Malformed, None, message);
        }
        let tiled = signed.map(|signed| signed / WIDTH);
        if let Some(tiled) = tiled.filter(|tiled| bundles > *tiled && bundles.saturating_mul(WIDTH) <= check.next()) {
            let message = format!("bundle {tiled} holds records that are not signed: nothing vouches for them");
            about.add(FindingKind::Unvouched, Some(tiled * WIDTH), message);
        }
        if bundles.saturating_mul(WIDTH) > check.next() {
            let message = format!("a bundle {} stands beyond the log's end", bundles - 1);
            about.add(FindingKind::Malformed, None, message);
        }
        Ok(())
    }

    fn note_opening(&mut self, seq: u64, named: &Named, about: &mut Findings) {
        if let Named::Event(record) = named
            && record.log == LogId::Platform
            && let Some(before) = Told::take(&mut self.told, seq, record)
            && let Event::Opened(Opened { log, .. }) = &record.event
        {
            let first = before.opened;
            let message =
                format!("record {seq} opens the log `{log}`, which record {first} opened: it was erased since");
            about.add(FindingKind::Opening, Some(seq), message);
        }
    }

    /// The keys a log is verified with: what was kept elsewhere, else what the platform's log says, else what is stored. Changes that
    /// are told of lead from the one to the other.
    fn check_key(
        &self,
        log: LogId,
        stored: Option<&str>,
        changes: &[String],
        about: &mut Findings,
    ) -> Option<KeyHistory> {
        let Some(stored) = stored else {
            about.add(FindingKind::Key, None, "the log has no key");
            return None;
        };
        let key: VerifierKey = match stored.parse() {
            Ok(key) => key,
            Err(error) => {
                about.add(FindingKind::Key, None, format!("the log's key cannot be used: {error}"));
                return None;
            }
        };
        let mut keys = history(&key, changes, about);
        if *keys.current() != key {
            let message = format!("the log's key is `{key}`, which another followed: `{}`", keys.current());
            about.add(FindingKind::Key, None, message);
            keys = keys.signed_by(key.clone());
        }
        let mine = |trusted: &&VerifierKey| log_of(trusted.name()) == Ok(log);
        if let Some(trusted) = self.trust.keys.iter().filter(mine).find(|trusted| !keys.has(trusted)) {
            let message = format!("the log's key is `{key}`, not the trusted `{trusted}`");
            about.add(FindingKind::Key, None, message);
            return Some(keys.signed_by(trusted.clone()));
        }
        // A platform log with findings of its own may have lost just that record; one that is gone altogether has.
        let excused = self
            .reports
            .first()
            .is_some_and(|report| report.log == LogId::Platform && !report.ok);
        match self.told.get(&log) {
            Some(told) => {
                if let Some(message) = told.contradicts(&keys) {
                    about.add(FindingKind::Key, None, message);
                }
            }
            None if log != LogId::Platform && !excused => {
                about.add(
                    FindingKind::Opening,
                    None,
                    "no record of `platform` tells that the log was opened",
                );
            }
            _ => {}
        }
        Some(keys)
    }

    /// Reports logs of which nothing is left but their opening or a checkpoint kept elsewhere.
    fn check_erased(&mut self) {
        let mut gone: BTreeMap<LogId, String> = BTreeMap::new();
        for note in &self.trust.checkpoints {
            if let Ok(log) = Checkpoint::claimed_log(note) {
                gone.insert(log, "a checkpoint kept elsewhere names the log".to_owned());
            }
        }
        for (log, told) in &self.told {
            gone.insert(*log, format!("record {} of `platform` opened the log", told.opened));
        }
        for report in &self.reports {
            gone.remove(&report.log);
        }
        for (log, why) in gone {
            let message = format!("{why}, but nothing of it is stored");
            self.reports.push(LogReport::unread(log, FindingKind::Opening, message));
        }
        self.reports.sort_by_key(|report| report.log);
    }
}
