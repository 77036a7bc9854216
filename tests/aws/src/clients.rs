//! The real SDKs, pointed at an emulator on this machine or at AWS.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents, SharedHttpClient};
use aws_sdk_s3::error::BoxError;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use crate::Failure;

/// Where an emulator listens. It speaks plain HTTP.
#[derive(Clone, Debug)]
pub struct Emulator {
    url: String,
    region: String,
    http: SharedHttpClient,
}

/// One client of each service, all with the same credentials.
#[derive(Clone, Debug)]
pub struct Clients {
    /// User pools.
    pub idp: aws_sdk_cognitoidentityprovider::Client,
    /// Identity pools.
    pub identity: aws_sdk_cognitoidentity::Client,
    /// Roles and policies.
    pub iam: aws_sdk_iam::Client,
    /// Sessions.
    pub sts: aws_sdk_sts::Client,
    /// Secrets.
    pub secrets: aws_sdk_secretsmanager::Client,
    /// Objects.
    pub s3: aws_sdk_s3::Client,
    /// Objects, over a connection that is not encrypted.
    pub plain_s3: aws_sdk_s3::Client,
}

impl Emulator {
    /// The emulator at `url`, such as `http://127.0.0.1:4566`, asked in `region`.
    pub fn new(url: &str, region: &str) -> Self {
        Self {
            url: url.to_owned(),
            region: region.to_owned(),
            http: http(),
        }
    }

    /// Clients with these credentials; without any, only calls that need none can be made.
    pub fn clients(&self, credentials: Option<Credentials>) -> Clients {
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .endpoint_url(self.url.clone())
            .http_client(self.http.clone());
        if let Some(credentials) = credentials {
            config = config.credentials_provider(SharedCredentialsProvider::new(credentials));
        }
        let config = config.build();
        // An emulator has no name for each bucket.
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true);
        Clients {
            idp: aws_sdk_cognitoidentityprovider::Client::new(&config),
            identity: aws_sdk_cognitoidentity::Client::new(&config),
            iam: aws_sdk_iam::Client::new(&config),
            sts: aws_sdk_sts::Client::new(&config),
            secrets: aws_sdk_secretsmanager::Client::new(&config),
            plain_s3: aws_sdk_s3::Client::from_conf(s3.clone().build()),
            s3: aws_sdk_s3::Client::from_conf(s3.interceptor(EncryptedUpToHere).build()),
        }
    }
}

/// Says what a proxy says that ends TLS in front of the emulator, so that `aws:SecureTransport` is true.
#[derive(Debug)]
struct EncryptedUpToHere;

impl Intercept for EncryptedUpToHere {
    fn name(&self) -> &'static str {
        "EncryptedUpToHere"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        context.request_mut().headers_mut().insert("x-forwarded-proto", "https");
        Ok(())
    }
}

/// IAM of AWS itself, with what the environment holds: variables, a profile, a container's or an instance's role. Where
/// `AWS_ENDPOINT_URL` is set, that is asked instead.
///
/// # Errors
/// There are no credentials.
pub async fn real_iam() -> Result<aws_sdk_iam::Client, Failure> {
    let mut config = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http())
        .load()
        .await;
    if config.region().is_none() {
        // IAM is the same in every region, but a request has to be signed for one.
        config = config.into_builder().region(Region::from_static("us-east-1")).build();
    }
    let provider = config.credentials_provider().ok_or(NO_CREDENTIALS)?;
    provider
        .provide_credentials()
        .await
        .map_err(|error| format!("{NO_CREDENTIALS}: {error}"))?;
    Ok(aws_sdk_iam::Client::new(&config))
}

const NO_CREDENTIALS: &str = "there are no AWS credentials in the environment, so AWS was NOT asked; set AWS_PROFILE, or \
                              AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";

/// TLS by rustls with aws-lc, the one crypto backend of the project; plain HTTP where the address says so.
fn http() -> SharedHttpClient {
    Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
        .build_https()
}
