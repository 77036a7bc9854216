//! What a million agreements cost: a decision, a change, memory and the start, each beside the same with ten.
//!
//! `cargo bench --bench agreements`; `-- NUMBER` takes another number of agreements than a million.
//!
//! All agreements are of one tenant, on 5,000 distinct terms, each with its own end of use. A request names another agreement
//! each time, far from the one before in memory.

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

use std::cell::Cell;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use scene::Scene;
use tidegate::database::Place;
use tidegate::decision::Effect;
use tidegate::engine;
use tidegate::ids::AgreementId;
use tidegate::registry::store::{Ending, RegistryStore};
use tidegate::registry::{Agreement, AgreementState, NewAgreement, Partner, Registry, TenantWorld, TermsPool};

/// How many agreements there are unless told otherwise.
const MANY: usize = 1_000_000;
/// How many agreements the other registry has.
const FEW: usize = 10;
/// How many distinct terms there are.
const TERMS: usize = 5_000;
/// How many rounds, and how long a batch of one row in a round runs.
const ROUNDS: usize = 300;
const BATCH: Duration = Duration::from_millis(4);
/// How many changes are made to the file.
const CHANGES: usize = 100;

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The value in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Resident memory of this process, in bytes.
fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = statm
        .split(' ')
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0.0);
    pages * 4096.0
}

fn id(number: usize) -> AgreementId {
    // As connectors name them.
    let id = format!("0b6f6a3e-7a55-4c8c-9d6b-{number:012x}");
    id.parse().expect("an agreement's id")
}

/// A text that names the end of use.
const UNTIL: &str = include_str!("../fixtures/odrl/dev/pcf-usage-until.json");
/// That end.
const END: &str = "2027-06-30T23:59:59Z";
/// The asset of the footprint that is asked for.
const ASSET: &str = "pcf-ethanol";

/// The agreement of that number; the text of each of the first 5,000 ends the use at another minute.
fn agreement(scene: &Scene, number: usize) -> NewAgreement {
    let asset = ASSET.parse().expect("an asset");
    let minute = number % TERMS;
    let (day, hour) = (1 + minute / 1_440, minute / 60 % 24);
    let end = format!("2099-12-{day:02}T{hour:02}:{:02}:59Z", minute % 60);
    NewAgreement {
        id: id(number),
        provider: scene.provider,
        consumer: scene.consumer,
        signed: scene.world().signed(&asset),
        asset,
        state: AgreementState::Active,
        signed_at: scene.now - jiff::SignedDuration::from_hours(24),
        claims: None,
        odrl: UNTIL.replace(END, &end).into(),
    }
}

/// A registry whose one tenant has `count` agreements.
fn grown(scene: &Scene, count: usize) -> Registry {
    let mut pool = TermsPool::default();
    let mut world = scene.world().clone();
    world.agreements = Default::default();
    let texts: Vec<_> = (0..TERMS.min(count)).map(|number| agreement(scene, number)).collect();
    let terms: Vec<Agreement> = texts
        .iter()
        .map(|new| new.compile(&mut pool).expect("the text compiles"))
        .collect();
    for number in 0..count {
        let model = &terms[number % terms.len()];
        world.agreements.insert(Arc::new(Agreement {
            id: id(number),
            ..model.clone()
        }));
    }
    let partner = scene.registry.partner(scene.consumer).expect("the partner");
    Registry::new(vec![world], vec![partner.as_ref().clone()])
}

/// A walk over `count` agreements that meets each, no two in turn near each other.
struct Walk<'s> {
    scene: &'s Scene,
    registry: &'s Registry,
    ids: Vec<AgreementId>,
    at: Cell<usize>,
}

impl<'s> Walk<'s> {
    fn new(scene: &'s Scene, registry: &'s Registry, count: usize) -> Self {
        Self {
            scene,
            registry,
            ids: (0..count).map(id).collect(),
            at: Cell::new(0),
        }
    }

    fn decide(&self) -> Effect {
        let at = self.at.replace(self.at.get().wrapping_add(618_033_989)) % self.ids.len();
        let question = self.scene.ask(self.registry, self.scene.provider, &self.ids[at]);
        engine::decide(&self.scene.bundle, black_box(&question)).effect
    }

    /// The same, of a partner of which each time something else is known, so that the slice was not met before.
    fn decide_anew(&self) -> Effect {
        let at = self.at.replace(self.at.get().wrapping_add(618_033_989));
        let mut known = Partner::clone(self.registry.partner(self.scene.consumer).expect("the partner"));
        known.frameworks.insert(format!("another:{at}"));
        let id = &self.ids[at % self.ids.len()];
        let question = self.scene.ask_for(self.registry, self.scene.provider, id, Some(&known));
        engine::decide(&self.scene.bundle, black_box(&question)).effect
    }

    /// The whole change as the store makes it in memory.
    fn retire(&self) -> Registry {
        let at = self.at.replace(self.at.get().wrapping_add(618_033_989)) % self.ids.len();
        let known = self.registry.tenant(self.scene.provider).expect("the provider");
        let mut world = TenantWorld::clone(known);
        let agreement = known.agreements.get(&self.ids[at]).expect("an agreement");
        world.agreements.insert(Arc::new(Agreement {
            state: AgreementState::Retired,
            ..Agreement::clone(agreement)
        }));
        self.registry.with_tenant(world)
    }
}

/// Nanoseconds per run in a batch.
fn batch(times: u32, run: &dyn Fn()) -> f64 {
    let started = Instant::now();
    (0..times).for_each(|_| run());
    started.elapsed().as_secs_f64() * 1e9 / f64::from(times)
}

/// Measures rows in turns and gives, for each, its figures per round.
fn in_turns(rows: &[(&str, &dyn Fn())]) -> Vec<Vec<f64>> {
    let times: Vec<u32> = rows
        .iter()
        .map(|(_, run)| {
            let mut times = 1;
            while batch(times, run) * f64::from(times) < BATCH.as_nanos() as f64 {
                times *= 2;
            }
            times
        })
        .collect();
    let mut took = vec![Vec::new(); rows.len()];
    for _ in 0..ROUNDS {
        for ((row, times), took) in rows.iter().zip(&times).zip(&mut took) {
            // What the row before left in caches is not this row's.
            (0..2 * FEW).for_each(|_| row.1());
            took.push(batch(*times, row.1));
        }
    }
    for ((name, _), took) in rows.iter().zip(&took) {
        println!("{name:<58} {:>10.0} ns", median(took.clone()));
    }
    took
}

fn ratio(what: &str, took: &[f64], beside: &[f64]) {
    let ratios = took.iter().zip(beside).map(|(took, beside)| took / beside);
    println!("  ratio: {what} = {:.2}", median(ratios.collect()));
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let many: usize = arguments.next_back().and_then(|text| text.parse().ok()).unwrap_or(MANY);
    let scene = Scene::new();

    let (before, started) = (resident(), Instant::now());
    let large = grown(&scene, many);
    let used = resident() - before;
    println!(
        "{many} agreements on {TERMS} terms in memory: {:.0} bytes each, of which terms are {:.0}; made in {:.1} s",
        used / many as f64,
        terms_alone(&scene) / many as f64,
        started.elapsed().as_secs_f64()
    );
    let small = grown(&scene, FEW);

    let (of_few, of_many) = (Walk::new(&scene, &small, FEW), Walk::new(&scene, &large, many));
    let few_of_many = Walk::new(&scene, &large, FEW);
    for walk in [&of_few, &of_many, &few_of_many] {
        assert_eq!(walk.decide(), Effect::Allow);
    }
    let took = in_turns(&[
        ("access, each of 10 agreements in turn", &|| {
            assert_eq!(of_few.decide(), Effect::Allow)
        }),
        ("access, the same 10 among many", &|| {
            assert_eq!(few_of_many.decide(), Effect::Allow)
        }),
        ("access, each of many in turn", &|| {
            assert_eq!(of_many.decide(), Effect::Allow)
        }),
        ("access, 10 agreements, slices not met before", &|| {
            assert_eq!(of_few.decide_anew(), Effect::Allow)
        }),
        ("retire in memory, of 10", &|| drop(black_box(of_few.retire()))),
        ("retire in memory, of many", &|| drop(black_box(of_many.retire()))),
    ]);
    ratio("the same 10 among many / among 10", &took[1], &took[0]);
    ratio("each of many / each of 10", &took[2], &took[0]);
    ratio("each of many / of 10 with slices not met before", &took[2], &took[3]);
    ratio("retire of many / of 10", &took[5], &took[4]);
    drop((small, large));

    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        for count in [FEW, many] {
            at_rest(&scene, count).await;
        }
    });
}

/// What the terms take that all agreements share.
fn terms_alone(scene: &Scene) -> f64 {
    let before = resident();
    let mut pool = TermsPool::default();
    let held: Vec<_> = (0..TERMS)
        .map(|number| agreement(scene, number).compile(&mut pool).expect("the text compiles"))
        .collect();
    let used = resident() - before;
    drop(held);
    used
}

/// The file: filling it, starting with it, and ending agreements in it.
async fn at_rest(scene: &Scene, count: usize) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = RegistryStore::open(&Place::Directory(directory.path().to_owned()))
        .await
        .expect("a registry");
    let mut world = scene.world().clone();
    world.agreements = Default::default();
    store.seed(&[world], &[]).await.expect("it is taken in");
    let now = scene.now;
    let mut pool = TermsPool::default();
    for first in (0..count).step_by(20_000) {
        let chunk = (first..count.min(first + 20_000)).map(|number| {
            let new = agreement(scene, number);
            (Arc::new(new.compile(&mut pool).expect("the text compiles")), new)
        });
        let chunk: Vec<_> = chunk.collect();
        store.insert_agreements(&chunk, now).await.expect("they are taken in");
    }
    drop((store, pool));
    let started = Instant::now();
    let store = RegistryStore::open(&Place::Directory(directory.path().to_owned()))
        .await
        .expect("a registry");
    let took = started.elapsed();
    println!("start, registry of {count}: {:.2} s", took.as_secs_f64());
    let mut changes = Vec::new();
    for change in 0..CHANGES {
        let number = change.wrapping_mul(618_033_989) % count;
        let ending = Ending {
            provider: scene.world().tenant.id,
            id: id(number),
            state: AgreementState::Retired,
            reason: "for the bench".into(),
            at: now,
            by: "bench".into(),
            decision: None,
        };
        let started = Instant::now();
        store.end_agreements(&[ending]).await.expect("it is ended");
        changes.push(started.elapsed().as_secs_f64() * 1e6);
    }
    println!("retire, written to the file, of {count}: {:.0} us", median(changes));
}
