//! The form of a path, settled before anything is routed.
//!
//! A proxy in front may resolve `..`, fold `//` or decode `%2e`, and what it saw is then not what Tidegate decides on.
//! So a path that has two readings is refused: no dot segments, no empty segments, no backslash, no percent-encoding (but
//! `%24` for the dollar sign of `$value`, which some clients encode), ASCII only.
//!
//! One segment is another's word and may hold anything: the product in `productIds/{productId}`, for part numbers have spaces and
//! slashes, and URNs have colons that many clients encode. It is decoded once and encoded again in the one form there is here, so it
//! is routed as one segment, whatever is in it, and read by its handler as what was meant.

use crate::ids::TenantId;
use crate::pcf::segment;

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// `.` or `..` as a segment.
    #[error("the path has a dot segment")]
    Dots,
    /// `//`.
    #[error("the path has an empty segment")]
    Empty,
    /// A percent sign that does not spell a dollar sign.
    #[error("the path is percent-encoded; only the product in `productIds/{{productId}}` may be")]
    Encoded,
    /// A product that does not decode to text.
    #[error("the product in the path is not percent-encoded UTF-8 without control characters")]
    Product,
    /// A character no path of this service has.
    #[error("the path has a character that no path of this service has")]
    Character,
    /// Longer than any path of this service.
    #[error("the path is longer than 512 bytes")]
    Long,
}

/// The longest path, and the longest product in one: what 128 characters can come to.
const LONGEST: usize = 512;
const LONGEST_PRODUCT: usize = 128 * 4 * 3;

/// The path in its one form, with `%24` read as `$`.
///
/// # Errors
/// The path has two readings, or characters no path of the service has.
pub fn canonical(path: &str) -> Result<String, PathError> {
    let Some((before, product)) = of_product(path) else {
        return plain(path);
    };
    Ok(format!("{}/{}", plain(before)?, encoded(product)?))
}

/// The path up to a product, and the product as it was sent.
fn of_product(path: &str) -> Option<(&str, &str)> {
    let (before, product) = path.rsplit_once('/')?;
    let mut segments = before.strip_prefix('/')?.split('/');
    let names = [
        segments.next()?,
        segments.next().unwrap_or_default(),
        segments.next().unwrap_or_default(),
    ];
    let is_one = match names {
        ["exchange", tenant, "productIds"] => !tenant.is_empty(),
        ["productIds", "", ""] => !before.ends_with('/'),
        _ => false,
    };
    (is_one && segments.next().is_none()).then_some((before, product))
}

/// A product as a segment of a path: decoded once, and all of it but letters, digits and `-._~` encoded.
fn encoded(product: &str) -> Result<String, PathError> {
    if product.len() > LONGEST_PRODUCT {
        return Err(PathError::Long);
    }
    let mut bytes = Vec::with_capacity(product.len());
    let mut rest = product.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut decoded = [0];
                let digits = [rest.next(), rest.next()].map(Option::unwrap_or_default);
                hex::decode_to_slice(digits, &mut decoded).map_err(|_| PathError::Product)?;
                u8::from_ne_bytes(decoded)
            }
            // What a segment may hold as it is (RFC 3986, `pchar`).
            byte if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte) => byte,
            _ => return Err(PathError::Character),
        });
    }
    let product = String::from_utf8(bytes).map_err(|_| PathError::Product)?;
    match product.as_str() {
        "" => return Err(PathError::Empty),
        "." | ".." => return Err(PathError::Dots),
        text if text.chars().any(char::is_control) => return Err(PathError::Product),
        _ => {}
    }
    Ok(segment(&product))
}

fn plain(path: &str) -> Result<String, PathError> {
    if path.len() > LONGEST {
        return Err(PathError::Long);
    }
    let path = path.replace("%24", "$");
    if path.contains('%') {
        return Err(PathError::Encoded);
    }
    if !path
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"/-._~$:@+=,".contains(&byte))
    {
        return Err(PathError::Character);
    }
    let mut segments = path
        .strip_prefix('/')
        .ok_or(PathError::Character)?
        .split('/')
        .peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." | ".." => return Err(PathError::Dots),
            "" if segments.peek().is_some() => return Err(PathError::Empty),
            _ => {}
        }
    }
    Ok(path)
}

/// The tenant a host names: `{bpnl}.{base}`, in any case, with or without a port. Nothing where the host is not below
/// `base` or its label is not a BPNL.
pub fn tenant_of_host(host: &str, base: &str) -> Option<TenantId> {
    let name = host.rsplit_once(':').map_or(host, |(name, port)| {
        if port.bytes().all(|byte| byte.is_ascii_digit()) {
            name
        } else {
            host
        }
    });
    let name = name.to_ascii_uppercase();
    let label = name.strip_suffix(&base.to_ascii_uppercase())?.strip_suffix('.')?;
    label.parse().ok()
}

/// The path below a tenant's own host as the path of the shared one: `/pcf/…` becomes `/exchange/{bpnl}/pcf/…`, and
/// `/dataflows/…` becomes `/dataflows/{bpnl}/…`. A path that
/// names another tenant on a tenant's own host is nobody's.
pub fn below_host(tenant: TenantId, path: &str) -> Option<String> {
    let own = format!("/exchange/{tenant}/");
    let flows = format!("/dataflows/{tenant}/");
    if path.starts_with(&own) || path.starts_with(&flows) {
        return Some(path.to_owned());
    }
    let inner = path.strip_prefix('/')?;
    if let Some(rest) = inner.strip_prefix("dataflows/") {
        return Some(format!("{flows}{rest}"));
    }
    let known = ["pcf/", "footprintExchange/", "productIds/", "3/"];
    let is_known = ["token", "auth/token"].contains(&inner) || known.iter().any(|prefix| inner.starts_with(prefix));
    is_known.then(|| format!("{own}{inner}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_reading_or_is_refused() {
        for good in [
            "/",
            "/healthz",
            "/exchange/BPNL000000000DWF/pcf/a-1/submodel/$value",
            "/a/",
        ] {
            assert_eq!(canonical(good).as_deref(), Ok(good));
        }
        assert_eq!(canonical("/a/%24value").as_deref(), Ok("/a/$value"));
        let bad = [
            ("/a/../b", PathError::Dots),
            ("/a/./b", PathError::Dots),
            ("/..", PathError::Dots),
            ("//a", PathError::Empty),
            ("/a//b", PathError::Empty),
            ("/a/%2e%2e/b", PathError::Encoded),
            ("/a/%00", PathError::Encoded),
            ("/a/%2F", PathError::Encoded),
            ("/a/%2524", PathError::Encoded),
            ("/a\\b", PathError::Character),
            ("/a;b", PathError::Character),
            ("/\u{412}PNL", PathError::Character),
            ("a", PathError::Character),
        ];
        for (path, error) in bad {
            assert_eq!(canonical(path), Err(error), "{path}");
        }
    }

    #[test]
    fn a_product_is_decoded_once_and_has_one_form() {
        for (sent, form) in [
            ("401765", "401765"),
            ("5Q0%20035%20842", "5Q0%20035%20842"),
            (
                "urn%3amycompany.com%3Aproduct-id%3A1",
                "urn%3Amycompany.com%3Aproduct-id%3A1",
            ),
            ("urn:mycompany.com:product-id:1", "urn%3Amycompany.com%3Aproduct-id%3A1"),
            ("A%2FB", "A%2FB"),
            ("..%2f..%2fpcf", "..%2F..%2Fpcf"),
            ("A%5CB;x(1)&c+d", "A%5CB%3Bx%281%29%26c%2Bd"),
            ("%2520", "%2520"),
            ("%C3%A4", "%C3%A4"),
            ("...", "..."),
            ("%24", "%24"),
        ] {
            for before in ["/exchange/BPNL000000000DWF/productIds", "/productIds"] {
                let path = format!("{before}/{sent}");
                assert_eq!(canonical(&path), Ok(format!("{before}/{form}")), "{path}");
                assert_eq!(canonical(&format!("{before}/{form}")), Ok(format!("{before}/{form}")));
            }
        }
        for (sent, error) in [
            ("..", PathError::Dots),
            (".", PathError::Dots),
            ("%2e%2E", PathError::Dots),
            (".%2e", PathError::Dots),
            ("", PathError::Empty),
            ("%", PathError::Product),
            ("%2", PathError::Product),
            ("%zz", PathError::Product),
            ("%+1", PathError::Product),
            ("%00", PathError::Product),
            ("a%0Ab", PathError::Product),
            ("%7f", PathError::Product),
            ("%C2%85", PathError::Product),
            ("%ff", PathError::Product),
            ("a\\b", PathError::Character),
            ("a|b", PathError::Character),
        ] {
            let path = format!("/exchange/BPNL000000000DWF/productIds/{sent}");
            assert_eq!(canonical(&path), Err(error), "{path}");
        }
        let long = format!("/productIds/{}", "%C3%A4".repeat(128));
        assert!(canonical(&long).is_ok());
        assert_eq!(canonical(&format!("{long}{long}")), Err(PathError::Long));
        assert_eq!(
            canonical(&format!("/productIds/{}", "a".repeat(LONGEST_PRODUCT + 1))),
            Err(PathError::Long)
        );
        // What we send ourselves is what we read.
        let sent = segment("../a/b?c#d e%2F;|\\ä");
        let path = format!("/exchange/BPNL000000000DWF/productIds/{sent}");
        assert_eq!(canonical(&path), Ok(path));
        // Nowhere else.
        for path in [
            "/exchange/BPNL000000000DWF/productIds/a%20b/c",
            "/exchange/BPNL000000000DWF/pcf/a%20b",
            "/exchange/a%20b/productIds/c",
            "/x/exchange/BPNL000000000DWF/productIds/a%20b",
            "/agreements/BPNL000000000DWF/productIds/a%20b",
        ] {
            assert_eq!(canonical(path), Err(PathError::Encoded), "{path}");
        }
        assert_eq!(canonical("//productIds/a"), Err(PathError::Empty));
        assert_eq!(canonical("/exchange//productIds/a"), Err(PathError::Empty));
    }

    #[test]
    fn a_host_names_a_tenant_only_by_its_whole_label() {
        let tenant: TenantId = "BPNL000000000DWF".parse().unwrap();
        for good in [
            "BPNL000000000DWF.localhost",
            "bpnl000000000dwf.localhost:8080",
            "BPNL000000000dwf.LOCALHOST",
        ] {
            assert_eq!(tenant_of_host(good, "localhost"), Some(tenant), "{good}");
        }
        let bad = [
            "localhost",
            "x.BPNL000000000DWF.localhost",
            "BPNL000000000DWFlocalhost",
            "BPNL000000000DWF.localhost.evil",
            "BPNL000000000DW.localhost",
            "",
        ];
        for bad in bad {
            assert_eq!(tenant_of_host(bad, "localhost"), None, "{bad}");
        }
    }

    #[test]
    fn on_its_own_host_a_tenant_has_only_its_own_paths() {
        let tenant: TenantId = "BPNL000000000DWF".parse().unwrap();
        let own = "/exchange/BPNL000000000DWF/pcf/a/submodel/$value";
        assert_eq!(below_host(tenant, "/pcf/a/submodel/$value").as_deref(), Some(own));
        assert_eq!(below_host(tenant, own).as_deref(), Some(own));
        assert_eq!(
            below_host(tenant, "/exchange/BPNL00000000B2CD/pcf/a/submodel/$value"),
            None
        );
        assert_eq!(below_host(tenant, "/healthz"), None);
        assert_eq!(
            below_host(tenant, "/token").as_deref(),
            Some("/exchange/BPNL000000000DWF/token")
        );
        assert_eq!(below_host(tenant, "/tokens"), None);
        for (path, own) in [
            ("/auth/token", "/exchange/BPNL000000000DWF/auth/token"),
            ("/3/footprints", "/exchange/BPNL000000000DWF/3/footprints"),
        ] {
            assert_eq!(below_host(tenant, path).as_deref(), Some(own));
        }
        assert_eq!(below_host(tenant, "/auth/tokens"), None);
        // Whatever stands where a tenant may stand on the shared host is a flow's id here, and the tenant is the host's.
        for (path, own) in [
            ("/dataflows/start", "/dataflows/BPNL000000000DWF/start"),
            ("/dataflows/f-1/suspend", "/dataflows/BPNL000000000DWF/f-1/suspend"),
            ("/dataflows/BPNL000000000DWF/start", "/dataflows/BPNL000000000DWF/start"),
            (
                "/dataflows/BPNL00000000B2CD/start",
                "/dataflows/BPNL000000000DWF/BPNL00000000B2CD/start",
            ),
        ] {
            assert_eq!(below_host(tenant, path).as_deref(), Some(own));
        }
    }
}
