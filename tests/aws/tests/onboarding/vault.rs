//! The vault of the exchange endpoint, over what onboarding made.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use tidegate::aws::Aws;
use tidegate::clock::Clock;
use tidegate::iam::{Isolation, secret_id};
use tidegate::ids::{PcfId, ProductId, SecretName};
use tidegate::vault::{SessionScope, Stage, Vault, VaultError};
use tidegate_aws_tests::Failure;
use tidegate_aws_tests::platform::Platform;

use crate::{TENANTS, tenant};

/// The vault over what was onboarded: what the exchange endpoint reads and writes through.
pub(crate) async fn reads_and_writes(platform: &Platform) -> Result<(), Failure> {
    let [own, other, _] = TENANTS.map(tenant);
    let names = platform.bundle.account.names();
    let aws = Aws::open(names, Some(&platform.url))
        .await
        .with_credentials(platform.credentials("service").await?);
    assert!(aws.check(names).await?.contains("tidegate-service"));
    let vault = Vault::in_aws(aws, Arc::clone(&platform.bundle.account), None, Clock::system());
    let (product, pcf): (ProductId, PcfId) = ("urn:gtin:4712345060507".parse()?, "pcf-1".parse()?);
    let at = |product: &ProductId, pcf: &PcfId| (product.clone(), pcf.clone());
    let (one, two) = (at(&product, &pcf), at(&product, &pcf));
    let write = vault.session(
        own,
        SessionScope::ObjectWrite {
            product: one.0,
            pcf: one.1,
        },
    );
    let read = vault.session(
        own,
        SessionScope::ObjectRead {
            product: two.0,
            pcf: two.1,
        },
    );
    write.put_object(&product, &pcf, br#"{"pcf": 1}"#.to_vec()).await?;
    let object = read.get_object(&product, &pcf).await?;
    assert_eq!(object.bytes, br#"{"pcf": 1}"#);
    let listed = vault.session(own, SessionScope::List).list_objects().await?;
    assert!(listed.contains(&(product.clone(), pcf.clone())), "{listed:?}");
    // The IAM layer refuses before AWS is asked.
    assert!(matches!(
        write.get_object(&product, &pcf).await,
        Err(VaultError::AccessDenied(_))
    ));

    let name: SecretName = "connector-client".parse()?;
    let exposed = |secret: SecretString| secret.expose_secret().to_owned();
    let reading = vault.session(own, SessionScope::SecretRead { name: name.clone() });
    let first = exposed(reading.get_secret(&name).await?);
    assert!(first.contains("clientSecret"));
    let rotating = vault.session(own, SessionScope::SecretRotate { name: name.clone() });
    let refused = rotating
        .rotate_secret(&name, "bad".into(), |_| async { Err("401".to_owned()) })
        .await;
    assert!(matches!(refused, Err(VaultError::NotAccepted { .. })), "{refused:?}");
    assert_eq!(
        exposed(reading.get_secret(&name).await?),
        first,
        "what is current stays"
    );
    rotating
        .rotate_secret(&name, "second".into(), |_| async { Ok(()) })
        .await?;
    assert_eq!(exposed(reading.get_secret(&name).await?), "second");
    let previous = reading.get_secret_version(&name, Stage::Previous).await?;
    assert_eq!(exposed(previous), first);
    let missing: SecretName = "not-there".parse()?;
    let absent = vault.session(own, SessionScope::SecretRead { name: missing.clone() });
    let absent = absent.get_secret(&missing).await;
    assert!(
        matches!(absent, Err(VaultError::NotFound(_) | VaultError::Refused(_))),
        "{absent:?}"
    );

    // A secret that was made beside onboarding, for a system that is fetched from or told: it is found, written and read.
    let beside: SecretName = "parent-pact".parse()?;
    let made = platform.root.secrets.create_secret().name(secret_id(own, &beside));
    let made = made.secret_string("{}").send().await?;
    let suffix = vault.session(own, SessionScope::SecretRotate { name: beside.clone() });
    let suffix = suffix.secret_suffix(&beside).await?;
    assert_eq!(
        made.arn(),
        Some(names.secret_arn(own, &beside, suffix.as_str()).as_str())
    );
    let writing = vault.session(own, SessionScope::SecretWrite { name: beside.clone() });
    writing.put_secret(&beside, "of the system".into()).await?;
    let reading = vault.session(own, SessionScope::SecretRead { name: beside.clone() });
    assert_eq!(exposed(reading.get_secret(&beside).await?), "of the system");
    let absent = vault.session(own, SessionScope::SecretRotate { name: missing.clone() });
    let absent = absent.secret_suffix(&missing).await;
    assert!(
        matches!(absent, Err(VaultError::NotFound(_) | VaultError::Refused(_))),
        "{absent:?}"
    );
    // The service itself makes none there.
    assert_eq!(vault.new_suffix()?, None);

    // AWS has the last word: a role that lost its policy is refused there, and that is told apart from our own refusals.
    let role = names.role_name(Isolation::Role, other);
    let policy = platform
        .root
        .iam
        .get_role_policy()
        .role_name(&role)
        .policy_name("tenant-role")
        .send()
        .await?;
    platform
        .root
        .iam
        .delete_role_policy()
        .role_name(&role)
        .policy_name("tenant-role")
        .send()
        .await?;
    let others = vault.session(other, SessionScope::SecretRead { name: name.clone() });
    let refused = others.get_secret(&name).await;
    let Err(VaultError::Refused(refused)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(refused.action, "secretsmanager:GetSecretValue");
    assert!(
        refused.code.starts_with("AccessDenied") && !refused.message.is_empty(),
        "{refused}"
    );
    let text = percent_encoding::percent_decode_str(policy.policy_document())
        .decode_utf8_lossy()
        .into_owned();
    let put = platform
        .root
        .iam
        .put_role_policy()
        .role_name(&role)
        .policy_name("tenant-role");
    put.policy_document(text).send().await?;
    Ok(())
}
