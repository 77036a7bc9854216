//! Defects of the reference engine that this compiler must not have, one test for each. The reference engine drops what it has no
//! function for, evaluates placeholders as true, and does not evaluate anything when data is pulled.

use super::accepted::policy;
use super::meaning::{ask, verdict};
use super::oracle::{Ask, Verdict};
use super::{access, constraint, terms, usage};
use crate::contract::{Class, Moment, Terms};

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

/// And from the same notes: a prohibition without constraints passes there, for a loop over no constraints finds none violated.
#[test]
fn an_unconstrained_prohibition_passes() {
    let terms = terms(&policy("usage.prohibition", ""));
    for moment in PLACES_OF_USE {
        assert_eq!(verdict(&terms, &ask(moment)), Verdict::Forbid);
    }
    assert!(terms.constraints().iter().all(|clause| clause.class == Class::Decided));
}
