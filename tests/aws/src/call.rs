//! One request to AWS, made through the SDK.

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Failure;
use crate::clients::Clients;
use crate::deployment::Deployment;

/// What is asked of AWS, in the words of IAM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The IAM action, `service:Action`.
    pub action: String,
    /// The ARN, with the suffix Tidegate knows a secret by; `*` for an action without a resource type.
    pub resource: String,
    /// Condition keys that are parameters of the call, such as `s3:prefix` and `aws:RequestTag/…`.
    pub context: Vec<(String, String)>,
    /// Whether a secret is named by its name, not by its ARN.
    pub by_name: bool,
}

/// Whether AWS lets a call through. One that fails later, because nothing is there, was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The call was authorized.
    LetThrough,
    /// `AccessDenied`.
    Denied,
}

/// A request this crate knows no call for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoCall(pub String);

impl Request {
    /// The request for `action` on `resource`.
    pub fn new(action: &str, resource: &str) -> Self {
        Self {
            action: action.to_owned(),
            resource: resource.to_owned(),
            context: Vec::new(),
            by_name: false,
        }
    }

    /// With a condition key that is a parameter of the call.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.context.push((key.to_owned(), value.to_owned()));
        self
    }

    /// With the secret named by its name.
    #[must_use]
    pub fn by_name(mut self) -> Self {
        self.by_name = true;
        self
    }

    fn key(&self, key: &str) -> Option<&str> {
        self.context
            .iter()
            .find(|(known, _)| known == key)
            .map(|(_, value)| value.as_str())
    }

    /// The session tags the request passes.
    fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.context
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix("aws:RequestTag/")?, value.as_str())))
    }
}

/// Makes the call of `request` as whoever `clients` are.
///
/// # Errors
/// Any answer that is neither success, nor a refusal, nor that something is not there: then nothing was judged.
pub async fn make(
    clients: &Clients,
    request: &Request,
    deployment: &Deployment<'_>,
) -> Result<Result<Answer, NoCall>, Failure> {
    let answered = match request.action.split_once(':') {
        Some(("secretsmanager", action)) => secret(clients, action, request, deployment).await?,
        Some(("s3", action)) => object(clients, action, request, deployment).await?,
        Some(("sts", action)) => session(clients, action, request, deployment).await?,
        _ => None,
    };
    Ok(answered.ok_or_else(|| NoCall(format!("no call is known for the action `{}`", request.action))))
}

async fn secret(
    clients: &Clients,
    action: &str,
    request: &Request,
    deployment: &Deployment<'_>,
) -> Result<Option<Answer>, Failure> {
    let client = &clients.secrets;
    let id = if request.by_name {
        deployment.secret_name(&request.resource)?
    } else {
        deployment.secret_there(&request.resource)
    };
    answer(match action {
        "GetSecretValue" => done(client.get_secret_value().secret_id(id).send().await),
        "DescribeSecret" => done(client.describe_secret().secret_id(id).send().await),
        "PutSecretValue" => done(
            client
                .put_secret_value()
                .secret_id(id)
                .secret_string("new")
                .send()
                .await,
        ),
        "DeleteSecret" => done(client.delete_secret().secret_id(id).send().await),
        "GetResourcePolicy" => done(client.get_resource_policy().secret_id(id).send().await),
        "UpdateSecretVersionStage" => {
            let version = deployment.new_version(&request.resource).await?;
            let call = client.update_secret_version_stage().secret_id(id);
            let stage = format!("probe-{version}");
            done(call.version_stage(stage).move_to_version_id(version).send().await)
        }
        "BatchGetSecretValue" => {
            let ids = deployment.secrets_there().cloned();
            done(
                client
                    .batch_get_secret_value()
                    .set_secret_id_list(Some(ids.take(20).collect()))
                    .send()
                    .await,
            )
        }
        "ListSecrets" => done(client.list_secrets().send().await),
        _ => return Ok(None),
    })
}

/// Whether a secret is among those that `BatchGetSecretValue` gives; what it may not give, it names with the reason.
///
/// # Errors
/// The batch as a whole is refused, or gives neither.
pub async fn one_of_batch(
    clients: &Clients,
    request: &Request,
    deployment: &Deployment<'_>,
) -> Result<Answer, Failure> {
    let id = deployment.secret_there(&request.resource);
    let batch = clients
        .secrets
        .batch_get_secret_value()
        .secret_id_list(id)
        .send()
        .await?;
    if batch.secret_values().iter().any(|value| value.arn() == Some(id)) {
        return Ok(Answer::LetThrough);
    }
    match batch
        .errors()
        .iter()
        .find(|error| error.secret_id() == Some(id))
        .and_then(|error| error.error_code())
    {
        Some("AccessDeniedException") => Ok(Answer::Denied),
        other => Err(format!("a batch without its secret, for `{other:?}`").into()),
    }
}

async fn object(
    clients: &Clients,
    action: &str,
    request: &Request,
    deployment: &Deployment<'_>,
) -> Result<Option<Answer>, Failure> {
    let client = &clients.s3;
    let path = request.resource.splitn(6, ':').nth(5).unwrap_or_default();
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    // Without the object, AWS would deny whoever may not list.
    let version = match key {
        "" => None,
        key => deployment.put_object(bucket, key).await?,
    };
    answer(match action {
        "GetObject" => done(client.get_object().bucket(bucket).key(key).send().await),
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
        "DeleteObject" => done(client.delete_object().bucket(bucket).key(key).send().await),
        "ListBucket" => {
            let prefix = request.key("s3:prefix").map(str::to_owned);
            done(client.list_objects_v2().bucket(bucket).set_prefix(prefix).send().await)
        }
        _ => return Ok(None),
    })
}

async fn session(
    clients: &Clients,
    action: &str,
    request: &Request,
    deployment: &Deployment<'_>,
) -> Result<Option<Answer>, Failure> {
    let client = &clients.sts;
    answer(match action {
        "AssumeRole" => {
            let mut call = client
                .assume_role()
                .role_arn(&request.resource)
                .role_session_name("probe");
            for (key, value) in request.tags() {
                call = call.tags(aws_sdk_sts::types::Tag::builder().key(key).value(value).build()?);
            }
            done(call.send().await)
        }
        "AssumeRoleWithWebIdentity" => {
            let call = deployment.nobody.sts.assume_role_with_web_identity();
            let call = call.role_arn(&request.resource).role_session_name("probe");
            done(call.web_identity_token(token(request)).send().await)
        }
        _ => return Ok(None),
    })
}

/// A token as an identity pool makes it, but for its signature, which the emulator does not check.
fn token(request: &Request) -> String {
    const POOL: &str = "cognito-identity.amazonaws.com";
    let mut claims = json!({"iss": format!("https://{POOL}"), "sub": "eu-central-1:probe", "exp": 4_102_444_800_u64});
    let tags: serde_json::Map<_, _> = request
        .tags()
        .map(|(key, value)| (key.to_owned(), json!([value])))
        .collect();
    if let Some(claims) = claims.as_object_mut() {
        if let Some(audience) = request.key("cognito-identity.amazonaws.com:aud") {
            claims.insert("aud".to_owned(), json!(audience));
        }
        if let Some(method) = request.key("cognito-identity.amazonaws.com:amr") {
            claims.insert("amr".to_owned(), json!([method]));
        }
        if !tags.is_empty() {
            let tags = json!({"principal_tags": tags, "transitive_tag_keys": []});
            claims.insert("https://aws.amazon.com/tags".to_owned(), tags);
        }
    }
    let part = |value: &serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!(
        "{}.{}.{}",
        part(&json!({"alg": "RS256", "kid": "probe"})),
        part(&claims),
        "c2lnbmF0dXJl"
    )
}

/// What became of a call: nothing wrong, or AWS's code and message.
type Done = Result<(), (Option<String>, String)>;

fn done<T, E>(result: Result<T, SdkError<E>>) -> Done
where
    E: ProvideErrorMetadata + std::fmt::Debug,
{
    let Err(error) = result else { return Ok(()) };
    let code = error.code().map(str::to_owned);
    Err((code, format!("{error:?}")))
}

fn answer(done: Done) -> Result<Option<Answer>, Failure> {
    match done {
        Ok(()) => Ok(Some(Answer::LetThrough)),
        Err((code, told)) => match code.as_deref() {
            Some("AccessDenied" | "AccessDeniedException") => Ok(Some(Answer::Denied)),
            Some("ResourceNotFoundException" | "NoSuchKey" | "NoSuchBucket" | "NoSuchVersion") => {
                Ok(Some(Answer::LetThrough))
            }
            _ => Err(format!("AWS answered what is neither success nor refusal: {told}").into()),
        },
    }
}
