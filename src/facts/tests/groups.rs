//! Where tenants share a user pool, a person's groups say of which tenant they are, or the token is worth nothing.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::{KEY, changed, facts, now, token, user_claims, verifier};
use crate::facts::{TenantFacts, TokenError};
use crate::ids::GroupNames;

const A: &str = "BPNL000000000DWF";
const B: &str = "BPNL00000003CRHK";

/// Two tenants that share all that makes a person's token good: issuer, keys, client.
fn sharing(tenant: &str) -> TenantFacts {
    TenantFacts {
        tenant: tenant.parse().unwrap(),
        resource_server: tenant.to_owned(),
        groups: GroupNames::Prefixed,
        ..facts()
    }
}

/// The roles that a person with these groups has at a tenant's endpoints.
fn roles(tenant: &str, groups: &Value) -> Result<Vec<String>, TokenError> {
    let token = token(&changed(user_claims(), json!({ "cognito:groups": groups })));
    let found = verifier(sharing(tenant), &KEY).verify_user(&token, now())?;
    Ok(found.roles().iter().map(ToString::to_string).collect())
}

#[test]
fn a_persons_roles_are_what_follows_their_tenants_number() {
    let groups = json!([format!("{A}.admin"), format!("{A}.data-steward")]);
    assert_eq!(
        roles(A, &groups),
        Ok(vec!["admin".to_owned(), "data-steward".to_owned()])
    );
    assert_eq!(roles(B, &groups), Err(TokenError::ForeignGroup));
}

#[test]
fn a_group_of_another_tenant_or_of_none_refuses_the_whole_token() {
    for group in [
        format!("{B}.admin"),
        format!("{B}.viewer"),
        "admin".to_owned(),
        A.to_owned(),
        format!("{A}."),
        format!("{A}..admin"),
        format!("{A}.{B}.admin"),
        format!("{A}0.admin"),
        format!("{A}/admin"),
        format!("{A}:admin"),
        format!("{}.admin", A.to_lowercase()),
        format!(" {A}.admin"),
        format!("{A}.ad min"),
        "eu-central-1_AbCdEf123_Google".to_owned(),
        String::new(),
    ] {
        for groups in [
            json!([group.clone()]),
            json!([format!("{A}.viewer"), group.clone()]),
            json!([group.clone(), format!("{A}.viewer")]),
        ] {
            assert_eq!(roles(A, &groups), Err(TokenError::ForeignGroup), "{groups}");
        }
    }
}

#[test]
fn whose_token_names_no_group_is_of_no_tenant() {
    assert_eq!(roles(A, &json!([])), Err(TokenError::NoGroup));
    assert_eq!(roles(A, &Value::Null), Err(TokenError::NoGroup));
    let text = json!(format!("{A}.admin"));
    assert_eq!(roles(A, &text), Err(TokenError::Groups), "a text is no list");
    assert_eq!(roles(A, &json!([format!("{A}.admin"), 1])), Err(TokenError::Groups));
}

#[test]
fn a_claim_of_the_tenant_counts_for_nothing_beside_the_groups() {
    let claims = json!({ "custom:bpnl": B, "cognito:groups": [format!("{A}.admin")] });
    let token = token(&changed(user_claims(), claims));
    assert!(verifier(sharing(A), &KEY).verify_user(&token, now()).is_ok());
    assert!(verifier(sharing(B), &KEY).verify_user(&token, now()).is_err());
}

/// The hole that sharing closes: with groups that do not say whose they are, one token is good at both.
#[test]
fn without_the_number_a_shared_client_would_open_both() {
    let own = |tenant: &str| TenantFacts {
        groups: GroupNames::Own,
        ..sharing(tenant)
    };
    let token = token(&changed(user_claims(), json!({ "cognito:groups": ["admin"] })));
    for tenant in [A, B] {
        assert!(
            verifier(own(tenant), &KEY).verify_user(&token, now()).is_ok(),
            "{tenant}"
        );
        assert!(verifier(sharing(tenant), &KEY).verify_user(&token, now()).is_err());
    }
}

fn group() -> impl Strategy<Value = String> {
    let tenants = select(vec![A, B, "BPNL00000003CRHX", ""]);
    (tenants, select(vec![".", "", "..", "_"]), "[a-z]{0,3}")
        .prop_map(|(tenant, between, role)| format!("{tenant}{between}{role}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_token_that_is_good_for_one_tenant_is_good_for_no_other(groups in prop::collection::vec(group(), 0..4)) {
        let groups = json!(groups);
        let good: Vec<_> = [A, B].into_iter().filter(|tenant| roles(tenant, &groups).is_ok()).collect();
        prop_assert!(good.len() <= 1, "{groups}");
        if let [tenant] = good.as_slice() {
            let prefix = format!("{tenant}.");
            prop_assert!(groups.as_array().unwrap().iter().all(|group| group.as_str().unwrap().starts_with(&prefix)));
        }
    }

    #[test]
    fn people_of_one_tenant_are_taken_whatever_their_roles(tenant in select(vec![A, B]), given in prop::collection::btree_set("[a-z][a-z0-9-]{0,8}", 1..5)) {
        let groups: Vec<_> = given.iter().map(|role| format!("{tenant}.{role}")).collect();
        prop_assert_eq!(roles(tenant, &json!(groups)), Ok(given.into_iter().collect::<Vec<_>>()));
    }
}
