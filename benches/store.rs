//! What it costs to store footprints many at a time beside one by one: documents in the embedded vault, their entries in the index, and
//! the changes to be told to partners, each durable on return.
//!
//! `cargo bench --bench store`; `-- ROUNDS NUMBER` takes other numbers than three rounds of 512 documents.
//!
//! In each round both ways store the same documents, the one after the other, in directories of their own beside each other; first all
//! are new, then all take the place of others. The floor is what the disk takes to have as many bytes written to one file and waited for.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a bench that cannot set up its scene has nothing to measure"
)]

#[path = "support/scene.rs"]
#[allow(dead_code, reason = "the other benches use the rest")]
mod scene;

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use scene::Scene;
use secrecy::SecretBox;
use tidegate::database::Place;
use tidegate::ids::{Bpnl, Digest, PcfId, ProductId};
use tidegate::pcf::{Change, PcfStore, Spread};
use tidegate::registry::Footprint;
use tidegate::registry::store::RegistryStore;
use tidegate::vault::{ObjectPut, SessionScope, Vault, VaultKey};

/// How many documents, of how many bytes, in how many rounds, unless told otherwise.
const DOCUMENTS: usize = 512;
const BYTES: usize = 12 * 1024;
const ROUNDS: usize = 3;

/// How many changes are noted and made into deliveries, and how many in one transaction.
const CHANGES: usize = 20_000;
const PAGE: usize = 1_000;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The stores in one directory.
struct Stores {
    vault: Vault,
    registry: RegistryStore,
    pcf: PcfStore,
}

impl Stores {
    async fn open(scene: &Scene, dir: &Path) -> Self {
        let key = VaultKey::new(SecretBox::new(Box::new([7; 32])));
        let place = Place::Directory(dir.to_owned());
        let registry = RegistryStore::open(&place).await.expect("a registry");
        let mut world = scene.world().clone();
        world.agreements = Default::default();
        registry.seed(&[world], &[]).await.expect("it is taken in");
        Self {
            vault: Vault::embedded(&dir.join("vault"), &key, Arc::clone(&scene.bundle.account)).expect("a vault"),
            registry,
            pcf: PcfStore::open(&place).await.expect("a queue"),
        }
    }
}

/// A document, and what the index is to know of it.
struct Document {
    footprint: Footprint,
    bytes: Vec<u8>,
}

impl Document {
    fn new(scene: &Scene, number: usize, version: usize) -> Self {
        let mut bytes = format!("{{\"number\":{number},\"version\":{version}}}").into_bytes();
        bytes.resize(BYTES, b' ');
        let model = scene.world().footprints.values().next().expect("a footprint");
        let footprint = Footprint {
            id: format!("00000000-0000-4000-8000-{number:012}").parse().expect("an id"),
            product: format!("urn:part:{}", number % 64).parse().expect("a product"),
            digest: Digest::of(&bytes),
            length: bytes.len() as u64,
            ..Footprint::clone(model)
        };
        Self { footprint, bytes }
    }

    fn put(&self, vault: &Vault) -> ObjectPut {
        let (product, pcf): (ProductId, PcfId) = (self.footprint.product.clone(), self.footprint.id.clone());
        let scope = SessionScope::ObjectWrite {
            product: product.clone(),
            pcf: pcf.clone(),
        };
        ObjectPut {
            session: vault.session(self.footprint.tenant, scope),
            product,
            pcf,
            bytes: self.bytes.clone(),
        }
    }

    fn change(&self, scene: &Scene) -> Change {
        Change {
            tenant: self.footprint.tenant,
            pcf: self.footprint.id.clone(),
            digest: self.footprint.digest,
            at: scene.now,
        }
    }
}

/// Seconds for the vault, the registry and the changes.
type Took = [f64; 3];

async fn together(stores: &Stores, scene: &Scene, documents: &[Document]) -> Took {
    let started = Instant::now();
    let changes: Vec<_> = documents.iter().map(|document| document.change(scene)).collect();
    stores.pcf.note_changes(&changes).await.expect("they are noted");
    let noted = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let puts = documents.iter().map(|document| document.put(&stores.vault)).collect();
    let stored = stores.vault.put_objects(puts).await;
    assert!(stored.iter().all(Result::is_ok), "all are stored");
    let vault = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let footprints: Vec<_> = documents.iter().map(|document| document.footprint.clone()).collect();
    let indexed = stores.registry.put_footprints(&footprints, scene.now).await;
    assert!(indexed.expect("they are indexed").iter().all(|indexed| indexed.is_new));
    [vault, started.elapsed().as_secs_f64(), noted]
}

async fn one_by_one(stores: &Stores, scene: &Scene, documents: &[Document]) -> Took {
    let mut took = [0.0; 3];
    for document in documents {
        let started = Instant::now();
        let noted = stores.pcf.note_change(&document.change(scene)).await;
        noted.expect("it is noted");
        took[2] += started.elapsed().as_secs_f64();
        let started = Instant::now();
        let put = document.put(&stores.vault);
        let stored = put.session.put_object(&put.product, &put.pcf, put.bytes).await;
        stored.expect("it is stored");
        took[0] += started.elapsed().as_secs_f64();
        let started = Instant::now();
        let indexed = stores
            .registry
            .put_footprint(document.footprint.clone(), scene.now)
            .await;
        indexed.expect("it is indexed");
        took[1] += started.elapsed().as_secs_f64();
    }
    took
}

/// Seconds to write so many bytes to a file and wait for them.
fn floor(dir: &Path, documents: &[Document]) -> f64 {
    let started = Instant::now();
    let mut file = std::fs::File::create(dir.join("floor")).expect("a file");
    for document in documents {
        file.write_all(&document.bytes).expect("it is written");
    }
    file.sync_all().expect("it is on disk");
    started.elapsed().as_secs_f64()
}

/// The value in the middle.
fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn tell(what: &str, number: usize, rounds: &[(Took, Took, f64)]) {
    println!(
        "{number} documents of {BYTES} bytes, {what}: median of {} rounds",
        rounds.len()
    );
    println!(
        "{:<12} {:>14} {:>14} {:>10}",
        "", "together, ms", "one by one, ms", "ratio"
    );
    let rows = ["vault", "registry", "changes"].into_iter().enumerate();
    for (row, name) in rows {
        let (many, one) = (
            median(rounds.iter().map(|round| round.0[row])),
            median(rounds.iter().map(|round| round.1[row])),
        );
        let ratio = median(rounds.iter().map(|round| round.1[row] / round.0[row]));
        println!("{name:<12} {:>14.1} {:>14.1} {ratio:>9.1}x", many * 1e3, one * 1e3);
    }
    let all = |took: &Took| took.iter().sum::<f64>();
    let (many, one) = (
        median(rounds.iter().map(|round| all(&round.0))),
        median(rounds.iter().map(|round| all(&round.1))),
    );
    let ratio = median(rounds.iter().map(|round| all(&round.1) / all(&round.0)));
    println!("{:<12} {:>14.1} {:>14.1} {ratio:>9.1}x", "all", many * 1e3, one * 1e3);
    println!(
        "documents a second: {:.0} together, {:.0} one by one; one file of as many bytes: {:.1} ms",
        number as f64 / many,
        number as f64 / one,
        median(rounds.iter().map(|round| round.2)) * 1e3
    );
}

/// What it costs to note many changes and make them into deliveries for two partners each.
async fn spread(stores: &Stores, scene: &Scene) {
    let document = Document::new(scene, 0, 0);
    let numbered = |number: usize| Change {
        digest: Digest::of(&number.to_be_bytes()),
        ..document.change(scene)
    };
    let changes: Vec<_> = (0..CHANGES).map(numbered).collect();
    let started = Instant::now();
    for page in changes.chunks(PAGE) {
        stores.pcf.note_changes(page).await.expect("they are noted");
    }
    let noted = started.elapsed().as_secs_f64();
    let other: Bpnl = "BPNL00000000D4GH".parse().expect("a company");
    let started = Instant::now();
    let mut last = None;
    loop {
        let page = stores.pcf.changes(last.as_ref(), 1_000).await.expect("they read");
        let Some(end) = page.last() else { break };
        last = Some(end.clone());
        let told = page.into_iter().map(|change| Spread {
            told: Default::default(),
            change,
            partners: [scene.consumer, other].into(),
        });
        let told: Vec<_> = told.collect();
        stores.pcf.spread(&told, scene.now).await.expect("they are spread");
    }
    println!(
        "{CHANGES} changes: noted in {noted:.2} s, made into {} deliveries in {:.2} s",
        2 * CHANGES,
        started.elapsed().as_secs_f64()
    );
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let mut argument = |otherwise| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (rounds, number): (usize, usize) = (argument(ROUNDS), argument(DOCUMENTS));
    let scene = Scene::new();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let dir = tempfile::tempdir().expect("a directory");
        let stores = [dir.path().join("many"), dir.path().join("one")];
        for dir in &stores {
            std::fs::create_dir(dir).expect("a directory");
        }
        let many = Stores::open(&scene, &stores[0]).await;
        let one = Stores::open(&scene, &stores[1]).await;
        let mut took = [Vec::new(), Vec::new()];
        for round in 0..rounds.max(1) {
            // First new ones, then others in their place.
            for (version, took) in took.iter_mut().enumerate() {
                let first = round * number;
                let documents: Vec<_> = (first..first + number)
                    .map(|number| Document::new(&scene, number, version))
                    .collect();
                let floor = floor(dir.path(), &documents);
                let many = together(&many, &scene, &documents).await;
                took.push((many, one_by_one(&one, &scene, &documents).await, floor));
            }
        }
        tell("all new", number, &took[0]);
        tell("each in the place of another", number, &took[1]);
        spread(&many, &scene).await;
    });
}
