//! The names of the platform in AWS, and the ARNs made from them.

use std::fmt;

use serde::Deserialize;

use super::template::Params;
use crate::ids::{Bpnl, PcfId, ProductId, SecretName, TenantId};

/// Where the platform lives in AWS. Every part is checked once, so that an ARN made from it can hold no wildcard.
#[derive(Clone, PartialEq, Eq)]
pub struct AwsNames {
    partition: Box<str>,
    region: Box<str>,
    account: Box<str>,
    bucket: Box<str>,
    identity_pool: Box<str>,
    user_pool: Box<str>,
}

/// What a tenant's secret is called in Secrets Manager.
pub fn secret_id(tenant: TenantId, name: &SecretName) -> String {
    format!("tidegate/{tenant}/{name}")
}

/// How the tenants' sessions are kept apart in AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// Each tenant has a role of its own: `tidegate-tenant-{bpnl}`. An account holds 1,000 roles, 5,000 on request.
    Role,
    /// One role, `tidegate-pool`, for all; whom a session is for is its tag `bpnl`.
    Tags,
}

/// A role of the platform, told by its ARN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnRole {
    /// A tenant's own role.
    Tenant(TenantId),
    /// The role all tenants share.
    Pool,
    /// The running service's.
    Service,
    /// That of onboarding and offboarding.
    Provisioning,
}

/// The names of the documents that are attached to a role of the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleDocuments {
    /// The one policy that grants.
    pub policy: &'static str,
    /// The permissions boundary, where the role has one.
    pub boundary: Option<&'static str>,
    /// The trust policy.
    pub trust: &'static str,
}

impl OwnRole {
    /// What is attached to the role.
    pub fn documents(self) -> RoleDocuments {
        let (policy, boundary, trust) = match self {
            Self::Tenant(_) => ("tenant-role", Some("tenant-boundary"), "tenant-trust"),
            Self::Pool => ("pool-role", Some("tenant-boundary"), "pool-trust"),
            Self::Service => ("service-role", None, "service-trust"),
            Self::Provisioning => ("provisioning-role", None, "provisioning-trust"),
        };
        RoleDocuments {
            policy,
            boundary,
            trust,
        }
    }
}

/// A name that AWS would not accept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}; expected {expected}")]
pub struct NameError {
    what: &'static str,
    expected: &'static str,
    text: String,
}

impl AwsNames {
    /// Checks the names: partition (`aws`), region (`eu-central-1`), account (twelve digits), the bucket that holds
    /// footprints, the Cognito identity pool (`eu-central-1:` and a UUID) whose users take tenant roles on, and the user pool
    /// (`eu-central-1_` and letters) they sign in to.
    ///
    /// # Errors
    /// The first name that is not of its form.
    pub fn new(
        partition: &str,
        region: &str,
        account: &str,
        bucket: &str,
        identity_pool: &str,
        user_pool: &str,
    ) -> Result<Self, NameError> {
        let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let check =
            |text: &str, what, expected, most: usize, sound: &dyn Fn(u8) -> bool| -> Result<Box<str>, NameError> {
                if (1..=most).contains(&text.len()) && text.bytes().all(sound) {
                    return Ok(text.into());
                }
                let text = text.chars().take(80).flat_map(char::escape_debug).collect();
                Err(NameError { what, expected, text })
            };
        let digits = if account.len() == 12 { account } else { "" };
        Ok(Self {
            partition: check(
                partition,
                "an AWS partition",
                "a name such as `aws` or `aws-cn`",
                32,
                &lower,
            )?,
            region: check(region, "an AWS region", "a name such as `eu-central-1`", 32, &lower)?,
            account: check(digits, "an AWS account", "twelve digits", 12, &|byte| {
                byte.is_ascii_digit()
            })?,
            bucket: check(bucket, "an S3 bucket", "3 to 63 of a-z 0-9 `-` `.`", 63, &|byte| {
                lower(byte) || byte == b'.'
            })?,
            identity_pool: check(
                identity_pool,
                "a Cognito identity pool",
                "a region, `:` and a UUID",
                128,
                &|byte| lower(byte) || byte == b':',
            )?,
            user_pool: check(
                user_pool,
                "a Cognito user pool",
                "a region, `_` and letters",
                55,
                &|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte),
            )?,
        })
    }

    /// The partition, `aws` but for China and government clouds.
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The user pool people sign in to.
    pub fn user_pool(&self) -> &str {
        &self.user_pool
    }

    /// The account's number.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The bucket that holds footprints.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The identity pool whose users take tenant roles on.
    pub fn identity_pool(&self) -> &str {
        &self.identity_pool
    }

    /// The parameters that every template may use: `partition`, `region`, `account`, `bucket`, `identity_pool`, `user_pool`.
    pub fn params(&self) -> Params<'_> {
        Params::new()
            .with("partition", &*self.partition)
            .with("region", &*self.region)
            .with("account", &*self.account)
            .with("bucket", &*self.bucket)
            .with("identity_pool", &*self.identity_pool)
            .with("user_pool", &*self.user_pool)
    }

    /// The name of the role a tenant's sessions have.
    pub fn role_name(&self, isolation: Isolation, tenant: TenantId) -> String {
        match isolation {
            Isolation::Role => format!("tidegate-tenant-{tenant}"),
            Isolation::Tags => "tidegate-pool".to_owned(),
        }
    }

    /// The role a tenant's sessions have.
    pub fn role_arn(&self, isolation: Isolation, tenant: TenantId) -> String {
        self.arn_of_role(&self.role_name(isolation, tenant))
    }

    /// The ARN of a role of this name, whoever's it is.
    pub fn arn_of_role(&self, name: &str) -> String {
        format!("arn:{}:iam::{}:role/{name}", self.partition, self.account)
    }

    /// A session that acts for a tenant, as STS names it.
    pub fn session_arn(&self, isolation: Isolation, tenant: TenantId, session: &str) -> String {
        let name = self.role_name(isolation, tenant);
        format!(
            "arn:{}:sts::{}:assumed-role/{name}/{session}",
            self.partition, self.account
        )
    }

    /// Which of the platform's roles an ARN names; an ARN of another account, partition or name is none of them.
    pub fn own_role(&self, arn: &str) -> Option<OwnRole> {
        let name = self.own(arn, "iam")?.strip_prefix("role/tidegate-")?;
        match name {
            "pool" => Some(OwnRole::Pool),
            "service" => Some(OwnRole::Service),
            "provisioning" => Some(OwnRole::Provisioning),
            _ => Some(OwnRole::Tenant(name.strip_prefix("tenant-")?.parse().ok()?)),
        }
    }

    /// The tenant whose secret an ARN names.
    pub fn secret_owner(&self, arn: &str) -> Option<TenantId> {
        let secret = self.own(arn, "secretsmanager")?.strip_prefix("secret:tidegate/")?;
        secret.split_once('/')?.0.parse().ok()
    }

    /// Whether an ARN names the bucket or an object in it.
    pub fn in_bucket(&self, arn: &str) -> bool {
        let bucket = arn
            .strip_prefix("arn:")
            .and_then(|rest| rest.strip_prefix(&*self.partition)?.strip_prefix(":s3:::"))
            .and_then(|rest| rest.strip_prefix(&*self.bucket));
        bucket.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The last part of an ARN of this partition, service and account; its region is the platform's, or none.
    fn own<'a>(&self, arn: &'a str, service: &str) -> Option<&'a str> {
        let mut parts = arn.splitn(6, ':');
        let mut is = |wanted: &str| parts.next() == Some(wanted);
        let region = if service == "iam" { "" } else { &self.region };
        let own = is("arn") && is(&self.partition) && is(service) && is(region) && is(&self.account);
        if own { parts.next() } else { None }
    }

    /// The permissions boundary of all tenants' roles.
    pub fn boundary_arn(&self) -> String {
        format!(
            "arn:{}:iam::{}:policy/tidegate-tenant-boundary",
            self.partition, self.account
        )
    }

    /// The domain the services of the partition are below.
    pub fn domain(&self) -> &'static str {
        if self.partition.starts_with("aws-cn") {
            "amazonaws.com.cn"
        } else {
            "amazonaws.com"
        }
    }

    /// The bucket.
    pub fn bucket_arn(&self) -> String {
        format!("arn:{}:s3:::{}", self.partition, self.bucket)
    }

    /// The object of one footprint.
    pub fn object_arn(&self, tenant: TenantId, product: &ProductId, pcf: &PcfId) -> String {
        format!(
            "arn:{}:s3:::{}/{tenant}/pcf/{product}/{pcf}.json",
            self.partition, self.bucket
        )
    }

    /// The object of one footprint that a partner handed in.
    pub fn received_arn(&self, tenant: TenantId, partner: &Bpnl, pcf: &PcfId) -> String {
        format!(
            "arn:{}:s3:::{}/{tenant}/pcf/received/{partner}/{pcf}.json",
            self.partition, self.bucket
        )
    }

    /// One secret, with the six characters Secrets Manager appended to its name.
    pub fn secret_arn(&self, tenant: TenantId, name: &SecretName, suffix: &str) -> String {
        self.arn_of_secret(&format!("{}-{suffix}", secret_id(tenant, name)))
    }

    /// The ARN of a secret of this name, suffix and all, whoever's it is.
    pub fn arn_of_secret(&self, name: &str) -> String {
        let Self {
            partition,
            region,
            account,
            ..
        } = self;
        format!("arn:{partition}:secretsmanager:{region}:{account}:secret:{name}")
    }
}

impl fmt::Debug for AwsNames {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            partition,
            region,
            account,
            bucket,
            ..
        } = self;
        write!(formatter, "AwsNames({partition} {region} {account} {bucket})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOL: &str = "eu-central-1:11111111-2222-3333-4444-555555555555";
    const USERS: &str = "eu-central-1_AbCdEf123";

    fn names() -> AwsNames {
        AwsNames::new("aws", "eu-central-1", "111122223333", "tidegate-pcf", POOL, USERS).unwrap()
    }

    #[test]
    fn names_that_could_widen_an_arn_are_refused() {
        let sound = ["aws", "eu-central-1", "111122223333", "tidegate-pcf", POOL, USERS];
        let make = |names: [&str; 6]| AwsNames::new(names[0], names[1], names[2], names[3], names[4], names[5]);
        assert!(make(sound).is_ok());
        for index in 0..sound.len() {
            for bad in ["", "*", "a?", "a/b", "{bpnl}", "${aws:x}", "a b", "Ä"] {
                let mut names = sound;
                names[index] = bad;
                assert!(make(names).is_err(), "{names:?}");
            }
        }
        assert!(make(["aws", "eu-central-1", "11112222333", "b", POOL, USERS]).is_err());
    }

    #[test]
    fn arns_follow_the_correspondence_of_layers() {
        let names = names();
        let tenant: TenantId = "BPNL000000000DWF".parse().unwrap();
        assert_eq!(
            names.role_arn(Isolation::Role, tenant),
            "arn:aws:iam::111122223333:role/tidegate-tenant-BPNL000000000DWF"
        );
        assert_eq!(
            names.session_arn(Isolation::Tags, tenant, "ada"),
            "arn:aws:sts::111122223333:assumed-role/tidegate-pool/ada"
        );
        assert_eq!(
            names.object_arn(tenant, &"urn:gtin:1".parse().unwrap(), &"p-1".parse().unwrap()),
            "arn:aws:s3:::tidegate-pcf/BPNL000000000DWF/pcf/urn:gtin:1/p-1.json"
        );
        assert_eq!(
            names.received_arn(tenant, &"BPNL00000000C3EF".parse().unwrap(), &"p-1".parse().unwrap()),
            "arn:aws:s3:::tidegate-pcf/BPNL000000000DWF/pcf/received/BPNL00000000C3EF/p-1.json"
        );
        assert_eq!(
            names.secret_arn(tenant, &"peer-key".parse().unwrap(), "AbCdEf"),
            "arn:aws:secretsmanager:eu-central-1:111122223333:secret:tidegate/BPNL000000000DWF/peer-key-AbCdEf"
        );
    }
    #[test]
    fn an_arn_is_read_as_what_it_was_made_from_and_nothing_else_is() {
        let names = names();
        let tenant: TenantId = "BPNL000000000DWF".parse().unwrap();
        let secret = names.secret_arn(tenant, &"peer-key".parse().unwrap(), "AbCdEf");
        let role = |isolation| names.own_role(&names.role_arn(isolation, tenant));
        assert_eq!(role(Isolation::Role), Some(OwnRole::Tenant(tenant)));
        assert_eq!(role(Isolation::Tags), Some(OwnRole::Pool));
        assert_eq!(names.secret_owner(&secret), Some(tenant));
        assert!(names.in_bucket(&names.bucket_arn()));
        for foreign in [
            "arn:aws:iam::999999999999:role/tidegate-tenant-BPNL000000000DWF",
            "arn:aws-cn:iam::111122223333:role/tidegate-pool",
            "arn:aws:iam::111122223333:role/tidegate-tenant-BPNL000000000DW",
            "arn:aws:iam::111122223333:role/path/tidegate-pool",
            "arn:aws:iam::111122223333:role/tidegate-pool2",
            "arn:aws:iam::111122223333:user/tidegate-pool",
        ] {
            assert_eq!(names.own_role(foreign), None, "{foreign}");
        }
        for foreign in ["eu-west-1", "999999999999", "tidegate/"] {
            let other = secret
                .replace("eu-central-1", "eu-west-1")
                .replace("tidegate/", foreign);
            assert_eq!(names.secret_owner(&other), None, "{other}");
        }
        for foreign in [
            "arn:aws:s3:::tidegate-pcf2/x",
            "arn:aws:s3:::tidegate-pc",
            "arn:aws-cn:s3:::tidegate-pcf/x",
        ] {
            assert!(!names.in_bucket(foreign), "{foreign}");
        }
    }
}
