//! The addresses of submodels: made for descriptors, and read back when somebody asks about one.
//!
//! An address has one spelling, the one it is registered in. What is read is spelled again and must come out the same, so that no two
//! readers of it can mean two things.

use percent_encoding::percent_decode_str;

use crate::ids::{Bpnl, PcfId, TenantId};
use crate::pcf::{PartId, segment};

/// Longest address that is read, in bytes (as the registry has it).
const LONGEST: usize = 2_048;

/// What a client may ask along with a part: none of it says which part is meant.
const QUERY: [&str; 3] = ["requestId", "message", "dataModelVersion"];

/// What of a company an address names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// A footprint, to be fetched.
    Footprint(PcfId),
    /// A part, to be asked for.
    Part(PartId),
}

/// The address of a submodel, as it is below the service's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Whose it is.
    pub tenant: TenantId,
    /// What it names.
    pub named: Named,
}

impl Address {
    /// The address below `base`, which has no slash at its end.
    pub fn url(&self, base: &str) -> String {
        format!("{base}/exchange/{}{}", self.tenant, self.rest())
    }

    /// The path below the company's endpoint.
    fn rest(&self) -> String {
        match &self.named {
            Named::Footprint(pcf) => format!("/pcf/{pcf}/submodel"),
            Named::Part(part) => format!("/productIds/{}", segment(part.as_str())),
        }
    }

    /// Reads an address below `base`, or below a company's own host, which is `{bpnl}.{base_host}` with the scheme and port of `base`. That
    /// of a footprint may have `/$value` at its end, as clients of the interface SUBMODEL-3.0 have it; that of a part may have what is
    /// asked along (PCF API).
    ///
    /// Nothing where it is no such address. Whether there is such a company, footprint or part is not looked at.
    pub fn read(base: &str, base_host: Option<&str>, url: &str) -> Option<Self> {
        if url.len() > LONGEST {
            return None;
        }
        let (tenant, rest) = below_base(base, url).or_else(|| below_host(base, base_host?, url))?;
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let read = if let Some(rest) = rest.strip_prefix("/pcf/") {
            let own = rest.strip_suffix("/$value").unwrap_or(rest).strip_suffix("/submodel")?;
            query.is_none().then_some(Self {
                tenant,
                named: Named::Footprint(own.parse().ok()?),
            })?
        } else {
            let part = percent_decode_str(rest.strip_prefix("/productIds/")?)
                .decode_utf8()
                .ok()?;
            is_asked_along(query).then_some(Self {
                tenant,
                named: Named::Part(part.parse().ok()?),
            })?
        };
        let spelled = read.rest();
        (rest == spelled || rest.strip_suffix("/$value") == Some(&spelled)).then_some(read)
    }
}

fn is_asked_along(query: Option<&str>) -> bool {
    let known = |pair: &str| QUERY.contains(&pair.split('=').next().unwrap_or_default());
    query.is_none_or(|query| !query.contains('#') && query.split('&').all(known))
}

fn below_base<'u>(base: &str, url: &'u str) -> Option<(TenantId, &'u str)> {
    let rest = url.strip_prefix(base)?.strip_prefix("/exchange/")?;
    let slash = rest.find('/')?;
    let (tenant, rest) = rest.split_at_checked(slash)?;
    Some((tenant.parse().ok()?, rest))
}

fn below_host<'u>(base: &str, base_host: &str, url: &'u str) -> Option<(TenantId, &'u str)> {
    let (scheme, own) = base.split_once("://")?;
    let port = own.split('/').next()?.rsplit_once(':').map(|(_, port)| port);
    let rest = url.strip_prefix(scheme)?.strip_prefix("://")?;
    let (authority, rest) = rest.split_at_checked(rest.find('/')?)?;
    let (host, asked) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let (label, below) = host.split_once('.')?;
    let tenant: Bpnl = label.to_ascii_uppercase().parse().ok()?;
    (asked == port && below.eq_ignore_ascii_case(base_host)).then_some((TenantId(tenant), rest))
}
