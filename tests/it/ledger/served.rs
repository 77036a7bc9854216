//! A company's log as it is served: to its own people, by the standards, and checked by a tool that knows nothing of Tidegate.

use std::process::Command;

use serde_json::Value;
use tidegate::ledger::checkpoint::Checkpoint;
use tidegate::ledger::note::VerifierKey;
use tidegate::ledger::proof::Inclusion;
use tidegate::ledger::tile::{self, Kind, TileId};
use tidegate::ledger::tree::{Tree, leaf_hash};

use crate::harness::{Answer, ELBE, ISAR, Service, WESER, ask, contains, within_a_minute};

/// The key that signs a log, as `dev.json` gives it.
pub(super) fn key(service: &Service, log: &str) -> VerifierKey {
    let manifest: Value = serde_json::from_slice(&std::fs::read(service.data().join("dev.json")).unwrap()).unwrap();
    let logs = manifest["ledger"].as_array().unwrap();
    let log = logs.iter().find(|part| part["log"] == log).unwrap();
    log["public_key"].as_str().unwrap().parse().unwrap()
}

pub(super) fn read(service: &Service, token: &str, path: &str) -> Answer {
    ask("GET", &format!("/ledger/{ELBE}/{path}"))
        .bearer(token)
        .send(service.address)
}

/// The checkpoint once it signs more than `index` records.
fn signed(service: &Service, token: &str, index: u64) -> (String, Checkpoint) {
    let key = key(service, ELBE);
    within_a_minute(|| {
        let answer = read(service, token, "checkpoint");
        assert_eq!(answer.status, 200, "{}", answer.text());
        let checkpoint = Checkpoint::open(&answer.text(), &key).unwrap();
        match checkpoint.size > index {
            true => Ok((answer.text(), checkpoint)),
            false => Err("the record is not signed yet"),
        }
    })
}

/// Asks for a footprint; gives the number of the decision's record.
pub(super) fn decided(service: &Service) -> u64 {
    let answer = service.sound_exchange().send(service.address);
    let place = &answer.headers["tidegate-log"];
    let (log, index) = place.split_once('/').unwrap();
    assert_eq!(log, ELBE);
    index.parse().unwrap()
}

#[test]
fn a_log_is_read_by_those_of_its_company_who_may_and_by_nobody_else() {
    let service = Service::shared();
    decided(service);
    for path in [
        "checkpoint",
        "key-changes",
        "tile/entries/000.p/1",
        "tile/0/000.p/1",
        "inclusion/0",
    ] {
        let status = |token: &str| read(service, token, path).status;
        assert_eq!(status(&service.person(ELBE, "anna")), 200, "{path}: an admin");
        assert_eq!(status(&service.person(ELBE, "vera")), 403, "{path}: without the role");
        assert_eq!(status(&service.connector(ELBE)), 401, "{path}: no person");
        let other = service.person(ISAR, "bert");
        assert_eq!(status(&other), 401, "{path}: another company's");
    }
    let anna = service.person(ELBE, "anna");
    for path in [
        "tile/0/000.p/0",
        "tile/9/000.p/1",
        "tile/0/0",
        "tile/data/000",
        "inclusion/x",
    ] {
        let answer = read(service, &anna, path);
        assert_eq!(answer.status, 400, "{path}");
        // Also what fails after a decision says where that is on record.
        assert!(answer.headers["tidegate-log"].starts_with("platform/"), "{path}");
    }
    for path in ["tile/0/x001/x234/067", "tile/1/001.p/3", "inclusion/99999999"] {
        let answer = read(service, &anna, path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.headers["tidegate-log"].starts_with("platform/"), "{path}");
    }
}

#[test]
fn tiles_give_the_signed_root_and_no_name_of_a_person() {
    let service = Service::shared();
    let anna = service.person(ELBE, "anna");
    // A decision about a person, in the log that is read.
    let secret = ask("GET", &format!("/credentials/{ELBE}/secrets/erp-api-key")).bearer(&anna);
    assert_eq!(secret.send(service.address).status, 200);
    let (_, checkpoint) = signed(service, &anna, decided(service));
    let mut tree = Tree::default();
    for id in TileId::all(checkpoint.size).filter(|id| id.kind == Kind::Entries) {
        let answer = read(service, &anna, &id.to_string());
        assert_eq!(answer.status, 200, "{id}: {}", answer.text());
        assert!(answer.headers["cache-control"].contains("immutable"));
        for record in tile::records(&answer.body).unwrap() {
            tree.push(leaf_hash(record));
            assert!(!contains(record, "anna"), "{}", String::from_utf8_lossy(record));
        }
    }
    assert_eq!((tree.size(), tree.root()), (checkpoint.size, checkpoint.root));
}

#[test]
fn an_answer_says_where_its_record_is_and_a_proof_shows_it() {
    let service = Service::shared();
    let anna = service.person(ELBE, "anna");
    let index = decided(service);
    signed(service, &anna, index);
    let proof = read(service, &anna, &format!("inclusion/{index}"));
    assert_eq!(proof.status, 200, "{}", proof.text());
    let proof = Inclusion::parse(&proof.text()).unwrap();
    assert_eq!(proof.index, index);
    let id = TileId::widest(Kind::Entries, index / 256, index + 1).unwrap();
    let entries = read(service, &anna, &id.to_string());
    let record = *tile::records(&entries.body).unwrap().last().unwrap();
    assert!(contains(record, "\"access\"") && contains(record, WESER));
    proof.check(&leaf_hash(record), &key(service, ELBE)).unwrap();
    assert!(proof.check(&leaf_hash(b"another"), &key(service, ELBE)).is_err());
}

/// Whether fsck derives Elbe's log again under a key, and what it says.
pub(super) fn fsck(service: &Service, token: &str, origin: &str, key: &VerifierKey) -> (bool, String) {
    let keys = tempfile::tempdir().unwrap();
    let file = keys.path().join("key");
    std::fs::write(&file, key.to_string()).unwrap();
    let url = format!("http://{}/ledger/{ELBE}/", service.address);
    let output = Command::new(std::env::var_os("TESSERA_FSCK").expect("the path of fsck"))
        .args(["-ui=false", "--storage_url", &url, "--origin"])
        .args([origin, "--bearer_token", token, "--public_key"])
        .arg(file)
        .output()
        .unwrap();
    let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    // It ends with 0 whatever it finds.
    (told.contains("Successfully fsck'd log"), told)
}

#[test]
#[ignore = "needs fsck of github.com/transparency-dev/tessera; tests/ledger/run brings it"]
fn a_public_tool_derives_the_log_again() {
    let service = Service::shared();
    let anna = service.person(ELBE, "anna");
    for _ in 0..600 {
        decided(service);
    }
    let (_, checkpoint) = signed(service, &anna, decided(service));
    let (holds, told) = fsck(service, &anna, &checkpoint.origin, &key(service, ELBE));
    assert!(holds, "{told}");
    // That it would say otherwise: the same log under another's key.
    let (holds, told) = fsck(service, &anna, &checkpoint.origin, &key(service, "platform"));
    assert!(!holds, "{told}");
}
