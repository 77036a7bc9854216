//! Being the one writer among several processes: saying so once a second, standing by, and taking over.
//!
//! The store alone decides who writes, in each transaction. Here is what follows from it: a process that does not write keeps nothing in
//! memory that it knew of the logs, for another one goes on with them. It answers whoever asks that it stands by, and tries once a
//! second to take over; when it has, it begins as a process that was just started does.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::error::LedgerError;
use super::super::place::Held;
use super::super::record::LogId;
use super::super::standing::Standing;
use super::super::stats::Counters;
use super::super::store::Opening;
use super::head::Head;
use super::recent::Recent;
use super::{Job, Writer, read_head};

/// How often a writer says that it is there, and one that stands by looks whether it is.
const EVERY: Duration = Duration::from_secs(1);

impl Writer {
    /// Whether other processes may wait for this one to end.
    pub(super) fn has_rivals(&self) -> bool {
        matches!(self.held, Held::Lease(_))
    }

    pub(super) fn stands_by(&self) -> Option<Arc<str>> {
        match &*self.standing.borrow() {
            Standing::Writer => None,
            Standing::Standby(holder) => Some(Arc::clone(holder)),
        }
    }

    /// What is due once a second where others may wait.
    pub(super) async fn tend(&mut self) {
        match self.stands_by() {
            Some(_) => self.take_over().await,
            // It is tried as this writer rests.
            None if !self.counters.is_sound() => {}
            None => {
                let renewed = match self.store().await {
                    Ok(store) => store
                        .renew()
                        .await
                        .map_err(LedgerError::store("renew the lease of the ledger")),
                    Err(error) => Err(error),
                };
                if let Err(error) = renewed {
                    self.failed(&error, "the ledger cannot be written to for now").await;
                }
            }
        }
        self.tended = Instant::now() + EVERY;
    }

    /// Finds another base or another secret at start, rather than when this process takes over.
    pub(super) async fn check_keys(&self) -> Result<(), LedgerError> {
        let (log, doing) = (LogId::Platform, "read the end of a log");
        let mut store = self.place.reader().await?;
        store.look().await.map_err(LedgerError::store(doing))?;
        if store.is_changing().await.map_err(LedgerError::store(doing))? {
            return Err(LedgerError::Changing);
        }
        let head = read_head(&mut store, log, Head::new(log, &self.keys)?).await;
        let head = head.map_err(|error| LedgerError::reading(log, doing, error))?;
        head.map(drop).map_err(|why| LedgerError::Damaged { log, why })
    }

    async fn take_over(&mut self) {
        match self.place.writer(&mut self.held, Opening::TakeOver).await {
            Ok(store) => {
                // Whatever an attempt before has read is as of then.
                self.blank();
                self.store = Some(store);
            }
            Err(LedgerError::Standby { holder }) => return self.stand_by(holder),
            Err(error) => return self.hindered(&error),
        }
        let begun = self.begin().await;
        if let Err(error) = begun {
            self.hindered(&error);
            // Another may have better luck.
            if let Some(store) = &mut self.store {
                let _ = store.release().await;
            }
            self.forget().await;
            return self.blank();
        }
        // Signing, or what it came to, may have shown that yet another was faster.
        if self.store.is_some() {
            self.hindrance.clear();
            self.counters.recovered();
            self.standing.send_replace(Standing::Writer);
            tracing::info!("this process writes to the ledger now");
        }
    }

    /// Answers everyone that another process writes. That is no outage: nothing is lost that this process took.
    pub(super) fn turn_away(&mut self, jobs: &mut Vec<Job>, holder: &Arc<str>) {
        let standby = || LedgerError::Standby {
            holder: Arc::clone(holder),
        };
        for job in jobs.drain(..) {
            // Whoever asked may be gone; that is their business.
            match job {
                // Its answer left. The process that writes now tells that it may be missing.
                Job::Ahead(owed) => self.owed.push_back(*owed),
                Job::Cosigned(_, reply) => drop(reply.send(Err(standby()))),
                Job::Key(_, _, reply) => drop(reply.send(Err(standby()))),
                Job::Append(_, reply) | Job::Erase(_, _, _, reply) => {
                    Counters::add(&self.counters.failed, 1);
                    drop(reply.send(Err(standby())));
                }
            }
        }
    }

    /// Says what keeps this process from taking over, once.
    fn hindered(&mut self, error: &LedgerError) {
        let text = error.to_string();
        if self.hindrance != text {
            tracing::error!(%error, "this process stands by and cannot take over");
            self.hindrance = text;
        }
    }

    /// Takes note that something could not be written, and of who else writes where that is why.
    pub(super) async fn failed(&mut self, error: &LedgerError, what: &'static str) {
        self.forget().await;
        match error {
            LedgerError::Standby { holder } => self.stand_by(Arc::clone(holder)),
            error => {
                tracing::error!(%error, what);
                self.counters.refused(0);
            }
        }
    }

    /// From here on another process writes.
    fn stand_by(&mut self, holder: Arc<str>) {
        let now = Standing::Standby(Arc::clone(&holder));
        if *self.standing.borrow() == now {
            return;
        }
        tracing::warn!(%holder, "another process writes to the ledger; this one stands by");
        self.blank();
        self.standing.send_replace(now);
    }

    /// Drops all that was known of the logs.
    fn blank(&mut self) {
        self.heads.clear();
        self.periods.clear();
        self.ahead.blank();
        self.damaged.clear();
        self.unsigned.clear();
        self.recent = Recent::default();
        self.due = None;
    }
}
