//! Footprints in S3. What is put in the place of an older one leaves that one as a version of the object, where the bucket keeps versions.

use std::collections::HashSet;

use aws_credential_types::Credentials;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumMode, ServerSideEncryption};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use futures_util::stream::{self, StreamExt as _};

use super::InAws;
use crate::aws::{Aws, Service};
use crate::ids::{Digest, PcfId, ProductId};
use crate::vault::backend::Put;
use crate::vault::error::VaultError;
use crate::vault::object::{MAX_BYTES, Object, ObjectKey, Place};
use crate::vault::session::Session;

/// How many objects are stored at once.
const AT_ONCE: usize = 16;

impl InAws {
    pub(super) async fn fetch(&self, session: &Session, key: &ObjectKey) -> Result<Object, VaultError> {
        let call = self
            .s3
            .get_object()
            .bucket(self.account.names().bucket())
            .key(key.path());
        let call = call.checksum_mode(ChecksumMode::Enabled);
        let about = ("s3:GetObject", &*self.arn(key));
        let answer = self.with_session(session, Service::S3, about, |credentials| {
            call.clone().customize().config_override(with(credentials)).send()
        });
        let answer = answer.await?;
        let kept = answer.checksum_sha256().map(str::to_owned);
        let size = usize::try_from(answer.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
        if size > MAX_BYTES {
            return Err(too_large(key, size));
        }
        // What S3 sends while its checksum does not fit ends in an error here.
        let unread = |_| VaultError::tampered(&key.name(), "its bytes did not arrive as S3 keeps them");
        let bytes = answer.body.collect().await.map_err(unread)?.to_vec();
        let digest = Digest::of(&bytes);
        if kept != Some(checksum(&digest)) {
            let why = "S3 keeps no SHA-256 with it, or not that of its bytes: it was not put by Tidegate";
            return Err(VaultError::tampered(&key.name(), why));
        }
        Ok(Object { bytes, digest })
    }

    /// Stores objects, some at a time. One that stands several times is stored in that order: S3 takes the last that came for the newest.
    pub(super) async fn store_all(&self, puts: Vec<Put>) -> Vec<Result<Digest, VaultError>> {
        let mut done: Vec<(usize, Result<Digest, VaultError>)> = Vec::with_capacity(puts.len());
        let mut left: Vec<(usize, Put)> = puts.into_iter().enumerate().collect();
        while !left.is_empty() {
            let mut seen = HashSet::new();
            let (now, later): (Vec<_>, Vec<_>) = left.into_iter().partition(|(_, put)| seen.insert(put.key.path()));
            left = later;
            let stored = now
                .into_iter()
                .map(|(number, put)| async move { (number, self.store(&put.session, &put.key, put.bytes).await) });
            let stored = stream::iter(stored).buffer_unordered(AT_ONCE);
            done.extend(stored.collect::<Vec<_>>().await);
        }
        done.sort_by_key(|(number, _)| *number);
        done.into_iter().map(|(_, result)| result).collect()
    }

    async fn store(&self, session: &Session, key: &ObjectKey, bytes: Vec<u8>) -> Result<Digest, VaultError> {
        if bytes.len() > MAX_BYTES {
            return Err(too_large(key, bytes.len()));
        }
        let digest = Digest::of(&bytes);
        let bytes = bytes::Bytes::from(bytes);
        let about = ("s3:PutObject", &*self.arn(key));
        let stored = self.with_session(session, Service::S3, about, |credentials| {
            let call = self
                .s3
                .put_object()
                .bucket(self.account.names().bucket())
                .key(key.path());
            let call = call.content_type("application/json").checksum_sha256(checksum(&digest));
            let call = match &self.key {
                Some(key) => call
                    .server_side_encryption(ServerSideEncryption::AwsKms)
                    .ssekms_key_id(key),
                None => call,
            };
            let call = call.body(ByteStream::from(bytes.clone())).customize();
            call.config_override(with(credentials)).send()
        });
        stored.await?;
        Ok(digest)
    }

    pub(super) async fn remove(&self, session: &Session, key: &ObjectKey) -> Result<(), VaultError> {
        let call = self
            .s3
            .delete_object()
            .bucket(self.account.names().bucket())
            .key(key.path());
        let about = ("s3:DeleteObject", &*self.arn(key));
        let removed = self.with_session(session, Service::S3, about, |credentials| {
            call.clone().customize().config_override(with(credentials)).send()
        });
        removed.await.map(drop)
    }

    pub(super) async fn list(&self, session: &Session) -> Result<Vec<(ProductId, PcfId)>, VaultError> {
        let prefix = format!("{}/pcf/", session.tenant());
        let names = self.account.names();
        let about = ("s3:ListBucket", &*names.bucket_arn());
        let (mut found, mut from) = (Vec::new(), None);
        loop {
            let call = self.s3.list_objects_v2().bucket(names.bucket()).prefix(&prefix);
            let call = call.set_continuation_token(from);
            let page = self.with_session(session, Service::S3, about, |credentials| {
                call.clone().customize().config_override(with(credentials)).send()
            });
            let page = page.await?;
            for object in page.contents() {
                found.extend(own(object.key().unwrap_or_default(), &prefix)?);
            }
            from = page.next_continuation_token().map(str::to_owned);
            if from.is_none() {
                break;
            }
        }
        found.sort();
        Ok(found)
    }

    fn arn(&self, key: &ObjectKey) -> String {
        let names = self.account.names();
        match &key.place {
            Place::Own(product) => names.object_arn(key.tenant, product, &key.pcf),
            Place::Received(partner) => names.received_arn(key.tenant, partner, &key.pcf),
        }
    }
}

/// The footprint a key is of; none where a partner handed it in, which lies beside the tenant's own.
fn own(key: &str, prefix: &str) -> Result<Option<(ProductId, PcfId)>, VaultError> {
    let foreign = || VaultError::ForeignPath(key.into());
    let below = key.strip_prefix(prefix).ok_or_else(foreign)?;
    let (product, file) = below.split_once('/').ok_or_else(foreign)?;
    if product == "received" {
        return Ok(None);
    }
    let pcf = file.strip_suffix(".json").and_then(|pcf| pcf.parse().ok());
    let product = product.parse().map_err(|_| foreign())?;
    Ok(Some((product, pcf.ok_or_else(foreign)?)))
}

/// What a call is made with in place of the client's own.
fn with(credentials: Credentials) -> Builder {
    Builder::new()
        .credentials_provider(credentials)
        .identity_cache(Aws::no_identity_cache())
}

/// The digest as S3 spells it.
fn checksum(digest: &Digest) -> String {
    BASE64.encode(digest.as_bytes())
}

fn too_large(key: &ObjectKey, size: usize) -> VaultError {
    VaultError::TooLarge {
        what: key.name(),
        size,
        limit: MAX_BYTES,
    }
}
