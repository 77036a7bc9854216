//! Many footprints at once, each on its own session.

use super::*;
use crate::ids::Digest;
use crate::vault::{ObjectPut, VaultError};

fn numbered(number: usize) -> PcfId {
    id(&format!("p-{number}"))
}

fn put(session: Session, pcf: PcfId, bytes: &[u8]) -> ObjectPut {
    ObjectPut {
        session,
        product: product(),
        pcf,
        bytes: bytes.to_vec(),
    }
}

fn for_write(vault: &Vault, tenant: TenantId, pcf: PcfId) -> Session {
    let product = product();
    vault.session(tenant, SessionScope::ObjectWrite { product, pcf })
}

#[tokio::test]
async fn each_is_answered_on_its_own_session_and_none_stops_another() {
    let (_dir, vault) = vault();
    let (_other_dir, elsewhere) = super::vault();
    let read = SessionScope::ObjectRead {
        product: product(),
        pcf: numbered(4),
    };
    let puts = vec![
        put(for_write(&vault, own(), numbered(0)), numbered(0), b"own"),
        // The session of another object, of another tenant, of another operation, of another vault.
        put(for_write(&vault, own(), numbered(0)), numbered(1), b"x"),
        put(for_write(&vault, other(), numbered(2)), numbered(2), b"other's"),
        put(vault.session(own(), SessionScope::List), numbered(3), b"x"),
        put(vault.session(own(), read), numbered(4), b"x"),
        put(for_write(&elsewhere, own(), numbered(5)), numbered(5), b"x"),
        put(
            for_write(&vault, own(), numbered(6)),
            numbered(6),
            &vec![0; 16 * 1024 * 1024 + 1],
        ),
        put(for_write(&vault, own(), numbered(7)), numbered(7), b"last"),
        put(for_write(&vault, own(), numbered(0)), numbered(0), b"own again"),
    ];
    let stored = vault.put_objects(puts).await;
    let kinds: Vec<_> = stored
        .iter()
        .map(|result| match result {
            Ok(digest) => digest.to_string(),
            Err(VaultError::AccessDenied(denied)) => format!("denied {}", denied.action),
            Err(VaultError::TooLarge { .. }) => "too large".to_owned(),
            Err(VaultError::Internal(_)) => "internal".to_owned(),
            Err(other) => panic!("{other:?}"),
        })
        .collect();
    let digest = |bytes: &[u8]| Digest::of(bytes).to_string();
    let denied = || "denied s3:PutObject".to_owned();
    let expected = [
        digest(b"own"),
        denied(),
        digest(b"other's"),
        denied(),
        denied(),
        "internal".to_owned(),
        "too large".to_owned(),
        digest(b"last"),
        digest(b"own again"),
    ];
    assert_eq!(kinds, expected);
    let listed = whole(&vault, own()).list_objects().await.unwrap();
    assert_eq!(listed, [(product(), numbered(0)), (product(), numbered(7))]);
    let bytes = async |tenant, number| {
        let session = whole(&vault, tenant);
        session.get_object(&product(), &numbered(number)).await.unwrap().bytes
    };
    assert_eq!(bytes(own(), 0).await, b"own again");
    assert_eq!(bytes(own(), 7).await, b"last");
    // A session of another tenant writes that tenant's object, whatever else is in the batch.
    assert_eq!(bytes(other(), 2).await, b"other's");
    assert!(vault.put_objects(Vec::new()).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_while_a_batch_is_written_sees_one_whole_object() {
    let (_dir, vault) = vault();
    let batch = |byte: u8| {
        let one = |number| {
            put(
                for_write(&vault, own(), numbered(number)),
                numbered(number),
                &[byte; 1_000],
            )
        };
        (0..40).map(one).collect::<Vec<_>>()
    };
    assert!(vault.put_objects(batch(0)).await.iter().all(Result::is_ok));
    let (first, second) = (batch(1), batch(2));
    let writer = tokio::spawn({
        let vault = vault.clone();
        async move {
            for puts in [first, second] {
                assert!(vault.put_objects(puts).await.iter().all(Result::is_ok));
            }
        }
    });
    let mut reads = 0;
    while !writer.is_finished() || reads < 40 {
        let session = whole(&vault, own());
        let object = session.get_object(&product(), &numbered(reads % 40)).await.unwrap();
        assert!(object.bytes.len() == 1_000 && object.bytes.iter().all(|byte| *byte == object.bytes[0]));
        reads += 1;
    }
    writer.await.unwrap();
}
