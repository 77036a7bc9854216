//! Every way to tamper with the store is found, named for what it is, at the record it concerns.

use super::super::report::{FindingKind, LogReport, Report};
use super::super::verify::{Trust, verify};
use super::super::{LedgerError, tree::leaf_hash};
use super::at::{At, On, on_both};
use super::*;
use FindingKind::*;

on_both!(
    an_untouched_ledger_verifies,
    a_changed_record_is_found_at_its_number,
    a_changed_hash_is_told_from_a_changed_record,
    a_record_replaced_with_its_hash_is_found_at_its_number,
    a_removed_record_is_missing,
    renumbering_does_not_hide_a_removal,
    a_log_cut_short_is_shorter_than_its_checkpoint,
    reordered_records_are_found_from_the_first_moved,
    an_inserted_copy_is_found_where_it_stands,
    several_changes_are_all_reported,
    a_checkpoint_that_is_gone_or_changed_is_found,
    a_swapped_key_contradicts_the_platforms_log,
    a_log_erased_whole_is_missed,
    tenants_logs_without_the_platforms_are_found,
    bodies_are_held_to_their_digests,
    what_vouches_for_a_record_is_held_to_it,
    what_is_private_is_held_to_the_commitments,
    a_log_signed_again_at_the_same_size_is_not_the_one_that_was_kept,
    a_ledger_rewritten_with_another_secret_is_not_the_trusted_one,
    nothing_is_appended_to_a_log_that_was_tampered_with,
    a_store_of_another_format_is_refused,
    a_checkpoint_kept_elsewhere_shows_a_ledger_set_back,
);

fn of<'a>(report: &'a Report, name: &str) -> &'a LogReport {
    report.logs.iter().find(|entry| entry.log == log(name)).unwrap()
}

/// Writes a ledger, runs `sql` with `A` for the first tenant's log, and expects exactly these findings there and none
/// elsewhere. Returns the report's text.
async fn check(on: On, sql: &str, expected: &[(FindingKind, Option<u64>)]) -> String {
    let at = At::written(on).await;
    at.edit(&sql.replace("'A'", &format!("'{}'", TENANTS[0]))).await;
    let report = at.verify().await.unwrap();
    assert_eq!(found(of(&report, TENANTS[0])), expected, "{sql}\n{report}");
    assert!(
        of(&report, TENANTS[1]).ok && of(&report, "platform").ok,
        "{sql}\n{report}"
    );
    assert!(!report.ok);
    report.to_string()
}

async fn an_untouched_ledger_verifies(on: On) {
    let at = At::written(on).await;
    let report = at.verify().await.unwrap();
    assert!(report.ok, "{report}");
    assert_eq!(
        report.logs.iter().map(|log| log.records).collect::<Vec<_>>(),
        [2, 42, 3]
    );
    let json: serde_json::Value = serde_json::from_str(&report.to_json().unwrap()).unwrap();
    assert_eq!((&json["ok"], &json["logs"][1]["records"]), (&true.into(), &42.into()));
}

async fn a_changed_record_is_found_at_its_number(on: On) {
    let change = "UPDATE record SET record = replace(record, '\"allow\"', '\"denyx\"') WHERE log = 'A' AND seq = ";
    for seq in [0, 17, 41] {
        let text = check(on, &format!("{change}{seq}"), &[(Changed, Some(seq))]).await;
        assert!(
            text.contains(&format!(
                "record {seq} was changed: its bytes no longer give the hash sha256:"
            )),
            "{text}"
        );
        assert!(text.contains(&format!("BROKEN at record {seq}")), "{text}");
    }
}

async fn a_changed_hash_is_told_from_a_changed_record(on: On) {
    for seq in [0, 17, 41] {
        let sql = format!("UPDATE record SET hash = zeroblob(32) WHERE log = 'A' AND seq = {seq}");
        check(on, &sql, &[(HashChanged, Some(seq))]).await;
        let sql = format!("UPDATE record SET hash = x'00' WHERE log = 'A' AND seq = {seq}");
        check(on, &sql, &[(HashChanged, Some(seq))]).await;
    }
}

async fn a_record_replaced_with_its_hash_is_found_at_its_number(on: On) {
    for seq in [0_i64, 17, 41] {
        let at = At::written(on).await;
        let mut reader = at.reader().await.unwrap();
        let row = reader
            .group(log(TENANTS[0]), 0)
            .await
            .unwrap()
            .remove(usize::try_from(seq).unwrap());
        drop(reader);
        let forged = String::from_utf8(row.bytes)
            .unwrap()
            .replace("\"effect\":\"allow\"", "\"effect\":\"deny\"");
        let hash = hex::encode(leaf_hash(forged.as_bytes()).as_bytes());
        let forged = hex::encode(forged);
        let place = format!("log = '{}' AND seq = {seq}", TENANTS[0]);
        at.edit(&format!(
            "UPDATE record SET record = CAST(x'{forged}' AS TEXT), hash = x'{hash}' WHERE {place}"
        ))
        .await;
        let report = at.verify().await.unwrap();
        assert_eq!(
            found(of(&report, TENANTS[0])),
            [(Replaced, Some(seq.cast_unsigned()))],
            "{report}"
        );
        // Without the secret it is as plain that one was replaced, but not which: 42 records are subtrees of 32, 8 and 2.
        std::fs::remove_file(at.dir().join("keys/ledger.seed")).unwrap();
        let report = at.verify().await.unwrap();
        let subtree = if seq < 32 { 0 } else { 40 };
        assert_eq!(found(of(&report, TENANTS[0])), [(Replaced, Some(subtree))], "{report}");
    }
}

async fn a_removed_record_is_missing(on: On) {
    let text = check(
        on,
        "DELETE FROM record WHERE log = 'A' AND seq = 17",
        &[(Missing, Some(17))],
    )
    .await;
    assert!(text.contains("    record 17 is missing\n"), "{text}");
    check(
        on,
        "DELETE FROM record WHERE log = 'A' AND seq = 0",
        &[(Missing, Some(0))],
    )
    .await;
    let sql = "DELETE FROM record WHERE log = 'A' AND seq IN (3, 17, 18, 19)";
    let text = check(on, sql, &[(Missing, Some(3)), (Missing, Some(17))]).await;
    assert!(text.contains("records 17 to 19 are missing"), "{text}");
}

async fn renumbering_does_not_hide_a_removal(on: On) {
    for (gone, words) in [
        (1, "record 17 is missing and those"),
        (3, "records 17 to 19 are missing and those"),
    ] {
        let last = 17 + gone - 1;
        let sql = format!(
            "DELETE FROM record WHERE log = 'A' AND seq BETWEEN 17 AND {last};
             UPDATE record SET seq = seq + 1000 WHERE log = 'A' AND seq > {last};
             UPDATE record SET seq = seq - 1000 - {gone} WHERE log = 'A' AND seq > 1000;"
        );
        let text = check(on, &sql, &[(Missing, Some(17))]).await;
        assert!(text.contains(words), "{text}");
    }
}

async fn a_log_cut_short_is_shorter_than_its_checkpoint(on: On) {
    let text = check(
        on,
        "DELETE FROM record WHERE log = 'A' AND seq = 41",
        &[(Cut, Some(41))],
    )
    .await;
    assert!(
        text.contains("the newest record the checkpoint names, 41, is missing"),
        "{text}"
    );
    let text = check(
        on,
        "DELETE FROM record WHERE log = 'A' AND seq > 38",
        &[(Cut, Some(39))],
    )
    .await;
    assert!(
        text.contains("the newest records the checkpoint names, 39 to 41, are missing"),
        "{text}"
    );
    check(on, "DELETE FROM record WHERE log = 'A'", &[(Cut, Some(0))]).await;
}

async fn reordered_records_are_found_from_the_first_moved(on: On) {
    // Neighbours, records apart, the ends; whole rows renumbered, and contents exchanged under the old hashes.
    for (a, b) in [(17, 18), (17, 30), (0, 41), (40, 41)] {
        let rows = format!(
            "UPDATE record SET seq = -1 WHERE log = 'A' AND seq = {a};
             UPDATE record SET seq = {a} WHERE log = 'A' AND seq = {b};
             UPDATE record SET seq = {b} WHERE log = 'A' AND seq = -1;"
        );
        let text = check(on, &rows, &[(Reordered, Some(a))]).await;
        assert!(
            text.contains(&format!("records from {a} on are not in the order they were written")),
            "{text}"
        );
        let contents = format!(
            "CREATE TEMP TABLE old AS SELECT seq, record FROM record WHERE log = 'A' AND seq IN ({a}, {b});
             UPDATE record SET record = (SELECT old.record FROM old WHERE old.seq = {a} + {b} - record.seq)
                 WHERE log = 'A' AND seq IN ({a}, {b});"
        );
        check(on, &contents, &[(Reordered, Some(a))]).await;
    }
}

async fn an_inserted_copy_is_found_where_it_stands(on: On) {
    let sql = "UPDATE record SET seq = seq + 1000 WHERE log = 'A' AND seq >= 17;
               UPDATE record SET seq = seq - 999 WHERE log = 'A' AND seq >= 1000;
               INSERT INTO record SELECT log, 17, hash, mac, record, period, private FROM record WHERE log = 'A' AND seq = 3;";
    check(on, sql, &[(Reordered, Some(17))]).await;
    let sql = "INSERT INTO record SELECT log, 42, hash, mac, record, period, private FROM record WHERE log = 'A' AND seq = 3;";
    check(on, sql, &[(Reordered, Some(42))]).await;
    let sql = "INSERT INTO record SELECT log, -5, hash, mac, record, period, private FROM record WHERE log = 'A' AND seq = 3;";
    check(on, sql, &[(Malformed, None)]).await;
}

async fn several_changes_are_all_reported(on: On) {
    let sql = "UPDATE record SET record = record || ' ' WHERE log = 'A' AND seq IN (5, 6);
               DELETE FROM record WHERE log = 'A' AND seq IN (17, 41);";
    check(
        on,
        sql,
        &[
            (Changed, Some(5)),
            (Changed, Some(6)),
            (Missing, Some(17)),
            (Cut, Some(41)),
        ],
    )
    .await;
}

async fn a_checkpoint_that_is_gone_or_changed_is_found(on: On) {
    check(on, "DELETE FROM checkpoint WHERE log = 'A'", &[(Checkpoint, None)]).await;
    let changed =
        "UPDATE checkpoint SET note = replace(note, char(10) || '42' || char(10), char(10) || '41' || char(10))";
    check(on, &format!("{changed} WHERE log = 'A'"), &[(Checkpoint, None)]).await;
    let other = "UPDATE checkpoint SET note = (SELECT note FROM checkpoint WHERE log = 'platform') WHERE log = 'A'";
    check(on, other, &[(Checkpoint, None)]).await;
    check(on, "DELETE FROM log WHERE log = 'A'", &[(Key, None)]).await;
    check(
        on,
        "UPDATE checkpoint SET size = 41 WHERE log = 'A'",
        &[(Checkpoint, None)],
    )
    .await;
    check(
        on,
        "UPDATE log SET origin = 'elsewhere' WHERE log = 'A'",
        &[(Key, None)],
    )
    .await;
}

async fn a_swapped_key_contradicts_the_platforms_log(on: On) {
    let other = LedgerKeys::from_seed(&[8; 32], "tidegate.test")
        .unwrap()
        .signer(log(TENANTS[0]))
        .unwrap();
    let sql = format!("UPDATE log SET verifier_key = '{}' WHERE log = 'A'", other.verifier());
    check(on, &sql, &[(Checkpoint, None), (Key, None)]).await;
}

async fn a_log_erased_whole_is_missed(on: On) {
    let everywhere =
        ["record", "log", "checkpoint", "slice", "period"].map(|table| format!("DELETE FROM {table} WHERE log = 'A';"));
    check(on, &everywhere.concat(), &[(Opening, None)]).await;
}

async fn tenants_logs_without_the_platforms_are_found(on: On) {
    let at = At::written(on).await;
    at.edit("DELETE FROM record WHERE log = 'platform'; DELETE FROM log WHERE log = 'platform'")
        .await;
    at.edit("DELETE FROM checkpoint WHERE log = 'platform'").await;
    let report = at.verify().await.unwrap();
    assert_eq!(found(of(&report, TENANTS[0])), [(Opening, None)], "{report}");
}

async fn bodies_are_held_to_their_digests(on: On) {
    let at = At::written(on).await;
    let terms = body("terms".repeat(200)).0;
    at.edit(&format!(
        "DELETE FROM body WHERE digest = x'{}'",
        hex::encode(terms.as_bytes())
    ))
    .await;
    let report = at.verify().await.unwrap();
    assert_eq!(
        found(of(&report, TENANTS[0])),
        [(BodyMissing, Some(0))],
        "one finding per body\n{report}"
    );
    assert!(report.to_string().contains("and so do 41 more"), "{report}");
    at.edit("UPDATE body SET content = x'00'").await;
    let report = at.verify().await.unwrap();
    let expected = [(BodyMissing, Some(0)), (BodyChanged, Some(0))];
    assert_eq!(found(of(&report, TENANTS[0])), expected, "{report}");
    assert_eq!(report.findings.len(), 1, "a changed body is named once more: {report}");
    let missing = at.reader().await.unwrap().body(terms).await;
    assert!(matches!(missing, Err(LedgerError::Body { .. })));
}

async fn what_vouches_for_a_record_is_held_to_it(on: On) {
    let sql = "UPDATE record SET mac = zeroblob(16) WHERE log = 'A' AND seq = 17";
    check(on, sql, &[(Unvouched, Some(17))]).await;
}

async fn what_is_private_is_held_to_the_commitments(on: On) {
    check(
        on,
        "UPDATE record SET private = NULL WHERE log = 'A' AND seq = 17",
        &[(PrivateMissing, Some(17))],
    )
    .await;
    let sql = "UPDATE record SET private = zeroblob(99) WHERE log = 'A' AND seq = 17";
    let text = check(on, sql, &[(PrivateChanged, Some(17))]).await;
    assert!(text.contains("record 17: what is private in it was changed"), "{text}");
    // Another's, sealed with the same key.
    let swap = "UPDATE record SET private = (SELECT private FROM record WHERE log = 'A' AND seq = 3) WHERE log = 'A' AND seq = 17";
    check(on, swap, &[(PrivateChanged, Some(17))]).await;
    check(on, "DELETE FROM slice WHERE log = 'A'", &[(PrivateMissing, Some(0))]).await;
    check(
        on,
        "UPDATE slice SET content = zeroblob(99) WHERE log = 'A'",
        &[(PrivateChanged, None)],
    )
    .await;
    // A key that is gone is an erasure only where a record tells of it.
    let erased = "UPDATE period SET wrapped = NULL WHERE log = 'A'; DELETE FROM slice WHERE log = 'A'";
    let text = check(on, erased, &[(PrivateMissing, Some(0))]).await;
    assert!(
        text.contains("the key of 2026-03 is gone, which record 0 needs, but no record tells"),
        "{text}"
    );
}

#[tokio::test]
async fn a_raw_byte_flipped_in_the_file_is_found_at_its_record() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path()).await;
    let file = dir.path().join(super::super::FILE);
    let whole = std::fs::read(&file).unwrap();
    for seq in [0, 17, 41] {
        let needle = format!("\"{}/urn:gtin:4712345060507/{seq}\\\"", TENANTS[0]);
        let places = whole
            .windows(needle.len())
            .enumerate()
            .filter(|(_, window)| *window == needle.as_bytes());
        let mut hits = 0;
        for (at, flip) in places.flat_map(|(at, _)| [(at, 0x01), (at, 0x80)]) {
            let mut bytes = whole.clone();
            bytes[at + 5] ^= flip;
            std::fs::write(&file, &bytes).unwrap();
            let report = verify(dir.path()).await.unwrap();
            // SQLite leaves old copies behind where it moved a row; a flip in one of these changes no record.
            if !report.ok {
                assert_eq!(found(of(&report, TENANTS[0])), [(Changed, Some(seq))], "{report}");
                hits += 1;
            }
        }
        assert_eq!(hits, 2, "both flips of the one live copy");
    }
}

#[tokio::test]
async fn a_byte_flipped_anywhere_in_the_file_never_brings_verify_down() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path()).await;
    let file = dir.path().join(super::super::FILE);
    let whole = std::fs::read(&file).unwrap();
    let mut found = 0;
    for at in (0..whole.len()).step_by(whole.len() / 150) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&file, &bytes).unwrap();
        match verify(dir.path()).await {
            Ok(report) => found += usize::from(!report.ok),
            Err(error) => assert!(
                matches!(error, LedgerError::Format { .. } | LedgerError::Store { .. }),
                "{error}"
            ),
        }
    }
    assert!(
        found > 60,
        "much of the file is records and bodies, but only {found} flips were found"
    );
}

async fn a_checkpoint_kept_elsewhere_shows_a_ledger_set_back(on: On) {
    let at = At::written(on).await;
    let ledger = at.open().await;
    ledger.append(decision(TENANTS[0], 42)).await.unwrap();
    ledger.close().await;
    let mut reader = at.reader().await.unwrap();
    let note = reader.checkpoint(log(TENANTS[0])).await.unwrap().unwrap();
    drop(reader);
    let trust = Trust {
        keys: vec![],
        checkpoints: vec![note],
        ..Trust::default()
    };
    assert!(at.verify_with(&trust).await.unwrap().ok);
    // As it was before.
    let at = At::written(on).await;
    assert!(at.verify().await.unwrap().ok, "alone, the ledger cannot know");
    let report = at.verify_with(&trust).await.unwrap();
    assert_eq!(found(of(&report, TENANTS[0])), [(Cut, Some(42))], "{report}");
}

/// Whoever holds the secret can rewrite a log and sign it again; a checkpoint of the very same size shows it.
async fn a_log_signed_again_at_the_same_size_is_not_the_one_that_was_kept(on: On) {
    let (before, after) = (At::written(on).await, At::new(on).await);
    let mut reader = before.reader().await.unwrap();
    let note = reader.checkpoint(log(TENANTS[0])).await.unwrap().unwrap();
    let ledger = after.open().await;
    for number in 0..42 {
        ledger.append(decision(TENANTS[0], number + 100)).await.unwrap();
    }
    ledger.close().await;
    let trust = Trust {
        keys: vec![],
        checkpoints: vec![note],
        ..Trust::default()
    };
    assert!(after.verify().await.unwrap().ok, "by itself it holds");
    let report = after.verify_with(&trust).await.unwrap();
    assert_eq!(found(of(&report, TENANTS[0])), [(Forked, None)], "{report}");
}

async fn a_ledger_rewritten_with_another_secret_is_not_the_trusted_one(on: On) {
    let at = At::new(on).await;
    let forger = LedgerKeys::from_seed(&[9; 32], "tidegate.test").unwrap();
    std::fs::remove_file(at.dir().join("keys/ledger.seed")).unwrap();
    let ledger = at.open_as(forger).await.unwrap();
    ledger.append(decision(TENANTS[0], 0)).await.unwrap();
    ledger.close().await;
    assert!(
        at.verify().await.unwrap().ok,
        "what is private is not looked at without the secret"
    );
    let trusted = keys().signer(LogId::Platform).unwrap().verifier().clone();
    let trust = Trust {
        keys: vec![trusted],
        ..Trust::default()
    };
    let report = at.verify_with(&trust).await.unwrap();
    assert_eq!(
        found(of(&report, "platform")),
        [(Checkpoint, None), (Key, None)],
        "{report}"
    );
}

async fn nothing_is_appended_to_a_log_that_was_tampered_with(on: On) {
    for sql in [
        "DELETE FROM record WHERE log = 'A' AND seq = 41",
        "DELETE FROM record WHERE log = 'A'",
        "UPDATE record SET record = record || ' ' WHERE log = 'A' AND seq = 41",
        "DELETE FROM checkpoint WHERE log = 'A'",
        "DELETE FROM log WHERE log = 'A'",
    ] {
        let at = At::written(on).await;
        at.edit(&sql.replace("'A'", &format!("'{}'", TENANTS[0]))).await;
        let ledger = at.open().await;
        let refused = ledger.append(decision(TENANTS[0], 42)).await;
        assert!(
            matches!(refused, Err(LedgerError::Damaged { .. })),
            "{sql}: {refused:?}"
        );
        assert_eq!(
            ledger.append(decision(TENANTS[1], 3)).await.unwrap().seq,
            3,
            "the other logs go on"
        );
    }
}

async fn a_store_of_another_format_is_refused(on: On) {
    let at = At::written(on).await;
    at.edit_either("PRAGMA user_version = 5", "UPDATE ledger_format SET format = 5")
        .await;
    let opened = at.try_open().await;
    assert!(matches!(
        opened,
        Err(LedgerError::Format {
            found: 5,
            expected: 4,
            ..
        })
    ));
    assert!(matches!(at.verify().await, Err(LedgerError::Format { found: 5, .. })));
    let nothing = At::new(on).await;
    assert!(matches!(nothing.verify().await, Err(LedgerError::Absent { .. })));
}
