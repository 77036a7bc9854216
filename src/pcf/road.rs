//! The way to a partner: where its PCF API is, and with what to enter.
//!
//! It is found with the roles reversed: the tenant's own connector asks the partner's for its offer of the PCF exchange, agrees to
//! its terms, starts a transfer, and so gets the address of the partner's endpoint and a token for it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use secrecy::SecretString;

use crate::ids::AssetId;
use crate::registry::{Partner, TenantWorld};

/// A partner's PCF API, as this tenant may enter it now.
#[derive(Clone)]
pub struct Endpoint {
    /// Its address, below which are `footprintExchange` and `productIds`.
    pub url: String,
    /// What goes verbatim into `Authorization`.
    pub authorization: SecretString,
    /// The version of the API that the partner offers there, such as `1.2.0`, where it says so.
    pub version: Option<String>,
}

impl Endpoint {
    /// Whether the API there knows that footprints have versions of the model: it does from 1.3.0 on. One that says nothing is taken
    /// for a current one, and so is one that says what was never a version of the API: it has numbers of its own.
    pub fn knows_models(&self) -> bool {
        let version = self.version.as_deref().map(numbers).unwrap_or_default();
        !matches!(version.as_slice(), [1, 1 | 2, ..])
    }
}

/// The numbers of a version, to compare it by.
pub fn numbers(version: &str) -> Vec<u32> {
    version.split('.').map_while(|part| part.parse().ok()).collect()
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Endpoint({})", self.url)
    }
}

/// Why there is no way to a partner, told to the tenant's people: what failed, with the words of the connectors, without tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RoadError(pub String);

/// What is done behind a pointer: boxed.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Whom a way leads to: a partner, and at that partner an asset, where it matters which.
#[derive(Clone, Copy, Debug)]
pub struct Goal<'a> {
    /// The partner.
    pub partner: &'a Partner,
    /// Its asset; any PCF exchange it offers where there is none.
    pub asset: Option<&'a AssetId>,
}

/// Finds the way to partners.
pub trait Road: Send + Sync {
    /// The way from the tenant of `world` to `goal`. May take as long as a negotiation does, and may be one found before.
    fn find<'a>(&'a self, world: &'a TenantWorld, goal: Goal<'a>) -> Boxed<'a, Result<Endpoint, RoadError>>;

    /// The partner refused the token of the way found before: the next must be a new one.
    fn lost<'a>(&'a self, world: &'a TenantWorld, goal: Goal<'a>) -> Boxed<'a, ()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_asked_for_where_the_api_knows_them() {
        let knows = |version: Option<&str>| {
            let endpoint = Endpoint {
                url: String::new(),
                authorization: SecretString::default(),
                version: version.map(str::to_owned),
            };
            endpoint.knows_models()
        };
        for version in [
            None,
            Some("1.3.0"),
            Some("1.3"),
            Some("1.10"),
            Some("2"),
            Some("1.0"),
            Some("x"),
        ] {
            assert!(knows(version), "{version:?}");
        }
        for version in [Some("1.2.0"), Some("1.1"), Some("1.2"), Some("1.1.1")] {
            assert!(!knows(version), "{version:?}");
        }
    }
}
