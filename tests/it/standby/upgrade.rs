//! An upgrade with two versions side by side: the one that comes stands by until the one that goes has ended. And tables of a version that
//! is not known.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tidegate::ledger::read::{Cursor, Reader};
use tidegate::ledger::{Database, Event, LogId, Place};

use super::*;

/// A client that tries again, here and there, until it has an answer.
struct Client {
    manifest: Manifest,
    addresses: [SocketAddr; 2],
    /// The record of the answer to each request, and whose answer it was.
    answered: Mutex<BTreeMap<String, (String, usize)>>,
    refused: AtomicUsize,
}

impl Client {
    /// Asks, request after request, until so many were answered by the second service.
    fn run(&self, thread: usize, until: usize) {
        let mut tokens = [None, None];
        let mut at = 0;
        for number in 0.. {
            let id = format!("upgrade-{thread}-{number}");
            let record = loop {
                if tokens[at].is_none() {
                    tokens[at] = self.manifest.token(self.addresses[at]);
                }
                let asked = tokens[at]
                    .as_deref()
                    .map(|token| self.manifest.ask(token).header("X-Request-ID", &id));
                let answer = asked.and_then(|ask| exchange(self.addresses[at], &ask.bytes()));
                match answer {
                    Some(answer) if answer.status == 200 => break answer.record().unwrap().to_owned(),
                    // Standing by, ending, not yet there, or gone.
                    None => {}
                    Some(answer) => assert_eq!(answer.status, 503, "{}", answer.text()),
                }
                self.refused.fetch_add(1, Ordering::Relaxed);
                at = 1 - at;
                std::thread::sleep(Duration::from_millis(50));
            };
            let mut answered = self.answered.lock().unwrap();
            answered.insert(id, (record, at));
            if answered.values().filter(|(_, at)| *at == 1).count() >= until {
                return;
            }
        }
    }

    fn answered_by(&self, at: usize) -> usize {
        let answered = self.answered.lock().unwrap();
        answered.values().filter(|(_, by)| *by == at).count()
    }
}

/// The records of decisions in Elbe's log, by the request that each is of.
async fn decisions(database: &TestDatabase, data: &Path) -> BTreeMap<String, Vec<String>> {
    let database = Place::Postgres(Database::parse(&database.url()).unwrap());
    let mut reader = Reader::open_beside(&database, data).await.unwrap();
    let mut cursor = Cursor::new(ELBE.parse::<LogId>().unwrap(), 0);
    let mut found = BTreeMap::<_, Vec<_>>::new();
    while let Some(stored) = cursor.next(&mut reader).await.unwrap() {
        if let Event::Decision(decided) = &stored.record.event {
            let of = found.entry(decided.request.id.to_string()).or_default();
            of.push(stored.record.id.to_string());
        }
    }
    found
}

#[test]
#[ignore = "needs PostgreSQL: `cargo test --test it on_postgres -- --ignored`"]
fn an_upgrade_side_by_side_loses_no_answer_and_records_none_twice_on_postgres() {
    let database = block_on(Cluster::shared().database(None));
    let data = tempfile::tempdir().unwrap();
    let mut first = Replica::start(data.path(), &database);
    first.serves();
    let manifest = Manifest::read(data.path());
    let mut second = Replica::start(data.path(), &database);
    second.await_ready(503);
    assert_eq!(get("/healthz").send(second.address).status, 200);
    let client = Client {
        manifest,
        addresses: [first.address, second.address],
        answered: Mutex::default(),
        refused: AtomicUsize::default(),
    };
    let took = std::thread::scope(|scope| {
        for thread in 0..3 {
            let client = &client;
            scope.spawn(move || client.run(thread, 30));
        }
        wait_for("requests are answered by the first", || client.answered_by(0) >= 30);
        let began = Instant::now();
        first.stop();
        second.serves();
        second.await_ready(200);
        began.elapsed()
    });
    second.stop();

    let recorded = block_on(decisions(&database, data.path()));
    let answered = client.answered.lock().unwrap();
    for (id, (record, _)) in answered.iter() {
        let of = recorded
            .get(id)
            .unwrap_or_else(|| panic!("{id} was answered and is not on record"));
        assert_eq!(
            of,
            std::slice::from_ref(record),
            "{id} is on record once, as it was answered"
        );
    }
    assert_eq!(
        recorded.len(),
        answered.len(),
        "nothing is on record that was not answered"
    );
    let place = data.path().to_str().unwrap();
    check(&database, &["ledger", "verify", place]);
    check(&database, &["replay", "--data", place]);
    eprintln!(
        "{} requests answered, {} by the first; {} attempts refused meanwhile; the second served {} ms after the first was told to end",
        answered.len(),
        answered.values().filter(|(_, by)| *by == 0).count(),
        client.refused.load(Ordering::Relaxed),
        took.as_millis()
    );
}

#[test]
#[ignore = "needs PostgreSQL: `cargo test --test it on_postgres -- --ignored`"]
fn tables_of_a_newer_version_are_not_served_from_on_postgres() {
    let database = block_on(Cluster::shared().database(None));
    let data = tempfile::tempdir().unwrap();
    let mut first = Replica::start(data.path(), &database);
    first.serves();
    let edit = |sql: &str| block_on(database.run(sql));
    let refused = || {
        let output = serve(data.path(), &database).stdout(Stdio::null()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{said}");
        said
    };
    // One that stands by while a newer one brings the tables up to date does not take over, and says why; nor does it end.
    let mut second = Replica::start(data.path(), &database);
    second.await_ready(503);
    edit("UPDATE tidegate_ledger.ledger_format SET format = 5");
    first.stop();
    wait_for("it says why it does not take over", || {
        second.logged().contains("cannot take over")
    });
    let said = second.logged();
    assert!(said.contains("a newer version of the program wrote it"), "{said}");
    assert_eq!(second.ready(), Some(503));
    // One that starts then says the same and ends.
    let said = refused();
    assert!(
        said.contains("has store format `5`") && said.contains("use that version"),
        "{said}"
    );
    // The backup from before is put back: it takes over by itself.
    edit("UPDATE tidegate_ledger.ledger_format SET format = 4");
    second.serves();
    second.await_ready(200);
    second.stop();

    // The other tables are opened last; by then it holds the lease, and another may take that once it has lapsed.
    for schema in [
        "tidegate_registry",
        "tidegate_dataspace",
        "tidegate_exchanges",
        "tidegate_pulls",
    ] {
        edit(&format!("UPDATE {schema}.format SET format = format + 1"));
        let said = refused();
        assert!(said.contains("use the version that wrote them"), "{schema}: {said}");
        edit(&format!("UPDATE {schema}.format SET format = format - 1"));
    }
    let mut third = Replica::start(data.path(), &database);
    third.serves();
    third.await_ready(200);
}
