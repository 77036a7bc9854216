//! Evidence: logs taken out of a ledger, with all an auditor needs to check them elsewhere, and nothing that is private.
//!
//! ```text
//! README.md                         what this is and how to check it, for a person
//! evidence.json                     the logs, their keys, sizes and roots
//! logs/BPNL000000000DWF/checkpoint  as the service serves them: any tool for C2SP tlog-tiles reads them
//! logs/BPNL000000000DWF/cosigned    the newest checkpoint that witnesses cosigned, where there is one: it may name fewer records
//! logs/BPNL000000000DWF/key-changes by which keys it was signed before, where it was by others
//! logs/BPNL000000000DWF/tile/…
//! bodies/4355a46b…                  policies, schemas and terms that the records name, each under its SHA-256
//! ```
//!
//! The keys in it are what the ledger says of itself. Whoever doubts that compares them with a key that was noted before.

mod verify;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use self::verify::verify_evidence;
use super::checkpoint::Checkpoint;
use super::error::LedgerError;
use super::note::{self, VerifierKey};
use super::published::{COSIGNED, KEY_CHANGES, read_file};
use super::read::{Cursor, Reader};
use super::record::{LogId, RecordTime};
use super::tile::TileId;
use crate::bundle::Source;
use crate::ids::Digest;

/// The version of the layout.
const FORMAT: u32 = 1;

/// The file that names the logs.
pub const FILE: &str = "evidence.json";

/// What `evidence.json` says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Contents {
    /// The version of the layout.
    pub format: u32,
    /// When it was taken.
    pub made: RecordTime,
    /// The program that made it.
    pub tidegate: String,
    /// The logs.
    pub logs: Vec<LogPart>,
}

/// One log of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogPart {
    /// The log.
    pub log: LogId,
    /// Its origin, which is its key's name.
    pub origin: String,
    /// How many records are in it.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Digest,
    /// The key that signs it.
    pub verifier_key: String,
    /// The newest checkpoint that witnesses cosigned, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cosigned: Option<CosignedPart>,
}

/// What a cosigned checkpoint says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CosignedPart {
    /// How many records it names.
    pub size: u64,
    /// The [hints](VerifierKey::hint) of the keys that cosigned it. Nothing is verified: whose keys these are is not for evidence to
    /// say.
    pub by: Vec<String>,
}

impl CosignedPart {
    /// Out of the note, without the log's own signature.
    fn of(note: &str) -> Result<Self, LedgerError> {
        let Checkpoint { origin, size, .. } = Checkpoint::claimed(note)?;
        let mut by = note::hints(note)?;
        by.retain(|hint| hint.rsplit_once('+').is_none_or(|(name, _)| name != origin));
        Ok(Self { size, by })
    }
}

/// Takes logs out of a ledger into a directory that is not there yet, each as far as it is signed. Returns what was taken, and how
/// many bodies.
///
/// # Errors
///
/// The directory is there; a log is not there or damaged; the file system refuses.
pub async fn export(
    reader: &mut Reader,
    logs: &[LogId],
    out: &Path,
    made: RecordTime,
    mut progress: impl FnMut(u64),
) -> Result<(Contents, usize), LedgerError> {
    fs::create_dir(out).map_err(LedgerError::io("create", out))?;
    let (mut parts, mut bodies, mut count) = (Vec::new(), BTreeSet::new(), 0);
    for log in logs {
        parts.push(export_log(reader, *log, out).await?);
        let mut cursor = Cursor::new(*log, 0);
        while let Some(stored) = cursor.next(reader).await? {
            bodies.extend(stored.record.event.bodies());
            count += 1;
            progress(count);
        }
    }
    let bodies = export_bodies(reader, bodies, out).await?;
    let contents = Contents {
        format: FORMAT,
        made,
        tidegate: env!("CARGO_PKG_VERSION").to_owned(),
        logs: parts,
    };
    let json = serde_json::to_string_pretty(&contents).map_err(super::record::RecordError::from)?;
    put(&out.join(FILE), json.as_bytes())?;
    put(&out.join("README.md"), readme(&contents, bodies).as_bytes())?;
    Ok((contents, bodies))
}

async fn export_log(reader: &mut Reader, log: LogId, out: &Path) -> Result<LogPart, LedgerError> {
    let raw = reader.log(log).await?;
    let (Some(note), Some(key)) = (raw.note, raw.verifier_key) else {
        return Err(LedgerError::NoLog { log });
    };
    let signer: VerifierKey = key.parse()?;
    let checkpoint = Checkpoint::open(&note, &signer)?;
    let directory = out.join("logs").join(log.as_str());
    let changes = reader.key_changes(log).await?;
    if !changes.is_empty() {
        let json = serde_json::to_vec_pretty(&changes).map_err(super::record::RecordError::from)?;
        put(&directory.join(KEY_CHANGES), &json)?;
    }
    let cosigned = reader.cosigned(log).await?;
    if let Some(cosigned) = &cosigned {
        put(&directory.join(COSIGNED), cosigned.as_bytes())?;
    }
    // The same with more signatures, where it is.
    let claims = |note: &String| Checkpoint::open(note, &signer).is_ok_and(|cosigned| cosigned == checkpoint);
    let shown = cosigned.as_ref().filter(|note| claims(note)).unwrap_or(&note);
    put(&directory.join("checkpoint"), shown.as_bytes())?;
    for id in TileId::all(checkpoint.size) {
        let damaged = |why| LedgerError::Damaged { log, why };
        let bytes = reader.tile(log, id).await?;
        put(
            &directory.join(id.to_string()),
            &bytes.ok_or_else(|| damaged(format!("`{id}` is missing")))?,
        )?;
    }
    let cosigned = cosigned.map(|note| CosignedPart::of(&note)).transpose()?;
    Ok(LogPart {
        log,
        cosigned,
        origin: checkpoint.origin,
        size: checkpoint.size,
        root: checkpoint.root,
        verifier_key: key,
    })
}

/// Bodies, and what bundles' manifests name in turn.
async fn export_bodies(reader: &mut Reader, named: BTreeSet<Digest>, out: &Path) -> Result<usize, LedgerError> {
    let (mut left, mut done) = (Vec::from_iter(named), BTreeSet::new());
    while let Some(digest) = left.pop() {
        if done.insert(digest) {
            let content = reader.body(digest).await?;
            // Only a bundle's manifest names files.
            left.extend(Source::named_by(&content).unwrap_or_default());
            put(&body(out, &digest), &content)?;
        }
    }
    Ok(done.len())
}

fn body(directory: &Path, digest: &Digest) -> PathBuf {
    directory.join("bodies").join(hex::encode(digest.as_bytes()))
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), LedgerError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(LedgerError::io("create", parent))?;
    }
    fs::write(path, bytes).map_err(LedgerError::io("write", path))
}

fn readme(contents: &Contents, bodies: usize) -> String {
    let logs = contents.logs.iter().map(|part| {
        format!(
            "| {} | {} | {} | `{}` |\n",
            part.log, part.size, part.root, part.verifier_key
        )
    });
    format!(
        include_str!("evidence/README.md"),
        made = contents.made,
        version = contents.tidegate,
        bodies = bodies,
        logs = logs.collect::<String>(),
        cosigned = cosigned(contents)
    )
}

/// Who cosigned which log, for a person.
fn cosigned(contents: &Contents) -> String {
    let rows = contents.logs.iter().filter_map(|part| {
        let cosigned = part.cosigned.as_ref()?;
        let by: Vec<_> = cosigned.by.iter().map(|hint| format!("`{hint}+…`")).collect();
        Some(format!("| {} | {} | {} |\n", part.log, cosigned.size, by.join(", ")))
    });
    match rows.collect::<String>() {
        none if none.is_empty() => "No witness cosigned any of it.\n".to_owned(),
        rows => format!(include_str!("evidence/cosigned.md"), rows = rows),
    }
}

/// Reads what a directory says it holds. `None` where it is no evidence.
///
/// # Errors
///
/// It says it in a way that is not known here.
pub fn contents(directory: &Path) -> Result<Option<Contents>, LedgerError> {
    let path = directory.join(FILE);
    let Some(bytes) = read_file(&path, super::MAX_BODY_BYTES)? else {
        return Ok(None);
    };
    let wrong = |why: String| LedgerError::Evidence {
        path: path.clone(),
        why,
    };
    let contents: Contents = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    match contents.format {
        FORMAT => Ok(Some(contents)),
        format => Err(wrong(format!("format {format} is not known here; expected {FORMAT}"))),
    }
}
