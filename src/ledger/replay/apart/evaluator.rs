//! What is done where rows are: each function takes what a row has, on any thread.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::super::answers::{Answer, Why};
use super::super::judge::Judge;
use super::super::kept::{Cache, lock};
use super::super::plan::Memory;
use super::super::told::Told;
use super::{Archived, NotApart, Note, Signed, Task, VERSION};
use crate::bundle::{Bundle, Source};
use crate::ids::Digest;
use crate::ledger::period::Period;
use crate::ledger::private;
use crate::ledger::read::{Key, Reader, Withheld};
use crate::ledger::record::{Engine, LogId, Read};
use crate::ledger::roots::Roots;
use crate::ledger::segment;
use crate::ledger::tile::WIDTH;
use crate::ledger::tree::leaf_hash;

/// How many groups of signed hashes are kept, 8 KiB each.
const GROUPS: usize = 2_048;

/// A record whose private part was held to its commitment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// What its question follows from: equal for equal questions. Of what is no question, its leaf hash.
    pub key: Digest,
    /// What is known of it now.
    pub note: Note,
}

/// The signed hashes of groups.
type Hashes = Cache<(LogId, u64), Arc<Vec<Digest>>>;

/// Judges rows for a task, with a copy of the ledger's store and keys at hand.
pub struct Evaluator {
    judge: Judge,
    logs: BTreeMap<LogId, Signed>,
    roots: Mutex<HashMap<LogId, Arc<Roots>>>,
    hashes: Mutex<Hashes>,
}

impl Evaluator {
    /// Makes ready for a task. `program` is the SHA-256 of the program that runs here, and about `memory` bytes are taken for what is
    /// kept between rows. It is for threads of the runtime this is called in, or any others.
    ///
    /// # Errors
    ///
    /// The task is of another version or program, or its bundle does not load.
    pub fn new(reader: Reader, task: &Task, program: Digest, memory: usize) -> Result<Self, NotApart> {
        let running = Engine::running();
        if task.v != VERSION || task.engine != running {
            return Err(NotApart::wrong(format!(
                "Tidegate {} with Cedar {} runs here, and whoever asks runs Tidegate {} with Cedar {}: run the same program everywhere",
                running.tidegate, running.cedar, task.engine.tidegate, task.engine.cedar
            )));
        }
        if task.program != program {
            return Err(NotApart::wrong(format!(
                "the program that runs here has the SHA-256 {program}, and that of whoever asks {}: run the same file everywhere",
                task.program
            )));
        }
        let against = task.against.as_ref().map(Archived::unpacked).transpose()?;
        Ok(Self {
            judge: Judge::new(reader, task.select.clone(), against, Memory::of(memory)),
            logs: task.logs.clone(),
            roots: Mutex::default(),
            hashes: Mutex::new(Cache::new(2 * GROUPS)),
        })
    }

    /// Holds a row's record to the hash that is signed for it, and says what it is; nothing where its log is not asked for.
    ///
    /// # Errors
    ///
    /// The store's, or it is of another ledger.
    pub fn told(&self, log: &str, seq: i64, record: &[u8]) -> Result<Option<Note>, NotApart> {
        let at = place(log, seq)?;
        if !self.logs.contains_key(&at.0) {
            return Ok(None);
        }
        let leaf = leaf_hash(record);
        if self.signed(at)? != Some(leaf) {
            return Ok(Some(Note::Irregular(at.0, at.1)));
        }
        Ok(Some(match self.judge.seen(at, record) {
            Ok((Some(_), true)) => Note::Decision,
            Ok((None, true)) => Note::Other,
            Ok((_, false)) => Note::Left(leaf.prefix()),
            Err(_) => Note::Irregular(at.0, at.1),
        }))
    }

    /// What was sealed in a row, for it and those after it: for each number in its log. None of it is held to anything yet. Where it is
    /// not to be had there is nothing, and [`held`](Self::held) tells why of each record.
    ///
    /// # Errors
    ///
    /// The store's.
    pub fn opened(&self, log: &str, seq: i64, period: &str, sealed: &[u8]) -> Result<Vec<(i64, Bytes)>, NotApart> {
        let at = place(log, seq)?;
        let Ok(period) = period.parse::<Period>() else {
            return Ok(Vec::new());
        };
        if !self.logs.contains_key(&at.0) {
            return Ok(Vec::new());
        }
        let Some(Ok(key)) = self.key(at.0, period)? else {
            return Ok(Vec::new());
        };
        let opened = segment::run(at, &key, sealed).unwrap_or_default().into_iter();
        Ok(opened.map(|(seq, asked)| (seq.cast_signed(), asked)).collect())
    }

    /// Holds what was opened for a record to its commitment.
    ///
    /// # Errors
    ///
    /// The store's; the record was not [`told`](Self::told).
    pub fn held(&self, record: &[u8], note: &str, asked: Option<&[u8]>) -> Result<Held, NotApart> {
        let note: Note = note.parse()?;
        let leaf = leaf_hash(record);
        if note != Note::Decision {
            return Ok(Held { key: leaf, note });
        }
        let told = decision(record)?;
        let Some(key) = self.key(told.log, told.private.period)? else {
            let note = Note::Irregular(told.log, told.seq);
            return Ok(Held { key: leaf, note });
        };
        let commitment = &told.private.asked;
        let note = match (key, asked) {
            (Err(why), _) if self.judge.takes(&told, None) => Note::Withheld(why.to_string()),
            (Ok(key), Some(asked)) => match private::held(&key, commitment, asked) {
                Ok(asked) if self.judge.takes(&told, Some(asked)) => Note::Decision,
                Ok(_) => Note::Left(leaf.prefix()),
                Err(_) => Note::Irregular(told.log, told.seq),
            },
            (Err(_), _) => Note::Left(leaf.prefix()),
            (Ok(_), None) => Note::Irregular(told.log, told.seq),
        };
        let key = match note {
            Note::Decision | Note::Withheld(_) => told.key(),
            _ => leaf,
        };
        Ok(Held { key, note })
    }

    /// Decides a question again, put by a record that has that key: the answer, as [`Tally::add`](super::Tally::add) takes it. Where
    /// there is none for something that this copy of the ledger lacks, that is what it says.
    ///
    /// # Errors
    ///
    /// The store's; the record was not [`held`](Self::held).
    pub fn decided(&self, key: &[u8], record: &[u8], asked: &[u8]) -> Result<String, NotApart> {
        let told = decision(record)?;
        let own = told.key();
        if own.as_bytes() != key {
            return Err(NotApart::wrong("a question is not that of its key"));
        }
        Ok(self.judge.answer(&told, &own, asked)?.text())
    }

    /// The key of a month, or why it does not open, which must be as it is at whoever asks; nothing where nothing is known of it there.
    fn key(&self, log: LogId, period: Period) -> Result<Option<Key>, NotApart> {
        let Some(there) = self.logs.get(&log).and_then(|signed| signed.months.get(&period)) else {
            return Ok(None);
        };
        let key = self.judge.kept.key(log, period)?;
        let here = key.as_ref().err().map(Withheld::to_string);
        if here == *there {
            return Ok(Some(key));
        }
        let told =
            |why: Option<&str>| why.map_or_else(|| "it opens".to_owned(), |why| format!("it does not open ({why})"));
        let why = format!(
            "the key of {period}: here {}, there {}",
            told(here.as_deref()),
            told(there.as_deref())
        );
        Err(NotApart::OtherCopy { log, why })
    }

    /// The leaf hash that is signed for a record.
    fn signed(&self, (log, seq): (LogId, u64)) -> Result<Option<Digest>, NotApart> {
        let name = (log, seq / WIDTH);
        let within = usize::try_from(seq % WIDTH).unwrap_or(usize::MAX);
        let known = lock(&self.hashes).get(&name, |_| 1);
        if let Some(known) = known {
            return Ok(known.get(within).copied());
        }
        let roots = self.roots(log)?;
        let kept = &self.judge.kept;
        let hashes = kept.read(async |reader| roots.hashes(reader, name.1).await)?;
        let hashes = Arc::new(hashes.unwrap_or_default());
        lock(&self.hashes).put(name, Arc::clone(&hashes), 1);
        Ok(hashes.get(within).copied())
    }

    /// What is signed of a log, which must be what the driver has.
    fn roots(&self, log: LogId) -> Result<Arc<Roots>, NotApart> {
        // Held while they are read, so that no two threads read them.
        let mut all = lock(&self.roots);
        if let Some(known) = all.get(&log) {
            return Ok(Arc::clone(known));
        }
        let other = |why| NotApart::OtherCopy { log, why };
        let Signed { digest, size, .. } = self
            .logs
            .get(&log)
            .ok_or_else(|| other("it is not asked for".to_owned()))?;
        let kept = &self.judge.kept;
        let roots = kept.read(async |reader| Roots::up_to(reader, log, *size).await)?;
        let roots = Arc::new(roots.map_err(other)?);
        if roots.digest() != *digest {
            return Err(other(format!("its first {size} records are others")));
        }
        all.insert(log, Arc::clone(&roots));
        Ok(roots)
    }
}

impl Archived {
    pub(super) fn packed(bundle: &Bundle) -> Self {
        Self {
            digest: bundle.digest,
            files: bundle.parts().map(|part| STANDARD.encode(&part.bytes)).collect(),
        }
    }

    fn unpacked(&self) -> Result<Bundle, NotApart> {
        let mut files: HashMap<Digest, Arc<[u8]>> = HashMap::new();
        for file in &self.files {
            let bytes = STANDARD.decode(file).map_err(NotApart::wrong)?;
            files.insert(Digest::of(&bytes), bytes.into());
        }
        let manifest = files
            .get(&self.digest)
            .ok_or_else(|| NotApart::wrong("the bundle came without its manifest"))?;
        let source = Source::archived(manifest, |file| files.get(&file).cloned()).map_err(NotApart::wrong)?;
        let bundle = Bundle::load(source).map_err(NotApart::wrong)?;
        match bundle.digest == self.digest {
            true => Ok(bundle),
            false => Err(NotApart::wrong("the bundle came as another one")),
        }
    }
}

impl Answer {
    /// As a text, which begins with what it is.
    fn text(&self) -> String {
        match self {
            Self::Decision(text) => format!("decision {text}"),
            Self::BundleMissing(why) | Self::NotReplayable(why) if why.here => format!("lacking {}", why.text),
            Self::BundleMissing(why) => format!("bundle-missing {}", why.text),
            Self::NotReplayable(why) => format!("not-replayable {}", why.text),
        }
    }

    /// Out of such a text: the answer, where the copy of the ledger there had what it follows from.
    pub(super) fn of_text(text: &str) -> Option<Option<Self>> {
        let (kind, rest) = text.split_once(' ')?;
        match kind {
            "decision" => Some(Some(Self::Decision(rest.into()))),
            "lacking" => Some(None),
            "bundle-missing" => Some(Some(Self::BundleMissing(Why::anywhere(rest)))),
            "not-replayable" => Some(Some(Self::NotReplayable(Why::anywhere(rest)))),
            _ => None,
        }
    }
}

fn place(log: &str, seq: i64) -> Result<(LogId, u64), NotApart> {
    let log = log.parse().map_err(NotApart::wrong)?;
    let seq = u64::try_from(seq).map_err(|_| NotApart::wrong(format!("`{seq}` is no number of a record")))?;
    Ok((log, seq))
}

/// The decision that a record is, which was told to be one.
pub(super) fn decision(record: &[u8]) -> Result<Told<'_>, NotApart> {
    let read = Read::of(record).map_err(NotApart::wrong)?;
    Told::of(read).ok_or_else(|| NotApart::wrong("a record that was said to be a decision is none"))
}
