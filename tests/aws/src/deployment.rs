//! What stands in the emulator: roles with the bundle's documents, secrets, a bucket with objects.
//!
//! Everything is made by calls of the SDK, from the documents the bundle renders. Two things are added that no document of the
//! bundle names: a user, `tidegate-harness`, and in each role's trust policy a statement that lets this user take the role on. The
//! roles are meant for people an identity pool vouches for and for Tidegate's service; the harness has to get at sessions without
//! either, and a statement about one user changes no answer to anyone else.

use std::collections::{BTreeMap, BTreeSet};

use aws_credential_types::Credentials;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration, VersioningConfiguration,
};
use serde_json::json;
use tidegate::bundle::Bundle;
use tidegate::iam::{Document, DocumentKind, Params};
use tidegate::ids::TenantId;

use crate::Failure;
use crate::clients::{Clients, Emulator};

/// The user by whom the harness gets its sessions.
const HARNESS: &str = "tidegate-harness";
/// The session tag that names the tenant.
pub const TAG: &str = "tenant";

/// The documents that AWS holds of a tenant's role.
#[derive(Clone, Debug)]
pub struct Attached<'b> {
    /// Who may take the role on.
    pub trust: &'b Document,
    /// What the role may do.
    pub identity: Vec<&'b Document>,
}

/// The one place that says which documents are in force.
///
/// # Errors
/// A document the bundle does not have.
pub fn attached(bundle: &Bundle) -> Result<Attached<'_>, Failure> {
    Ok(Attached {
        trust: document(bundle, "tenant-trust")?,
        identity: vec![document(bundle, "tenant-role")?],
    })
}

/// A document of the bundle.
///
/// # Errors
/// There is none of this name.
pub fn document<'b>(bundle: &'b Bundle, name: &str) -> Result<&'b Document, Failure> {
    let found = bundle.documents.get(name);
    found.ok_or_else(|| format!("the bundle has no document `{name}`").into())
}

/// What a deployment is to hold.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Tenants that get a role.
    pub tenants: BTreeSet<TenantId>,
    /// Secrets, by the ARN Tidegate knows them by: with a suffix of six characters.
    pub secrets: BTreeSet<String>,
}

/// The bundle's documents and the world's things, really created.
#[derive(Debug)]
pub struct Deployment<'b> {
    /// Whose documents these are.
    pub bundle: &'b Bundle,
    /// Clients without credentials.
    pub nobody: Clients,
    emulator: Emulator,
    root: Clients,
    harness: Clients,
    /// The ARN a secret got, by the one Tidegate knows it by: whoever creates a secret does not choose its suffix.
    secrets: BTreeMap<String, String>,
}

impl<'b> Deployment<'b> {
    /// Creates everything of `plan` in an emulator that holds nothing yet.
    ///
    /// # Errors
    /// A document that cannot be rendered, a call that fails.
    pub async fn create(bundle: &'b Bundle, url: &str, plan: &Plan) -> Result<Self, Failure> {
        let region = region(bundle)?;
        let emulator = Emulator::new(url, &region);
        // The emulator's root user.
        let root = emulator.clients(Some(Credentials::from_keys("test", "test", None)));
        let harness = harness(&root, &emulator).await?;
        let mut deployment = Self {
            bundle,
            nobody: emulator.clients(None),
            emulator,
            root,
            harness,
            secrets: BTreeMap::new(),
        };
        deployment.bucket(&region).await?;
        for tenant in &plan.tenants {
            deployment.role(tenant).await?;
        }
        for arn in &plan.secrets {
            deployment.secret(arn).await?;
        }
        Ok(deployment)
    }

    async fn bucket(&self, region: &str) -> Result<(), Failure> {
        let bucket = self.bundle.correspondence.aws.bucket();
        let place = CreateBucketConfiguration::builder()
            .location_constraint(BucketLocationConstraint::from(region))
            .build();
        let create = self.root.s3.create_bucket().bucket(bucket);
        create.create_bucket_configuration(place).send().await?;
        let versions = VersioningConfiguration::builder()
            .status(BucketVersioningStatus::Enabled)
            .build();
        let put = self.root.s3.put_bucket_versioning().bucket(bucket);
        put.versioning_configuration(versions).send().await?;
        Ok(())
    }

    async fn role(&self, tenant: &TenantId) -> Result<(), Failure> {
        let (name, params) = (role_name(self.bundle, tenant), self.params(tenant));
        let create = self.root.iam.create_role().role_name(&name);
        create.assume_role_policy_document(self.trust(tenant)?).send().await?;
        for document in attached(self.bundle)?.identity {
            let put = self
                .root
                .iam
                .put_role_policy()
                .role_name(&name)
                .policy_name(document.name());
            put.policy_document(document.render(&params)?).send().await?;
        }
        Ok(())
    }

    async fn secret(&mut self, arn: &str) -> Result<(), Failure> {
        let create = self.root.secrets.create_secret().name(self.secret_name(arn)?);
        let created = create.secret_string("secret").send().await?;
        let there = created.arn().ok_or("a secret without an ARN")?;
        self.secrets.insert(arn.to_owned(), there.to_owned());
        Ok(())
    }

    /// The names of AWS and the tenant's, as the bundle's templates use them.
    pub fn params<'p>(&'p self, tenant: &'p TenantId) -> Params<'p> {
        self.bundle.correspondence.aws.params(tenant)
    }

    /// The trust policy the tenant's role really has: the bundle's, and the statement for the harness.
    ///
    /// # Errors
    /// The bundle's cannot be rendered.
    pub fn trust(&self, tenant: &TenantId) -> Result<String, Failure> {
        let text = attached(self.bundle)?.trust.render(&self.params(tenant))?;
        let mut trust: serde_json::Value = serde_json::from_str(&text)?;
        let account = self.bundle.correspondence.aws.account();
        let statements = trust
            .get_mut("Statement")
            .and_then(|statements| statements.as_array_mut());
        statements.ok_or("a trust policy without statements")?.push(json!({
            "Sid": "Harness",
            "Effect": "Allow",
            "Principal": {"AWS": format!("arn:aws:iam::{account}:user/{HARNESS}")},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
        }));
        Ok(trust.to_string())
    }

    /// The tenant's own policies as they were really attached.
    ///
    /// # Errors
    /// One that cannot be rendered or read back.
    pub fn identity(&self, tenant: &TenantId) -> Result<Vec<Document>, Failure> {
        let params = self.params(tenant);
        let deployed = |document: &Document| -> Result<Document, Failure> {
            let text = document.render(&params)?;
            Ok(Document::parse_deployed(
                document.name(),
                &text,
                DocumentKind::Identity,
            )?)
        };
        attached(self.bundle)?.identity.into_iter().map(deployed).collect()
    }

    /// A session of the tenant's role.
    ///
    /// # Errors
    /// The emulator does not give one.
    pub async fn session(
        &self,
        tenant: &TenantId,
        policy: Option<String>,
        tags: &[(&str, &str)],
    ) -> Result<Clients, Failure> {
        let role = self.bundle.correspondence.aws.role_arn(*tenant);
        let mut call = self
            .harness
            .sts
            .assume_role()
            .role_arn(role)
            .role_session_name("tidegate");
        for (key, value) in tags {
            call = call.tags(aws_sdk_sts::types::Tag::builder().key(*key).value(*value).build()?);
        }
        let session = call.set_policy(policy).send().await?;
        let given = session.credentials().ok_or("a session without credentials")?;
        let token = Some(given.session_token().to_owned());
        let credentials = Credentials::from_keys(given.access_key_id(), given.secret_access_key(), token);
        Ok(self.emulator.clients(Some(credentials)))
    }

    /// Gives the tenant's role one more policy, in place of the last one given so; `None` takes it away.
    ///
    /// # Errors
    /// A call that fails.
    pub async fn grant(&self, tenant: &TenantId, policy: Option<&str>) -> Result<(), Failure> {
        let role = role_name(self.bundle, tenant);
        match policy {
            Some(text) => {
                let put = self.root.iam.put_role_policy().role_name(role).policy_name("extra");
                put.policy_document(text).send().await?;
            }
            None => {
                let delete = self.root.iam.delete_role_policy().role_name(role).policy_name("extra");
                delete.send().await?;
            }
        }
        Ok(())
    }

    /// The ARN a secret has in the emulator; what is not there keeps its own.
    pub fn secret_there<'s>(&'s self, arn: &'s str) -> &'s str {
        self.secrets.get(arn).map_or(arn, String::as_str)
    }

    /// The ARNs of all secrets in the emulator.
    pub fn secrets_there(&self) -> impl Iterator<Item = &String> {
        self.secrets.values()
    }

    /// The name of the secret with this ARN.
    ///
    /// # Errors
    /// The text is no ARN of a secret with a suffix of six characters.
    pub fn secret_name<'s>(&self, arn: &'s str) -> Result<&'s str, Failure> {
        let (_, name) = arn.split_once(":secret:").ok_or("no secret's ARN")?;
        let (name, suffix) = name.rsplit_once('-').ok_or("a secret's ARN without a suffix")?;
        if suffix.len() != 6 {
            return Err(format!("the suffix of `{arn}` does not have six characters").into());
        }
        Ok(name)
    }

    /// Gives a secret another version, and the version's id; one that is not there has none.
    ///
    /// # Errors
    /// The call fails.
    pub async fn new_version(&self, arn: &str) -> Result<String, Failure> {
        let Some(there) = self.secrets.get(arn) else {
            return Ok("00000000-0000-4000-8000-000000000000".to_owned());
        };
        let put = self.root.secrets.put_secret_value().secret_id(there);
        let put = put.secret_string("next").send().await?;
        Ok(put.version_id().ok_or("a version without an id")?.to_owned())
    }

    /// Makes sure that an object is there, and gives the version just made.
    ///
    /// # Errors
    /// The call fails.
    pub async fn put_object(&self, bucket: &str, key: &str) -> Result<Option<String>, Failure> {
        let put = self.root.s3.put_object().bucket(bucket).key(key);
        let put = put.body(ByteStream::from_static(b"{}")).send().await?;
        Ok(put.version_id().map(str::to_owned))
    }
}

fn role_name(bundle: &Bundle, tenant: &TenantId) -> String {
    let arn = bundle.correspondence.aws.role_arn(*tenant);
    arn.rsplit('/').next().unwrap_or_default().to_owned()
}

fn region(bundle: &Bundle) -> Result<String, Failure> {
    let any: TenantId = "BPNL000000000000".parse()?;
    let region = bundle.correspondence.aws.params(&any).get("region").map(str::to_owned);
    region.ok_or_else(|| "the correspondence names no region".into())
}

async fn harness(root: &Clients, emulator: &Emulator) -> Result<Clients, Failure> {
    root.iam.create_user().user_name(HARNESS).send().await?;
    let policy = json!({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": "*"
    }});
    let put = root.iam.put_user_policy().user_name(HARNESS).policy_name("harness");
    put.policy_document(policy.to_string()).send().await?;
    let made = root.iam.create_access_key().user_name(HARNESS).send().await?;
    let key = made.access_key().ok_or("an access key without itself")?;
    let credentials = Credentials::from_keys(key.access_key_id(), key.secret_access_key(), None);
    Ok(emulator.clients(Some(credentials)))
}
