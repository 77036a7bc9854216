//! What stands in the emulator: roles with the bundle's documents, secrets with their policies, the bucket with its own.
//!
//! Everything is made by calls of the SDK, from the documents the bundle renders and in the places [`tidegate::iam::Account`] says.
//! Two things differ from a deployment: the documents are put in words the emulator understands ([`crate::translate`]), and there
//! is a user, `tidegate-harness`, whom a statement in each role's trust policy lets take the role on. The roles are meant for people
//! an identity pool vouches for and for tasks of ECS; the harness has to get at sessions without either. A statement about one
//! user changes no answer to anyone else.

use std::collections::{BTreeMap, BTreeSet};

use aws_credential_types::Credentials;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration, VersioningConfiguration,
};
use serde_json::{Value, json};
use tidegate::bundle::Bundle;
use tidegate::iam::{Context, Document, Isolation, Params, Principal, Request};
use tidegate::ids::TenantId;

use crate::Failure;
use crate::call::{self, Asked};
use crate::clients::{Clients, Emulator};
use crate::translate::for_emulator;

/// The user by whom the harness gets its sessions.
const HARNESS: &str = "tidegate-harness";
/// The permissions boundary, as the documents name it.
const BOUNDARY: &str = "tidegate-tenant-boundary";

/// What a deployment is to hold.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Tenants that get a role.
    pub tenants: BTreeSet<TenantId>,
    /// Values of the tag `bpnl` that sessions will have, beside those tenants.
    pub tags: BTreeSet<String>,
    /// Secrets, by the ARN Tidegate knows them by: with a suffix of six characters.
    pub secrets: BTreeSet<String>,
    /// Buckets beside the platform's own, without any policy.
    pub buckets: BTreeSet<String>,
}

/// Who makes a call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caller {
    /// A session of the role with this ARN, with these tags, cut down by this session policy.
    Session {
        /// The role's ARN.
        role: String,
        /// Session tags.
        tags: Vec<(String, String)>,
        /// The text of the session policy.
        policy: Option<String>,
    },
    /// Nobody AWS knows yet, with a token.
    Nobody,
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
    tags: BTreeSet<String>,
    sessions: BTreeMap<Caller, Clients>,
    /// The ARN a secret got, by the one Tidegate knows it by: whoever creates a secret does not choose its suffix.
    secrets: BTreeMap<String, String>,
    /// The permissions boundary of each role.
    roles: BTreeMap<String, Option<String>>,
    buckets: BTreeSet<String>,
}

/// The documents attached to one thing, rendered.
#[derive(Debug)]
struct Attached {
    /// The policy of the resource; a role's trust policy.
    resource: Option<String>,
    identity: Vec<(String, String)>,
    boundary: Option<String>,
}

impl<'b> Deployment<'b> {
    /// Creates everything of `plan` in an emulator that holds nothing yet.
    ///
    /// # Errors
    /// A document that cannot be rendered, a call that fails.
    pub async fn create(bundle: &'b Bundle, url: &str, plan: &Plan) -> Result<Self, Failure> {
        let region = bundle.account.names().params().get("region").map(str::to_owned);
        let region = region.ok_or("the correspondence names no region")?;
        let emulator = Emulator::new(url, &region);
        // The emulator's root user.
        let root = emulator.clients(Some(Credentials::from_keys("test", "test", None)));
        let harness = harness(&root, &emulator).await?;
        let tenants = plan.tenants.iter().map(TenantId::to_string);
        let mut deployment = Self {
            bundle,
            nobody: emulator.clients(None),
            emulator,
            root,
            harness,
            tags: plan.tags.iter().cloned().chain(tenants).collect(),
            sessions: BTreeMap::new(),
            secrets: BTreeMap::new(),
            roles: BTreeMap::new(),
            buckets: plan.buckets.clone(),
        };
        let own = bundle.account.names().bucket();
        for bucket in plan.buckets.iter().map(String::as_str).chain([own]) {
            deployment.bucket(bucket, &region).await?;
        }
        deployment.buckets.insert(own.to_owned());
        deployment.roles(plan).await?;
        for arn in &plan.secrets {
            deployment.secret(arn).await?;
        }
        Ok(deployment)
    }

    async fn bucket(&self, bucket: &str, region: &str) -> Result<(), Failure> {
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
        if let Some(policy) = self.attached(&format!("arn:aws:s3:::{bucket}"))?.resource {
            let put = self.root.s3.put_bucket_policy().bucket(bucket);
            put.policy(policy).send().await?;
        }
        Ok(())
    }

    async fn roles(&mut self, plan: &Plan) -> Result<(), Failure> {
        let names = self.bundle.account.names();
        let any: TenantId = "BPNL000000000000".parse()?;
        let pool = names.role_arn(Isolation::Tags, any);
        let mut roles = vec![
            pool.replace("-pool", "-service"),
            pool.replace("-pool", "-provisioning"),
            pool,
        ];
        roles.extend(
            plan.tenants
                .iter()
                .map(|tenant| names.role_arn(Isolation::Role, *tenant)),
        );
        let mut boundary = None;
        for role in roles {
            let Attached {
                resource: trust,
                identity,
                boundary: text,
            } = self.attached(&role)?;
            if let (Some(text), None) = (text, &boundary) {
                let create = self.root.iam.create_policy().policy_name(BOUNDARY);
                let created = create.policy_document(text).send().await?;
                boundary = created.policy().and_then(|policy| policy.arn()).map(str::to_owned);
            }
            let bounded = self.attached(&role)?.boundary.and(boundary.clone());
            let name = role_name(&role);
            let trust = self.with_harness(&trust.ok_or("a role without a trust policy")?)?;
            let create = self
                .root
                .iam
                .create_role()
                .role_name(name)
                .assume_role_policy_document(trust);
            create.set_permissions_boundary(bounded.clone()).send().await?;
            for (document, text) in identity {
                let put = self.root.iam.put_role_policy().role_name(name).policy_name(document);
                put.policy_document(text).send().await?;
            }
            self.roles.insert(role, bounded);
        }
        Ok(())
    }

    /// Makes sure that there is a role with this ARN that is none of the platform's and may do nothing.
    ///
    /// # Errors
    /// A call that fails.
    pub async fn outsider(&mut self, role: &str) -> Result<(), Failure> {
        if !self.roles.contains_key(role) {
            let trust = self.with_harness(r#"{"Version": "2012-10-17", "Statement": []}"#)?;
            let create = self.root.iam.create_role().role_name(role_name(role));
            create.assume_role_policy_document(trust).send().await?;
            self.roles.insert(role.to_owned(), None);
        }
        Ok(())
    }

    /// Whether any of the documents attached to the role with this ARN names the condition key.
    ///
    /// # Errors
    /// A document that cannot be rendered.
    pub fn mentions(&self, role: &str, key: &str) -> Result<bool, Failure> {
        let attached = self.attached(role)?;
        let texts = attached.identity.iter().map(|(_, text)| text).chain(&attached.boundary);
        Ok(texts.into_iter().any(|text| text.contains(key)))
    }

    /// The permissions boundary of the role with this ARN, if it is there.
    pub fn boundary_of(&self, role: &str) -> Option<&Option<String>> {
        self.roles.get(role)
    }

    /// Takes a secret back whose deletion is scheduled.
    ///
    /// # Errors
    /// A call that fails.
    pub async fn take_back(&self, arn: &str) -> Result<(), Failure> {
        if let Some(there) = self.secrets.get(arn) {
            let known = self.root.secrets.describe_secret().secret_id(there).send().await?;
            if known.deleted_date().is_some() {
                self.root.secrets.restore_secret().secret_id(there).send().await?;
            }
        }
        Ok(())
    }

    async fn secret(&mut self, arn: &str) -> Result<(), Failure> {
        let create = self.root.secrets.create_secret().name(self.secret_name(arn)?);
        let created = create.secret_string("secret").send().await?;
        let there = created.arn().ok_or("a secret without an ARN")?.to_owned();
        if let Some(policy) = self.attached(arn)?.resource {
            let put = self.root.secrets.put_resource_policy().secret_id(&there);
            put.resource_policy(policy).send().await?;
        }
        self.secrets.insert(arn.to_owned(), there);
        Ok(())
    }

    /// What the account attaches to the role, secret or bucket with this ARN, in the emulator's words.
    fn attached(&self, arn: &str) -> Result<Attached, Failure> {
        let account = &self.bundle.account;
        let request = Request {
            principal: Principal::Role { arn: arn.into() },
            // On a role, the one action its trust policy decides; elsewhere the action is not looked at.
            action: "sts:AssumeRole",
            resource: arn,
            resource_account: account.names().account(),
            context: Context::new(),
        };
        account.with_layers(&request, None, &[], |layers, params| {
            let text = |document: &&Document| self.rendered(document, params);
            let named = |document: &&Document| Ok((document.name().to_owned(), text(document)?));
            Ok(Attached {
                resource: layers.resource.as_ref().map(text).transpose()?,
                identity: layers.identity.iter().map(named).collect::<Result<_, Failure>>()?,
                boundary: layers.boundary.as_ref().map(text).transpose()?,
            })
        })
    }

    fn rendered(&self, document: &Document, params: &Params<'_>) -> Result<String, Failure> {
        for_emulator(&document.render(params)?, &self.tags)
    }

    /// The trust policy with the statement for the harness.
    fn with_harness(&self, trust: &str) -> Result<String, Failure> {
        let mut trust: Value = serde_json::from_str(trust)?;
        let account = self.bundle.account.names().account();
        let statements = trust.get_mut("Statement").and_then(Value::as_array_mut);
        statements.ok_or("a trust policy without statements")?.push(json!({
            "Sid": "Harness",
            "Effect": "Allow",
            "Principal": {"AWS": format!("arn:aws:iam::{account}:user/{HARNESS}")},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
        }));
        Ok(trust.to_string())
    }

    /// Makes a call.
    ///
    /// # Errors
    /// Any answer that is neither success, nor a refusal, nor that something is not there: then nothing was judged.
    pub async fn ask(&mut self, caller: &Caller, request: &call::Request) -> Result<Asked, Failure> {
        let clients = match caller {
            Caller::Nobody => self.nobody.clone(),
            Caller::Session { .. } => self.session(caller).await?,
        };
        call::make(&clients, request, self).await
    }

    async fn session(&mut self, caller: &Caller) -> Result<Clients, Failure> {
        let Caller::Session { role, tags, policy } = caller else {
            return Ok(self.nobody.clone());
        };
        if let Some(known) = self.sessions.get(caller) {
            return Ok(known.clone());
        }
        let mut call = self
            .harness
            .sts
            .assume_role()
            .role_arn(role)
            .role_session_name("tidegate");
        for (key, value) in tags {
            call = call.tags(aws_sdk_sts::types::Tag::builder().key(key).value(value).build()?);
        }
        let session = call.set_policy(policy.clone()).send().await?;
        let given = session.credentials().ok_or("a session without credentials")?;
        let token = Some(given.session_token().to_owned());
        let credentials = Credentials::from_keys(given.access_key_id(), given.secret_access_key(), token);
        let clients = self.emulator.clients(Some(credentials));
        self.sessions.insert(caller.clone(), clients.clone());
        Ok(clients)
    }

    /// Whether sessions with this tag have their statements in the emulator.
    pub fn knows_tag(&self, value: &str) -> bool {
        self.tags.contains(value)
    }

    /// Gives a role one more policy, in place of the last one given so; `None` takes it away.
    ///
    /// # Errors
    /// A call that fails.
    pub async fn grant(&self, role: &str, policy: Option<&str>) -> Result<(), Failure> {
        let (iam, role) = (&self.root.iam, role_name(role));
        match policy {
            Some(text) => {
                let put = iam.put_role_policy().role_name(role).policy_name("extra");
                put.policy_document(text).send().await?;
            }
            None => {
                iam.delete_role_policy()
                    .role_name(role)
                    .policy_name("extra")
                    .send()
                    .await?;
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
        secret_name(arn).ok_or_else(|| format!("`{arn}` is no secret's ARN with a suffix of six characters").into())
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
        if !self.buckets.contains(bucket) {
            return Ok(None);
        }
        let put = self.root.s3.put_object().bucket(bucket).key(key);
        let put = put.body(ByteStream::from_static(b"{}")).send().await?;
        Ok(put.version_id().map(str::to_owned))
    }
}

impl Plan {
    /// Has a secret made, where AWS could make one with this ARN and none of its name is there already.
    pub fn secret(&mut self, arn: &str) {
        let Some(name) = secret_name(arn) else { return };
        if !self.secrets.iter().any(|known| secret_name(known) == Some(name)) {
            self.secrets.insert(arn.to_owned());
        }
    }
}

fn secret_name(arn: &str) -> Option<&str> {
    let (_, name) = arn.split_once(":secret:")?;
    let (name, suffix) = name.rsplit_once('-')?;
    let made_by_aws = suffix.len() == 6 && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric());
    made_by_aws.then_some(name)
}

fn role_name(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or_default()
}

/// The user by whom the harness gets its sessions.
///
/// # Errors
/// A call that fails.
pub(crate) async fn harness(root: &Clients, emulator: &Emulator) -> Result<Clients, Failure> {
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
