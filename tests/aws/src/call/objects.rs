//! Calls of S3.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ObjectCannedAcl, Tag, Tagging};

use super::{Done, Request, SECURE, done};
use crate::Failure;
use crate::clients::Clients;
use crate::deployment::Deployment;

pub(super) async fn make(
    clients: &Clients,
    action: &str,
    request: &Request,
    deployment: &Deployment<'_>,
) -> Result<Option<Done>, Failure> {
    let client = match request.key(SECURE) {
        Some("false") => &clients.plain_s3,
        _ => &clients.s3,
    };
    let path = request.resource.splitn(6, ':').nth(5).unwrap_or_default();
    match path.split_once('/') {
        None => Ok(of_bucket(client, action, path, request).await),
        Some((bucket, key)) => {
            // Without the object, AWS would deny whoever may not list.
            let version = deployment.put_object(bucket, key).await?;
            of_object(client, action, bucket, key, version).await
        }
    }
}

async fn of_bucket(client: &aws_sdk_s3::Client, action: &str, bucket: &str, request: &Request) -> Option<Done> {
    let prefix = request.key("s3:prefix").map(str::to_owned);
    match action {
        "GetBucketPolicy" => done(client.get_bucket_policy().bucket(bucket).send().await),
        "GetBucketVersioning" => done(client.get_bucket_versioning().bucket(bucket).send().await),
        "ListBucket" => done(client.list_objects_v2().bucket(bucket).set_prefix(prefix).send().await),
        "ListBucketMultipartUploads" => done(client.list_multipart_uploads().bucket(bucket).send().await),
        "ListBucketVersions" => done(
            client
                .list_object_versions()
                .bucket(bucket)
                .set_prefix(prefix)
                .send()
                .await,
        ),
        "PutBucketPolicy" => done(client.put_bucket_policy().bucket(bucket).policy("{}").send().await),
        "DeleteBucketPolicy" => done(client.delete_bucket_policy().bucket(bucket).send().await),
        _ => None,
    }
}

async fn of_object(
    client: &aws_sdk_s3::Client,
    action: &str,
    bucket: &str,
    key: &str,
    version: Option<String>,
) -> Result<Option<Done>, Failure> {
    Ok(match action {
        "DeleteObject" => done(client.delete_object().bucket(bucket).key(key).send().await),
        "DeleteObjectVersion" => {
            let delete = client.delete_object().bucket(bucket).key(key);
            done(delete.set_version_id(version).send().await)
        }
        "GetObject" => done(client.get_object().bucket(bucket).key(key).send().await),
        "GetObjectAcl" => done(client.get_object_acl().bucket(bucket).key(key).send().await),
        "GetObjectTagging" => done(client.get_object_tagging().bucket(bucket).key(key).send().await),
        "GetObjectVersion" => {
            let version = version.ok_or("the bucket keeps no versions")?;
            done(
                client
                    .get_object()
                    .bucket(bucket)
                    .key(key)
                    .version_id(version)
                    .send()
                    .await,
            )
        }
        "PutObject" => {
            let body = ByteStream::from_static(b"{}");
            done(client.put_object().bucket(bucket).key(key).body(body).send().await)
        }
        "PutObjectAcl" => {
            let put = client.put_object_acl().bucket(bucket).key(key);
            done(put.acl(ObjectCannedAcl::PublicRead).send().await)
        }
        "PutObjectTagging" => {
            let tag = Tag::builder().key("probe").value("probe").build()?;
            let tags = Tagging::builder().tag_set(tag).build()?;
            done(
                client
                    .put_object_tagging()
                    .bucket(bucket)
                    .key(key)
                    .tagging(tags)
                    .send()
                    .await,
            )
        }
        _ => None,
    })
}
