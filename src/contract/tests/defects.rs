//! Defects of the reference engine that this compiler must not have, one test for each. The reference engine drops what it has no
//! function for, evaluates placeholders as true, and does not evaluate anything when data is pulled.

use super::accepted::policy;
use super::meaning::{ask, verdict};
use super::oracle::{Ask, Verdict};
use super::{access, constraint, odrl, terms, usage};
use crate::contract::{Class, Kind, Moment, Profile, Role, Terms};

const PLACES_OF_USE: [Moment; 3] = [Moment::Negotiate, Moment::Transfer, Moment::Access];

/// Defect 1: Placeholders are true and prohibitions invert, so every prohibition on `UsageRestriction`, `AffiliatesBpnl` or
/// `AffiliatesRegion` fails the negotiation and the transfer of whoever asks.
#[test]
fn placeholder_prohibitions_fail_everyone() {
    for prohibition in [
        constraint("UsageRestriction", "isAllOf", r#"["cx.thirdParty.forbidden:1"]"#),
        constraint("AffiliatesBpnl", "isAnyOf", r#"["BPNL00000003CRHK"]"#),
        constraint("AffiliatesRegion", "isAnyOf", r#"["cx.region.all:1"]"#),
    ] {
        let terms = terms(&policy("usage.prohibition", &prohibition));
        for moment in PLACES_OF_USE {
            assert_eq!(
                verdict(&terms, &ask(moment)),
                Verdict::Permit,
                "{prohibition} at {moment}"
            );
        }
    }
}

/// Defect 2: `DataUsageEndDefinition` is bound for the monitor without a function there, so the monitor ends a transfer whose data may
/// be used without an end.
#[test]
fn unlimited_use_ends_the_transfer() {
    let unlimited = constraint("DataUsageEndDefinition", "eq", r#""cx.dataUsageEnd.unlimited:1""#);
    let provided = constraint("DataProvisioningEndDurationDays", "eq", "3650");
    let text = policy("usage.obligation", &provided).replace(
        r#""operator":"isAnyOf","rightOperand":["cx.pcf.base:1"]}"#,
        &format!(r#""operator":"isAnyOf","rightOperand":["cx.pcf.base:1"]}},{unlimited}"#),
    );
    let terms = terms(&text);
    let nine_years = 9 * 365 * super::oracle::DAY;
    for moment in [Moment::Transfer, Moment::Access] {
        let late = ask(moment);
        let late = Ask {
            now: late.now + nine_years,
            ..late
        };
        assert_eq!(verdict(&terms, &late), Verdict::Permit, "{moment}");
    }
}

/// Defect 3: `isNoneOf` on partners and groups fails open when the list comes in a shape that is not expected: plain texts of the one,
/// JSON-LD values of the other, and one text that holds JSON of both.
#[test]
fn none_of_fails_open_in_an_unexpected_shape() {
    for (operand, value) in [
        ("BusinessPartnerNumber", "BPNL00000000C3EF"),
        ("BusinessPartnerGroup", "gold"),
    ] {
        for list in [
            format!(r#"["{value}"]"#),
            format!(r#""{value}""#),
            format!(r#"[{{"@value":"{value}"}}]"#),
            format!(r#"{{"@value":"{value}"}}"#),
            format!(r#"{{"@list":[{{"@value":"{value}"}}]}}"#),
            format!(r#"[{{"@list":["{value}"]}}]"#),
            format!(r#""[{{\"@value\":\"{value}\"}}]""#),
            format!(r#""[{{\"@value\":\"{value}\"}},{{\"@value\":\"{value}\"}}]""#),
            format!(r#""[\"{value}\"]""#),
            format!(r#"" [ {{\"@value\":\"{value}\"}} ,\n \"{value}\" ] ""#),
        ] {
            let terms = terms(&access(&constraint(operand, "isNoneOf", &list)));
            let listed = Ask {
                groups: Some(vec!["gold".to_owned()]),
                ..ask(Moment::Discover)
            };
            assert_eq!(verdict(&terms, &listed), Verdict::Silent, "{operand} {list}");
            let other = Ask {
                partner: "BPNL00000003CRHK".to_owned(),
                groups: Some(vec!["silver".to_owned()]),
                ..listed
            };
            assert_eq!(verdict(&terms, &other), Verdict::Permit, "{operand} {list}");
            // Nor does not knowing the groups put a partner into none of them.
            let unknown = Ask { groups: None, ..other };
            let expected = if operand == "BusinessPartnerGroup" {
                Verdict::Silent
            } else {
                Verdict::Permit
            };
            assert_eq!(verdict(&terms, &unknown), expected, "{operand} {list}");
        }
    }
}

/// And in a shape that is one list for one reader and one name for another, it would exclude nobody: such a text is refused.
#[test]
fn none_of_fails_open_where_a_list_is_taken_for_one_name() {
    for (value, why) in [
        (r#""gold,silver""#, "there is a comma in it"),
        (r#"["gold,silver"]"#, "there is a comma in it"),
        (r#"" gold""#, "there is white space around it"),
        (r#"["gold\u00a0"]"#, "there is white space around it"),
        (r#"["gold\u200b"]"#, "a character in it that nobody sees"),
        (r#""{\"@value\":\"gold\"}""#, "it begins as JSON does"),
        (r#"["[\"gold\"]"]"#, "it begins as JSON does"),
        (r#"{"@value":"[\"gold\",\"silver\"]"}"#, "it begins as JSON does"),
        (r#"" [\"gold\"""#, "the whole JSON of a list belongs"),
        (r#""[]""#, "`[]` is no value"),
        (
            "[]",
            "`[]` is no value for `BusinessPartnerGroup`; give 1 to 256 of: texts of 1 to 256 bytes, such as `gold-suppliers`",
        ),
    ] {
        for operator in ["isNoneOf", "isAnyOf"] {
            let text = access(&constraint("BusinessPartnerGroup", operator, value));
            let error = Terms::from_odrl(&text).unwrap_err().to_string();
            assert!(
                error.contains(".rightOperand") && error.contains(why),
                "{value}: {error}"
            );
        }
    }
    // The same of what a contract names; only groups are parted at commas.
    let contract = |value: &str| Terms::from_odrl(&usage(&constraint("ContractReference", "isAllOf", value)));
    assert!(contract(r#"" A-1""#).is_err());
    assert!(contract(r#"["{A-1}"]"#).is_err());
    assert_eq!(
        contract(r#""[\"a\",\"b\"]""#).unwrap(),
        contract(r#"["b","a"]"#).unwrap()
    );
    assert!(contract(r#"["A-1, B-2 of 2024"]"#).is_ok());
}

/// Terms that are on record keep the meaning they were recorded with, though a new text may not say so.
#[test]
fn what_is_refused_of_a_new_text_reads_back_from_the_record() {
    let names = usage(&constraint("ContractReference", "isAllOf", r#""A-1""#));
    for (text, from, to) in [
        (&names, "A-1", " A-1"),
        (&names, "DataExchangeGovernance:1.0", "Nonsense:1"),
        (
            &access(&constraint("BusinessPartnerGroup", "isAnyOf", r#""gold""#)),
            "gold",
            "gold,silver",
        ),
    ] {
        let form = String::from_utf8(terms(text).canonical().to_vec())
            .unwrap()
            .replace(from, to);
        let read = Terms::from_normal_form(form.as_bytes()).unwrap_or_else(|error| panic!("{to}: {error}"));
        assert_eq!(&**read.canonical(), form.as_bytes());
        assert!(Terms::from_odrl(&text.replace(from, to)).is_err(), "{to}");
    }
}

/// Defect 4: `UsagePurpose` and `ContractReference` are bound for the catalog without a function there, so a usage policy that serves as
/// access policy too hides the offer without a word. Here the two are different texts, and the one that does not fit is named.
#[test]
fn a_usage_policy_as_access_policy_hides_the_offer_in_silence() {
    for operand in [
        constraint("UsagePurpose", "isAnyOf", r#""cx.pcf.base:1""#),
        constraint("ContractReference", "isAllOf", r#""AGB9832""#),
    ] {
        let error = Terms::from_odrl(&access(&operand)).unwrap_err().to_string();
        assert!(
            error.contains("has no meaning in a permission of an access policy"),
            "{error}"
        );
    }
    // And terms of use say nothing about who sees an offer, so they cannot stand in for terms of access unnoticed.
    assert_eq!(terms(&usage("")).policies(Moment::Discover).policies().count(), 0);
}

/// Defect 5: `ManagedLegalEntity*` and everything unknown are ignored in silence, and an old name anywhere in a text turns validation off.
#[test]
fn the_unknown_is_ignored_and_an_old_name_turns_validation_off() {
    for operand in [
        constraint("ManagedLegalEntityBpnl", "isAnyOf", r#"["BPNL012345678910"]"#),
        constraint("ManagedLegalEntityRegion", "isAnyOf", r#"["cx.region.europe:1"]"#),
    ] {
        let terms = terms(&usage(&operand));
        let [notice] = &terms.notices()[..] else {
            panic!("{operand} is dropped");
        };
        assert!(notice.clause.starts_with("ManagedLegalEntity"), "{notice:?}");
    }
    let legacy = constraint("tx:BusinessPartnerNumber", "eq", r#""BPNL00000000C3EF""#);
    for wrong in [
        constraint("Surprise", "eq", r#""x""#),
        constraint("Membership", "eq", r#""perhaps""#),
        constraint("https://w3id.org/catenax/policy/Surprise", "eq", r#""x""#),
    ] {
        assert!(Terms::from_odrl(&access(&wrong)).is_err(), "{wrong}");
        let beside = access(&format!("{legacy},{wrong}"));
        assert!(Terms::from_odrl(&beside).is_err(), "{beside}");
    }
    assert!(Terms::from_odrl(&access(&legacy)).is_ok());
}

/// `FrameworkAgreement` is a closed list in the profile of 25.09; whatever else stands there, no credential can prove.
#[test]
fn any_name_is_a_framework_agreement() {
    let nonsense = usage("").replace("DataExchangeGovernance:1.0", "Nonsense:1");
    let error = Terms::from_odrl(&nonsense).unwrap_err().to_string();
    assert!(
        error.contains("`Nonsense:1` is no value for `FrameworkAgreement`; give `DataExchangeGovernance:1.0`; any other is of the profile of 2405"),
        "{error}"
    );
    let old = odrl("cx-2405/example_usage_policy.json").replace("DataExchangeGovernance:1.0", "Quality:1.0");
    assert!(Terms::from_odrl(&old).is_ok());
}

/// For whom rules are is dropped; then everybody has what is for one company.
#[test]
fn an_assignee_is_dropped() {
    let member = constraint("Membership", "eq", r#""active""#);
    for text in [
        access(&member).replace(r#""action""#, r#""assignee":"BPNL00000000C3EF","action""#),
        access(&member).replace(
            r#""permission""#,
            r#""odrl:assignee":{"@id":"did:web:weser"},"permission""#,
        ),
        access(&member).replace(
            r#""permission""#,
            r#""@type":"Agreement","assignee":"BPNL00000000C3EF","permission""#,
        ),
        usage("").replace(
            r#""permission""#,
            r#""@type":"Set","assignee":"BPNL00000000C3EF","permission""#,
        ),
        usage("").replace(r#""action""#, r#""assignee":"BPNL00000000C3EF","action""#),
        usage("").replace(
            r#""permission""#,
            r#""@type":"Offer","assignee":"BPNL00000000C3EF","permission""#,
        ),
    ] {
        let error = Terms::from_odrl(&text).unwrap_err().to_string();
        assert!(
            error.contains("ssignee") && error.contains("which only an `Agreement` does"),
            "{error}"
        );
    }
    // An agreement is between the parties it names; its terms are those of the offer.
    let agreed = r#""@type":"odrl:Agreement","assigner":"BPNL000000000DWF","assignee":"BPNL00000000C3EF","target":"pcf","permission""#;
    let agreed = terms(&usage("").replace(r#""permission""#, agreed));
    assert_eq!(agreed, terms(&usage("")));
    let named = |role| agreed.parties().unwrap().named(role);
    assert_eq!(
        [Role::Target, Role::Assigner, Role::Assignee].map(named),
        [Some("pcf"), Some("BPNL000000000DWF"), Some("BPNL00000000C3EF")]
    );
    // What is kept for many texts names nobody.
    assert_eq!(agreed.without_source().parties(), None);
}

/// Nothing says which of an offer's two policies a text is for; a usage policy as access policy keeps nobody from negotiating.
#[test]
fn either_policy_is_taken_for_either() {
    let member = constraint("Membership", "eq", r#""active""#);
    let error = |text: &str, kind| Terms::from_odrl_as(text, kind).unwrap_err().to_string();
    assert_eq!(
        error(&usage(""), Kind::Access),
        "$.permission[0].action: the action `use` makes this a usage policy, and an access policy belongs here; write who may see the \
         offer as a policy of its own, with the action `access`"
    );
    let said = error(&access(&member), Kind::Usage);
    assert!(said.contains("and a usage policy belongs here"), "{said}");
    assert_eq!(Terms::from_odrl_as(&usage(""), Kind::Usage).unwrap(), terms(&usage("")));
    assert_eq!(
        Terms::from_odrl_as(&access(&member), Kind::Access).unwrap(),
        terms(&access(&member))
    );
}

/// The older profile has no action but `use`. Where an access policy belongs, such a text is one.
#[test]
fn an_access_policy_of_the_older_profile_is_read_where_one_belongs() {
    let older = |constraint: &str| {
        format!(
            r#"{{"@context":{{"cx-policy":"https://w3id.org/catenax/policy/"}},"permission":[{{"action":"use","constraint":[{constraint}]}}]}}"#
        )
    };
    let member = older(&constraint("cx-policy:Membership", "eq", r#""active""#));
    let read = Terms::from_odrl_as(&member, Kind::Access).unwrap();
    assert_eq!((read.kind(), read.profile()), (Kind::Access, Profile::Cx2405));
    assert_eq!(terms(&member).kind(), Kind::Usage);
    assert_eq!(Terms::from_normal_form(read.canonical()).unwrap(), read);
    // With the gate that an access policy has.
    let stranger = |moment| Ask {
        membership: "none".to_owned(),
        ..ask(moment)
    };
    assert_eq!(verdict(&read, &stranger(Moment::Discover)), Verdict::Silent);
    assert_eq!(verdict(&read, &stranger(Moment::Negotiate)), Verdict::Forbid);
    assert_eq!(verdict(&read, &ask(Moment::Discover)), Verdict::Permit);
    // So is one with an operand that older connectors had in a vocabulary of their own.
    let partner = access(&constraint("tx:BusinessPartnerNumber", "eq", r#""BPNL00000000C3EF""#));
    let used = partner.replace(r#""access""#, r#""use""#);
    assert_eq!(Terms::from_odrl_as(&used, Kind::Access).unwrap(), terms(&partner));
    // One text for both places holds what an access policy cannot ask, and is refused for it.
    let both = older(&constraint("cx-policy:UsagePurpose", "eq", r#""cx.pcf.base:1""#));
    let error = Terms::from_odrl_as(&both, Kind::Access).unwrap_err().to_string();
    assert!(
        error.contains("`UsagePurpose` has no meaning in a permission of an access policy"),
        "{error}"
    );
}

/// A company that a prohibition names has nothing of naming somebody else as the one it asks for.
#[test]
fn a_prohibition_is_lifted_by_asking_for_another() {
    let listed = constraint("AffiliatesBpnl", "isAnyOf", r#"["BPNL00000000C3EF"]"#);
    let open = constraint(
        "AffiliatesBpnl",
        "isAnyOf",
        r#"["BPNL00000003CRHK","BPNL00000000C3EF"]"#,
    );
    let text = policy("usage.prohibition", &listed);
    let text = text.replacen(
        r#""rightOperand":["cx.pcf.base:1"]}"#,
        &format!(r#""rightOperand":["cx.pcf.base:1"]}},{open}"#),
        1,
    );
    let terms = terms(&text);
    let to = |partner: &str, recipient: Option<&str>| {
        let asked = Ask {
            partner: partner.to_owned(),
            recipient: recipient.map(|recipient| (recipient.to_owned(), None)),
            ..ask(Moment::Access)
        };
        verdict(&terms, &asked)
    };
    let (named, other) = ("BPNL00000000C3EF", "BPNL00000003CRHK");
    assert_eq!(to(named, None), Verdict::Forbid);
    assert_eq!(to(named, Some(other)), Verdict::Forbid);
    assert_eq!(to(other, Some(named)), Verdict::Forbid);
    assert_eq!(to(other, None), Verdict::Permit);
    assert_eq!(to(other, Some(other)), Verdict::Permit);
}

/// And from the same notes: a prohibition without constraints passes there, for a loop over no constraints finds none violated.
#[test]
fn an_unconstrained_prohibition_passes() {
    let terms = terms(&policy("usage.prohibition", ""));
    for moment in PLACES_OF_USE {
        assert_eq!(verdict(&terms, &ask(moment)), Verdict::Forbid);
    }
    assert!(terms.constraints().iter().all(|clause| clause.class == Class::Decided));
}
