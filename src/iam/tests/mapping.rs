//! Role mapping: laws over any groups, claims and pools, and what the linter finds. The cases are in the corpus.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::select;

use crate::iam::mapping::{
    Ambiguous, Finding, Group, IdToken, IdentityPool, Known, MatchType, NoRole, PoolRoles, RoleClaims, RoleMapping,
    Rule, Rules, lint,
};
use crate::iam::tests::account::names;

const ROLES: [&str; 4] = [
    "arn:aws:iam::111122223333:role/tidegate-tenant-BPNL000000000DWF",
    "arn:aws:iam::111122223333:role/tidegate-tenant-BPNL00000003CRHK",
    "arn:aws:iam::111122223333:role/tidegate-pool",
    "arn:aws:iam::111122223333:role/other",
];

fn pool(role_mapping: RoleMapping) -> IdentityPool {
    IdentityPool {
        allow_classic_flow: false,
        allow_unauthenticated_identities: false,
        server_side_token_check: true,
        roles: PoolRoles::default(),
        role_mapping,
        principal_tags: BTreeMap::from([("bpnl".to_owned(), "custom:bpnl".to_owned())]),
    }
}

fn by_token(ambiguous: Ambiguous) -> IdentityPool {
    pool(RoleMapping::Token { ambiguous })
}

fn by_rules(rules: Vec<Rule>) -> IdentityPool {
    pool(RoleMapping::Rules {
        ambiguous: Ambiguous::Deny,
        configuration: Rules { rules },
    })
}

fn rule(claim: &str, match_type: MatchType, value: &str, role: &str) -> Rule {
    Rule {
        claim: claim.to_owned(),
        match_type,
        value: value.to_owned(),
        role: role.to_owned(),
    }
}

fn group() -> impl Strategy<Value = Group> {
    (
        "[a-c]",
        prop::option::of(select(ROLES.to_vec())),
        prop::option::of(0..3_u32),
    )
        .prop_map(|(name, role, precedence)| Group {
            name,
            role: role.map(str::to_owned),
            precedence,
        })
}

fn token() -> impl Strategy<Value = IdToken> {
    let claims = prop::collection::btree_map("custom:(bpnl|dept)", "[ab]{0,2}", 0..3);
    (prop::collection::vec(group(), 0..5), claims).prop_map(|(groups, claims)| IdToken {
        roles: RoleClaims::of(&groups),
        claims,
    })
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let how = select(vec![
        MatchType::Equals,
        MatchType::NotEqual,
        MatchType::StartsWith,
        MatchType::Contains,
    ]);
    ("custom:(bpnl|dept|none)", how, "[ab]{0,2}", select(ROLES.to_vec()))
        .prop_map(|(claim, how, value, role)| rule(&claim, how, &value, role))
}

proptest! {
    #[test]
    fn the_order_of_groups_means_nothing(groups in prop::collection::vec(group(), 0..6).prop_shuffle(), turn in 0..6_usize) {
        let mut other = groups.clone();
        other.rotate_left(turn.min(groups.len()));
        other.reverse();
        prop_assert_eq!(RoleClaims::of(&groups), RoleClaims::of(&other));
    }

    #[test]
    fn the_preferred_role_is_one_of_the_roles_and_no_group_with_a_role_comes_before_it(groups in prop::collection::vec(group(), 0..6)) {
        let claims = RoleClaims::of(&groups);
        if let Some(preferred) = &claims.preferred {
            prop_assert!(claims.roles.contains(preferred));
            let rank = |group: &Group| group.precedence.map_or(u64::MAX, u64::from);
            let own = groups.iter().filter(|group| group.role.as_ref() == Some(preferred)).map(rank).min().unwrap();
            for group in groups.iter().filter(|group| group.role.as_ref().is_some_and(|role| role != preferred)) {
                prop_assert!(rank(group) > own, "{group:?} before {preferred}");
            }
        } else {
            prop_assert!(claims.roles.len() != 1);
        }
    }

    #[test]
    fn under_token_mapping_nobody_gets_a_role_that_is_not_in_their_token(token in token(), custom in prop::option::of(select(ROLES.to_vec()))) {
        if let Ok(role) = by_token(Ambiguous::Deny).role_for(&token, custom) {
            prop_assert!(token.roles.roles.contains(&role));
            prop_assert!(custom.is_none_or(|custom| custom == role), "another role than was asked for");
        }
    }

    #[test]
    fn a_further_group_lets_nobody_into_a_role_that_the_group_does_not_name(
        groups in prop::collection::vec(group(), 0..4), further in group(), custom in prop::option::of(select(ROLES.to_vec()))
    ) {
        let of = |groups: &[Group]| IdToken { roles: RoleClaims::of(groups), claims: BTreeMap::new() };
        let before = of(&groups);
        let after = of(&[groups, vec![further.clone()]].concat());
        if let Ok(role) = by_token(Ambiguous::Deny).role_for(&after, custom) {
            prop_assert!(before.roles.roles.contains(&role) || further.role.as_ref() == Some(&role));
        }
    }

    #[test]
    fn under_rules_the_role_is_that_of_a_rule_whose_claim_is_there(token in token(), rules in prop::collection::vec(any_rule(), 0..5), custom in prop::option::of(select(ROLES.to_vec()))) {
        if let Ok(role) = by_rules(rules.clone()).role_for(&token, custom) {
            let there = |rule: &&Rule| rule.role == role && token.claims.contains_key(&rule.claim);
            prop_assert!(rules.iter().any(|rule| there(&rule)));
        }
        // A rule that comes after one that matches changes nothing for who asks for no role of their own.
        if let Ok(role) = by_rules(rules.clone()).role_for(&token, None) {
            let longer = [rules, vec![rule("custom:bpnl", MatchType::Contains, "", ROLES[3])]].concat();
            prop_assert_eq!(by_rules(longer).role_for(&token, None), Ok(role));
        }
    }

    #[test]
    fn a_pool_reads_back_as_it_was_written(rules in prop::collection::vec(any_rule(), 0..4)) {
        for pool in [by_token(Ambiguous::AuthenticatedRole), by_rules(rules)] {
            let text = serde_json::to_string(&pool).unwrap();
            prop_assert_eq!(serde_json::from_str::<IdentityPool>(&text).unwrap(), pool);
        }
    }
}

#[test]
fn a_pool_is_written_as_aws_writes_it_and_nothing_else_is_read() {
    let pool = by_rules(vec![rule("custom:bpnl", MatchType::Equals, "x", ROLES[0])]);
    let expected = serde_json::json!({
        "AllowClassicFlow": false, "AllowUnauthenticatedIdentities": false, "ServerSideTokenCheck": true, "Roles": {},
        "RoleMapping": {"Type": "Rules", "AmbiguousRoleResolution": "Deny", "RulesConfiguration": {"Rules": [
            {"Claim": "custom:bpnl", "MatchType": "Equals", "Value": "x", "RoleARN": ROLES[0]}
        ]}},
        "PrincipalTags": {"bpnl": "custom:bpnl"},
    });
    assert_eq!(serde_json::to_value(&pool).unwrap(), expected);
    for (at, value) in [
        ("/RoleMapping/Type", serde_json::json!("token")),
        ("/RoleMapping/AmbiguousRoleResolution", serde_json::json!("Allow")),
        (
            "/RoleMapping/RulesConfiguration/Rules/0/MatchType",
            serde_json::json!("Like"),
        ),
        ("/RoleMapping", serde_json::json!({"Type": "Token"})),
        (
            "/RoleMapping",
            serde_json::json!({"Type": "Token", "AmbiguousRoleResolution": "Deny", "RulesConfiguration": {"Rules": []}}),
        ),
        ("/ServerSideTokenCheck", serde_json::Value::Null),
    ] {
        let mut wrong = expected.clone();
        *wrong.pointer_mut(at).unwrap() = value;
        assert!(serde_json::from_value::<IdentityPool>(wrong).is_err(), "{at}");
    }
}

#[test]
fn the_linter_says_all_that_is_wrong_of_a_pool_and_nothing_of_a_sound_one() {
    let sound = by_token(Ambiguous::Deny);
    let known = Known {
        writable: BTreeSet::from(["email".to_owned(), "custom:dept".to_owned()]),
        empty_roles: BTreeSet::from([ROLES[3].to_owned()]),
    };
    assert_eq!(lint(&sound, &names(), &known), []);
    let with_default = |role: &str| IdentityPool {
        roles: PoolRoles {
            authenticated: Some(role.to_owned()),
            unauthenticated: None,
        },
        ..by_token(Ambiguous::AuthenticatedRole)
    };
    assert_eq!(lint(&with_default(ROLES[3]), &names(), &known), [], "it grants nothing");
    assert_eq!(
        lint(&with_default(ROLES[0]), &names(), &known),
        [Finding::DefaultRole {
            role: ROLES[0].to_owned()
        }]
    );
    let wrong = IdentityPool {
        allow_classic_flow: true,
        allow_unauthenticated_identities: true,
        server_side_token_check: false,
        principal_tags: BTreeMap::from([("dept".to_owned(), "custom:dept".to_owned())]),
        ..by_rules(vec![
            rule("custom:dept", MatchType::Equals, "BPNL000000000DWF", ROLES[0]),
            rule("custom:bpnl", MatchType::Equals, "BPNL000000000DWF", ROLES[1]),
            rule("custom:bpnl", MatchType::StartsWith, "BPNL00000003CRHK", ROLES[1]),
            rule("custom:bpnl", MatchType::Equals, "x", ROLES[2]),
            rule("custom:bpnl", MatchType::Equals, "x", ROLES[3]),
        ])
    };
    let found: Vec<_> = lint(&wrong, &names(), &known).iter().map(Finding::code).collect();
    assert_eq!(
        found,
        [
            "classic-flow",
            "guests",
            "token-check-off",
            "writable-claim",
            "other-tenant",
            "other-tenant",
            "no-tenant-role",
            "writable-tag",
            "no-tenant-tag",
        ]
    );
}

#[test]
fn as_many_rules_are_looked_at_as_there_may_be() {
    let token = IdToken {
        roles: RoleClaims::default(),
        claims: BTreeMap::from([("custom:bpnl".to_owned(), "a".to_owned())]),
    };
    let rules = |count: usize| {
        let mut rules = vec![rule("custom:bpnl", MatchType::Equals, "b", ROLES[0]); count - 1];
        rules.push(rule("custom:bpnl", MatchType::Equals, "a", ROLES[1]));
        by_rules(rules)
    };
    assert_eq!(rules(25).role_for(&token, None), Ok(ROLES[1].to_owned()));
    assert_eq!(rules(26).role_for(&token, None), Err(NoRole::TooManyRules));
    let many: Vec<_> = lint(&rules(26), &names(), &Known::default());
    assert!(many.contains(&Finding::TooManyRules(26)));
}
