//! What it costs to take footprints in, from bytes to a version that is decided, recorded, stored and indexed, beside holding the same
//! documents against their schema and nothing else.
//!
//! `cargo bench --bench ingest`; `-- ROUNDS NUMBER` takes other numbers than three rounds of 8,192 documents.
//!
//! The rival is `jsonschema` with the same compiled schema, on as many threads as there are processors: bytes to `serde_json::Value`, and
//! `is_valid`. Ours is what `POST /ingest/{bpnl}/footprints` does with a batch, but for HTTP: chunks of 512, each decided while the one before it
//! is stored and the one after it is looked at, each document decided by both layers and recorded in a ledger, its bytes in the embedded vault, everything durable. In each
//! round both see the same documents, the one after the other; all of them are new. The aim is a ratio of 0.7.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a bench that cannot set up its scene has nothing to measure"
)]

#[path = "support/scene.rs"]
#[allow(dead_code, reason = "the other benches use the rest")]
mod scene;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use jsonschema::{Draft, PatternOptions, Validator};
use scene::Scene;
use secrecy::SecretBox;
use tidegate::bundle::{Bundle, Live, Source};
use tidegate::clock::Clock;
use tidegate::database::Place;
use tidegate::decide::Gate;
use tidegate::ids::{ClientId, RequestId};
use tidegate::intake::read::read_all;
use tidegate::intake::{Decided, Intake, Outcome, Read, Sender};
use tidegate::ledger::record::Request;
use tidegate::ledger::{Ledger, LedgerKeys, Options};
use tidegate::pcf::{Models, PcfStore};
use tidegate::question::ask::{System, SystemFacts};
use tidegate::registry::store::RegistryStore;
use tidegate::vault::{Vault, VaultKey};
use tokio::sync::mpsc::{Receiver, channel};

const DOCUMENTS: usize = 8_192;
const ROUNDS: usize = 3;
const CHUNK: usize = 512;
const SAMPLE: &str = include_str!("../fixtures/pcf/dev/elbe-resin-9.0.0.json");
const ID: &str = "/pcfAssessmentAndMethodology/0/pcfAssessmentInformation/0/idAndVersion/0/id";

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// All that footprints go through and into, in one directory.
struct Stores {
    gate: Gate,
    vault: Vault,
    registry: RegistryStore,
    pcf: PcfStore,
    models: Arc<Models>,
}

impl Stores {
    async fn open(scene: &Scene, dir: &Path) -> Self {
        let bundle = Bundle::load(Source::built_in()).unwrap_or_else(|error| panic!("{}", error.render()));
        let account = Arc::clone(&bundle.account);
        let place = Place::Directory(dir.to_owned());
        let registry = RegistryStore::open(&place).await.expect("a registry");
        let mut world = scene.world().clone();
        world.agreements = Default::default();
        registry.seed(&[world], &[]).await.expect("it is taken in");
        let keys = LedgerKeys::open(dir, "bench.example").expect("keys");
        let ledger = Ledger::open_at(Place::of(None, dir), keys, Clock::system(), Options::default());
        let ledger = ledger.await.expect("a ledger");
        let live = Live::new(bundle, None, scene.now);
        let key = VaultKey::new(SecretBox::new(Box::new([7; 32])));
        Self {
            gate: Gate::open(live, ledger, registry.clone()).await.expect("a gate"),
            vault: Vault::embedded(&dir.join("vault"), &key, account).expect("a vault"),
            registry,
            pcf: PcfStore::open(&place).await.expect("a queue"),
            models: Arc::new(Models::built_in().expect("schemas")),
        }
    }

    fn intake(&self) -> Intake<'_> {
        Intake {
            gate: &self.gate,
            vault: &self.vault,
            registry: &self.registry,
            pcf: &self.pcf,
            models: &self.models,
        }
    }

    /// Takes them in as a batch comes in; gives how many were new.
    async fn take(self: &Arc<Self>, scene: &Arc<Scene>, documents: Vec<Vec<u8>>) -> usize {
        let (to_decide, looked) = channel(1);
        let (to_store, mut decided) = channel(1);
        let looking = async move {
            let mut documents = documents.into_iter();
            loop {
                let chunk: Vec<_> = documents.by_ref().take(CHUNK).collect();
                if chunk.is_empty() {
                    return;
                }
                let read = read_all(&self.models, chunk).await;
                to_decide.send(read).await.expect("somebody decides");
            }
        };
        let deciding = Arc::clone(self).decide_each(Arc::clone(scene), looked, to_store);
        let deciding = tokio::spawn(deciding);
        let storing = async move {
            let mut stored = 0;
            while let Some(decided) = decided.recv().await {
                let outcomes = self.intake().store(decided).await;
                let new = |outcome: &Outcome| outcome.as_ref().is_ok_and(|taken| taken.changed);
                stored += outcomes.iter().filter(|outcome| new(outcome)).count();
            }
            stored
        };
        let ((), deciding, stored) = tokio::join!(looking, deciding, storing);
        deciding.expect("all are decided");
        stored
    }

    async fn decide_each(
        self: Arc<Self>,
        scene: Arc<Scene>,
        mut looked: Receiver<Vec<Read>>,
        to_store: tokio::sync::mpsc::Sender<Decided>,
    ) {
        let client: ClientId = "erp".parse().expect("a client");
        let (id, traceparent) = (RequestId::new(), None);
        let request = Request { id, traceparent };
        while let Some(read) = looked.recv().await {
            let registry = self.registry.current();
            let world = registry.tenant(scene.provider).expect("the tenant");
            let system = SystemFacts {
                tenant: &world.tenant,
                system: System::Client(&client),
            };
            let sender = Sender {
                system,
                world,
                assets: &BTreeSet::new(),
                request: &request,
                now: scene.now,
            };
            let decided = self.intake().decide(&sender, read).await;
            to_store.send(decided).await.expect("somebody stores");
        }
    }
}

/// Documents of their own ids, as a supplier's system writes them.
fn documents(round: usize, number: usize) -> Vec<Vec<u8>> {
    let sample: serde_json::Value = serde_json::from_str(SAMPLE).expect("the sample reads");
    let id = sample
        .pointer(ID)
        .and_then(serde_json::Value::as_str)
        .expect("it has an id")
        .to_owned();
    let fresh = |number: usize| format!("{round:08x}-0000-4000-8000-{number:012x}");
    (0..number)
        .map(|number| SAMPLE.replace(&id, &fresh(number)).into_bytes())
        .collect()
}

fn validator() -> Validator {
    let schema = include_str!("../schema/pcf/9.0.0.schema.json");
    let schema = serde_json::from_str(schema).expect("the schema reads");
    let options = jsonschema::options()
        .with_draft(Draft::Draft4)
        .with_pattern_options(PatternOptions::regex());
    options.build(&schema).expect("it compiles")
}

/// Seconds for holding all documents against the schema, on all processors.
fn rival(validator: &Validator, documents: &[Vec<u8>]) -> f64 {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for part in documents.chunks(documents.len().div_ceil(threads)) {
            scope.spawn(move || {
                for document in part {
                    let value = serde_json::from_slice(document).expect("it is JSON");
                    assert!(validator.is_valid(&value), "it is valid");
                }
            });
        }
    });
    started.elapsed().as_secs_f64()
}

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let (rounds, number) = match numbers[..] {
        [] => (ROUNDS, DOCUMENTS),
        [rounds, number] => (rounds, number),
        _ => panic!("expected ROUNDS NUMBER"),
    };
    tidegate::facts::install_crypto();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let scene = Arc::new(Scene::new());
    let directory = tempfile::tempdir().expect("a directory");
    let stores = Arc::new(runtime.block_on(Stores::open(&scene, directory.path())));
    let validator = validator();
    println!("{number} documents of {} bytes, {rounds} rounds", SAMPLE.len());
    println!("round   taken in, s   docs/s   validated alone, s   docs/s   ratio");
    for round in 0..rounds {
        let documents = documents(round, number);
        let alone = rival(&validator, &documents);
        let started = Instant::now();
        let stored = runtime.block_on(stores.take(&scene, documents));
        let taken = started.elapsed().as_secs_f64();
        assert_eq!(stored, number, "all are new and stored");
        let rate = |seconds: f64| number as f64 / seconds;
        println!(
            "{round:>5}   {taken:>11.2}   {:>6.0}   {alone:>18.2}   {:>6.0}   {:>5.2}",
            rate(taken),
            rate(alone),
            alone / taken
        );
    }
}
