//! What a run is, and what it reports.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::ids::{Digest, IntegrationId, PcfId, RecordId, TenantId};
use crate::registry::Integration;

/// Which run it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The tenant whose system is asked.
    pub tenant: TenantId,
    /// The system.
    pub integration: IntegrationId,
    /// Its number among those of the system, from 1 on.
    pub number: i64,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// It is under way.
    Running,
    /// It came to the last page.
    Complete,
    /// It could not go on. The next one goes on in its place.
    Failed,
    /// It was not to go on: its system was stopped, or its document changed.
    Stopped,
}

/// Why a run began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its time had come.
    Schedule,
    /// A person asked for it.
    Person,
}

/// A text that is none of those a row may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one of {0}")]
pub struct Unknown(&'static str);

impl RunState {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

impl FromStr for RunState {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        let all = [Self::Running, Self::Complete, Self::Failed, Self::Stopped];
        let found = all.into_iter().find(|state| state.as_str() == text);
        found.ok_or(Unknown("`running`, `complete`, `failed`, `stopped`"))
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Cause {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Person => "person",
        }
    }
}

impl FromStr for Cause {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        let found = [Self::Schedule, Self::Person]
            .into_iter()
            .find(|cause| cause.as_str() == text);
        found.ok_or(Unknown("`schedule`, `person`"))
    }
}

/// What a run came to so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Pages that are done.
    pub pages: u64,
    /// Documents that were taken and differ from what was there.
    pub taken: u64,
    /// Documents that are there already, to the byte.
    pub unchanged: u64,
    /// Entries that were not taken.
    pub refused: u64,
}

impl Counts {
    pub(super) fn to_json(self) -> String {
        // Four numbers always serialise.
        serde_json::to_string(&self).unwrap_or_default()
    }
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Which.
    pub key: Key,
    /// Why it began.
    pub cause: Cause,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How it stands.
    pub state: RunState,
    /// What the document said of fetching when it began.
    pub source: Digest,
    /// The page it is at; the first, where there is none. A secret: it may open the list.
    pub cursor: Option<Url>,
    /// From when on changes are asked for, where that can be asked.
    pub since: Option<Timestamp>,
    /// When what it fetches was begun to be asked for: from then on the next one asks.
    pub mark: Timestamp,
    /// What it came to.
    pub counts: Counts,
    /// What was wrong.
    pub problem: Option<String>,
    /// Before when the system asked not to be asked again.
    pub again: Option<Timestamp>,
    /// The decision that let it begin, or go on.
    pub record: Option<RecordId>,
}

/// An entry that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The footprint, where that is known.
    pub id: Option<PcfId>,
    /// Why.
    pub reason: String,
    /// The decision, where one was made.
    pub record: Option<RecordId>,
}

/// An entry that was not taken, and where it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The page of the run, from 1 on.
    pub page: u64,
    /// Its place on the page, from 0 on.
    pub place: u64,
    /// What there is to tell.
    pub told: Told,
}

/// A digest of all that a document says of fetching: what is fetched, from where, and what becomes of it. Its name, and whether the
/// system may do anything, are no part of that.
pub fn source(integration: &Integration) -> Digest {
    let Integration {
        products, assets, pull, ..
    } = integration;
    // Documents that were read always serialise.
    let text = serde_json::to_vec(&(products, assets, pull)).unwrap_or_default();
    Digest::of(&text)
}

/// Whether a system's next run is due.
pub fn is_due(last: Option<&super::store::Last>, every_seconds: u32, now: Timestamp) -> bool {
    let Some(last) = last else { return true };
    let apart = now.duration_since(last.began).as_secs();
    let rests = last.again.is_some_and(|again| now < again);
    !last.running && !rests && apart >= i64::from(every_seconds)
}
