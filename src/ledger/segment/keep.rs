//! Segments beside a running service: each hour is written some minutes after it is over.

use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::oneshot;

use super::{DIRECTORY, Hour, Written, write_from};
use crate::clock::Clock;
use crate::ledger::read::Reader;
use crate::ledger::{LedgerError, Place};

/// How long after its end an hour is written: what is recorded in it is signed long before.
const AFTER: SignedDuration = SignedDuration::from_mins(5);

/// Writes segments of a ledger, whose keys are in `dir`, there for as long as it runs: at once what there is, then each hour. What fails is told and tried
/// again with the next. It reads the ledger as any reader does, on a thread of its own, and its writer never waits for it.
pub async fn keep(place: Place, dir: PathBuf, clock: Clock) {
    loop {
        let now = clock.now();
        match once(place.clone(), dir.clone(), now).await {
            Ok(written) if written.damaged.is_empty() && written.unusable.is_empty() => {
                tracing::info!(
                    segments = written.segments,
                    rows = written.rows,
                    "segments were written"
                );
            }
            Ok(written) => {
                let (damaged, unusable) = (&written.damaged, &written.unusable);
                tracing::error!(?damaged, ?unusable, "segments were written, but not of all there is");
            }
            Err(error) => tracing::error!(%error, "segments could not be written; it is tried again in an hour"),
        }
        tokio::time::sleep(until_next(clock.now())).await;
    }
}

/// How long it is until the hour of that instant can be written.
fn until_next(now: Timestamp) -> Duration {
    let due = Hour::of(now).after(1).start().saturating_add(AFTER);
    let wait = due.map_or(SignedDuration::from_hours(1), |due| due.duration_since(now));
    Duration::try_from(wait).unwrap_or(Duration::from_secs(3600))
}

/// On a thread that nothing waits for: what is cut off when the service ends is made again.
async fn once(place: Place, dir: PathBuf, now: Timestamp) -> Result<Written, LedgerError> {
    let (told, answer) = oneshot::channel();
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let written = match runtime {
            Ok(runtime) => runtime.block_on(async {
                let reader = Reader::open_beside(&place, &dir).await?;
                write_from(reader, &dir, &dir.join(DIRECTORY), now, |_| {}).await
            }),
            Err(error) => Err(LedgerError::io("start a thread for", &dir)(error)),
        };
        // Nobody listens any more where the service has ended.
        let _ = told.send(written);
    };
    let started = std::thread::Builder::new().name("segments".to_owned()).spawn(work);
    started.map_err(LedgerError::ended)?;
    answer.await.unwrap_or_else(|_| Err(LedgerError::ended("it was ended")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_written_five_minutes_after_its_end() {
        let wait = |text: &str| until_next(text.parse().unwrap()).as_secs();
        assert_eq!(wait("2026-03-31T12:00:00Z"), 65 * 60);
        assert_eq!(wait("2026-03-31T12:59:59Z"), 5 * 60 + 1);
        assert_eq!(wait("2026-03-31T13:05:00Z"), 60 * 60);
    }

    #[tokio::test]
    async fn what_there_is_is_written_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::Directory(dir.path().to_owned());
        let refused = once(
            place.clone(),
            dir.path().to_owned(),
            "2026-03-31T13:05:00Z".parse().unwrap(),
        )
        .await;
        assert!(matches!(refused, Err(LedgerError::Absent { .. })), "{refused:?}");
        let clock = Clock::fixed("2026-03-31T12:30:00Z".parse().unwrap());
        let keys = crate::ledger::LedgerKeys::open(dir.path(), "t.example").unwrap();
        let ledger = crate::ledger::Ledger::open(dir.path(), keys, clock, Default::default())
            .await
            .unwrap();
        let engine = crate::ledger::record::Engine::running();
        let start = crate::ledger::Event::Start(crate::ledger::record::Start { engine });
        let entry = crate::ledger::Entry::event(crate::ledger::LogId::Platform, start);
        ledger.append(entry).await.unwrap();
        // Beside the writer.
        let written = once(
            place.clone(),
            dir.path().to_owned(),
            "2026-03-31T13:05:00Z".parse().unwrap(),
        )
        .await
        .unwrap();
        assert_eq!((written.segments, written.rows), (1, 1));
        ledger.close().await;
    }
}
