//! What a partner sees is what policy grants: the list is held against `access`, asked of each footprint there is.

use std::collections::BTreeSet;

use jiff::ToSpan as _;
use serde_json::{Value, json};
use tidegate::agreements::Cause;
use tidegate::decision::Effect;
use tidegate::engine;
use tidegate::ids::{AgreementId, Bpnl, ClientId, TenantId};
use tidegate::ledger::record::Event;
use tidegate::question::ask::{self, ExchangeFacts, Via};
use tidegate::registry::{AgreementState, NewAgreement};

use super::{Own, asked, check_error, ids, schema};
use crate::harness::{Answer, ELBE, HOLDS, ISAR, ODER, Service, WESER, block_on, footprint, post, retire};

/// The footprints of a tenant to which a partner has a right now, by the policies themselves, each under any agreement on record.
fn granted(service: &Service, tenant: &str, partner: &str) -> BTreeSet<String> {
    let registry = service.app.registry.current();
    let world = registry.tenant(tenant.parse::<TenantId>().unwrap()).unwrap();
    let partner: Bpnl = partner.parse().unwrap();
    let client: ClientId = format!("pact-{}", partner.as_str().to_lowercase()).parse().unwrap();
    let bundle = service.app.gate.live().current();
    let access = |pcf: &tidegate::registry::Footprint, agreement: &tidegate::registry::Agreement| {
        let turn = block_on(service.app.registry.turn(agreement)).unwrap();
        let facts = ExchangeFacts {
            now: service.app.clock.now(),
            world,
            via: Via::PactClient(&client),
            partner,
            known: registry.partner(partner).map(AsRef::as_ref),
            purpose: "cx.pcf.base:1",
            recipient: None,
            api: None,
            uses: turn.uses(),
        };
        let question = ask::access(&facts, &pcf.id, Some(pcf), Some(agreement));
        engine::decide(&bundle, &question).effect == Effect::Allow
    };
    let all = world.footprints.values();
    let seen = all.filter(|pcf| world.agreements.values().any(|agreement| access(pcf, agreement)));
    seen.map(|pcf| pcf.id.to_string()).collect()
}

/// What the exchange's own evaluation says, asked through the connector, one by one.
fn evaluated(service: &Service, tenant: &str, partner: &str) -> BTreeSet<String> {
    let registry = service.app.registry.current();
    let world = registry.tenant(tenant.parse::<TenantId>().unwrap()).unwrap();
    let token = service.connector(tenant);
    let access = |pcf: &str, agreement: &AgreementId| {
        let body = json!({
            "subject": { "type": "Partner", "id": partner },
            "action": { "name": "access" },
            "resource": { "type": "Footprint", "id": format!("{tenant}/{pcf}") },
            "context": { "agreement": agreement },
        });
        let ask = post("/access/v1/evaluation").bearer(&token).json(body.to_string());
        ask.send(service.address).json()["decision"] == true
    };
    let all = world.footprints.values().map(|pcf| pcf.id.to_string());
    all.filter(|pcf| world.agreements.values().any(|agreement| access(pcf, &agreement.id)))
        .collect()
}

fn list(service: &Service, own: &Own, tenant: &str, query: &str) -> Answer {
    let path = format!("footprints{query}");
    asked(tenant, &path).bearer(&own.token(service)).send(service.address)
}

/// Hands in a footprint of Elbe's on that asset; the model's own example, with that id.
fn hand_in(service: &Service, model: &str, id: &str, asset: &str) {
    let answer = post(&format!("/ingest/{ELBE}/footprints?asset={asset}"))
        .bearer(&service.integration(ELBE))
        .json(footprint(model, ELBE, id))
        .send(service.address);
    assert_eq!(answer.status, 201, "{}", answer.text());
}

pub(super) fn put(service: &Service, id: &str, consumer: &str, asset: &str, odrl: &str) {
    let registry = service.app.registry.current();
    let tenant: TenantId = ELBE.parse().unwrap();
    let (asset, now) = (asset.parse().unwrap(), service.app.clock.now());
    let new = NewAgreement {
        id: id.parse().unwrap(),
        provider: tenant,
        consumer: consumer.parse().unwrap(),
        signed: registry.tenant(tenant).unwrap().signed(&asset),
        asset,
        state: AgreementState::Active,
        signed_at: now - 1.hour(),
        claims: None,
        odrl: odrl.into(),
    };
    assert!(block_on(service.app.agreements.put(new, &Cause::operator(), now)).unwrap());
}

pub(super) const ONCE: &str = include_str!("../../../fixtures/odrl/dev/pcf-usage-once.json");
const USAGE: &str = include_str!("../../../fixtures/odrl/dev/pcf-usage.json");

#[test]
fn the_list_is_what_policy_grants_one_by_one_and_each_of_it_is_to_be_had() {
    let service = Service::start();
    // More footprints than the example world has: of all models, of assets with agreements of all kinds.
    for (number, model) in ["7.0.0", "9.0.0", "10.0.0"].into_iter().enumerate() {
        for (which, asset) in ["pcf-ethanol", "pcf-resin", "pcf-solvent"].into_iter().enumerate() {
            let id = format!("5f0c1d2a-0000-4000-8000-0000000000{number}{which}");
            hand_in(&service, model, &id, asset);
        }
    }
    let check = |what: &str| {
        for (tenant, partner) in [(ELBE, WESER), (ELBE, ODER), (ISAR, WESER)] {
            let own = Own::of(&service, tenant, partner);
            let expected = granted(&service, tenant, partner);
            let listed = ids(&list(&service, &own, tenant, ""));
            assert!(listed.is_sorted(), "{what}");
            assert_eq!(
                listed.iter().cloned().collect::<BTreeSet<_>>(),
                expected,
                "{what}: {tenant} {partner}"
            );
            assert_eq!(listed.len(), expected.len(), "{what}: each once");
            assert_eq!(
                expected,
                evaluated(&service, tenant, partner),
                "{what}: as at the exchange endpoint"
            );
            let registry = service.app.registry.current();
            let world = registry.tenant(tenant.parse::<TenantId>().unwrap()).unwrap();
            let token = own.token(&service);
            for pcf in world.footprints.values() {
                let path = format!("footprints/{}", pcf.id);
                let answer = asked(tenant, &path).bearer(&token).send(service.address);
                assert_eq!(
                    answer.status == 200,
                    expected.contains(pcf.id.as_str()),
                    "{what}: {}",
                    answer.text()
                );
            }
        }
    };
    check("at first");
    let before = granted(&service, ELBE, WESER);
    assert!(before.len() > 3 && before.len() < 12, "{before:?}");
    assert!(granted(&service, ELBE, ODER).is_empty());

    // A retired agreement's footprints are gone at once.
    retire(&service, ELBE, HOLDS);
    check("after one was retired");
    assert!(granted(&service, ELBE, WESER).len() < before.len());
    service.change_partner(WESER, |partner| partner.membership = "revoked".into());
    check("after the partner's membership was revoked");
    assert!(granted(&service, ELBE, WESER).is_empty());
    service.change_partner(WESER, |partner| partner.membership = "active".into());
    check("after it was given back");
}

#[test]
fn a_footprint_that_is_retired_or_strange_is_told_apart_only_by_who_had_it() {
    let service = Service::start();
    let (weser, oder) = (Own::of(&service, ELBE, WESER), Own::of(&service, ELBE, ODER));
    let ethanol = service.agreement(HOLDS)["pcf_id"].as_str().unwrap().to_owned();
    let one = |own: &Own, id: &str| {
        let path = format!("footprints/{id}");
        asked(ELBE, &path).bearer(&own.token(&service)).send(service.address)
    };
    let answer = one(&weser, &ethanol);
    assert_eq!(answer.status, 200);
    assert!(schema("ProductFootprint").is_valid(&answer.json()["data"]));
    // The document of the aspect model goes along as it lies in the vault, white space and all.
    let objects = crate::objects(&service, &format!("{ELBE}/pcf/"));
    let (_, document) = objects.iter().find(|(key, _)| key.contains(&ethanol)).unwrap();
    let document = String::from_utf8(document.clone()).unwrap();
    assert!(answer.text().contains(document.trim()), "{}", answer.text());
    assert_eq!(
        answer.json()["data"]["extensions"][0]["dataSchema"],
        "urn:samm:io.catenax.pcf:10.0.0#Pcf"
    );
    assert!(answer.record().is_some());
    assert_eq!(
        one(&weser, &ethanol.to_uppercase()).json(),
        answer.json(),
        "a UUID in any case"
    );
    // Oder has an agreement on it, but its membership was revoked: it is told why.
    let refused = one(&oder, &ethanol);
    check_error(&refused, 403, "AccessDenied", "its membership was revoked");
    assert!(refused.record().is_some());
    assert!(
        refused.json()["message"].as_str().unwrap().contains("ot met"),
        "{}",
        refused.text()
    );
    // Of the resin it knows nothing; what is there and what is not look alike.
    let (strange, absent) = (
        one(&oder, "57b54a0b-4a0c-4c86-8a0c-55dd9ea2a4d4"),
        one(&oder, "00000000-0000-0000-0000-000000000000"),
    );
    check_error(&absent, 404, "NotFound", "it is not there");
    let resin = service.app.registry.current();
    let resin = resin.tenant(ELBE.parse::<TenantId>().unwrap()).unwrap();
    let resin = resin
        .footprints
        .values()
        .find(|pcf| pcf.assets.iter().any(|asset| asset.as_str() == "pcf-resin"));
    let hidden = one(&oder, resin.unwrap().id.as_str());
    assert_eq!((hidden.status, hidden.body), (absent.status, absent.body.clone()));
    assert_eq!(strange.body, absent.body);
    check_error(&one(&oder, "not.an.id"), 400, "BadRequest", "no id at all");
    // Retired, it is refused to who had it, with the reason, and listed no more.
    for agreement in [
        "0b6f6a3e-7a55-4c8c-9d6b-0d1c5a4f1001",
        "0b6f6a3e-7a55-4c8c-9d6b-0d1c5a4f1006",
    ] {
        retire(&service, ELBE, agreement);
    }
    let refused = one(&weser, &ethanol);
    check_error(&refused, 403, "AccessDenied", "retired");
    assert!(!ids(&list(&service, &weser, ELBE, "")).contains(&ethanol));
}

#[test]
fn criteria_narrow_the_list_as_pact_says() {
    let service = Service::shared();
    let own = Own::of(service, ELBE, WESER);
    let all = list(service, &own, ELBE, "").json()["data"].as_array().unwrap().clone();
    assert_eq!(all.len(), 3);
    let schema = schema("ProductFootprint");
    for footprint in &all {
        let flaws: Vec<_> = schema.iter_errors(footprint).map(|flaw| flaw.to_string()).collect();
        assert!(flaws.is_empty(), "{flaws:?}");
    }
    let with = |holds: &dyn Fn(&Value) -> bool| {
        let fit = all.iter().filter(|footprint| holds(footprint));
        fit.map(|footprint| footprint["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let has = |footprint: &Value, member: &str, value: &str| {
        let values = footprint[member].as_array().cloned().unwrap_or_default();
        values
            .iter()
            .any(|known| known.as_str().unwrap().eq_ignore_ascii_case(value))
    };
    let product = "urn:mycompany.com:product-id:401765";
    for (query, expected) in [
        (
            format!("?productId={product}"),
            with(&|one| has(one, "productIds", product)),
        ),
        (
            format!("?productid={}", product.to_uppercase()),
            with(&|one| has(one, "productIds", product)),
        ),
        (
            format!("?productId=urn:x:1&productId={product}"),
            with(&|one| has(one, "productIds", product)),
        ),
        ("?productId=urn:x:1".into(), vec![]),
        (
            "?companyId=urn:BPNL000000000DWF".into(),
            with(&|one| has(one, "companyIds", "urn:BPNL000000000DWF")),
        ),
        ("?companyId=urn:BPNL000000000DWF&productId=urn:x:1".into(), vec![]),
        (
            "?geography=us-ny".into(),
            with(&|one| one["pcf"]["geographyCountrySubdivision"] == "US-NY"),
        ),
        ("?geography=XX".into(), vec![]),
        (
            "?classification=urn:gtin:4712345060507".into(),
            with(&|one| has(one, "productClassifications", "urn:gtin:4712345060507")),
        ),
        ("?status=active".into(), with(&|one| one["status"] == "Active")),
        ("?status=Bogus".into(), vec![]),
        ("?validOn=2022-06-01T00:00:00Z".into(), with(&|_| true)),
        ("?validOn=1900-01-01T00:00:00Z".into(), vec![]),
        ("?validAfter=2021-12-31T00:00:00Z".into(), with(&|_| true)),
        ("?validAfter=2099-12-31T23:59:59Z".into(), vec![]),
        ("?validBefore=2023-01-01T00:00:00Z".into(), with(&|_| true)),
        ("?validBefore=1900-01-01T00:00:00Z".into(), vec![]),
    ] {
        let answer = list(service, &own, ELBE, &query);
        assert_eq!(ids(&answer), expected, "{query}");
        assert!(!answer.headers.contains_key("link"), "{query}");
    }
    for bad in [
        "?$filter=a",
        "?limit=-1",
        "?validOn=now",
        "?product=urn:x:1",
        "?after=%2F",
    ] {
        check_error(&list(service, &own, ELBE, bad), 400, "BadRequest", bad);
    }
}

/// The path and query of the link to the next page.
fn next(answer: &Answer) -> Option<String> {
    let link = answer.headers.get("link")?;
    let url = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap();
    let start = url.find("/exchange/").unwrap();
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    Some(url[start..].to_owned())
}

#[test]
fn pages_are_the_list_whatever_their_size_and_what_happens_in_between() {
    let service = Service::start();
    for number in 0..7 {
        hand_in(
            &service,
            "10.0.0",
            &format!("5f0c1d2a-0000-4000-8000-00000000010{number}"),
            "pcf-ethanol",
        );
    }
    let own = Own::of(&service, ELBE, WESER);
    let token = own.token(&service);
    let whole = ids(&list(&service, &own, ELBE, ""));
    assert!(whole.len() >= 9);
    for limit in [1, 2, 3, whole.len() - 1, whole.len(), whole.len() + 1, 1_000_000] {
        let mut path = format!("/exchange/{ELBE}/3/footprints?limit={limit}&status=Active");
        let (mut seen, mut pages) = (Vec::new(), 0);
        loop {
            let page = crate::harness::get(&path).bearer(&token).send(service.address);
            let got = ids(&page);
            assert!(got.len() <= limit && !got.is_empty());
            seen.extend(got);
            pages += 1;
            match next(&page) {
                Some(more) => path = more,
                None => break,
            }
        }
        assert_eq!(seen, whole, "in pages of {limit}");
        assert_eq!(pages, whole.len().div_ceil(limit), "no page is empty");
    }
    let none = list(&service, &own, ELBE, "?limit=0");
    assert_eq!(ids(&none).len(), 0);
    assert!(next(&none).is_some(), "there are more");
    // What comes before where a page begins does not move it; what comes after is on it.
    let first = list(&service, &own, ELBE, "?limit=3");
    hand_in(
        &service,
        "10.0.0",
        "00000000-0000-4000-8000-000000000001",
        "pcf-ethanol",
    );
    hand_in(
        &service,
        "10.0.0",
        "ffffffff-0000-4000-8000-000000000001",
        "pcf-ethanol",
    );
    let rest = next(&first).unwrap().replace("limit=3", "limit=100");
    let rest = ids(&crate::harness::get(&rest).bearer(&token).send(service.address));
    assert_eq!(rest[..rest.len() - 1], whole[3..]);
    assert_eq!(rest.last().unwrap(), "ffffffff-0000-4000-8000-000000000001");
    // The link is no right: with the agreement gone, the page is too.
    retire(&service, ELBE, HOLDS);
    let gone = next(&first).unwrap();
    let gone = ids(&crate::harness::get(&gone).bearer(&token).send(service.address));
    assert!(!gone.iter().any(|id| id.starts_with("5f0c1d2a")), "{gone:?}");
}

#[test]
fn what_is_handed_out_is_counted_and_what_is_not_is_not() {
    let service = Service::start();
    service.change_world(ELBE, |world| {
        let asset = tidegate::registry::Asset {
            id: "pcf-once".parse().unwrap(),
            api: "1.3.0".parse().unwrap(),
            version: "1.0".parse().unwrap(),
        };
        world.assets.insert_mut(asset.id.clone(), asset.into());
    });
    let id = "5f0c1d2a-0000-4000-8000-000000000201";
    hand_in(&service, "10.0.0", id, "pcf-once");
    put(&service, "once", WESER, "pcf-once", ONCE);
    let own = Own::of(&service, ELBE, WESER);
    let sees = |query: &str| ids(&list(&service, &own, ELBE, query)).contains(&id.to_owned());
    // Looked at and not asked for: that is no use.
    assert!(!sees("?geography=XX") && !sees("?limit=0"));
    assert!(sees(""), "once");
    assert!(!sees(""), "and not twice");
    let path = format!("footprints/{id}");
    let again = asked(ELBE, &path).bearer(&own.token(&service)).send(service.address);
    check_error(&again, 403, "AccessDenied", "it was handed out once");
    put(&service, "more", WESER, "pcf-once", USAGE);
    assert!(sees("") && sees(""), "under another agreement as often as it likes");
}

#[test]
fn a_footprint_that_cannot_be_told_truly_is_not_told() {
    let service = Service::start();
    let id = "5f0c1d2a-0000-4000-8000-000000000301";
    let document = footprint("10.0.0", ELBE, id).replace("\"AR5\"", "\"unspecified\"");
    let answer = post(&format!("/ingest/{ELBE}/footprints?asset=pcf-ethanol"))
        .bearer(&service.integration(ELBE))
        .json(document)
        .send(service.address);
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert!(granted(&service, ELBE, WESER).contains(id));
    let own = Own::of(&service, ELBE, WESER);
    assert!(!ids(&list(&service, &own, ELBE, "")).contains(&id.to_owned()));
    let path = format!("footprints/{id}");
    let answer = asked(ELBE, &path).bearer(&own.token(&service)).send(service.address);
    check_error(&answer, 404, "NotFound", "it has none in PACT's words");
    assert!(
        answer.json()["message"]
            .as_str()
            .unwrap()
            .contains("ipccCharacterizationFactors")
    );
    assert!(crate::harness::LOG.text().contains("has none in PACT's words"));
}

#[test]
fn a_search_is_on_record_and_each_footprint_that_left_and_no_other() {
    let service = Service::start();
    let own = Own::of(&service, ELBE, WESER);
    let token = own.token(&service);
    let decisions = || {
        let all = service.records(ELBE).into_iter().map(|stored| stored.record);
        let decided = all.filter_map(|record| match record.event {
            Event::Decision(decided) => Some((
                decided.action.clone(),
                decided.resource.clone(),
                decided.decision.effect,
            )),
            _ => None,
        });
        decided.collect::<Vec<_>>()
    };
    let before = decisions().len();
    let listed = ids(&asked(ELBE, "footprints").bearer(&token).send(service.address));
    let made = decisions().split_off(before);
    let mut expected = vec![(
        "searchFootprints".to_owned(),
        format!("FootprintStore::\"{ELBE}\""),
        Effect::Allow,
    )];
    let footprint = |id: &String| {
        (
            "access".to_owned(),
            format!("Footprint::\"{ELBE}/{id}\""),
            Effect::Allow,
        )
    };
    expected.extend(listed.iter().map(footprint));
    assert_eq!(made, expected);
    // Nothing is granted to Oder, so its search alone is on record; what it asks for by name is, too.
    let oder = Own::of(&service, ELBE, ODER).token(&service);
    let before = decisions().len();
    assert!(ids(&asked(ELBE, "footprints").bearer(&oder).send(service.address)).is_empty());
    let path = format!("footprints/{}", listed[0]);
    asked(ELBE, &path).bearer(&oder).send(service.address);
    let made = decisions().split_off(before);
    assert_eq!(made.len(), 2);
    assert_eq!((made[0].0.as_str(), made[0].2), ("searchFootprints", Effect::Allow));
    assert_eq!((made[1].0.as_str(), made[1].2), ("access", Effect::Deny));
}

#[test]
fn a_company_that_is_stopped_has_no_pact_endpoint() {
    let service = Service::start();
    let own = Own::of(&service, ELBE, WESER);
    let token = own.token(&service);
    service.change_world(ELBE, |world| {
        world.tenant.state = tidegate::registry::TenantState::Suspended
    });
    let answer = asked(ELBE, "footprints").bearer(&token).send(service.address);
    check_error(&answer, 403, "AccessDenied", "suspended");
    let path = format!("footprints/{}", service.agreement(HOLDS)["pcf_id"].as_str().unwrap());
    let answer = asked(ELBE, &path).bearer(&token).send(service.address);
    check_error(&answer, 403, "AccessDenied", "suspended");
}
