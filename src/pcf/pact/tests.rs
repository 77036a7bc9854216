//! That what is told is what PACT's own description allows, and what the document says.

use std::collections::BTreeMap;

use jsonschema::{Draft, Validator};
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
use serde_json::{Map, Value, json};

use super::*;
use crate::ingest::Claims;

const OFFICIAL: [(Model, &str); 3] = [
    (Model::V7, include_str!("../../../fixtures/pcf/official/7.0.0.json")),
    (Model::V9, include_str!("../../../fixtures/pcf/official/9.0.0.json")),
    (Model::V10, include_str!("../../../fixtures/pcf/official/10.0.0.json")),
];

const DEV: [(Model, &str); 5] = [
    (
        Model::V10,
        include_str!("../../../fixtures/pcf/dev/elbe-ethanol-10.0.0.json"),
    ),
    (
        Model::V9,
        include_str!("../../../fixtures/pcf/dev/elbe-resin-9.0.0.json"),
    ),
    (
        Model::V7,
        include_str!("../../../fixtures/pcf/dev/elbe-solvent-7.0.0.json"),
    ),
    (
        Model::V9,
        include_str!("../../../fixtures/pcf/dev/isar-housing-9.0.0.json"),
    ),
    (
        Model::V7,
        include_str!("../../../fixtures/pcf/dev/isar-bracket-7.0.0.json"),
    ),
];

/// PACT's own schema of a type, as its description of the API has it.
fn schema(of: &str) -> Validator {
    let all: Value = serde_json::from_str(include_str!("../../../fixtures/pact/schemas.json")).unwrap();
    let schema = json!({ "components": { "schemas": all }, "$ref": format!("#/components/schemas/{of}") });
    let options = jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true);
    options.build(&schema).unwrap()
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn flaws(schema: &Validator, value: &Value) -> Vec<String> {
    schema
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// Every document of the fixtures with which nothing is wrong, and what it is told as.
fn told() -> Vec<(Model, Value, Value)> {
    let all = OFFICIAL.into_iter().skip(1).chain(DEV);
    all.map(|(model, text)| {
        let document = parse(text);
        let told = convert(model, &document).unwrap();
        (model, document, serde_json::to_value(told).unwrap())
    })
    .collect()
}

#[test]
fn every_document_is_told_as_pact_describes_it() {
    let schema = schema("ProductFootprint");
    for (model, document, told) in told() {
        assert_eq!(flaws(&schema, &told), Vec::<String>::new(), "{model}: {told}");
        let claims = Claims::read(document.to_string().as_bytes()).unwrap();
        assert_eq!(told["id"], claims.id.as_str());
        // The schema notices: a member less is no footprint of PACT's.
        for member in ["id", "companyIds", "productDescription", "pcf"] {
            let mut less = told.clone();
            less.as_object_mut().unwrap().remove(member);
            assert!(!schema.is_valid(&less), "{member}");
        }
    }
}

/// Every number and text of a document, wherever it stands.
fn leaves(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| leaves(item, found)),
        Value::Object(members) => members.values().for_each(|member| leaves(member, found)),
        Value::Number(number) => found.push(values::Decimal::of(number).unwrap().to_string()),
        Value::String(text) => found.push(text.clone()),
        Value::Bool(_) | Value::Null => {}
    }
}

/// What is told that does not stand in the document as it is: renamed, split or reckoned, by the rules the module's page gives.
const TOLD_OTHERWISE: [&str; 7] = [
    "specVersion",
    "crossSectoralStandards",
    "productClassifications",
    "secondaryEmissionFactorSources",
    "pcfExcludingBiogenicUptake",
    "created",
    "operator",
];

#[test]
fn nothing_is_told_that_the_document_does_not_say() {
    fn check(value: &Value, at: &str, said: &[String]) {
        match value {
            _ if TOLD_OTHERWISE.contains(&at) => {}
            Value::Array(items) => items.iter().for_each(|item| check(item, at, said)),
            Value::Object(members) => members.iter().for_each(|(name, member)| check(member, name, said)),
            Value::String(text) => assert!(said.contains(text), "{at}: {text}"),
            _ => {}
        }
    }
    for (_, document, told) in told() {
        let mut said = Vec::new();
        leaves(&document, &mut said);
        check(&told, "", &said);
    }
}

#[test]
fn what_cannot_be_told_is_named_and_nothing_is_made_up() {
    let why = |(model, text): (Model, &str), change: &dyn Fn(&mut Value)| {
        let mut document = parse(text);
        change(&mut document);
        convert(model, &document).unwrap_err().member
    };
    let set = |pointer: &'static str, value: Value| {
        move |document: &mut Value| {
            let (at, name) = pointer.rsplit_once('/').unwrap();
            document.pointer_mut(at).unwrap()[name] = value.clone();
        }
    };
    let (flat, nested) = (DEV[2], DEV[0]);
    assert_eq!(why(OFFICIAL[0], &|_| {}), "companyIds");
    for (change, member) in [
        (
            set("/pcf/pcfIncludingBiogenic", Value::Null),
            "pcfIncludingBiogenicUptake",
        ),
        (
            set("/pcf/biogenicCarbonWithdrawal", Value::Null),
            "pcfExcludingBiogenicUptake",
        ),
        (
            set("/pcf/biogenicCarbonWithdrawal", json!(0.5)),
            "pcfExcludingBiogenicUptake",
        ),
        (
            set("/pcf/extWBCSD_fossilCarbonContent", Value::Null),
            "fossilCarbonContent",
        ),
        (set("/pcf/fossilGhgEmissions", Value::Null), "fossilGhgEmissions"),
        (
            set("/pcf/crossSectoralStandardsUsed", json!([])),
            "crossSectoralStandards",
        ),
        (
            set("/pcf/referencePeriodEnd", json!("2022-12-31T23:59:59")),
            "referencePeriodEnd",
        ),
        (
            set("/validityPeriodEnd", json!("2022-12-31T24:00:00Z")),
            "validityPeriodEnd",
        ),
        (set("/productDescription", Value::Null), "productDescription"),
        (set("/productIds", json!(["401777"])), "productIds"),
        (
            set(
                "/pcf/secondaryEmissionFactorSources",
                json!([{"secondaryEmissionFactorSource": "our own"}]),
            ),
            "secondaryEmissionFactorSources",
        ),
    ] {
        assert_eq!(why(flat, &change), member);
    }
    let information = "/pcfAssessmentAndMethodology/0/pcfAssessmentInformation/0";
    let geography = move |document: &mut Value| {
        let node = document.pointer_mut(information).unwrap();
        node["geography"] = json!([{ "geographyRegionOrSubregion": "Several" }]);
    };
    assert_eq!(why(nested, &geography), "geographyRegionOrSubregion");
    let twice = move |document: &mut Value| {
        let stages = document["productLifeCycleStagesAndEmissions"][0]["productionStage"]
            .as_array_mut()
            .unwrap();
        stages.push(stages[0].clone());
    };
    assert_eq!(why(nested, &twice), "pcfExcludingBiogenicUptake");
    let unspecified = move |document: &mut Value| {
        let methodology = &mut document["pcfAssessmentAndMethodology"][0]["pcfMethodology"][0];
        methodology["gwpCharacterizationFactorDetails"][0]["ipccCharacterizationFactors"] = json!("unspecified");
    };
    assert_eq!(why(nested, &unspecified), "ipccCharacterizationFactors");
}

#[test]
fn the_uptake_is_taken_off_in_7_0_0() {
    let mut document = parse(DEV[2].1);
    document["pcf"]["pcfIncludingBiogenic"] = json!(-14.22);
    document["pcf"]["biogenicCarbonWithdrawal"] = json!(-19.36);
    let told = serde_json::to_value(convert(Model::V7, &document).unwrap()).unwrap();
    assert_eq!(told["pcf"]["pcfExcludingBiogenicUptake"], "5.14");
    assert_eq!(told["pcf"]["pcfIncludingBiogenicUptake"], "-14.22");
    assert_eq!(told["pcf"]["biogenicCO2Uptake"], "-19.36");
}

/// Takes members out of a document, one by one.
fn without(value: &mut Value, choice: &mut impl Iterator<Item = bool>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| without(item, choice)),
        Value::Object(members) => {
            let kept: Map<String, Value> = std::mem::take(members)
                .into_iter()
                .filter(|_| choice.next() != Some(true))
                .collect();
            *members = kept;
            members.values_mut().for_each(|member| without(member, choice));
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a document lacks: it is told as PACT describes it, or not at all.
    #[test]
    fn a_document_with_less_in_it_is_told_soundly_or_not_at_all(which in any::<Index>(), out in prop::collection::vec(prop::bool::weighted(0.03), 150)) {
        let schema = schema("ProductFootprint");
        let all: Vec<_> = OFFICIAL.into_iter().chain(DEV).collect();
        let (model, text) = which.get(&all);
        let mut document = parse(text);
        without(&mut document, &mut out.into_iter());
        if let Ok(told) = convert(*model, &document) {
            let told = serde_json::to_value(told).unwrap();
            prop_assert_eq!(flaws(&schema, &told), Vec::<String>::new());
        }
    }

    /// Values of a criterion widen, criteria narrow, and the index rules out nothing that fits.
    #[test]
    fn a_filter_is_an_and_of_ors(
        products in subsequence(vec!["urn:mycompany.com:product-id:401765", "URN:MyCompany.com:product-id:401777", "urn:x:none"], 0..3),
        statuses in subsequence(vec!["Active", "deprecated", "bogus"], 0..3),
        geographies in subsequence(vec!["us", "US-NY", "DE", "XX"], 0..3),
    ) {
        let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let filter = Filter { products: texts(&products), statuses: texts(&statuses), geographies: texts(&geographies), ..Filter::default() };
        for (model, text) in DEV {
            let footprint = convert(model, &parse(text)).unwrap();
            let one = |filter: Filter| filter.fits(&footprint);
            let some = |all: &[String], with: &dyn Fn(String) -> Filter| all.is_empty() || all.iter().any(|value| one(with(value.clone())));
            let expected = some(&filter.products, &|value| Filter { products: vec![value], ..Filter::default() })
                && some(&filter.statuses, &|value| Filter { statuses: vec![value], ..Filter::default() })
                && some(&filter.geographies, &|value| Filter { geographies: vec![value], ..Filter::default() });
            prop_assert_eq!(filter.fits(&footprint), expected);
            let claims = Claims::read(text.as_bytes()).unwrap();
            let entry = claims.footprint("BPNL000000000DWF".parse().unwrap(), Default::default(), text.as_bytes());
            prop_assert!(!(filter.fits(&footprint) && filter.rules_out(&entry)));
        }
    }
}

#[test]
fn a_footprint_that_does_not_say_how_long_is_valid_for_three_years_from_its_reference_period() {
    let mut document = parse(DEV[2].1);
    for member in ["validityPeriodStart", "validityPeriodEnd"] {
        document.as_object_mut().unwrap().remove(member);
    }
    document["pcf"]["referencePeriodEnd"] = json!("2024-02-29T00:00:00Z");
    let footprint = convert(Model::V7, &document).unwrap();
    let at = |text: &str| Some(text.parse().unwrap());
    let on = |text: &str| {
        Filter {
            valid_on: at(text),
            ..Filter::default()
        }
        .fits(&footprint)
    };
    assert!(!on("2024-02-28T23:59:59Z") && on("2024-02-29T00:00:00Z"));
    assert!(on("2027-02-28T00:00:00Z") && !on("2027-02-28T00:00:01Z"));
    let after = |text: &str| {
        Filter {
            valid_after: at(text),
            ..Filter::default()
        }
        .fits(&footprint)
    };
    assert!(after("2024-02-28T23:59:59Z") && !after("2024-02-29T00:00:00Z"));
    let before = |text: &str| {
        Filter {
            valid_before: at(text),
            ..Filter::default()
        }
        .fits(&footprint)
    };
    assert!(before("2027-02-28T00:00:01Z") && !before("2027-02-28T00:00:00Z"));
}

fn event(kind: &str, data: Value) -> Value {
    json!({
        "type": format!("org.wbcsd.pact.ProductFootprint.{kind}.3"), "specversion": "1.0", "id": "run/12",
        "source": "https://partner.example/3/events", "time": "2026-11-25T09:00:00Z", "data": data,
    })
}

#[test]
fn an_event_is_one_of_four_and_whole() {
    let read = |event: &Value| Event::read(event.to_string().as_bytes());
    let footprint = serde_json::to_value(convert(DEV[0].0, &parse(DEV[0].1)).unwrap()).unwrap();
    let id = "3a6c14a7-4deb-498a-b5ea-16ce2535b576";
    let all = BTreeMap::from([
        (
            "RequestCreatedEvent",
            json!({ "productId": ["urn:x:1"], "validOn": "2026-01-01T00:00:00Z", "comment": "please" }),
        ),
        (
            "RequestFulfilledEvent",
            json!({ "requestEventId": "r-1", "pfs": [footprint] }),
        ),
        (
            "RequestRejectedEvent",
            json!({ "requestEventId": "r-1", "error": { "code": "NotFound", "message": "none" } }),
        ),
        ("PublishedEvent", json!({ "pfIds": [id] })),
    ]);
    for (kind, data) in &all {
        let sound = event(kind, data.clone());
        assert_eq!(flaws(&schema(kind), &sound), Vec::<String>::new(), "{kind}");
        let told = read(&sound).unwrap();
        assert!(told.criteria().contains(&"event=run/12".to_owned()));
        // Each member that PACT demands is missed.
        for member in ["type", "specversion", "id", "source", "time", "data"] {
            let mut less = sound.clone();
            less.as_object_mut().unwrap().remove(member);
            assert!(!schema(kind).is_valid(&less) && read(&less).is_err(), "{kind} {member}");
        }
        let mut other = sound.clone();
        other["type"] = json!("org.wbcsd.pact.ProductFootprint.PublishedEvent.4");
        assert!(read(&other).is_err());
        other["type"] = sound["type"].clone();
        other["specversion"] = json!("0.3");
        assert!(read(&other).is_err());
    }
    assert_eq!(
        read(&event("PublishedEvent", all["PublishedEvent"].clone()))
            .unwrap()
            .told,
        Told::Published(vec![id.into()])
    );
    for bad in [
        event("PublishedEvent", json!({ "pfIds": ["urn:gtin:4712345060507"] })),
        event("PublishedEvent", json!({ "pfIds": [] })),
        event("RequestFulfilledEvent", json!({ "requestEventId": "r-1", "pfs": [] })),
        event("RequestCreatedEvent", json!({ "productId": "urn:x:1" })),
        event("RequestCreatedEvent", json!({ "validOn": "yesterday" })),
        event("RequestCreatedEvent", json!({ "productId": vec!["urn:x:1"; 101] })),
    ] {
        assert!(read(&bad).is_err(), "{bad}");
    }
    assert!(Event::read(b"{").is_err());
}
