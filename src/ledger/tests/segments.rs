//! Segments have what the ledger has, and replay of them comes to the same.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use super::super::read::Reader;
use super::super::replay::{Part, Plan, Replay, Selection, Shard, part, replay};
use super::super::segment::{self, Written, manifest, places, verify};
use super::super::{By, LedgerError};
use super::*;

pub(super) fn time(text: &str) -> Timestamp {
    format!("2026-03-31T{text}Z").parse().unwrap()
}

/// Appends so many decisions of a tenant at that time.
pub(super) async fn at(dir: &Path, time: Timestamp, name: &str, numbers: std::ops::Range<usize>) {
    put_secret(dir);
    let ledger = Ledger::open(dir, keys(), Clock::fixed(time), Options::default())
        .await
        .unwrap();
    for number in numbers {
        ledger.append(decision(name, number)).await.unwrap();
    }
    ledger.close().await;
}

/// Erases what is private in the first tenant's records of that month, in the next.
pub(super) async fn erase_march(dir: &Path) {
    let clock = Clock::fixed("2026-04-01T02:00:00Z".parse().unwrap());
    let ledger = Ledger::open(dir, keys(), clock, Options::default()).await.unwrap();
    ledger
        .erase(log(TENANTS[0]), "2026-04".parse().unwrap(), By::operator())
        .await
        .unwrap();
    ledger.close().await;
}

/// Two logs, of which one fills bundles, in three hours. The clock is set back once, by less than an hour.
pub(super) async fn some_hours(dir: &Path) {
    at(dir, time("12:10:00"), TENANTS[0], 0..300).await;
    at(dir, time("12:50:00"), TENANTS[1], 0..3).await;
    at(dir, time("13:20:00"), TENANTS[0], 300..700).await;
    at(dir, time("12:59:59.999"), TENANTS[0], 700..705).await;
    at(dir, time("14:00:00"), TENANTS[1], 3..9).await;
}

pub(super) async fn write(dir: &Path, now: Timestamp) -> Written {
    segment::write(dir, &dir.join(segment::DIRECTORY), now, |_| {})
        .await
        .unwrap()
}

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let root = dir.join(segment::DIRECTORY);
    let mut files = BTreeMap::new();
    for day in std::fs::read_dir(&root)
        .unwrap()
        .filter(|day| day.as_ref().unwrap().path().is_dir())
    {
        for file in std::fs::read_dir(day.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            files.insert(
                path.strip_prefix(&root).unwrap().to_owned(),
                std::fs::read(&path).unwrap(),
            );
        }
    }
    files
}

fn names(dir: &Path) -> Vec<String> {
    files(dir).keys().map(|path| path.display().to_string()).collect()
}

pub(super) async fn reader(dir: &Path) -> Reader {
    Reader::open(dir).await.unwrap()
}

pub(super) async fn again(dir: &Path) -> Replay {
    replay(dir, Plan::default(), |_| {}).await.unwrap()
}

/// Replay from the store alone.
async fn from_store(dir: &Path) -> Replay {
    let segments = Some(dir.join("none"));
    let plan = Plan {
        segments,
        ..Plan::default()
    };
    replay(dir, plan, |_| {}).await.unwrap()
}

pub(super) fn json(replay: &Replay) -> String {
    serde_json::to_string(replay).unwrap()
}

#[tokio::test]
async fn hours_that_are_over_are_written_once_and_a_late_record_goes_to_a_further_part() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    at(dir, time("12:10:00"), TENANTS[0], 0..300).await;
    at(dir, time("13:20:00"), TENANTS[0], 300..310).await;
    let first = write(dir, time("13:30:00")).await;
    // The platform's log tells that the tenant's was opened.
    assert_eq!((first.segments, first.rows, first.withheld), (1, 301, 0));
    assert_eq!(names(dir), ["2026-03-31/12.json", "2026-03-31/12.parquet"]);
    let before = files(dir);
    assert_eq!(write(dir, time("13:59:59")).await, Written::default());
    assert_eq!(files(dir), before, "nothing is written twice");
    at(dir, time("12:40:00"), TENANTS[0], 310..313).await;
    let second = write(dir, time("14:00:00")).await;
    assert_eq!((second.segments, second.rows), (2, 13));
    let parquet = names(dir).into_iter().filter(|name| name.ends_with("parquet"));
    let parquet: Vec<_> = parquet.collect();
    assert_eq!(
        parquet,
        [
            "2026-03-31/12-1.parquet",
            "2026-03-31/12.parquet",
            "2026-03-31/13.parquet"
        ]
    );
    assert!(
        before.iter().all(|(path, bytes)| files(dir)[path] == *bytes),
        "no file is written anew"
    );
    assert_eq!(write(dir, time("20:00:00")).await, Written::default());
    let report = verify(reader(dir).await, &dir.join(segment::DIRECTORY), |_| {})
        .await
        .unwrap();
    assert!(report.ok() && (report.segments, report.rows) == (3, 314), "{report:?}");
}

#[tokio::test]
async fn replay_comes_to_the_same_from_segments_and_from_the_store_whatever_the_threads() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    some_hours(dir).await;
    let store = again(dir).await;
    // Their entities are none, so every decision tells why it is not made again.
    assert_eq!(
        (
            store.summary.decisions,
            store.summary.not_replayable,
            store.summary.other_records
        ),
        (714, 714, 2)
    );
    assert_eq!((store.summary.distinct, store.summary.distinct_exact), (714, true));
    assert_eq!(store.differing.len(), 714);
    assert!(
        store
            .differing
            .is_sorted_by_key(|replayed| (replayed.log, replayed.seq))
    );
    assert_eq!(store.summary.verified, (716, 716));
    // Some hours in segments and some not.
    for now in ["13:00:00", "14:30:00", "15:00:00"] {
        write(dir, time(now)).await;
        assert_eq!(json(&again(dir).await), json(&store), "{now}");
    }
    assert_eq!(places(&dir.join(segment::DIRECTORY)).unwrap().len(), 3);
    for threads in [1, 2, 5] {
        for memory in [None, Some(1)] {
            let threads = NonZeroUsize::new(threads);
            let plan = Plan {
                threads,
                memory,
                ..Plan::default()
            };
            assert_eq!(json(&replay(dir, plan, |_| {}).await.unwrap()), json(&store));
        }
    }
    // Selections leave row groups out, and come to the same all the same.
    for (since, until) in [
        (None, Some("12:50:00")),
        (Some("13:20:00"), None),
        (Some("12:30:00"), Some("13:00:00")),
    ] {
        let (since, until) = (since.map(time), until.map(time));
        let select = Selection {
            since,
            until,
            ..Selection::default()
        };
        let plan = |segments| Plan {
            select: select.clone(),
            segments,
            ..Plan::default()
        };
        let some = replay(dir, plan(None), |_| {}).await.unwrap();
        let others = replay(dir, plan(Some(dir.join("none"))), |_| {}).await.unwrap();
        assert!(some.summary.decisions > 0 && some.summary.decisions < 714);
        assert_eq!(json(&some), json(&others));
    }
}

#[tokio::test]
async fn shares_of_the_work_make_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    some_hours(dir).await;
    let whole = again(dir).await;
    write(dir, time("14:30:00")).await;
    let mut parts: Vec<Part> = Vec::new();
    for index in 0..3 {
        let shard = Shard { index, of: 3 };
        let part = part(
            reader(dir).await,
            dir,
            Plan {
                shard,
                ..Plan::default()
            },
            |_| {},
        )
        .await
        .unwrap();
        let file = dir.join(format!("{index}.part"));
        part.write(&file).unwrap();
        assert_eq!(Part::read(&file).unwrap(), part);
        parts.push(part);
    }
    let mut merged = parts.pop().unwrap();
    merged.merge(parts.pop().unwrap()).unwrap();
    assert!(merged.complete().unwrap_err().to_string().contains("0/3"));
    assert!(merged.clone().merge(merged.clone()).is_err(), "it is there already");
    merged.merge(parts.pop().unwrap()).unwrap();
    merged.complete().unwrap();
    assert_eq!(json(&merged.whole()), json(&whole));
}

#[tokio::test]
async fn a_changed_byte_is_found_and_named_and_the_rest_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    some_hours(dir).await;
    write(dir, time("14:30:00")).await;
    let (sound, root) = (again(dir).await, dir.join(segment::DIRECTORY));
    let path = root.join("2026-03-31/13.parquet");
    let whole = std::fs::read(&path).unwrap();
    // The magic number, a column, somewhere else, the footer's length, the last byte.
    let end = whole.len();
    for place in [0, 4, 100, end / 3, end / 2, end - 100, end - 6, end - 1] {
        let mut changed = whole.clone();
        changed[place] ^= 0x10;
        std::fs::write(&path, changed).unwrap();
        let mut found = again(dir).await;
        let named: Vec<_> = found
            .summary
            .damaged
            .iter()
            .map(|damaged| damaged.segment.as_str())
            .collect();
        assert_eq!(named, ["2026-03-31/13.parquet"], "{place}");
        assert!(!found.summary.holds());
        // Its records are read from the store.
        found.summary.damaged.clear();
        assert_eq!(json(&found), json(&sound), "{place}");
        let report = verify(reader(dir).await, &root, |_| {}).await.unwrap();
        assert_eq!(report.findings.len(), 1, "{report:?}");
        assert_eq!(report.findings[0].segment, "2026-03-31/13.parquet");
    }
    for shorter in [0, 10, end - 1] {
        std::fs::write(&path, &whole[..shorter]).unwrap();
        assert_eq!(again(dir).await.summary.damaged.len(), 1, "{shorter}");
    }
    std::fs::remove_file(&path).unwrap();
    assert_eq!(again(dir).await.summary.damaged.len(), 1);
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(json(&again(dir).await), json(&sound));
    // A manifest that is changed.
    let path = root.join("2026-03-31/13.json");
    let text = std::fs::read_to_string(&path).unwrap();
    for (from, to) in [
        ("{", ""),
        ("\"rows\":4", "\"rows\":5"),
        ("sha256:", "sha257:"),
        ("\"v\":1", "\"v\":2"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        std::fs::write(&path, changed).unwrap();
        let mut found = again(dir).await;
        assert_eq!(found.summary.damaged.len(), 1, "{from}");
        assert_eq!(found.summary.damaged[0].segment, "2026-03-31/13.parquet");
        found.summary.damaged.clear();
        assert_eq!(json(&found), json(&sound), "{from}");
    }
}

#[tokio::test]
async fn a_segment_of_other_records_is_found_whatever_its_manifest_says() {
    let dir = tempfile::tempdir().unwrap();
    let (dir, other) = (dir.path(), tempfile::tempdir().unwrap());
    some_hours(dir).await;
    some_hours(other.path()).await;
    for dir in [dir, other.path()] {
        write(dir, time("14:30:00")).await;
    }
    let sound = again(dir).await;
    // The same records by their numbers, each with another id: a segment that is whole in itself.
    for extension in ["parquet", "json"] {
        let name = format!("segments/2026-03-31/13.{extension}");
        std::fs::copy(other.path().join(&name), dir.join(&name)).unwrap();
    }
    let found = again(dir).await;
    let damaged = &found.summary.damaged;
    assert_eq!(damaged.len(), 1, "{damaged:?}");
    assert!(
        damaged[0].segment == "2026-03-31/13.parquet" && damaged[0].why.contains("record 300 of `BPNL00000000000A`"),
        "{damaged:?}"
    );
    assert_eq!(
        found.summary.decisions,
        sound.summary.decisions - 400,
        "nothing of it is made again"
    );
    let report = verify(reader(dir).await, &dir.join(segment::DIRECTORY), |_| {})
        .await
        .unwrap();
    let named = report
        .findings
        .iter()
        .all(|found| found.segment == "2026-03-31/13.parquet");
    assert!(named && report.findings.len() > 1 && !report.ok(), "{report:?}");
    // Nor does a manifest get away with what its file does not have.
    let (from, to) = ("\"ranges\":[[300,699]]", "\"ranges\":[[305,704]]");
    let path = dir.join("segments/2026-03-31/13.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    assert!(!again(dir).await.summary.damaged.is_empty());
}

#[tokio::test]
async fn what_is_erased_is_gone_from_segments_too() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    some_hours(dir).await;
    let april = "2026-04-01T00:30:00Z".parse().unwrap();
    at(dir, april, TENANTS[0], 705..710).await;
    write(dir, "2026-04-01T02:00:00Z".parse().unwrap()).await;
    let sealed = files(dir);
    erase_march(dir).await;
    assert_eq!(files(dir), sealed, "segments stay as they are");
    let (segments, store) = (again(dir).await, from_store(dir).await);
    assert_eq!(json(&segments), json(&store));
    assert_eq!(segments.summary.not_replayable, 719);
    let (cause, count) = segments
        .summary
        .causes
        .iter()
        .find(|(cause, _)| cause.contains("erased"))
        .unwrap();
    assert_eq!((cause.contains("2026-03"), *count), (true, 705));
    let report = verify(reader(dir).await, &dir.join(segment::DIRECTORY), |_| {})
        .await
        .unwrap();
    assert!(report.ok(), "{report:?}");
}

#[tokio::test]
async fn what_a_crash_left_is_no_segment() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    some_hours(dir).await;
    let (sound, root) = (again(dir).await, dir.join(segment::DIRECTORY));
    write(dir, time("13:00:00")).await;
    let whole = std::fs::read(root.join("2026-03-31/12.parquet")).unwrap();
    // Half a file under its first name, half a manifest, and a file that has its name but no manifest.
    for (name, bytes) in [
        ("13.parquet.new", &whole[..whole.len() / 2]),
        ("13.json.new", b"{\"bytes\":".as_slice()),
        ("13.parquet", whole.as_slice()),
    ] {
        std::fs::write(root.join("2026-03-31").join(name), bytes).unwrap();
        assert_eq!(json(&again(dir).await), json(&sound), "{name}");
    }
    let written = write(dir, time("14:30:00")).await;
    assert!(written.segments > 0 && written.unusable.is_empty());
    assert_eq!(json(&again(dir).await), json(&sound));
    assert!(verify(reader(dir).await, &root, |_| {}).await.unwrap().ok());
    // What has a manifest that cannot be read is told, and written anew beside it.
    std::fs::write(root.join("2026-03-31/13.json"), "{}").unwrap();
    let written = write(dir, time("14:30:00")).await;
    assert_eq!((written.unusable.len(), written.segments), (1, 1));
    let mut found = again(dir).await;
    found.summary.damaged.clear();
    assert_eq!(json(&found), json(&sound));
}

#[tokio::test]
async fn a_manifest_names_its_rows_and_a_second_copy_of_them_is_not_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    some_hours(dir).await;
    write(dir, time("14:30:00")).await;
    let root = dir.join(segment::DIRECTORY);
    let sound = again(dir).await;
    let rows = |place| manifest(&root, place).unwrap().rows;
    let all = places(&root).unwrap();
    assert_eq!(
        all.iter().map(rows).sum::<u64>(),
        710,
        "all but those of the hour that is not over"
    );
    for extension in ["parquet", "json"] {
        let day = root.join("2026-03-31");
        std::fs::copy(
            day.join(format!("13.{extension}")),
            day.join(format!("13-7.{extension}")),
        )
        .unwrap();
    }
    let mut found = again(dir).await;
    assert_eq!(found.summary.damaged.len(), 1);
    assert_eq!(found.summary.damaged[0].segment, "2026-03-31/13-7.parquet");
    found.summary.damaged.clear();
    assert_eq!(json(&found), json(&sound));
}

#[tokio::test]
async fn segments_need_the_secret_and_one_hand_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    at(dir, time("12:10:00"), TENANTS[0], 0..3).await;
    let root = dir.join(segment::DIRECTORY);
    super::super::keys::make_private_dir(&root).unwrap();
    let held = std::fs::File::create(root.join("lock")).unwrap();
    held.try_lock().unwrap();
    let refused = segment::write(dir, &root, time("14:00:00"), |_| {}).await;
    assert!(matches!(refused, Err(LedgerError::Locked { .. })), "{refused:?}");
    drop(held);
    std::fs::remove_file(dir.join("keys/ledger.seed")).unwrap();
    let refused = segment::write(dir, &root, time("14:00:00"), |_| {}).await;
    assert!(matches!(refused, Err(LedgerError::Key { .. })), "{refused:?}");
}
