//! Data flows: where each stands, and which tokens of it are good.
//!
//! ```text
//!  prepare            started
//! ────────▶ PREPARED ─────────▶ STARTED ──completed──▶ COMPLETED
//!                       start ▶ ▲     │ suspend
//!                        resume │     ▼
//!                              SUSPENDED        terminate: from anywhere but COMPLETED ▶ TERMINATED
//! ```
//!
//! A message that asks for what is already so is answered as if it had been done (a control plane repeats what it got no answer
//! to); any other that the table does not have is refused and changes nothing.
//!
//! **The law of tokens.** A token is good while its flow is STARTED *and* its revocation id is on the flow's list. Whatever takes a
//! flow out of STARTED empties the list, and only a flow that is STARTED takes a token on, so no order of messages leaves a
//! good token with a flow that is not started: a suspended flow that is resumed has a new token and not the old one back. A refresh token
//! is no token in this sense: it is good for asking for one, which only a flow that is STARTED is given and policy must permit.
//! What is listed is good, instead of what is revoked being listed: forgetting something then errs on the safe side.

mod store;

pub use store::{FILE, FlowError, FlowStore, Signal};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::claims::{self, Credential};
use crate::ids::{AgreementId, AssetId, Bpnl, ClientId, Digest, FlowId, TenantId};
use crate::registry::{Partner, Registry};

/// How many tokens of one flow are good at once. Each is for five minutes and a connector asks when one runs out, so more than two are
/// asked for by somebody else.
pub const MAX_TOKENS: usize = 8;

/// Where a flow stands, as the protocol spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// The consumer's side is ready; nothing can be fetched yet.
    Prepared,
    /// Data can be fetched.
    Started,
    /// Not for a while.
    Suspended,
    /// Over, as intended.
    Completed,
    /// Over, for a reason.
    Terminated,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Prepared,
        Self::Started,
        Self::Suspended,
        Self::Completed,
        Self::Terminated,
    ];

    /// The state as the protocol spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prepared => "PREPARED",
            Self::Started => "STARTED",
            Self::Suspended => "SUSPENDED",
            Self::Completed => "COMPLETED",
            Self::Terminated => "TERMINATED",
        }
    }

    /// Whether nothing can follow.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Terminated)
    }
}

/// What a control plane says of a flow there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// The provider started; the consumer may fetch.
    Started,
    /// Stop for a while.
    Suspend,
    /// Go on.
    Resume,
    /// End, for a reason.
    Terminate,
    /// It ended as intended.
    Completed,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 5] = [
        Self::Started,
        Self::Suspend,
        Self::Resume,
        Self::Terminate,
        Self::Completed,
    ];

    /// The last segment of its path.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Terminate => "terminate",
            Self::Completed => "completed",
        }
    }

    /// Where a flow stands after it.
    fn leads_to(self) -> State {
        match self {
            Self::Started | Self::Resume => State::Started,
            Self::Suspend => State::Suspended,
            Self::Terminate => State::Terminated,
            Self::Completed => State::Completed,
        }
    }
}

/// Which side of a transfer the tenant is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Partners fetch from it.
    Provider,
    /// It fetches from a partner.
    Consumer,
}

/// The language the control plane speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// The Data Plane Signaling Protocol.
    Dps,
    /// That of EDC up to 0.17.
    Legacy,
}

/// A message that does not fit where the flow stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` does not fit a flow that is {}", verb.as_str(), state.as_str())]
pub struct Misfit {
    /// What was said.
    pub verb: Verb,
    /// Where the flow stands.
    pub state: State,
}

/// A token that was handed out, by the id it can be revoked by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issued {
    /// The revocation id, in hexadecimal.
    pub id: String,
    /// Until when the token is good at most.
    pub expires: Timestamp,
}

/// Which refresh tokens are good. They are numbered, and made from their number: nothing of them is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Renewal {
    /// The first since all of them were last ended. Those before it ended then.
    first: u64,
    /// The last one that was used, or the first. It is good still, for the answer to its use may have been lost, and so is the one
    /// after it, which that answer gave.
    used: u64,
}

/// What a refresh token is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// A token is given for it.
    Good,
    /// It was used, and so was the one given for it: two hold what one was given.
    Spent,
    /// Nothing: it is of another time, or the flow is not started.
    Nothing,
}

/// A data flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// Whose it is.
    pub tenant: TenantId,
    /// The control plane's id of it.
    pub id: FlowId,
    /// Which side the tenant is on.
    pub side: Side,
    /// Where it stands.
    pub state: State,
    /// The other company.
    pub partner: Bpnl,
    /// The agreement it is under.
    pub agreement: AgreementId,
    /// What it is about.
    pub asset: AssetId,
    /// The kind of transfer.
    pub profile: String,
    /// The tenant's client that began it.
    pub connector: ClientId,
    /// The language its control plane speaks.
    pub dialect: Dialect,
    /// The digest of what began it: the same again is a repetition, anything else a second flow of the same id.
    pub begun_by: Digest,
    /// When.
    pub begun_at: Timestamp,
    /// The other company's credentials, as its control plane showed them when the flow began; absent where it showed none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown: Option<Vec<Credential>>,
    /// The tokens that are good.
    #[serde(default)]
    tokens: Vec<Issued>,
    /// With what the next one is got.
    #[serde(default)]
    renewal: Renewal,
}

/// What a flow begins with.
#[derive(Clone, Debug)]
pub struct Beginning {
    /// Whose it is.
    pub tenant: TenantId,
    /// The control plane's id of it.
    pub id: FlowId,
    /// Which side the tenant is on.
    pub side: Side,
    /// The other company.
    pub partner: Bpnl,
    /// The agreement it is under.
    pub agreement: AgreementId,
    /// What it is about.
    pub asset: AssetId,
    /// The kind of transfer.
    pub profile: String,
    /// The tenant's client that began it.
    pub connector: ClientId,
    /// The language its control plane speaks.
    pub dialect: Dialect,
    /// The digest of what began it.
    pub begun_by: Digest,
    /// When.
    pub begun_at: Timestamp,
}

impl Flow {
    /// A new flow: prepared where the tenant consumes, started where it provides.
    pub fn new(beginning: Beginning) -> Self {
        let Beginning {
            tenant,
            id,
            side,
            partner,
            agreement,
            asset,
            profile,
            connector,
            dialect,
            begun_by,
            begun_at,
        } = beginning;
        let state = match side {
            Side::Provider => State::Started,
            Side::Consumer => State::Prepared,
        };
        Self {
            tenant,
            id,
            side,
            state,
            partner,
            agreement,
            asset,
            profile,
            connector,
            dialect,
            begun_by,
            begun_at,
            shown: None,
            tokens: Vec::new(),
            renewal: Renewal::default(),
        }
    }

    /// What is known of the other company at `now`.
    pub fn partner(&self, registry: &Registry, now: Timestamp) -> Option<Partner> {
        let known = registry.partner(self.partner).map(AsRef::as_ref);
        claims::vouched(self.shown.as_deref(), self.partner, known, now)
    }

    /// Does what the control plane says. Returns whether anything changed.
    ///
    /// # Errors
    /// What was said does not fit; nothing changed.
    pub fn apply(&mut self, verb: Verb) -> Result<bool, Misfit> {
        let next = verb.leads_to();
        if self.state == next {
            return Ok(false);
        }
        let fits = match verb {
            Verb::Started => self.state == State::Prepared,
            Verb::Suspend | Verb::Completed => self.state == State::Started,
            Verb::Resume => self.state == State::Suspended,
            Verb::Terminate => !self.state.is_final(),
        };
        if !fits {
            let state = self.state;
            return Err(Misfit { verb, state });
        }
        self.state = next;
        match next {
            // EDC 0.18 does not pass on to the consumer's data plane the address that is given after a break, so a refresh token
            // outlives it: with that of before the consumer asks for a token itself.
            State::Suspended => self.tokens.clear(),
            State::Completed | State::Terminated => self.end_tokens(),
            State::Prepared | State::Started => {}
        }
        Ok(true)
    }

    /// Ends all tokens, and with them all refresh tokens.
    pub fn end_tokens(&mut self) {
        self.tokens.clear();
        // Past the one that was given and not used yet.
        let first = self.renewal.used + 2;
        self.renewal = Renewal { first, used: first };
    }

    /// Takes a token on. Only a flow that is started does; the answer says whether. Of more than [`MAX_TOKENS`] the oldest ends.
    #[must_use]
    pub fn issue(&mut self, token: Issued, now: Timestamp) -> bool {
        if self.state != State::Started {
            return false;
        }
        self.tokens.retain(|issued| issued.expires > now);
        if self.tokens.len() >= MAX_TOKENS {
            self.tokens.remove(0);
        }
        self.tokens.push(token);
        true
    }

    /// Whether tokens that were good in `before` were ended since.
    pub(super) fn ends(&self, before: &Self) -> bool {
        self.state != State::Started || self.renewal.first != before.renewal.first
    }

    /// The number of the refresh token that goes with a token that is handed out at a start.
    pub fn first_refresh(&self) -> u64 {
        self.renewal.used
    }

    /// The number of the refresh token that goes with a token that is handed out for a refresh token, or again: whichever the
    /// consumer holds then, this one is the same or the next.
    pub fn next_refresh(&self) -> u64 {
        self.renewal.used + 1
    }

    /// Whether a token with that revocation id is good.
    pub fn accepts(&self, id: &str) -> bool {
        self.state == State::Started && self.tokens.iter().any(|issued| issued.id == id)
    }

    /// What the refresh token of that number is worth.
    pub fn worth(&self, number: u64) -> Worth {
        let Renewal { first, used } = self.renewal;
        match self.state {
            State::Started if number == used || number == used + 1 => Worth::Good,
            State::Started if (first..used).contains(&number) => Worth::Spent,
            _ => Worth::Nothing,
        }
    }

    /// Notes that the refresh token of that number is used. Returns whether it is good: the one before stays good until the new one
    /// is used, so that an answer that was lost loses nothing, and two who ask at once are given the same.
    pub fn renews(&mut self, number: u64) -> bool {
        let good = self.worth(number) == Worth::Good;
        if good {
            self.renewal.used = number;
        }
        good
    }
}

#[cfg(test)]
mod tests;
