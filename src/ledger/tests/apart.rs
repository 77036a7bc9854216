//! Replay by another engine: here one of the plainest kind, which reads rows one by one and comes to what replay comes to.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::replay::apart::{Driver, Evaluator, NotApart, Note, Tally, Task};
use super::super::replay::{Plan, Replay, Selection, replay};
use super::super::segment::{self, manifest, open, places, rows};
use super::segments::{again, at, erase_march, json, reader, some_hours, time, write};
use super::*;

type Question = (Option<Vec<u8>>, Vec<Option<Vec<u8>>>);

/// Judges the rows of those segments, and counts them in two tallies. `row` may change how often one is read.
fn engine(
    evaluator: &Evaluator,
    dir: &Path,
    segments: &[String],
    row: impl Fn(u64) -> usize,
) -> Result<Tally, NotApart> {
    let root = dir.join(segment::DIRECTORY);
    let (mut all, mut asked) = (Vec::new(), BTreeMap::new());
    for place in places(&root).unwrap() {
        if !segments.contains(&place.to_string()) {
            continue;
        }
        let (path, manifest) = (place.below(&root, "parquet"), manifest(&root, &place).unwrap());
        for group in open(&path).unwrap().groups {
            for (stored, (log, seq)) in rows(&path, group.index)
                .unwrap()
                .iter()
                .zip(manifest.rows_from(group.before))
            {
                let number = i64::try_from(seq).unwrap();
                let record = stored.record.data().to_vec();
                if let Some(sealed) = &stored.private {
                    for (seq, content) in evaluator.opened(log.as_str(), number, "2026-03", sealed.data())? {
                        asked.insert((log, seq), content);
                    }
                }
                let note = evaluator.told(log.as_str(), number, &record)?;
                all.extend(note.map(|note| (log, number, record, note)));
            }
        }
    }
    let mut questions: BTreeMap<(Vec<u8>, String), Question> = BTreeMap::new();
    for (log, seq, record, note) in all {
        let content = asked.get(&(log, seq));
        let held = evaluator.held(&record, &note.to_string(), content.map(AsRef::as_ref))?;
        let key = held.key.as_bytes().to_vec();
        let (_, records) = questions
            .entry((key, held.note.to_string()))
            .or_insert_with(|| (content.map(|content| content.to_vec()), Vec::new()));
        let record = (!matches!(held.note, Note::Left(_))).then_some(record);
        (0..row(u64::try_from(seq).unwrap())).for_each(|_| records.push(record.clone()));
    }
    let mut tallies = [Tally::default(), Tally::default()];
    for (at, ((key, note), (asked, records))) in questions.into_iter().enumerate() {
        let note: Note = note.parse()?;
        let record = records.iter().flatten().next();
        let answer = match (&note, record, &asked) {
            (Note::Decision, Some(record), Some(asked)) => Some(evaluator.decided(&key, record, asked)?),
            _ => None,
        };
        for record in &records {
            tallies[at % 2].add(&note, &key, record.as_deref(), answer.as_deref())?;
        }
    }
    let [mut one, mut other] = tallies;
    let mut tally = Tally::of_bytes(&other.take_bytes()?)?;
    tally.merge(Tally::of_bytes(&one.take_bytes()?)?);
    Ok(tally)
}

/// The segments an engine is asked about.
fn names(driver: &Driver) -> Vec<String> {
    driver.segments().map(|(name, _)| name).collect()
}

async fn judged(
    driver: &Driver,
    ledger: &Path,
    dir: &Path,
    row: impl Fn(u64) -> usize + Send + 'static,
) -> Result<Tally, NotApart> {
    judged_of(driver, names(driver), ledger, dir, row).await
}

/// What comes of those segments.
async fn judged_of(
    driver: &Driver,
    segments: Vec<String>,
    ledger: &Path,
    dir: &Path,
    row: impl Fn(u64) -> usize + Send + 'static,
) -> Result<Tally, NotApart> {
    let program = Digest::of(b"this program");
    let task = Task::of_bytes(&driver.task(program).await?.to_bytes()?)?;
    let other = Evaluator::new(reader(ledger).await, &task, Digest::of(b"another"), 0);
    let other = other.map(|_| ()).unwrap_err().to_string();
    assert!(other.contains("run the same file everywhere"), "{other}");
    let evaluator = Evaluator::new(reader(ledger).await, &task, program, 0)?;
    let dir = dir.to_owned();
    tokio::task::spawn_blocking(move || engine(&evaluator, &dir, &segments, row))
        .await
        .unwrap()
}

/// All of it, and of how many segments the engine was asked.
async fn apart(dir: &Path, plan: Plan) -> (Replay, usize) {
    apart_with(dir, dir, plan).await
}

/// The same, an hour at a time, where the engine has that copy of the ledger.
async fn apart_with(copy: &Path, dir: &Path, plan: Plan) -> (Replay, usize) {
    let mut driver = Driver::open(reader(dir).await, dir, plan).await.unwrap();
    loop {
        let mut tally = Tally::default();
        for hour in names(&driver) {
            let of = [hour.clone()];
            let came = judged_of(&driver, vec![hour], copy, dir, |_| 1).await.unwrap();
            driver.adds_up(&of, &came).await.unwrap();
            tally.merge(came);
        }
        if !driver.takes_back(&tally).unwrap() {
            let asked = driver.segments().len();
            return (driver.finish(tally, |_| {}).await.unwrap().whole(), asked);
        }
    }
}

/// A ledger with segments, and a copy of its store and keys.
async fn with_a_copy() -> (tempfile::TempDir, tempfile::TempDir) {
    let (dir, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    some_hours(dir.path()).await;
    write(dir.path(), time("14:30:00")).await;
    std::fs::copy(dir.path().join(FILE), copy.path().join(FILE)).unwrap();
    put_secret(copy.path());
    (dir, copy)
}

/// What a driver makes of what another copy of the ledger gives: the reason why it gives nothing.
async fn refused(copy: &Path, dir: &Path) -> String {
    let driver = Driver::open(reader(dir).await, dir, Plan::default()).await.unwrap();
    let refused = judged(&driver, copy, dir, |_| 1).await.map(|tally| tally.rows());
    assert!(matches!(refused, Err(NotApart::OtherCopy { .. })), "{refused:?}");
    refused.unwrap_err().to_string()
}

/// A tally as one would send it who changes it on the way.
fn forged(tally: &[u8], forge: impl FnOnce(String) -> String) -> Tally {
    let text = zstd::bulk::decompress(tally, 1 << 26).unwrap();
    let text = String::from_utf8(text).unwrap();
    let other = forge(text.clone());
    assert_ne!(text, other, "nothing was changed");
    Tally::of_bytes(&zstd::bulk::compress(other.as_bytes(), 1).unwrap()).unwrap()
}

#[tokio::test]
async fn another_engine_comes_to_what_replay_comes_to() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    some_hours(dir).await;
    let whole = again(dir).await;
    let (same, asked) = apart(dir, Plan::default()).await;
    assert_eq!((json(&same), asked), (json(&whole), 0), "there are no segments");
    for (now, expected) in [("13:00:00", 1), ("14:30:00", 2), ("15:00:00", 3)] {
        write(dir, time(now)).await;
        let (same, asked) = apart(dir, Plan::default()).await;
        assert_eq!((json(&same), asked), (json(&whole), expected), "{now}");
    }
    let all = Selection::default();
    let partner = whole.differing[0].asked.split(' ').next().unwrap().to_owned();
    for select in [
        Selection {
            until: Some(time("12:50:00")),
            ..all.clone()
        },
        Selection {
            since: Some(time("12:30:00")),
            until: Some(time("13:30:00")),
            ..all.clone()
        },
        Selection {
            tenant: Some(TENANTS[1].parse().unwrap()),
            ..all.clone()
        },
        Selection {
            sample: Some("0.3".parse().unwrap()),
            ..all.clone()
        },
        Selection {
            action: Some("access".into()),
            ..all.clone()
        },
        Selection {
            action: Some("none".into()),
            ..all.clone()
        },
        Selection {
            principal: Some(partner),
            ..all.clone()
        },
        Selection {
            principal: Some("Nobody::\"x\"".into()),
            ..all
        },
    ] {
        let plan = || Plan {
            select: select.clone(),
            ..Plan::default()
        };
        let one = replay(dir, plan(), |_| {}).await.unwrap();
        assert_eq!(json(&apart(dir, plan()).await.0), json(&one), "{select:?}");
    }
}

#[tokio::test]
async fn a_segment_with_rows_that_are_not_signed_is_taken_back_and_told_of_as_ever() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for dir in [dir.path(), other.path()] {
        some_hours(dir).await;
        write(dir, time("14:30:00")).await;
    }
    for extension in ["parquet", "json"] {
        let name = format!("segments/2026-03-31/13.{extension}");
        std::fs::copy(other.path().join(&name), dir.path().join(&name)).unwrap();
    }
    let one = again(dir.path()).await;
    assert_eq!(one.summary.damaged.len(), 1);
    let (same, asked) = apart(dir.path(), Plan::default()).await;
    assert_eq!((json(&same), asked), (json(&one), 1));
}

#[tokio::test]
async fn a_row_that_is_lost_or_counted_twice_is_missed() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    some_hours(dir).await;
    write(dir, time("14:30:00")).await;
    let lost = |seq| usize::from(seq != 17);
    let twice = |seq| 1 + usize::from(seq == 17);
    // As many as there should be, but not the same.
    let other = |seq| match seq {
        17 => 0,
        18 => 2,
        _ => 1,
    };
    let rows: [fn(u64) -> usize; 3] = [lost, twice, other];
    for row in rows {
        let mut driver = Driver::open(reader(dir).await, dir, Plan::default()).await.unwrap();
        let tally = judged(&driver, dir, dir, row).await.unwrap();
        assert!(!driver.takes_back(&tally).unwrap());
        let missed = driver.adds_up(&names(&driver), &tally).await;
        let refused = driver.finish(tally, |_| {}).await.map(drop);
        for refused in [missed, refused] {
            assert!(
                matches!(refused, Err(NotApart::Incomplete { expected: 710, .. })),
                "{refused:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_came_of_one_hour_does_not_stand_for_another() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    some_hours(dir).await;
    write(dir, time("14:30:00")).await;
    let driver = Driver::open(reader(dir).await, dir, Plan::default()).await.unwrap();
    let [one, other] = <[String; 2]>::try_from(names(&driver)).unwrap();
    let tally = judged_of(&driver, vec![one.clone()], dir, dir, |_| 1).await.unwrap();
    driver.adds_up(std::slice::from_ref(&one), &tally).await.unwrap();
    for wrong in [vec![other.clone()], vec![one, other], vec![]] {
        let refused = driver.adds_up(&wrong, &tally).await;
        assert!(
            matches!(refused, Err(NotApart::Incomplete { .. })),
            "{wrong:?}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn another_copy_of_the_ledger_is_refused_and_one_that_has_grown_is_not() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for dir in [dir.path(), other.path()] {
        some_hours(dir).await;
        write(dir, time("14:30:00")).await;
    }
    let (dir, whole) = (dir.path(), again(dir.path()).await);
    let mut driver = Driver::open(reader(dir).await, dir, Plan::default()).await.unwrap();
    let refused = judged(&driver, other.path(), dir, |_| 1)
        .await
        .map(|tally| tally.rows());
    assert!(matches!(refused, Err(NotApart::OtherCopy { .. })), "{refused:?}");
    // Past the end of the group that is not full.
    at(dir, time("14:10:00"), TENANTS[0], 705..1_100).await;
    let tally = judged(&driver, dir, dir, |_| 1).await.unwrap();
    assert!(!driver.takes_back(&tally).unwrap());
    assert_eq!(json(&driver.finish(tally, |_| {}).await.unwrap().whole()), json(&whole));
    let old = Driver::open(reader(other.path()).await, other.path(), Plan::default()).await;
    let shorter = tempfile::tempdir().unwrap();
    at(shorter.path(), time("12:10:00"), TENANTS[0], 0..10).await;
    let refused = judged(&old.unwrap(), shorter.path(), other.path(), |_| 1).await;
    let refused = refused.map(|tally| tally.rows()).unwrap_err().to_string();
    assert!(refused.contains("copy the data directory anew"), "{refused}");
}

#[tokio::test]
async fn what_is_erased_is_told_by_another_engine_too() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    some_hours(dir).await;
    write(dir, time("14:30:00")).await;
    erase_march(dir).await;
    let one = again(dir).await;
    assert!(one.summary.causes.keys().any(|cause| cause.contains("erased")));
    let (same, asked) = apart(dir, Plan::default()).await;
    assert_eq!((json(&same), asked), (json(&one), 2), "nothing is taken back");
}

#[tokio::test]
async fn whose_keys_of_months_are_others_is_refused() {
    let (dir, copy) = with_a_copy().await;
    let (dir, copy) = (dir.path(), copy.path());
    assert_eq!(
        json(&apart_with(copy, dir, Plan::default()).await.0),
        json(&again(dir).await)
    );
    // Who has not the secret opens nothing, and would say so of every decision.
    let seed = copy.join("keys/ledger.seed");
    std::fs::remove_file(&seed).unwrap();
    let why = refused(copy, dir).await;
    assert!(why.contains("the key of 2026-03: here it does not open"), "{why}");
    put_secret(copy);
    // A month is erased in the copy alone, and then seen from there.
    edit(copy, "UPDATE period SET wrapped = NULL WHERE period = '2026-03'").await;
    let why = refused(copy, dir).await;
    assert!(why.contains("erased with the key of 2026-03), there it opens"), "{why}");
    let plan = Plan {
        segments: Some(dir.join(segment::DIRECTORY)),
        ..Plan::default()
    };
    let driver = Driver::open(reader(copy).await, copy, plan).await.unwrap();
    let why = judged(&driver, dir, dir, |_| 1).await.map(|tally| tally.rows());
    let why = why.unwrap_err().to_string();
    assert!(
        why.contains("the key of 2026-03: here it opens, there it does not open"),
        "{why}"
    );
}

#[tokio::test]
async fn what_a_copy_lacks_is_made_again_where_the_report_is_made() {
    let (dir, copy) = with_a_copy().await;
    let (dir, copy) = (dir.path(), copy.path());
    edit(copy, "DELETE FROM slice").await;
    let one = again(dir).await;
    assert_ne!(json(&again(copy).await), json(&one));
    let (same, asked) = apart_with(copy, dir, Plan::default()).await;
    assert_eq!((json(&same), asked), (json(&one), 0));
}

#[tokio::test]
async fn what_comes_back_changed_is_not_reported() {
    let (dir, _) = with_a_copy().await;
    let dir = dir.path();
    let driver = async || Driver::open(reader(dir).await, dir, Plan::default()).await.unwrap();
    let tally = judged(&driver().await, dir, dir, |_| 1)
        .await
        .unwrap()
        .take_bytes()
        .unwrap();
    let cause = again(dir).await.summary.causes.into_keys().next().unwrap();
    let cause = serde_json::to_string(&cause).unwrap();
    let seq = "\"seq\":17,";
    let forgeries: [(&str, &str, &str); 4] = [
        ("\"same\":0", "\"same\":1", "do not add up"),
        ("\"verified\":[0,0]", "\"verified\":[1,1]", "nobody was asked"),
        (seq, "\"seq\":99999,", "not among those that were given out"),
        (&cause, "\"another cause\"", "came out otherwise than it does here"),
    ];
    for (from, to, why) in forgeries {
        let forged = forged(&tally, |text| text.replace(from, to));
        let refused = driver().await.finish(forged, |_| {}).await.unwrap_err().to_string();
        assert!(refused.contains(why), "{from}: {refused}");
    }
    let irregular = "\"irregular\":[[null,[\"platform\",99999]]]";
    let forged = forged(&tally, |text| text.replace("\"irregular\":[]", irregular));
    let mut driver = driver().await;
    let refused = driver.takes_back(&forged).unwrap_err().to_string();
    assert!(refused.contains("in no segment that was given out"), "{refused}");
    assert!(driver.finish(forged, |_| {}).await.is_err());
}

#[test]
fn what_is_sent_is_read_as_it_was_and_nothing_else_is() {
    for note in [
        Note::Decision,
        Note::Withheld("it was erased".into()),
        Note::Other,
        Note::Left(7),
        Note::Irregular(log(TENANTS[0]), 3),
    ] {
        assert_eq!(note.to_string().parse::<Note>().unwrap(), note);
    }
    for text in ["", "x", "left", "left x", "irregular platform", "irregular x 1"] {
        assert!(text.parse::<Note>().is_err(), "{text}");
    }
    assert!(Tally::of_bytes(b"").is_err() && Task::of_bytes(b"{}").is_err());
    let mut tally = Tally::default();
    let empty: Arc<[u8]> = Arc::default();
    assert!(tally.add(&Note::Decision, &empty, None, None).is_err(), "no record");
    assert!(
        tally
            .add(&Note::Decision, &[0; 32], Some(b"{}"), Some("decision {}"))
            .is_err()
    );
}
