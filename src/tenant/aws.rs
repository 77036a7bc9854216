//! What stands for a tenant in AWS: looked at, made and taken away with the provisioning role.
//!
//! The role this runs under (`policies/iam/provisioning-role.json`) makes tenants' roles only with the boundary on, and reads no
//! tenant's data: not the value of a secret, not an object. The service that answers requests has none of these rights.

mod clients;
mod groups;
mod mapping;
mod marker;
mod role;
mod secrets;

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};

use self::clients::Made;
use super::journal::Run;
use super::wanted::{Purpose, Setting, Wanted};
use super::{Care, Difference, Office, PassageError, Watch};
use crate::aws::{Aws, Class, Failure, Service};
use crate::iam::{Account, DocumentKind, Outline};
use crate::pace::Pace;
use crate::registry::Tenant;

/// AWS, as onboarding reaches it.
pub struct Provision {
    aws: Aws,
    account: Arc<Account>,
    setting: Setting,
    iam: aws_sdk_iam::Client,
    idp: aws_sdk_cognitoidentityprovider::Client,
    identity: aws_sdk_cognitoidentity::Client,
    secrets: aws_sdk_secretsmanager::Client,
    s3: aws_sdk_s3::Client,
    /// AWS counts administrative calls of an account by a bucket of tokens for each service, and refuses what is beyond; the SDK would try that
    /// again, but three times only.
    pace: Pace<Service>,
    /// The app clients of the user pool by name, read once: it is one list for all tenants.
    listed: tokio::sync::Mutex<Option<BTreeMap<String, Vec<String>>>>,
}

impl Provision {
    /// AWS with the credentials of `aws`; at most `rate` calls a second to each service.
    pub fn new(aws: Aws, account: Arc<Account>, setting: Setting, rate: u32) -> Self {
        Self {
            iam: aws_sdk_iam::Client::new(aws.config()),
            idp: aws_sdk_cognitoidentityprovider::Client::new(aws.config()),
            identity: aws_sdk_cognitoidentity::Client::new(aws.config()),
            secrets: aws_sdk_secretsmanager::Client::new(aws.config()),
            s3: aws.s3(),
            pace: Pace::new(rate, rate),
            aws,
            account,
            setting,
            listed: tokio::sync::Mutex::default(),
        }
    }

    /// What of AWS is the platform's and not in the bundle.
    pub fn setting(&self) -> &Setting {
        &self.setting
    }

    /// The issuer of the user pool's tokens.
    pub fn issuer(&self) -> String {
        format!("https://{}", self.user_pool())
    }

    /// Makes all that should stand and gives the tenant with what came of it: its clients and the last parts of its secrets' ARNs.
    pub(super) async fn onboard(
        &self,
        office: &Office<'_>,
        run: &Run,
        wanted: &Wanted,
        tenant: Tenant,
        watch: Watch<'_>,
    ) -> Result<Tenant, PassageError> {
        let mend = Care::Mend;
        office
            .step(run, "role", watch, async { done(self.role(wanted, mend).await?) })
            .await?;
        office
            .step(run, "groups", watch, async { done(self.groups(wanted, mend).await?) })
            .await?;
        office
            .step(run, "mapping", watch, async { done(self.mapping(mend).await?) })
            .await?;
        office
            .step(run, "server", watch, async { done(self.server(wanted, mend).await?) })
            .await?;
        let mut made = Vec::new();
        let clients = async {
            let (differences, clients) = self.clients(wanted, mend).await?;
            made = clients;
            done(differences)
        };
        office.step(run, "clients", watch, clients).await?;
        let mut suffixes = BTreeMap::new();
        let secrets = async {
            let (differences, found) = self.secrets(wanted, &made, mend).await?;
            suffixes = found;
            done(differences)
        };
        office.step(run, "secrets", watch, secrets).await?;
        office
            .step(run, "marker", watch, async { self.mark(wanted).await })
            .await?;
        Ok(with(tenant, &made, suffixes))
    }

    /// Takes away what stands.
    pub(super) async fn offboard(
        &self,
        office: &Office<'_>,
        run: &Run,
        wanted: &Wanted,
        watch: Watch<'_>,
    ) -> Result<(), PassageError> {
        office
            .step(run, "clients", watch, async { self.delete_clients(wanted).await })
            .await?;
        office
            .step(run, "groups", watch, async { self.delete_groups(wanted).await })
            .await?;
        office
            .step(run, "secrets", watch, async { self.delete_secrets(wanted).await })
            .await?;
        office
            .step(run, "marker", watch, async { self.unmark(wanted).await })
            .await?;
        office
            .step(run, "role", watch, async { self.delete_role(wanted).await })
            .await
    }

    /// All that is not as it should be.
    ///
    /// # Errors
    /// AWS cannot be asked: a sentence that says what of.
    pub async fn differences(&self, wanted: &Wanted, tenant: &Tenant) -> Result<Vec<Difference>, String> {
        let look = Care::Look;
        let mut all = self.role(wanted, look).await?;
        all.extend(self.groups(wanted, look).await?);
        all.extend(self.mapping(look).await?);
        all.extend(self.server(wanted, look).await?);
        let (differences, made) = self.clients(wanted, look).await?;
        all.extend(differences);
        let (differences, suffixes) = self.secrets(wanted, &made, look).await?;
        all.extend(differences);
        let should = with(tenant.clone(), &made, suffixes);
        if should.identity != tenant.identity {
            all.push(Difference::new(
                "the tenant's record",
                "names other app clients than the user pool has",
            ));
        }
        if should.secrets != tenant.secrets {
            all.push(Difference::new(
                "the tenant's record",
                "names other secrets than Secrets Manager has",
            ));
        }
        Ok(all)
    }

    /// Makes a call in its turn.
    async fn call<T, E, R>(
        &self,
        service: Service,
        operation: &'static str,
        sent: impl Future<Output = Result<T, SdkError<E, R>>>,
    ) -> Result<T, Failure>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        self.pace.turn(service).await;
        self.aws.call(service, operation, sent).await
    }
}

/// The tenant with its clients and secrets on record.
fn with(
    mut tenant: Tenant,
    made: &[Made],
    suffixes: BTreeMap<crate::ids::SecretName, crate::ids::SecretSuffix>,
) -> Tenant {
    let of = |purpose| {
        let of = made.iter().filter(move |made| made.purpose == purpose);
        of.map(|made| made.id.clone()).collect()
    };
    tenant.identity.connectors = of(Purpose::Connector);
    tenant.identity.integrations = of(Purpose::Ingest);
    tenant.secrets = suffixes;
    tenant
}

/// Differences that were mended, as what was done.
fn done(differences: Vec<Difference>) -> Result<Vec<String>, String> {
    Ok(differences.iter().map(Difference::mended).collect())
}

/// Whether the document that is deployed says what it should. One that cannot be read does not.
fn says(deployed: &str, wanted: &str, kind: DocumentKind) -> bool {
    let read = |text| Outline::of("deployed", text, kind);
    matches!((read(deployed), read(wanted)), (Ok(deployed), Ok(wanted)) if deployed.differences_from(&wanted).is_empty())
}

/// What is there, or that it is not.
fn found<T>(answer: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(failure) if failure.class == Class::Missing => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// A failure as a step tells it: what it was about, and where it is a matter of rights, which right.
fn about(thing: &str) -> impl Fn(Failure) -> String {
    move |failure| match failure.class {
        Class::Denied => format!(
            "{thing}: the credentials here may not `{}:{}`; policies/iam/provisioning-role.json grants it where it is needed, so see \
             whether that is the role they are of, and what of it is deployed ({failure})",
            failure.service.prefix(),
            failure.operation
        ),
        _ => format!("{thing}: {failure}"),
    }
}
