//! What is done about agreements without anybody asking.

use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;

use super::Book;
use crate::clock::Clock;

/// How often what is to be done by itself is done.
#[derive(Clone, Copy, Debug)]
pub struct Upkeep {
    /// Agreements past their end are looked for.
    pub expire: Duration,
    /// What was counted in memory is written; the most that is lost if the process ends unexpectedly.
    pub write_uses: Duration,
    /// What other processes changed in the registry is looked for, whether they told of it or not.
    pub follow: Duration,
}

impl Default for Upkeep {
    fn default() -> Self {
        Self {
            expire: Duration::from_secs(10),
            write_uses: Duration::from_secs(1),
            follow: Duration::from_secs(1),
        }
    }
}

/// Does what is to be done by itself, until it is aborted.
pub async fn keep(book: &Book, clock: &Clock, upkeep: Upkeep) {
    tokio::join!(
        do_what_is_due(book, clock, upkeep),
        book.registry.follow(upkeep.follow),
        pass_on(book),
    );
}

/// Tells those who listen of what other processes change.
async fn pass_on(book: &Book) {
    let mut others = book.others.lock().await;
    loop {
        match others.recv().await {
            Ok(agreement) => book.pass_on(&agreement),
            // Whoever listens looks at all from time to time, too.
            Err(RecvError::Lagged(_)) => book.look_at_all(),
            Err(RecvError::Closed) => return,
        }
    }
}

async fn do_what_is_due(book: &Book, clock: &Clock, upkeep: Upkeep) {
    let mut expire = tokio::time::interval(upkeep.expire);
    let mut write = tokio::time::interval(upkeep.write_uses);
    let mut settle = tokio::time::interval(upkeep.expire);
    for interval in [&mut expire, &mut write, &mut settle] {
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    }
    loop {
        tokio::select! {
            _ = expire.tick() => match book.expire(clock.now()).await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "agreements expired"),
                Err(error) => tracing::error!(%error, "agreements past their end are not put on record; they grant nothing all the same"),
            },
            _ = write.tick() => write_uses(book).await,
            _ = settle.tick() => match book.settle().await {
                Ok(0) => {}
                Ok(count) => tracing::warn!(count, "the ends of agreements, cut short before, are in the registry now"),
                Err(error) => tracing::error!(%error, "the ends of agreements are still not in the registry; they grant nothing all the same"),
            },
        }
    }
}

/// Writes what was counted in memory.
pub async fn write_uses(book: &Book) {
    if let Err(error) = book.registry.write_uses().await {
        tracing::warn!(%error, "how often data was handed out is not written; it is kept for the next time");
    }
}
