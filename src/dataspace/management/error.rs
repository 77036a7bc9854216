//! Why the connector did not do what was asked of it.

/// How much of what a connector said is shown.
const MAX_SAID: usize = 300;

/// Why a call to a connector came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManagementError {
    /// It cannot be reached, or did not answer in time.
    #[error("the connector at `{0}` cannot be reached or does not answer")]
    Unreachable(String),
    /// It said no.
    #[error("the connector answered {status} to `{call}`: {said}")]
    Refused {
        /// The status.
        status: u16,
        /// The method and path.
        call: String,
        /// The first of what it said.
        said: String,
    },
    /// What it said does not read.
    #[error("the connector's answer to `{call}` does not read: {problem}")]
    Unreadable {
        /// The method and path.
        call: String,
        /// What is wrong.
        problem: String,
    },
    /// What was begun did not come to its end in time.
    #[error("the {what} is still `{state}` after {seconds} s")]
    Late {
        /// What was begun.
        what: &'static str,
        /// Where it stands.
        state: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// What was begun ended otherwise.
    #[error("the {what} ended as `{state}`: {detail}")]
    Ended {
        /// What was begun.
        what: &'static str,
        /// How it ended.
        state: String,
        /// What the connector says of it.
        detail: String,
    },
    /// There was no time left for it.
    #[error("the connector is slow: there was no time left for `{0}`")]
    OutOfTime(String),
    /// The address is not one Tidegate speaks to.
    #[error("`{0}` is not an `https` URL, nor an `http` URL on loopback, without a slash at its end")]
    Address(String),
    /// There is no HTTP client.
    #[error("no HTTP client could be made")]
    Client,
}

impl ManagementError {
    /// A refusal, with the first of what was said, on one line.
    pub(super) fn refused(status: u16, call: &str, said: &[u8]) -> Self {
        let said = String::from_utf8_lossy(said);
        let said = said
            .chars()
            .take(MAX_SAID)
            .map(|letter| if letter.is_control() { ' ' } else { letter });
        Self::Refused {
            status,
            call: call.to_owned(),
            said: said.collect(),
        }
    }

    pub(crate) fn unreadable(call: &str, problem: impl std::fmt::Display) -> Self {
        Self::Unreadable {
            call: call.to_owned(),
            problem: problem.to_string(),
        }
    }

    /// Whether the thing asked for is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Whether the connector has no such thing to ask: its API lacks the path, or the method at it.
    pub fn is_unknown_there(&self) -> bool {
        matches!(self, Self::Refused { status: 404 | 405, .. })
    }

    /// Whether it makes no sense to ask this connector anything else now.
    pub fn is_silence(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::OutOfTime(_))
    }

    /// Whether the same may go well in a while.
    pub fn passes(&self) -> bool {
        match self {
            Self::Unreachable(_) => true,
            Self::Refused { status, .. } => [408, 429, 500, 502, 503, 504].contains(status),
            _ => false,
        }
    }

    /// Whether a transfer failed for a reason that lies in its agreement, or a negotiation for one that lies in its offer: the peer ended
    /// it, or the connector does not know what it is about or will not have it. Everything else may pass, and leaves the agreement what
    /// it is.
    pub fn is_of_the_agreement(&self) -> bool {
        matches!(
            self,
            Self::Ended { .. }
                | Self::Refused {
                    status: 400 | 404 | 409,
                    ..
                }
        )
    }
}
