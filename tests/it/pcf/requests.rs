//! A partner asks, and is told what will come of it.

use tidegate::decision::Effect;
use tidegate::ids::TenantId;
use tidegate::ingest::Claims;
use tidegate::vault::SessionScope;

use super::{asked, decided, exchange};
use crate::harness::{ELBE, HOLDS, ISAR, LOG, ODER, Service, WESER, block_on, footprint, post};

const URN: &str = "urn%3Asamm%3Aio.catenax.pcf%3A";
const ISARS: &str = "7c2d9e14-3b60-4f0a-8e57-1f2b6c8d2001";
const RETIRED: &str = "0b6f6a3e-7a55-4c8c-9d6b-0d1c5a4f1004";
const RESIN: &str = "0b6f6a3e-7a55-4c8c-9d6b-0d1c5a4f1002";

fn ethanol(model: &str) -> String {
    format!(
        "footprintExchange/{}?manufacturerPartId=401765&dataModelVersion={URN}{model}",
        exchange()
    )
}

#[test]
fn a_sound_request_is_decided_kept_and_accepted() {
    let service = Service::shared();
    let id = exchange();
    let paths = [
        format!("footprintExchange/{id}?manufacturerPartId=401765&dataModelVersion={URN}10.0.0"),
        format!(
            "footprintExchange/{id}?dataModelVersion={URN}10.0.0%23Pcf&manufacturerPartId=401765&message=again%20please"
        ),
    ];
    for path in paths {
        let answer = asked(service, ELBE, &path, WESER, HOLDS);
        assert_eq!(answer.status, 202, "{}", answer.text());
        assert_eq!(answer.json()["requestId"], id);
        let (action, resource, effect) = decided(service, ELBE, answer.record().unwrap());
        assert_eq!((action.as_str(), effect), ("access", Effect::Allow));
        assert!(resource.contains("3893bb5d-da16-4dc1-9185-11d97476c254"), "{resource}");
    }
    let kept = |tenant: &str, partner: &str| {
        let kept = service
            .app
            .pcf
            .incoming(tenant.parse().unwrap(), partner.parse().unwrap(), id.parse().unwrap());
        block_on(kept).unwrap()
    };
    // How it stands depends on how far its answer is: Weser is a company of this service too.
    assert!(kept(ELBE, WESER).is_some());
    assert_eq!(kept(ELBE, ODER), None);
    assert_eq!(kept(ISAR, WESER), None);

    // The id stands for this request and no other; of another partner's requests it says nothing.
    let other = format!("footprintExchange/{id}?customerPartId=401765&dataModelVersion={URN}10.0.0");
    let answer = asked(service, ELBE, &other, WESER, HOLDS);
    answer.check_problem(409, "conflict", "another part under the same id");
    assert_eq!(answer.json()["parameter"], "requestId");
    assert!(answer.record().is_some());
}

#[test]
fn every_way_to_name_the_part_finds_it() {
    let service = Service::shared();
    for parts in [
        "manufacturerPartId=401765",
        "customerPartId=401765",
        "manufacturerPartId=401765&customerPartId=401765",
        "manufacturerPartId=urn%3Amycompany.com%3Aproduct-id%3A401765",
        "customerPartId=product-id%3a401765",
    ] {
        let path = format!("footprintExchange/{}?{parts}&dataModelVersion={URN}10.0.0", exchange());
        let answer = asked(service, ELBE, &path, WESER, HOLDS);
        assert_eq!(answer.status, 202, "{parts}: {}", answer.text());
    }
    for (agreement, part, model) in [(RESIN, "401801", ""), (RESIN, "401801", "9.0.0")] {
        let model = if model.is_empty() {
            String::new()
        } else {
            format!("&dataModelVersion={URN}{model}")
        };
        let path = format!("footprintExchange/{}?manufacturerPartId={part}{model}", exchange());
        assert_eq!(
            asked(service, ELBE, &path, WESER, agreement).status,
            202,
            "9.0.0 is meant where none is named"
        );
    }
    let path = format!("productIds/401801?requestId={}&message=old", exchange());
    assert_eq!(
        asked(service, ELBE, &path, WESER, RESIN).status,
        202,
        "the deprecated form"
    );
    for product in [
        "urn%3Amycompany.com%3Aproduct-id%3A401801",
        "product-id:401801",
        "%34%30%31801",
    ] {
        let path = format!("productIds/{product}?requestId={}&later=1&later=2", exchange());
        let answer = asked(service, ELBE, &path, WESER, RESIN);
        assert_eq!(answer.status, 202, "{product}: {}", answer.text());
    }
    // Numbers as companies have them; there is none of these.
    for product in ["5Q0%20035%20842", "A%2FB", "..%2F..%2Fpcf", "a(1);b&c", "%2520"] {
        let path = format!("productIds/{product}?requestId={}", exchange());
        asked(service, ELBE, &path, WESER, RESIN).check_problem(403, "forbidden", product);
        let path = format!("/productIds/{product}?requestId={}", exchange());
        super::carried(crate::harness::get(&path), service, ELBE, WESER, RESIN)
            .host(&format!("{ELBE}.localhost"))
            .send(service.address)
            .check_problem(403, "forbidden", product);
    }
}

#[test]
fn what_could_never_be_answered_is_not_accepted() {
    let service = Service::start();
    let mut dsp = None;
    service.change_partner(WESER, |weser| dsp = weser.dsp.take());
    assert!(dsp.is_some());
    let path = ethanol("10.0.0");
    let answer = asked(&service, ELBE, &path, WESER, HOLDS);
    answer.check_problem(503, "unanswerable", "nowhere to send it");
    let (action, _, effect) = decided(&service, ELBE, answer.record().unwrap());
    assert_eq!((action.as_str(), effect), ("access", Effect::Allow));
    assert!(LOG.text().contains("add `dsp` to its entry under `partners`"));
    // Who may not have it learns nothing of that.
    asked(&service, ELBE, &path, WESER, RETIRED).check_problem(403, "forbidden", "a retired agreement");
    service.change_partner(WESER, |weser| weser.dsp = dsp);
    assert_eq!(asked(&service, ELBE, &path, WESER, HOLDS).status, 202);
    service.change_world(ELBE, |world| world.tenant.connector = None);
    let path = ethanol("10.0.0");
    asked(&service, ELBE, &path, WESER, HOLDS).check_problem(503, "unanswerable", "no way to send it");
    assert!(LOG.text().contains("add `connector` to its entry under `tenants`"));
}

#[test]
fn what_is_wrong_with_a_request_is_told_by_name() {
    let service = Service::shared();
    let id = exchange();
    let footprint = |query: &str| format!("footprintExchange/{id}{query}");
    let product = |query: &str| format!("productIds/401765{query}");
    let long = "a".repeat(251);
    let many = "1".repeat(129);
    let cases: Vec<(String, &str, &str)> = vec![
        (footprint(""), "query", "manufacturerPartId"),
        (footprint("?message=x"), "query", "manufacturerPartId"),
        (footprint("?manufacturerPartId="), "query", "manufacturerPartId"),
        (footprint("?customerPartId=%20"), "query", "customerPartId"),
        (footprint(&format!("?customerPartId={many}")), "query", "customerPartId"),
        (footprint("?customerPartId=%0A"), "query", "customerPartId"),
        (footprint("?customerPartId=%FF"), "query", "customerPartId"),
        (
            footprint("?manufacturerPartId=1&manufacturerPartId=1"),
            "query",
            "manufacturerPartId",
        ),
        (
            footprint(&format!("?manufacturerPartId=1&message={long}")),
            "query",
            "message",
        ),
        (footprint("?manufacturerPartId=1&message=%00"), "query", "message"),
        (
            footprint("?manufacturerPartId=1&dataModelVersion=9.0.0"),
            "query",
            "dataModelVersion",
        ),
        (
            footprint("?manufacturerPartId=1&dataModelVersion="),
            "query",
            "dataModelVersion",
        ),
        (
            footprint("?manufacturerPartId=1&dataModelVersion=urn:samm:io.catenax.pcf:9"),
            "query",
            "dataModelVersion",
        ),
        (footprint("?manufacturerPartID=1"), "query", ""),
        (footprint("?manufacturerPartId=1&Message=x"), "query", ""),
        (footprint("?manufacturerPartId=1&m%65ssage=x"), "query", ""),
        ("footprintExchange/123?manufacturerPartId=1".into(), "path", "requestId"),
        (
            "footprintExchange/2daa49aaee164df3bca369ddead40419?manufacturerPartId=1".into(),
            "path",
            "requestId",
        ),
        (product(""), "query", "requestId"),
        (product("?requestId=1"), "query", "requestId"),
        (product(&format!("?requestId={id}&requestid={id}")), "query", ""),
        (format!("productIds/a%0A?requestId={id}"), "path", ""),
        (format!("productIds/%2e%2e?requestId={id}"), "path", ""),
        (format!("productIds/%20a?requestId={id}"), "path", "productId"),
        (format!("productIds/{many}?requestId={id}"), "path", "productId"),
    ];
    for (path, kind, parameter) in cases {
        let answer = asked(service, ELBE, &path, WESER, HOLDS);
        answer.check_problem(400, kind, &path);
        let told = answer.json();
        assert_eq!(
            told["parameter"].as_str().unwrap_or_default(),
            parameter,
            "{path}: {told}"
        );
        assert!(told["detail"].as_str().unwrap().contains(parameter), "{path}: {told}");
        assert_eq!(answer.record(), None, "{path}: nothing was decided");
        assert!(answer.body.len() < 600, "{path}: {told}");
    }
    // Whoever is no caller here learns nothing of what is wrong.
    let path = format!("/exchange/{ELBE}/footprintExchange/123");
    crate::harness::get(&path)
        .bearer(&service.connector(ISAR))
        .send(service.address)
        .check_problem(401, "unauthenticated", "another tenant's connector");
}

#[test]
fn only_who_may_have_the_footprint_is_told_which_versions_there_are() {
    let service = Service::shared();
    for model in ["9.0.0", "7.0.0", "8.0.0", "11.0.0"] {
        let answer = asked(service, ELBE, &ethanol(model), WESER, HOLDS);
        answer.check_problem(422, "model", model);
        assert_eq!(answer.json()["versions"], serde_json::json!(["10.0.0"]), "{model}");
        let (action, _, effect) = decided(service, ELBE, answer.record().unwrap());
        assert_eq!((action.as_str(), effect), ("access", Effect::Allow), "{model}");
    }
    let nothing = format!("footprintExchange/{}?manufacturerPartId=4711", exchange());
    // Path, partner, agreement, and whether the agreement names that partner.
    for (what, path, partner, agreement, named) in [
        ("another partner", ethanol("9.0.0"), ODER, HOLDS, false),
        (
            "an unknown agreement",
            ethanol("9.0.0"),
            WESER,
            "no-such-agreement",
            false,
        ),
        ("another tenant's agreement", ethanol("9.0.0"), WESER, ISARS, false),
        ("a retired agreement", ethanol("9.0.0"), WESER, RETIRED, true),
        (
            "a retired agreement, and the version there is",
            ethanol("10.0.0"),
            WESER,
            RETIRED,
            true,
        ),
        ("an agreement on another asset", ethanol("10.0.0"), WESER, RESIN, true),
        ("a part there is none of", nothing.clone(), WESER, HOLDS, true),
        ("a part there is none of, and nobody", nothing, ODER, HOLDS, false),
    ] {
        let answer = asked(service, ELBE, &path, partner, agreement);
        answer.check_problem(403, "forbidden", what);
        assert_eq!(answer.json().get("versions"), None, "{what}");
        assert_eq!(!answer.reasons().is_empty(), named, "{what}: {}", answer.text());
        let (action, _, effect) = decided(service, ELBE, answer.record().unwrap());
        assert_eq!((action.as_str(), effect), ("access", Effect::Deny), "{what}");
    }
}

/// Puts a document into the vault and the index, as handing it in would if it were valid.
fn keep(service: &Service, asset: &str, document: &str) {
    let tenant: TenantId = ELBE.parse().unwrap();
    let claims = Claims::read(document.as_bytes()).unwrap();
    let assets = [asset.parse().unwrap()].into();
    let footprint = claims.footprint(tenant, assets, document.as_bytes());
    let (product, pcf) = (footprint.product.clone(), footprint.id.clone());
    let scope = SessionScope::ObjectWrite { product, pcf };
    let session = service.app.vault.session(tenant, scope);
    block_on(session.put_object(&footprint.product, &footprint.id, document.into())).unwrap();
    block_on(service.app.registry.put_footprint(footprint, service.app.clock.now())).unwrap();
}

#[test]
fn a_footprint_that_is_not_valid_in_its_own_model_answers_no_request() {
    let service = Service::start();
    let id = "77777777-2222-4333-8444-555555555555";
    let broken = footprint("9.0.0", ELBE, id).replace(
        "\"declaredUnitAmount\" : 1.0",
        "\"declaredUnitAmount\" : \"4711-secret\"",
    );
    // None is taken in; but older versions of Tidegate took them, and what is in the vault may be from then.
    let answer = post(&format!("/ingest/{ELBE}/footprints?asset=pcf-resin"))
        .bearer(&service.integration(ELBE))
        .json(broken.clone())
        .send(service.address);
    answer.check_problem(422, "document", "an invalid footprint");
    let flaws = answer.json()["errors"].as_array().unwrap().clone();
    assert_eq!(flaws.len(), 1, "{flaws:?}");
    let at = flaws[0]["pointer"].as_str().unwrap();
    assert!(at.starts_with('#') && at.ends_with("/declaredUnitAmount"), "{at}");
    assert!(!answer.text().contains("4711"), "{}", answer.text());
    keep(&service, "pcf-resin", &broken);

    let path = format!("footprintExchange/{}?manufacturerPartId=401765", exchange());
    let answer = asked(&service, ELBE, &path, WESER, RESIN);
    answer.check_problem(422, "model", "an invalid footprint");
    assert_eq!(answer.json()["versions"], serde_json::json!([]));
    // By its own id it is what it is.
    let answer = asked(&service, ELBE, &format!("pcf/{id}/submodel/$value"), WESER, RESIN);
    assert_eq!((answer.status, answer.body), (200, broken.into_bytes()));

    // Once mended it answers.
    let answer = post(&format!("/ingest/{ELBE}/footprints"))
        .bearer(&service.integration(ELBE))
        .json(footprint("9.0.0", ELBE, id))
        .send(service.address);
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(asked(&service, ELBE, &path, WESER, RESIN).status, 202);
}

#[test]
fn a_deprecated_footprint_answers_only_where_none_is_in_use() {
    let service = Service::start();
    let known = "3893bb5d-da16-4dc1-9185-11d97476c254";
    let [old, new] = ["a", "b"].map(|last| format!("77777777-2222-4333-8444-55555555555{last}"));
    let hand_in = |id: &str, status: &str, created: &str| {
        let document = footprint("10.0.0", ELBE, id)
            .replace("\"Active\"", &format!("\"{status}\""))
            .replace("2022-05-22T21:47:32Z", created);
        let answer = post(&format!("/ingest/{ELBE}/footprints?asset=pcf-ethanol"))
            .bearer(&service.integration(ELBE))
            .json(document)
            .send(service.address);
        assert_eq!(
            (answer.status, answer.json().get("flaws")),
            (201, None),
            "{}",
            answer.text()
        );
    };
    let answers = |id: &str, what: &str| {
        let answer = asked(&service, ELBE, &ethanol("10.0.0"), WESER, HOLDS);
        assert_eq!(answer.status, 202, "{what}: {}", answer.text());
        let (_, resource, _) = decided(&service, ELBE, answer.record().unwrap());
        assert!(resource.contains(id), "{what}: {resource}");
    };
    hand_in(&new, "Deprecated", "2030-01-01T00:00:00Z");
    answers(known, "the one in use, though the deprecated one was declared later");
    hand_in(known, "Deprecated", "2022-05-22T21:47:32Z");
    answers(&new, "where none is in use, the last of the deprecated ones");
    hand_in(&old, "Active", "2001-01-01T00:00:00Z");
    answers(&old, "the one in use, though it is the oldest");
    // Its next version is deprecated: the version before is in use no more.
    hand_in(&old, "Deprecated", "2001-01-01T00:00:00Z");
    answers(&new, "what another version took the place of is not in use");
    hand_in(known, "Active", "2022-05-22T21:47:32Z");
    answers(known, "the one that came back into use");
}

#[test]
fn on_its_own_host_a_tenant_is_asked_by_the_short_path() {
    let service = Service::shared();
    let ask = |path: &str| {
        super::carried(crate::harness::get(&format!("/{path}")), service, ELBE, WESER, HOLDS)
            .host(&format!("{ELBE}.localhost"))
            .send(service.address)
    };
    assert_eq!(ask(&ethanol("10.0.0")).status, 202);
    let path = format!(
        "productIds/401765?requestId={}&dataModelVersion={URN}10.0.0",
        exchange()
    );
    assert_eq!(ask(&path).status, 202);
}

#[test]
fn what_a_partner_writes_is_in_no_log_line() {
    let service = Service::shared();
    let path = format!(
        "footprintExchange/{}?manufacturerPartId=part-4711-secret&message=word-4711-secret",
        exchange()
    );
    asked(service, ELBE, &path, WESER, HOLDS).check_problem(403, "forbidden", "no such part");
    assert!(!LOG.text().contains("4711-secret"));
}
