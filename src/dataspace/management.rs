//! The management API of a tenant's connector: publishing, following and ending what it negotiates.
//!
//! Eclipse EDC's API, in its versions 3 (EDC up to 0.17, and Tractus-X) and 4 (EDC 0.18 on). The version is the last segment
//! of the configured address, and settles how signals are sent, too: [`Dialect`]. Names are sent as full IRIs and read in
//! any spelling, so no JSON-LD processor is needed on this side and no remote context on the other.
//!
//! **Where a request goes** is settled by the configuration alone. Every address is one of [`Addresses`] with a path of
//! fixed words and parsed ids; a callback address in a message counts only if it lies below the configured one
//! ([`Addresses::callback`]). Redirects are not followed. Addresses are `https`, or `http` on loopback.
//!
//! **What is sent again**: what reads, and what puts the same in the same place. A negotiation or a transfer that may have
//! been begun is not begun twice.
//!
//! # Worked example
//!
//! A message says `"callbackAddress": "http://169.254.169.254/latest"`. The tenant's signaling address is
//! `https://connector.elbe.example/api/signaling`, so the message's is passed over, and the signal goes to the configured one.
//!
//! ```
//! use tidegate::dataspace::management::Addresses;
//!
//! let addresses = Addresses {
//!     participant: "BPNL000000000DWF".into(),
//!     management: "https://connector.elbe.example/api/management/v4".into(),
//!     signaling: "https://connector.elbe.example/api/signaling".into(),
//! };
//! let signals = addresses.signaling.as_str();
//! assert_eq!(addresses.callback(Some("http://169.254.169.254/latest")), signals);
//! assert_eq!(addresses.callback(Some("https://connector.elbe.example/api/signaling.evil.example")), signals);
//! assert_eq!(addresses.callback(Some("https://connector.elbe.example/api/signaling/v1")), "https://connector.elbe.example/api/signaling/v1");
//! ```

mod address;
mod agreements;
mod consume;
mod error;
mod odrl;
mod publish;
mod register;
mod request;
mod withdraw;

#[cfg(test)]
mod tests;

pub use address::Handed;
pub use agreements::{Finalized, Retirement, Retirements};
pub use consume::{CounterParty, Dataset, Offered};
pub use error::ManagementError;
pub use odrl::for_connector;
pub use publish::{Change, Publication, Published};
pub use register::{Ending, Registration};
pub use request::{Management, Transport};
pub use withdraw::Kept;

use super::flow::Dialect;

/// Where a tenant's connector is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The connector's id of the participant.
    pub participant: String,
    /// The management API, with its version as the last segment.
    pub management: String,
    /// Where the connector takes signals.
    pub signaling: String,
}

impl Addresses {
    /// Which language the connector speaks to its data planes.
    pub fn dialect(&self) -> Dialect {
        match self.management.rsplit('/').next() {
            Some("v3") => Dialect::Legacy,
            _ => Dialect::Dps,
        }
    }

    /// Where signals about a flow go: the address its message named, where that is the configured one or lies below it, else
    /// the configured one.
    pub fn callback<'a>(&'a self, named: Option<&'a str>) -> &'a str {
        let own = self.signaling.as_str();
        let below = |named: &&str| {
            let rest = named.strip_prefix(own);
            let plain = named
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/".contains(&byte));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) && plain && !named.contains("/.")
        };
        named.filter(below).unwrap_or(own)
    }
}

/// Whether Tidegate speaks to that address: `https`, or `http` on this machine, without user, query or fragment.
pub fn is_address(text: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(text) else {
        return false;
    };
    let local = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
    let scheme = url.scheme() == "https" || (url.scheme() == "http" && local);
    let bare =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    scheme && bare && !text.ends_with('/')
}
