//! Compiled rules answer as the registry's own rules do: held to a second reading of the same JSON that knows nothing of Cedar.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};
use tidegate::cedar;
use tidegate::decision::Effect;
use tidegate::ids::{Bpnl, ClientId, PcfId, ProductId, TenantId};
use tidegate::question::Question;
use tidegate::question::ask::{self, LookupFacts, TwinFacts};
use tidegate::registry::{Tenant, TenantWorld, TwinRules};
use tidegate::twin::SpecificAssetId;

use crate::corpus::BUNDLE;

const OWNER: &str = "BPNL000000000DWF";
const COMPANIES: [&str; 3] = ["BPNL00000000000A", "BPNL00000000000B", "BPNL00000000000C"];
const PAIRS: [(&str, &str); 7] = [
    ("manufacturerPartId", "1"),
    ("manufacturerPartId", "2"),
    ("customerPartId", "1"),
    ("batchId", "1"),
    ("batchId", "2"),
    ("digitalTwinType", "PartType"),
    ("1", "batchId"),
];
const NAMES: [&str; 5] = [
    "manufacturerPartId",
    "customerPartId",
    "batchId",
    "digitalTwinType",
    "1",
];
const MODELS: [&str; 3] = ["urn:x:7#Pcf", "urn:x:9#Pcf", "urn:x:10#Pcf"];
const INSTANTS: [&str; 5] = [
    "2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00.001Z",
    "2026-06-01T02:00:00+02:00",
    "2026-06-01T00:00:00.001Z",
    "2027-01-01T00:00:00Z",
];

/// A twin and one of its submodels, as plain texts.
#[derive(Clone, Debug)]
struct Twin {
    ids: Vec<(&'static str, &'static str)>,
    models: Vec<&'static str>,
}

/// What a lookup is about.
#[derive(Clone, Debug)]
enum Sought {
    Twin,
    Id(&'static str, &'static str),
    Submodel,
}

// --- the second reading ------------------------------------------------------------------------------------------------

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The entries of one of a rule's lists, each as name and value.
fn entries<'r>(rule: &'r Value, attribute: &str) -> Vec<(&'r str, &'r str)> {
    let parts = rule["policy"]["accessRules"].as_array().unwrap();
    let part = parts.iter().find(|part| part["attribute"] == attribute).unwrap();
    let text = |value: &'r Value| value.as_str().unwrap();
    let values = part["values"].as_array().unwrap().iter();
    values
        .map(|value| (text(&value["attribute"]), text(&value["value"])))
        .collect()
}

fn bpn(rule: &Value) -> &str {
    rule["policy"]["accessRules"]
        .as_array()
        .unwrap()
        .iter()
        .find(|part| part["attribute"] == "bpn")
        .unwrap()["value"]
        .as_str()
        .unwrap()
}

/// Whether a rule counts for a company at an instant, and for a twin: what the registry selects by, and `containsAll`.
fn applies(rule: &Value, company: &str, now: Timestamp, twin: &Twin) -> bool {
    let within = |name: &str, fits: fn(Timestamp, Timestamp) -> bool| {
        rule.get(name)
            .is_none_or(|text| fits(instant(text.as_str().unwrap()), now))
    };
    [company, "PUBLIC_READABLE"].contains(&bpn(rule))
        && within("validFrom", |from, now| from <= now)
        && within("validTo", |to, now| now <= to)
        && entries(rule, "mandatorySpecificAssetIds")
            .iter()
            .all(|id| twin.ids.contains(id))
}

/// The names a rule shows. Of one for everybody, those the registry's wildcard is not allowed for are taken out.
fn names(rule: &Value) -> BTreeSet<&str> {
    let all = entries(rule, "visibleSpecificAssetIdNames")
        .into_iter()
        .map(|(_, name)| name);
    let public = bpn(rule) == "PUBLIC_READABLE";
    all.filter(|name| !public || ["assetLifecyclePhase", "digitalTwinType", "manufacturerPartId"].contains(name))
        .collect()
}

fn shows(rules: &[Value], company: &str, now: Timestamp, twin: &Twin, sought: &Sought) -> bool {
    let matching: Vec<&Value> = rules.iter().filter(|rule| applies(rule, company, now, twin)).collect();
    match sought {
        Sought::Twin => !matching.is_empty(),
        Sought::Submodel => matching.iter().any(|rule| {
            entries(rule, "visibleSemanticIds")
                .iter()
                .any(|(_, model)| twin.models.contains(model))
        }),
        Sought::Id(name, value) => {
            fn mandatory(rule: &Value) -> Vec<(&str, &str)> {
                entries(rule, "mandatorySpecificAssetIds")
            }
            // Shown whatever the value, by a rule that lists the name and does not ask for a value of it.
            let free = matching
                .iter()
                .any(|rule| names(rule).contains(name) && mandatory(rule).iter().all(|(asked, _)| asked != name));
            // Shown with the value asked for, by a rule that lists the name and asks.
            let bound = matching
                .iter()
                .any(|rule| names(rule).contains(name) && mandatory(rule).contains(&(*name, *value)));
            twin.ids.contains(&(*name, *value)) && (free || bound)
        }
    }
}

// --- what is compiled --------------------------------------------------------------------------------------------------

fn world(rules: &[Value]) -> TenantWorld {
    let tenant: Tenant = serde_json::from_value(json!({
        "id": OWNER, "name": "Elbe", "state": "active", "identity": {
            "issuer": "https://issuer.example", "jwks": "https://issuer.example/keys", "resource_server": OWNER,
            "connectors": ["edc"], "integrations": [], "user_clients": [],
        },
    }))
    .unwrap();
    let text = Value::Array(rules.to_vec()).to_string();
    let own = TwinRules::read(tenant.id, &text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let mut world = TenantWorld::new(tenant);
    world.twin_rules = Some(Arc::new(own));
    world
}

fn question(world: &TenantWorld, company: &str, now: Timestamp, twin: &Twin, sought: &Sought) -> Question {
    let (client, product): (ClientId, ProductId) = ("edc".parse().unwrap(), "part".parse().unwrap());
    let (pcf, partner): (PcfId, Bpnl) = ("pcf".parse().unwrap(), company.parse().unwrap());
    let facts = LookupFacts {
        now,
        world,
        connector: &client,
        partner,
        known: None,
    };
    let id = |(name, value): &(&str, &str)| SpecificAssetId {
        name: (*name).to_owned(),
        value: (*value).to_owned(),
    };
    let asset_ids = twin.ids.iter().map(id).collect();
    let facts_of_twin = TwinFacts {
        product: &product,
        asset_ids: &asset_ids,
    };
    match sought {
        Sought::Twin => ask::twin(&facts, facts_of_twin),
        Sought::Id(name, value) => ask::asset_id(&facts, facts_of_twin, &id(&(*name, *value))),
        Sought::Submodel => {
            let models: Vec<String> = twin.models.iter().map(|model| (*model).to_owned()).collect();
            ask::submodel(&facts, facts_of_twin, &pcf, &models)
        }
    }
}

// --- rules, twins and lookups ------------------------------------------------------------------------------------------

fn rule() -> impl Strategy<Value = Value> {
    let readers = vec![COMPANIES[0], COMPANIES[0], COMPANIES[1], "PUBLIC_READABLE"];
    let lists = (
        subsequence(PAIRS.to_vec(), 1..3),
        subsequence(NAMES.to_vec(), 1..4),
        subsequence(MODELS.to_vec(), 1..3),
    );
    let period = (
        prop::option::weighted(0.4, 0..3_usize),
        prop::option::weighted(0.4, 3..5_usize),
    );
    (select(readers), lists, period).prop_map(|(reader, (mandatory, names, models), (from, to))| {
        let eq = |attribute: &str, value: &str| json!({ "attribute": attribute, "operator": "eq", "value": value });
        let list = |attribute: &str, values: Vec<Value>| json!({ "attribute": attribute, "operator": "includes", "values": values });
        let mut rule = json!({ "policyType": "AAS", "policy": { "accessRules": [
            eq("bpn", reader),
            list("mandatorySpecificAssetIds", mandatory.iter().map(|(name, value)| eq(name, value)).collect()),
            list("visibleSpecificAssetIdNames", names.iter().map(|name| eq("name", name)).collect()),
            list("visibleSemanticIds", models.iter().map(|model| eq("modelUrn", model)).collect()),
        ] } });
        for (name, instant) in [("validFrom", from), ("validTo", to)] {
            if let Some(instant) = instant {
                rule[name] = json!(INSTANTS[instant]);
            }
        }
        rule
    })
}

fn twin() -> impl Strategy<Value = Twin> {
    let ids = subsequence(PAIRS.to_vec(), 0..=PAIRS.len());
    (ids, subsequence(MODELS.to_vec(), 0..3)).prop_map(|(ids, models)| Twin { ids, models })
}

fn sought() -> impl Strategy<Value = Sought> {
    prop_oneof![
        Just(Sought::Twin),
        select(PAIRS.to_vec()).prop_map(|(name, value)| Sought::Id(name, value)),
        Just(Sought::Submodel),
    ]
}

#[test]
fn compiled_rules_show_what_the_registry_shows_and_nothing_else() {
    let shown = Cell::new([0_usize; 2]);
    let lookups = prop::collection::vec(
        (select(COMPANIES.to_vec()), select(INSTANTS.to_vec()), twin(), sought()),
        24,
    );
    let cases = (prop::collection::vec(rule(), 0..6), lookups);
    let config = ProptestConfig {
        cases: 120,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let held = runner.run(&cases, |(rules, lookups)| {
        let world = world(&rules);
        for (company, now, twin, sought) in lookups {
            let now = instant(now);
            let question = question(&world, company, now, &twin, &sought);
            let answer = cedar::answer(&BUNDLE.index, &BUNDLE.schema, &question);
            prop_assert_eq!(&answer.errors, &Vec::<String>::new());
            let expected = shows(&rules, company, now, &twin, &sought);
            prop_assert_eq!(
                answer.decision == Effect::Allow,
                expected,
                "{} {} {:?} {:?}: {:?}",
                company,
                now,
                twin,
                sought,
                answer
            );
            let full = cedar::answer_in_full(&BUNDLE.policies, &BUNDLE.schema, &question);
            prop_assert_eq!(&full, &answer);
            let mut counted = shown.get();
            counted[usize::from(expected)] += 1;
            shown.set(counted);
        }
        Ok(())
    });
    held.unwrap_or_else(|error| panic!("{error}"));
    let [hidden, shown] = shown.get();
    println!("{shown} lookups are shown, {hidden} are not");
    assert!(shown > 300 && hidden > 300, "{shown} {hidden}");
}

#[test]
fn the_official_examples_show_what_the_registry_shows() {
    let text = include_str!("../../../fixtures/dtr/example-access-rules.json")
        .replace("BPNL00000000000B\"", &format!("{OWNER}\""));
    let rules: Vec<Value> = serde_json::from_str::<Vec<Value>>(&text).unwrap();
    let world = world(&rules);
    assert_eq!(world.tenant.id, OWNER.parse::<TenantId>().unwrap());
    let twin = Twin {
        ids: vec![
            ("manufacturerPartId", "99991"),
            ("customerPartId", "ACME001"),
            ("revisionNumber", "01"),
            ("partInstanceId", "00001"),
        ],
        models: vec!["ProductCarbonFootprintv1.1.0"],
    };
    let now = instant("2026-11-21T06:00:00Z");
    let sought = [
        Sought::Twin,
        Sought::Id("manufacturerPartId", "99991"),
        Sought::Id("customerPartId", "ACME001"),
        Sought::Id("revisionNumber", "01"),
        Sought::Id("partInstanceId", "00001"),
        Sought::Submodel,
    ];
    for company in ["BPNL00000000000A", "BPNL00000000000C"] {
        for sought in &sought {
            let question = question(&world, company, now, &twin, sought);
            let answer = cedar::answer(&BUNDLE.index, &BUNDLE.schema, &question);
            // Acme sees all of it; Contoso's number is not on the twin.
            assert_eq!(
                answer.decision == Effect::Allow,
                company.ends_with('A'),
                "{company} {sought:?}"
            );
            assert_eq!(
                shows(&rules, company, now, &twin, sought),
                company.ends_with('A'),
                "{company} {sought:?}"
            );
        }
    }
}
