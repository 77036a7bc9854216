//! How long a contract takes from ODRL text to its policies, beside the floor of any reader: `serde_json` parsing the same text.
//! The aim is less than a millisecond for one policy.
//!
//! `cargo bench --bench contract`

#![expect(
    clippy::expect_used,
    reason = "a bench that cannot set up its scene has nothing to measure"
)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use tidegate::contract::Terms;

/// A policy of one permission with three constraints, as in dev mode.
const SMALL: &str = include_str!("../fixtures/odrl/dev/pcf-usage.json");
/// The official sample with 17 constraints, a prohibition and an obligation.
const COMPREHENSIVE: &str = include_str!("../fixtures/odrl/cx-25.09/usage-policy-comprehensive-sample.json");

fn compiling(criterion: &mut Criterion) {
    // The values of one constraint are names of definitions in the schema; as published, the text is refused.
    let comprehensive = COMPREHENSIVE
        .replace(
            "ExtraordinaryAnalyticsForbiddenRightOperand",
            "cx.extraordinaryAnalytics.forbidden:1",
        )
        .replace(
            "DataProviderRemovalForbiddenRightOperand",
            "cx.dataProviderRemoval.forbidden:1",
        );
    let mut group = criterion.benchmark_group("contract");
    for (name, text) in [("small", SMALL), ("comprehensive", comprehensive.as_str())] {
        let terms = Terms::from_odrl(text).expect("the contract is sound");
        group.bench_function(format!("{name}: floor, serde_json"), |bencher| {
            bencher.iter(|| serde_json::from_str::<serde_json::Value>(black_box(text)).expect("JSON"));
        });
        group.bench_function(format!("{name}: compile"), |bencher| {
            bencher.iter(|| Terms::from_odrl(black_box(text)).expect("the contract is sound"));
        });
        group.bench_function(format!("{name}: read back"), |bencher| {
            bencher.iter(|| Terms::from_normal_form(black_box(terms.canonical())).expect("canonical"));
        });
    }
    group.finish();
}

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

criterion_group!(benches, compiling);
criterion_main!(benches);
