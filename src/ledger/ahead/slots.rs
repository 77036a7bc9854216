//! The file beside the store: a slot for each answer that is ahead of its record.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::super::keys;
use crate::ids::{RecordId, TenantId};

const FILE: &str = "ledger.ahead";

/// What the file begins with; the machine's boot id follows.
const MAGIC: &[u8; 16] = b"tidegate ahead 1";

/// Where the first slot begins.
const HEAD: u64 = 64;

/// A BPNL and a record's id. Slots lie within one page each, so that none is ever half written.
const WIDTH: u64 = 32;

/// The file and which of its slots are free.
#[derive(Debug)]
pub(in super::super) struct Slots {
    file: File,
    free: Vec<u32>,
    used: u32,
}

/// What a file tells of the writer before.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Left {
    /// All that was ahead, by tenant: the machine has not started anew since.
    All(BTreeMap<TenantId, Vec<RecordId>>),
    /// Nothing certain.
    Unknown,
}

impl Slots {
    pub(super) fn create(directory: &Path) -> std::io::Result<Self> {
        // Anew and not emptied: what was there stays whole until the name is the new file's.
        let fresh = directory.join("ledger.ahead.new");
        let mut file = keys::private_file().create(true).truncate(true).open(&fresh)?;
        let mut head = [0; HEAD as usize];
        let boot = boot().unwrap_or_default();
        for (place, byte) in head.iter_mut().zip(MAGIC.iter().chain(boot.as_bytes())) {
            *place = *byte;
        }
        file.write_all(&head)?;
        std::fs::rename(&fresh, directory.join(FILE))?;
        Ok(Self {
            file,
            free: Vec::new(),
            used: 0,
        })
    }

    /// Notes an answer; returns its slot.
    pub(super) fn fill(&mut self, tenant: TenantId, id: RecordId) -> std::io::Result<u32> {
        let mut content = [0; WIDTH as usize];
        let (name, number) = content.split_at_mut(16);
        if tenant.as_str().len() != name.len() {
            return Err(ErrorKind::InvalidInput.into());
        }
        name.copy_from_slice(tenant.as_str().as_bytes());
        number.copy_from_slice(id.0.as_bytes());
        let slot = self.free.pop().unwrap_or(self.used);
        let written = self.file.write_all_at(&content, place(slot));
        if slot == self.used {
            self.used = self.used.saturating_add(1);
        }
        if let Err(error) = written {
            self.free.push(slot);
            return Err(error);
        }
        Ok(slot)
    }

    /// Empties a slot. Where one cannot be, the file tells nothing more: it would name a record that is there.
    pub(super) fn clear(&mut self, slot: u32) {
        match self.file.write_all_at(&[0; WIDTH as usize], place(slot)) {
            Ok(()) => self.free.push(slot),
            Err(error) => {
                tracing::warn!(%error, "`{FILE}` cannot be written; after a crash the ledger tells what can be missing at most");
                if let Err(error) = self.file.set_len(0) {
                    tracing::error!(%error, "`{FILE}` cannot be emptied either; after a crash it may name records that are there");
                }
            }
        }
    }
}

fn place(slot: u32) -> u64 {
    HEAD + u64::from(slot) * WIDTH
}

/// What the file tells, where there is one of this start of the machine.
pub(super) fn read(directory: &Path) -> Left {
    let path = directory.join(FILE);
    let content = match std::fs::read(&path) {
        Ok(content) => content,
        Err(error) => {
            if error.kind() != ErrorKind::NotFound {
                tracing::warn!(%error, path = %path.display(), "what was ahead of its record cannot be read");
            }
            return Left::Unknown;
        }
    };
    parse(&content, boot().as_deref()).unwrap_or(Left::Unknown)
}

fn parse(content: &[u8], boot: Option<&str>) -> Option<Left> {
    let (head, slots) = content.split_at_checked(usize::try_from(HEAD).ok()?)?;
    let of = head.strip_prefix(MAGIC)?;
    let boot = boot.filter(|boot| !boot.is_empty())?;
    of.strip_prefix(boot.as_bytes())?;
    let mut left: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for slot in slots
        .chunks(WIDTH as usize)
        .filter(|slot| slot.iter().any(|byte| *byte != 0))
    {
        // One that cannot be read makes all of it uncertain.
        let (name, id) = slot.split_at_checked(16)?;
        let tenant: TenantId = std::str::from_utf8(name).ok()?.parse().ok()?;
        let id = uuid::Uuid::from_slice(id).ok()?;
        left.entry(tenant).or_default().push(RecordId(id));
    }
    Some(Left::All(left))
}

pub(super) fn remove(directory: &Path) {
    match std::fs::remove_file(directory.join(FILE)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            tracing::warn!(%error, "`{FILE}` stays, though nothing is ahead of its record");
        }
        _ => {}
    }
}

/// Names this start of the machine (Linux); nothing where that is not known, and then no count is exact.
fn boot() -> Option<String> {
    let text = std::fs::read_to_string(PathBuf::from("/proc/sys/kernel/random/boot_id")).ok()?;
    Some(text.trim().to_owned()).filter(|id| id.len() == 36)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> RecordId {
        RecordId(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn slots_tell_what_is_ahead_and_only_that() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()), Left::Unknown, "there is none");
        let (a, b): (TenantId, TenantId) = ("BPNL00000000000A".parse().unwrap(), "BPNL00000000000B".parse().unwrap());
        let mut slots = Slots::create(dir.path()).unwrap();
        let taken: Vec<u32> = (1..=4).map(|number| slots.fill(a, id(number)).unwrap()).collect();
        assert_eq!(taken, [0, 1, 2, 3]);
        slots.fill(b, id(9)).unwrap();
        slots.clear(1);
        slots.clear(2);
        assert_eq!(slots.fill(b, id(10)).unwrap(), 2, "a slot is used again");
        let told = Left::All([(a, vec![id(1), id(4)]), (b, vec![id(10), id(9)])].into());
        assert_eq!(read(dir.path()), told);
        let content = std::fs::read(dir.path().join(FILE)).unwrap();
        assert_eq!(
            parse(&content, Some("00000000-0000-0000-0000-000000000000")),
            None,
            "another start"
        );
        assert_eq!(parse(&content, None), None);
        for cut in [0, 20, 63, content.len() - 1] {
            let parsed = parse(&content[..cut], boot().as_deref());
            assert!(parsed.is_none(), "cut at {cut}: {parsed:?}");
        }
        drop(Slots::create(dir.path()).unwrap());
        assert_eq!(read(dir.path()), Left::All(BTreeMap::new()));
        remove(dir.path());
        assert_eq!(read(dir.path()), Left::Unknown);
    }
}
