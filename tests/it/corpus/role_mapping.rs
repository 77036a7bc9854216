//! The sign-ins of the corpus hold what they are there for: each way of refusing, each finding of the linter, each pin of the trust
//! policies.

use std::collections::BTreeSet;

use tidegate::bundle::{Bundle, Source};
use tidegate::iam::Isolation;
use tidegate::parity::{self, Corpus, Layer, SignInCase, SignInExpect};

use super::{BUNDLE, CORPUS};

/// The sign-ins alone.
fn sign_ins() -> Corpus {
    Corpus {
        sign_ins: CORPUS.sign_ins.clone(),
        ..Corpus::default()
    }
}

/// The built-in bundle with `from` in one of its files changed to `to`.
fn changed(path: &str, from: &str, to: &str) -> Bundle {
    let files = BUNDLE.source.files().map(|(name, bytes)| {
        let mut text = String::from_utf8(bytes.to_vec()).unwrap();
        if name == path {
            assert!(text.contains(from), "{path} has no {from}");
            text = text.replace(from, to);
        }
        (name.to_owned(), text.into_bytes())
    });
    Bundle::load(Source::of(files)).unwrap_or_else(|error| panic!("{}", error.render()))
}

/// The names of the cases that fail under `bundle`.
fn failing(bundle: &Bundle) -> BTreeSet<String> {
    let report = parity::run_layer(bundle, &sign_ins(), Layer::Iam);
    assert_eq!(report.cases.len(), CORPUS.sign_ins.len());
    report.failures().map(|outcome| outcome.name.clone()).collect()
}

fn expectations() -> impl Iterator<Item = &'static SignInExpect> {
    let both = |case: &'static SignInCase| [case.expected(Isolation::Role), case.expected(Isolation::Tags)];
    CORPUS.sign_ins.iter().flat_map(both)
}

#[test]
fn every_way_of_refusing_and_every_finding_of_the_linter_has_a_case() {
    assert!(CORPUS.sign_ins.len() >= 75, "{} sign-ins", CORPUS.sign_ins.len());
    let refused: BTreeSet<_> = expectations().filter_map(|expect| expect.refused.as_deref()).collect();
    let reasons = [
        "ambiguous",
        "classic-flow",
        "custom-role",
        "guests",
        "list-claim",
        "no-default-role",
        "signed-out",
        "too-many-rules",
        "trust",
    ];
    assert_eq!(refused, BTreeSet::from(reasons));
    let found: BTreeSet<_> = expectations()
        .flat_map(|expect| &expect.lint)
        .map(String::as_str)
        .collect();
    let findings = [
        "classic-flow",
        "default-role",
        "guests",
        "no-tenant-role",
        "no-tenant-tag",
        "other-tenant",
        "token-check-off",
        "too-many-rules",
        "writable-claim",
        "writable-tag",
    ];
    assert_eq!(found, BTreeSet::from(findings));
    assert!(expectations().any(SignInExpect::allows));
    assert_eq!(failing(&BUNDLE), BTreeSet::new());
}

#[test]
fn a_trust_policy_that_does_not_ask_for_its_own_tenants_tag_is_noticed() {
    let pin = r#""cognito-identity.amazonaws.com:aud": "{identity_pool}",
          "aws:RequestTag/bpnl": "{owner}""#;
    let without = r#""cognito-identity.amazonaws.com:aud": "{identity_pool}""#;
    let failing = failing(&changed("policies/iam/tenant-trust.json", pin, without));
    for case in [
        "in-another-tenants-admins",
        "classic-flow-on-another-tenant",
        "admin-of-two-tenants-chooses-the-other",
        "without-a-tag-map",
        "rules-role-of-another-tenant",
        "default-role-of-another-tenant",
    ] {
        assert!(failing.contains(case), "{case}: {failing:?}");
    }
}

#[test]
fn a_trust_policy_that_forbids_tags_is_noticed() {
    let both = r#"["sts:AssumeRoleWithWebIdentity", "sts:TagSession"]"#;
    let untagged = changed(
        "policies/iam/tenant-trust.json",
        both,
        r#""sts:AssumeRoleWithWebIdentity""#,
    );
    assert!(failing(&untagged).contains("own-admin"));
}

#[test]
fn a_policy_that_lets_others_assume_the_role_gives_their_group_the_role_and_is_noticed() {
    let permit =
        "permit (\n  principal in Tidegate::CompanyRole::\"admin\",\n  action == Tidegate::Action::\"assumeRole\",";
    let widened = permit.replace("\"admin\"", "\"viewer\"");
    let bundle = changed("policies/platform/credentials.cedar", permit, &widened);
    let report = parity::run_layer(&bundle, &sign_ins(), Layer::Iam);
    let viewer = report.cases.iter().find(|outcome| outcome.name == "own-viewer");
    let viewer = viewer.unwrap();
    assert!(!viewer.expected.iam.allows() && viewer.got.iam.allows(), "{viewer:?}");
    let failing = failing(&bundle);
    assert!(
        failing.contains("own-viewer") && failing.contains("own-admin"),
        "{failing:?}"
    );
}

#[test]
fn a_case_that_cannot_be_read_fails_the_run() {
    let read = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut case = serde_json::json!({
            "name": "a", "why": "b", "source": "https://c.example",
            "signIn": {"groups": ["BPNL000000000DWF.admin"], "claims": {"custom:bpnl": "BPNL000000000DWF"}},
            "expect": {"refused": "trust"}
        });
        change(&mut case);
        let text = case.to_string();
        Corpus::read([("corpus/role-mapping/a.json", text.as_bytes())]).map(|corpus| corpus.sign_ins.len())
    };
    assert_eq!(read(&|_| ()).unwrap(), 1);
    for (at, value) in [
        ("/name", serde_json::json!("z")),
        ("/why", serde_json::json!("")),
        ("/source", serde_json::json!("a book")),
        ("/signIn/groups/0", serde_json::json!("admin")),
        ("/signIn", serde_json::json!({"guest": true, "claims": {"a": "b"}})),
        ("/signIn", serde_json::json!({"customRole": "a", "classic": "b"})),
        ("/signIn", serde_json::json!({"group": []})),
        ("/expect", serde_json::json!({})),
        (
            "/expect",
            serde_json::json!({"refused": "trust", "credentials": {"role": "a", "tags": {}}}),
        ),
    ] {
        let changed = read(&|case| *case.pointer_mut(at).unwrap() = value.clone());
        assert!(changed.is_err(), "{at} {value}");
    }
    let same = read(&|case| case["expectTags"] = case["expect"].clone());
    assert!(same.unwrap_err().to_string().contains("leave it out"));
}
