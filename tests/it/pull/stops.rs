//! What a run does not do: hurry, go elsewhere, go on for ever, or go on when it is not to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use super::supplier::{Reply, Supplier, page};
use super::*;
use crate::harness::wait_for;

fn numbered(path: &str) -> usize {
    path.split_once("page=").map_or(0, |(_, at)| at.parse().unwrap())
}

#[test]
fn requests_are_as_far_apart_as_the_document_says() {
    let service = Service::start();
    keep_secret(&service, KEY);
    let supplier = Supplier::plain(|asked| {
        let at = numbered(&asked.path);
        let next = format!("?page={}", at + 1);
        page(&[], (at < 5).then_some(next.as_str()))
    });
    let mut document = system("sap", pact(&supplier), by_key());
    document["pull"]["requestsPerSecond"] = json!(5);
    let run = first_run(&service, &document);
    assert_eq!(counts(&run), [6, 0, 0, 0], "{run}");
    let asked = supplier.asked();
    // A fifth of a second between two, five times; what the machine delays can shorten none of it but at the ends.
    let took = asked[5].at - asked[0].at;
    assert!(took > Duration::from_millis(800), "{took:?}");
}

#[test]
fn a_system_that_asks_for_time_gets_it() {
    let service = Service::start();
    keep_secret(&service, KEY);
    let supplier = Supplier::plain(|asked| match asked.number {
        0 => Reply::of(429, "slower").header("retry-after", "2"),
        1 => Reply::of(503, ""),
        _ => page(&[], None),
    });
    let run = first_run(&service, &system("sap", pact(&supplier), by_key()));
    assert_eq!(run["state"], "complete", "{run}");
    let asked = supplier.asked();
    assert_eq!(asked.len(), 3);
    assert!(asked[1].at - asked[0].at > Duration::from_millis(1_900));
    assert!(
        asked[2].at - asked[1].at > Duration::from_millis(400),
        "it is asked again after a while"
    );

    // Where it asks for more than a run waits, the run ends and says until when.
    supplier.will_answer(|_| Reply::of(429, "").header("retry-after", "3600"));
    let run = next_run(&service, "sap");
    assert_eq!(run["state"], "failed");
    assert!(
        problem(&run).contains("answers 429") && run["again"].is_string(),
        "{run}"
    );
    assert_eq!(supplier.asked().len(), 4);
}

#[test]
fn the_next_page_is_not_elsewhere() {
    let elsewhere = Supplier::plain(|_| page(&[], None));
    for next in [
        format!("{}/3/footprints?page=2", elsewhere.url()),
        "http://127.0.0.1:9/".to_owned(),
        "//localhost:9/".to_owned(),
    ] {
        let id = fresh();
        let (service, supplier) = with_items(Vec::new());
        let items = vec![in_pact(&id, &document(&id))];
        let told = next.clone();
        supplier.will_answer(move |_| page(&items, Some(&told)));
        let run = first_run(&service, &system("sap", pact(&supplier), by_key()));
        assert_eq!(run["state"], "failed", "{run}");
        assert!(problem(&run).contains("at another origin"), "{run}");
        assert!(!problem(&run).contains("page=2"), "{run}");
        assert_eq!(counts(&run), [1, 1, 0, 0], "what was on the page is taken");
        assert_eq!(supplier.asked().len(), 1, "{next}");
    }
    assert!(elsewhere.asked().is_empty());
    // Nor does a redirect lead there.
    let (service, supplier) = with_items(Vec::new());
    let to = elsewhere.url().to_owned();
    supplier.will_answer(move |_| Reply::of(302, "").header("location", to.clone()));
    let run = first_run(&service, &system("sap", pact(&supplier), by_key()));
    assert!(problem(&run).contains("redirects are not followed"), "{run}");
    assert!(elsewhere.asked().is_empty());
}

#[test]
fn a_list_without_end_is_not_gone_through() {
    let service = Service::start();
    keep_secret(&service, KEY);
    let most = service.app.fetching.most_pages;
    assert!(most > 100);
    let supplier = Supplier::plain(|asked| page(&[], Some(&format!("?page={}", (numbered(&asked.path) + 1) % 3))));
    let run = first_run(&service, &system("circle", pact(&supplier), by_key()));
    assert_eq!(run["state"], "failed", "{run}");
    assert!(problem(&run).contains("circle"), "{run}");
    assert!(supplier.asked().len() <= 4);
    supplier.will_answer(|_| Reply::of(200, "{\"data\":[]}").header("link", "<?page=1; rel=next"));
    let run = next_run(&service, "circle");
    assert!(problem(&run).contains("`Link`"), "{run}");
    supplier.will_answer(|_| Reply::of(200, "{\"items\":[]}"));
    let run = next_run(&service, "circle");
    assert!(problem(&run).contains("no array at `/data`"), "{run}");
    supplier.will_answer(|_| Reply::of(200, " ".repeat((16 << 20) + 1)));
    let run = next_run(&service, "circle");
    assert!(problem(&run).contains("more than"), "{run}");
}

#[test]
fn a_list_with_more_pages_than_are_fetched_ends_the_run() {
    let service = Service::bounded(4);
    keep_secret(&service, KEY);
    let supplier = Supplier::plain(|asked| page(&[], Some(&format!("?page={}", numbered(&asked.path) + 1))));
    let run = first_run(&service, &system("sap", pact(&supplier), by_key()));
    assert_eq!(run["state"], "failed", "{run}");
    assert!(problem(&run).contains("more than 4 pages"), "{run}");
    assert_eq!((supplier.asked().len(), counts(&run)), (4, [4, 0, 0, 0]));
}

#[test]
fn a_system_that_is_stopped_is_asked_for_no_further_page() {
    let service = Service::start();
    keep_secret(&service, KEY);
    let (reached, go) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (reaching, going) = (Arc::clone(&reached), Arc::clone(&go));
    let supplier = Supplier::plain(move |asked| {
        let at = numbered(&asked.path);
        if at == 1 {
            reaching.store(true, Ordering::SeqCst);
            while !going.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        page(&[], Some(&format!("?page={}", at + 1)))
    });
    let mut document = system("sap", pact(&supplier), by_key());
    add(&service, &document);
    wait_for("the second page", || reached.load(Ordering::SeqCst));
    document["enabled"] = json!(false);
    add(&service, &document);
    go.store(true, Ordering::SeqCst);
    let run = ended(&service, "sap", 1);
    assert_eq!(
        (run["state"].as_str(), problem(&run)),
        (Some("stopped"), "the system was stopped"),
        "{run}"
    );
    assert_eq!(supplier.asked().len(), 2);
    let answer = post(&format!("/ingest/{ELBE}/integrations/sap/runs"))
        .bearer(&service.person(ELBE, "anna"))
        .send(service.address);
    answer.check_problem(409, "conflict", "stopped");
}

#[test]
fn a_slow_supplier_keeps_nobody_else_waiting() {
    let service = Service::start();
    keep_secret(&service, KEY);
    let go = Arc::new(AtomicBool::new(false));
    let waiting = Arc::clone(&go);
    let slow = Supplier::plain(move |_| {
        while !waiting.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
        page(&[], None)
    });
    for number in 0..4 {
        add(&service, &system(&format!("slow-{number}"), pact(&slow), by_key()));
    }
    wait_for("as many as one company may have", || slow.asked().len() == 2);
    // Another company's run goes on meanwhile.
    let isar = crate::harness::ISAR;
    let name: SecretName = SECRET.parse().unwrap();
    let session = service
        .app
        .vault
        .session(isar.parse().unwrap(), SessionScope::SecretWrite { name: name.clone() });
    block_on(session.put_secret(&name, SecretString::from("another key"))).unwrap();
    let quick = Supplier::plain(|_| page(&[], None));
    let mut document = system("quick", pact(&quick), by_key());
    document["tenant"] = json!(isar);
    let answer = put(&format!("/ingest/{isar}/integrations/quick"))
        .bearer(&service.person(isar, "bert"))
        .json(document.to_string())
        .send(service.address);
    assert_eq!(answer.status, 201, "{}", answer.text());
    wait_for("the other company's page", || quick.asked().len() == 1);
    assert_eq!(quick.asked()[0].header("x-supplier-key"), "another key");
    assert_eq!(slow.asked().len(), 2);
    go.store(true, Ordering::SeqCst);
    for number in 0..4 {
        assert_eq!(ended(&service, &format!("slow-{number}"), 1)["state"], "complete");
    }
}
