//! Which decisions are made again, what is told of those that differ, and that a damaged log stops no other.

use serde_json::Value;

use super::{recorded, tampered};
use crate::binary::check;
use crate::harness::{ELBE, ISAR, ODER, WESER};
use crate::reload::closed_bundle;

#[test]
fn only_what_is_asked_for_is_made_again() {
    let data = recorded();
    let path = data.path().to_str().unwrap();
    let count = |more: &[&str]| {
        let output = crate::binary::run(&[&["replay", "--data", path, "--format", "json"], more].concat());
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        report["summary"]["decisions"].as_u64().unwrap()
    };
    assert_eq!(count(&[]), 6);
    assert_eq!((count(&["--tenant", ELBE]), count(&["--tenant", ISAR])), (6, 0));
    assert_eq!((count(&["--partner", WESER]), count(&["--partner", ODER])), (4, 2));
    let id = format!("Partner::\"{WESER}\"");
    assert_eq!((count(&["--principal", &id]), count(&["--principal", WESER])), (4, 4));
    assert_eq!(
        (count(&["--action", "access"]), count(&["--action", "readSecret"])),
        (6, 0)
    );
    assert_eq!(
        (
            count(&["--sample", "1"]),
            count(&["--partner", WESER, "--action", "discover"])
        ),
        (6, 0)
    );
    assert!(count(&["--sample", "0.5"]) <= 6);
    assert_eq!(
        count(&["--sample", "0.5"]),
        count(&["--sample", "0.5"]),
        "the same each time"
    );
    check(&["replay", "--data", path, "--tenant", ISAR], 4);
    for wrong in [
        ["--sample", "0"],
        ["--sample", "2"],
        ["--tenant", "x"],
        ["--partner", "x"],
    ] {
        check(&[&["replay", "--data", path], &wrong[..]].concat(), 3);
    }
}

#[test]
fn what_changed_is_classed_and_counted_and_explained() {
    let data = recorded();
    let path = data.path().to_str().unwrap();
    let closed = closed_bundle();
    let arguments = ["replay", "--data", path, "--against", closed.path().to_str().unwrap()];
    let text = check(&arguments, 2);
    for line in [
        format!("tenant    {ELBE}: 4 allow -> deny, 2 other reasons"),
        format!("partner   {WESER}: 4 allow -> deny"),
        format!("partner   {ODER}: 2 other reasons"),
        "action    access: 4 allow -> deny, 2 other reasons".into(),
        "policy    exchange/closed: 4 allow -> deny, 2 other reasons".into(),
    ] {
        assert!(text.contains(&line), "{line}\n{text}");
    }
    assert!(text.contains("`exchange/closed`: "), "what the policy says: {text}");
    // Those that are alike stand together, and each is told of.
    let alike = [
        "               and 3 like it: 10, 12-13",
        "               and 1 like it: 11",
    ];
    let told: Vec<&str> = text.lines().filter(|line| line.contains(" like it: ")).collect();
    assert_eq!(told, alike, "{text}");
    let listed = text.lines().filter(|line| line.starts_with("Changed ")).count();
    assert_eq!(listed, 2, "{text}");
    let json: Value = serde_json::from_str(&check(&[&arguments[..], &["--format", "json"]].concat(), 2)).unwrap();
    assert_eq!(json["summary"]["changes"]["total"]["allow-to-deny"], 4);
    let first = &json["differing"][0];
    assert_eq!(first["outcome"], "Changed");
    assert_eq!(first["class"], "allow-to-deny");
    assert!(first["why"][0].as_str().unwrap().contains("exchange/closed"));
    assert_eq!(json["summary"]["verified"][0], json["summary"]["verified"][1]);
}

#[test]
fn a_log_that_does_not_verify_is_named_and_the_others_are_made_again() {
    let data = recorded();
    let sql = "UPDATE record SET record = replace(record, '\"deny\"', '\"allow\"') WHERE log = 'BPNL000000000DWF' AND seq = 9";
    let changed = tampered(data.path(), sql);
    let text = check(&["replay", "--data", changed.path().to_str().unwrap()], 2);
    assert!(
        text.contains(
            "NOT VERIFIED, so nothing of it was made again: BPNL000000000DWF, 14 records: record 9 was changed"
        ),
        "{text}"
    );
    assert!(text.contains("0 decisions"), "{text}");
    // Nor is one believed that was robbed of its key, and so of all that is signed.
    let robbed = tampered(data.path(), "DELETE FROM log WHERE log = 'BPNL000000000DWF'");
    let text = check(&["replay", "--data", robbed.path().to_str().unwrap()], 2);
    assert!(text.contains("the log has no key"), "{text}");
}
