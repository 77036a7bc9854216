//! Lists of many pages: each page once, whatever happens between two of them.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tidegate::assemble::BundleSource;
use tidegate::clock::Clock;
use tokio::sync::Semaphore;

use super::supplier::{Asked, Reply, Supplier, page};
use super::*;
use crate::binary::check;
use crate::harness::{Answer, wait_for};

/// So many documents, each on a page of its own that names the next one.
fn listing(ids: &[String]) -> impl Fn(&Asked) -> Reply + Send + Sync + 'static {
    let items: Vec<_> = ids.iter().map(|id| in_pact(id, &document(id))).collect();
    move |asked| {
        let at = asked
            .path
            .split_once("offset=")
            .map_or(0, |(_, at)| at.parse().unwrap());
        let next = (at + 1 < items.len()).then(|| format!("/3/footprints?limit=100&offset={}", at + 1));
        page(&items[at..=at], next.as_deref())
    }
}

fn ids(count: usize) -> Vec<String> {
    (0..count).map(|_| fresh()).collect()
}

fn expected(count: usize) -> Vec<String> {
    let first = "/3/footprints?limit=100".to_owned();
    let others = (1..count).map(|at| format!("/3/footprints?limit=100&offset={at}"));
    std::iter::once(first).chain(others).collect()
}

#[test]
fn all_pages_are_fetched_in_their_order() {
    let service = Service::start();
    keep_secret(&service, KEY);
    let ids = ids(4);
    let supplier = Supplier::plain(listing(&ids));
    let run = first_run(&service, &system("sap", pact(&supplier), by_key()));
    assert_eq!(counts(&run), [4, 4, 0, 0], "{run}");
    assert_eq!(supplier.paths(), expected(4));
    assert!(ids.iter().all(|id| is_known(&service, id)));

    // Its people see that from the command line as well, and have it go on.
    let data = service.data().to_str().unwrap();
    let said = check(&["integration", "runs", ELBE, "sap", "--data", data], 0);
    assert!(
        said.starts_with("1  complete  ") && said.ends_with("4 pages: 4 taken, 0 unchanged, 0 refused\n"),
        "{said}"
    );
    supplier.will_answer(|_| page(&["{}".to_owned()], None));
    let said = check(&["integration", "fetch", ELBE, "sap", "--whole", "--data", data], 0);
    assert!(
        said.starts_with(&format!("run 2 of `sap` of {ELBE} has begun (record ")),
        "{said}"
    );
    ended(&service, "sap", 2);
    let said = check(&["integration", "runs", ELBE, "sap", "--data", data], 0);
    assert!(
        said.contains("page 1, entry 0: (no id): a PACT footprint without"),
        "{said}"
    );
    add(&service, &system("other", pact(&supplier), by_key()));
    for command in ["runs", "fetch"] {
        let output = crate::binary::run(&["integration", command, ELBE, "nobodys", "--data", data]);
        assert_eq!(output.status.code(), Some(3));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("no supplier system of that id"), "{said}");
    }
}

#[test]
fn a_run_goes_on_at_the_page_in_hand_when_the_process_ends() {
    let service = Service::start();
    keep_secret(&service, KEY);
    let ids = ids(5);
    let (answering, gate) = (listing(&ids), Arc::new(Semaphore::new(2)));
    let held = Arc::clone(&gate);
    // Two pages are answered; the third is held until the process that asked for it is gone.
    let supplier = Supplier::plain(move |asked| {
        while asked.number >= 2 && held.available_permits() < 100 {
            std::thread::sleep(Duration::from_millis(5));
        }
        answering(asked)
    });
    add(&service, &system("sap", pact(&supplier), by_key()));
    wait_for("the third page", || supplier.asked().len() == 3);
    let run = runs(&service, "sap").remove(0);
    assert_eq!(
        (run["state"].as_str(), counts(&run)),
        (Some("running"), [2, 2, 0, 0]),
        "{run}"
    );
    let conflict = post(&format!("/ingest/{ELBE}/integrations/sap/runs"))
        .bearer(&service.person(ELBE, "anna"))
        .send(service.address);
    conflict.check_problem(409, "conflict", "one is under way");
    let data = service.stop();
    gate.add_permits(100);
    let service = Service::on(data, Clock::system(), BundleSource::BuiltIn, None).unwrap();
    let run = ended(&service, "sap", 1);
    assert_eq!(run["state"], "complete", "{run}");
    assert_eq!(counts(&run), [5, 5, 0, 0]);
    let mut pages = expected(5);
    // The one that was in flight, and no other.
    pages.insert(3, pages[2].clone());
    assert_eq!(supplier.paths(), pages);
    assert_eq!(runs(&service, "sap").len(), 1, "it is the same run");
}

#[test]
fn a_page_that_is_gone_meanwhile_begins_the_list_anew() {
    let service = Service::start();
    keep_secret(&service, KEY);
    let ids = ids(3);
    let supplier = Supplier::plain(listing(&ids));
    let all = listing(&ids);
    supplier.will_answer(move |asked| match asked.path.ends_with("offset=2") {
        true => Reply::of(403, "{}"),
        false => all(asked),
    });
    let run = first_run(&service, &system("sap", pact(&supplier), by_key()));
    assert_eq!(
        (run["state"].as_str(), counts(&run)),
        (Some("failed"), [2, 2, 0, 0]),
        "{run}"
    );
    assert!(
        problem(&run).contains("answers 403") && !problem(&run).contains("offset"),
        "{run}"
    );
    // The next run begins with the page that could not be had; the link to it is good no more.
    let (all, asked_before) = (listing(&ids), supplier.asked().len());
    supplier.will_answer(move |asked| match asked.number == asked_before {
        true => Reply::of(404, "{}"),
        false => all(asked),
    });
    let run = next_run(&service, "sap");
    assert_eq!(
        (run["state"].as_str(), counts(&run)),
        (Some("complete"), [3, 1, 2, 0]),
        "{run}"
    );
    let pages = [vec![expected(3)[2].clone()], expected(3)].concat();
    assert_eq!(supplier.paths()[asked_before..], pages);
}

#[test]
fn what_did_not_change_is_not_written_again_and_what_did_is_delivered() {
    let service = Service::start();
    keep_secret(&service, KEY);
    let ids = ids(2);
    let supplier = Supplier::plain(listing(&ids));
    let run = first_run(&service, &system("sap", pact(&supplier), by_key()));
    assert_eq!(counts(&run), [2, 2, 0, 0], "{run}");
    let deliveries = |service: &Service| -> Answer {
        get(&format!("/agreements/{ELBE}/deliveries"))
            .bearer(&service.person(ELBE, "anna"))
            .send(service.address)
    };
    let of = |id: &str| {
        let all = deliveries(&service).json()["deliveries"].as_array().unwrap().clone();
        all.iter().filter(|delivery| delivery["pcf_id"] == id).count()
    };
    wait_for("the deliveries of both", || ids.iter().all(|id| of(id) > 0));
    let first = [of(&ids[0]), of(&ids[1])];
    let written = |service: &Service| {
        let root = service.data().join("vault/objects");
        let files = crate::harness::files(&root)
            .into_iter()
            .filter(|file| file.to_str().unwrap().contains(ELBE));
        files
            .map(|file| (std::fs::metadata(&file).unwrap().modified().unwrap(), file))
            .collect::<Vec<_>>()
    };
    let before = written(&service);
    let run = next_run(&service, "sap");
    assert_eq!(counts(&run), [2, 0, 2, 0], "{run}");
    assert_eq!(written(&service), before, "nothing was written");

    let changed = document(&ids[1]).replace(" : ", ":");
    assert_ne!(changed, document(&ids[1]));
    let items = vec![in_pact(&ids[0], &document(&ids[0])), in_pact(&ids[1], &changed)];
    supplier.will_answer(move |_| page(&items, None));
    let run = next_run(&service, "sap");
    assert_eq!(counts(&run), [1, 1, 1, 0], "{run}");
    assert_eq!(stored(&service, &ids[1]).unwrap(), changed.into_bytes());
    wait_for("the delivery of the new one", || of(&ids[1]) > first[1]);
    assert_eq!(of(&ids[0]), first[0], "the other is not delivered again");
}

#[test]
fn a_json_source_is_asked_for_what_changed_since_the_last_run_began() {
    let service = Service::start();
    keep_secret(&service, KEY);
    let ids = ids(2);
    let all: Vec<_> = ids.iter().map(|id| document(id)).collect();
    let supplier = Supplier::plain(move |asked| {
        let (items, next) = match asked.path.contains("page=2") {
            true => (&all[1..], "null".to_owned()),
            false => (&all[..1], "\"pcf?page=2\"".to_owned()),
        };
        Reply::of(
            200,
            format!(
                r#"{{"meta":{{"next":{next}}},"result":{{"list":[{}]}}}}"#,
                items.join(",")
            ),
        )
    });
    let url = format!("{}/api/pcf?plant=7", supplier.url());
    let json = json!({ "url": url, "items": "/result/list", "next": "/meta/next", "since": "changed" });
    let first = first_run(&service, &system("mes", json!({ "json": json }), by_key()));
    assert_eq!(counts(&first), [2, 2, 0, 0], "{first}");
    assert_eq!(supplier.paths(), ["/api/pcf?plant=7", "/api/pcf?page=2"]);
    assert!(first.get("since").is_none());
    let run = next_run(&service, "mes");
    assert_eq!(counts(&run), [2, 0, 2, 0], "{run}");
    assert_eq!(run["since"], first["began"]);
    let since = first["began"].as_str().unwrap().replace(':', "%3A");
    assert_eq!(supplier.paths()[2], format!("/api/pcf?plant=7&changed={since}"));
    let number = begin(&service, "mes", "?whole=true");
    let run = ended(&service, "mes", number);
    assert!(run.get("since").is_none(), "{run}");
    assert_eq!(supplier.paths()[4], "/api/pcf?plant=7");
}

#[test]
fn runs_begin_when_their_time_has_come() {
    let began = "2026-11-25T09:00:00Z".parse().unwrap();
    let clock = Clock::fixed(began);
    let service = Service::with(clock.clone(), BundleSource::BuiltIn).unwrap();
    keep_secret(&service, KEY);
    let supplier = Supplier::plain(|_| page(&[], None));
    let mut document = system("sap", pact(&supplier), by_key());
    document["pull"]["everySeconds"] = json!(600);
    first_run(&service, &document);
    clock.set(began + jiff::SignedDuration::from_secs(599));
    // The loop looks every second.
    std::thread::sleep(Duration::from_millis(2_500));
    assert_eq!(runs(&service, "sap").len(), 1);
    clock.set(began + jiff::SignedDuration::from_secs(600));
    let run = ended(&service, "sap", 2);
    assert_eq!(
        (run["cause"].as_str(), run["state"].as_str()),
        (Some("schedule"), Some("complete")),
        "{run}"
    );
}
