//! The three ways to prove oneself: what each sends, and that it goes nowhere else.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tidegate::ledger::Event;

use super::supplier::{Asked, Reply, Supplier, page};
use super::*;

const CLIENT_SECRET: &str = "s3cret/of+the:client";
const TOKEN: &str = "token-of-the-supplier";

fn credentials(url: &str) -> String {
    json!({ "tokenEndpoint": format!("{url}/oauth2/token?tenant=7"), "clientId": "tide gate", "clientSecret": CLIENT_SECRET }).to_string()
}

fn by_token() -> Value {
    json!({ "oauth2": { "secret": SECRET, "scope": "pcf.read pcf.list" } })
}

/// Gives a token with that ending, and lists `items` to whoever has the one that `good` says is good.
fn answers(asked: &Asked, items: &[String], good: impl Fn(&str) -> bool) -> Reply {
    if asked.path.starts_with("/oauth2/token") {
        let token = format!("{TOKEN}-{}", asked.number);
        return Reply::of(
            200,
            json!({ "access_token": token, "token_type": "bearer", "expires_in": 3600 }).to_string(),
        );
    }
    match good(asked.header("authorization")) {
        true => page(items, None),
        false => Reply::of(401, "{}"),
    }
}

#[test]
fn a_token_is_got_with_the_clients_credentials_and_sent_with_each_request() {
    let service = Service::start();
    let ids = [fresh(), fresh()];
    let items: Vec<_> = ids.iter().map(|id| in_pact(id, &document(id))).collect();
    let supplier = Supplier::plain(move |asked| answers(asked, &items, |token| token == format!("Bearer {TOKEN}-0")));
    keep_secret(&service, &credentials(supplier.url()));
    let run = first_run(&service, &system("sap", pact(&supplier), by_token()));
    assert_eq!(run["state"], "complete", "{run}");
    assert_eq!(counts(&run), [1, 2, 0, 0]);
    assert_eq!(run["cause"], "schedule");
    for id in &ids {
        assert_eq!(stored(&service, id).unwrap(), document(id).into_bytes(), "to the byte");
    }
    let asked = supplier.asked();
    let token = &asked[0];
    assert_eq!(
        (token.method.as_str(), token.path.as_str()),
        ("POST", "/oauth2/token?tenant=7")
    );
    assert_eq!(token.body, "grant_type=client_credentials&scope=pcf.read+pcf.list");
    let client = BASE64_STANDARD.encode("tide+gate:s3cret%2Fof%2Bthe%3Aclient");
    assert_eq!(token.header("authorization"), format!("Basic {client}"));
    assert_eq!(asked[1].path, "/3/footprints?limit=100");
    assert_eq!(asked.len(), 2);
    for secret in [CLIENT_SECRET, TOKEN, &client, "tenant=7"] {
        check_secret(&service, secret);
    }

    // That the system may hand in, that its secret may be read, and each document were decided, and are on record.
    let records = service.records(ELBE);
    let of_run: Vec<_> = records
        .iter()
        .filter_map(|stored| match &stored.record.event {
            Event::Decision(decided) if decided.principal.contains("/sap") => Some(decided.action.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(of_run, ["ingest", "readSecret", "writeFootprint", "writeFootprint"]);
}

#[test]
fn a_token_that_is_good_no_more_is_got_anew_once() {
    let service = Service::start();
    let id = fresh();
    let items = vec![in_pact(&id, &document(&id))];
    let list = items.clone();
    // Tokens are numbered by the request that got them: the first is good for the first page only.
    let supplier = Supplier::plain(move |asked| match asked.path.as_str() {
        "/3/footprints?limit=100" => page(&list, Some("/3/footprints?offset=1")),
        "/3/footprints?offset=1" => answers(asked, &[], |token| !token.ends_with("-0")),
        _ => answers(asked, &list, |_| true),
    });
    keep_secret(&service, &credentials(supplier.url()));
    let run = first_run(&service, &system("sap", pact(&supplier), by_token()));
    assert_eq!(counts(&run), [2, 1, 0, 0], "{run}");
    let tokens = |supplier: &Supplier| {
        supplier
            .paths()
            .iter()
            .filter(|path| path.starts_with("/oauth2"))
            .count()
    };
    assert_eq!(tokens(&supplier), 2);

    // One that never was is not got a third time.
    supplier.will_answer(move |asked| answers(asked, &items, |_| false));
    let run = next_run(&service, "sap");
    assert_eq!(run["state"], "failed");
    assert!(problem(&run).ends_with("/3/footprints answers 401"), "{run}");
    assert_eq!(tokens(&supplier), 3);
    check_secret(&service, TOKEN);
}

/// Nothing but a bearer token can be sent; where the type is left out, which RFC 6749 does not allow, it is taken for one.
#[test]
fn a_token_of_another_type_is_not_sent() {
    let service = Service::start();
    let supplier = Supplier::plain(|asked| match asked.path.starts_with("/oauth2/token") {
        true => Reply::of(200, json!({ "access_token": TOKEN, "token_type": "mac" }).to_string()),
        false => page(&[], None),
    });
    keep_secret(&service, &credentials(supplier.url()));
    let run = first_run(&service, &system("sap", pact(&supplier), by_token()));
    assert_eq!(run["state"], "failed", "{run}");
    assert!(problem(&run).contains("no bearer token"), "{run}");
    assert_eq!(supplier.asked().len(), 1);
    supplier.will_answer(|asked| match asked.path.starts_with("/oauth2/token") {
        true => Reply::of(200, json!({ "access_token": TOKEN }).to_string()),
        false => page(&[], None),
    });
    assert_eq!(next_run(&service, "sap")["state"], "complete");
}

#[test]
fn a_key_goes_in_its_header_and_nowhere_else() {
    let id = fresh();
    let (service, supplier) = with_items(vec![in_pact(&id, &document(&id))]);
    let run = first_run(&service, &system("sap", pact(&supplier), by_key()));
    assert_eq!(counts(&run), [1, 1, 0, 0], "{run}");
    let asked = supplier.asked();
    assert_eq!(asked[0].header("x-supplier-key"), KEY);
    assert_eq!(asked[0].header("authorization"), "");
    check_secret(&service, KEY);
}

#[test]
fn a_secret_that_is_not_there_or_not_what_it_should_be_is_told_without_it() {
    let service = Service::start();
    let supplier = Supplier::plain(|_| page(&[], None));
    let ask = |id: &str, auth: Value| first_run(&service, &system(id, pact(&supplier), auth));
    let run = ask(
        "absent",
        json!({ "apiKey": { "header": "X-Key", "secret": "nobodys" } }),
    );
    assert_eq!(run["state"], "failed", "{run}");
    assert!(
        problem(&run).contains("nobodys") || problem(&run).contains("policy"),
        "{run}"
    );
    keep_secret(&service, "not-json-but-secret");
    let run = ask("token", by_token());
    assert!(problem(&run).contains("tokenEndpoint"), "{run}");
    let run = ask(
        "certificate",
        json!({ "apiKey": { "header": "X-Key", "secret": SECRET } }),
    );
    assert_eq!(run["state"], "complete", "{run}");
    keep_secret(&service, "not\na-header-but-secret");
    let run = ask("key", by_key());
    assert!(problem(&run).contains("not a key"), "{run}");
    // A token endpoint inside is not entered: outside dev mode by its number, here because it is no loopback.
    keep_secret(&service, &credentials("https://10.0.0.1"));
    let run = ask("inside", by_token());
    assert!(problem(&run).contains("not entered"), "{run}");
    check_secret(&service, "but-secret");
    check_secret(&service, CLIENT_SECRET);
    assert_eq!(supplier.asked().len(), 1);
}

#[test]
fn what_policy_does_not_permit_is_in_the_report_and_on_record() {
    let (known, other, foreign) = (fresh(), fresh(), fresh());
    let resin = document(&other).replace("urn:mycompany.com:product-id:401765", "urn:elsewhere.example:9");
    assert_ne!(resin, document(&other));
    let items = vec![
        document(&known),
        resin,
        footprint("9.0.0", crate::harness::ISAR, &foreign),
        "{\"id\":\"x\"}".to_owned(),
        in_pact(&fresh(), "{}"),
    ];
    let (service, supplier) = with_items(items);
    let mut document = system("sap", pact(&supplier), by_key());
    document["products"] = json!(["urn:mycompany.com"]);
    let run = first_run(&service, &document);
    assert_eq!(run["state"], "complete", "{run}");
    assert_eq!(counts(&run), [1, 1, 0, 4]);
    let refusals = run["refusals"].as_array().unwrap();
    let at = |place: u64| refusals.iter().find(|refusal| refusal["place"] == place).unwrap();
    assert_eq!(at(1)["reason"], "policy does not permit it: ingest/own-products");
    assert_eq!(at(1)["pcf_id"], other);
    assert!(
        at(2)["reason"].as_str().unwrap().contains("footprints/own-document"),
        "{}",
        at(2)
    );
    assert!(at(3)["reason"].as_str().unwrap().contains("extensions"), "{}", at(3));
    assert!(at(4)["reason"].as_str().unwrap().contains("specVersion"), "{}", at(4));
    let records = service.records(ELBE);
    for place in [1, 2] {
        let record = at(place)["record"].as_str().unwrap();
        assert!(
            records.iter().any(|stored| stored.record.id.to_string() == record),
            "{record}"
        );
    }
    assert!(is_known(&service, &known) && !is_known(&service, &other) && !is_known(&service, &foreign));

    // A system whose document is there, but whose company may not hand in, fetches nothing.
    let before = supplier.asked().len();
    service.change_world(ELBE, |world| {
        world.tenant.state = tidegate::registry::TenantState::Suspended
    });
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert_eq!(supplier.asked().len(), before);
}
