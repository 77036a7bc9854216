//! TLS that ends in this process, for supplier systems that prove themselves by a client certificate.
//!
//! The service speaks plain HTTP to a load balancer. A system with a certificate needs its handshake to end where the certificate is
//! looked at; so there may be a second listener that speaks TLS 1.2 and 1.3 and asks for a client certificate. It asks, and does not insist:
//! a system with a token or a key may come this way too. It believes no authority either. That the peer holds the key of the certificate it shows is
//! proved in the handshake, whose signature is verified; whose certificate it is, is a matter of the integrations' documents
//! ([`super::ingest::certificate`]). A certificate that nobody pinned says nothing, and whoever shows it is a stranger.
//!
//! # Worked example
//!
//! ```toml
//! [tls]
//! listen = "0.0.0.0:8443"
//! certificate = "/etc/tidegate/tls/chain.pem"
//! key = "/etc/tidegate/tls/key.pem"
//! ```
//!
//! SAP of the Duisburg works connects with the certificate whose SHA-256 stands in the document of `sap-duisburg`. Somebody with a
//! certificate of the same name from the same authority connects as well: the handshake succeeds, and `POST /ingest/…` is answered 401.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme};

/// Why no TLS can be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file does not read.
    #[error("`{}`: {problem}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Key and certificate do not belong together, or are of a kind that is not known.
    #[error("the certificate and its key: {0}")]
    Key(#[from] Error),
}

/// What speaks TLS on a connection.
///
/// # Errors
/// The files do not read, or do not belong together.
pub fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let wrong = |file: &Path| {
        let file = file.to_owned();
        move |problem: String| TlsError::File { file, problem }
    };
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| wrong(certificate)(error.to_string()))?;
    if chain.is_empty() {
        return Err(wrong(certificate)("it has no certificate; expected PEM".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key)(error.to_string()))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(Anyone(Arc::clone(&provider)));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Takes any certificate whose key the peer proves to hold.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ClientCertVerifier for Anyone {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        // Pinned or not is for the integrations' documents to say, and so is whether it is valid still.
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
