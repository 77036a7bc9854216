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
//! good token with a flow that is not started: a suspended flow that is resumed has a new token and not the old one back.
//! What is listed is good, instead of what is revoked being listed: forgetting something then errs on the safe side.

mod store;

pub use store::{FlowError, FlowStore, Signal};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{AgreementId, AssetId, Bpnl, ClientId, Digest, FlowId, TenantId};
use crate::registry::Partner;

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

/// With what the next token is got. Only digests are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renewal {
    /// The refresh token that was used last, or the first one.
    pub current: Option<Digest>,
    /// The one that was given for it and has not been used yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Digest>,
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
    /// The other company as its control plane's claims showed it when the flow began; what the registry has where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<Partner>,
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
            known: None,
            tokens: Vec::new(),
            renewal: Renewal::default(),
        }
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
        if next != State::Started {
            self.tokens.clear();
            self.renewal = Renewal::default();
        }
        Ok(true)
    }

    /// Takes a token on, with the refresh token given along. Only a flow that is started does; the answer says whether.
    #[must_use]
    pub fn issue(&mut self, token: Issued, refresh: Digest, now: Timestamp) -> bool {
        if self.state != State::Started {
            return false;
        }
        self.tokens.retain(|issued| issued.expires > now);
        self.tokens.push(token);
        match self.renewal.current {
            None => self.renewal.current = Some(refresh),
            Some(_) => self.renewal.next = Some(refresh),
        }
        true
    }

    /// Whether a token with that revocation id is good.
    pub fn accepts(&self, id: &str) -> bool {
        self.state == State::Started && self.tokens.iter().any(|issued| issued.id == id)
    }

    /// Whether that refresh token is good.
    pub fn is_renewable_with(&self, refresh: Digest) -> bool {
        let known = [self.renewal.current, self.renewal.next];
        self.state == State::Started && known.contains(&Some(refresh))
    }

    /// Whether that refresh token is good, and notes its use: the one before stays good until the new one is used, so that an
    /// answer that was lost loses nothing.
    pub fn renews(&mut self, refresh: Digest) -> bool {
        if !self.is_renewable_with(refresh) {
            return false;
        }
        if self.renewal.next == Some(refresh) {
            self.renewal.current = self.renewal.next.take();
        }
        true
    }
}

#[cfg(test)]
mod tests;
