//! Speaking to AWS: one HTTP and TLS stack, bounded waiting, and errors that say what to do.
//!
//! Every call of the program goes through [`Aws::call`]. It waits a bounded time, counts and times the call, keeps away from a service
//! that does not answer ([`breaker`]) and turns the SDK's error into a [`Failure`], which says in one word what became of it. The SDK
//! itself tries again where that can help, at most [`ATTEMPTS`] times with jitter between.
//!
//! Nothing here holds a tenant's credentials: those of the process are the ones its environment gives it (on ECS the task's role),
//! and with them it may take tenants' roles on and nothing else.
//!
//! # Worked example
//!
//! Secrets Manager stops answering. Five requests wait out their time and fail; from the sixth on the answer is 502 at once, without a
//! connection being tried. Five seconds later one request is let through to see. It succeeds, and all go through again.

pub mod breaker;
mod failure;

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sts::config::IdentityCache;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use metrics::{counter, histogram};

pub use self::failure::{Class, Failure};

use self::breaker::Breaker;
use crate::iam::AwsNames;
use crate::telemetry::{AWS_CALL_SECONDS, AWS_CALLS};

/// How often a call is made at most, the first time among them.
pub const ATTEMPTS: u32 = 3;

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(4);

/// How long a call may take with all its attempts.
const CALL: Duration = Duration::from_secs(10);

/// How long a connection may take to stand.
const CONNECT: Duration = Duration::from_secs(2);

/// A service of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Sessions.
    Sts,
    /// Secrets.
    SecretsManager,
    /// Objects.
    S3,
    /// Roles.
    Iam,
    /// User pools.
    CognitoIdp,
    /// Identity pools.
    CognitoIdentity,
}

impl Service {
    /// The prefix of its actions in IAM.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Sts => "sts",
            Self::SecretsManager => "secretsmanager",
            Self::S3 => "s3",
            Self::Iam => "iam",
            Self::CognitoIdp => "cognito-idp",
            Self::CognitoIdentity => "cognito-identity",
        }
    }
}

/// AWS as this process reaches it. Clones share connections and what is known of services that do not answer.
#[derive(Clone, Debug)]
pub struct Aws {
    config: SdkConfig,
    /// An emulator, which has no name for each bucket.
    emulated: bool,
    breakers: Arc<[Breaker; 6]>,
}

impl Aws {
    /// AWS in the region of `names`, with the credentials the environment gives. `endpoint` is an emulator's URL in AWS's place.
    pub async fn open(names: &AwsNames, endpoint: Option<&str>) -> Self {
        let http = Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(CALL)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .region(Region::new(names.region().to_owned()))
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS));
        if let Some(endpoint) = endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        Self {
            config: loader.load().await,
            emulated: endpoint.is_some(),
            breakers: Arc::default(),
        }
    }

    /// The same, with these credentials in place of the environment's.
    #[must_use]
    pub fn with_credentials(&self, credentials: aws_credential_types::Credentials) -> Self {
        let provider = aws_credential_types::provider::SharedCredentialsProvider::new(credentials);
        Self {
            config: self.config.to_builder().credentials_provider(provider).build(),
            ..self.clone()
        }
    }

    /// What clients are made from.
    pub fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// A client of S3.
    pub fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.config);
        aws_sdk_s3::Client::from_conf(config.force_path_style(self.emulated).build())
    }

    /// How clients keep credentials that are handed to each call: not at all, for there are as many as there are sessions.
    pub fn no_identity_cache() -> impl aws_sdk_sts::config::ResolveCachedIdentity + 'static {
        IdentityCache::no_cache()
    }

    /// Waits for a call, and says what became of it.
    ///
    /// # Errors
    /// The call failed, or the service has not answered lately and is left alone for a moment.
    pub async fn call<T, E, R>(
        &self,
        service: Service,
        operation: &'static str,
        sent: impl Future<Output = Result<T, SdkError<E, R>>>,
    ) -> Result<T, Failure>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        let breaker = self.breaker(service);
        if !breaker.admits(Instant::now()) {
            counter!(AWS_CALLS, "service" => service.prefix(), "operation" => operation, "outcome" => "kept-away")
                .increment(1);
            return Err(Failure::kept_away(service, operation));
        }
        // A caller that stops waiting must not leave the breaker waiting for what became of its try.
        let trying = breaker.trying();
        let began = Instant::now();
        let answer = sent.await.map_err(|error| Failure::of(service, operation, &error));
        let outcome = answer.as_ref().map_or_else(|failure| failure.class.as_str(), |_| "ok");
        trying.ended(
            !matches!(&answer, Err(failure) if failure.class == Class::Unavailable),
            Instant::now(),
        );
        histogram!(AWS_CALL_SECONDS, "service" => service.prefix(), "operation" => operation)
            .record(began.elapsed().as_secs_f64());
        counter!(AWS_CALLS, "service" => service.prefix(), "operation" => operation, "outcome" => outcome).increment(1);
        answer
    }

    fn breaker(&self, service: Service) -> &Breaker {
        let [sts, secrets, s3, iam, idp, identity] = &*self.breakers;
        match service {
            Service::Sts => sts,
            Service::SecretsManager => secrets,
            Service::S3 => s3,
            Service::Iam => iam,
            Service::CognitoIdp => idp,
            Service::CognitoIdentity => identity,
        }
    }

    /// Holds the account the environment's credentials are of to the one of the bundle, and gives the ARN they are known by.
    ///
    /// # Errors
    /// There are no credentials, or they are of another account or partition: a sentence that says which.
    pub async fn check(&self, names: &AwsNames) -> Result<String, String> {
        let client = aws_sdk_sts::Client::new(&self.config);
        let asked = self
            .call(Service::Sts, "GetCallerIdentity", client.get_caller_identity().send())
            .await
            .map_err(|failure| format!("who this process is in AWS cannot be found out: {failure}"))?;
        let (account, arn) = (asked.account().unwrap_or_default(), asked.arn().unwrap_or_default());
        let partition = arn.split(':').nth(1).unwrap_or_default();
        if account != names.account() || partition != names.partition() {
            return Err(format!(
                "the credentials here are of account {account} in partition `{partition}` (`{arn}`), the bundle's \
                 policies/correspondence.toml says {} in `{}`; use credentials of that account, or correct [aws] there",
                names.account(),
                names.partition()
            ));
        }
        Ok(arn.to_owned())
    }
}
