//! Objects put many at a time: what is on disk after a crash is the old object or the new, and its seal knows it.
//!
//! An object is two files, its bytes and its seal, and both are replaced by giving new files their names. Four steps, each over all
//! objects of the batch, with a wait for the disk after the first three ([`Staging::settle`]):
//!
//! ```text
//!           an object that is there                        one that is not
//! lay       bytes, a seal of both, a seal of the new       bytes without a name; the seal under its own
//!  settle
//! announce  the seal names old and new; the old bytes
//!           get a second name, in the history
//!  settle
//! place     the new bytes take the place of the old        the bytes get their name
//!  settle
//! close     the seal names the new alone
//! ```
//!
//! **Why a crash does no harm.** It leaves what was done before the last settle, and any of what was done since. Take a crash
//!
//! - in *lay*: no object is touched. A new seal may stand there, even broken off, beside no bytes: there is no object.
//! - in *announce*: the bytes are the old ones; the seal is the one before or names both, and either knows them. A replaced name is
//!   one file or the other, never a mixture (`rename`), and both contents were settled before. Of the history there is any part: it is
//!   of the object that is still in its place.
//! - in *place*: the seal names both, so whichever bytes have the name, it knows them. The old ones are in the history, settled.
//! - in *close*: the new bytes are settled; the seal names both or the new alone.
//!
//! So nothing of *close* need be waited for. When the put returns, the bytes are on disk and known; after a crash the seal may go on
//! naming the old ones too, and the next put of that object ends that. Bytes that the old seal did not know are not in the new one
//! either, nor in the history: what was tampered with does not become sound by being replaced.
//!
//! The same bytes again change no file. They are waited for all the same, for the put before may have failed as it waited.
//!
//! Where one object fails, it is left as the crash would leave it at that point and the others go on. Objects that stand several times in
//! a batch are put in that order, each after the one before is done.
//!
//! # Worked example
//!
//! Of two objects put, one is there as `A` and becomes `B`, the other is new. *Lay* writes `B`, its two seals and the history's seal of
//! `A`; `C` without a name and its seal with one. The power fails after *announce* was settled and while *place* was under way: found are the
//! seal of `A` and `B` beside `A` or `B`, and the seal of `C` beside `C` or nothing. Each can be read, or was never there. The supplier, who
//! was told nothing, hands both in again.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::PathBuf;

use super::{MAX_BYTES, ObjectKey, Objects, SEAL_BYTES, text};
use crate::ids::Digest;
use crate::vault::error::VaultError;
use crate::vault::files::read;
use crate::vault::staging::{Staged, Staging, Unsettled};

/// How many files an object is, at most, on its way.
const FILES: usize = 4;

/// From how many objects on they are laid by several threads, and by how many at most.
const THREADS: (usize, usize) = (32, 4);

/// An object on its way.
struct Laid {
    /// Its place among the puts.
    number: usize,
    digest: Digest,
    object: PathBuf,
    seal: PathBuf,
    /// The bytes; none where they are there already.
    bytes: Option<Staged>,
    /// The seal that takes its name before the bytes do.
    first: Option<Staged>,
    /// The seal that takes its name after the bytes did.
    last: Option<Staged>,
    old: Option<Old>,
}

/// The bytes that are there, as they go into the history.
struct Old {
    bytes: Vec<u8>,
    kept: PathBuf,
    kept_seal: PathBuf,
    seal: Staged,
}

/// Objects that are put together, each of them once.
struct Batch<'o> {
    objects: &'o Objects,
    staging: Staging<'o>,
    under_way: Vec<Laid>,
    done: Vec<(usize, Result<Digest, VaultError>)>,
}

/// What is to be put, and its place among the puts.
type Numbered = (usize, (ObjectKey, Vec<u8>));

impl Objects {
    /// Puts objects, in their order where one stands several times; durable on return. What becomes of each is at its place.
    pub(in crate::vault) fn put_all(&self, puts: Vec<(ObjectKey, Vec<u8>)>) -> Vec<Result<Digest, VaultError>> {
        let mut done = Vec::with_capacity(puts.len());
        let mut left: Vec<Numbered> = puts.into_iter().enumerate().collect();
        while !left.is_empty() {
            let mut seen = HashSet::new();
            let (now, later): (Vec<_>, Vec<_>) = left.into_iter().partition(|(_, (at, _))| seen.insert(at.name()));
            left = later;
            done.append(&mut self.put_each(now));
        }
        done.sort_by_key(|(number, _)| *number);
        done.into_iter().map(|(_, result)| result).collect()
    }

    /// Puts objects of which none stands twice.
    fn put_each(&self, puts: Vec<Numbered>) -> Vec<(usize, Result<Digest, VaultError>)> {
        let numbers: Vec<usize> = puts.iter().map(|(number, _)| *number).collect();
        let mut batch = match Batch::begin(self, puts.len()) {
            Ok(batch) => batch,
            Err(error) => return all_failed(numbers, error),
        };
        if let Err(error) = batch.lay(puts) {
            return all_failed(numbers, error);
        }
        for step in Batch::STEPS {
            batch.settle();
            step(&mut batch);
        }
        batch.end()
    }

    /// Reads what there is, and writes what is to take its place.
    fn lay(&self, staging: &Staging<'_>, (number, (at, bytes)): &Numbered) -> Result<Laid, VaultError> {
        if bytes.len() > MAX_BYTES {
            return Err(VaultError::TooLarge {
                what: at.name(),
                size: bytes.len(),
                limit: MAX_BYTES,
            });
        }
        let digest = Digest::of(bytes);
        let object = at.with_path("json", |path| staging.place(path))?;
        let seal = at.with_path("seal", |path| staging.place(path))?;
        let alone = format!("{}\n", self.seal(at, &digest));
        let old = read(&object, MAX_BYTES)?;
        let mut laid = Laid {
            number: *number,
            digest,
            object,
            seal,
            bytes: None,
            first: None,
            last: None,
            old: None,
        };
        let Some(old) = old else {
            laid.bytes = Some(staging.write(bytes)?);
            // Without an object it may stand there already: a crash left it.
            if !staging.create(&laid.seal, alone.as_bytes())? {
                laid.first = Some(staging.write(alone.as_bytes())?);
            }
            return Ok(laid);
        };
        let seals = text(read(&laid.seal, SEAL_BYTES)?.unwrap_or_default());
        let was = Digest::of(&old);
        let known = self.seal(at, &was);
        // An object that its seal did not know must not become one that it does.
        let is_known = seals.lines().any(|line| line == known);
        if !(is_known && was == digest) {
            let known = if is_known { known.as_str() } else { "" };
            laid.first = Some(staging.write(format!("{alone}{known}\n").as_bytes())?);
            laid.bytes = Some(staging.write(bytes)?);
            laid.old = if is_known {
                self.lay_old(staging, at, was, old)?
            } else {
                None
            };
        } else if seals == alone {
            return Ok(laid);
        }
        laid.last = Some(staging.write(alone.as_bytes())?);
        Ok(laid)
    }

    fn lay_old(
        &self,
        staging: &Staging<'_>,
        at: &ObjectKey,
        digest: Digest,
        bytes: Vec<u8>,
    ) -> Result<Option<Old>, VaultError> {
        let kept = at.with_history(&digest, "json", |path| staging.place(path));
        let seal = at.with_history(&digest, "seal", |path| staging.place(path));
        let (Some(kept), Some(kept_seal)) = (kept.transpose()?, seal.transpose()?) else {
            return Ok(None);
        };
        let seal = staging.write(format!("{}\n", self.history_seal(at, &digest)).as_bytes())?;
        Ok(Some(Old {
            bytes,
            kept,
            kept_seal,
            seal,
        }))
    }
}

impl<'o> Batch<'o> {
    /// What follows when all is laid, each once that before it is on disk.
    const STEPS: [fn(&mut Self); 3] = [Self::announce, Self::place, Self::close];

    fn begin(objects: &'o Objects, puts: usize) -> Result<Self, VaultError> {
        Ok(Self {
            objects,
            staging: Staging::begin(&objects.root, puts.saturating_mul(FILES))?,
            under_way: Vec::new(),
            done: Vec::new(),
        })
    }

    /// Reads and writes files, by several threads where there are many.
    fn lay(&mut self, puts: Vec<Numbered>) -> Result<(), VaultError> {
        let (objects, staging) = (self.objects, &self.staging);
        let laid = in_parallel(&puts, |put| (put.0, objects.lay(staging, put)))?;
        for (number, laid) in laid {
            match laid {
                Ok(laid) => self.under_way.push(laid),
                Err(error) => self.done.push((number, Err(error))),
            }
        }
        Ok(())
    }

    /// Has seals name both, and the history the old bytes.
    fn announce(&mut self) {
        self.step(|staging, laid| {
            if let Some(old) = laid.old.take() {
                old.keep(staging, &laid.object)?;
            }
            laid.first.take().map_or(Ok(()), |seal| staging.name(seal, &laid.seal))
        });
    }

    /// Gives the bytes their names.
    fn place(&mut self) {
        self.step(|staging, laid| match laid.bytes.take() {
            Some(bytes) => staging.name(bytes, &laid.object),
            None => {
                staging.touch(&laid.object);
                Ok(())
            }
        });
    }

    /// Has seals name the new bytes alone.
    fn close(&mut self) {
        self.step(|staging, laid| laid.last.take().map_or(Ok(()), |seal| staging.name(seal, &laid.seal)));
    }

    /// Waits for the disk; where that fails nobody's bytes are known to be there.
    fn settle(&mut self) {
        if let Err(unsettled) = self.staging.settle() {
            let failed = |laid: Laid| (laid.number, Err(Unsettled::error(&unsettled)));
            self.done.extend(self.under_way.drain(..).map(failed));
        }
    }

    fn end(mut self) -> Vec<(usize, Result<Digest, VaultError>)> {
        let stored = |laid: Laid| (laid.number, Ok(laid.digest));
        self.done.extend(self.under_way.drain(..).map(stored));
        self.done
    }

    fn step(&mut self, work: impl Fn(&Staging<'_>, &mut Laid) -> Result<(), VaultError>) {
        for mut laid in std::mem::take(&mut self.under_way) {
            match work(&self.staging, &mut laid) {
                Ok(()) => self.under_way.push(laid),
                Err(error) => self.done.push((laid.number, Err(error))),
            }
        }
    }
}

impl Old {
    /// Gives the bytes at `object` a second name in the history. Bytes that come back a second time are there already.
    fn keep(self, staging: &Staging<'_>, object: &std::path::Path) -> Result<(), VaultError> {
        let is_there = match staging.link(object, &self.kept) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                read(&self.kept, MAX_BYTES).is_ok_and(|kept| kept.as_ref() == Some(&self.bytes))
            }
            // The file system knows no second names.
            Err(_) => false,
        };
        if !is_there {
            // It may be named before it is on disk: until the next settle the object itself is what these bytes are read from.
            let copy = staging.write(&self.bytes)?;
            staging.name(copy, &self.kept)?;
        }
        staging.name(self.seal, &self.kept_seal)
    }
}

/// Nothing was begun: the first is told why.
fn all_failed(numbers: Vec<usize>, error: VaultError) -> Vec<(usize, Result<Digest, VaultError>)> {
    let mut error = Some(error);
    let mut why = || error.take().unwrap_or(VaultError::Internal("begin to write objects"));
    numbers.into_iter().map(|number| (number, Err(why()))).collect()
}

/// Does `work` on each of `all`, in their order, by as many threads as there are processors.
fn in_parallel<T: Sync, R: Send>(all: &[T], work: impl Fn(&T) -> R + Sync) -> Result<Vec<R>, VaultError> {
    let (from, most) = THREADS;
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get().min(most));
    if all.len() < from || threads < 2 {
        return Ok(all.iter().map(work).collect());
    }
    let (work, each) = (&work, all.len().div_ceil(threads));
    std::thread::scope(|scope| {
        let parts = all.chunks(each);
        let running: Vec<_> = parts
            .map(|part| scope.spawn(move || part.iter().map(work).collect::<Vec<R>>()))
            .collect();
        let mut done = Vec::with_capacity(all.len());
        for part in running {
            let part = part.join();
            done.extend(part.map_err(|_| VaultError::Internal("finish its work on a file"))?);
        }
        Ok(done)
    })
}

#[cfg(test)]
mod tests;
