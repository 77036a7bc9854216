//! Whose server certificates are believed, where the document says so: those of the authorities it names, and no others.
//!
//! Where it has lists of what was revoked (RFC 5280, section 5), each certificate of a chain but the authority's own must be covered by one:
//! what no list speaks of is not believed. Nor is anything, once a list is past the time at which the next one was to come: what was
//! revoked since would not be on it. So whoever puts lists into a document has to put new ones there in time.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use reqwest::ClientBuilder;
use reqwest::tls::{Certificate, CertificateRevocationList};
use x509_cert::crl::CertificateList;
use x509_cert::der::Decode as _;

use crate::registry::integration::Trust;

/// A client that believes these and no others.
/// `part` is the part of the document that the `trust` stands in.
pub(super) fn only(builder: ClientBuilder, trust: &Trust, part: &str, now: Timestamp) -> Result<ClientBuilder, String> {
    let unread = |at: &str, what: &str| format!("`{part}/trust/{at}` does not read: expected {what} as PEM");
    let authorities = Certificate::from_pem_bundle(trust.authorities.as_bytes()).ok();
    let authorities = authorities.filter(|authorities| !authorities.is_empty());
    let authorities = authorities.ok_or_else(|| unread("authorities", "certificates"))?;
    let builder = builder.tls_certs_only(authorities);
    let Some(text) = &trust.revoked else { return Ok(builder) };
    let lists = "lists of revoked certificates";
    let ends = ends(text).ok_or_else(|| unread("revoked", lists))?;
    if let Some(past) = ends.iter().flatten().find(|end| **end <= now) {
        return Err(format!(
            "a list in `{part}/trust/revoked` was good until {past}; what was revoked since cannot be told: put the newest one there"
        ));
    }
    let revoked = CertificateRevocationList::from_pem_bundle(text.as_bytes()).ok();
    let revoked = revoked.filter(|revoked| revoked.len() == ends.len());
    Ok(builder.tls_crls_only(revoked.ok_or_else(|| unread("revoked", lists))?))
}

/// When the next one of each list was to come, where it says; nothing where there is none, or one does not read.
fn ends(text: &str) -> Option<Vec<Option<Timestamp>>> {
    let parts = text.split("-----BEGIN X509 CRL-----").skip(1);
    let ends = parts.map(|part| {
        let (inner, _) = part.split_once("-----END X509 CRL-----")?;
        let inner: String = inner.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
        let list = CertificateList::from_der(&BASE64_STANDARD.decode(inner).ok()?).ok()?;
        match list.tbs_cert_list.next_update {
            None => Some(None),
            Some(time) => {
                let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok()?;
                Some(Some(Timestamp::from_second(seconds).ok()?))
            }
        }
    });
    let ends: Option<Vec<_>> = ends.collect();
    ends.filter(|ends| !ends.is_empty())
}
