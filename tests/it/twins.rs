//! Digital twins: what is registered of them, by which rules they are found, and what a data plane is answered that asks.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use tidegate::assemble::BundleSource;
use tidegate::clock::Clock;
use tidegate::ids::TenantId;
use tidegate::ledger::Event;
use tidegate::registry::{Footprint, FootprintStatus, OfferReader, TermsPool};

use crate::binary::check;
use crate::harness::{Answer, Ask, ELBE, HOLDS, ISAR, ODER, Service, WESER, ask, block_on, post, repository, retire};

mod differential;

/// Elbe's other agreements with Weser: on resin, whose model is 9.0.0; on solvent, once.
const RESIN: &str = "0b6f6a3e-7a55-4c8c-9d6b-0d1c5a4f1002";

/// The address of the submodel an agreement is about.
fn address(service: &Service, agreement: &str) -> String {
    let path = service.footprint_path(agreement);
    format!("{}{}", service.app.base_url, path.strip_suffix("/$value").unwrap())
}

fn part(service: &Service, tenant: &str, number: &str) -> String {
    format!("{}/exchange/{tenant}/productIds/{number}", service.app.base_url)
}

fn asked(token: &str, partner: &str, url: &str) -> Ask {
    post("/submodel-descriptor/authorized")
        .bearer(token)
        .header("Edc-Bpn", partner)
        .json(json!({ "submodelEndpointUrl": url }).to_string())
}

/// What Elbe's data plane is answered.
fn answer(service: &Service, partner: &str, url: &str) -> Answer {
    asked(&service.connector(ELBE), partner, url).send(service.address)
}

fn status(service: &Service, partner: &str, url: &str) -> u16 {
    answer(service, partner, url).status
}

fn rules(service: &Service, who: &str, method: &str) -> Ask {
    ask(method, &format!("/registry/{ELBE}/access-rules")).bearer(&service.person(ELBE, who))
}

/// A rule that shows a company one part, in one version of the model.
pub fn rule(bpn: &str, part: &str, model: &str) -> Value {
    let eq = |attribute: &str, value: &str| json!({ "attribute": attribute, "operator": "eq", "value": value });
    let list =
        |attribute: &str, values: Value| json!({ "attribute": attribute, "operator": "includes", "values": values });
    json!({ "policyType": "AAS", "policy": { "accessRules": [
        eq("bpn", bpn),
        list("mandatorySpecificAssetIds", json!([eq("manufacturerPartId", part)])),
        list("visibleSpecificAssetIdNames", json!([eq("name", "manufacturerPartId")])),
        list("visibleSemanticIds", json!([eq("modelUrn", &format!("urn:samm:io.catenax.pcf:{model}#Pcf"))])),
    ] } })
}

fn put(service: &Service, rules: Value) -> Answer {
    self::rules(service, "anna", "PUT")
        .json(rules.to_string())
        .send(service.address)
}

#[test]
fn a_data_plane_is_answered_by_the_contracts_that_decide_at_the_address_itself() {
    let service = Service::start();
    let held = address(&service, HOLDS);
    for url in [
        held.clone(),
        format!("{held}/$value"),
        part(&service, ELBE, "401765"),
        format!("{}?requestId=1", part(&service, ELBE, "401765")),
    ] {
        let answer = answer(&service, WESER, &url);
        assert_eq!(
            (answer.status, answer.json()),
            (200, json!({ "authorized": true })),
            "{url}"
        );
        assert!(answer.record().is_some(), "{url}");
    }
    // Below the company's own host, which dev mode has too.
    let (_, port) = service.app.base_url.rsplit_once(':').unwrap();
    let host = service.app.base_host.as_ref().unwrap();
    let pcf = held.split('/').nth(6).unwrap();
    let own = format!("http://{}.{host}:{port}/pcf/{pcf}/submodel", ELBE.to_lowercase());
    assert_eq!(status(&service, WESER, &own), 200, "{own}");
    // Nobody else has an agreement that grants it: a stranger, a supplier, one whose membership was revoked, the company itself.
    for partner in ["BPNL00000000S7NP", ISAR, ODER, ELBE] {
        assert_eq!(status(&service, partner, &held), 403, "{partner}");
    }
    retire(&service, ELBE, HOLDS);
    assert_eq!(status(&service, WESER, &held), 403, "it was retired");
}

#[test]
fn a_refusal_tells_nothing_and_is_on_record() {
    let service = Service::start();
    let held = address(&service, HOLDS);
    let pcf = held.split('/').nth(6).unwrap();
    let absent = held.replace(pcf, "3893bb5d-0000-4000-8000-000000000000");
    let refused = [
        (ODER, held.clone()),
        (ODER, absent.clone()),
        (WESER, absent),
        (WESER, part(&service, ELBE, "nothing")),
    ];
    let answers = refused.map(|(partner, url)| {
        let answer = answer(&service, partner, &url);
        answer.check_problem(403, "forbidden", &url);
        let record = answer.record().unwrap().to_owned();
        let mut body = answer.json();
        assert!(body.as_object_mut().unwrap().remove("instance").is_some());
        assert_eq!(body["reasons"], Value::Null, "{url}");
        (body.to_string(), record)
    });
    let bodies: BTreeSet<_> = answers.iter().map(|(body, _)| body).collect();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    let stored = service.records(ELBE);
    for (_, record) in &answers {
        let found = stored
            .iter()
            .find(|stored| stored.record.id.to_string() == *record)
            .unwrap();
        let Event::Decision(decided) = &found.record.event else {
            panic!("{record} is no decision")
        };
        assert_eq!(decided.action, "access");
    }
    // Whatever is no address of a submodel here is refused by its form, and so nothing is on record.
    for url in [
        "https://elsewhere.example/exchange/BPNL000000000DWF/pcf/1/submodel",
        "no url",
        &format!("{held}?x=1"),
        &held.replace("/pcf/", "/../"),
    ] {
        let answer = answer(&service, WESER, url);
        answer.check_problem(403, "forbidden", url);
        assert_eq!(answer.record(), None, "{url}");
    }
    // A company that is not here, and one whose token this is not.
    for tenant in ["BPNL00000000ZZZZ", ISAR] {
        answer_of(&service, &held.replace(ELBE, tenant)).check_problem(401, "unauthenticated", tenant);
    }
    for (body, kind) in [
        ("{}", "body"),
        (r#"{"submodelEndpointUrl":"x","more":1}"#, "body"),
        ("", "body"),
        (r#"{"submodelEndpointUrl":null}"#, "body"),
    ] {
        let ask = asked(&service.connector(ELBE), WESER, &held).json(body);
        ask.send(service.address).check_problem(400, kind, body);
    }
    let ask = asked(&service.connector(ELBE), WESER, &held).without("Edc-Bpn");
    ask.send(service.address).check_problem(400, "header", "no company");
}

fn answer_of(service: &Service, url: &str) -> Answer {
    answer(service, WESER, url)
}

#[test]
fn access_rules_narrow_what_contracts_grant_and_never_widen_it() {
    let service = Service::start();
    let (ethanol, resin) = (address(&service, HOLDS), address(&service, RESIN));
    let seen = |service: &Service| {
        [(WESER, &ethanol), (WESER, &resin), (ODER, &ethanol)].map(|(who, url)| status(service, who, url))
    };
    assert_eq!(seen(&service), [200, 200, 403]);
    // Ethanol is of the model 10.0.0, resin of 9.0.0.
    let written = put(
        &service,
        json!([rule(WESER, "401765", "10.0.0"), rule(ODER, "401765", "10.0.0")]),
    );
    assert_eq!(
        (written.status, &written.json()["count"]),
        (200, &json!(2)),
        "{}",
        written.text()
    );
    assert_eq!(
        seen(&service),
        [200, 403, 403],
        "a rule grants nothing that no agreement does"
    );
    put(&service, json!([rule(WESER, "401765", "9.0.0")]));
    assert_eq!(seen(&service), [403, 403, 403], "another version of the model");
    put(&service, json!([rule("PUBLIC_READABLE", "401801", "9.0.0")]));
    assert_eq!(seen(&service), [403, 200, 403]);
    put(&service, json!([]));
    assert_eq!(seen(&service), [403, 403, 403], "with no rule nothing is found");
    // What counts is what was put last, also for who comes later.
    let last = json!([rule(WESER, "401765", "10.0.0")]);
    let digest = put(&service, last.clone()).json()["digest"].clone();
    let read = rules(&service, "vera", "GET").send(service.address);
    assert_eq!(
        (read.status, read.json()),
        (200, json!({ "digest": digest, "count": 1, "accessRules": last }))
    );
    let data = service.stop();
    let service = Service::on(data, Clock::system(), BundleSource::BuiltIn, None).unwrap();
    let (ethanol, resin) = (address(&service, HOLDS), address(&service, RESIN));
    assert_eq!(
        [status(&service, WESER, &ethanol), status(&service, WESER, &resin)],
        [200, 403]
    );
    let removed = |service: &Service| rules(service, "anna", "DELETE").send(service.address).json()["changed"].clone();
    assert_eq!([removed(&service), removed(&service)], [json!(true), json!(false)]);
    assert_eq!(status(&service, WESER, &resin), 200);
    rules(&service, "anna", "GET")
        .send(service.address)
        .check_problem(404, "not-found", "no rules");
    // The decisions by rules can be made again, and come out the same.
    let decided = service.records(ELBE);
    let by_rules = decided.iter().filter(|stored| match &stored.record.event {
        Event::Decision(decided) => decided.action == "reachSubmodel" && !decided.terms.is_empty(),
        _ => false,
    });
    assert!(by_rules.count() >= 8);
    let data = service.stop();
    let replayed = check(&["replay", "--data", data.path().to_str().unwrap()], 0);
    assert!(
        replayed.contains("came out the same") || !replayed.contains("changed 1"),
        "{replayed}"
    );
}

#[test]
fn who_may_change_the_rules_and_what_is_wrong_with_them_is_told() {
    let service = Service::start();
    let sound = json!([rule(WESER, "401765", "10.0.0")]).to_string();
    for who in ["sven", "vera", "otto"] {
        for method in ["PUT", "DELETE"] {
            let answer = rules(&service, who, method).json(sound.as_str()).send(service.address);
            answer.check_problem(403, "forbidden", who);
        }
        rules(&service, who, "GET")
            .send(service.address)
            .check_problem(404, "not-found", who);
    }
    let foreign = ask("PUT", &format!("/registry/{ELBE}/access-rules"))
        .bearer(&service.person(ISAR, "bert"))
        .json(sound.as_str());
    foreign
        .send(service.address)
        .check_problem(401, "unauthenticated", "another company's admin");
    let mut wrong = rule(WESER, "401765", "10.0.0");
    wrong["policy"]["accessRules"][1]["values"][0]["operator"] = json!("startsWith");
    let mut others = rule(WESER, "401765", "10.0.0");
    others["tid"] = json!(ISAR);
    for (text, pointer) in [
        (json!([wrong]).to_string(), "#/0/policy/accessRules/1/values/0/operator"),
        (json!([others]).to_string(), "#/0/tid"),
    ] {
        let answer = rules(&service, "anna", "PUT").json(text.as_str()).send(service.address);
        answer.check_problem(422, "document", &text);
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer);
        assert!(answer.record().is_some());
    }
    rules(&service, "anna", "PUT")
        .json("[")
        .send(service.address)
        .check_problem(422, "document", "not JSON");
    assert_eq!(
        status(&service, WESER, &address(&service, HOLDS)),
        200,
        "nothing was changed by any of it"
    );
}

/// The descriptors of a company, as `registry descriptors` prints them.
fn described(service: &Service, tenant: &str, exit: i32) -> Value {
    let data = service.data().to_str().unwrap();
    let base = &service.app.base_url;
    let printed = check(
        &[
            "registry",
            "descriptors",
            "--data",
            data,
            "--base-url",
            base,
            "--tenant",
            tenant,
        ],
        exit,
    );
    serde_json::from_str(&printed).unwrap()
}

/// Has a company show all its offers by this access policy.
fn offered(service: &Service, tenant: &str, access: &str) {
    service.change_world(tenant, |world| {
        let mut pool = TermsPool::default();
        let mut reader = OfferReader::new(&mut pool);
        for offer in world.offers.values().cloned().collect::<Vec<_>>() {
            let texts = (access, &*offer.usage_odrl);
            let changed = reader.read(offer.id.clone(), &world.tenant, offer.asset.clone(), texts);
            world.offers.insert_mut(offer.id.clone(), Arc::new(changed.unwrap()));
        }
    });
}

/// The access policy for all members.
const MEMBERS: &str = include_str!("../../fixtures/odrl/dev/pcf-members.json");

/// For all members but one company, which nothing else knows of.
fn all_but(company: &str) -> String {
    let none_of = format!(
        r#"[{{"leftOperand": "BusinessPartnerNumber", "operator": "isNoneOf", "rightOperand": ["{company}"]}}, {{"#
    );
    let changed = MEMBERS.replacen("\"and\": [", "\"and\": [##", 1);
    let (before, after) = changed.split_once("[##").unwrap();
    let after = after.trim_start().strip_prefix('{').unwrap();
    format!("{before}{none_of}{after}")
}

/// Who may see the specific asset id of that name in the shell of a part.
fn subjects(shells: &Value, part: &str, name: &str) -> Vec<String> {
    let shells = shells.as_array().unwrap();
    let ids = |shell: &Value| shell["specificAssetIds"].as_array().unwrap().clone();
    let shell = shells
        .iter()
        .find(|shell| ids(shell).iter().any(|id| id["value"] == part))
        .unwrap();
    let id = ids(shell).into_iter().find(|id| id["name"] == name).unwrap();
    let keys = id["externalSubjectId"]["keys"].as_array().cloned().unwrap_or_default();
    keys.iter()
        .map(|key| key["value"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn descriptors_say_where_each_footprint_is_and_show_it_to_whom_contracts_do() {
    let service = Service::start();
    let shells = described(&service, ELBE, 0);
    let all = shells.as_array().unwrap();
    assert_eq!(all.len(), 3);
    // Elbe's offers are for Weser alone, so nothing is public.
    for part in ["401765", "401801", "401777"] {
        assert_eq!(subjects(&shells, part, "manufacturerPartId"), [WESER], "{part}");
        assert_eq!(subjects(&shells, part, "digitalTwinType"), [WESER], "{part}");
    }
    let shown = serde_json::to_string_pretty(&all[0]).unwrap();
    let shown = shown.replace(&service.app.base_url, "https://tidegate.example");
    insta::assert_snapshot!("shell", shown);
    for submodel in all
        .iter()
        .flat_map(|shell| shell["submodelDescriptors"].as_array().unwrap())
    {
        let href = submodel["endpoints"][0]["protocolInformation"]["href"]
            .as_str()
            .unwrap();
        assert_eq!(
            status(&service, WESER, href),
            200,
            "what is registered can be asked about: {href}"
        );
    }
    assert_eq!(described(&service, ELBE, 0), shells, "the same each time");
    // Isar shows its offers to all members: then the names everybody may know are public.
    offered(&service, ISAR, MEMBERS);
    let isar = described(&service, ISAR, 0);
    assert_eq!(subjects(&isar, "77-1204", "manufacturerPartId"), ["PUBLIC_READABLE"]);
    // To all but one, of which nobody has heard: then whoever is on record is named, and Oder is no member.
    offered(&service, ISAR, &all_but("BPNL0000000NEVER"));
    let isar = described(&service, ISAR, 0);
    assert_eq!(subjects(&isar, "77-1204", "manufacturerPartId"), [ELBE, WESER]);
    // Weser has nothing to register.
    assert_eq!(described(&service, WESER, 4), json!([]));
}

#[test]
fn who_sees_what_follows_what_becomes_of_contracts_and_rules() {
    let service = Service::start();
    let who = |part: &str| subjects(&described(&service, ELBE, 0), part, "manufacturerPartId");
    // Rules of Elbe's: Weser finds resin, everybody finds ethanol. Nobody sees what no contract shows them.
    put(
        &service,
        json!([
            rule(WESER, "401801", "9.0.0"),
            rule("PUBLIC_READABLE", "401765", "10.0.0")
        ]),
    );
    assert_eq!(
        (who("401801"), who("401765"), who("401777")),
        (vec![WESER.to_owned()], vec![WESER.to_owned()], vec![])
    );
    // Of Isar's, which its offers show to all members, a rule for one leaves one.
    offered(&service, ISAR, MEMBERS);
    let put_isar = |rules: Value| {
        let ask = ask("PUT", &format!("/registry/{ISAR}/access-rules")).bearer(&service.person(ISAR, "bert"));
        assert_eq!(ask.json(rules.to_string()).send(service.address).status, 200);
    };
    put_isar(json!([
        rule(WESER, "77-1204", "9.0.0"),
        rule("PUBLIC_READABLE", "77-1310", "7.0.0")
    ]));
    let isar = described(&service, ISAR, 0);
    assert_eq!(subjects(&isar, "77-1204", "manufacturerPartId"), [WESER]);
    assert_eq!(subjects(&isar, "77-1310", "manufacturerPartId"), ["PUBLIC_READABLE"]);
    assert!(
        subjects(&isar, "77-1310", "digitalTwinType").is_empty(),
        "no rule shows it"
    );
    // Weser's membership is revoked: it sees the offers no more, and its agreements grant nothing.
    assert_eq!(rules(&service, "anna", "DELETE").send(service.address).status, 200);
    assert_eq!(who("401765"), [WESER]);
    service.change_partner(WESER, |partner| partner.membership = "revoked".to_owned());
    assert_eq!(who("401765"), Vec::<String>::new());
}

#[test]
fn what_is_withdrawn_or_not_offered_is_not_registered_and_without_a_connector_nothing_is() {
    let service = Service::start();
    let registry = service.app.registry.current();
    let known = registry
        .tenant(ELBE.parse::<TenantId>().unwrap())
        .unwrap()
        .footprints
        .values();
    let withdrawn = known
        .filter(|footprint| footprint.model.full() == "9.0.0")
        .map(|footprint| Footprint {
            status: FootprintStatus::Deprecated,
            ..Footprint::clone(footprint)
        });
    let withdrawn: Vec<_> = withdrawn.collect();
    block_on(service.app.registry.put_footprints(&withdrawn, service.app.clock.now())).unwrap();
    service.change_world(ELBE, |world| {
        let offer = world
            .offers
            .keys()
            .find(|offer| offer.as_str().ends_with("solvent"))
            .cloned()
            .unwrap();
        world.offers.remove_mut(&offer);
    });
    let shells = described(&service, ELBE, 0);
    assert_eq!(shells.as_array().unwrap().len(), 1, "{shells}");
    assert_eq!(subjects(&shells, "401765", "manufacturerPartId"), [WESER]);
    service.change_world(ELBE, |world| world.tenant.connector = None);
    let data = service.data().to_str().unwrap();
    let output = crate::binary::run(&[
        "registry",
        "descriptors",
        "--data",
        data,
        "--base-url",
        "https://x.example",
        "--tenant",
        ELBE,
    ]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("no connector on record"), "{said}");
}

#[test]
fn rules_are_shown_as_cedar_or_refused_by_their_place() {
    let file = |name: &str| repository().join("fixtures/dtr").join(name).display().to_string();
    let text = check(
        &["registry", "compile", &file("example-publicreadable-access-rules.json")],
        0,
    );
    insta::assert_snapshot!("compile", text);
    let named = file("example-access-rules.json");
    let json: Value = serde_json::from_str(&check(&["registry", "compile", &named, "--format", "json"], 0)).unwrap();
    assert_eq!(json["rules"].as_array().unwrap().len(), 5);
    assert_eq!(json["rules"][1]["id"], 2);
    check(&["registry", "compile", &named, "--tenant", "BPNL00000000000B"], 0);
    let output = crate::binary::run(&["registry", "compile", &named, "--tenant", ELBE]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8(output.stderr).unwrap().contains("at `/0/tid`"));
    let directory = tempfile::tempdir().unwrap();
    let written = directory.path().join("rules.json").display().to_string();
    std::fs::write(&written, "[]").unwrap();
    check(&["registry", "compile", &written], 4);
    std::fs::write(
        &written,
        r#"[{"policyType": "AAS", "policy": {"accessRules": [{"attribute": "did"}]}}]"#,
    )
    .unwrap();
    let output = crate::binary::run(&["registry", "compile", &written]);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("at `/0/policy/accessRules/0/attribute`: unknown attribute `did`")
    );
}
