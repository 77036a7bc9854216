//! The exchange endpoint: who gets which footprint, under which agreement, and what anyone else learns.

use jiff::{SignedDuration, Timestamp};
use tidegate::assemble::BundleSource;
use tidegate::clock::Clock;
use tidegate::decision::Effect;
use tidegate::ids::Digest;
use tidegate::ledger::Event;
use tidegate::registry::TenantState;

use crate::harness::{Answer, Ask, ELBE, HOLDS, ISAR, ODER, Service, WESER, get, repository, retire};

const RETIRED: &str = "0b6f6a3e-7a55-4c8c-9d6b-0d1c5a4f1004";
const ODERS: &str = "0b6f6a3e-7a55-4c8c-9d6b-0d1c5a4f1007";
const ISARS: &str = "7c2d9e14-3b60-4f0a-8e57-1f2b6c8d2001";
const UNTIL: &str = "0b6f6a3e-7a55-4c8c-9d6b-0d1c5a4f1002";

fn ask(service: &Service, tenant: &str, path: &str, partner: &str, agreement: &str) -> Ask {
    get(path)
        .bearer(&service.connector(tenant))
        .header("Edc-Bpn", partner)
        .header("Edc-Contract-Agreement-Id", agreement)
}

/// Holds the answer to be a recorded deny, and gives its reasons.
fn check_refused(service: &Service, tenant: &str, answer: &Answer, of: &str) -> Vec<String> {
    answer.check_problem(403, "forbidden", of);
    let record = answer.record().unwrap();
    assert_eq!(answer.json()["instance"], format!("urn:uuid:{record}"), "{of}");
    assert_eq!(recorded(service, tenant, record), Effect::Deny, "{of}");
    answer.reasons()
}

/// What the record of that id decided.
fn recorded(service: &Service, tenant: &str, record: &str) -> Effect {
    let records = service.records(tenant);
    let stored = records.iter().find(|stored| stored.record.id.to_string() == record);
    match &stored.expect("the record is in the ledger").record.event {
        Event::Decision(decided) => decided.decision.effect,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_agreement_of_the_dev_world_gets_its_answer() {
    let service = Service::shared();
    let expected: &[(&str, Result<&str, &str>)] = &[
        (HOLDS, Ok("elbe-ethanol-10.0.0.json")),
        (UNTIL, Ok("elbe-resin-9.0.0.json")),
        ("0b6f6a3e-7a55-4c8c-9d6b-0d1c5a4f1003", Ok("elbe-solvent-7.0.0.json")),
        (RETIRED, Err("exchange/agreement-in-force")),
        (
            "0b6f6a3e-7a55-4c8c-9d6b-0d1c5a4f1005",
            Err("exchange/agreement-in-force"),
        ),
        ("0b6f6a3e-7a55-4c8c-9d6b-0d1c5a4f1006", Err("terms/")),
        (ODERS, Err("terms/")),
        (ISARS, Ok("isar-housing-9.0.0.json")),
        ("7c2d9e14-3b60-4f0a-8e57-1f2b6c8d2002", Ok("isar-bracket-7.0.0.json")),
        (
            "7c2d9e14-3b60-4f0a-8e57-1f2b6c8d2003",
            Err("exchange/agreement-in-force"),
        ),
    ];
    assert_eq!(service.manifest["agreements"].as_array().unwrap().len(), expected.len());
    for (id, expected) in expected {
        let agreement = service.agreement(id);
        let text = |name: &str| agreement[name].as_str().unwrap().to_owned();
        let (provider, consumer) = (text("provider"), text("consumer"));
        let answer = ask(service, &provider, &service.footprint_path(id), &consumer, id).send(service.address);
        match expected {
            Ok(file) => {
                assert_eq!(answer.status, 200, "{id}: {}", answer.text());
                let path = repository().join("fixtures/pcf/dev").join(file);
                let bytes = std::fs::read(path).unwrap();
                assert!(answer.body == bytes, "{id}: the bytes of {file}");
                let digest = Digest::of(&bytes);
                assert_eq!(answer.headers["etag"], format!("\"{digest}\""));
                assert_eq!(answer.headers["cache-control"], "no-store");
                let told = service.manifest["tenants"].as_array().unwrap().iter().any(|tenant| {
                    let footprints = tenant["footprints"].as_array().unwrap();
                    footprints.iter().any(|footprint| {
                        footprint["pcf_id"] == agreement["pcf_id"]
                            && format!("sha256:{}", footprint["sha256"].as_str().unwrap()) == digest.to_string()
                    })
                });
                assert!(told, "{id}: dev.json tells the digest of {file}");
                assert_eq!(recorded(service, &provider, answer.record().unwrap()), Effect::Allow);
            }
            Err(policy) => {
                let reasons = check_refused(service, &provider, &answer, id);
                assert!(!reasons.is_empty(), "{id}");
                for reason in reasons {
                    assert!(reason.starts_with(policy), "{id}: {}", answer.text());
                }
            }
        }
    }
}

#[test]
fn whoever_the_agreement_does_not_name_is_refused_without_a_reason() {
    let service = Service::shared();
    let ethanol = service.footprint_path(HOLDS);
    let resin = service.footprint_path(UNTIL);
    let absent = format!("/exchange/{ELBE}/pcf/00000000-0000-4000-8000-000000000000/submodel/$value");
    // Path, partner, agreement, and whether the agreement names that partner.
    let cases = [
        ("another partner", &ethanol, ODER, HOLDS, false),
        ("a company nobody knows", &ethanol, "BPNLZZZZZZZZZZZZ", HOLDS, false),
        ("the provider itself", &ethanol, ELBE, HOLDS, false),
        ("an unknown agreement", &ethanol, WESER, "no-such-agreement", false),
        ("another tenant's agreement", &ethanol, WESER, ISARS, false),
        ("a retired agreement of another", &ethanol, WESER, ODERS, false),
        ("another partner of a retired one", &ethanol, ODER, RETIRED, false),
        ("an agreement on another asset", &resin, WESER, HOLDS, true),
        ("a footprint that is not there", &absent, WESER, HOLDS, true),
        ("a footprint that is not there, and nobody", &absent, ODER, HOLDS, false),
    ];
    for (what, path, partner, agreement, named) in cases {
        let answer = ask(service, ELBE, path, partner, agreement).send(service.address);
        let reasons = check_refused(service, ELBE, &answer, what);
        assert_eq!(!reasons.is_empty(), named, "{what}: {}", answer.text());
        if named {
            assert!(
                reasons.contains(&"exchange/access-asset".to_owned()),
                "{what}: {reasons:?}"
            );
        }
    }
}

#[test]
fn a_footprint_of_another_tenant_is_not_there() {
    let service = Service::shared();
    let foreign = service.footprint_path(ISARS).replace(ISAR, ELBE);
    for agreement in [HOLDS, ISARS] {
        let answer = ask(service, ELBE, &foreign, WESER, agreement).send(service.address);
        check_refused(service, ELBE, &answer, agreement);
    }
    // Its own path takes only its own connector.
    let answer = ask(service, ELBE, &service.footprint_path(ISARS), WESER, ISARS).send(service.address);
    answer.check_problem(401, "unauthenticated", "another tenant's connector");
}

#[test]
fn a_tenant_nobody_knows_and_a_name_that_is_none_look_alike() {
    let service = Service::shared();
    let path = service.footprint_path(HOLDS);
    for name in ["BPNLZZZZZZZZZZZZ", "bpnl000000000dwf", "BPNL", "elbe-polymers", ODER] {
        let answer = ask(service, ELBE, &path.replace(ELBE, name), WESER, HOLDS).send(service.address);
        answer.check_problem(404, "not-found", name);
        assert_eq!(answer.json().as_object().unwrap().len(), 3, "{name}");
    }
}

#[test]
fn on_its_own_host_a_tenant_has_its_own_endpoint_and_nothing_else() {
    let service = Service::shared();
    let path = service.footprint_path(HOLDS);
    let short = path.strip_prefix(&format!("/exchange/{ELBE}")).unwrap();
    let elbe = ELBE.to_ascii_lowercase();
    for host in [
        format!("{ELBE}.localhost"),
        format!("{elbe}.localhost"),
        format!("{elbe}.LOCALHOST:8080"),
    ] {
        for path in [short, path.as_str()] {
            let answer = ask(service, ELBE, path, WESER, HOLDS).host(&host).send(service.address);
            assert_eq!(answer.status, 200, "{host} {path}: {}", answer.text());
        }
        let nothing = [
            "/healthz",
            "/metrics",
            "/readyz",
            "/openapi.json",
            "/access/v1/evaluation",
            "/",
            "/pcf/",
        ];
        for path in nothing {
            let answer = ask(service, ELBE, path, WESER, HOLDS).host(&host).send(service.address);
            answer.check_problem(404, "not-found", &format!("{host} {path}"));
        }
        let theirs = ask(service, ISAR, &service.footprint_path(ISARS), WESER, ISARS);
        theirs
            .host(&host)
            .send(service.address)
            .check_problem(404, "not-found", &host);
        // The host picks the verifier: another tenant's token is worth nothing there.
        let stranger = ask(service, ISAR, short, WESER, ISARS)
            .host(&host)
            .send(service.address);
        stranger.check_problem(401, "unauthenticated", &host);
    }
    // A host that is no tenant's is the shared one, where the short path is nobody's.
    for host in [
        "localhost",
        "x.localhost",
        &format!("x.{ELBE}.localhost"),
        &format!("{ELBE}.localhost.evil"),
    ] {
        let answer = ask(service, ELBE, short, WESER, HOLDS).host(host).send(service.address);
        answer.check_problem(404, "not-found", host);
    }
}

#[test]
fn what_is_on_record_decides_not_the_token() {
    let service = Service::start();
    let sound = service.sound_exchange();
    assert_eq!(sound.send(service.address).status, 200);

    retire(&service, ELBE, HOLDS);
    let reasons = check_refused(&service, ELBE, &sound.send(service.address), "retired meanwhile");
    assert_eq!(reasons, ["exchange/agreement-in-force"]);

    for state in [TenantState::Suspended, TenantState::Offboarded, TenantState::Onboarding] {
        service.change_world(ISAR, |world| world.tenant.state = state);
        let answer = ask(&service, ISAR, &service.footprint_path(ISARS), WESER, ISARS).send(service.address);
        let reasons = check_refused(&service, ISAR, &answer, state.as_str());
        assert_eq!(reasons, ["guard/tenant-active"], "{}", state.as_str());
    }
    service.change_world(ISAR, |world| world.tenant.state = TenantState::Active);
    let answer = ask(&service, ISAR, &service.footprint_path(ISARS), WESER, ISARS).send(service.address);
    assert_eq!(answer.status, 200);
}

#[test]
fn tokens_and_rights_of_use_end_when_they_say() {
    #[expect(clippy::disallowed_methods, reason = "any instant will do")]
    let begin = Timestamp::now();
    let clock = Clock::fixed(begin);
    let service = Service::with(clock.clone(), BundleSource::BuiltIn).unwrap();
    let later = |seconds: i64| clock.set(begin + SignedDuration::from_secs(seconds));
    let sound = service.sound_exchange();
    assert_eq!(sound.send(service.address).status, 200);
    // 15 minutes, and half a minute for clocks that differ.
    later(15 * 60 + 29);
    assert_eq!(sound.send(service.address).status, 200);
    later(15 * 60 + 30);
    sound
        .send(service.address)
        .check_problem(401, "unauthenticated", "a stale token");

    // The terms of one agreement end the right of use in 120 days, to the second.
    let day = 24 * 60 * 60;
    let ends = |seconds: i64| {
        later(120 * day + seconds);
        ask(&service, ELBE, &service.footprint_path(UNTIL), WESER, UNTIL).send(service.address)
    };
    assert_eq!(ends(-1).status, 200);
    let reasons = check_refused(&service, ELBE, &ends(1), "past its end");
    assert!(reasons.iter().all(|reason| reason.starts_with("terms/")), "{reasons:?}");
}
