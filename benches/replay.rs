//! Replay, verification and size of a ledger of some size, in one run. The records are made by the real engine and written by the real
//! ledger; what is measured runs in a process of its own, so that its memory is its own too.
//!
//! `cargo bench --bench replay -- RECORDS` takes another number of records than 100,000; `-- make DIR RECORDS [HOURS]` does no more than write a
//! ledger with so many, as of now or as of the last so many hours, and its segments, into a directory.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a bench that cannot set up its scene has nothing to measure"
)]

#[path = "support/scene.rs"]
#[allow(dead_code, reason = "the other benches use the rest")]
mod scene;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use scene::{Bare, Scene};
use sqlx::{Connection as _, SqliteConnection};
use tidegate::bundle::Bundle;
use tidegate::clock::Clock;
use tidegate::engine;
use tidegate::ids::{AgreementId, RequestId, TenantId};
use tidegate::ledger::private::Plain;
use tidegate::ledger::record::{Activation, Decided, Engine, Mode, Request};
use tidegate::ledger::replay::{Plan, replay};
use tidegate::ledger::verify::verify;
use tidegate::ledger::{Entry, Event, Ledger, LedgerKeys, LogId, Options, What, segment};
use tidegate::question::Question;
use tidegate::registry::Registry;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RECORDS: u64 = 100_000;

/// How many companies there are, each with ten agreements.
const TENANTS: usize = 200;

/// Of ten questions, so many were not asked before.
const NEW: u64 = 6;

/// How many questions the bare authorizer is measured on, each made ready beforehand.
const BARE: u64 = 400;

/// How many entries wait for the writer at a time.
const WAITING: usize = 768;

/// Makes questions by number, the same ones each time.
struct Asking {
    scene: Scene,
    grown: Registry,
    ids: Vec<TenantId>,
    agreements: Vec<AgreementId>,
    start: Timestamp,
}

impl Asking {
    fn new() -> Self {
        let scene = Scene::new();
        let (grown, ids) = scene.grown(TENANTS);
        let world = grown.tenant(*ids.first().expect("a tenant")).expect("its world");
        let agreements = world
            .agreements
            .values()
            .map(|agreement| agreement.id.clone())
            .collect();
        let start = scene.now;
        Self {
            start,
            scene,
            grown,
            ids,
            agreements,
        }
    }

    /// The `number`th question, and whose it is: one of ten is for credentials, one for a secret, and all others are a partner's for
    /// a footprint. Those beyond the new ones are asked again.
    fn question(&mut self, number: u64) -> (Question, TenantId) {
        let (tens, place) = (number / 10, number % 10);
        let new = match place < NEW {
            true => tens * NEW + place,
            false => (tens * NEW + place) * 7_919 % (tens * NEW + NEW).max(1),
        };
        // A question a millisecond.
        self.scene.now = self.start + SignedDuration::from_millis(i64::try_from(new % 600_000).expect("milliseconds"));
        match new % 10 {
            8 => (self.scene.ask_read_secret(), self.scene.provider),
            9 => (self.scene.ask_assume_role(), self.scene.provider),
            _ => {
                let at = usize::try_from(new).expect("a number");
                let id = *self.ids.get(at * 31 % TENANTS).expect("a tenant");
                let agreement = self
                    .agreements
                    .get(at * 7 % self.agreements.len())
                    .expect("an agreement");
                (self.scene.ask(&self.grown, id, agreement), id)
            }
        }
    }
}

fn entry(bundle: &Bundle, question: &Question, tenant: TenantId) -> Entry {
    let parts = question.canonical();
    let decision = engine::decide_canonical(bundle, question, &parts);
    let terms = question.terms.values();
    let bodies = terms.map(|terms| (terms.digest(), Arc::clone(terms.canonical())));
    let decided = Decided {
        action: question.action.as_str().to_owned(),
        bundle: bundle.digest,
        decision,
        engine: Engine::running(),
        mode: Mode::Strict,
        principal: question.principal.to_string(),
        private: Plain {
            context: parts.context.bytes,
            entities: (parts.entities.digest, parts.entities.bytes),
        },
        request: Request {
            id: RequestId::new(),
            traceparent: None,
        },
        resource: question.resource.to_string(),
        tenant: Some(tenant),
        terms: question.terms.keys().copied().collect(),
    };
    Entry {
        log: LogId::Tenant(tenant),
        what: What::Decision(Box::new(decided)),
        bodies: bodies.collect(),
    }
}

/// Writes so many records, and the bundle they were decided under; as if they came one after the other within the last hours.
#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
async fn write(dir: &Path, records: u64, hours: u32, asking: &mut Asking) {
    let keys = LedgerKeys::open(dir, "tidegate.example").expect("keys");
    let (start, span) = (Clock::system().now(), f64::from(hours) * 3_600.0);
    let clock = match hours {
        0 => Clock::system(),
        _ => Clock::fixed(start - SignedDuration::from_secs_f64(span)),
    };
    let ledger = Ledger::open(dir, keys, clock.clone(), Options::default());
    let ledger = ledger.await.expect("a ledger");
    let bundle = asking.scene.bundle.digest;
    let event = Event::Activation(Activation {
        bundle,
        previous: None,
        refused: None,
    });
    let mut activation = Entry::event(LogId::Platform, event);
    let parts = asking.scene.bundle.parts();
    activation.bodies = parts.map(|part| (part.digest, part.bytes)).collect();
    ledger.append(activation).await.expect("it is recorded");
    let room = Arc::new(tokio::sync::Semaphore::new(WAITING));
    for number in 0..records {
        let left = (records - number) as f64 / records as f64;
        clock.set(start - SignedDuration::from_secs_f64(span * left));
        let (question, tenant) = asking.question(number);
        let entry = entry(&asking.scene.bundle, &question, tenant);
        let permit = Arc::clone(&room).acquire_owned().await.expect("room");
        let ledger = ledger.clone();
        tokio::spawn(async move {
            ledger.append(entry).await.expect("it is recorded");
            drop(permit);
        });
    }
    let all = u32::try_from(WAITING).expect("a number");
    drop(room.acquire_many(all).await.expect("room"));
    ledger.close().await;
}

/// The questions that the bare authorizer is asked, each made ready beforehand.
fn bare(asking: &mut Asking) -> Vec<Bare> {
    let made = (0..BARE).map(|number| {
        let (question, _) = asking.question(number * 17);
        Bare::new(&asking.scene.bundle, &question)
    });
    made.collect()
}

/// Calls of the bare authorizer per second and thread, over every policy, on so many threads at once.
fn asked(bare: &[Bare], threads: usize) -> f64 {
    let started = Instant::now();
    let ask = || {
        let mut calls = 0_u64;
        while started.elapsed() < Duration::from_secs(2) {
            bare.iter().for_each(|bare| drop(std::hint::black_box(bare.on_full())));
            calls += bare.len() as u64;
        }
        per_second(calls, started.elapsed())
    };
    let each: Vec<f64> = std::thread::scope(|scope| {
        let hands: Vec<_> = (0..threads).map(|_| scope.spawn(ask)).collect();
        hands.into_iter().map(|hand| hand.join().expect("it asks")).collect()
    });
    each.iter().sum::<f64>() / f64::from(u32::try_from(threads).expect("a few"))
}

/// How much memory this process has taken at most, in MiB.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}

fn runtime() -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime")
}

/// What the process of its own does; prints how many records a second, and its memory.
fn alone(what: &str, dir: &Path) {
    let started = Instant::now();
    let count = match what {
        "segments" | "store" => {
            let segments = (what == "store").then(|| dir.join("none"));
            let plan = Plan {
                segments,
                ..Plan::default()
            };
            let replayed = runtime().block_on(replay(dir, plan, |_| {})).expect("it replays");
            let summary = replayed.summary;
            assert!(summary.holds(), "{summary:?}");
            assert!(summary.distinct * 2 >= summary.decisions, "half of them are distinct");
            summary.decisions
        }
        _ => {
            let report = runtime().block_on(verify(dir)).expect("it is verified");
            assert!(report.ok, "{report}");
            report.records()
        }
    };
    println!("{} {}", per_second(count, started.elapsed()), peak());
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
fn per_second(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// Does it in a process of its own, on all cores or on one.
fn child(what: &str, dir: &Path, one: bool) -> [f64; 2] {
    let program = std::env::current_exe().expect("this program");
    let mut command = match one {
        false => Command::new(program),
        true => {
            let mut command = Command::new("taskset");
            command.args(["--cpu-list", "0"]).arg(program);
            command
        }
    };
    let output = command.arg(what).arg(dir).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let numbers = text.split_whitespace().map(|number| number.parse().expect("a number"));
    let numbers: Vec<f64> = numbers.collect();
    numbers.try_into().expect("a rate and a size")
}

fn bytes_below(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).expect("a directory");
    let bytes = |path: PathBuf| match path.is_dir() {
        true => bytes_below(&path),
        false => std::fs::metadata(&path).expect("a file").len(),
    };
    entries.map(|entry| bytes(entry.expect("an entry").path())).sum()
}

/// How much the tiles are: hashes, records and what is private in them.
async fn tiles(dir: &Path) -> u64 {
    let url = format!("sqlite://{}", dir.join(tidegate::ledger::FILE).display());
    let mut connection = SqliteConnection::connect(&url).await.expect("the store");
    let sql = "SELECT (SELECT coalesce(sum(length(entries)), 0) FROM bundle) + (SELECT coalesce(sum(length(content)), 0) FROM private)
                    + (SELECT coalesce(sum(length(hashes)), 0) FROM tile)
                    + (SELECT coalesce(sum(length(record) + length(hash) + coalesce(length(private), 0)), 0) FROM record)";
    let bytes: i64 = sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("a sum");
    bytes.cast_unsigned()
}

/// Writes so many records, and the segments of all of them.
fn make(dir: &Path, records: u64, hours: u32, asking: &mut Asking) {
    let started = Instant::now();
    runtime().block_on(write(dir, records, hours, asking));
    println!(
        "{records} records written in {:.0} s, of which {NEW} of 10 ask what was not asked before",
        started.elapsed().as_secs_f64()
    );
    let later = Clock::system().now() + SignedDuration::from_hours(2);
    let started = Instant::now();
    let root = dir.join(segment::DIRECTORY);
    let written = runtime()
        .block_on(segment::write(dir, &root, later, |_| {}))
        .expect("segments");
    assert!(written.rows > records && written.withheld == 0 && written.damaged.is_empty());
    println!(
        "segments: {:.0} rows a second",
        per_second(written.rows, started.elapsed())
    );
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|text| text != "--bench").collect();
    if let [what, dir] = arguments.as_slice() {
        return alone(what, Path::new(dir));
    }
    if let [what, dir, records, hours @ ..] = arguments.as_slice() {
        assert!(what == "make" && hours.len() < 2, "expected `make DIR RECORDS [HOURS]`");
        let records = records.parse().expect("a number of records");
        let hours = hours
            .first()
            .map_or(0, |hours| hours.parse().expect("a number of hours"));
        make(Path::new(dir), records, hours, &mut Asking::new());
        return;
    }
    let records = arguments.first().and_then(|text| text.parse().ok()).unwrap_or(RECORDS);
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    let mut asking = Asking::new();
    make(dir, records, 0, &mut asking);
    let root = dir.join(segment::DIRECTORY);

    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let bare = bare(&mut asking);
    println!(
        "bare is_authorized, every policy: {:.0} a second on one core of {cores}",
        asked(&bare, 1)
    );
    for what in ["segments", "store"] {
        // On all cores at once, before and after: what else the machine does slows both.
        let before = asked(&bare, cores);
        let [rate, peak] = child(what, dir, false);
        let floor = f64::midpoint(before, asked(&bare, cores)) * cores as f64;
        println!(
            "replay from {what}: {rate:.0} a second, {:.2} of {floor:.0}, the bare authorizer on all cores (aim: 0.5); at most {peak:.0} MiB (aim: 512)",
            rate / floor
        );
    }
    // First on all cores: the file may have to be read from the disk.
    let [all, _] = child("verify", dir, false);
    let [one, _] = child("verify", dir, true);
    println!("verify: {one:.0} records a second on one core (aim: 200000), {all:.0} on all cores");
    let (segments, tiles) = (bytes_below(&root), runtime().block_on(tiles(dir)));
    let each = |bytes: u64| bytes as f64 / records as f64;
    println!(
        "size: {:.0} bytes a record in segments, {:.0} in tiles, {:.0} together (aim: 600)",
        each(segments),
        each(tiles),
        each(segments + tiles)
    );
}
