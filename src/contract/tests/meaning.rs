//! Single rules of meaning, each with the mistake it keeps out.

use proptest::prelude::*;

use super::oracle::{Agreement, Ask, Verdict, Versions};
use super::{access, assert_valid, constraint, odrl, terms, usage, world};
use crate::contract::{Moment, Terms, render_table};

const SIGNED: &str = "2027-01-01T00:00:00Z";

/// A partner that fulfils `dev/pcf-usage-until.json`, an hour after signing.
pub(super) fn ask(moment: Moment) -> Ask {
    let signed = "2027-01-01T00:00:00Z"
        .parse::<jiff::Timestamp>()
        .unwrap()
        .as_millisecond();
    Ask {
        moment,
        partner: "BPNL00000000C3EF".to_owned(),
        membership: "active".to_owned(),
        frameworks: vec!["DataExchangeGovernance:1.0".to_owned()],
        purpose: "cx.pcf.base:1".to_owned(),
        groups: Some(vec![]),
        contracts: Some(vec![]),
        affiliates: Some(vec![]),
        now: signed + 3_600_000,
        agreement: Agreement::These(signed),
        recipient: None,
        uses: None,
        versions: Some(Versions {
            api: "1.2.0",
            asset: "1.2.0",
            model: Some("9.0.0"),
        }),
        signed: Some(("1.2.0", "1.2.0", vec!["7.0.0", "9.0.0"])),
        exclusive: None,
    }
}

pub(super) fn verdict(terms: &Terms, ask: &Ask) -> Verdict {
    world::verdict(terms, ask)
}

#[test]
fn usage_terms_permit_from_negotiation_on_and_show_nobody_an_offer() {
    let terms = terms(&odrl("dev/pcf-usage-until.json"));
    let verdicts = Moment::ALL.map(|moment| verdict(&terms, &ask(moment)));
    assert_eq!(
        verdicts,
        [Verdict::Silent, Verdict::Permit, Verdict::Permit, Verdict::Permit]
    );
}

#[test]
fn access_terms_show_the_offer_and_keep_others_from_negotiating_it() {
    let terms = terms(&odrl("dev/pcf-access.json"));
    let stranger = |moment| Ask {
        partner: "BPNL00000003CRHK".to_owned(),
        ..ask(moment)
    };
    assert_eq!(verdict(&terms, &ask(Moment::Discover)), Verdict::Permit);
    assert_eq!(verdict(&terms, &stranger(Moment::Discover)), Verdict::Silent);
    assert_eq!(verdict(&terms, &ask(Moment::Negotiate)), Verdict::Silent);
    assert_eq!(verdict(&terms, &stranger(Moment::Negotiate)), Verdict::Forbid);
}

#[test]
fn each_single_fact_that_fails_refuses_and_so_does_a_near_miss() {
    let terms = terms(&odrl("dev/pcf-usage-until.json"));
    for moment in [Moment::Negotiate, Moment::Transfer, Moment::Access] {
        let good = ask(moment);
        let mut spoiled = vec![good.clone(); 7];
        spoiled[0].membership = "Active".to_owned();
        spoiled[1].membership = String::new();
        spoiled[2].frameworks = vec!["DataExchangeGovernance:1".to_owned(), "Pcf:1.0".to_owned()];
        spoiled[3].frameworks.clear();
        spoiled[4].purpose = "cx.pcf.base".to_owned();
        spoiled[5].purpose = "cx.quality.base:1".to_owned();
        spoiled[6].agreement = Agreement::Others(good.now);
        for ask in spoiled {
            assert_eq!(verdict(&terms, &ask), Verdict::Silent, "{ask:?}");
        }
    }
}

#[test]
fn the_end_date_counts_to_its_last_millisecond_in_transfer_and_access_only() {
    let terms = terms(&odrl("dev/pcf-usage-until.json"));
    let end = "2027-06-30T23:59:59Z"
        .parse::<jiff::Timestamp>()
        .unwrap()
        .as_millisecond();
    let at = |moment, now| verdict(&terms, &Ask { now, ..ask(moment) });
    for moment in [Moment::Transfer, Moment::Access] {
        assert_eq!(at(moment, end), Verdict::Permit);
        assert_eq!(at(moment, end + 999), Verdict::Permit);
        assert_eq!(at(moment, end + 1000), Verdict::Silent);
    }
    assert_eq!(at(Moment::Negotiate, end + 1000), Verdict::Permit);
}

#[test]
fn a_framework_agreement_ends_after_its_unwritten_year_even_with_a_later_end_date() {
    let later = odrl("dev/pcf-usage-until.json").replace("2027-06-30", "2030-06-30");
    for text in [odrl("dev/pcf-usage.json"), later] {
        let terms = terms(&text);
        let signed = SIGNED.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        let year = 365 * 24 * 3600 * 1000;
        for moment in [Moment::Transfer, Moment::Access] {
            let at = |now| verdict(&terms, &Ask { now, ..ask(moment) });
            assert_eq!(at(signed + year - 1), Verdict::Permit);
            assert_eq!(at(signed + year), Verdict::Silent);
        }
    }
}

/// The reference engine lets a prohibition without constraints pass, and turns one it has no function for into always-true.
#[test]
fn a_prohibition_forbids_what_it_names_and_everything_if_it_names_nothing() {
    let with = |prohibition: &str| {
        let policy = usage("");
        let open = policy.strip_suffix('}').unwrap();
        terms(&format!(r#"{open},"prohibition":[{prohibition}]}}"#))
    };
    let everything = with(r#"{"action":"use"}"#);
    let one = constraint("BusinessPartnerNumber", "isAnyOf", r#"["BPNL00000003CRHK"]"#);
    let one = with(&format!(r#"{{"action":"use","constraint":[{one}]}}"#));
    assert_valid(&everything);
    let shown = render_table(&everything);
    let rule = "prohibition 0 at $.prohibition[0]: refused always\n\n  has no constraint: it applies to every partner";
    assert!(shown.contains(rule), "{shown}");
    for moment in [Moment::Negotiate, Moment::Transfer, Moment::Access] {
        let named = Ask {
            partner: "BPNL00000003CRHK".to_owned(),
            ..ask(moment)
        };
        assert_eq!(verdict(&everything, &ask(moment)), Verdict::Forbid);
        assert_eq!(verdict(&one, &ask(moment)), Verdict::Permit);
        assert_eq!(verdict(&one, &named), Verdict::Forbid);
        let elsewhere = Ask {
            agreement: Agreement::Others(0),
            ..named
        };
        assert_eq!(verdict(&one, &elsewhere), Verdict::Silent);
    }
}

/// The reference engine fails open for `isNoneOf` when the list comes in another shape than it expects.
#[test]
fn none_of_excludes_in_every_shape_of_the_list() {
    for list in [
        r#"["BPNL00000000C3EF"]"#,
        r#""BPNL00000000C3EF""#,
        r#"[{"@value":"BPNL00000000C3EF"}]"#,
        r#"{"@list":[{"@value":"BPNL00000000C3EF"}]}"#,
        r#"[{"@list":["BPNL00000000C3EF"]}]"#,
    ] {
        let terms = terms(&access(&constraint("BusinessPartnerNumber", "isNoneOf", list)));
        assert_eq!(verdict(&terms, &ask(Moment::Discover)), Verdict::Silent, "{list}");
        let other = Ask {
            partner: "BPNL00000003CRHK".to_owned(),
            ..ask(Moment::Discover)
        };
        assert_eq!(verdict(&terms, &other), Verdict::Permit, "{list}");
    }
}

#[test]
fn an_access_policy_without_constraints_shows_the_offer_to_everyone() {
    let terms = terms(r#"{"permission":[{"action":"access","constraint":[]}],"obligation":[]}"#);
    assert_valid(&terms);
    assert_eq!(verdict(&terms, &ask(Moment::Discover)), Verdict::Permit);
    assert_eq!(terms.policies(Moment::Negotiate).policies().count(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_hostile_purpose_stays_a_string(purpose in hostile(), other in hostile()) {
        let quoted = serde_json::Value::from(purpose.as_str()).to_string();
        let terms = terms(&usage("").replace(r#""cx.pcf.base:1""#, &quoted));
        let names: Vec<_> = terms.purposes().unwrap().into_iter().collect();
        prop_assert_eq!(names, [purpose.as_str()]);
        let shown: cedar_policy::PolicySet = terms.cedar_text().parse().unwrap();
        prop_assert_eq!(shown.policies().count(), 3);
        assert_valid(&terms);
        for moment in [Moment::Negotiate, Moment::Transfer, Moment::Access] {
            let with = |purpose: &str| verdict(&terms, &Ask { purpose: purpose.to_owned(), ..ask(moment) });
            prop_assert_eq!(with(&purpose), Verdict::Permit);
            prop_assert_eq!(with(&other), if other == purpose { Verdict::Permit } else { Verdict::Silent });
        }
    }
}

fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        Just("\"].contains(\"".to_owned()),
        Just("\\".to_owned()),
        Just("\"); permit (principal, action, resource);".to_owned()),
        Just("\n// \r\n\t\0\u{7f}".to_owned()),
        Just("\u{202e}\u{feff}\u{301}é\u{10ffff}".to_owned()),
        Just("${context.purpose}*?\\u{22}\\x22".to_owned()),
        "(?s).{1,20}",
    ];
    // With letters around, for white space there is refused, and so is what begins as JSON.
    prop::collection::vec(pieces, 1..4).prop_map(|pieces| format!("x{}y", pieces.concat()))
}

/// A reader meets what they wrote: where it stands in their text, and in words that are as they wrote them.
#[test]
fn what_is_shown_of_a_text_has_its_paths_and_its_words() {
    let place = constraint("JurisdictionLocation", "eq", r#""L'Aquila""#);
    let text = usage(&place).replace(r#""permission":["#, r#""odrl:permission":["#);
    let terms = terms(&text);
    let at = "$['odrl:permission'][0].constraint[0].and[2]";
    let table = render_table(&terms);
    assert!(table.contains("paths are those of the text as it was given"), "{table}");
    let row = format!("  JurisdictionLocation eq \"L'Aquila\"\n    path    {at}\n    class   recorded\n");
    assert!(table.contains(&row), "{table}");
    let cedar = terms.cedar_text_of_source();
    assert!(
        cedar.starts_with("// Paths are those of the text as it was given."),
        "{cedar}"
    );
    assert!(cedar.contains(r#"@path("$['odrl:permission'][0]")"#), "{cedar}");
    assert!(
        cedar.contains(r#"@recorded("JurisdictionLocation eq \"L'Aquila\"")"#),
        "{cedar}"
    );
    assert!(
        cedar.contains("// $['odrl:permission'][0].constraint[0].and[1]"),
        "{cedar}"
    );
    // But for the paths it is what is evaluated.
    let evaluated = |text: &str| -> Vec<String> {
        let lines = text
            .lines()
            .filter(|line| !line.starts_with("@path") && !line.starts_with("//"));
        lines
            .map(|line| line.split(" // ").next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(evaluated(&cedar), evaluated(terms.cedar_text()));
    let kept = terms.without_source();
    assert!(render_table(&kept).contains("paths are those of the normal form"));
    assert!(kept.constraints().iter().all(|clause| clause.source.is_none()));
}

/// What several rules do together, and what each is for, is said before them.
#[test]
fn the_table_says_what_grants_and_what_refuses() {
    let rule = |text: &str| {
        let rule = text.strip_prefix(r#"{"permission":["#).unwrap();
        rule.strip_suffix("]}").unwrap().to_owned()
    };
    let until = constraint("DataProvisioningEndDate", "eq", r#""2027-06-30T23:59:59Z""#);
    let restriction = constraint("UsageRestriction", "isAllOf", r#""cx.thirdParty.forbidden:1""#);
    let partner = constraint("BusinessPartnerNumber", "isAnyOf", r#""BPNL00000003CRHK""#);
    let forbids = |constraint: &str| format!(r#"{{"action":"use","constraint":[{constraint}]}}"#);
    let text = format!(
        r#"{{"permission":[{},{}],"prohibition":[{},{}],"obligation":[{}]}}"#,
        rule(&usage("")),
        rule(&usage("").replace("cx.pcf.base:1", "cx.quality.base:1")),
        forbids(&restriction),
        forbids(&partner),
        forbids(&until)
    );
    let table = render_table(&terms(&text));
    for expected in [
        "\nAny one of these 2 permissions grants.\n",
        "\npermission 1 at $.permission[1]: granted only if everything holds that is decided here\n",
        "at $.prohibition[1]: refused if everything holds that is decided here, whatever is permitted\n",
        "at $.prohibition[0]: binds the parties and refuses nothing, for no machine can tell\n",
        "obligation 0 at $.obligation[0]: refused, whatever is permitted, once it holds that\n",
    ] {
        assert!(table.contains(expected), "{expected}\n{table}");
    }
    assert_eq!(
        table.matches("unless agreed otherwise").count(),
        2,
        "once a permission: {table}"
    );
    assert!(table.lines().all(|line| line.chars().count() <= 120), "{table}");
}
