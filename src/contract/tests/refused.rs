//! What is refused, where, and the words of the remedy.

use super::{access, constraint, odrl, usage};
use crate::contract::{ContractError, Terms};

/// The text must be refused at `path` with a message that holds `expected`.
pub(super) fn check(text: &str, path: &str, expected: &str) {
    match Terms::from_odrl(text) {
        Err(ContractError::Refused { path: found, fault }) => {
            let message = fault.to_string();
            assert!(
                found == path && message.contains(expected),
                "expected {path}: …{expected}…\n   found {found}: {message}"
            );
        }
        Err(other) => panic!("{other}"),
        Ok(terms) => panic!("accepted:\n{}\n{text}", terms.cedar_text()),
    }
}

/// The constraint must be refused as third of a usage permission.
fn check_constraint(constraint: &str, part: &str, expected: &str) {
    let path = format!("$.permission[0].constraint[0].and[2]{part}");
    check(&usage(constraint), &path, expected);
}

#[test]
fn values_an_operand_does_not_take() {
    let operand = |operand: &str, operator: &str, values: &[&str]| {
        for value in values {
            let path = ".rightOperand";
            check_constraint(
                &constraint(operand, operator, value),
                path,
                &format!("is no value for `{operand}`"),
            );
        }
    };
    operand(
        "Membership",
        "eq",
        &[r#""Active""#, r#""""#, r#"["active","active"]"#, "[]"],
    );
    let frameworks = [
        r#""Pcf""#,
        r#""Pcf:""#,
        r#"":1.0""#,
        r#""Pcf:1.0:2""#,
        r#""Pcf:1..0""#,
        r#""P cf:1.0""#,
        r#""Pcf:1.0\"""#,
    ];
    operand("FrameworkAgreement", "eq", &frameworks);
    let long = format!("\"{}\"", "x".repeat(257));
    operand("UsagePurpose", "isAnyOf", &["[]", r#""""#, r#"["a",""]"#, &long]);
    let partners = [
        r#""bpnl00000000c3ef""#,
        r#"["BPNL00000000C3EF",""]"#,
        r#""BPNL*""#,
        r#""BPNS00000000C3EF""#,
        "[]",
    ];
    operand("BusinessPartnerNumber", "isAnyOf", &partners);
    operand("BusinessPartnerNumber", "isNoneOf", &partners);
    let dates = [
        r#""2027-06-30""#,
        r#""2027-06-30T23:59:59""#,
        r#""2027-06-30T23:59Z""#,
        r#""2027-06-30T23:59:59.5Z""#,
        r#""2027-06-30 23:59:59Z""#,
        r#""2027-06-30T23:59:60Z""#,
        r#""2027-02-29T00:00:00Z""#,
        r#""2027-06-30T24:00:00Z""#,
        r#""2027-06-30T23:59:59z""#,
        r#""2027-06-30T23:59:59+15:00""#,
        r#""2027-06-30T23:59:59+01:60""#,
        r#""2027-06-30T23:59:59+0100""#,
        r#""2027-06-30T23:59:59Z[Europe/Berlin]""#,
        r#""1969-12-31T23:59:59Z""#,
        r#""1970-01-01T00:00:00+01:00""#,
        r#""9999-12-31T23:59:59Z""#,
        r#""２027-06-30T23:59:59Z""#,
        r#"["2027-06-30T23:59:59Z","2027-06-30T23:59:59Z"]"#,
    ];
    operand("DataUsageEndDate", "eq", &dates);
}

#[test]
fn values_of_another_shape() {
    for (value, at, expected) in [
        ("1", "", "a number where a text belongs"),
        (
            "1.5",
            "",
            "a number that is not whole or too great where a text belongs",
        ),
        (
            r#""[{\"@value\":""#,
            "",
            "a text where the whole JSON of a list belongs",
        ),
        (r#""[{\"@id\":\"active\"}]""#, "[0]", "an object where a text belongs"),
        ("null", "", "null where a text belongs"),
        ("[true]", "[0]", "a boolean where a text belongs"),
        (r#"[["active"]]"#, "[0]", "an array where a text belongs"),
        (r#"{"@id":"active"}"#, "", "an object where a text belongs"),
        (
            r#"{"@value":"active","@language":"en"}"#,
            "",
            "an object where a text belongs",
        ),
        (r#"{"@value":1}"#, "", "an object where a text belongs"),
        (
            r#"{"@value":"active","@type":"xsd:boolean"}"#,
            "['@type']",
            "unknown type `xsd:boolean`",
        ),
    ] {
        for (operand, operator) in [("Membership", "eq"), ("BusinessPartnerNumber", "isNoneOf")] {
            check_constraint(
                &constraint(operand, operator, value),
                &format!(".rightOperand{at}"),
                expected,
            );
        }
    }
}

#[test]
fn operands_and_operators_that_are_not_decided() {
    for (operand, expected) in [
        ("Surprise", "unknown left operand `Surprise`"),
        ("membership", "unknown left operand `membership`"),
        ("odrl:dateTime", "unknown left operand `odrl:dateTime`"),
        ("membership", "did you mean `Membership`?"),
        ("WarrantyDuration", "did you mean `WarrantyDurationMonths`?"),
        ("Surprise", "`docs/policies.md` lists those"),
        (
            "https://w3id.org/tractusx/v0.0.1/ns/Membership",
            "unknown left operand `Membership`; it is not of that vocabulary; write `Membership`",
        ),
        (
            "https://w3id.org/tractusx/v0.0.1/ns/BusinessPartnerNumber",
            "no meaning in a permission of a usage policy; it belongs into a permission of an access policy",
        ),
        (
            "cx-policy:inForceDate",
            "unknown left operand `inForceDate`; it is not of that vocabulary; write `edc:inForceDate`",
        ),
        ("inforcedate", "did you mean `edc:inForceDate`?"),
        ("UsageRestriction", "it belongs into a prohibition of a usage policy"),
        (
            "DataProvisioningEndDate",
            "it belongs into an obligation of a usage policy",
        ),
        (
            "BusinessPartnerGroup",
            "it belongs into a permission of an access policy",
        ),
    ] {
        check_constraint(&constraint(operand, "eq", "\"x\""), ".leftOperand", expected);
    }
    for (operand, operator, expected) in [
        ("inForceDate", "neq", "use `gt` or `gteq` or `lt` or `lteq` or `eq`"),
        ("ContractReference", "eq", "use `isAllOf`"),
        ("DataFrequency", "isAnyOf", "use `eq`"),
        ("AffiliatesBpnl", "isNoneOf", "use `isAnyOf`"),
        ("Membership", "neq", "use `eq`"),
        ("Membership", "isAnyOf", "use `eq`"),
        ("UsagePurpose", "eq", "use `isAnyOf`"),
        ("UsagePurpose", "isAllOf", "use `isAnyOf`"),
        ("BusinessPartnerNumber", "eq", "use `isAnyOf` or `isNoneOf`"),
        ("DataUsageEndDate", "lteq", "use `eq`"),
        ("Membership", "https://example.com/eq", "use `eq`"),
        ("Membership", "EQ", "use `eq`"),
    ] {
        check_constraint(&constraint(operand, operator, "\"active\""), ".operator", expected);
    }
}

#[test]
fn operands_where_they_have_no_meaning() {
    let at = "$.permission[0].constraint[0].leftOperand";
    let purpose = constraint("UsagePurpose", "isAnyOf", r#""cx.pcf.base:1""#);
    check(&access(&purpose), at, "no meaning in a permission of an access policy");
    let end = constraint("DataUsageEndDate", "eq", r#""2027-06-30T23:59:59Z""#);
    check(&access(&end), at, "no meaning in a permission of an access policy");
    let framework = constraint("FrameworkAgreement", "eq", r#""Pcf:1.0""#);
    for inside in [end, framework] {
        let prohibition = format!(r#","prohibition":{{"action":"use","constraint":{inside}}}}}"#);
        let text = format!("{}{prohibition}", usage("").strip_suffix('}').unwrap());
        check(
            &text,
            "$.prohibition.constraint.leftOperand",
            "no meaning in a prohibition of a usage policy",
        );
    }
}

#[test]
fn structure_that_is_not_understood() {
    let active = constraint("Membership", "eq", "\"active\"");
    let first = "$.permission[0].constraint[0]";
    for logical in ["or", "xone", "andSequence", "odrl:or"] {
        let found = logical.trim_start_matches("odrl:");
        let path = match logical {
            "odrl:or" => format!("{first}['odrl:or']"),
            plain => format!("{first}.{plain}"),
        };
        check(
            &access(&format!(r#"{{"{logical}":[{active}]}}"#)),
            &path,
            &format!("`{found}` is not allowed"),
        );
    }
    check(
        &access(r#"{"and":[]}"#),
        "$.permission[0].constraint[0].and",
        "at least one constraint belongs",
    );
    check(
        &access(&format!(r#"{{"and":[{active}],"leftOperand":"Membership"}}"#)),
        first,
        "not both in one",
    );
    check(
        &access(r#"{"operator":"eq","rightOperand":"active"}"#),
        first,
        "`leftOperand` is missing",
    );
    check(
        &access(r#"{"leftOperand":"Membership","rightOperand":"active"}"#),
        first,
        "`operator` is missing",
    );
    check(
        &access(r#"{"leftOperand":"Membership","operator":"eq"}"#),
        first,
        "`rightOperand` is missing",
    );
    check(&access("3"), first, "a number where an object belongs");
    check(
        &access(r#"{"@value":"x"}"#),
        &format!("{first}['@value']"),
        "unknown key `@value`",
    );
    check(
        &access(&active.replace('}', r#","unit":"x"}"#)),
        &format!("{first}.unit"),
        "unknown key `unit`",
    );
    for key in ["duty", "remedy", "consequence"] {
        let text = access(&active).replace(r#""action""#, &format!(r#""{key}":[],"action""#));
        check(&text, &format!("$.permission[0].{key}"), "cannot be enforced");
    }
}

#[test]
fn rules_and_policies_that_are_not_understood() {
    let rule = |action: &str| format!(r#"{{"permission":[{{"action":{action}}}]}}"#);
    let at = "$.permission[0].action";
    check(&rule(r#""steal""#), at, "unknown action `steal`");
    check(&rule(r#""odrl:access""#), at, "unknown action `odrl:access`");
    check(&rule(r#""cx-policy:use""#), at, "unknown action `cx-policy:use`");
    check(&rule(r#"["use","access"]"#), at, "an array where one name belongs");
    check(
        &rule(r#"{"@id":"use","refinement":[]}"#),
        at,
        "an object where a name belongs",
    );
    check(
        r#"{"permission":[{"constraint":[]}]}"#,
        "$.permission[0]",
        "`action` is missing",
    );
    let mixed = r#"{"permission":[{"action":"access"}],"prohibition":[{"action":"use"}]}"#;
    check(mixed, "$.prohibition[0].action", "both `use` and `access`");
    for empty in ["{}", r#"{"permission":[]}"#, r#"{"prohibition":[{"action":"use"}]}"#] {
        check(empty, "$", "there is no permission");
    }
    check(r#"{"permission":null}"#, "$.permission", "null where an object belongs");
    check(r#"[{},{}]"#, "$", "an array where one policy belongs");
    check("3", "$", "a number where an object belongs");
    for wrapper in ["policy", "edc:policy", "https://w3id.org/edc/v0.0.1/ns/policy"] {
        let text = format!(r#"{{"@type":"PolicyDefinition","{wrapper}":{{}}}}"#);
        let path = match wrapper {
            "policy" => "$.policy".to_owned(),
            other => format!("$['{other}']"),
        };
        check(&text, &path, &format!("give the policy under `{wrapper}` alone"));
    }
    check(
        r#"{"http://www.w3.org/ns/odrl/2/@id":"x"}"#,
        "$['http://www.w3.org/ns/odrl/2/@id']",
        "unknown key",
    );
    check(r#"{"@type":"Ticket"}"#, "$['@type']", "unknown type `Ticket`");
    for obligation in [r#"{"action":"use"}"#, r#"{"action":"use","constraint":[]}"#] {
        let text = usage("").replacen('{', &format!(r#"{{"obligation":[{obligation}],"#), 1);
        check(&text, "$.obligation[0]", "an obligation without an end");
    }
    check(
        r#"{"permission":[{"action":"access"}],"obligation":{"action":"access","constraint":
           {"leftOperand":"DataProvisioningEndDurationDays","operator":"eq","rightOperand":2}}}"#,
        "$.obligation.constraint.leftOperand",
        "no meaning in an obligation of an access policy",
    );
    let bare = r#"{"permission":[{"action":"use","constraint":[]}]}"#;
    check(bare, "$.permission[0]", "must name `FrameworkAgreement`");
    let parties = r#"{"target":"a","permission":[{"action":"access","target":"b"}]}"#;
    check(
        parties,
        "$.permission[0].target",
        "differs from the policy's other `target`",
    );
}

#[test]
fn a_key_given_twice_in_any_spelling() {
    check(
        r#"{"permission":[],"permission":[{"action":"access"}]}"#,
        "$.permission",
        "given twice",
    );
    check(
        r#"{"odrl:permission":[],"permission":[{"action":"access"}]}"#,
        "$.permission",
        "given twice",
    );
    check(
        r#"{"permission":[{"action":"use","\u0061ction":"access"}]}"#,
        "$.permission[0].action",
        "given twice",
    );
    let twice = r#"{"leftOperand":"Membership","operator":"eq","rightOperand":"x","rightOperand":"active"}"#;
    check(
        &access(twice),
        "$.permission[0].constraint[0].rightOperand",
        "given twice",
    );
}

#[test]
fn texts_beyond_the_bounds() {
    let spaces = " ".repeat(64 * 1024);
    let too_large = Terms::from_odrl(&format!("{spaces}{}", odrl("dev/pcf-usage.json")));
    assert!(matches!(too_large, Err(ContractError::TooLarge { .. })));
    let mut nested = constraint("Membership", "eq", "\"active\"");
    for _ in 0..40 {
        nested = format!(r#"{{"and":[{nested}]}}"#);
    }
    let error = Terms::from_odrl(&access(&nested)).unwrap_err().to_string();
    assert!(error.contains("nested deeper than 32 levels"), "{error}");
    let deepest = Terms::from_odrl(&"[".repeat(60_000));
    assert!(matches!(deepest, Err(ContractError::NotJson { .. })));
    let many = vec![r#"{"action":"access"}"#; 17].join(",");
    check(
        &format!(r#"{{"permission":[{many}]}}"#),
        "$.permission[16]",
        "more than 16 rules",
    );
    let many = vec![constraint("Membership", "eq", "\"active\""); 33].join(",");
    check(
        &access(&many),
        "$.permission[0].constraint[32].leftOperand",
        "more than 32 constraints",
    );
    let many = vec!["\"BPNL00000000C3EF\""; 257].join(",");
    let many = constraint("BusinessPartnerNumber", "isAnyOf", &format!("[{many}]"));
    check(
        &access(&many),
        "$.permission[0].constraint[0].rightOperand",
        "is no value",
    );
    let marked = Terms::from_odrl("\u{feff}{}").unwrap_err().to_string();
    assert!(marked.contains("byte order mark (U+FEFF)"), "{marked}");
    for not_json in ["", "{", "{}{}", "{'a':1}", "\u{feff}{}", r#""\ud800""#] {
        assert!(
            matches!(Terms::from_odrl(not_json), Err(ContractError::NotJson { .. })),
            "{not_json}"
        );
    }
}
