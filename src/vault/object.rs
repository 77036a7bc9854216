//! Footprints: bytes kept as they were put, each with a seal that binds them to their place.
//!
//! Object and seal are two files. While an object is replaced, its seal names both the old bytes and the new, so that a
//! crash at any point leaves an object that its seal knows.

use aws_lc_rs::hmac;

use super::error::VaultError;
use super::files::Root;
use super::key::VaultKey;
use crate::ids::{Bpnl, Digest, PcfId, ProductId, TenantId};

/// The longest object kept, in bytes.
pub(super) const MAX_BYTES: usize = 16 * 1024 * 1024;

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
        let bytes = at
            .with_path("seal", |path| self.root.read(path, 256))?
            .unwrap_or_default();
        Ok(String::from_utf8(bytes).unwrap_or_default())
    }

    pub(super) fn put(&self, at: &ObjectKey, bytes: &[u8]) -> Result<Digest, VaultError> {
        if bytes.len() > MAX_BYTES {
            let size = bytes.len();
            return Err(VaultError::TooLarge {
                what: at.name(),
                size,
                limit: MAX_BYTES,
            });
        }
        let digest = Digest::of(bytes);
        let new = self.seal(at, &digest);
        let old = at.with_path("json", |path| self.root.read(path, MAX_BYTES))?;
        if let Some(old) = old {
            // An object that its seal did not know must not become one that it does.
            let old = self.seal(at, &Digest::of(&old));
            let old = self.seals(at)?.lines().any(|line| line == old).then_some(old);
            let both = format!("{new}\n{}\n", old.unwrap_or_default());
            at.with_path("seal", |path| self.root.replace(path, both.as_bytes()))?;
        } else {
            at.with_path("seal", |path| self.root.replace(path, format!("{new}\n").as_bytes()))?;
        }
        at.with_path("json", |path| self.root.replace(path, bytes))?;
        at.with_path("seal", |path| self.root.replace(path, format!("{new}\n").as_bytes()))?;
        Ok(digest)
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
