//! Segments of a ledger the program wrote: replay of them is replay of the ledger, under its own bundle and another, in one process
//! and in several.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use tidegate::assemble::BundleSource;
use tidegate::clock::Clock;
use tidegate::ledger::read::{Cursor, Reader};
use tidegate::ledger::replay::{Parts, Plan, Replayed, Slice, Told, make, replay};
use tidegate::ledger::{Event, segment};
use tidegate::question::Supplement;

use super::recorded;
use crate::binary::check;
use crate::harness::block_on;
use crate::reload::closed_bundle;

/// As if all hours there are were over.
fn later() -> Timestamp {
    Clock::system().now() + SignedDuration::from_hours(2)
}

fn write(data: &Path) -> u64 {
    let out = data.join(segment::DIRECTORY);
    block_on(segment::write(data, &out, later(), |_| {})).unwrap().rows
}

#[test]
fn segments_are_replayed_as_the_ledger_is() {
    let data = recorded();
    let path = data.path().to_str().unwrap();
    let closed = closed_bundle();
    let against = ["--against", closed.path().to_str().unwrap()];
    let told = |more: &[&str], code| check(&[&["replay", "--data", path], more].concat(), code);
    let report = |more: &[&str], code| told(&[more, &["--format", "json"]].concat(), code);
    let (same, changed) = (report(&[], 0), report(&against, 2));
    // The hour the service ran in is not over: there is nothing to write yet, unless it has just begun.
    check(&["ledger", "segments", "--data", path], 0);
    assert!(write(data.path()) > 6);
    assert_eq!(write(data.path()), 0);
    for threads in ["1", "2", "3"] {
        let more = ["--threads", threads, "--memory", "16"];
        assert_eq!(report(&more, 0), same);
        assert_eq!(report(&[&more[..], &against[..]].concat(), 2), changed);
    }
    let text = told(&against, 2);
    assert!(
        text.contains("`exchange/closed`: ") && text.contains("6 Changed"),
        "{text}"
    );
    assert!(text.contains("6 distinct questions"), "{text}");
    let verified = check(&["ledger", "verify", path], 0);
    assert!(verified.contains("segments          ok: "), "{verified}");

    // Elsewhere.
    let elsewhere = tempfile::tempdir().unwrap();
    let moved = elsewhere.path().join("kept");
    std::fs::rename(data.path().join("segments"), &moved).unwrap();
    let moved = moved.to_str().unwrap();
    assert_eq!(report(&["--segments", moved], 0), same);
    check(&["ledger", "verify", path, "--segments", moved], 0);
    check(&["ledger", "verify", path, "--segments", path], 3);

    // In shares.
    let files = ["a", "b"].map(|name| elsewhere.path().join(name).display().to_string());
    for (shard, file) in ["0/2", "1/2"].iter().zip(&files) {
        let more = ["--segments", moved, "--shard", shard, "--out", file];
        crate::binary::run(&[&["replay", "--data", path], &against[..], &more[..]].concat());
    }
    let [a, b] = &files;
    assert_eq!(check(&["replay", "--merge", a, b, "--format", "json"], 2), changed);
    let together = format!("{}/", elsewhere.path().join("together").display());
    for shard in ["0/2", "1/2"] {
        let more = ["--shard", shard, "--out", &together];
        check(&[&["replay", "--data", path], &against[..], &more[..]].concat(), 0);
    }
    assert_eq!(check(&["replay", "--merge", &together, "--format", "json"], 2), changed);
    let mut job = crate::binary::command(&["replay", "--data", path, "--shard", "batch/2", "--out", &together]);
    assert_eq!(job.output().unwrap().status.code(), Some(3), "it is no job of an array");
    let done = job.env("AWS_BATCH_JOB_ARRAY_INDEX", "1").output().unwrap();
    assert_eq!(done.status.code(), Some(0));
    check(&["replay", "--merge", a], 3);
    check(&["replay", "--merge", a, a], 3);
    check(&["replay", "--data", path, "--shard", "2/2", "--out", a], 3);
    check(&["replay", "--data", path, "--shard", "0/2"], 3);
}

#[test]
fn a_changed_segment_is_named_and_what_it_had_is_read_from_the_store() {
    let data = recorded();
    let path = data.path().to_str().unwrap();
    write(data.path());
    let root = data.path().join("segments");
    let place = segment::places(&root).unwrap().remove(0);
    let file = place.below(&root, "parquet");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let text = check(&["replay", "--data", path], 2);
    assert!(
        text.contains(&format!("DAMAGED segment `{place}`: it was changed")),
        "{text}"
    );
    assert!(text.contains("6 decisions: 6 Same"), "{text}");
    let verified = check(&["ledger", "verify", path], 2);
    assert!(
        verified.contains("segments          BROKEN") && verified.contains(&place.to_string()),
        "{verified}"
    );
}

#[test]
fn one_row_made_again_by_other_means_gives_the_line_that_replay_lists() {
    let data = recorded();
    let closed = closed_bundle();
    let against = || BundleSource::Directory(closed.path().to_owned()).load().unwrap();
    let plan = Plan {
        against: Some(against()),
        ..Plan::default()
    };
    let listed = block_on(replay(data.path(), plan, |_| {})).unwrap().differing;
    let bundle = against();
    let made = block_on(async {
        let mut reader = Reader::open(data.path()).await.unwrap();
        let mut made = Vec::new();
        for log in reader.logs().await.unwrap() {
            let mut cursor = Cursor::new(log, 0);
            while let Some(stored) = cursor.next(&mut reader).await.unwrap() {
                let bytes = serde_json::to_vec(&stored.record).unwrap();
                let Event::Decision(decided) = &stored.record.event else {
                    let none = make(&bytes, |_| Err("it is no decision".to_owned()), Ok(&bundle));
                    assert!(none.unwrap().is_none());
                    continue;
                };
                let asked = stored.asked.unwrap().unwrap();
                let slice = reader.slice(log, &decided.private).await.unwrap().unwrap();
                let slice = Slice::of(&slice).unwrap();
                let mut terms = BTreeMap::new();
                for digest in &decided.terms {
                    let body = reader.body(*digest).await.unwrap();
                    terms.insert(*digest, Supplement::from_normal_form(&body).unwrap());
                }
                let parts = |told: &Told<'_>| {
                    assert_eq!(told.private, decided.private);
                    let (asked, slice) = (&asked, &slice);
                    Ok(Parts { asked, slice, terms })
                };
                made.extend(make(&bytes, parts, Ok(&bundle)).unwrap());
            }
        }
        made
    });
    assert_eq!(made.len(), 6);
    let lines = |replayed: &[Replayed]| {
        let lines = replayed.iter().cloned().map(|replayed| {
            let why = Vec::new();
            serde_json::to_string(&Replayed { why, ..replayed }).unwrap()
        });
        lines.collect::<Vec<_>>()
    };
    assert_eq!(lines(&made), lines(&listed));
    assert!(make(b"{}", |_| Err(String::new()), Ok(&bundle)).is_err());
}
