//! What a change and a look cost where there are many tenants. Needs PostgreSQL, and a minute or two:
//! `cargo test --lib a_change_at_ten_thousand_tenants -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use super::*;

const TENANTS: usize = 10_000;
const CHANGES: usize = 50;

fn tenant(number: usize) -> TenantWorld {
    let mut world = world();
    world.tenant.id = format!("BPNL{number:012}").parse().unwrap();
    world.tenant.identity.resource_server = world.tenant.id.to_string();
    world
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::test]
#[ignore = "measures, and needs PostgreSQL"]
async fn a_change_at_ten_thousand_tenants() {
    for on in [On::Sqlite, On::Postgres] {
        let home = Home::new(on).await;
        let store = reopen(&home).await;
        let worlds: Vec<_> = (0..TENANTS).map(tenant).collect();
        let began = Instant::now();
        store.seed(&worlds, &[]).await.unwrap();
        println!("{on:?}: {TENANTS} tenants taken in: {:?}", began.elapsed());
        let began = Instant::now();
        store.seed(&worlds, &[]).await.unwrap();
        println!("{on:?}: the same again: {:?}", began.elapsed());
        let terms = Arc::new(Terms::from_odrl(USAGE).unwrap());
        let new = |number: usize, name: &str| {
            let provider = worlds[number].tenant.id;
            let new = NewAgreement {
                provider,
                ..agreement(name)
            };
            (Arc::new(new.on(Arc::clone(&terms))), new)
        };
        let all: Vec<_> = (0..TENANTS).map(|number| new(number, "a-1")).collect();
        let began = Instant::now();
        store.insert_agreements(&all, now()).await.unwrap();
        println!("{on:?}: {TENANTS} agreements taken in: {:?}", began.elapsed());
        let began = Instant::now();
        let other = reopen(&home).await;
        println!("{on:?}: a start, which reads all: {:?}", began.elapsed());
        let (mut changes, mut looks, mut idle) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..CHANGES {
            let one = new(number * 7, "a-2");
            let began = Instant::now();
            store.insert_agreements(&[one], now()).await.unwrap();
            changes.push(began.elapsed());
            let began = Instant::now();
            assert!(other.catch_up().await.unwrap());
            looks.push(began.elapsed());
            let began = Instant::now();
            assert!(!other.catch_up().await.unwrap());
            idle.push(began.elapsed());
        }
        println!("{on:?}: an agreement taken in: {:?}", median(changes));
        println!("{on:?}: another process's change read: {:?}", median(looks));
        println!("{on:?}: a look at what did not change: {:?}", median(idle));
    }
}
