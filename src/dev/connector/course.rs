//! Where a process between two connectors stands, and what may come next.
//!
//! The Dataspace Protocol moves a negotiation or a transfer by messages, and a state counts once the other side has
//! acknowledged the message that leads to it. Between sending and acknowledgement the other side may already answer: its
//! verification can overtake the acknowledgement of our agreement. So a [`Course`] remembers beside the acknowledged state
//! the one our own last message leads to, and takes what builds on it as the acknowledgement it implies. No lock is held
//! while a message is under way, so two connectors that speak at the same time cannot wait for each other.

use std::fmt;

/// The two sides of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Who asks for the data.
    Consumer,
    /// Who has it.
    Provider,
}

impl Role {
    /// The other side.
    pub fn other(self) -> Self {
        match self {
            Self::Consumer => Self::Provider,
            Self::Provider => Self::Consumer,
        }
    }

    /// The name in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Provider => "provider",
        }
    }
}

/// The states of a process and the messages between them.
pub trait Machine: Copy + Eq + fmt::Debug + fmt::Display {
    /// A message, as far as it moves the process.
    type Step: Copy + fmt::Debug + fmt::Display;

    /// The state after `step` of `by`, if that is legal at `at`; `None` as `at` is before the first message.
    fn after(at: Option<Self>, by: Role, step: Self::Step) -> Option<Self>;
}

/// A message that is not legal where the process stands. It changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a {step} of the {by} is not legal in the state {at}")]
pub struct Illegal {
    at: String,
    by: &'static str,
    step: String,
}

impl Illegal {
    fn new<M: Machine>(at: Option<M>, by: Role, step: M::Step) -> Self {
        Self {
            at: at.map_or_else(|| "before the first message".to_owned(), |at| at.to_string()),
            by: by.name(),
            step: step.to_string(),
        }
    }
}

/// How far a process has come, seen from one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Course<M> {
    /// The state both sides have acknowledged; none before the first acknowledgement.
    acknowledged: Option<M>,
    /// The state our own message leads to, until it is acknowledged.
    sent: Option<M>,
}

impl<M> Default for Course<M> {
    fn default() -> Self {
        Self {
            acknowledged: None,
            sent: None,
        }
    }
}

impl<M: Machine> Course<M> {
    /// The acknowledged state.
    pub fn state(&self) -> Option<M> {
        self.acknowledged
    }

    /// The state a next message builds on.
    fn latest(&self) -> Option<M> {
        self.sent.or(self.acknowledged)
    }

    /// Takes in a message of the other side, which our answer acknowledges.
    ///
    /// # Errors
    /// The message is not legal here; nothing has changed.
    pub fn receive(&mut self, by: Role, step: M::Step) -> Result<M, Illegal> {
        let next = self.next(by, step)?;
        *self = Self {
            acknowledged: Some(next),
            sent: None,
        };
        Ok(next)
    }

    /// Notes that a message of our own is about to leave.
    ///
    /// # Errors
    /// The message is not legal here; nothing has changed.
    pub fn send(&mut self, by: Role, step: M::Step) -> Result<M, Illegal> {
        let next = self.next(by, step)?;
        self.sent = Some(next);
        Ok(next)
    }

    /// Notes that the message which leads to `sent` was acknowledged. Whether that still told us something.
    pub fn acknowledge(&mut self, sent: M) -> bool {
        let news = self.sent == Some(sent);
        if news {
            *self = Self {
                acknowledged: Some(sent),
                sent: None,
            };
        }
        news
    }

    /// Notes that the message which leads to `sent` was refused or did not arrive.
    pub fn withdraw(&mut self, sent: M) {
        if self.sent == Some(sent) {
            self.sent = None;
        }
    }

    /// Puts an end to a process of which the other side knows nothing yet, or that it cannot be told of.
    pub fn abandon(&mut self, end: M) {
        *self = Self {
            acknowledged: Some(end),
            sent: None,
        };
    }

    fn next(&self, by: Role, step: M::Step) -> Result<M, Illegal> {
        M::after(self.latest(), by, step).ok_or_else(|| Illegal::new(self.latest(), by, step))
    }
}
