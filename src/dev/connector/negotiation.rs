//! The states of a contract negotiation (Dataspace Protocol 2025-1, section "Contract Negotiation Protocol").

use std::fmt;

use super::course::{Machine, Role};

/// Where a negotiation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Negotiation {
    /// The consumer asked for a contract.
    Requested,
    /// The provider made an offer.
    Offered,
    /// The consumer accepted it.
    Accepted,
    /// The provider agreed and sent the agreement.
    Agreed,
    /// The consumer verified it.
    Verified,
    /// The provider finalized it: the agreement holds.
    Finalized,
    /// One of them ended it.
    Terminated,
}

/// A message of a negotiation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NegotiationStep {
    /// `ContractRequestMessage`
    Request,
    /// `ContractOfferMessage`
    Offer,
    /// `ContractNegotiationEventMessage` with `ACCEPTED`
    Accept,
    /// `ContractAgreementMessage`
    Agree,
    /// `ContractAgreementVerificationMessage`
    Verify,
    /// `ContractNegotiationEventMessage` with `FINALIZED`
    Finalize,
    /// `ContractNegotiationTerminationMessage`
    Terminate,
}

impl Negotiation {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Requested,
        Self::Offered,
        Self::Accepted,
        Self::Agreed,
        Self::Verified,
        Self::Finalized,
        Self::Terminated,
    ];

    /// The state as messages spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "REQUESTED",
            Self::Offered => "OFFERED",
            Self::Accepted => "ACCEPTED",
            Self::Agreed => "AGREED",
            Self::Verified => "VERIFIED",
            Self::Finalized => "FINALIZED",
            Self::Terminated => "TERMINATED",
        }
    }

    /// Whether nothing can follow.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Finalized | Self::Terminated)
    }
}

impl fmt::Display for Negotiation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl NegotiationStep {
    /// Every message.
    pub const ALL: [Self; 7] = [
        Self::Request,
        Self::Offer,
        Self::Accept,
        Self::Agree,
        Self::Verify,
        Self::Finalize,
        Self::Terminate,
    ];
}

impl fmt::Display for NegotiationStep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Request => "ContractRequestMessage",
            Self::Offer => "ContractOfferMessage",
            Self::Accept => "ContractNegotiationEventMessage ACCEPTED",
            Self::Agree => "ContractAgreementMessage",
            Self::Verify => "ContractAgreementVerificationMessage",
            Self::Finalize => "ContractNegotiationEventMessage FINALIZED",
            Self::Terminate => "ContractNegotiationTerminationMessage",
        })
    }
}

impl Machine for Negotiation {
    type Step = NegotiationStep;

    /// The protocol's text lets either side end a negotiation "at any state"; its picture leaves out some of these. The text
    /// is followed, for a side that cannot go on must be able to say so.
    fn after(at: Option<Self>, by: Role, step: NegotiationStep) -> Option<Self> {
        use NegotiationStep as Step;
        use Role::{Consumer, Provider};
        match (at, by, step) {
            (None | Some(Self::Offered), Consumer, Step::Request) => Some(Self::Requested),
            (None | Some(Self::Requested), Provider, Step::Offer) => Some(Self::Offered),
            (Some(Self::Offered), Consumer, Step::Accept) => Some(Self::Accepted),
            (Some(Self::Requested | Self::Accepted), Provider, Step::Agree) => Some(Self::Agreed),
            (Some(Self::Agreed), Consumer, Step::Verify) => Some(Self::Verified),
            (Some(Self::Verified), Provider, Step::Finalize) => Some(Self::Finalized),
            (Some(state), _, Step::Terminate) if !state.is_over() => Some(Self::Terminated),
            _ => None,
        }
    }
}
