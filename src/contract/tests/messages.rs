//! Words of the remedy, and which version of the profile and whose words a text is in.

use super::refused::check;
use super::{access, constraint, usage};
use crate::contract::Terms;

/// What is said of a number that is none says what a number is.
#[test]
fn a_number_that_is_not_whole() {
    for value in [
        "365.0",
        "1e3",
        r#"{"@value":365.5}"#,
        r#"[{"@value":1.0,"@type":"xsd:integer"}]"#,
    ] {
        let text = usage(&constraint("DataUsageEndDurationDays", "eq", value));
        let error = Terms::from_odrl(&text).unwrap_err().to_string();
        assert!(
            error.contains(
                "a number that is not whole or too great where a whole number in digits, such as `365`, belongs"
            ),
            "{value}: {error}"
        );
    }
}

/// Messages are for people: only what cannot be seen is escaped, and what stands around a name.
#[test]
fn what_is_quoted_stands_as_it_was_written() {
    let found = |value: &str| {
        let text = usage(&constraint(
            "Membership",
            "eq",
            &serde_json::Value::from(value).to_string(),
        ));
        Terms::from_odrl(&text).unwrap_err().to_string()
    };
    for (value, shown) in [
        ("L'Aquila", "`L'Aquila`"),
        ("Ko\u{308}ln \"x\"", "`Ko\u{308}ln \"x\"`"),
        ("a`b\\", "`a\\`b\\\\`"),
        ("a\u{202e}b\u{200b}\n\u{0}", "`a\\u{202e}b\\u{200b}\\n\\u{0}`"),
    ] {
        assert!(
            found(value).contains(&format!("{shown} is no value")),
            "{}",
            found(value)
        );
    }
    let text = r#"{"permission":[{"action":"access","it's":1}]}"#;
    check(text, r"$.permission[0]['it\'s']", "unknown key `it's`");
}

#[test]
fn two_versions_of_the_profile_in_one_text() {
    let old = r#""https://w3id.org/catenax/policy/Membership""#;
    let new = r#""https://w3id.org/catenax/2025/9/policy/BusinessPartnerNumber""#;
    let constraint =
        |left: &str, right: &str| format!(r#"{{"leftOperand":{left},"operator":"eq","rightOperand":{right}}}"#);
    let both = format!("{},{}", constraint(old, "\"active\""), constraint(new, "\"x\""));
    let at = "$.permission[0].constraint[0].and[3].leftOperand";
    check(
        &usage(&both),
        at,
        "another version of the Catena-X policy profile than $.permission[0].constraint[0].and[2]",
    );
    let current =
        r#"{"@context":"https://w3id.org/catenax/2025/9/policy/context.jsonld","profile":"cx-policy:profile2405"}"#;
    check(current, "$.profile", "another version");
    let prefix = r#"{"@context":{"cx-policy":"https://w3id.org/catenax/policy/"},"permission":[{"action":"access"}]}"#;
    check(prefix, "$.permission[0].action", "another version");
    let old_has_none = r#"{"@context":{"cx-policy":"https://w3id.org/catenax/policy/"},"permission":[{"action":"use",
        "constraint":{"leftOperand":"cx-policy:BusinessPartnerNumber","operator":"isAnyOf","rightOperand":"BPNL00000000C3EF"}}]}"#;
    check(
        old_has_none,
        "$.permission[0].constraint.leftOperand",
        "the profile of 2405 has `ContractReference` or `FrameworkAgreement` or `Membership` or `UsagePurpose` or `inForceDate`",
    );
    check(
        r#"{"profile":"https://test.com/profile"}"#,
        "$.profile",
        "unknown policy profile `https://test.com/profile`",
    );
}

/// A context may give every word another meaning; only those whose meaning is known are read.
#[test]
fn contexts_of_the_senders_own() {
    for (context, path) in [
        (r#""https://example.com/context.jsonld""#, "$['@context']"),
        (r#"{"Membership":"cx-policy:UsagePurpose"}"#, "$['@context'].Membership"),
        (
            r#"{"odrl":"https://w3id.org/catenax/2025/9/policy/"}"#,
            "$['@context'].odrl",
        ),
        (
            r#"[{"@vocab":"https://w3id.org/catenax/2025/9/policy/"}]"#,
            "$['@context'][0]['@vocab']",
        ),
        (r#"{"cx-policy":"https://example.com/"}"#, "$['@context']['cx-policy']"),
    ] {
        check(&format!(r#"{{"@context":{context}}}"#), path, "unknown JSON-LD context");
    }
    check(
        &access(r#"{"@context":{}}"#),
        "$.permission[0].constraint[0]['@context']",
        "unknown key `@context`",
    );
}
