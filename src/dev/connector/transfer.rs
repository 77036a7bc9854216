//! The states of a transfer (Dataspace Protocol 2025-1, section "Transfer Process Protocol").

use std::fmt;

use super::course::{Machine, Role};

/// Where a transfer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transfer {
    /// The consumer asked for the data.
    Requested,
    /// It can be fetched.
    Started,
    /// It cannot be fetched for now.
    Suspended,
    /// One side is done with it.
    Completed,
    /// One side ended it.
    Terminated,
}

/// A message of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransferStep {
    /// `TransferRequestMessage`
    Request,
    /// `TransferStartMessage`
    Start,
    /// `TransferSuspensionMessage`
    Suspend,
    /// `TransferCompletionMessage`
    Complete,
    /// `TransferTerminationMessage`
    Terminate,
}

impl Transfer {
    /// Every state.
    pub const ALL: [Self; 5] = [
        Self::Requested,
        Self::Started,
        Self::Suspended,
        Self::Completed,
        Self::Terminated,
    ];

    /// The state as messages spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "REQUESTED",
            Self::Started => "STARTED",
            Self::Suspended => "SUSPENDED",
            Self::Completed => "COMPLETED",
            Self::Terminated => "TERMINATED",
        }
    }

    /// Whether nothing can follow.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Terminated)
    }
}

impl fmt::Display for Transfer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl TransferStep {
    /// Every message.
    pub const ALL: [Self; 5] = [
        Self::Request,
        Self::Start,
        Self::Suspend,
        Self::Complete,
        Self::Terminate,
    ];
}

impl fmt::Display for TransferStep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Request => "TransferRequestMessage",
            Self::Start => "TransferStartMessage",
            Self::Suspend => "TransferSuspensionMessage",
            Self::Complete => "TransferCompletionMessage",
            Self::Terminate => "TransferTerminationMessage",
        })
    }
}

impl Machine for Transfer {
    type Step = TransferStep;

    fn after(at: Option<Self>, by: Role, step: TransferStep) -> Option<Self> {
        use TransferStep as Step;
        match (at, by, step) {
            (None, Role::Consumer, Step::Request) => Some(Self::Requested),
            (Some(Self::Requested), Role::Provider, Step::Start) => Some(Self::Started),
            // Either side may try to go on after a pause.
            (Some(Self::Suspended), _, Step::Start) => Some(Self::Started),
            (Some(Self::Started), _, Step::Suspend) => Some(Self::Suspended),
            (Some(Self::Started), _, Step::Complete) => Some(Self::Completed),
            (Some(state), _, Step::Terminate) if !state.is_over() => Some(Self::Terminated),
            _ => None,
        }
    }
}
