//! The platform as it stands before any tenant: pools, bucket, boundary and the two roles it works with.
//!
//! What `deploy/core.yaml` makes, made by calls of the SDK; for the tenants themselves there is nobody but Tidegate. It is in an account of
//! its own, so that what the judges make is not met. Documents that all tenants share and that speak of a session's tag, the boundary and
//! the bucket's policy, are said in the emulator's words ([`crate::translate`]); so are the secrets' policies, after Tidegate has put
//! them ([`Platform::understand_secrets`]). The tenants' own documents are what Tidegate put.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use aws_credential_types::Credentials;
use aws_sdk_cognitoidentity::types::CognitoIdentityProvider;
use aws_sdk_cognitoidentityprovider::types::{AttributeDataType, SchemaAttributeType};
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration, VersioningConfiguration,
};
use serde_json::{Value, json};
use tidegate::bundle::Bundle;
use tidegate::iam::{Account, Params};
use tidegate::ids::TenantId;

use crate::Failure;
use crate::clients::{Clients, Emulator};
use crate::deployment::harness;
use crate::translate::for_emulator;

const REGION: &str = "eu-central-1";

/// The platform in the emulator.
pub struct Platform {
    /// The bundle with the names of what was made.
    pub bundle: Bundle,
    /// Where that bundle is.
    pub directory: PathBuf,
    /// The app client people sign in through.
    pub people_client: String,
    /// The account; whoever signs with it as access key is its root user in the emulator.
    pub account: &'static str,
    bucket: String,
    /// The emulator.
    pub url: String,
    emulator: Emulator,
    /// The account's root user.
    pub root: Clients,
    harness: Clients,
    tags: BTreeSet<String>,
}

impl Platform {
    /// Makes it in an account where nothing is. `tenants` are those whose sessions the shared documents are to know.
    ///
    /// # Errors
    /// A call that fails.
    pub async fn create(
        (url, account): (&str, &'static str),
        directory: &Path,
        tenants: &[TenantId],
    ) -> Result<Self, Failure> {
        let bucket = format!("tidegate-onboarded-{account}");
        let emulator = Emulator::new(url, REGION);
        let root = emulator.clients(Some(Credentials::from_keys(account, "test", None)));
        let (user_pool, people_client) = people(&root).await?;
        let identity_pool = identities(&root, &user_pool, &people_client).await?;
        let names = [
            ("account", account),
            ("region", REGION),
            ("bucket", &bucket),
            ("identity_pool", &identity_pool),
            ("user_pool", &user_pool),
        ];
        let directory = bundle_with(directory, &names)?;
        let bundle = Bundle::directory(&directory).map_err(|error| error.render())?;
        let platform = Self {
            harness: harness(&root, &emulator).await?,
            bundle,
            directory,
            people_client,
            account,
            bucket,
            url: url.to_owned(),
            emulator,
            root,
            tags: tenants.iter().map(TenantId::to_string).collect(),
        };
        platform.bucket().await?;
        platform.roles().await?;
        Ok(platform)
    }

    fn of_bundle(&self) -> &Account {
        &self.bundle.account
    }

    fn document(&self, name: &str) -> Result<String, Failure> {
        let params: Params<'_> = self.of_bundle().names().params();
        let document = self.of_bundle().document(name).ok_or("a document that is not there")?;
        Ok(document.render(&params)?)
    }

    async fn bucket(&self) -> Result<(), Failure> {
        let place = CreateBucketConfiguration::builder()
            .location_constraint(BucketLocationConstraint::from(REGION))
            .build();
        let create = self.root.s3.create_bucket().bucket(&self.bucket);
        create.create_bucket_configuration(place).send().await?;
        let versions = VersioningConfiguration::builder()
            .status(BucketVersioningStatus::Enabled)
            .build();
        let put = self.root.s3.put_bucket_versioning().bucket(&self.bucket);
        put.versioning_configuration(versions).send().await?;
        let policy = for_emulator(&over_plain_http(&self.document("bucket-policy")?)?, &self.tags)?;
        self.root
            .s3
            .put_bucket_policy()
            .bucket(&self.bucket)
            .policy(policy)
            .send()
            .await?;
        Ok(())
    }

    async fn roles(&self) -> Result<(), Failure> {
        let boundary = for_emulator(&self.document("tenant-boundary")?, &self.tags)?;
        let create = self.root.iam.create_policy().policy_name("tidegate-tenant-boundary");
        create.policy_document(boundary).send().await?;
        for name in ["service", "provisioning"] {
            let mut trust: Value = serde_json::from_str(&self.document(&format!("{name}-trust"))?)?;
            let statements = trust.get_mut("Statement").and_then(Value::as_array_mut);
            statements.ok_or("a trust policy without statements")?.push(json!({
                "Sid": "Harness",
                "Effect": "Allow",
                "Principal": {"AWS": format!("arn:aws:iam::{}:user/tidegate-harness", self.account)},
                "Action": "sts:AssumeRole",
            }));
            let role = format!("tidegate-{name}");
            let create = self.root.iam.create_role().role_name(&role);
            create.assume_role_policy_document(trust.to_string()).send().await?;
            let put = self
                .root
                .iam
                .put_role_policy()
                .role_name(&role)
                .policy_name(format!("{name}-role"));
            put.policy_document(without_unknown_keys(&self.document(&format!("{name}-role"))?)?)
                .send()
                .await?;
        }
        Ok(())
    }

    /// Credentials of one of the platform's own roles, `service` or `provisioning`.
    ///
    /// # Errors
    /// The call fails.
    pub async fn credentials(&self, role: &str) -> Result<Credentials, Failure> {
        let call = self
            .harness
            .sts
            .assume_role()
            .role_arn(format!("arn:aws:iam::{}:role/tidegate-{role}", self.account));
        let session = call.role_session_name("tidegate").send().await?;
        let given = session.credentials().ok_or("a session without credentials")?;
        let token = Some(given.session_token().to_owned());
        Ok(Credentials::from_keys(
            given.access_key_id(),
            given.secret_access_key(),
            token,
        ))
    }

    /// Clients with these credentials.
    pub fn clients(&self, credentials: Credentials) -> Clients {
        self.emulator.clients(Some(credentials))
    }

    /// Says the policies of a tenant's secrets in the emulator's words: it gives `aws:PrincipalArn` the ARN of the session.
    ///
    /// # Errors
    /// A call that fails, or a secret on which Tidegate put no policy.
    pub async fn understand_secrets(&self, tenant: TenantId) -> Result<Vec<String>, Failure> {
        let mut arns = Vec::new();
        for name in ["connector-client", "registry-client", "ingest-auth"] {
            let id = format!("tidegate/{tenant}/{name}");
            let got = self.root.secrets.get_resource_policy().secret_id(&id).send().await?;
            let policy = for_emulator(got.resource_policy().ok_or("a secret without a policy")?, &self.tags)?;
            self.root
                .secrets
                .put_resource_policy()
                .secret_id(&id)
                .resource_policy(policy)
                .send()
                .await?;
            arns.push(got.arn().ok_or("a secret without an ARN")?.to_owned());
        }
        Ok(arns)
    }
}

/// Condition keys that the emulator gives no request, so that a statement which asks for one never counts there. The corpus has them.
const UNKNOWN: [&str; 3] = [
    "iam:PermissionsBoundary",
    "iam:PassedToService",
    "secretsmanager:BlockPublicPolicy",
];

/// The document without the statement on encrypted transport: the program has no TLS to an emulator, and the judges ask about that.
fn over_plain_http(document: &str) -> Result<String, Failure> {
    let mut document: Value = serde_json::from_str(document)?;
    let statements = document.get_mut("Statement").and_then(Value::as_array_mut);
    let statements = statements.ok_or("a document without statements")?;
    statements.retain(|statement| !statement.to_string().contains("aws:SecureTransport"));
    Ok(document.to_string())
}

/// The document with the conditions on such keys left out.
fn without_unknown_keys(document: &str) -> Result<String, Failure> {
    let mut document: Value = serde_json::from_str(document)?;
    let statements = document.get_mut("Statement").and_then(Value::as_array_mut);
    for statement in statements.ok_or("a document without statements")? {
        let condition = statement.get("Condition").map(Value::to_string).unwrap_or_default();
        if let (true, Some(statement)) = (
            UNKNOWN.iter().any(|key| condition.contains(key)),
            statement.as_object_mut(),
        ) {
            statement.remove("Condition");
        }
    }
    Ok(document.to_string())
}

/// The user pool with the attribute that says of which tenant a person is, and the client people sign in through.
async fn people(root: &Clients) -> Result<(String, String), Failure> {
    let bpnl = SchemaAttributeType::builder()
        .name("bpnl")
        .attribute_data_type(AttributeDataType::String)
        .mutable(true)
        .build();
    let made = root
        .idp
        .create_user_pool()
        .pool_name("tidegate")
        .schema(bpnl)
        .send()
        .await?;
    let pool = made
        .user_pool()
        .and_then(|pool| pool.id())
        .ok_or("a user pool without an id")?
        .to_owned();
    let client = root
        .idp
        .create_user_pool_client()
        .user_pool_id(&pool)
        .client_name("people");
    let client = client.write_attributes("email").send().await?;
    let client = client
        .user_pool_client()
        .and_then(|client| client.client_id())
        .ok_or("a client without an id")?;
    Ok((pool, client.to_owned()))
}

async fn identities(root: &Clients, user_pool: &str, client: &str) -> Result<String, Failure> {
    let provider = CognitoIdentityProvider::builder()
        .provider_name(format!("cognito-idp.{REGION}.amazonaws.com/{user_pool}"))
        .client_id(client)
        .server_side_token_check(true)
        .build();
    let create = root.identity.create_identity_pool().identity_pool_name("tidegate");
    let create = create.allow_unauthenticated_identities(false).allow_classic_flow(false);
    let made = create.cognito_identity_providers(provider).send().await?;
    Ok(made.identity_pool_id().to_owned())
}

/// The built-in bundle with these names in the correspondence of layers.
fn bundle_with(directory: &Path, names: &[(&str, &str)]) -> Result<PathBuf, Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for part in ["policies", "policies/iam", "policies/platform", "schema"] {
        std::fs::create_dir_all(directory.join(part))?;
        for file in std::fs::read_dir(root.join(part))? {
            let file = file?.path();
            if let (true, Some(name)) = (file.is_file(), file.file_name()) {
                std::fs::copy(&file, directory.join(part).join(name))?;
            }
        }
    }
    let path = directory.join("policies/correspondence.toml");
    let text = std::fs::read_to_string(&path)?;
    let line = |line: &str| {
        let named = names.iter().find(|(name, _)| line.starts_with(&format!("{name} = ")));
        named.map_or(line.to_owned(), |(name, value)| format!("{name} = \"{value}\""))
    };
    std::fs::write(&path, text.lines().map(|text| line(text) + "\n").collect::<String>())?;
    Ok(directory.to_owned())
}
