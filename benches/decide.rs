//! How long deciding takes in process, and what it is made of. `benches/README.md` says what each figure means.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a bench that cannot set up its scene has nothing to measure"
)]

#[path = "support/scene.rs"]
mod scene;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use scene::{Bare, Scene};
use tidegate::{cedar, engine};

fn deciding(criterion: &mut Criterion) {
    let scene = Scene::new();
    let bundle = &scene.bundle;
    let mut group = criterion.benchmark_group("decide");
    let questions = [
        ("access", scene.ask_access()),
        ("readSecret", scene.ask_read_secret()),
        ("assumeRole", scene.ask_assume_role()),
    ];
    for (name, question) in &questions {
        group.bench_function(*name, |bencher| {
            bencher.iter(|| engine::decide(bundle, black_box(question)))
        });
    }
    group.bench_function("access from facts", |bencher| {
        bencher.iter(|| engine::decide(bundle, &black_box(&scene).ask_access()));
    });
    group.finish();
}

fn parts(criterion: &mut Criterion) {
    let scene = Scene::new();
    let (bundle, question) = (&scene.bundle, scene.ask_access());
    let mut group = criterion.benchmark_group("parts");
    group.bench_function("ask", |bencher| bencher.iter(|| black_box(&scene).ask_access()));
    group.bench_function("translate", |bencher| {
        bencher.iter(|| cedar::translate(black_box(&question), &bundle.schema).is_ok());
    });
    group.bench_function("cedar", |bencher| {
        bencher.iter(|| cedar::answer(&bundle.index, &bundle.schema, black_box(&question)));
    });
    group.bench_function("iam", |bencher| {
        bencher.iter(|| engine::ask_iam(bundle, black_box(&question)))
    });
    group.bench_function("canonical", |bencher| bencher.iter(|| black_box(&question).canonical()));
    let verify = scene.verification();
    group.bench_function("verify token", |bencher| bencher.iter(&verify));
    group.finish();
}

fn floor(criterion: &mut Criterion) {
    let scene = Scene::new();
    let bare = Bare::new(&scene.bundle, &scene.ask_access());
    let mut group = criterion.benchmark_group("floor");
    group.bench_function("is_authorized, every policy", |bencher| {
        bencher.iter(|| black_box(&bare).on_full())
    });
    group.bench_function("is_authorized, the index's pick", |bencher| {
        bencher.iter(|| black_box(&bare).on_slot());
    });
    group.finish();
}

fn scaling(criterion: &mut Criterion) {
    let scene = Scene::new();
    let mut group = criterion.benchmark_group("access from facts, by tenants");
    for tenants in [1_000, 100_000] {
        let (registry, ids) = scene.grown(tenants);
        let mut next = ids.iter().cycle();
        group.bench_function(tenants.to_string(), |bencher| {
            bencher.iter(|| {
                let id = next.next().expect("a tenant");
                engine::decide(&scene.bundle, &scene.ask_access_of(&registry, *id))
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_secs(2))
        .sample_size(50);
    targets = deciding, parts, floor, scaling
}
criterion_main!(benches);
