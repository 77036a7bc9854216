//! Full groups become bundles and tiles that say the same, are found damaged for what they are, and give anyone the root.

use super::super::checkpoint::Checkpoint;
use super::super::read::Cursor;
use super::super::report::FindingKind::{self, *};
use super::super::tile::{self, Kind, TileId};
use super::super::tree::{Tree, leaf_hash};
use super::at::{At, On, Template, on_both};
use super::*;

on_both!(
    bundles_read_as_what_was_written,
    the_tiles_give_the_signed_root_and_nothing_beyond_it,
    a_record_changed_in_a_bundle_is_named,
    a_bundle_that_is_gone_or_torn_is_named_and_the_others_are_read,
    a_changed_tile_is_told_from_changed_records,
    what_is_private_in_a_bundle_is_held_to_the_commitments,
    a_log_goes_on_where_it_ended_and_not_where_it_was_changed,
    a_bundle_beyond_what_is_signed_is_found,
    a_log_that_cannot_be_put_into_tiles_takes_nothing_more_and_keeps_no_other_from_being_signed,
    nothing_can_be_slipped_in_before_it_is_signed,
);

const SIZE: usize = 700;

/// A log of 700 records: two full bundles and 188 rows. Written once and copied.
async fn many(on: On) -> At {
    static WRITTEN: Template = Template::new();
    WRITTEN
        .copy(on, async |ledger| {
            let mut tasks = tokio::task::JoinSet::new();
            for task in 0..20 {
                let ledger = ledger.clone();
                tasks.spawn(async move {
                    for number in 0..SIZE / 20 {
                        ledger.append(decision(TENANTS[0], task * 100 + number)).await.unwrap();
                    }
                });
            }
            tasks.join_all().await;
        })
        .await
}

async fn check(on: On, sql: &str, expected: &[(FindingKind, Option<u64>)]) -> String {
    let at = many(on).await;
    at.edit(&sql.replace("'A'", &format!("'{}'", TENANTS[0]))).await;
    let report = at.verify().await.unwrap();
    assert_eq!(found(&report.logs[1]), expected, "{sql}\n{report}");
    report.to_string()
}

/// The bundle of the first records with one record changed.
async fn forged(at: &At, seq: usize, hash: bool) -> String {
    let mut reader = at.reader().await.unwrap();
    let rows = reader.group(log(TENANTS[0]), 0).await.unwrap();
    let mut records: Vec<Vec<u8>> = rows.into_iter().map(|row| row.bytes.into()).collect();
    let text = String::from_utf8(records[seq].clone()).unwrap();
    records[seq] = text.replace("\"effect\":\"allow\"", "\"effect\":\"deny\"").into_bytes();
    let bundle = tile::bundle(records.iter().map(Vec::as_slice)).unwrap();
    let packed = hex::encode(zstd::bulk::compress(&bundle, 3).unwrap());
    let mut sql = format!("UPDATE bundle SET entries = x'{packed}' WHERE log = 'A' AND number = 0;");
    if hash {
        let hashes: Vec<u8> = records
            .iter()
            .flat_map(|record| *leaf_hash(record).as_bytes())
            .collect();
        let hashes = hex::encode(hashes);
        sql += &format!("UPDATE tile SET hashes = x'{hashes}' WHERE log = 'A' AND level = 0 AND number = 0;");
    }
    sql
}

async fn bundles_read_as_what_was_written(on: On) {
    let at = many(on).await;
    let report = at.verify().await.unwrap();
    assert!(report.ok, "{report}");
    assert_eq!(
        (report.logs[1].records, report.logs[1].size),
        (SIZE as u64, SIZE as u64)
    );
    let mut reader = at.reader().await.unwrap();
    let raw = reader.log(log(TENANTS[0])).await.unwrap();
    assert_eq!(raw.last_bundle, Some(1));
    let (mut cursor, mut count) = (Cursor::new(log(TENANTS[0]), 0), 0);
    while let Some(stored) = cursor.next(&mut reader).await.unwrap() {
        assert_eq!(stored.record.seq, count);
        assert!(stored.asked.unwrap().is_ok());
        count += 1;
    }
    assert_eq!(count, SIZE as u64);
}

async fn the_tiles_give_the_signed_root_and_nothing_beyond_it(on: On) {
    let at = many(on).await;
    let mut reader = at.reader().await.unwrap();
    let log = log(TENANTS[0]);
    let note = reader.checkpoint(log).await.unwrap().unwrap();
    let checkpoint = Checkpoint::open(&note, keys().signer(log).unwrap().verifier()).unwrap();
    assert_eq!(checkpoint.size, SIZE as u64);
    let (mut from_records, mut from_hashes) = (Tree::default(), Tree::default());
    for id in TileId::all(checkpoint.size) {
        let bytes = reader.tile(log, id).await.unwrap().unwrap();
        match id.kind {
            Kind::Entries => tile::records(&bytes)
                .unwrap()
                .iter()
                .for_each(|record| from_records.push(leaf_hash(record))),
            Kind::Hashes { level: 0 } => {
                bytes
                    .as_chunks()
                    .0
                    .iter()
                    .for_each(|hash| from_hashes.push(Digest::from_bytes(*hash)));
            }
            Kind::Hashes { .. } => assert_eq!((bytes.len(), id.to_string().as_str()), (64, "tile/1/000.p/2")),
        }
    }
    assert_eq!(
        (from_records.root(), from_hashes.root()),
        (checkpoint.root, checkpoint.root)
    );
    // A smaller partial tile is the beginning of the greater.
    let part: TileId = "tile/entries/002.p/5".parse().unwrap();
    let five = reader.tile(log, part).await.unwrap().unwrap();
    assert_eq!(tile::records(&five).unwrap().len(), 5);
    for beyond in [
        "tile/0/002",
        "tile/0/002.p/189",
        "tile/1/000.p/3",
        "tile/2/000.p/1",
        "tile/entries/003.p/1",
    ] {
        assert_eq!(
            reader.tile(log, beyond.parse().unwrap()).await.unwrap(),
            None,
            "{beyond}"
        );
    }
}

async fn a_record_changed_in_a_bundle_is_named(on: On) {
    let at = many(on).await;
    let sql = forged(&at, 17, false).await;
    check(on, &sql, &[(Changed, Some(17))]).await;
    // With its tile it gives a hash again, but the tile above has another.
    let sql = forged(&at, 17, true).await;
    let text = check(on, &sql, &[(Replaced, Some(0))]).await;
    assert!(
        text.contains("of the records 0 to 255, at least one was replaced together with its hash"),
        "{text}"
    );
}

async fn a_bundle_that_is_gone_or_torn_is_named_and_the_others_are_read(on: On) {
    check(
        on,
        "DELETE FROM bundle WHERE log = 'A' AND number = 0",
        &[(Missing, Some(0))],
    )
    .await;
    let torn = "UPDATE bundle SET entries = substr(entries, 1, 1000) WHERE log = 'A' AND number = 1";
    let text = check(on, torn, &[(Unreadable, Some(256))]).await;
    assert!(
        text.contains("records 256 to 511 cannot be read: their bundle cannot be unpacked"),
        "{text}"
    );
    let twice = "INSERT INTO bundle SELECT log, 7, entries FROM bundle WHERE log = 'A' AND number = 1";
    check(on, twice, &[(Malformed, None)]).await;
}

async fn a_changed_tile_is_told_from_changed_records(on: On) {
    let flip = "UPDATE tile SET hashes = CAST(zeroblob(32) || substr(hashes, 33) AS BLOB) WHERE log = 'A'";
    check(
        on,
        &format!("{flip} AND level = 0 AND number = 1"),
        &[(HashChanged, Some(256))],
    )
    .await;
    let text = check(on, &format!("{flip} AND level = 1"), &[(Tile, Some(0))]).await;
    assert!(
        text.contains("`tile/1/000` was changed: its hash of the records 0 to 255, which are whole"),
        "{text}"
    );
    let text = check(
        on,
        "DELETE FROM tile WHERE log = 'A' AND level = 0 AND number = 1",
        &[(Tile, Some(256))],
    )
    .await;
    assert!(
        text.contains("`tile/0/001` is missing or torn; the records 256 to 511 are whole"),
        "{text}"
    );
    let torn = "UPDATE tile SET hashes = substr(hashes, 1, 100) WHERE log = 'A' AND level = 0 AND number = 1";
    check(on, torn, &[(Tile, Some(256))]).await;
    check(
        on,
        "DELETE FROM tile WHERE log = 'A' AND level = 1",
        &[(Tile, Some(0)), (Tile, Some(256))],
    )
    .await;
    let edge = "UPDATE checkpoint SET edge = CAST(zeroblob(32) || substr(edge, 33) AS BLOB) WHERE log = 'A'";
    check(on, edge, &[(FindingKind::Checkpoint, None)]).await;
}

async fn what_is_private_in_a_bundle_is_held_to_the_commitments(on: On) {
    let gone = "DELETE FROM private WHERE log = 'A' AND number = 0";
    let expected: Vec<_> = (0..256).map(|seq| (PrivateMissing, Some(seq))).collect();
    check(on, gone, &expected).await;
    let other = "UPDATE private SET content = (SELECT content FROM private WHERE log = 'A' AND number = 1) WHERE log = 'A' AND number = 0";
    let expected: Vec<_> = (0..256).map(|seq| (PrivateChanged, Some(seq))).collect();
    check(on, other, &expected).await;
}

async fn a_log_goes_on_where_it_ended_and_not_where_it_was_changed(on: On) {
    let at = many(on).await;
    let ledger = at.open().await;
    assert_eq!(
        ledger.append(decision(TENANTS[0], SIZE)).await.unwrap().seq,
        SIZE as u64
    );
    ledger.close().await;
    assert!(at.verify().await.unwrap().ok);
    for sql in [
        "UPDATE record SET record = record || ' ' WHERE log = 'A' AND seq = 600",
        "DELETE FROM record WHERE log = 'A' AND seq = 512",
        "DELETE FROM bundle WHERE log = 'A' AND number = 1",
        "UPDATE checkpoint SET edge = zeroblob(length(edge)) WHERE log = 'A'",
    ] {
        let at = many(on).await;
        at.edit(&sql.replace("'A'", &format!("'{}'", TENANTS[0]))).await;
        let ledger = at.open().await;
        let refused = ledger.append(decision(TENANTS[0], SIZE)).await;
        assert!(
            matches!(refused, Err(super::super::LedgerError::Damaged { .. })),
            "{sql}: {refused:?}"
        );
    }
}

/// A bundle is made of what is signed, and vouched for by nothing else.
async fn a_bundle_beyond_what_is_signed_is_found(on: On) {
    let at = At::new(on).await;
    let ledger = at.open().await;
    for number in 0..256 {
        ledger.append(decision(TENANTS[0], number)).await.unwrap();
    }
    ledger.close().await;
    assert!(at.verify().await.unwrap().ok);
    let start = |seq: u64| {
        let id = uuid::Builder::from_unix_timestamp_millis(1_772_366_400_000, &[5; 10]).into_uuid();
        let record = super::super::Record {
            event: Event::Start(super::super::record::Start {
                engine: Engine::running(),
            }),
            id: crate::ids::RecordId(id),
            log: log(TENANTS[0]),
            seq,
            time: super::super::RecordTime::new("2026-03-01T12:00:00Z".parse().unwrap()),
            v: 2,
        };
        serde_json::to_vec(&record).unwrap()
    };
    let records: Vec<_> = (256..512).map(start).collect();
    let bundle = tile::bundle(records.iter().map(Vec::as_slice)).unwrap();
    let packed = hex::encode(zstd::bulk::compress(&bundle, 3).unwrap());
    let hashes = hex::encode(
        records
            .iter()
            .flat_map(|record| *leaf_hash(record).as_bytes())
            .collect::<Vec<u8>>(),
    );
    let sql = format!(
        "INSERT INTO bundle VALUES ('{0}', 1, x'{packed}'); INSERT INTO tile VALUES ('{0}', 0, 1, x'{hashes}');",
        TENANTS[0]
    );
    at.edit(&sql).await;
    let report = at.verify().await.unwrap();
    assert_eq!(found(&report.logs[1]), [(Unvouched, Some(256))], "{report}");
}

/// What is wrong with one log is that log's alone: the others are signed, and it takes nothing more.
async fn a_log_that_cannot_be_put_into_tiles_takes_nothing_more_and_keeps_no_other_from_being_signed(on: On) {
    let at = many(on).await;
    at.edit(&format!("DELETE FROM tile WHERE log = '{}' AND level = 1", TENANTS[0]))
        .await;
    let ledger = at.open().await;
    for number in 0..100 {
        // On a slow machine it is found before all of them are in.
        let appended = ledger.append(decision(TENANTS[0], 1_000 + number)).await;
        assert!(
            matches!(appended, Ok(_) | Err(super::super::LedgerError::Damaged { .. })),
            "{appended:?}"
        );
        ledger.append(decision(TENANTS[1], number)).await.unwrap();
    }
    let mut refused = None;
    for number in 0..200 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        refused = ledger.append(decision(TENANTS[0], 2_000 + number)).await.err();
        if refused.is_some() {
            break;
        }
    }
    assert!(
        matches!(refused, Some(super::super::LedgerError::Damaged { .. })),
        "{refused:?}"
    );
    assert!(ledger.is_writable());
    ledger.close().await;
    let report = at.verify().await.unwrap();
    let other = report.logs.iter().find(|report| report.log == log(TENANTS[1])).unwrap();
    assert!(other.ok && other.size == 100, "{report}");
}

async fn nothing_can_be_slipped_in_before_it_is_signed(on: On) {
    let at = At::written(on).await;
    // A forger who can write to the store, while no service runs: with the right hash, but nothing vouches for it.
    let mut reader = at.reader().await.unwrap();
    let row = reader.group(log(TENANTS[0]), 0).await.unwrap().pop().unwrap();
    drop(reader);
    let record = String::from_utf8(row.bytes.into())
        .unwrap()
        .replace("\"seq\":41", "\"seq\":42");
    let hash = hex::encode(leaf_hash(record.as_bytes()).as_bytes());
    let record = hex::encode(record);
    let sql = format!(
        "INSERT INTO record SELECT log, 42, x'{hash}', mac, CAST(x'{record}' AS TEXT), period, private FROM record WHERE log = '{}' AND seq = 41",
        TENANTS[0]
    );
    at.edit(&sql).await;
    let report = at.verify().await.unwrap();
    assert!(
        report.logs[1].warnings.iter().any(|warning| warning.kind == Unsigned),
        "{report}"
    );
    assert_eq!(found(&report.logs[1]), [(Unvouched, Some(42))], "{report}");
    let ledger = at.open().await;
    let refused = ledger.append(decision(TENANTS[0], 42)).await.unwrap_err().to_string();
    assert!(
        refused.contains("record 42 was not written by this ledger"),
        "{refused}"
    );
}
