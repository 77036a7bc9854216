//! Footprints: bytes kept as they were put, each with a seal that binds them to their place.
//!
//! Object and seal are two files. While an object is replaced, its seal names both the old bytes and the new, so that a
//! crash at any point leaves an object that its seal knows. How objects are put, one or many at once, and what a crash can leave of
//! that, is told in [`batch`].
//!
//! Of a tenant's own footprint the bytes that others took the place of are kept beside, each under its digest and with a seal of its own
//! kind, which is no seal of the object: to put an old version back in the object's place takes more than to copy it there.

pub(super) mod batch;

use aws_lc_rs::hmac;

use super::error::VaultError;
use super::files::{Root, read};
use super::key::VaultKey;
use crate::ids::{Bpnl, Digest, PcfId, ProductId, TenantId};

/// The longest object kept, in bytes.
pub(super) const MAX_BYTES: usize = 16 * 1024 * 1024;

/// The longest seal: two lines.
const SEAL_BYTES: usize = 256;

/// A footprint as it was put.
#[derive(Clone, PartialEq, Eq)]
pub struct Object {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Their SHA-256.
    pub digest: Digest,
}

impl std::fmt::Debug for Object {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Object({} bytes, {})", self.bytes.len(), self.digest)
    }
}

/// Where an object is kept.
#[derive(Clone, Debug)]
pub(super) struct ObjectKey {
    pub(super) tenant: TenantId,
    pub(super) place: Place,
    pub(super) pcf: PcfId,
}

/// Whose footprint an object is.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// The tenant's own, of this product.
    Own(ProductId),
    /// One that this partner handed in.
    Received(Bpnl),
}

impl ObjectKey {
    pub(super) fn name(&self) -> String {
        let Self { tenant, place, pcf } = self;
        match place {
            Place::Own(product) => format!("the object `{tenant}/pcf/{product}/{pcf}.json`"),
            Place::Received(partner) => format!("the object `{tenant}/pcf/received/{partner}/{pcf}.json`"),
        }
    }

    /// The key of the object in S3.
    #[cfg(feature = "aws")]
    pub(super) fn path(&self) -> String {
        let Self { tenant, place, pcf } = self;
        match place {
            Place::Own(product) => format!("{tenant}/pcf/{product}/{pcf}.json"),
            Place::Received(partner) => format!("{tenant}/pcf/received/{partner}/{pcf}.json"),
        }
    }

    /// The path of bytes that others took the place of, or of their seal; none where such are not kept.
    fn with_history<T>(&self, digest: &Digest, extension: &str, then: impl FnOnce(&[&str]) -> T) -> Option<T> {
        let Place::Own(product) = &self.place else { return None };
        let (tenant, file) = (self.tenant.as_str(), format!("{digest}.{extension}"));
        let (product, pcf) = (product.as_str(), self.pcf.as_str());
        Some(then(&["objects", tenant, "history", product, pcf, &file]))
    }

    /// The path of the object or of its seal.
    fn with_path<T>(&self, extension: &str, then: impl FnOnce(&[&str]) -> T) -> T {
        let (tenant, file) = (self.tenant.as_str(), format!("{}.{extension}", self.pcf));
        match &self.place {
            Place::Own(product) => then(&["objects", tenant, "pcf", product.as_str(), &file]),
            Place::Received(partner) => then(&["objects", tenant, "pcf", "received", partner.as_str(), &file]),
        }
    }
}

/// The objects of a vault. Writers take turns; see [`super::embedded`].
pub(super) struct Objects {
    root: Root,
    key: hmac::Key,
}

impl Objects {
    pub(super) fn new(root: Root, key: &VaultKey) -> Option<Self> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.derive("objects")?.as_slice());
        Some(Self { root, key })
    }

    /// The line in a seal that stands for these bytes at this place.
    fn seal(&self, at: &ObjectKey, digest: &Digest) -> String {
        // No identifier holds a slash, so the names cannot run into each other.
        let ObjectKey { tenant, place, pcf } = at;
        let text = match place {
            Place::Own(product) => format!("object v1/{tenant}/{product}/{pcf}/{digest}"),
            Place::Received(partner) => format!("received v1/{tenant}/{partner}/{pcf}/{digest}"),
        };
        hex::encode(hmac::sign(&self.key, text.as_bytes()))
    }

    /// The line in a seal that stands for bytes that others took the place of.
    fn history_seal(&self, at: &ObjectKey, digest: &Digest) -> String {
        let place = match &at.place {
            Place::Own(product) => product.as_str(),
            Place::Received(partner) => partner.as_str(),
        };
        let text = format!("history v1/{}/{place}/{}/{digest}", at.tenant, at.pcf);
        hex::encode(hmac::sign(&self.key, text.as_bytes()))
    }

    pub(super) fn get(&self, at: &ObjectKey) -> Result<Object, VaultError> {
        // A writer may come between the two reads; its seal is settled by the next try.
        for _ in 0..3 {
            let Some(bytes) = at.with_path("json", |path| self.root.read(path, MAX_BYTES))? else {
                return Err(VaultError::NotFound(at.name()));
            };
            let digest = Digest::of(&bytes);
            let seal = self.seal(at, &digest);
            if self.seals(at)?.lines().any(|line| line == seal) {
                return Ok(Object { bytes, digest });
            }
        }
        Err(VaultError::tampered(
            &at.name(),
            "its bytes are not those that were put there",
        ))
    }

    fn seals(&self, at: &ObjectKey) -> Result<String, VaultError> {
        let path = at.with_path("seal", |path| self.root.resolve(path))?;
        Ok(text(read(&path, SEAL_BYTES)?.unwrap_or_default()))
    }

    pub(super) fn delete(&self, at: &ObjectKey) -> Result<(), VaultError> {
        at.with_path("json", |path| self.root.remove(path))?;
        at.with_path("seal", |path| self.root.remove(path))
    }

    pub(super) fn list(&self, tenant: TenantId) -> Result<Vec<(ProductId, PcfId)>, VaultError> {
        let mut found = Vec::new();
        for product in self.root.names(&["objects", tenant.as_str(), "pcf"])? {
            let path = ["objects", tenant.as_str(), "pcf", product.as_str()];
            for file in self.root.names(&path)? {
                let Some(pcf) = file.strip_suffix(".json") else {
                    continue;
                };
                let foreign = |_| VaultError::ForeignPath(path.iter().chain([&file.as_str()]).collect());
                found.push((product.parse().map_err(foreign)?, pcf.parse().map_err(foreign)?));
            }
        }
        Ok(found)
    }
}

/// A seal as text; one that is none knows nothing.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_default()
}
