//! A bundle that changes while the service runs: a good one comes into force, a bad one is refused, and what was decided
//! under each can be decided again.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tidegate::assemble::BundleSource;
use tidegate::clock::Clock;
use tidegate::ledger::Event;
use tidegate::ledger::replay::{Plan, replay};

use crate::harness::{Service, alone, block_on, copy, get, wait_for};

/// A policy no bundle has: the exchange is closed.
pub const CLOSED: &str = r#"
@id("exchange/closed")
@why("Nothing is handed out tonight.")
@control("ISO27001:A.5.14")
forbid (principal is Tidegate::Partner, action == Tidegate::Action::"access", resource);
"#;

/// A copy of the bundle, to be changed.
pub fn bundle() -> TempDir {
    let copied = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for part in ["policies", "schema"] {
        copy(&root.join(part), &copied.path().join(part));
    }
    copied
}

pub fn exchange_policies(bundle: &Path) -> PathBuf {
    bundle.join("policies/platform/exchange.cedar")
}

/// A copy of the bundle under which nothing is handed out.
pub fn closed_bundle() -> TempDir {
    let closed = bundle();
    let policies = exchange_policies(closed.path());
    let original = std::fs::read_to_string(&policies).unwrap();
    std::fs::write(&policies, format!("{original}{CLOSED}")).unwrap();
    closed
}

fn ready(service: &Service) -> serde_json::Value {
    let answer = get("/readyz").send(service.address);
    assert_eq!(answer.status, 200, "a refused bundle does not make the service unready");
    answer.json()["bundle"].clone()
}

fn gauge(service: &Service) -> f64 {
    let text = get("/metrics").send(service.address).text();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("tidegate_bundle_refused "));
    line.unwrap().parse().unwrap()
}

#[test]
fn a_changed_bundle_comes_into_force_a_bad_one_does_not_and_both_are_on_record() {
    let _alone = alone();
    let bundle = bundle();
    let policies = exchange_policies(bundle.path());
    let original = std::fs::read_to_string(&policies).unwrap();
    let source = BundleSource::Directory(bundle.path().to_owned());
    let service = Service::with(Clock::system(), source).unwrap();
    let sound = service.sound_exchange();
    assert_eq!(sound.send(service.address).status, 200);
    let first = ready(&service);
    assert_eq!(gauge(&service), 0.0);

    std::fs::write(&policies, format!("{original}{CLOSED}")).unwrap();
    wait_for("the changed bundle is in force", || {
        ready(&service)["digest"] != first["digest"]
    });
    let closed = sound.send(service.address);
    closed.check_problem(403, "forbidden", "closed");
    assert_eq!(closed.reasons(), ["exchange/closed"]);
    let second = ready(&service);
    assert!(second.get("refused").is_none());

    for (what, bad, told) in [
        ("a cut file", format!("{original}permit ("), "exchange.cedar"),
        (
            "an unknown action",
            format!("{original}{}", CLOSED.replace("access", "acess")),
            "acess",
        ),
        (
            "a policy without a reason",
            format!("{original}{}", CLOSED.replace("@why", "@how")),
            "why",
        ),
        (
            "an id that is taken",
            format!("{original}{}", CLOSED.replace("exchange/closed", "exchange/own-offer")),
            "exchange/own-offer",
        ),
    ] {
        std::fs::write(&policies, bad).unwrap();
        wait_for(what, || {
            let refused = &ready(&service)["refused"];
            refused["reason"].as_str().is_some_and(|reason| reason.contains(told))
        });
        assert_eq!(
            ready(&service)["digest"],
            second["digest"],
            "{what}: the last good one stays"
        );
        assert_eq!(gauge(&service), 1.0, "{what}");
        assert_eq!(sound.send(service.address).reasons(), ["exchange/closed"], "{what}");
    }

    std::fs::write(&policies, &original).unwrap();
    wait_for("the first bundle is in force again", || {
        ready(&service)["digest"] == first["digest"]
    });
    assert!(ready(&service).get("refused").is_none());
    assert_eq!(gauge(&service), 0.0);
    assert_eq!(sound.send(service.address).status, 200);

    // A bad file that is mended to what is in force clears the refusal without another activation.
    std::fs::write(&policies, "permit (").unwrap();
    wait_for("refused", || ready(&service).get("refused").is_some());
    std::fs::write(&policies, &original).unwrap();
    wait_for("cleared", || ready(&service).get("refused").is_none());
    assert_eq!(gauge(&service), 0.0);

    check_on_record(&service, &[&first, &second, &first]);
    let data = service.stop();
    let again = block_on(replay(data.path(), Plan::default(), |_| {})).unwrap();
    assert!(again.summary.holds() && again.summary.decisions >= 7, "{again:?}");
}

/// Holds the platform's log to tell of these bundles coming into force, and of each that was refused.
fn check_on_record(service: &Service, in_force: &[&serde_json::Value]) {
    let mut activated = Vec::new();
    let mut refused = 0;
    for stored in service.records("platform") {
        let Event::Activation(activation) = stored.record.event else {
            continue;
        };
        match activation.refused {
            None => activated.push(activation.bundle.to_string()),
            Some(reason) => {
                assert!(reason.contains("exchange.cedar"), "{reason}");
                assert_eq!(activation.previous.unwrap().to_string(), *activated.last().unwrap());
                refused += 1;
            }
        }
    }
    let expected: Vec<_> = in_force
        .iter()
        .map(|bundle| bundle["digest"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(activated, expected);
    assert!(refused >= 5, "{refused} refusals are on record");
}

/// The count of one action's disagreements; the line must be there, also at zero.
fn disagreements(service: &Service, action: &str) -> u64 {
    let text = get("/metrics").send(service.address).text();
    let name = format!("tidegate_layer_disagreements_total{{action=\"{action}\"}} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap_or_else(|| panic!("no line begins with {name}"))
        .parse()
        .unwrap()
}

#[test]
fn what_cedar_allows_and_aws_would_refuse_is_a_deny_that_is_counted_by_action() {
    let _alone = alone();
    let bundle = bundle();
    let role = bundle.path().join("policies/iam/tenant-role.json");
    let text = std::fs::read_to_string(&role).unwrap();
    std::fs::write(&role, text.replace(r#""s3:GetObject""#, r#""s3:GetObjectAcl""#)).unwrap();
    let service = Service::with(Clock::system(), BundleSource::Directory(bundle.path().to_owned())).unwrap();
    let (before, others) = (disagreements(&service, "access"), disagreements(&service, "readSecret"));
    let answer = service.sound_exchange().send(service.address);
    assert_eq!(answer.status, 403);
    assert_eq!(disagreements(&service, "access"), before + 1);
    assert_eq!(disagreements(&service, "readSecret"), others);
}

#[test]
fn a_service_does_not_start_with_a_bad_bundle() {
    let bundle = bundle();
    let policies = exchange_policies(bundle.path());
    let original = std::fs::read_to_string(&policies).unwrap();
    // A forbid whose guard is misspelled would apply to nothing.
    let misspelled = "when { context has agrement && context.agreement.state";
    let changed = original.replace("when { context has agreement && context.agreement.state", misspelled);
    assert_ne!(changed, original);
    std::fs::write(&policies, changed).unwrap();
    std::fs::remove_file(bundle.path().join("policies/iam/tenant-role.json")).unwrap();
    let source = BundleSource::Directory(bundle.path().to_owned());
    let error = Service::with(Clock::system(), source).err().expect("it does not start");
    // Every problem, each with its place.
    for told in [
        "does not load",
        "exchange.cedar",
        "agrement",
        "exchange/agreement-in-force",
        "tenant-role",
    ] {
        assert!(error.contains(told), "{told}: {error}");
    }
    let nowhere = BundleSource::Directory("/nonexistent".into());
    let error = Service::with(Clock::system(), nowhere)
        .err()
        .expect("it does not start");
    assert!(error.contains("/nonexistent/policies"), "{error}");
}
