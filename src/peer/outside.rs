//! Which addresses are outside: those of the internet, and none of a private network, whichever way they are written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Resolves names to addresses outside of here, and to no others.
#[derive(Debug)]
pub(crate) struct Outside {
    /// Dev mode: loopback, and nothing else.
    pub(crate) loopback: bool,
}

impl Resolve for Outside {
    fn resolve(&self, name: Name) -> Resolving {
        let loopback = self.loopback;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let outside: Vec<_> = found.filter(|address| is_outside(address.ip(), loopback)).collect();
            if outside.is_empty() {
                return Err("the name leads to no address that is entered".into());
            }
            Ok(Box::new(outside.into_iter()) as Addrs)
        })
    }
}

/// Whether a URL may be entered: https without a user name, and no number of a private network; in dev mode loopback, by http as well.
pub(crate) fn is_entered(url: &Url, loopback: bool) -> bool {
    let number: Option<IpAddr> = url
        .host_str()
        .and_then(|host| host.trim_matches(['[', ']']).parse().ok());
    let sound = match (url.scheme(), number) {
        ("https", number) => number.is_none_or(|number| is_outside(number, loopback)),
        ("http", number) if loopback => number.is_none_or(|number| number.is_loopback()),
        _ => false,
    };
    sound && url.username().is_empty() && url.password().is_none() && url.fragment().is_none()
}

/// Whether an address may be entered.
fn is_outside(address: IpAddr, loopback: bool) -> bool {
    if loopback {
        return address.is_loopback();
    }
    match address {
        IpAddr::V4(v4) => is_public(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

/// Whether an address is one of the internet's, as far as the registries of special addresses tell (IANA, RFC 6890).
fn is_public(address: Ipv4Addr) -> bool {
    let special = match address.octets() {
        // This network, and what is reserved, multicast and broadcast among it.
        [0 | 224..=255, ..] => true,
        // Shared by the customers of a provider.
        [100, 64..128, ..] => true,
        // Protocol assignments, and the relays of 6to4 that were.
        [192, 0, 0, _] | [192, 88, 99, _] => true,
        // Benchmarks.
        [198, 18..20, ..] => true,
        _ => false,
    };
    !(special || address.is_private() || address.is_loopback() || address.is_link_local() || address.is_documentation())
}

/// The same of the newer kind. Only what is assigned for the internet is entered (2000::/3); what holds an address of the older kind
/// is what that one is, for a gateway on the way would lead there.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let embedded = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_public(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        // Written as one of the newer kind; NAT64; 6to4.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            embedded(high, low)
        }
        // Protocol assignments, Teredo among them; documentation.
        [0x2001, 0..0x200, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..0x1000, ..] => false,
        [0x2000..0x4000, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_entered() {
        let resolve = |loopback| Outside { loopback }.resolve("localhost".parse().unwrap());
        assert!(resolve(false).await.is_err());
        assert!(resolve(true).await.unwrap().count() > 0);
    }
}
