//! Many footprints put at once, each on a session of its own.
//!
//! Storing a thousand footprints together is a matter of the disk, not of rights: each put was decided by itself, has a permit of its
//! own and a session for that one object ([`Vault::session_for`]), and is answered by the IAM layer on that session before anything of the
//! batch is touched. A put that its session does not allow is refused, and the others are stored.
//!
//! # Worked example
//!
//! Three footprints of Dwarf's come in one request. `writeFootprint` is asked for each and permitted twice; of what was permitted two
//! sessions are made. Handed in with them by mistake, the third document on the session of the second is
//! [`VaultError::AccessDenied`]: that session is for the second object and for no other.

use std::sync::Arc;

use super::backend::Put;
use super::{Session, Vault, VaultError};
use crate::ids::{Digest, PcfId, ProductId};

/// A footprint to be stored.
pub struct ObjectPut {
    /// The session that may store it.
    pub session: Session,
    /// Its product.
    pub product: ProductId,
    /// Its id.
    pub pcf: PcfId,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Vault {
    /// Stores footprints, each replacing an older one whole; durable on return. What became of each is at its place. Where one stands
    /// several times, the last is what is there afterwards, and the others are in its history.
    ///
    /// # Errors
    /// Those of [`Session::put_object`], each of its own put alone; and [`VaultError::Internal`] for a session of another vault.
    pub async fn put_objects(&self, puts: Vec<ObjectPut>) -> Vec<Result<Digest, VaultError>> {
        let mut allowed = Vec::with_capacity(puts.len());
        let asked: Vec<Result<(), VaultError>> = puts
            .into_iter()
            .map(|put| {
                let key = self.may_put(&put)?;
                let ObjectPut { session, bytes, .. } = put;
                allowed.push(Put { session, key, bytes });
                Ok(())
            })
            .collect();
        let mut stored = match allowed.is_empty() {
            true => Vec::new(),
            false => self.backend.put_objects(allowed).await,
        }
        .into_iter();
        let mut next = || {
            let none = || Err(VaultError::Internal("tell what became of an object"));
            stored.next().unwrap_or_else(none)
        };
        asked.into_iter().map(|allowed| allowed.and_then(|()| next())).collect()
    }

    fn may_put(&self, put: &ObjectPut) -> Result<super::object::ObjectKey, VaultError> {
        if !Arc::ptr_eq(&put.session.vault().backend, &self.backend) {
            return Err(VaultError::Internal("store with a session of another vault"));
        }
        put.session.may_put(&put.product, &put.pcf)
    }
}
