//! A run, from its first page or the one it stopped at to its end.

mod taking;

use std::collections::HashSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use url::Url;

use super::document::Listed as Kind;
use super::link::{self, LinkError};
use super::page::{self, Page};
use super::places::Place;
use super::run::{Counts, Key, Run, RunState, source};
use super::store::{End, PullStoreError};
use super::{Puller, first_page};
use crate::decide::Permit;
use crate::ids::{Digest, RequestId};
use crate::ledger::record::Request;
use crate::pcf::retry::Waits;
use crate::peer::{Access, Again, Answer, Clerk, Missed, Peer};
use crate::question::Question;
use crate::question::ask::{self, System, SystemFacts};
use crate::registry::integration::{Pull, Source};
use crate::registry::{Integration, TenantState, TenantWorld};

/// The waits while a system does not answer: half a minute in all.
const WAITS: Waits = Waits {
    first: SignedDuration::from_secs(1),
    longest: SignedDuration::from_secs(16),
    attempts: 5,
};

/// The longest time a system may ask for while a run goes on; where it asks for more, the run ends, and the next waits.
const PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// The longest time for which the next run waits because the system asked for it.
const LONGEST_REST: SignedDuration = SignedDuration::from_hours(24);

/// Why a run does not go on.
pub(super) enum Halt {
    /// As it ends.
    End(End),
    /// It cannot be written how far it came. It goes on when it can.
    Store(PullStoreError),
}

impl From<PullStoreError> for Halt {
    fn from(error: PullStoreError) -> Self {
        Self::Store(error)
    }
}

impl Halt {
    pub(super) fn failed(problem: impl Into<String>) -> Self {
        Self::end(RunState::Failed, problem)
    }

    pub(super) fn gone() -> Self {
        Self::end(RunState::Stopped, "the system is not on record any more")
    }

    fn end(state: RunState, problem: impl Into<String>) -> Self {
        Self::End(End {
            state,
            problem: Some(problem.into()),
            again: None,
        })
    }
}

/// A system as it is on record while a page is in hand.
pub(super) struct OnRecord {
    pub(super) world: Arc<TenantWorld>,
    pub(super) integration: Arc<Integration>,
}

impl OnRecord {
    pub(super) fn facts(&self) -> SystemFacts<'_> {
        SystemFacts {
            tenant: &self.world.tenant,
            system: System::Integration(&self.integration),
        }
    }
}

/// A run under way.
struct Walk<'a> {
    puller: Puller<'a>,
    key: &'a Key,
    source: Digest,
    request: Request,
    counts: Counts,
    /// The pages that were asked for, by the digest of their addresses.
    seen: HashSet<Digest>,
}

impl Puller<'_> {
    /// Goes through a run and notes how it ended; gives that.
    ///
    /// # Errors
    /// How far it came, or how it ended, cannot be noted: it is still under way then, and goes on when it is begun with again.
    pub async fn run(&self, run: &Run) -> Result<End, PullStoreError> {
        let mut walk = Walk {
            puller: *self,
            key: &run.key,
            source: run.source,
            request: Request {
                id: RequestId::new(),
                traceparent: None,
            },
            counts: run.counts,
            seen: HashSet::new(),
        };
        let end = match walk.go(run).await {
            Ok(()) => End {
                state: RunState::Complete,
                problem: None,
                again: None,
            },
            Err(Halt::End(end)) => end,
            Err(Halt::Store(error)) => return Err(error),
        };
        self.fetching.store.end(&run.key, &end, self.clock.now()).await?;
        Ok(end)
    }
}

impl Walk<'_> {
    async fn go(&mut self, run: &Run) -> Result<(), Halt> {
        let now = self.puller.clock.now();
        let on = self.on_record()?;
        let pull = pull_of(&on)?.clone();
        let permit = self.permitted(ask::ingest(&on.facts(), now)).await?;
        self.puller.fetching.store.decided(self.key, permit.record()).await?;
        let secret = self.secret(&on).await?;
        let peer = Peer::new(Access::of_pull(&pull), &secret, self.puller.fetching.loopback, now);
        let mut peer = peer.map_err(Halt::failed)?;
        drop((secret, on));
        let no_address = || Halt::failed("the document's address does not read");
        let first = first_page(&pull.source, run.since).ok_or_else(no_address)?;
        // A document that named another origin would be another source; a row that says otherwise was changed by hand.
        let cursor = run.cursor.clone().filter(|cursor| cursor.origin() == first.origin());
        let mut stale = cursor.is_some();
        let mut url = cursor.unwrap_or_else(|| first.clone());
        loop {
            let (answer, place) = match self.fetch(&mut peer, &url).await {
                // Links to pages may be good for minutes only; what was taken meanwhile is known, and is not written again.
                Err(Fetched::Gone(_)) if stale => {
                    (stale, url) = (false, first.clone());
                    self.seen.clear();
                    continue;
                }
                Err(Fetched::Gone(missed)) => return Err(Halt::failed(missed.problem)),
                Err(Fetched::Halt(halt)) => return Err(halt),
                Ok(fetched) => fetched,
            };
            stale = false;
            let (page, kind) = read_page(&pull.source, &answer).map_err(Halt::failed)?;
            let next = self.next(&first, &url, &page, &answer);
            let refusals = self.take(kind, page.items).await?;
            self.counts.pages = self.counts.pages.saturating_add(1);
            // Where it cannot go on, the next run begins with this page.
            let goes_on = next.as_ref().map_or(Some(&url), Option::as_ref);
            let store = &self.puller.fetching.store;
            store.advance(self.key, &self.counts, &refusals, goes_on).await?;
            drop(place);
            match next? {
                Some(next) => url = next,
                None => return Ok(()),
            }
        }
    }

    /// The system, if it is still there to be fetched from.
    fn on_record(&self) -> Result<OnRecord, Halt> {
        let stopped = |problem: &str| Halt::end(RunState::Stopped, problem);
        let registry = self.puller.intake.registry.current();
        let world = registry.tenant(self.key.tenant).cloned();
        let world = world.filter(|world| world.tenant.state == TenantState::Active);
        let world = world.ok_or_else(|| stopped("the company is not active on this platform"))?;
        let integration = world.integrations.get(&self.key.integration).cloned();
        let integration = integration.ok_or_else(Halt::gone)?;
        if !integration.enabled {
            return Err(stopped("the system was stopped"));
        }
        if source(&integration) != self.source {
            return Err(stopped(
                "the system's document was changed; the next run goes by the new one",
            ));
        }
        Ok(OnRecord { world, integration })
    }

    /// Asks policy, on record.
    async fn permitted(&self, question: Question) -> Result<Permit, Halt> {
        let tenant = Some(self.key.tenant);
        let recorded = self.puller.intake.gate.decide(question, tenant, &self.request).await;
        let recorded = recorded.map_err(|_| Halt::failed("the decision could not be recorded"))?;
        recorded
            .permit()
            .map_err(|refusal| Halt::failed(format!("{} (record {})", refusal.told(), refusal.record())))
    }

    /// The secret that the system's document names.
    async fn secret(&self, on: &OnRecord) -> Result<SecretString, Halt> {
        let clerk = Clerk {
            gate: self.puller.intake.gate,
            vault: self.puller.intake.vault,
        };
        let (system, name) = (on.facts(), pull_of(on)?.auth.secret());
        let read = clerk.secret(&system, name, &self.request, self.puller.clock.now());
        read.await.map_err(|error| Halt::failed(error.to_string()))
    }

    /// Where the next page is, if there is one and it is gone to.
    fn next(&mut self, first: &Url, url: &Url, page: &Page, answer: &Answer) -> Result<Option<Url>, Halt> {
        let failed = |error: LinkError| Halt::failed(error.to_string());
        let linked = link::next(&answer.links).map_err(failed)?;
        let Some(text) = page.next.as_ref().or(linked.as_ref()) else {
            return Ok(None);
        };
        let next = link::address(first, url, text).map_err(failed)?;
        self.seen.insert(Digest::of(url.as_str().as_bytes()));
        if self.seen.contains(&Digest::of(next.as_str().as_bytes())) {
            return Err(Halt::failed(
                "the next page is one that was there before: the list goes in a circle",
            ));
        }
        let most = self.puller.fetching.most_pages;
        if self.counts.pages.saturating_add(1) >= most {
            return Err(Halt::failed(format!(
                "the list has more than {most} pages, which is the most that are fetched"
            )));
        }
        Ok(Some(next))
    }

    /// A page, and the place it is had in. It is asked for again while that may help.
    async fn fetch(&self, peer: &mut Peer, url: &Url) -> Result<(Answer, Place), Fetched> {
        let mut attempt = 0;
        loop {
            // Before each request, for there may be a long wait before it.
            self.on_record().map_err(Fetched::Halt)?;
            // A place is for asking, not for waiting.
            peer.free().await;
            let place = self.puller.fetching.places.take(self.key.tenant).await;
            let place = place.ok_or_else(|| Fetched::Halt(Halt::failed("the service is ending")))?;
            let now = self.puller.clock.now();
            let missed = match peer.page(url, now).await {
                Ok(answer) => return Ok((answer, place)),
                Err(missed) => missed,
            };
            drop(place);
            attempt += 1;
            let wait = match missed.again {
                Again::Gone => return Err(Fetched::Gone(missed)),
                Again::Never | Again::Unauthorized => return Err(Fetched::Halt(Halt::failed(missed.problem))),
                Again::Later(after) => rest(attempt, after, &missed, now).map_err(Fetched::Halt)?,
            };
            tracing::debug!(tenant = %self.key.tenant, integration = %self.key.integration, wait = %wait, "a page is asked for again");
            tokio::time::sleep(wait.unsigned_abs()).await;
        }
    }
}

/// Why there is no page.
enum Fetched {
    /// It is not there, or not any more.
    Gone(Missed),
    /// The run does not go on.
    Halt(Halt),
}

/// How long to wait before the same page is asked for again.
fn rest(attempt: u32, after: Option<SignedDuration>, missed: &Missed, now: Timestamp) -> Result<SignedDuration, Halt> {
    let mut dice = [0; 4];
    // Without dice every wait is the shortest.
    let _ = aws_lc_rs::rand::fill(&mut dice);
    let problem = &missed.problem;
    let given_up = |again: Option<Timestamp>| {
        Halt::End(End {
            state: RunState::Failed,
            problem: Some(match again {
                Some(again) => format!("{problem}, and asks not to be asked before {again}"),
                None => format!("{problem}, {attempt} times"),
            }),
            again,
        })
    };
    let wait = WAITS.after(attempt, u32::from_ne_bytes(dice));
    match (wait, after) {
        (_, Some(after)) if after > PATIENCE => Err(given_up(now.checked_add(after.min(LONGEST_REST)).ok())),
        (Some(wait), after) => Ok(after.unwrap_or(wait).max(SignedDuration::from_millis(100))),
        (None, after) => {
            let again = after.and_then(|after| now.checked_add(after).ok());
            Err(given_up(again))
        }
    }
}

fn pull_of(on: &OnRecord) -> Result<&Pull, Halt> {
    let pull = on.integration.pull.as_ref();
    pull.ok_or_else(|| Halt::end(RunState::Stopped, "nothing is fetched from the system any more"))
}

fn read_page(source: &Source, answer: &Answer) -> Result<(Page, Kind), String> {
    let read = match source {
        Source::Pact(_) => page::read(&answer.body, "/data", None).map(|page| (page, Kind::Pact)),
        Source::Json(json) => {
            let page = page::read(&answer.body, &json.items, json.next.as_deref());
            page.map(|page| (page, Kind::Documents))
        }
    };
    read.map_err(|error| error.to_string())
}
