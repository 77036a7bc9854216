//! The moments of an exchange at which a contract is judged.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::shown;

/// Where a contract is judged. Each is a Cedar action of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Moment {
    /// A partner reads the catalog: is the offer visible?
    Discover,
    /// A partner asks for an agreement on an offer.
    Negotiate,
    /// A partner asks for a transfer under an agreement.
    Transfer,
    /// A partner fetches data under an agreement: each single request.
    Access,
}

impl Moment {
    /// All four, in the order they come in an exchange.
    pub const ALL: [Self; 4] = [Self::Discover, Self::Negotiate, Self::Transfer, Self::Access];

    /// The name, as the Cedar action has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Discover => "discover",
            Self::Negotiate => "negotiate",
            Self::Transfer => "transfer",
            Self::Access => "access",
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A text that names no moment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no moment of a contract; use `discover`, `negotiate`, `transfer` or `access`")]
pub struct UnknownMoment(String);

impl FromStr for Moment {
    type Err = UnknownMoment;

    fn from_str(text: &str) -> Result<Self, UnknownMoment> {
        let found = Self::ALL.into_iter().find(|moment| moment.as_str() == text);
        found.ok_or_else(|| UnknownMoment(shown(text)))
    }
}
