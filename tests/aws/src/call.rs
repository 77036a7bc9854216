//! One request to AWS, made through the SDK.

mod objects;
mod reach;
mod roles;
mod secrets;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::clients::Clients;
use crate::deployment::Deployment;

pub use reach::{changes_what_others_meet, out_of_reach};

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

/// Why a request cannot be made here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoCall(pub String);

/// An answer, or why there is none.
pub type Asked = Result<Answer, NoCall>;

/// Keys whose values [`make`] puts into a call, beside those that begin with `aws:RequestTag/`.
const PARAMETERS: &[&str] = &[
    "s3:prefix",
    "s3:delimiter",
    AUD,
    AMR,
    "aws:TagKeys",
    SECURE,
    BOUNDARY,
    BLOCK_PUBLIC,
];

/// For which identity pool a token is.
pub const AUD: &str = "cognito-identity.amazonaws.com:aud";
/// Whether a token's bearer is signed in.
pub const AMR: &str = "cognito-identity.amazonaws.com:amr";
/// The permissions boundary a role has or is given.
pub const BOUNDARY: &str = "iam:PermissionsBoundary";
/// Whether a secret's policy that lets everyone in is to be refused.
pub const BLOCK_PUBLIC: &str = "secretsmanager:BlockPublicPolicy";
/// Whether the connection is encrypted.
pub const SECURE: &str = "aws:SecureTransport";

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

    /// With a condition key that is a parameter of the call; one with several values is given each by itself.
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
        self.values(key).next()
    }

    fn values(&self, key: &str) -> impl Iterator<Item = &str> {
        let found = self
            .context
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(key));
        found.map(|(_, value)| value.as_str())
    }

    /// The session tags the request passes.
    fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.context
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix("aws:RequestTag/")?, value.as_str())))
    }

    /// A key that no call of the SDK can give a value.
    fn unknown_key(&self) -> Option<&str> {
        let known = |key: &str| {
            PARAMETERS.iter().any(|known| known.eq_ignore_ascii_case(key)) || key.starts_with("aws:RequestTag/")
        };
        self.context.iter().map(|(key, _)| key.as_str()).find(|key| !known(key))
    }
}

/// Makes the call of `request` as whoever `clients` are.
///
/// # Errors
/// Any answer that is neither success, nor a refusal, nor one that only comes after authorization: then nothing was judged.
pub async fn make(clients: &Clients, request: &Request, deployment: &Deployment<'_>) -> Result<Asked, Failure> {
    if let Some(key) = request.unknown_key() {
        return Ok(Err(NoCall(format!(
            "no call sets the condition key `{key}` to a value of choice"
        ))));
    }
    if let Some(no_call) = reach::part_of_an_arn(request, deployment) {
        return Ok(Err(no_call));
    }
    let done = match request.action.split_once(':') {
        Some(("secretsmanager", action)) => secrets::make(clients, action, request, deployment).await?,
        Some(("s3", action)) => objects::make(clients, action, request, deployment).await?,
        Some(("sts", action)) => roles::session(clients, action, request, deployment).await?,
        Some(("iam", action)) => roles::make(clients, action, request).await?,
        _ => None,
    };
    match done {
        Some(done) => answer(done).map(Ok),
        None => Ok(Err(NoCall(format!(
            "no call is known for the action `{}`",
            request.action
        )))),
    }
}

/// What became of a call: nothing wrong, or AWS's code and message.
type Done = Result<(), (Option<String>, String)>;

fn done<T, E>(result: Result<T, SdkError<E>>) -> Option<Done>
where
    E: ProvideErrorMetadata + std::fmt::Debug,
{
    let Err(error) = result else { return Some(Ok(())) };
    let code = error.code().map(str::to_owned);
    Some(Err((code, format!("{error:?}"))))
}

fn answer(done: Done) -> Result<Answer, Failure> {
    // What AWS finds out only once it has let the call in.
    const AFTER_AUTHORIZATION: &[&str] = &[
        "DeleteConflict",
        "EntityAlreadyExists",
        // of Secrets Manager: the secret is not in the state the call is for
        "InvalidRequestException",
        "NoSuchBucket",
        "NoSuchBucketPolicy",
        "NoSuchEntity",
        "NoSuchKey",
        "NoSuchUpload",
        "NoSuchVersion",
        "ResourceExistsException",
        "ResourceNotFoundException",
    ];
    match done {
        Ok(()) => Ok(Answer::LetThrough),
        Err((Some(code), _)) if matches!(code.as_str(), "AccessDenied" | "AccessDeniedException") => Ok(Answer::Denied),
        Err((Some(code), _)) if AFTER_AUTHORIZATION.contains(&code.as_str()) => Ok(Answer::LetThrough),
        Err((_, told)) => Err(format!("AWS answered what is neither success nor refusal: {told}").into()),
    }
}
