//! What stands on disk: durable, private, and of no use to who alters or moves it.

use std::fs;

use secrecy::{ExposeSecret, SecretString};

use super::*;
use crate::ids::Digest;
use crate::vault::{Stage, VaultError};

const PLAIN: &str = "correct horse battery staple";

async fn filled(dir: &Path) -> Vault {
    let vault = open(dir);
    for tenant in [own(), other()] {
        let session = whole(&vault, tenant);
        session.put_secret(&name(), PLAIN.into()).await.unwrap();
        session
            .put_object(&product(), &pcf(), format!("{{\"of\": \"{tenant}\"}}\n").into_bytes())
            .await
            .unwrap();
    }
    vault
}

fn is_tampered<T>(result: Result<T, VaultError>) -> bool {
    match result {
        Ok(_) => false,
        Err(VaultError::Tampered { .. }) => true,
        Err(other) => panic!("{other:?}"),
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path))
        } else {
            found.push(path)
        }
    }
    found
}

#[tokio::test]
async fn an_object_comes_back_byte_for_byte_and_stands_as_it_was_put() {
    let (dir, vault) = vault();
    let session = whole(&vault, own());
    for bytes in [b"{ \"a\" :\r\n 1.50 }\n".to_vec(), vec![0, 255, 13, 10], vec![]] {
        let digest = session.put_object(&product(), &pcf(), bytes.clone()).await.unwrap();
        let object = session.get_object(&product(), &pcf()).await.unwrap();
        assert_eq!((object.digest, &object.bytes), (digest, &bytes));
        assert_eq!(digest, Digest::of(&bytes));
        assert_eq!(fs::read(object_path(dir.path(), own(), "json")).unwrap(), bytes);
    }
    session.delete_object(&product(), &pcf()).await.unwrap();
    session.delete_object(&product(), &pcf()).await.unwrap();
    assert!(matches!(
        session.get_object(&product(), &pcf()).await,
        Err(VaultError::NotFound(_))
    ));
    assert!(session.list_objects().await.unwrap().is_empty());
    let large = vec![0; 16 * 1024 * 1024 + 1];
    assert!(matches!(
        session.put_object(&product(), &pcf(), large).await,
        Err(VaultError::TooLarge { .. })
    ));
}

#[tokio::test]
async fn an_altered_or_moved_object_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let vault = filled(dir.path()).await;
    let session = whole(&vault, own());
    let [json, seal] = ["json", "seal"].map(|extension| object_path(dir.path(), own(), extension));
    let [other_json, other_seal] = ["json", "seal"].map(|extension| object_path(dir.path(), other(), extension));
    let (bytes, sealed) = (fs::read(&json).unwrap(), fs::read(&seal).unwrap());

    fs::copy(&other_json, &json).unwrap();
    assert!(is_tampered(session.get_object(&product(), &pcf()).await));
    fs::copy(&other_seal, &seal).unwrap();
    assert!(
        is_tampered(session.get_object(&product(), &pcf()).await),
        "moved with its seal"
    );
    fs::write(&seal, &sealed).unwrap();
    for index in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[index] ^= 1;
        fs::write(&json, altered).unwrap();
        assert!(is_tampered(session.get_object(&product(), &pcf()).await), "{index}");
    }
    fs::write(&json, &bytes).unwrap();
    fs::remove_file(&seal).unwrap();
    assert!(is_tampered(session.get_object(&product(), &pcf()).await), "no seal");
    fs::write(&seal, &sealed).unwrap();
    assert_eq!(session.get_object(&product(), &pcf()).await.unwrap().bytes, bytes);
}

#[tokio::test]
async fn a_crash_between_the_steps_of_a_write_leaves_a_readable_object() {
    let (dir, vault) = vault();
    let session = whole(&vault, own());
    let [json, seal] = ["json", "seal"].map(|extension| object_path(dir.path(), own(), extension));
    let mut states = Vec::new();
    for bytes in [b"old".to_vec(), b"new".to_vec()] {
        session.put_object(&product(), &pcf(), bytes.clone()).await.unwrap();
        states.push((bytes, fs::read_to_string(&seal).unwrap()));
    }
    let both = format!("{}{}", states[1].1, states[0].1);
    fs::write(&seal, both).unwrap();
    for (bytes, _) in &states {
        fs::write(&json, bytes).unwrap();
        assert_eq!(session.get_object(&product(), &pcf()).await.unwrap().bytes, *bytes);
    }
    // What the seal does not know stays unknown after the next write has begun.
    fs::write(&json, "foreign").unwrap();
    session
        .put_object(&product(), &pcf(), b"newest".to_vec())
        .await
        .unwrap();
    fs::write(&json, "foreign").unwrap();
    assert!(is_tampered(session.get_object(&product(), &pcf()).await));
}

#[tokio::test]
async fn concurrent_writers_and_readers_always_see_one_whole_object() {
    let (_dir, vault) = vault();
    let session = whole(&vault, own());
    session.put_object(&product(), &pcf(), vec![0; 1_000]).await.unwrap();
    let writers = (1..9_u8).map(|byte| {
        let session = session.clone();
        tokio::spawn(async move { session.put_object(&product(), &pcf(), vec![byte; 1_000]).await })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap().unwrap();
        let bytes = session.get_object(&product(), &pcf()).await.unwrap().bytes;
        assert!(bytes.len() == 1_000 && bytes.iter().all(|byte| *byte == bytes[0]));
    }
}

#[tokio::test]
async fn a_secret_keeps_its_suffix_its_current_and_its_previous_version() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    let session = whole(&vault, own());
    assert!(matches!(
        session.get_secret(&name()).await,
        Err(VaultError::NotFound(_))
    ));
    assert!(matches!(
        session.secret_suffix(&name()).await,
        Err(VaultError::NotFound(_))
    ));
    session.put_secret(&name(), "one".into()).await.unwrap();
    let suffix = session.secret_suffix(&name()).await.unwrap();
    assert_eq!(suffix.as_str().len(), 6);
    let previous = session.get_secret_version(&name(), Stage::Previous).await;
    assert!(matches!(previous, Err(VaultError::NotFound(what)) if what.contains("AWSPREVIOUS")));
    session.put_secret(&name(), "two".into()).await.unwrap();
    session.put_secret(&name(), "three".into()).await.unwrap();
    drop((session, vault));

    let session = whole(&open(dir.path()), own());
    let exposed = |secret: SecretString| secret.expose_secret().to_owned();
    assert_eq!(exposed(session.get_secret(&name()).await.unwrap()), "three");
    assert_eq!(
        exposed(session.get_secret_version(&name(), Stage::Previous).await.unwrap()),
        "two"
    );
    assert_eq!(session.secret_suffix(&name()).await.unwrap(), suffix);
    let long = "x".repeat(65_537);
    assert!(matches!(
        session.put_secret(&name(), long.into()).await,
        Err(VaultError::TooLarge { .. })
    ));
    for text in ["".to_owned(), "ä\0\n".to_owned(), "x".repeat(65_536)] {
        session.put_secret(&name(), text.clone().into()).await.unwrap();
        assert_eq!(exposed(session.get_secret(&name()).await.unwrap()), text);
    }
}

#[tokio::test]
async fn an_altered_or_moved_secret_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let vault = filled(dir.path()).await;
    let session = whole(&vault, own());
    session.put_secret(&name(), "second".into()).await.unwrap();
    let path = secret_path(dir.path(), own());
    let sound = fs::read(&path).unwrap();

    for index in 0..sound.len() {
        let mut altered = sound.clone();
        altered[index] ^= 1;
        fs::write(&path, altered).unwrap();
        // A bit of the other version does not concern this one; it may never come out as another text.
        for (stage, expected) in [(Stage::Current, "second"), (Stage::Previous, PLAIN)] {
            match session.get_secret_version(&name(), stage).await {
                Ok(secret) => assert_eq!(secret.expose_secret(), expected, "byte {index}"),
                Err(VaultError::Tampered { .. } | VaultError::NotFound(_)) => {}
                Err(other) => panic!("byte {index}: {other:?}"),
            }
        }
    }
    fs::copy(secret_path(dir.path(), other()), &path).unwrap();
    assert!(
        is_tampered(session.get_secret(&name()).await),
        "moved from another tenant"
    );
    fs::write(&path, &sound).unwrap();
    let renamed = path.with_file_name("other-key.json");
    fs::rename(&path, renamed).unwrap();
    assert!(
        is_tampered(session.get_secret(&id("other-key")).await),
        "moved to another name"
    );

    // The previous version in the place of the current one.
    let text = String::from_utf8(sound).unwrap();
    let swapped = text.replace(r#""AWSCURRENT":2,"AWSPREVIOUS":1"#, r#""AWSCURRENT":1"#);
    assert_ne!(swapped, text);
    fs::write(&path, swapped).unwrap();
    assert!(is_tampered(session.get_secret(&name()).await), "stages swapped");
    let renumbered = text
        .replace(r#""version":2"#, r#""version":9"#)
        .replace(r#""version":1"#, r#""version":2"#);
    let renumbered = renumbered.replace(r#""version":9"#, r#""version":1"#);
    fs::write(&path, renumbered).unwrap();
    assert!(is_tampered(session.get_secret(&name()).await), "versions swapped");
}

#[tokio::test]
async fn a_secret_is_rotated_only_to_what_its_target_accepts() {
    let dir = tempfile::tempdir().unwrap();
    let vault = open(dir.path());
    let exposed = |secret: SecretString| secret.expose_secret().to_owned();
    let session = whole(&vault, own());
    let rotation = vault.session(own(), SessionScope::SecretRotate { name: name() });
    let missing = rotation
        .rotate_secret(&name(), "two".into(), |_| async { Ok(()) })
        .await;
    assert!(matches!(missing, Err(VaultError::NotFound(_))), "{missing:?}");
    session.put_secret(&name(), "one".into()).await.unwrap();

    let refuse = |_| async { Err("401".to_owned()) };
    let refused = rotation.rotate_secret(&name(), "two".into(), refuse).await.unwrap_err();
    assert!(
        matches!(&refused, VaultError::NotAccepted { why, .. } if why == "401"),
        "{refused}"
    );
    assert_eq!(
        exposed(session.get_secret(&name()).await.unwrap()),
        "one",
        "what was current stays"
    );
    let pending = session.get_secret_version(&name(), Stage::Pending).await.unwrap();
    assert_eq!(exposed(pending), "two");

    let accept = |tried: SecretString| async move {
        assert_eq!(exposed(tried), "three");
        Ok(())
    };
    rotation.rotate_secret(&name(), "three".into(), accept).await.unwrap();
    assert_eq!(exposed(session.get_secret(&name()).await.unwrap()), "three");
    let previous = session.get_secret_version(&name(), Stage::Previous).await.unwrap();
    assert_eq!(
        exposed(previous),
        "one",
        "what was never current is never the one before"
    );
    let pending = session.get_secret_version(&name(), Stage::Pending).await;
    assert!(matches!(pending, Err(VaultError::NotFound(_))));
    // The one operation, and not even reading.
    assert!(matches!(
        rotation.get_secret(&name()).await,
        Err(VaultError::AccessDenied(_))
    ));
}

#[tokio::test]
async fn a_vault_does_not_open_with_another_key() {
    let dir = tempfile::tempdir().unwrap();
    drop(filled(dir.path()).await);
    let mark = dir.path().join("key-mark");
    let is_refused = || {
        let opened = Vault::embedded(dir.path(), &key(8), account());
        matches!(opened, Err(VaultError::OtherKey(_)))
    };
    assert!(is_refused());
    // One from before vaults said so is known by what is in it, and is not made the other key's.
    fs::remove_file(&mark).unwrap();
    assert!(is_refused() && !mark.exists());
    // With its own key it opens, though one of two secrets was tampered with, and says so from then on.
    fs::write(secret_path(dir.path(), own()), "{}").unwrap();
    let vault = open(dir.path());
    assert!(mark.exists());
    assert!(is_tampered(whole(&vault, own()).get_secret(&name()).await));
    whole(&vault, other()).get_secret(&name()).await.unwrap();
    drop(vault);
    assert!(is_refused());
}

#[tokio::test]
async fn no_plaintext_of_a_secret_is_anywhere_and_everything_is_private() {
    let dir = tempfile::tempdir().unwrap();
    let _vault = filled(dir.path()).await;
    let found = files(dir.path());
    assert_eq!(
        found.len(),
        8,
        "lock, the mark of the key, and for each of two tenants a secret, an object and its seal: {found:?}"
    );
    use base64::Engine;
    let encoded = base64::engine::general_purpose::STANDARD.encode(PLAIN);
    for path in found {
        let bytes = fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(
            !text.contains(PLAIN) && !text.contains(encoded.trim_end_matches('=')),
            "{path:?}"
        );
        #[cfg(unix)]
        if path.file_name().unwrap() != "lock" {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(&path), 0o600, "{path:?}");
            // The vault's own directory is the test's.
            if path.parent() != Some(dir.path()) {
                assert_eq!(mode(path.parent().unwrap()), 0o700, "{path:?}");
            }
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn no_symbolic_link_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let vault = filled(dir.path()).await;
    let session = whole(&vault, own());
    let link = |from: &Path, to: &Path| {
        if from.is_dir() {
            fs::remove_dir_all(from).unwrap()
        } else {
            fs::remove_file(from).unwrap()
        }
        std::os::unix::fs::symlink(to, from).unwrap();
    };
    let foreign = |result: Result<_, VaultError>| matches!(result, Err(VaultError::ForeignPath(_)));
    let (mine, theirs) = (
        object_path(dir.path(), own(), "json"),
        object_path(dir.path(), other(), "json"),
    );
    link(&mine, &theirs);
    assert!(foreign(session.get_object(&product(), &pcf()).await.map(|_| ())));
    assert!(foreign(
        session.put_object(&product(), &pcf(), vec![]).await.map(|_| ())
    ));
    link(
        &dir.path().join("objects").join(OWN),
        &dir.path().join("objects").join(OTHER),
    );
    assert!(foreign(session.get_object(&product(), &pcf()).await.map(|_| ())));
    assert!(foreign(session.list_objects().await.map(|_| ())));
    link(
        &dir.path().join("secrets").join(OWN),
        &dir.path().join("secrets").join(OTHER),
    );
    assert!(foreign(session.get_secret(&name()).await.map(|_| ())));
    assert!(fs::read_to_string(theirs).unwrap().contains(OTHER));
}

#[tokio::test]
async fn a_file_the_vault_did_not_name_is_reported() {
    let (dir, vault) = vault();
    let session = whole(&vault, own());
    session.put_object(&product(), &pcf(), vec![]).await.unwrap();
    fs::write(
        object_path(dir.path(), own(), "json").with_file_name("not an id.json"),
        "",
    )
    .unwrap();
    assert!(matches!(session.list_objects().await, Err(VaultError::ForeignPath(_))));
}
