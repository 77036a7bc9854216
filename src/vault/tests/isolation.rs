//! What a session reaches, and what the IAM layer keeps it from.

use super::*;
use crate::decision::{IamAnswer, IamDecision};
use crate::iam::Layer;
use crate::vault::{Operation, VaultError};

/// Whether the vault let the operation through to the store.
fn allowed<T: std::fmt::Debug>(result: &Result<T, VaultError>) -> bool {
    match result {
        Ok(_) | Err(VaultError::NotFound(_)) => true,
        Err(VaultError::AccessDenied(_)) => false,
        Err(other) => panic!("{other:?}"),
    }
}

/// Every scope there is, for these.
fn scopes(product: &ProductId, pcf: &PcfId, name: &SecretName) -> [SessionScope; 9] {
    [
        SessionScope::ObjectRead {
            product: product.clone(),
            pcf: pcf.clone(),
        },
        SessionScope::ObjectWrite {
            product: product.clone(),
            pcf: pcf.clone(),
        },
        SessionScope::ObjectDelete {
            product: product.clone(),
            pcf: pcf.clone(),
        },
        SessionScope::List,
        SessionScope::SecretRead { name: name.clone() },
        SessionScope::SecretWrite { name: name.clone() },
        SessionScope::ReceivedWrite {
            partner: partner(),
            pcf: pcf.clone(),
        },
        SessionScope::SecretRotate { name: name.clone() },
        SessionScope::Whole,
    ]
}

#[tokio::test]
async fn a_session_does_its_one_operation_on_its_one_thing() {
    let (_dir, vault) = vault();
    let (product, pcf, name) = (product(), pcf(), name());
    let scopes = scopes(&product, &pcf, &name);
    let products: [ProductId; 2] = [product, id("urn:gtin:4712345060508")];
    let pcfs: [PcfId; 2] = [pcf, id("pcf-10")];
    let secrets: [SecretName; 3] = [name, id("peer-key-2"), id("peer")];
    let partners: [Bpnl; 2] = [partner(), other().0];
    for (index, scope) in scopes.into_iter().enumerate() {
        let session = vault.session(own(), scope.clone());
        let everything = scope == SessionScope::Whole;
        for product in &products {
            for pcf in &pcfs {
                let mine = *product == products[0] && *pcf == pcfs[0];
                let check = |reached: bool, at: usize| {
                    assert_eq!(
                        reached,
                        everything || (index == at && mine),
                        "{scope:?} {product} {pcf}"
                    );
                };
                check(allowed(&session.get_object(product, pcf).await), 0);
                check(allowed(&session.put_object(product, pcf, b"{}".to_vec()).await), 1);
                check(allowed(&session.delete_object(product, pcf).await), 2);
            }
        }
        for from in &partners {
            for pcf in &pcfs {
                let mine = *from == partners[0] && *pcf == pcfs[0];
                let reached = allowed(&session.put_received(from, pcf, b"{}".to_vec()).await);
                assert_eq!(reached, everything || (index == 6 && mine), "{scope:?} {from} {pcf}");
            }
        }
        assert_eq!(
            allowed(&session.list_objects().await),
            everything || index == 3,
            "{scope:?}"
        );
        for (at, name) in secrets.iter().enumerate() {
            let check = |reached: bool, wanted: &[usize]| {
                let mine = wanted.contains(&index) && at == 0;
                assert_eq!(reached, everything || mine, "{scope:?} {name}");
            };
            check(allowed(&session.get_secret(name).await), &[4]);
            check(allowed(&session.secret_suffix(name).await), &[7]);
            check(allowed(&session.put_secret(name, "s".into()).await), &[5, 7]);
            let suffix = vault.new_suffix().unwrap().unwrap();
            check(allowed(&session.make_secret(name, &suffix, "s".into()).await), &[5, 7]);
            let rotated = session.rotate_secret(name, "s".into(), |_| async { Ok(()) }).await;
            check(allowed(&rotated), &[7]);
        }
    }
}

#[test]
fn no_session_of_one_tenant_is_allowed_another_tenants_arn() {
    let (_dir, vault) = vault();
    let (product, pcf, name) = (product(), pcf(), name());
    let names = names();
    let session = whole(&vault, own());
    for (tenant, expected) in [(own(), true), (other(), false)] {
        let object = names.object_arn(tenant, &product, &pcf);
        let received = names.received_arn(tenant, &partner(), &pcf);
        let secret = names.secret_arn(tenant, &name, "AbCdEf");
        for (operation, resource) in [
            (Operation::GetObject(&product, &pcf), &object),
            (Operation::PutObject(&product, &pcf), &object),
            (Operation::DeleteObject(&product, &pcf), &object),
            (Operation::PutReceived(&partner(), &pcf), &received),
            (Operation::GetSecret(&name), &secret),
            (Operation::PutSecret(&name), &secret),
            (Operation::DescribeSecret(&name), &secret),
            (Operation::StageSecret(&name), &secret),
        ] {
            let result = session.authorize_on(operation, resource.clone());
            assert_eq!(allowed(&result), expected, "{operation:?} {resource}");
        }
    }
}

#[tokio::test]
async fn a_refusal_says_what_was_asked_and_who_refused() {
    let (_dir, vault) = vault();
    let read = vault.session(own(), SessionScope::SecretRead { name: name() });
    let Err(VaultError::AccessDenied(denied)) = read.get_object(&product(), &pcf()).await else {
        panic!("allowed")
    };
    assert_eq!(denied.action, "s3:GetObject");
    assert_eq!(denied.resource, names().object_arn(own(), &product(), &pcf()));
    assert_eq!(
        (denied.decision, denied.decided_by),
        (IamDecision::ImplicitDeny, Layer::Session)
    );
    assert!(denied.statements.is_empty());
}

#[test]
fn asking_gives_the_answer_that_doing_would_meet() {
    let (_dir, vault) = vault();
    let (product, pcf) = (product(), pcf());
    let scope = SessionScope::ObjectRead {
        product: product.clone(),
        pcf: pcf.clone(),
    };
    let session = vault.session(own(), scope);
    let expected = IamAnswer::Evaluated {
        decision: IamDecision::Allowed,
        statements: vec![
            "session-object-read#ReadOneObject".into(),
            "tenant-boundary#OwnObjects".into(),
            "tenant-role#OwnObjects".into(),
        ],
    };
    assert_eq!(session.ask(Operation::GetObject(&product, &pcf)), expected);
    let refused = IamAnswer::Evaluated {
        decision: IamDecision::ImplicitDeny,
        statements: vec![],
    };
    assert_eq!(session.ask(Operation::PutObject(&product, &pcf)), refused);
}

#[tokio::test]
async fn a_denied_operation_touches_no_file() {
    let (dir, vault) = vault();
    let read = vault.session(
        own(),
        SessionScope::ObjectRead {
            product: product(),
            pcf: pcf(),
        },
    );
    assert!(!allowed(&read.put_object(&product(), &pcf(), b"{}".to_vec()).await));
    assert!(!allowed(&read.put_secret(&name(), "s".into()).await));
    let entries = std::fs::read_dir(dir.path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["key-mark", "lock"], "as it was opened");
}

#[tokio::test]
async fn each_tenant_sees_its_own_under_the_same_names() {
    let (_dir, vault) = vault();
    for tenant in [own(), other()] {
        let session = whole(&vault, tenant);
        session
            .put_object(&product(), &pcf(), tenant.to_string().into_bytes())
            .await
            .unwrap();
        session.put_secret(&name(), tenant.to_string().into()).await.unwrap();
    }
    for tenant in [own(), other()] {
        let session = whole(&vault, tenant);
        let object = session.get_object(&product(), &pcf()).await.unwrap();
        assert_eq!(object.bytes, tenant.to_string().into_bytes());
        assert_eq!(session.list_objects().await.unwrap(), [(product(), pcf())]);
        let secret = session.get_secret(&name()).await.unwrap();
        assert_eq!(secrecy::ExposeSecret::expose_secret(&secret), tenant.as_str());
    }
}

#[tokio::test]
async fn what_a_partner_hands_in_lies_apart_from_what_is_the_tenants_own() {
    let (dir, vault) = vault();
    let session = whole(&vault, own());
    // A product of the tenant's may have any name; even one that is the name of the place apart reaches nothing in it.
    let received: ProductId = id("received");
    session
        .put_object(&received, &id(partner().as_str()), b"own".to_vec())
        .await
        .unwrap();
    for (from, bytes) in [(partner(), b"theirs"), (other().0, b"others")] {
        session.put_received(&from, &pcf(), bytes.to_vec()).await.unwrap();
        let path = dir
            .path()
            .join(format!("objects/{OWN}/pcf/received/{from}/{}.json", pcf()));
        assert_eq!(std::fs::read(path).unwrap(), bytes);
    }
    assert_eq!(
        session.list_objects().await.unwrap(),
        [(received.clone(), id(partner().as_str()))]
    );
    let own = session.get_object(&received, &id(partner().as_str())).await.unwrap();
    assert_eq!(own.bytes, b"own");
    assert!(matches!(
        session.get_object(&received, &pcf()).await,
        Err(VaultError::NotFound(_))
    ));
    // The seal of one place is no seal of the other.
    let kept = dir.path().join(format!("objects/{OWN}/pcf/received/{}", partner()));
    for end in ["json", "seal"] {
        std::fs::copy(
            kept.join(format!("{}.{end}", pcf())),
            kept.with_file_name(format!("{}.{end}", pcf())),
        )
        .unwrap();
    }
    assert!(matches!(
        session.get_object(&received, &pcf()).await,
        Err(VaultError::Tampered { .. })
    ));
}

/// STS takes session policies of at most 2,048 characters.
#[cfg(feature = "aws")]
#[test]
fn every_session_policy_is_short_enough_for_sts_whatever_the_ids() {
    let (_dir, vault) = vault();
    let product: ProductId = id(&"p".repeat(128));
    let (pcf, name): (PcfId, SecretName) = (id(&"f".repeat(64)), id(&"s".repeat(64)));
    for scope in scopes(&product, &pcf, &name) {
        let policy = vault.session(own(), scope.clone()).rendered_policy().unwrap();
        let Some(policy) = policy else {
            assert_eq!(scope, SessionScope::Whole);
            continue;
        };
        assert!(policy.len() <= 2_048, "{scope:?}: {}", policy.len());
        assert!(policy.contains(OWN) && !policy.contains("{bpnl}"), "{policy}");
    }
}
