//! The object that marks a tenant's prefix, so that who looks at the bucket sees whose it is.

use aws_sdk_s3::primitives::ByteStream;

use super::{Provision, about};
use crate::aws::Service;
use crate::tenant::wanted::Wanted;

impl Provision {
    /// Puts the marker where there is none. Whether there is one cannot be read: the provisioning role reads nothing in the bucket.
    pub(super) async fn mark(&self, wanted: &Wanted) -> Result<Vec<String>, String> {
        let thing = format!("the object `{}`", wanted.marker);
        let call = self
            .s3
            .put_object()
            .bucket(self.account.names().bucket())
            .key(&wanted.marker);
        let call = call.if_none_match("*").body(ByteStream::from_static(b"")).send();
        match self.call(Service::S3, "PutObject", call).await {
            Ok(_) => Ok(vec![format!("{thing} marks the prefix")]),
            Err(failure) if failure.code == "PreconditionFailed" => Ok(Vec::new()),
            Err(failure) => Err(about(&thing)(failure)),
        }
    }

    /// Takes the marker away.
    pub(super) async fn unmark(&self, wanted: &Wanted) -> Result<Vec<String>, String> {
        let thing = format!("the object `{}`", wanted.marker);
        let call = self
            .s3
            .delete_object()
            .bucket(self.account.names().bucket())
            .key(&wanted.marker)
            .send();
        self.call(Service::S3, "DeleteObject", call)
            .await
            .map_err(about(&thing))?;
        Ok(vec![format!("{thing} is deleted")])
    }
}
