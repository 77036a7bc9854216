//! What an auditor takes away: proofs, evidence, a follower's checkpoints, and what erasing leaves.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use tidegate::assemble::BundleSource;
use tidegate::clock::Clock;
use tidegate::ledger::checkpoint::Checkpoint;
use tidegate::ledger::note::VerifierKey;
use tidegate::ledger::proof::Inclusion;

use super::recorded;
use crate::binary::{check, run};
use crate::harness::{ELBE, Service, block_on, copy, files, records, within_a_minute};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn exported(data: &Path) -> TempDir {
    let out = tempfile::tempdir().unwrap();
    check(
        &[
            "ledger",
            "export",
            "--data",
            text(data),
            "--out",
            text(&out.path().join("e")),
        ],
        0,
    );
    out
}

/// The key of a log, as evidence has it.
fn key(evidence: &Path, log: &str) -> VerifierKey {
    let contents: Value = serde_json::from_slice(&std::fs::read(evidence.join("evidence.json")).unwrap()).unwrap();
    let logs = contents["logs"].as_array().unwrap();
    let log = logs.iter().find(|part| part["log"] == log).unwrap();
    log["verifierKey"].as_str().unwrap().parse().unwrap()
}

fn findings(place: &Path) -> Vec<String> {
    let report: Value =
        serde_json::from_str(&check(&["ledger", "verify", text(place), "--format", "json"], 2)).unwrap();
    let logs = report["logs"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|log| log["findings"].as_array().unwrap());
    let all = logs.chain(report["findings"].as_array().unwrap());
    all.map(|finding| finding["message"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_record_is_proved_by_its_id_and_by_its_place() {
    let data = recorded();
    let data = text(data.path());
    let last = records(Path::new(data), ELBE).pop().unwrap();
    let place = format!("{ELBE}/{}", last.record.seq);
    let by_place = check(&["ledger", "inclusion", &place, "--data", data], 0);
    for id in [last.record.id.to_string(), format!("urn:uuid:{}", last.record.id)] {
        assert_eq!(check(&["ledger", "inclusion", &id, "--data", data], 0), by_place);
    }
    let json = check(&["ledger", "inclusion", &place, "--data", data, "--format", "json"], 0);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["log"], &json["index"]), (&ELBE.into(), &last.record.seq.into()));
    assert_eq!(json["record"]["id"], last.record.id.to_string());
    let key: VerifierKey = json["verifierKey"].as_str().unwrap().parse().unwrap();
    Inclusion::parse(&by_place).unwrap().check(&last.hash, &key).unwrap();
    for (wrong, exit) in [
        ("x", 3),
        ("BPNL000000000DWF/x", 3),
        ("nowhere/1", 3),
        ("00000000-0000-7000-8000-000000000000", 4),
        ("BPNL000000000DWF/999", 4),
    ] {
        check(&["ledger", "inclusion", wrong, "--data", data], exit);
    }
}

#[test]
fn evidence_verifies_by_itself_and_what_was_changed_in_it_is_named() {
    let data = recorded();
    let out = exported(data.path());
    let evidence = out.path().join("e");
    let report = check(&["ledger", "verify", text(&evidence)], 0);
    assert!(report.contains(ELBE) && report.contains("platform"), "{report}");
    let readme = std::fs::read_to_string(evidence.join("README.md")).unwrap();
    assert!(readme.contains(&key(&evidence, ELBE).to_string()), "{readme}");
    // One log of it, as any tool for tlog-tiles finds it.
    let log = evidence.join("logs").join(ELBE);
    check(
        &[
            "ledger",
            "verify",
            text(&log),
            "--key",
            &key(&evidence, ELBE).to_string(),
        ],
        0,
    );
    let unnamed = run(&["ledger", "verify", text(&log)]);
    assert_eq!(unnamed.status.code(), Some(3));
    assert!(
        String::from_utf8(unnamed.stderr)
            .unwrap()
            .contains("give it with `--key`")
    );
    // It is not overwritten.
    check(
        &[
            "ledger",
            "export",
            "--data",
            text(data.path()),
            "--out",
            text(&evidence),
        ],
        1,
    );
    check(
        &[
            "ledger",
            "export",
            "--data",
            text(data.path()),
            "--out",
            text(&out.path().join("x")),
            "--log",
            "BPNL00000000XXXX",
        ],
        3,
    );

    for file in files(&evidence) {
        let name = file.strip_prefix(&evidence).unwrap().to_str().unwrap().to_owned();
        if name == "README.md" || name == "evidence.json" {
            continue;
        }
        let whole = std::fs::read(&file).unwrap();
        let mut flipped = whole.clone();
        let at = whole.len() / 2;
        flipped[at] ^= 1;
        std::fs::write(&file, &flipped).unwrap();
        let found = run(&["ledger", "verify", text(&evidence)]);
        assert_eq!(found.status.code(), Some(2), "{name}: a flipped byte");
        std::fs::remove_file(&file).unwrap();
        let gone = run(&["ledger", "verify", text(&evidence)]);
        assert_eq!(gone.status.code(), Some(2), "{name}: gone");
        std::fs::write(&file, &whole).unwrap();
    }
    check(&["ledger", "verify", text(&evidence)], 0);
}

#[test]
fn a_record_changed_in_evidence_is_named() {
    let data = recorded();
    let out = exported(data.path());
    let evidence = out.path().join("e");
    let entries = files(&evidence.join("logs").join(ELBE).join("tile/entries"))
        .pop()
        .unwrap();
    let mut bytes = std::fs::read(&entries).unwrap();
    let at = bytes.windows(8).rposition(|window| window == b"\"seq\":9,").unwrap();
    bytes[at + 6] = b'8';
    std::fs::write(&entries, bytes).unwrap();
    let found = findings(&evidence);
    assert!(
        found.iter().any(|message| message.starts_with("record 9 was changed")),
        "{found:?}"
    );
}

/// Evidence of a ledger of the same tenants, made and signed by someone else, with what is said of it changed.
fn forged(change: impl Fn(&mut Value)) -> TempDir {
    let out = exported(recorded().path());
    let file = out.path().join("e/evidence.json");
    let mut contents: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    change(&mut contents);
    std::fs::write(&file, contents.to_string()).unwrap();
    out
}

#[test]
fn what_an_auditor_brings_goes_before_what_evidence_says_of_itself() {
    let data = recorded();
    let out = exported(data.path());
    let evidence = out.path().join("e");
    let keys = ["platform", ELBE].map(|log| key(&evidence, log).to_string());
    let note = |log: &str| evidence.join("logs").join(log).join("checkpoint");
    let with = |place: &TempDir, more: &[&str]| {
        let place = place.path().join("e");
        run(&[&["ledger", "verify", text(&place)], more].concat()).status.code()
    };
    let notes = ["platform", ELBE].map(|log| text(&note(log)).to_owned());
    let brought: [&[&str]; 4] = [
        &["--key", &keys[0]],
        &["--key", &keys[1]],
        &["--checkpoint", &notes[0]],
        &["--checkpoint", &notes[1]],
    ];
    let same = |_: &mut Value| {};
    for more in brought {
        assert_eq!(with(&out, more), Some(0), "{more:?}");
        // Its own word is all there is for a forgery; anything brought shows it.
        assert_eq!(with(&forged(same), &[]), Some(0));
        assert_eq!(with(&forged(same), more), Some(2), "{more:?}");
    }
    // Nor does it help to leave out a log, to name it otherwise, or to give one for another.
    let only = |kept: &'static str| {
        move |contents: &mut Value| {
            contents["logs"]
                .as_array_mut()
                .unwrap()
                .retain(|part| part["log"] == kept)
        }
    };
    assert_eq!(
        with(&forged(only(ELBE)), &["--key", &keys[0]]),
        Some(2),
        "no platform that opened it"
    );
    assert_eq!(
        with(&forged(only("platform")), &["--key", &keys[1]]),
        Some(2),
        "the log is not there"
    );
    assert_eq!(with(&forged(only("platform")), &["--checkpoint", &notes[1]]), Some(2));
    let renamed = |contents: &mut Value| contents["logs"][0]["log"] = ELBE.into();
    assert_eq!(with(&forged(renamed), &[]), Some(2));
    // Nor to put a whole store beside it.
    let both = forged(same);
    copy(&data.path().join("ledger.sqlite"), &both.path().join("e/ledger.sqlite"));
    assert_eq!(with(&both, &[]), Some(3));
}

#[test]
fn nothing_hides_behind_what_is_signed() {
    let data = recorded();
    let out = exported(data.path());
    let evidence = out.path().join("e");
    let log = evidence.join("logs").join(ELBE);
    let key = key(&evidence, ELBE).to_string();
    let verify = || run(&["ledger", "verify", text(&log), "--key", &key]);
    // A record more than the partial tile's name says.
    let entries = files(&log.join("tile/entries")).pop().unwrap();
    let whole = std::fs::read(&entries).unwrap();
    let more = [&whole[..], &[0, 2, b'{', b'}']].concat();
    std::fs::write(&entries, more).unwrap();
    assert_eq!(verify().status.code(), Some(2));
    std::fs::write(&entries, whole).unwrap();
    // A checkpoint that claims more than anyone could read ends at once.
    let note = std::fs::read_to_string(log.join("checkpoint")).unwrap();
    let size = note.lines().nth(1).unwrap().to_owned();
    std::fs::write(
        log.join("checkpoint"),
        note.replace(&format!("\n{size}\n"), "\n4611686018427387904\n"),
    )
    .unwrap();
    assert_eq!(verify().status.code(), Some(2));
    std::fs::write(
        log.join("checkpoint"),
        note.replace(&format!("\n{size}\n"), "\n18446744073709551615\n"),
    )
    .unwrap();
    assert_eq!(verify().status.code(), Some(3));
    // Nor is anything read that is no plain file.
    std::fs::write(log.join("checkpoint"), &note).unwrap();
    assert_eq!(verify().status.code(), Some(0));
    std::fs::remove_file(&entries).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &entries).unwrap();
    assert_eq!(verify().status.code(), Some(1));
}

#[test]
fn a_follower_keeps_checkpoints_and_shouts_when_a_log_does_not_go_on_from_them() {
    let mut service = Service::start();
    let decide = |service: &Service| assert_eq!(service.sound_exchange().send(service.address).status, 200);
    decide(&service);
    let data = service.stop();
    let first = exported(data.path());
    let place = |out: &TempDir| out.path().join("e/logs").join(ELBE);
    let key = key(&first.path().join("e"), ELBE).to_string();
    let state = first.path().join("state");
    let follow = |out: &TempDir, exit| {
        check(
            &[
                "ledger",
                "follow",
                text(&place(out)),
                "--key",
                &key,
                "--state",
                text(&state),
                "--once",
            ],
            exit,
        )
    };
    assert!(follow(&first, 0).contains("kept"));
    assert!(follow(&first, 0).contains("as before"));

    // Two ledgers go on from the same beginning, each with the secret.
    let other = tempfile::tempdir().unwrap();
    copy(data.path(), &other.path().join("data"));
    let on = |data: TempDir| Service::on(data, Clock::system(), BundleSource::BuiltIn, None).unwrap();
    service = on(data);
    decide(&service);
    decide(&service);
    let grown = exported(service.stop().path());
    let told = follow(&grown, 0);
    assert!(told.contains("grown from"), "{told}");
    assert!(follow(&first, 2).contains("SET BACK"));
    // A tile that is not the tree's shows nothing either way: no fork is cried.
    let tiles = files(&place(&grown).join("tile/0"));
    let whole = std::fs::read(&tiles[0]).unwrap();
    std::fs::write(&state, std::fs::read(place(&first).join("checkpoint")).unwrap()).unwrap();
    std::fs::write(&tiles[0], vec![7; whole.len()]).unwrap();
    let damaged = run(&[
        "ledger",
        "follow",
        text(&place(&grown)),
        "--key",
        &key,
        "--state",
        text(&state),
        "--once",
    ]);
    assert_eq!(damaged.status.code(), Some(2));
    assert!(
        String::from_utf8(damaged.stderr)
            .unwrap()
            .contains("not of the tree that is signed")
    );
    std::fs::write(&tiles[0], whole).unwrap();
    follow(&grown, 0);
    let told = std::fs::read_to_string(&state).unwrap();
    let kept = Checkpoint::open(&told, &key.parse().unwrap()).unwrap();

    let forked = tempfile::tempdir().unwrap();
    copy(&other.path().join("data"), forked.path());
    service = on(forked);
    (0..3).for_each(|_| decide(&service));
    let forked = exported(service.stop().path());
    let told = follow(&forked, 2);
    assert!(
        told.contains("FORKED") && told.contains("are not the beginning of"),
        "{told}"
    );
    assert_eq!(
        std::fs::read_to_string(&state).unwrap(),
        kept_note(&grown),
        "what was kept stays"
    );
    assert!(first.path().join("state.forked").exists());
    assert!(kept.size > 0);
}

fn kept_note(out: &TempDir) -> String {
    std::fs::read_to_string(out.path().join("e/logs").join(ELBE).join("checkpoint")).unwrap()
}

#[test]
fn a_served_log_is_verified_and_followed_over_http() {
    let service = Service::start();
    assert_eq!(service.sound_exchange().send(service.address).status, 200);
    let here = tempfile::tempdir().unwrap();
    let token = here.path().join("token");
    std::fs::write(&token, service.person(ELBE, "otto")).unwrap();
    let url = format!("http://{}/ledger/{ELBE}", service.address);
    let key = block_on(async {
        let mut reader = tidegate::ledger::read::Reader::open(service.data()).await.unwrap();
        reader.verifier_key(ELBE.parse().unwrap()).await.unwrap().to_string()
    });
    let arguments = ["ledger", "verify", &url, "--key", &key, "--token-file", text(&token)];
    let report = within_a_minute(|| match run(&arguments) {
        output if output.status.success() => Ok(String::from_utf8(output.stdout).unwrap()),
        output => Err(String::from_utf8(output.stderr).unwrap()),
    });
    assert!(report.contains(ELBE) && report.contains("ok: 1 logs"), "{report}");
    let without = run(&["ledger", "verify", &url, "--key", &key]);
    assert_eq!(without.status.code(), Some(1));
    assert!(
        String::from_utf8(without.stderr)
            .unwrap()
            .contains("it takes a bearer token")
    );
    let state = here.path().join("state");
    let mut follow = vec![
        "ledger",
        "follow",
        &url,
        "--key",
        &key,
        "--token-file",
        text(&token),
        "--once",
    ];
    follow.extend(["--state", text(&state)]);
    assert!(check(&follow, 0).contains("kept"));
}

#[test]
fn what_was_erased_verifies_and_is_not_replayed() {
    let then = Clock::fixed("2026-03-15T12:00:00Z".parse().unwrap());
    let service = Service::with(then, BundleSource::BuiltIn).unwrap();
    assert_eq!(service.sound_exchange().send(service.address).status, 200);
    let data = service.stop();
    let data = text(data.path());
    let erase = |before: &str, exit| {
        check(
            &["ledger", "erase", "--data", data, "--log", ELBE, "--before", before],
            exit,
        )
    };
    assert!(check(&["replay", "--data", data], 0).contains("1 decisions: 1 Same"));
    erase("2999-01", 3);
    erase("2026-03", 4);
    let told = erase("2026-04", 0);
    assert!(told.contains("what was private in 2026-03 is erased"), "{told}");
    erase("2026-04", 4);
    let report = check(&["ledger", "verify", data], 0);
    assert!(report.contains("what is private was erased in 1 of them"), "{report}");
    let replayed = check(&["replay", "--data", data], 2);
    assert!(replayed.contains("was erased with the key of 2026-03"), "{replayed}");
}
