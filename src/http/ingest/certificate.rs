//! A client certificate that a supplier system presents.
//!
//! Systems are known by the very certificate (a *pinned* one), not by who signed it: the document of an integration has the SHA-256 of
//! the certificate's DER, so no authority, however many there are, can make another that is taken for it. What the certificate says of
//! itself counts in one thing only, the time within which it is valid.
//!
//! There are two ways a certificate comes here. Over a TLS connection that ends in this process, the peer has proved in the handshake
//! that it holds the key ([RFC 8446, section 4.4.3]). Behind a load balancer that ends TLS, the certificate stands in a header, and
//! *any* client could write that header; so it is read only where the configuration names it, which says: nothing but the
//! load balancer reaches this service, and it overwrites the header.
//!
//! [RFC 8446, section 4.4.3]: https://www.rfc-editor.org/rfc/rfc8446#section-4.4.3

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use crate::ids::Digest;

/// The certificate of the peer of the connection, as DER: it proved in the handshake that it holds the key.
#[derive(Clone, Debug)]
pub struct PeerCertificate(pub Arc<[u8]>);

/// A certificate, read as far as it counts.
#[derive(Clone, Debug)]
pub(super) struct Presented {
    digest: Digest,
    from: Timestamp,
    until: Timestamp,
}

impl Presented {
    /// The peer's, where it reads.
    pub(super) fn of(peer: &PeerCertificate) -> Option<Self> {
        Self::read(&peer.0)
    }

    /// The first one of a header's PEM, percent-encoded as load balancers send it.
    pub(super) fn from_header(text: &str) -> Option<Self> {
        let pem: Cow<'_, str> = percent_decode_str(text).decode_utf8().ok()?;
        let (_, rest) = pem.split_once("-----BEGIN CERTIFICATE-----")?;
        let (inner, _) = rest.split_once("-----END CERTIFICATE-----")?;
        let inner: String = inner.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
        Self::read(&BASE64_STANDARD.decode(inner).ok()?)
    }

    fn read(der: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let validity = certificate.tbs_certificate.validity;
        let instant = |time: x509_cert::time::Time| {
            let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok()?;
            Timestamp::from_second(seconds).ok()
        };
        Some(Self {
            digest: Digest::of(der),
            from: instant(validity.not_before)?,
            until: instant(validity.not_after)?,
        })
    }

    /// SHA-256 of its DER.
    pub(super) fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether `now` is within the time it is valid, both ends included (RFC 5280, section 4.1.2.5).
    pub(super) fn is_valid_at(&self, now: Timestamp) -> bool {
        // The last second counts whole.
        self.from <= now && now.as_second() <= self.until.as_second()
    }
}
