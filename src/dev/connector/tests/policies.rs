//! The spelling of the wire means what the text meant, and a policy that came back is compared by its meaning.

use std::path::Path;

use serde_json::{Value, json};

use crate::contract::{Kind, Terms};
use crate::dev::connector::policy::{Agreed, offer, requested, same, wire};

fn texts() -> Vec<(String, String)> {
    let odrl = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/odrl");
    let mut texts = Vec::new();
    for folder in ["cx-25.09", "cx-2405", "dev"] {
        for entry in std::fs::read_dir(odrl.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            texts.extend(whole(&text).into_iter().map(|text| (name.clone(), text)));
        }
    }
    texts
}

/// A sample of one constraint as part of a policy, in each place where it may stand; any other text as it is.
fn whole(text: &str) -> Vec<String> {
    let sample: Value = serde_json::from_str(text).unwrap();
    if sample.get("leftOperand").is_none() {
        return vec![text.to_owned()];
    }
    let policy: Value = serde_json::from_str(include_str!("../../../../fixtures/odrl/dev/pcf-usage.json")).unwrap();
    let mut in_permission = policy.clone();
    let constraints = in_permission.pointer_mut("/permission/0/constraint/0/and").unwrap();
    constraints.as_array_mut().unwrap().push(sample.clone());
    let mut all = vec![in_permission];
    for list in ["prohibition", "obligation"] {
        let mut beside = policy.clone();
        beside[list] = json!([{ "action": "use", "constraint": [{ "and": [sample] }] }]);
        all.push(beside);
    }
    all.iter().map(Value::to_string).collect()
}

#[test]
fn the_wire_changes_the_spelling_of_a_policy_and_not_its_meaning() {
    let mut understood = 0;
    for (name, text) in texts() {
        let Ok(terms) = Terms::from_odrl(&text) else {
            assert!(wire(&text).is_err(), "{name}");
            continue;
        };
        understood += 1;
        let rules = wire(&text).unwrap();
        let agreed = Agreed {
            id: "urn:uuid:1",
            asset: "pcf",
            provider: "BPNL000000000DWF".parse().unwrap(),
            consumer: "BPNL00000000C3EF".parse().unwrap(),
            at: "2026-11-21T09:00:00Z".parse().unwrap(),
        };
        let mut all = vec![offer("o", &rules), requested("o", "pcf", &rules)];
        // An access policy stays with its author; nobody agrees to one.
        all.extend((terms.kind() == Kind::Usage).then(|| agreed.with(&rules)));
        for spelled in all {
            let again = Terms::from_odrl(&spelled.to_string()).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(again.digest(), terms.digest(), "{name}: {spelled:#}");
        }
        // Once in the spelling of the wire, a policy stays as it is.
        assert_eq!(wire(&offer("o", &rules).to_string()).unwrap(), rules, "{name}");
    }
    assert!(understood >= 30, "only {understood} samples are understood");
}

fn usage() -> Value {
    let text = include_str!("../../../../fixtures/odrl/dev/pcf-usage.json");
    offer("o", &wire(text).unwrap())
}

#[test]
fn order_and_spelling_do_not_make_a_policy_another() {
    let offered = usage();
    let mut returned = offered.clone();
    returned["target"] = json!("pcf-ethanol");
    returned["@id"] = json!("another-id");
    let constraints = returned.pointer_mut("/permission/0/constraint/0/and").unwrap();
    constraints.as_array_mut().unwrap().reverse();
    // As EDC sends a list of one.
    let purpose = constraints.as_array_mut().unwrap().first_mut().unwrap();
    purpose["rightOperand"] = json!("cx.pcf.base:1");
    assert_eq!(same(&offered, &returned), Ok(()));
}

#[test]
fn the_constraint_that_differs_is_named() {
    let offered = usage();
    let at = "/permission/0/constraint/0/and";
    let mut lacks = offered.clone();
    lacks.pointer_mut(at).unwrap().as_array_mut().unwrap().remove(1);
    assert_eq!(
        same(&offered, &lacks).unwrap_err(),
        "the policy sent back is not the one offered: it lacks `Membership eq \"active\"`"
    );
    let mut other = offered.clone();
    other.pointer_mut(at).unwrap()[2]["rightOperand"] = json!(["cx.quality.base:1"]);
    assert_eq!(
        same(&offered, &other).unwrap_err(),
        "the policy sent back is not the one offered: it has `UsagePurpose isAnyOf \"cx.quality.base:1\"` for \
         `UsagePurpose isAnyOf \"cx.pcf.base:1\"`"
    );
    let mut unknown = offered.clone();
    unknown.pointer_mut(at).unwrap()[1]["leftOperand"] = json!("Moon");
    let said = same(&offered, &unknown).unwrap_err();
    assert!(
        said.starts_with("the policy sent back is not understood: $.permission[0]"),
        "{said}"
    );
}
