use std::collections::BTreeSet;
use std::sync::LazyLock;

use cedar_policy::{PolicyId, PolicySet, Schema, ValidationMode, ValidationResult, Validator};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::rule::MAX_TEXT;
use super::*;

const EXAMPLES: [&str; 2] = [
    include_str!("../../fixtures/dtr/example-access-rules.json"),
    include_str!("../../fixtures/dtr/example-publicreadable-access-rules.json"),
];

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let text = include_str!("../../schema/tidegate.cedarschema");
    Schema::from_cedarschema_str(text).unwrap().0
});

fn rules(json: &Value) -> AccessRules {
    AccessRules::from_json(&json.to_string()).unwrap_or_else(|error| panic!("{error}: {json}"))
}

/// A rule that is understood, to be changed.
fn sound() -> Value {
    json!({
        "id": 1, "tid": "BPNL000000000DWF", "targetTenant": "BPNL00000000C3EF", "description": "for Weser",
        "validFrom": "2026-01-01T00:00:00Z", "validTo": "2027-01-01T00:00:00+02:00", "policyType": "AAS",
        "policy": {"accessRules": [
            {"attribute": "bpn", "operator": "eq", "value": "BPNL00000000C3EF"},
            {"attribute": "mandatorySpecificAssetIds", "operator": "includes", "values": [
                {"attribute": "manufacturerPartId", "operator": "eq", "value": "401765"}]},
            {"attribute": "visibleSpecificAssetIdNames", "operator": "includes", "values": [
                {"attribute": "name", "operator": "eq", "value": "manufacturerPartId"},
                {"attribute": "name", "operator": "eq", "value": "partInstanceId"}]},
            {"attribute": "visibleSemanticIds", "operator": "includes", "values": [
                {"attribute": "modelUrn", "operator": "eq", "value": "urn:x#Pcf"}]},
        ]}
    })
}

/// As [`check_valid`], and there is nothing one could be warned of.
fn check_clean(rules: &AccessRules) {
    let validated = check_valid(rules);
    assert!(
        validated.validation_passed_without_warnings(),
        "{validated}\n{}",
        rules.cedar_text()
    );
}

/// Every policy is valid in strict mode and to the level the platform's own are held to, and carries the annotations every policy does.
fn check_valid(rules: &AccessRules) -> ValidationResult {
    let mut all = PolicySet::new();
    for policy in Lookup::ALL.iter().flat_map(|lookup| rules.policies(*lookup).policies()) {
        for name in ["id", "path", "why", "control"] {
            assert!(
                policy.annotation(name).is_some_and(|text| !text.is_empty()),
                "@{name} of {policy}"
            );
        }
        assert_eq!(policy.annotation("id").unwrap(), policy.id().to_string());
        all.add(policy.new_id(PolicyId::new(policy.id()))).unwrap();
    }
    let validated = Validator::new(SCHEMA.clone()).validate_with_level(&all, ValidationMode::Strict, 2);
    assert!(validated.validation_passed(), "{validated}\n{}", rules.cedar_text());
    let shown: PolicySet = rules.cedar_text().parse().unwrap();
    assert_eq!(shown.policies().count(), all.policies().count());
    validated
}

#[test]
fn the_official_examples_compile() {
    let [named, public] = EXAMPLES.map(|text| AccessRules::from_json(text).unwrap());
    assert_eq!((named.count(), public.count()), (5, 2));
    for rules in [&named, &public] {
        check_clean(rules);
        assert_eq!(rules.policies(Lookup::Submodel).policies().count(), rules.count());
        assert_eq!(rules.explained().len(), rules.count());
    }
    // What the rule for everybody lists and must not show is said, and is in no condition.
    let text = public.cedar_text();
    assert!(
        text.contains("@recorded(\"listed, but not to be shown to everybody: customerPartId, partInstanceId\")"),
        "{text}"
    );
    assert!(!text.contains("[\"partInstanceId\"]"), "{text}");
    let owner = "BPNL00000000000B".parse().unwrap();
    assert_eq!(named.check_owner(owner), Ok(()));
    let refused = named
        .check_owner("BPNL00000000000A".parse().unwrap())
        .unwrap_err()
        .to_string();
    assert!(
        refused.starts_with("at `/0/tid`: `tid` is BPNL00000000000B"),
        "{refused}"
    );
}

#[test]
fn what_a_registry_answers_with_is_taken_as_it_is() {
    let listed = rules(&json!({"items": [sound()]}));
    assert_eq!(listed, rules(&json!([sound()])));
    assert_eq!(listed.explained()[0].0.pointer, "/items/0");
}

#[test]
fn meaning_names_the_rules_and_spelling_does_not() {
    let (a, mut b) = (sound(), sound());
    b["id"] = json!(7);
    b["description"] = json!("otherwise");
    b["validTo"] = json!("2026-12-31T22:00:00.000Z");
    b["policy"]["accessRules"].as_array_mut().unwrap().reverse();
    b.as_object_mut().unwrap().remove("tid");
    b.as_object_mut().unwrap().remove("targetTenant");
    let mut other = sound();
    other["id"] = json!(2);
    other["policy"]["accessRules"][3]["values"][0]["value"] = json!("urn:y#Pcf");
    let one = rules(&json!([a, other]));
    let same = rules(
        &json!([other, b, {"policyType": "AAS", "policy": a["policy"], "validFrom": a["validFrom"], "validTo": a["validTo"]}]),
    );
    assert_eq!(one.digest(), same.digest());
    assert_eq!(same.count(), 2);
    // Of what stands there twice each is told which rule it is.
    let numbers: BTreeSet<usize> = same.explained().iter().map(|(origin, _)| origin.rule).collect();
    assert_eq!((numbers.len(), same.explained().len()), (2, 3));
    assert_ne!(one.digest(), rules(&json!([sound()])).digest());
}

#[test]
fn no_rules_at_all_permit_nothing_and_are_not_the_same_as_none() {
    let none = rules(&json!([]));
    assert_eq!(none.count(), 0);
    assert!(Lookup::ALL.iter().all(|lookup| none.policies(*lookup).is_empty()));
    assert!(none.cedar_text().contains("nobody may find anything"));
}

/// A change to a sound rule, and how the refusal begins.
type Spoiled = (fn(&mut Value), &'static str);

#[test]
fn what_is_not_understood_is_refused_with_its_place() {
    fn part(rule: &mut Value, index: usize) -> &mut Value {
        &mut rule["policy"]["accessRules"][index]
    }
    let spoiled: &[Spoiled] = &[
        (
            |rule| rule["policyTyp"] = json!("AAS"),
            "at `/0`: unknown member `policyTyp`",
        ),
        (
            |rule| rule["policyType"] = json!("ABAC"),
            "at `/0/policyType`: `ABAC` is not understood; expected `AAS`",
        ),
        (
            |rule| drop(rule.as_object_mut().unwrap().remove("policyType")),
            "at `/0`: the member `policyType` is missing",
        ),
        (
            |rule| rule["validTo"] = json!(null),
            "at `/0/validTo`: null has no meaning here",
        ),
        (
            |rule| rule["validTo"] = json!("2027-01-01"),
            "at `/0/validTo`: expected an instant",
        ),
        (
            |rule| rule["validTo"] = json!("2027-01-01T00:00:00.0001Z"),
            "at `/0/validTo`: instants have milliseconds",
        ),
        (
            |rule| rule["validTo"] = json!("2027-01-01T00:00:00+01:00[Europe/Berlin]"),
            "at `/0/validTo`: expected an instant",
        ),
        (
            |rule| rule["validTo"] = rule["validFrom"].clone(),
            "at `/0/validTo`: `validTo` is not after `validFrom`",
        ),
        (
            |rule| rule["validFrom"] = json!("-000001-01-01T00:00:00Z"),
            "at `/0/validFrom`: it is before the year 0",
        ),
        (
            |rule| rule["targetTenant"] = json!("PUBLIC_READABLE"),
            "at `/0/targetTenant`: `PUBLIC_READABLE` is not understood; expected `BPNL00000000C3EF`",
        ),
        (
            |rule| rule["tid"] = json!("00000000-1111-2222-3333-444444444444"),
            "at `/0/tid`: `00000000-1111-2222-3333-444444444444` is not a BPNL",
        ),
        (|rule| rule["id"] = json!(0), "at `/0/id`: expected a whole number"),
        (
            |rule| rule["description"] = json!("x".repeat(257)),
            "at `/0/description`: it is longer than 256",
        ),
        (
            |rule| rule["policy"]["more"] = json!(1),
            "at `/0/policy`: unknown member `more`",
        ),
        (|rule| rule["policy"] = json!([]), "at `/0/policy`: expected an object"),
        (
            |rule| part(rule, 0)["attribute"] = json!("did"),
            "at `/0/policy/accessRules/0/attribute`: unknown attribute `did`",
        ),
        (
            |rule| part(rule, 0)["operator"] = json!("includes"),
            "at `/0/policy/accessRules/0/operator`: `includes` is not understood; expected `eq`",
        ),
        (
            |rule| part(rule, 0)["value"] = json!("*"),
            "at `/0/policy/accessRules/0/value`: `*` is not a BPNL",
        ),
        (
            |rule| part(rule, 0)["value"] = json!("bpnl00000000c3ef"),
            "at `/0/policy/accessRules/0/value`: `bpnl00000000c3ef` is not a BPNL",
        ),
        (
            |rule| part(rule, 0)["values"] = json!([]),
            "at `/0/policy/accessRules/0/values`: `bpn` takes one `value`",
        ),
        (
            |rule| part(rule, 1)["value"] = json!("x"),
            "at `/0/policy/accessRules/1/value`: `includes` takes a list",
        ),
        (
            |rule| part(rule, 1)["operator"] = json!("eq"),
            "at `/0/policy/accessRules/1/operator`: `eq` is not understood",
        ),
        (
            |rule| part(rule, 1)["values"] = json!([]),
            "at `/0/policy/accessRules/1/values`: expected at least one value",
        ),
        (
            |rule| part(rule, 1)["values"][0]["operator"] = json!("startsWith"),
            "at `/0/policy/accessRules/1/values/0/operator`: `startsWith` is not understood",
        ),
        (
            |rule| part(rule, 1)["values"][0]["value"] = json!(401765),
            "at `/0/policy/accessRules/1/values/0/value`: expected a text",
        ),
        (
            |rule| part(rule, 1)["values"][0]["value"] = json!(" "),
            "at `/0/policy/accessRules/1/values/0/value`: it is empty",
        ),
        (
            |rule| part(rule, 1)["values"][0]["value"] = json!("x".repeat(2_001)),
            "at `/0/policy/accessRules/1/values/0/value`: it is longer",
        ),
        (
            |rule| part(rule, 1)["values"][0]["values"] = json!([]),
            "at `/0/policy/accessRules/1/values/0`: unknown member `values`",
        ),
        (
            |rule| part(rule, 2)["values"][1]["attribute"] = json!("value"),
            "at `/0/policy/accessRules/2/values/1/attribute`: `value` is not understood; expected `name`",
        ),
        (
            |rule| part(rule, 3)["values"][0]["attribute"] = json!("name"),
            "at `/0/policy/accessRules/3/values/0/attribute`: `name` is not understood; expected `modelUrn`",
        ),
        (
            |rule| *part(rule, 3) = rule["policy"]["accessRules"][0].clone(),
            "at `/0/policy/accessRules/3/attribute`: it stands twice",
        ),
        (
            |rule| drop(rule["policy"]["accessRules"].as_array_mut().unwrap().pop()),
            "at `/0/policy/accessRules`: there is no entry with the attribute `visibleSemanticIds`",
        ),
    ];
    for (spoil, expected) in spoiled {
        let mut rule = sound();
        spoil(&mut rule);
        let error = AccessRules::from_json(&json!([rule]).to_string())
            .expect_err(expected)
            .to_string();
        assert!(error.starts_with(expected), "{error}\nis not: {expected}");
    }
    let (mut twice, mut foreign) = (sound(), sound());
    twice["description"] = json!("again");
    foreign["id"] = json!(2);
    foreign["tid"] = json!("BPNL00000000B2CD");
    for (text, expected) in [
        (
            json!([sound(), twice]).to_string(),
            "at `/1/id`: another rule has the id 1",
        ),
        (
            json!([sound(), foreign]).to_string(),
            "at `/1/tid`: the rules of BPNL000000000DWF stand here too",
        ),
        (
            json!({"items": [], "more": 1}).to_string(),
            "at `/`: unknown member `more`",
        ),
        (json!("x").to_string(), "at `/`: expected an array"),
        (json!(vec![0; 257]).to_string(), "at `/`: more than 256 entries"),
        (
            r#"[{"policyType":"AAS","policyType":"AAS"}]"#.to_owned(),
            "the access rules are not JSON: the member `policyType` stands twice",
        ),
        ("[".to_owned(), "the access rules are not JSON: "),
        (" ".repeat(MAX_TEXT + 1), "the access rules have 65537 bytes"),
    ] {
        let error = AccessRules::from_json(&text).expect_err(expected).to_string();
        assert!(error.starts_with(expected), "{error}\nis not: {expected}");
    }
}

#[test]
fn what_a_normal_form_cannot_be_is_not_read_back() {
    let canonical = rules(&json!([sound()])).canonical().to_vec();
    let canonical = String::from_utf8(canonical).unwrap();
    assert!(AccessRules::is_normal_form(canonical.as_bytes()));
    assert!(AccessRules::from_normal_form(canonical.as_bytes()).is_ok());
    for (part, other) in [
        ("tidegate.rules/1", "tidegate.rules/2"),
        ("\"name\":", "\"nam\":"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000Z"),
        ("2026-01-01T00:00:00Z", "2028-01-01T00:00:00Z"),
        ("BPNL00000000C3EF", "BPNL*"),
        ("[\"urn:x#Pcf\"]", "[]"),
        (
            "[\"manufacturerPartId\",\"partInstanceId\"]",
            "[\"partInstanceId\",\"manufacturerPartId\"]",
        ),
        (",\"form\"", " ,\"form\""),
    ] {
        let changed = canonical.replace(part, other);
        assert_ne!(changed, canonical, "{part}");
        assert!(AccessRules::from_normal_form(changed.as_bytes()).is_err(), "{changed}");
    }
}

/// Texts that would end a literal, a comment or an annotation if they were not quoted.
fn hostile() -> impl Strategy<Value = String> {
    let parts = vec![
        "\"",
        "\\",
        "\n",
        "*/",
        "//",
        "}",
        "])",
        "'",
        "\u{202e}",
        "ä",
        "a",
        ";",
        "@id(\"x\")",
        "\u{0}",
    ];
    prop::collection::vec(proptest::sample::select(parts), 1..6).prop_map(|parts| format!("x{}", parts.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_stands_in_a_rule_its_policies_are_valid_and_it_reads_back(
        names in prop::collection::btree_set(hostile(), 1..3),
        value in hostile(),
        semantic in hostile(),
        description in hostile(),
    ) {
        let mut rule = sound();
        rule["description"] = json!(description);
        let parts = &mut rule["policy"]["accessRules"];
        parts[1]["values"][0] = json!({"attribute": names.first(), "operator": "eq", "value": value});
        let names: Vec<_> = names.iter().map(|name| json!({"attribute": "name", "operator": "eq", "value": name})).collect();
        parts[2]["values"] = Value::Array(names);
        parts[3]["values"][0]["value"] = json!(semantic);
        let rules = rules(&json!([rule]));
        check_valid(&rules);
        prop_assert_eq!(rules.policies(Lookup::Twin).policies().count(), 1);
        let again = AccessRules::from_normal_form(rules.canonical()).unwrap();
        prop_assert_eq!(again.digest(), rules.digest());
        prop_assert_eq!(again.cedar_text(), rules.cedar_text());
    }
}
