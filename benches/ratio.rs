//! Every figure in one run, in turns: rounds of short batches, each round measuring every row once, so that a machine that
//! slows down slows all rows alike. Prints a table, and how a decision compares with Cedar's bare authorizer.
//!
//! `cargo bench --bench ratio -- ROUNDS` takes another number of rounds; `-- ROUNDS NAME` runs only the rows whose name
//! contains `NAME`, which is what a profiler is given.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a bench that cannot set up its scene has nothing to measure"
)]

#[path = "support/scene.rs"]
mod scene;

use std::cell::{Cell, LazyCell};
use std::hint::black_box;
use std::time::{Duration, Instant};

use scene::{Bare, Scene};
use tidegate::decision::Effect;
use tidegate::ids::TenantId;
use tidegate::registry::Registry;
use tidegate::{cedar, engine};

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long one batch runs.
const BATCH: Duration = Duration::from_millis(2);

/// How many rounds there are unless told otherwise.
const ROUNDS: usize = 200;

const DECIDE: &str = "decide: access";
const FULL: &str = "bare is_authorized, every policy";

struct Row<'s> {
    name: &'static str,
    run: Box<dyn Fn() + 's>,
    /// How many times a batch runs it.
    times: u32,
    /// Nanoseconds per run, one figure per round.
    took: Vec<f64>,
}

impl<'s> Row<'s> {
    fn new<T>(name: &'static str, run: impl Fn() -> T + 's) -> Self {
        let run = Box::new(move || drop(black_box(run())));
        Self {
            name,
            run,
            times: 1,
            took: Vec::new(),
        }
    }

    fn batch(&self) -> Duration {
        let started = Instant::now();
        for _ in 0..self.times {
            (self.run)();
        }
        started.elapsed()
    }

    /// Finds how many runs fill a batch.
    fn calibrate(&mut self) {
        while self.batch() < BATCH && self.times < 1 << 24 {
            self.times *= 2;
        }
    }

    fn round(&mut self) {
        self.took.push(self.batch().as_secs_f64() * 1e9 / f64::from(self.times));
    }
}

/// The value below which `share` of `values` lie.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index into a few hundred values"
    )]
    let at = ((sorted.len().saturating_sub(1)) as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

fn main() {
    // Cargo adds `--bench`.
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let rounds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let only = arguments.next().unwrap_or_default();

    let scene = Scene::new();
    let bundle = &scene.bundle;
    let (access, secret, role) = (scene.ask_access(), scene.ask_read_secret(), scene.ask_assume_role());
    let bare = Bare::new(bundle, &access);
    for question in [&access, &secret, &role] {
        let decision = engine::decide(bundle, question);
        assert_eq!(decision.effect, Effect::Allow, "{}: {decision:?}", question.action);
    }
    assert_eq!(bare.on_full().decision(), cedar_policy::Decision::Allow);
    assert_eq!(bare.on_slot().decision(), cedar_policy::Decision::Allow);
    // Made when first asked of: a profile of another row shall not be full of it.
    let (small, large) = (
        LazyCell::new(|| scene.grown(1_000)),
        LazyCell::new(|| scene.grown(100_000)),
    );
    let verify = LazyCell::new(|| scene.verification());
    let place = Cell::new(0_usize);
    let walk = |(registry, ids): &(Registry, Vec<TenantId>)| {
        // A stride that is no divisor of the count: no two tenants in turn are neighbours in memory.
        let at = place.replace(place.get().wrapping_add(7_919)) % ids.len();
        engine::decide(bundle, &scene.ask_access_of(registry, *ids.get(at).expect("a tenant")))
    };

    let mut rows = vec![
        Row::new(DECIDE, || engine::decide(bundle, black_box(&access))),
        Row::new(FULL, || bare.on_full()),
        Row::new("bare is_authorized, the index's pick", || bare.on_slot()),
        Row::new("decide: access, from facts", || {
            engine::decide(bundle, &scene.ask_access())
        }),
        Row::new("  of 1,000 tenants", || walk(&small)),
        Row::new("  of 100,000 tenants", || walk(&large)),
        Row::new("decide: readSecret", || engine::decide(bundle, black_box(&secret))),
        Row::new("decide: assumeRole", || engine::decide(bundle, black_box(&role))),
        Row::new("part: ask", || scene.ask_access()),
        Row::new("part: translate", || {
            cedar::translate(black_box(&access), &bundle.schema).is_ok()
        }),
        Row::new("part: cedar, translation included", || {
            cedar::answer(&bundle.index, &bundle.schema, black_box(&access))
        }),
        Row::new("part: iam", || engine::ask_iam(bundle, black_box(&access))),
        Row::new("record: canonical question", || black_box(&access).canonical()),
        Row::new("token: verify", || (*verify)()),
    ];
    rows.retain(|row| row.name.contains(&only));
    rows.iter_mut().for_each(Row::calibrate);
    for _ in 0..rounds {
        rows.iter_mut().for_each(Row::round);
    }
    print(&rows, &bare);
}

fn print(rows: &[Row<'_>], bare: &Bare) {
    let [full, slot] = [&bare.full, &bare.slot].map(|set| set.policies().count());
    println!("policies: {full} in all, of which {slot} can match the question");
    println!("{:<38} {:>10} {:>10} {:>10}", "ns per run", "fastest", "median", "p90");
    for row in rows {
        let [fastest, median, slow] = [0.0, 0.5, 0.9].map(|share| quantile(&row.took, share));
        println!("{:<38} {fastest:>10.0} {median:>10.0} {slow:>10.0}", row.name);
    }
    let took = |name| rows.iter().find(|row| row.name == name).map(|row| &row.took);
    if let (Some(decide), Some(full)) = (took(DECIDE), took(FULL)) {
        let ratios: Vec<_> = decide.iter().zip(full).map(|(decide, full)| decide / full).collect();
        let [low, median, high] = [0.1, 0.5, 0.9].map(|share| quantile(&ratios, share));
        println!("ratio: {DECIDE} / {FULL} = {median:.2} (p10 {low:.2}, p90 {high:.2})");
    }
}
