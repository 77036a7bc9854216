//! The task that has checkpoints cosigned, beside the service.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::error::LedgerError;
use super::super::readers::Readers;
use super::super::record::LogId;
use super::super::store::NewCosigned;
use super::super::{Job, Ledger};
use super::client::Client;
use super::rounds::{Answer, Moment, Reached, Rounds, Sending};
use super::submit::{Trouble, submit};
use super::{Witnesses, backlog};
use crate::telemetry;

/// How often what was cosigned is written, at most: all that came meanwhile in one transaction.
const KEEP: Duration = Duration::from_millis(250);

/// How often the gauges are set.
const TICK: Duration = Duration::from_secs(1);

/// How often the same is said of a witness.
const AGAIN: Duration = Duration::from_secs(60);

/// From when on a lag is worth a line in the log.
const LATE: Duration = Duration::from_secs(60);

/// Has checkpoints of the ledger cosigned, until it is closed.
///
/// # Errors
///
/// The HTTP client cannot be made; no random bytes.
pub async fn cosign(ledger: Ledger, witnesses: Witnesses) -> Result<(), LedgerError> {
    let mut seed = [0; 8];
    aws_lc_rs::rand::fill(&mut seed).map_err(|_| super::super::note::NoteError::Signer)?;
    let client = Client::new().map_err(|error| LedgerError::Fetch {
        what: "a witness".to_owned(),
        why: error.to_string().into(),
    })?;
    let quorum = witnesses.quorum();
    for key in quorum.keys() {
        // Alerts are written against these: they are there from the start.
        for outcome in ["cosigned", "ahead", "forked"] {
            let name = key.name().to_owned();
            metrics::counter!(telemetry::WITNESS_REQUESTS, "witness" => name, "outcome" => outcome).absolute(0);
        }
    }
    let rounds = Rounds::new(quorum.needed(), quorum.keys().len(), u64::from_be_bytes(seed));
    let task = Task {
        readers: ledger.readers(),
        ledger,
        witnesses: Arc::new(witnesses),
        client,
        rounds,
        began: Instant::now(),
        work: JoinSet::new(),
        reached: BTreeMap::new(),
        keeping: false,
        keep_after: Moment::ZERO,
        said: HashMap::new(),
    };
    task.run().await;
    Ok(())
}

/// What was done beside the task.
enum Did {
    Asked(Sending, Answer, Option<Trouble>),
    Kept(Vec<NewCosigned>, Result<(), LedgerError>),
}

struct Task {
    ledger: Ledger,
    readers: Readers,
    witnesses: Arc<Witnesses>,
    client: Client,
    rounds: Rounds,
    began: Instant,
    work: JoinSet<Did>,
    /// What is to be written.
    reached: BTreeMap<LogId, NewCosigned>,
    keeping: bool,
    keep_after: Moment,
    /// When something was last said, and how often it was not since.
    said: HashMap<(usize, &'static str), (Moment, u64)>,
}

impl Task {
    async fn run(mut self) {
        let ledger = self.ledger.clone();
        ledger.counters.signed.listen();
        let (found, mut backlog) = mpsc::channel(1);
        let looking = backlog::look(self.readers.clone(), self.witnesses.quorum().clone(), found);
        let looking = tokio::spawn(async move {
            if let Err(error) = looking.await {
                tracing::error!(%error, "which logs are not cosigned could not be read; each is once it grows");
            }
        });
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            self.ask();
            self.keep();
            let due = self.due();
            tokio::select! {
                () = ledger.queue.closed() => break,
                Some(done) = self.work.join_next(), if !self.work.is_empty() => match done {
                    Ok(did) => self.did(did),
                    Err(error) => tracing::error!(%error, "asking a witness ended on its own; this is a defect"),
                },
                Some(page) = backlog.recv() => {
                    let now = self.now();
                    page.into_iter().for_each(|(log, note)| self.rounds.grown(log, note, now));
                }
                signed = ledger.counters.signed.next() => {
                    let now = self.now();
                    signed.into_iter().for_each(|(log, note)| self.rounds.grown(log, note, now));
                }
                () = tokio::time::sleep_until(self.began + due.unwrap_or(TICK)), if due.is_some() => {}
                _ = tick.tick() => self.tell_lag(),
            }
        }
        looking.abort();
        self.work.shutdown().await;
    }

    fn now(&self) -> Moment {
        self.began.elapsed()
    }

    /// When there is something to do, where nothing happens before.
    fn due(&self) -> Option<Moment> {
        let keep = (!self.reached.is_empty() && !self.keeping).then_some(self.keep_after);
        keep.into_iter().chain(self.rounds.due()).min()
    }

    fn ask(&mut self) {
        while let Some(sending) = self.rounds.next(self.began.elapsed()) {
            let (client, readers) = (self.client.clone(), self.readers.clone());
            let witnesses = Arc::clone(&self.witnesses);
            self.work.spawn(async move {
                let (answer, trouble) = match witnesses.list.get(sending.witness) {
                    Some(witness) => submit(&client, &readers, witness, &sending).await,
                    None => (Answer::Failed, None),
                };
                Did::Asked(sending, answer, trouble)
            });
        }
    }

    /// Has what was cosigned written, where it is time.
    fn keep(&mut self) {
        let now = self.now();
        if self.reached.is_empty() || self.keeping || now < self.keep_after {
            return;
        }
        (self.keeping, self.keep_after) = (true, now + KEEP);
        let rows: Vec<_> = std::mem::take(&mut self.reached).into_values().collect();
        let ledger = self.ledger.clone();
        self.work.spawn(async move {
            let kept = ledger.ask(false, |reply| Job::Cosigned(rows.clone(), reply)).await;
            Did::Kept(rows, kept)
        });
    }

    fn did(&mut self, did: Did) {
        let now = self.now();
        match did {
            Did::Asked(sending, answer, trouble) => {
                self.tell(&sending, trouble.as_ref(), now);
                if let Some(Reached { log, size, note }) = self.rounds.answered(&sending, answer, now) {
                    let size = size.cast_signed();
                    self.reached.insert(log, NewCosigned { log, size, note });
                }
            }
            Did::Kept(_, Ok(())) => self.keeping = false,
            Did::Kept(rows, Err(error)) => {
                tracing::warn!(%error, logs = rows.len(), "cosigned checkpoints could not be kept; they are tried again");
                (self.keeping, self.keep_after) = (false, now + TICK);
                for row in rows {
                    // Unless there is a newer one by now.
                    self.reached.entry(row.log).or_insert(row);
                }
            }
        }
    }

    /// Counts what came of asking, and says so where something is wrong: each kind of it once a minute for each witness.
    fn tell(&mut self, sending: &Sending, trouble: Option<&Trouble>, now: Moment) {
        let Some(witness) = self.witnesses.list.get(sending.witness) else {
            return;
        };
        let outcome = trouble.map_or("cosigned", Trouble::outcome);
        let name = witness.key.name().to_owned();
        metrics::counter!(telemetry::WITNESS_REQUESTS, "witness" => name.clone(), "outcome" => outcome).increment(1);
        let Some(trouble) = trouble else {
            if self.said.remove(&(sending.witness, "failed")).is_some() {
                tracing::info!(witness = name, "a witness cosigns again");
            }
            return;
        };
        let (said, silent) = self.said.entry((sending.witness, outcome)).or_insert((now, 0));
        if *said != now && now < *said + AGAIN {
            *silent += 1;
            return;
        }
        let (log, more, url) = (sending.log, std::mem::take(silent), &witness.url);
        *said = now;
        match trouble.is_alarm() {
            true => tracing::error!(
                witness = name, url, %log, more, error = %trouble,
                "ALARM: a witness knows another history of a log; keep its answer and run `tidegate ledger verify`"
            ),
            false => tracing::warn!(witness = name, url, %log, more, error = %trouble, "a witness does not cosign"),
        }
    }

    /// How long checkpoints have waited for their quorum.
    fn tell_lag(&mut self) {
        let now = self.now();
        let (lag, logs) = (self.rounds.lag(now).unwrap_or_default(), self.rounds.waiting());
        metrics::gauge!(telemetry::COSIGNED_LAG).set(lag.as_secs_f64());
        metrics::gauge!(telemetry::UNCOSIGNED_LOGS).set(f64::from(u32::try_from(logs).unwrap_or(u32::MAX)));
        if lag < LATE {
            return;
        }
        let (said, _) = self.said.entry((usize::MAX, "late")).or_insert((now, 0));
        if *said == now || now >= *said + AGAIN {
            *said = now;
            tracing::warn!(
                lag_s = lag.as_secs(),
                logs,
                "checkpoints wait for their quorum; what is shown of these logs is older"
            );
        }
    }
}
