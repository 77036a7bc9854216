//! The names of the platform in AWS, and the ARNs made from them.

use std::fmt;

use super::template::Params;
use crate::ids::{PcfId, ProductId, SecretName, TenantId};

/// Where the platform lives in AWS. Every part is checked once, so that an ARN made from it can hold no wildcard.
#[derive(Clone, PartialEq, Eq)]
pub struct AwsNames {
    partition: Box<str>,
    region: Box<str>,
    account: Box<str>,
    bucket: Box<str>,
    identity_pool: Box<str>,
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
    /// Checks the five names: partition (`aws`), region (`eu-central-1`), account (twelve digits), the bucket that holds
    /// footprints, and the Cognito identity pool (`eu-central-1:` and a UUID) whose users take tenant roles on.
    ///
    /// # Errors
    /// The first name that is not of its form.
    pub fn new(
        partition: &str,
        region: &str,
        account: &str,
        bucket: &str,
        identity_pool: &str,
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
        })
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

    /// The parameters that every template may use: `partition`, `region`, `account`, `bucket`, `identity_pool`, `bpnl`.
    pub fn params<'p>(&'p self, tenant: &'p TenantId) -> Params<'p> {
        Params::new()
            .with("partition", &*self.partition)
            .with("region", &*self.region)
            .with("account", &*self.account)
            .with("bucket", &*self.bucket)
            .with("identity_pool", &*self.identity_pool)
            .with("bpnl", tenant.as_str())
    }

    /// The tenant's role.
    pub fn role_arn(&self, tenant: TenantId) -> String {
        format!(
            "arn:{}:iam::{}:role/tidegate-tenant-{tenant}",
            self.partition, self.account
        )
    }

    /// A session of the tenant's role, as STS names it.
    pub fn session_arn(&self, tenant: TenantId, session: &str) -> String {
        format!(
            "arn:{}:sts::{}:assumed-role/tidegate-tenant-{tenant}/{session}",
            self.partition, self.account
        )
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

    /// One secret, with the six characters Secrets Manager appended to its name.
    pub fn secret_arn(&self, tenant: TenantId, name: &SecretName, suffix: &str) -> String {
        let Self {
            partition,
            region,
            account,
            ..
        } = self;
        format!("arn:{partition}:secretsmanager:{region}:{account}:secret:tidegate/{tenant}/{name}-{suffix}")
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

    #[test]
    fn names_that_could_widen_an_arn_are_refused() {
        let sound = ["aws", "eu-central-1", "111122223333", "tidegate-pcf", POOL];
        let make = |names: [&str; 5]| AwsNames::new(names[0], names[1], names[2], names[3], names[4]);
        assert!(make(sound).is_ok());
        for index in 0..sound.len() {
            for bad in ["", "*", "a?", "a/b", "{bpnl}", "${aws:x}", "a b", "Ä"] {
                let mut names = sound;
                names[index] = bad;
                assert!(make(names).is_err(), "{names:?}");
            }
        }
        assert!(make(["aws", "eu-central-1", "11112222333", "b", POOL]).is_err());
    }

    #[test]
    fn arns_follow_the_correspondence_of_layers() {
        let names = AwsNames::new("aws", "eu-central-1", "111122223333", "tidegate-pcf", POOL).unwrap();
        let tenant: TenantId = "BPNL000000000DWF".parse().unwrap();
        assert_eq!(
            names.role_arn(tenant),
            "arn:aws:iam::111122223333:role/tidegate-tenant-BPNL000000000DWF"
        );
        assert_eq!(
            names.object_arn(tenant, &"urn:gtin:1".parse().unwrap(), &"p-1".parse().unwrap()),
            "arn:aws:s3:::tidegate-pcf/BPNL000000000DWF/pcf/urn:gtin:1/p-1.json"
        );
        assert_eq!(
            names.secret_arn(tenant, &"peer-key".parse().unwrap(), "AbCdEf"),
            "arn:aws:secretsmanager:eu-central-1:111122223333:secret:tidegate/BPNL000000000DWF/peer-key-AbCdEf"
        );
    }
}
