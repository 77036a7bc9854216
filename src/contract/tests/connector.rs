//! What the Eclipse Dataspace Connector makes of a text on its way into an agreement (seen of 0.15.1 and 0.18.0): the terms stay
//! the terms.

use super::{constraint, odrl, terms, usage};
use crate::contract::{Profile, Terms};

/// `GET /v3/contractagreements/{id}`, its `policy` with the `@context` of the whole.
const V3: &str = r#"{"@id":"b69812f0-21a9-4e9b-b1f0-422814484de1","@type":"odrl:Agreement",
  "odrl:permission":{"odrl:action":{"@id":"odrl:use"},"odrl:constraint":{"odrl:and":[
    {"odrl:leftOperand":{"@id":"https://w3id.org/catenax/2025/9/policy/FrameworkAgreement"},"odrl:operator":{"@id":"odrl:eq"},"odrl:rightOperand":"DataExchangeGovernance:1.0"},
    {"odrl:leftOperand":{"@id":"https://w3id.org/catenax/2025/9/policy/Membership"},"odrl:operator":{"@id":"odrl:eq"},"odrl:rightOperand":"active"},
    {"odrl:leftOperand":{"@id":"https://w3id.org/catenax/2025/9/policy/UsagePurpose"},"odrl:operator":{"@id":"odrl:isAnyOf"},"odrl:rightOperand":"cx.pcf.base:1"}]}},
  "odrl:prohibition":[],"odrl:obligation":[],"odrl:assignee":"BPNL00000000C3EF","odrl:assigner":"BPNL000000000DWF","odrl:target":{"@id":"pcf-asset"},
  "@context":{"@vocab":"https://w3id.org/edc/v0.0.1/ns/","edc":"https://w3id.org/edc/v0.0.1/ns/","odrl":"http://www.w3.org/ns/odrl/2/"}}"#;

/// The same of `/v4beta` and `/v4`.
const V4: &str = r#"{"@id":"7927b2a8-18a4-4d2a-a0e1-9ff1c3b0b8a1","@type":"Agreement","permission":[{"action":"use","constraint":[{"and":[
    {"leftOperand":"https://w3id.org/catenax/2025/9/policy/FrameworkAgreement","operator":"eq","rightOperand":"DataExchangeGovernance:1.0"},
    {"leftOperand":"https://w3id.org/catenax/2025/9/policy/Membership","operator":"eq","rightOperand":"active"},
    {"leftOperand":"https://w3id.org/catenax/2025/9/policy/UsagePurpose","operator":"isAnyOf","rightOperand":"cx.pcf.base:1"}]}]}],
  "assignee":"BPNL00000000C3EF","assigner":"BPNL000000000DWF","target":"pcf-asset","@context":["https://w3id.org/edc/connector/management/v2"]}"#;

#[test]
fn both_forms_of_the_management_api_are_the_terms_that_were_published() {
    let published = terms(&odrl("dev/pcf-usage.json"));
    assert_eq!(terms(V3), published);
    assert_eq!(terms(V4), published);
}

/// The policy's `@id` is another at each reading, and the parties are the agreement's.
#[test]
fn what_changes_from_one_reading_to_the_next_names_nothing() {
    let again = V3.replace("b69812f0-21a9-4e9b-b1f0-422814484de1", "another");
    assert_eq!(terms(&again).digest(), terms(V3).digest());
}

/// A list of more than one value becomes one text that holds JSON.
#[test]
fn a_list_written_into_a_text_is_the_list() {
    let list = usage("").replace(r#"["cx.pcf.base:1"]"#, r#"["cx.pcf.base:1","cx.core.industrycore:1"]"#);
    let text = usage("").replace(
        r#"["cx.pcf.base:1"]"#,
        r#""[{\"@value\":\"cx.pcf.base:1\"},{\"@value\":\"cx.core.industrycore:1\"}]""#,
    );
    assert_eq!(terms(&text), terms(&list));
    // What begins like such a list and is none is nobody's purpose.
    for broken in [
        r#""[{\"@value\":\"cx.pcf.base:1\"}""#,
        r#""[{\"@value\":\"cx.pcf.base:1\"},[\"b\"]]""#,
        r#""[{\"@value\":\"a\",\"@value\":\"b\"}]""#,
        r#""[{\"@id\":\"cx.pcf.base:1\"}]""#,
    ] {
        let error = Terms::from_odrl(&usage("").replace(r#"["cx.pcf.base:1"]"#, broken)).unwrap_err();
        assert!(error.to_string().contains(".rightOperand"), "{broken}: {error}");
    }
    // And none is read twice over.
    let nested = r#"["[{\"@value\":\"cx.pcf.base:1\"}]"]"#;
    let error = Terms::from_odrl(&usage("").replace(r#"["cx.pcf.base:1"]"#, nested)).unwrap_err();
    assert!(error.to_string().contains("it begins as JSON does"), "{error}");
}

/// Names that came without a vocabulary are put into the connector's own, numbers become digits, one constraint loses its list.
#[test]
fn names_numbers_and_lists_of_one_come_back_otherwise() {
    let days = constraint("DataUsageEndDurationDays", "eq", "30");
    let came = usage(&constraint("edc:DataUsageEndDurationDays", "eq", r#""30""#));
    let came = came.replace("\"UsagePurpose\"", "\"https://w3id.org/edc/v0.0.1/ns/UsagePurpose\"");
    assert_eq!(terms(&came), terms(&usage(&days)));
    let bare = r#"{"odrl:permission":{"odrl:action":{"odrl:type":"http://www.w3.org/ns/odrl/2/use"},"odrl:constraint":{"odrl:and":
        {"odrl:leftOperand":{"@id":"https://w3id.org/catenax/policy/UsagePurpose"},"odrl:operator":{"@id":"odrl:eq"},
         "odrl:rightOperand":"cx.pcf.base:1"}}}}"#;
    let old = terms(bare);
    assert_eq!(old.profile(), Profile::Cx2405);
    assert_eq!(
        old.purposes().unwrap().into_iter().collect::<Vec<_>>(),
        ["cx.pcf.base:1"]
    );
}

/// The connector's own operand, in its own vocabulary and in none; never in that of Catena-X.
#[test]
fn the_connectors_own_operand_has_its_own_vocabulary() {
    let with = |name: &str| usage(&constraint(name, "lteq", r#""contractAgreement+30d""#));
    let digests = [
        "inForceDate",
        "edc:inForceDate",
        "https://w3id.org/edc/v0.0.1/ns/inForceDate",
    ]
    .map(|name| terms(&with(name)).digest());
    assert_eq!(digests[0], digests[1]);
    assert_eq!(digests[0], digests[2]);
    let hours = with("inForceDate").replace("30d", "720h");
    assert_eq!(terms(&hours).digest(), digests[0]);
    for wrong in [
        "contractAgreement+30",
        "contractAgreement+30w",
        "contractAgreement 30d",
        "contractAgreement-30d",
        "agreement+30d",
        "contractAgreement++30d",
        "contractAgreement+1000000000s",
        "2027-06-30",
        "2027-06-30T00:00:00.0000Z",
    ] {
        let text = with("inForceDate").replace("contractAgreement+30d", wrong);
        let error = Terms::from_odrl(&text).unwrap_err().to_string();
        assert!(error.contains("is no value for `inForceDate`"), "{wrong}: {error}");
    }
}

/// Both operands older connectors had in a vocabulary of their own, with each operator they took.
#[test]
fn the_operands_of_older_connectors_are_those_of_the_profile() {
    let with = |name: &str, operator: &str, value: &str| terms(&super::access(&constraint(name, operator, value)));
    let one = r#""BPNL00000000C3EF""#;
    let new = with("BusinessPartnerNumber", "isAnyOf", one);
    for operator in ["eq", "isAnyOf", "in", "isPartOf", "odrl:isPartOf"] {
        assert_eq!(with("tx:BusinessPartnerNumber", operator, one), new, "{operator}");
    }
    assert_eq!(
        with(
            "https://w3id.org/tractusx/v0.0.1/ns/BusinessPartnerGroup",
            "isNoneOf",
            r#"["a","b"]"#
        ),
        with("BusinessPartnerGroup", "isNoneOf", r#"["b","a"]"#)
    );
    for (operator, value) in [
        ("eq", r#"["BPNL00000000C3EF","BPNL00000003CRHK"]"#),
        ("neq", one),
        ("isAllOf", one),
    ] {
        let text = super::access(&constraint("tx:BusinessPartnerNumber", operator, value));
        assert!(Terms::from_odrl(&text).is_err(), "{operator}");
    }
    // What is new takes the operators of the profile only.
    assert!(Terms::from_odrl(&super::access(&constraint("BusinessPartnerNumber", "in", one))).is_err());
}
