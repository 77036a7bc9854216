//! What groups a tenant has follows from the policies; and whatever groups and claims someone has, credentials come out only for the
//! tenant of their claim.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::bundle::Source;
use crate::iam::OwnRole;
use crate::iam::mapping::{Call, IdToken, Known, Person, RoleClaims, SignIn, lint};

const OWN: &str = "BPNL000000000DWF";
const OTHER: &str = "BPNL00000003CRHK";

static BUNDLE: LazyLock<Bundle> = LazyLock::new(|| Bundle::load(Source::built_in()).unwrap());

fn of(bundle: &Bundle, isolation: Isolation, tenant: &str) -> Vec<Group> {
    of_tenant(bundle, isolation, tenant.parse().unwrap(), Timestamp::UNIX_EPOCH).unwrap()
}

/// The built-in bundle with one file changed.
fn changed(path: &str, change: impl Fn(&str) -> String) -> Bundle {
    let files = BUNDLE.source.files().map(|(name, bytes)| {
        let bytes = match name == path {
            true => change(std::str::from_utf8(bytes).unwrap()).into_bytes(),
            false => bytes.to_vec(),
        };
        (name.to_owned(), bytes)
    });
    Bundle::load(Source::of(files)).unwrap_or_else(|error| panic!("{}", error.render()))
}

#[test]
fn a_tenant_has_a_group_for_each_company_role_that_a_policy_names() {
    let names: Vec<_> = company_roles(&BUNDLE)
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(names, ["admin", "auditor", "data-steward", "viewer"]);
    let groups = of(&BUNDLE, Isolation::Role, OWN);
    let shown: Vec<_> = groups
        .iter()
        .map(|group| (group.name.as_str(), group.precedence, group.role.as_deref()))
        .collect();
    let role = "arn:aws:iam::123456789012:role/tidegate-tenant-BPNL000000000DWF";
    assert_eq!(
        shown,
        [
            ("BPNL000000000DWF.admin", Some(0), Some(role)),
            ("BPNL000000000DWF.auditor", Some(1), None),
            ("BPNL000000000DWF.data-steward", Some(2), None),
            ("BPNL000000000DWF.viewer", Some(3), None),
        ]
    );
    let shared = of(&BUNDLE, Isolation::Tags, OWN);
    assert_eq!(
        shared[0].role.as_deref(),
        Some("arn:aws:iam::123456789012:role/tidegate-pool")
    );
}

#[test]
fn which_groups_carry_the_role_follows_the_policies() {
    let file = "policies/platform/credentials.cedar";
    let widened = changed(file, |text| {
        let permit =
            "permit (\n  principal in Tidegate::CompanyRole::\"admin\",\n  action == Tidegate::Action::\"assumeRole\",";
        assert!(text.contains(permit));
        text.replace(permit, &permit.replace("\"admin\"", "\"keeper\""))
    });
    let groups = of(&widened, Isolation::Role, OWN);
    let carrying: Vec<_> = groups.iter().filter(|group| group.role.is_some()).collect();
    let [keeper] = carrying.as_slice() else {
        panic!("{groups:?}")
    };
    assert_eq!(
        (keeper.name.as_str(), keeper.precedence),
        ("BPNL000000000DWF.keeper", Some(0))
    );
    assert!(
        groups
            .iter()
            .any(|group| group.name.ends_with(".admin") && group.precedence == Some(1)),
        "other policies name it still"
    );
}

#[test]
fn a_company_role_that_no_group_can_be_named_after_is_an_error() {
    let file = "policies/platform/users.cedar";
    let odd = changed(file, |text| {
        text.replace("CompanyRole::\"admin\"", "CompanyRole::\"the admin\"")
    });
    let error = of_tenant(&odd, Isolation::Role, OWN.parse().unwrap(), Timestamp::UNIX_EPOCH).unwrap_err();
    assert!(error.to_string().contains("`the admin`"), "{error}");
}

#[test]
fn the_linter_has_nothing_to_say_of_our_pool_unless_people_can_change_the_claim() {
    let names = BUNDLE.account.names();
    let mut known = Known::default();
    known.writable.insert("email".to_owned());
    assert_eq!(lint(&identity_pool(), names, &known), []);
    known.writable.insert(TENANT_CLAIM.to_owned());
    let found = lint(&identity_pool(), names, &known);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].code(), "writable-tag");
}

/// Anything someone could bring: groups of two tenants and of none, with any role and precedence; any claim, any wish.
fn sign_in(isolation: Isolation) -> impl Strategy<Value = (Option<String>, SignIn)> {
    let mut groups = [of(&BUNDLE, isolation, OWN), of(&BUNDLE, isolation, OTHER)].concat();
    let roles: Vec<String> = groups.iter().filter_map(|group| group.role.clone()).collect();
    for (name, precedence) in [("stray", None), ("BPNL000000000DWF.stray", Some(0))] {
        groups.extend(roles.iter().map(|role| Group {
            name: name.to_owned(),
            role: Some(role.clone()),
            precedence,
        }));
    }
    let count = groups.len();
    let mut wishes = roles;
    wishes.push("arn:aws:iam::123456789012:role/tidegate-service".to_owned());
    let claim = prop_oneof![
        3 => select(vec![OWN, OTHER]).prop_map(str::to_owned),
        1 => "BPNL[0-9A-Z]{12}|[*?A-Z0-9${}]{0,16}",
    ];
    let call = prop_oneof![
        3 => prop::option::of(select(wishes.clone())).prop_map(|custom_role| Call::Enhanced { custom_role }),
        1 => select(wishes).prop_map(|role| Call::Classic { role }),
    ];
    let person = (
        subsequence(groups, 0..=count),
        prop::option::weighted(0.9, claim),
        any::<bool>(),
    );
    (prop::option::weighted(0.95, person), call).prop_map(|(person, call)| {
        let claim = person.as_ref().and_then(|(_, claim, _)| claim.clone());
        let person = person.map(|(groups, claim, signed_out)| Person {
            token: IdToken {
                roles: RoleClaims::of(&groups),
                claims: claim
                    .map(|claim| (TENANT_CLAIM.to_owned(), claim))
                    .into_iter()
                    .collect(),
            },
            signed_out,
        });
        (claim, SignIn { person, call })
    })
}

/// Whoever gets credentials gets them for the tenant of their claim: tagged so, and of no other tenant's role.
fn held(
    isolation: Isolation,
    claim: Option<String>,
    sign_in: &SignIn,
    pool: &IdentityPool,
) -> Result<(), TestCaseError> {
    if let Ok(given) = BUNDLE.account.sign_in(pool, sign_in) {
        prop_assert_eq!(given.tags.get(TENANT_TAG), claim.as_ref());
        let claim = claim.unwrap();
        match BUNDLE.account.names().own_role(&given.role) {
            Some(OwnRole::Tenant(tenant)) => {
                prop_assert_eq!(isolation, Isolation::Role);
                prop_assert_eq!(tenant.to_string(), claim);
            }
            Some(OwnRole::Pool) => prop_assert_eq!(isolation, Isolation::Tags),
            other => prop_assert!(false, "credentials of {:?}", other),
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn whatever_the_groups_credentials_are_for_the_tenant_of_the_claim((claim, sign_in) in sign_in(Isolation::Role)) {
        held(Isolation::Role, claim, &sign_in, &identity_pool())?;
    }

    #[test]
    fn whatever_the_groups_credentials_of_the_shared_role_are_tagged_with_the_claim((claim, sign_in) in sign_in(Isolation::Tags)) {
        held(Isolation::Tags, claim, &sign_in, &identity_pool())?;
    }

    #[test]
    fn nor_would_the_classic_flow_open_another_tenant((claim, sign_in) in sign_in(Isolation::Role)) {
        let open = IdentityPool { allow_classic_flow: true, ..identity_pool() };
        held(Isolation::Role, claim, &sign_in, &open)?;
    }
}

#[test]
fn the_laws_are_about_sign_ins_that_succeed_as_well() {
    let admin = of(&BUNDLE, Isolation::Role, OWN);
    let token = |claim: &str| IdToken {
        roles: RoleClaims::of(&admin),
        claims: BTreeMap::from([(TENANT_CLAIM.to_owned(), claim.to_owned())]),
    };
    let sign_in = |claim: &str| SignIn {
        person: Some(Person {
            token: token(claim),
            signed_out: false,
        }),
        call: Call::Enhanced { custom_role: None },
    };
    assert!(BUNDLE.account.sign_in(&identity_pool(), &sign_in(OWN)).is_ok());
    assert!(BUNDLE.account.sign_in(&identity_pool(), &sign_in(OTHER)).is_err());
}
