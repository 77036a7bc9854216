//! Temporary credentials, keys, and what is never printed.

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;

use super::*;
use crate::ids::UserName;
use crate::vault::{CredentialsError, KeyError, VaultError};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

async fn issue(
    vault: &Vault,
    user: &str,
    seconds: i64,
) -> Result<crate::vault::TemporaryCredentials, CredentialsError> {
    let lifetime = SignedDuration::from_secs(seconds);
    vault
        .issue_credentials(own(), &id::<UserName>(user), None, lifetime, at(0))
        .await
}

#[tokio::test]
async fn credentials_stand_for_their_tenants_role_until_they_expire() {
    let (_dir, vault) = vault();
    let credentials = issue(&vault, "alice@dwf.example", 900).await.unwrap();
    assert_eq!(credentials.expiration, at(900));
    assert_eq!(credentials.role_arn, names().role_arn(Isolation::Role, own()));
    assert!(credentials.access_key_id.starts_with("ASIA") && credentials.access_key_id.len() == 20);
    let session = vault.authenticate(&credentials.session_token, at(899)).unwrap();
    assert_eq!(session.tenant(), own());
    assert!(
        session
            .session_arn()
            .ends_with(":assumed-role/tidegate-tenant-BPNL000000000DWF/alice@dwf.example")
    );
    session.put_secret(&name(), "s".into()).await.unwrap();
    assert!(vault.authenticate(&credentials.session_token, at(900)).is_none());
    assert!(vault.authenticate(&"guess".to_owned().into(), at(0)).is_none());
    assert!(vault.authenticate(&credentials.secret_access_key, at(0)).is_none());
}

#[tokio::test]
async fn credentials_outside_the_limits_of_sts_are_not_issued() {
    let (_dir, vault) = vault();
    for seconds in [0, -1, 899, 43_201, i64::MAX] {
        assert!(
            matches!(
                issue(&vault, "alice", seconds).await,
                Err(CredentialsError::Lifetime(_))
            ),
            "{seconds}"
        );
    }
    for user in ["a".to_owned(), "a".repeat(65)] {
        assert!(
            matches!(issue(&vault, &user, 900).await, Err(CredentialsError::SessionName(_))),
            "{user}"
        );
    }
    assert!(issue(&vault, "alice", 43_200).await.is_ok());
}

#[tokio::test]
async fn no_credentials_without_the_trust_policys_leave() {
    let dir = tempfile::tempdir().unwrap();
    let account = account();
    let both = r#"["sts:AssumeRoleWithWebIdentity", "sts:TagSession"]"#;
    let documents = account.documents().map(|document| {
        let text = document.text().replace(both, r#""sts:AssumeRoleWithWebIdentity""#);
        let changed = Document::parse(document.name(), &text, document.kind()).unwrap();
        (document.name().to_owned(), changed)
    });
    let account = Account::new(names(), Isolation::Role, documents.collect()).unwrap();
    let vault = Vault::embedded(dir.path(), &key(7), Arc::new(account)).unwrap();
    let error = issue(&vault, "alice", 900).await.unwrap_err();
    assert!(
        matches!(
            error,
            CredentialsError::Untrusted {
                action: "sts:TagSession",
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn nothing_prints_a_secret() {
    let (_dir, vault) = vault();
    let credentials = issue(&vault, "alice", 900).await.unwrap();
    let session = vault.authenticate(&credentials.session_token, at(0)).unwrap();
    let printed = format!("{credentials:?} {session:?} {vault:?} {:?}", key(b'k'));
    for secret in [&credentials.secret_access_key, &credentials.session_token] {
        assert!(!printed.contains(secret.expose_secret()), "{printed}");
    }
    assert!(!printed.contains("kkkk") && !printed.contains("107"), "{printed}");
}

#[test]
fn a_key_file_is_made_private_read_back_and_refused_when_exposed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("vault.key");
    assert!(matches!(VaultKey::from_file(&path, false), Err(KeyError::Io { .. })));
    let made = VaultKey::from_file(&path, true).unwrap();
    let read = VaultKey::from_file(&path, true).unwrap();
    assert_eq!(made.derive("x").unwrap(), read.derive("x").unwrap());
    assert_ne!(made.derive("x").unwrap(), made.derive("y").unwrap());
    assert_ne!(
        made.derive("x").unwrap(),
        VaultKey::random().unwrap().derive("x").unwrap()
    );
    let text = std::fs::read_to_string(&path).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        mode(0o640);
        let error = VaultKey::from_file(&path, true).unwrap_err();
        assert!(
            error.to_string().contains("mode 640") && !error.to_string().contains(text.trim()),
            "{error}"
        );
        mode(0o600);
    }
    std::fs::write(&path, "too short").unwrap();
    assert!(matches!(VaultKey::from_file(&path, true), Err(KeyError::Malformed(_))));
    assert!(matches!(
        VaultKey::from_env("TIDEGATE_NO_SUCH_KEY"),
        Err(KeyError::Unset(_))
    ));
}

#[test]
fn one_process_at_a_time_holds_the_vault() {
    let (dir, vault) = vault();
    let again = || Vault::embedded(dir.path(), &key(7), account());
    assert!(matches!(again(), Err(VaultError::InUse(_))));
    let session = whole(&vault, own());
    drop(vault);
    assert!(matches!(again(), Err(VaultError::InUse(_))));
    drop(session);
    assert!(again().is_ok());
}
