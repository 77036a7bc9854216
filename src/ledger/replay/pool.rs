//! Work that one hand gives out and many do, with no more of it in memory than was allowed.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::ledger::LedgerError;

/// How much one unit of room is, in bytes.
const UNIT: usize = 1_024;

/// Where work is given out.
pub(super) struct Feed<T> {
    sender: mpsc::Sender<(T, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
    units: u32,
}

/// Those who should do the work have stopped; what they say tells why.
pub(super) struct Stopped;

impl<T> Feed<T> {
    /// Gives out some work that takes so many bytes of memory, once there is room.
    pub(super) async fn put(&self, work: T, bytes: usize) -> Result<(), Stopped> {
        let units = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX);
        // What alone is greater than all the room there is is done alone.
        let units = units.clamp(1, self.units);
        let permit = Arc::clone(&self.room).acquire_many_owned(units).await;
        let permit = permit.map_err(|_| Stopped)?;
        self.sender.send((work, permit)).await.map_err(|_| Stopped)
    }
}

/// Where work is taken.
pub(super) struct Take<T> {
    queue: Arc<Mutex<mpsc::Receiver<(T, OwnedSemaphorePermit)>>>,
    held: Option<OwnedSemaphorePermit>,
}

impl<T> Take<T> {
    /// The next work; nothing once all is given out. What was taken before must be done with.
    pub(super) fn next(&mut self) -> Option<T> {
        self.held = None;
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let (work, permit) = queue.blocking_recv()?;
        self.held = Some(permit);
        Some(work)
    }
}

/// Has `threads` threads do what `feed` gives out, and gives what each came to. No more than about `bytes` of it is in memory at a time.
///
/// # Errors
///
/// The first of whoever failed.
pub(super) async fn run<T: Send + 'static, R: Send + 'static>(
    threads: usize,
    bytes: usize,
    feed: impl AsyncFnOnce(&Feed<T>) -> Result<Result<(), Stopped>, LedgerError>,
    work: impl Fn(&mut Take<T>) -> Result<R, LedgerError> + Send + Sync + 'static,
) -> Result<Vec<R>, LedgerError> {
    let units = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).clamp(64, 1 << 30);
    let (sender, queue) = mpsc::channel(threads * 2);
    let (queue, work) = (Arc::new(Mutex::new(queue)), Arc::new(work));
    let hands: Vec<_> = (0..threads)
        .map(|_| {
            let (queue, work) = (Arc::clone(&queue), Arc::clone(&work));
            tokio::task::spawn_blocking(move || work(&mut Take { queue, held: None }))
        })
        .collect();
    drop(queue);
    let room = Arc::new(Semaphore::new(usize::try_from(units).unwrap_or(64)));
    let fed = feed(&Feed { sender, room, units }).await;
    let mut results = Vec::new();
    let mut failed = None;
    for hand in hands {
        match hand.await {
            Ok(Ok(result)) => results.push(result),
            Ok(Err(error)) => failed = failed.or(Some(error)),
            Err(ended) => {
                failed = failed.or(Some(LedgerError::ended(ended)));
            }
        }
    }
    // What those who worked say comes first: it tells why no more could be given out.
    match (failed, fed) {
        (Some(error), _) | (None, Err(error)) => Err(error),
        (None, Ok(_)) => Ok(results),
    }
}
