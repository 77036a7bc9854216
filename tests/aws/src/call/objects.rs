//! Calls of S3.

use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{
    BucketCannedAcl, BucketLifecycleConfiguration, Destination, ExpirationStatus, GlacierJobParameters,
    LifecycleExpiration, LifecycleRule, LifecycleRuleFilter, NotificationConfiguration, ObjectAttributes,
    ObjectCannedAcl, ObjectLockRetention, ObjectLockRetentionMode, PublicAccessBlockConfiguration,
    ReplicationConfiguration, ReplicationRule, ReplicationRuleStatus, RestoreRequest, Tag, Tagging, Tier,
};

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
    if action == "ListAllMyBuckets" {
        return Ok(done(client.list_buckets().send().await));
    }
    let path = request.resource.splitn(6, ':').nth(5).unwrap_or_default();
    match path.split_once('/') {
        None => match of_bucket(client, action, path, request).await {
            None => configuration(client, action, path).await,
            asked => Ok(asked),
        },
        Some((bucket, key)) => {
            // Without the object, AWS would deny whoever may not list.
            let version = deployment.put_object(bucket, key).await?;
            of_object(client, action, bucket, key, version).await
        }
    }
}

async fn of_bucket(client: &aws_sdk_s3::Client, action: &str, bucket: &str, request: &Request) -> Option<Done> {
    let prefix = request.key("s3:prefix").map(str::to_owned);
    let delimiter = request.key("s3:delimiter").map(str::to_owned);
    match action {
        "GetBucketPolicy" => done(client.get_bucket_policy().bucket(bucket).send().await),
        "GetBucketVersioning" => done(client.get_bucket_versioning().bucket(bucket).send().await),
        "ListBucket" => {
            let list = client.list_objects_v2().bucket(bucket).set_prefix(prefix);
            done(list.set_delimiter(delimiter).send().await)
        }
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
        "DeleteBucket" => done(client.delete_bucket().bucket(bucket).send().await),
        "GetBucketLocation" => done(client.get_bucket_location().bucket(bucket).send().await),
        "DeleteBucketPolicy" => done(client.delete_bucket_policy().bucket(bucket).send().await),
        _ => None,
    }
}

/// What a bucket is set up with.
async fn configuration(client: &aws_sdk_s3::Client, action: &str, bucket: &str) -> Result<Option<Done>, Failure> {
    Ok(match action {
        "PutBucketAcl" => {
            let put = client.put_bucket_acl().bucket(bucket).acl(BucketCannedAcl::PublicRead);
            done(put.send().await)
        }
        "PutBucketNotification" => {
            let nothing = NotificationConfiguration::builder().build();
            let put = client.put_bucket_notification_configuration().bucket(bucket);
            done(put.notification_configuration(nothing).send().await)
        }
        "PutBucketPublicAccessBlock" => {
            let open = PublicAccessBlockConfiguration::builder().block_public_policy(false);
            let put = client.put_public_access_block().bucket(bucket);
            done(put.public_access_block_configuration(open.build()).send().await)
        }
        "PutLifecycleConfiguration" => {
            let rule = LifecycleRule::builder()
                .status(ExpirationStatus::Enabled)
                .filter(LifecycleRuleFilter::builder().prefix("probe/").build())
                .expiration(LifecycleExpiration::builder().days(1).build())
                .build()?;
            let rules = BucketLifecycleConfiguration::builder().rules(rule).build()?;
            let put = client.put_bucket_lifecycle_configuration().bucket(bucket);
            done(put.lifecycle_configuration(rules).send().await)
        }
        "PutReplicationConfiguration" => {
            let elsewhere = Destination::builder().bucket("arn:aws:s3:::probe").build()?;
            let rule = ReplicationRule::builder()
                .status(ReplicationRuleStatus::Enabled)
                .destination(elsewhere)
                .build()?;
            let rules = ReplicationConfiguration::builder()
                .role("arn:aws:iam::123456789012:role/probe")
                .rules(rule)
                .build()?;
            let put = client.put_bucket_replication().bucket(bucket);
            done(put.replication_configuration(rules).send().await)
        }
        _ => None,
    })
}

/// What beside an object's content there is to it.
async fn beside_object(
    client: &aws_sdk_s3::Client,
    action: &str,
    bucket: &str,
    key: &str,
) -> Result<Option<Done>, Failure> {
    Ok(match action {
        "AbortMultipartUpload" => {
            let abort = client.abort_multipart_upload().bucket(bucket).key(key);
            done(abort.upload_id("probe").send().await)
        }
        "GetObjectAttributes" => {
            let get = client.get_object_attributes().bucket(bucket).key(key);
            done(get.object_attributes(ObjectAttributes::ObjectSize).send().await)
        }
        "PutObjectRetention" => {
            let retention = ObjectLockRetention::builder()
                .mode(ObjectLockRetentionMode::Governance)
                .retain_until_date(DateTime::from_secs(4_102_444_800));
            let put = client.put_object_retention().bucket(bucket).key(key);
            done(put.retention(retention.build()).send().await)
        }
        "RestoreObject" => {
            let job = GlacierJobParameters::builder().tier(Tier::Standard).build()?;
            let restore = RestoreRequest::builder().days(1).glacier_job_parameters(job).build();
            let call = client.restore_object().bucket(bucket).key(key);
            done(call.restore_request(restore).send().await)
        }
        _ => None,
    })
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
        _ => beside_object(client, action, bucket, key).await?,
    })
}
