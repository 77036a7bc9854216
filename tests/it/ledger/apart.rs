//! What another engine needs to come to what `tidegate replay` prints: any reader of Parquet, and the evaluators. Here it is the library's
//! reader of rows, one after the other; `cluster/` has a real one.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use tidegate::assemble::BundleSource;
use tidegate::clock::Clock;
use tidegate::ids::Digest;
use tidegate::ledger::read::Reader;
use tidegate::ledger::replay::Plan;
use tidegate::ledger::replay::apart::{Driver, Evaluator, Note, Tally};
use tidegate::ledger::segment;

use super::recorded;
use crate::binary::check;
use crate::harness::block_on;
use crate::reload::closed_bundle;

struct Row {
    log: String,
    seq: i64,
    period: String,
    record: Vec<u8>,
    private: Option<Vec<u8>>,
}

fn rows(path: &Path) -> Vec<Row> {
    let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let rows = reader.get_row_iter(None).unwrap().map(|row| {
        let columns: HashMap<String, Field> = row.unwrap().into_columns().into_iter().collect();
        let text = |name| match &columns[name] {
            Field::Str(text) => text.clone(),
            _ => String::new(),
        };
        let bytes = |name| match &columns[name] {
            Field::Bytes(bytes) => Some(bytes.data().to_vec()),
            _ => None,
        };
        let Field::Long(seq) = columns["seq"] else {
            panic!("a number")
        };
        Row {
            log: text("log"),
            seq,
            period: text("period"),
            record: bytes("record").unwrap(),
            private: bytes("private"),
        }
    });
    rows.collect()
}

fn judged(evaluator: &Evaluator, rows: &[Row]) -> Tally {
    let (mut tally, mut asked) = (Tally::default(), BTreeMap::new());
    let mut answers: HashMap<Vec<u8>, String> = HashMap::new();
    for row in rows {
        for (seq, content) in row.private.iter().flat_map(|sealed| {
            let opened = evaluator.opened(&row.log, row.seq, &row.period, sealed);
            opened.unwrap()
        }) {
            asked.insert((row.log.clone(), seq), content);
        }
        let Some(note) = evaluator.told(&row.log, row.seq, &row.record).unwrap() else {
            continue;
        };
        let content = asked.get(&(row.log.clone(), row.seq)).map(AsRef::as_ref);
        let held = evaluator.held(&row.record, &note.to_string(), content).unwrap();
        let key = held.key.as_bytes();
        if held.note == Note::Decision && !answers.contains_key(key.as_slice()) {
            let answer = evaluator.decided(key, &row.record, content.unwrap()).unwrap();
            answers.insert(key.to_vec(), answer);
        }
        let answer = answers.get(key.as_slice()).map(String::as_str);
        tally.add(&held.note, key, Some(&row.record), answer).unwrap();
    }
    tally
}

fn apart(data: &Path, against: Option<PathBuf>) -> String {
    block_on(async {
        let plan = Plan {
            against: against.map(|root| BundleSource::Directory(root).load().unwrap()),
            threads: NonZeroUsize::new(1),
            ..Plan::default()
        };
        let mut driver = Driver::open(Reader::open(data).await.unwrap(), data, plan)
            .await
            .unwrap();
        let program = Digest::of(b"this program");
        let task = driver.task(program).await.unwrap();
        let evaluator = Evaluator::new(Reader::open(data).await.unwrap(), &task, program, 1 << 24).unwrap();
        let root = data.join(segment::DIRECTORY);
        let all: Vec<Row> = driver.segments().flat_map(|(name, _)| rows(&root.join(name))).collect();
        assert!(all.len() > 6);
        let tally = std::thread::spawn(move || judged(&evaluator, &all)).join().unwrap();
        assert!(!driver.takes_back(&tally).unwrap());
        let part = driver.finish(tally, |_| {}).await.unwrap();
        serde_json::to_string_pretty(&part.whole()).unwrap() + "\n"
    })
}

#[test]
fn another_engine_comes_to_the_same_report_and_explains_as_much() {
    let data = recorded();
    let later = Clock::system().now() + SignedDuration::from_hours(2);
    let out = data.path().join(segment::DIRECTORY);
    block_on(segment::write(data.path(), &out, later, |_| {})).unwrap();
    let told = |more: &[&str], code| {
        let path = data.path().to_str().unwrap();
        check(&[&["replay", "--data", path, "--format", "json"], more].concat(), code)
    };
    assert_eq!(apart(data.path(), None), told(&[], 0));
    let closed = closed_bundle();
    let changed = told(&["--against", closed.path().to_str().unwrap()], 2);
    assert!(
        changed.contains("`exchange/closed`: "),
        "the first that changed are explained"
    );
    assert_eq!(apart(data.path(), Some(closed.path().to_owned())), changed);
}
