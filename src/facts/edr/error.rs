//! Why an EDR token is no good: many causes inside, one face outside.

use std::fmt;

/// Why a token was refused. As with [`TokenError`](crate::facts::TokenError), the message is the same for every cause but
/// one: [`EdrError::Timeout`] is not a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EdrError {
    /// Longer than [`super::MAX_TOKEN`].
    TooLong,
    /// Not base64url, or not the envelope of a biscuit.
    Form,
    /// More than [`super::MAX_APPENDED`] appended blocks.
    Blocks,
    /// A block that a third party signed, or a key of another kind than Ed25519.
    Foreign,
    /// The token names no key generation, or one that is no longer, or not yet, in use.
    Generation,
    /// A signature does not verify with this tenant's root key.
    Signature,
    /// The first block is not one that Tidegate writes.
    Authority,
    /// The token was granted for another endpoint.
    Endpoint,
    /// Its end has passed.
    Expired,
    /// An appended block has something else than the checks that may be appended.
    Block,
    /// An appended check does not hold for this request.
    Narrowed,
    /// It was revoked.
    Revoked,
    /// Its data flow is not, or no longer, started, or is about something else.
    Flow,
    /// The library ran out of time: the machine stalled. Nothing was found wrong.
    Timeout,
    /// A token could not be made.
    Mint,
}

impl EdrError {
    /// Every cause.
    pub const ALL: [Self; 15] = [
        Self::TooLong,
        Self::Form,
        Self::Blocks,
        Self::Foreign,
        Self::Generation,
        Self::Signature,
        Self::Authority,
        Self::Endpoint,
        Self::Expired,
        Self::Block,
        Self::Narrowed,
        Self::Revoked,
        Self::Flow,
        Self::Timeout,
        Self::Mint,
    ];

    /// The cause's stable name, for logs and metrics only.
    pub fn code(self) -> &'static str {
        match self {
            Self::TooLong => "edr-too-long",
            Self::Form => "edr-form",
            Self::Blocks => "edr-blocks",
            Self::Foreign => "edr-foreign",
            Self::Generation => "edr-generation",
            Self::Signature => "edr-signature",
            Self::Authority => "edr-authority",
            Self::Endpoint => "edr-endpoint",
            Self::Expired => "edr-expired",
            Self::Block => "edr-block",
            Self::Narrowed => "edr-narrowed",
            Self::Revoked => "edr-revoked",
            Self::Flow => "edr-flow",
            Self::Timeout => "edr-timeout",
            Self::Mint => "edr-mint",
        }
    }
}

impl fmt::Display for EdrError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Timeout => "the token could not be checked in time",
            Self::Mint => "no token could be made",
            _ => "the bearer token is not valid here",
        })
    }
}

impl std::error::Error for EdrError {}
