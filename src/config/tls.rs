//! The listener that speaks TLS.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

/// Where TLS is spoken, and with which certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The certificate with those that vouch for it, as PEM.
    pub certificate: PathBuf,
    /// Its key, as PEM.
    pub key: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    listen: Option<String>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

pub(super) fn read(problems: &mut Vec<String>, written: Option<Written>) -> Option<TlsSettings> {
    let written = written?;
    let listen = written.listen.as_deref().map(str::parse);
    let Some(Ok(listen)) = listen else {
        problems.push("`tls.listen`: expected an address and a port, such as `0.0.0.0:8443`".to_owned());
        return None;
    };
    match (written.certificate, written.key) {
        (Some(certificate), Some(key)) => Some(TlsSettings {
            listen,
            certificate,
            key,
        }),
        _ => {
            problems.push("`tls`: both `certificate` and `key` name a file with PEM".to_owned());
            None
        }
    }
}
