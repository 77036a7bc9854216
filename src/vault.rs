//! The vault: secrets and footprints behind a tenant's session.
//!
//! Nothing here is reached by naming it. One first makes a [`Session`]: a tenant's role, narrowed by a session policy to
//! the one operation at hand. Each operation then becomes the request AWS would see (action, ARN, condition keys) and is
//! answered by the [IAM layer](crate::iam) over the role and session documents really in force, before any file is
//! touched. Code that asks a session for another tenant's object, or for another object than the session was made for, gets
//! [`VaultError::AccessDenied`], as it would from AWS.
//!
//! The embedded vault keeps everything in one directory:
//!
//! ```text
//! {dir}/lock                                    held by the one process that uses the vault
//! {dir}/objects/{bpnl}/pcf/{product}/{pcf}.json the bytes of a footprint, as they were put
//! {dir}/objects/{bpnl}/pcf/{product}/{pcf}.seal binds those bytes to this tenant, product and footprint
//! {dir}/objects/{bpnl}/pcf/received/{partner}/  the same, of footprints that a partner handed in
//! {dir}/secrets/{bpnl}/{name}.json              versions of a secret, each encrypted
//! ```
//!
//! Paths are made of parsed identifiers only, and no symbolic link is followed. Secrets are sealed with AES-256-GCM under a
//! key the directory does not hold; tenant, name and version are authenticated with them, so that a file moved to another
//! tenant does not open. Objects are sealed with HMAC-SHA-256 over the same names and the SHA-256 of the bytes. What is
//! not guarded against is someone who restores an older copy of a whole file.
//!
//! ```
//! use std::sync::Arc;
//! use tidegate::bundle::{Bundle, Source};
//! use tidegate::vault::{EmbeddedVault, SessionScope, VaultError, VaultKey};
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let dir = tempfile::tempdir()?;
//! # let bundle = Bundle::load(Source::built_in()).unwrap();
//! let key = VaultKey::from_file(&dir.path().join("vault.key"), true)?;
//! let vault = EmbeddedVault::open(&dir.path().join("vault"), key, Arc::clone(&bundle.account))?;
//!
//! let tenant = "BPNL000000000DWF".parse()?;
//! let (product, pcf) = ("urn:gtin:4712345060507".parse()?, "pcf-1".parse()?);
//! let write = vault.session(tenant, SessionScope::ObjectWrite { product, pcf });
//! # let (product, pcf) = ("urn:gtin:4712345060507".parse()?, "pcf-1".parse()?);
//! write.put_object(&product, &pcf, b"{}".to_vec()).await?;
//! // This session may write that object and nothing else, not even read it back.
//! let refused = write.get_object(&product, &pcf).await;
//! assert!(matches!(refused, Err(VaultError::AccessDenied(_))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod credentials;
mod embedded;
mod error;
mod files;
mod key;
mod object;
mod permitted;
mod secret;
mod session;

#[cfg(test)]
mod tests;

pub use credentials::{CredentialsError, TemporaryCredentials};
pub use embedded::EmbeddedVault;
pub use error::{Denied, VaultError};
pub use key::{KeyError, VaultKey};
pub use object::Object;
pub use permitted::{OpenError, ScopeError};
pub use secret::Stage;
pub use session::{Operation, Session, SessionScope};
