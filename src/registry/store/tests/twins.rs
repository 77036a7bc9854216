//! The access rules of a tenant's twins: kept byte for byte, compiled when they are read, gone when they are taken out.

use super::*;
use crate::registry::TwinRules;

const RULES: &str = include_str!("../../../../fixtures/dtr/example-access-rules.json");

on_both!(
    rules_are_after_the_next_start_what_they_were_before_and_what_others_see,
    rules_that_do_not_read_are_refused_with_the_place,
);

fn rules(text: &str) -> TwinRules {
    TwinRules::read(provider(), text).unwrap()
}

fn ours() -> String {
    RULES.replace("BPNL00000000000B", PROVIDER)
}

fn held_rules(store: &RegistryStore) -> Option<(String, Digest)> {
    let registry = store.current();
    let own = registry.tenant(provider())?.twin_rules.clone()?;
    Some((own.text.to_string(), own.rules.digest()))
}

async fn rules_are_after_the_next_start_what_they_were_before_and_what_others_see(on: On) {
    let home = Home::new(on).await;
    let (store, other) = (open(&home).await, reopen(&home).await);
    assert_eq!(held_rules(&store), None);
    let text = format!(" {}\n", ours());
    let put = rules(&text);
    store.put_twin_rules(provider(), Some(&put)).await.unwrap();
    let expected = Some((text, put.rules.digest()));
    assert_eq!(held_rules(&store), expected);
    assert_eq!(held_rules(&other), None);
    assert!(other.catch_up().await.unwrap());
    assert_eq!(held_rules(&other), expected);
    // A document that is taken in says nothing of rules, so it changes none.
    other.seed(&[world()], &[]).await.unwrap();
    close(other).await;
    close(store).await;
    let store = reopen(&home).await;
    assert_eq!(held_rules(&store), expected);
    // No rule is not the same as no rules.
    store.put_twin_rules(provider(), Some(&rules("[]"))).await.unwrap();
    assert_eq!(held_rules(&store).unwrap().0, "[]");
    store.put_twin_rules(provider(), None).await.unwrap();
    assert_eq!(held_rules(&store), None);
    close(store).await;
    let store = reopen(&home).await;
    assert_eq!(held_rules(&store), None);
    let stranger = "BPNL00000000B2CD".parse().unwrap();
    let refused = store.put_twin_rules(stranger, None).await.unwrap_err();
    assert!(matches!(refused, RegistryError::NoSuchTenant(_)), "{refused}");
}

async fn rules_that_do_not_read_are_refused_with_the_place(on: On) {
    for (changed, expected) in [
        (
            "replace(document, '\"eq\"', '\"like\"')",
            "at `/0/policy/accessRules/0/operator`",
        ),
        (
            "replace(document, 'BPNL000000000DWF', 'BPNL00000000B2CD')",
            "at `/0/tid`",
        ),
        ("'no rules'", "not JSON"),
    ] {
        let home = Home::new(on).await;
        let store = open(&home).await;
        store.put_twin_rules(provider(), Some(&rules(&ours()))).await.unwrap();
        close(store).await;
        home.edit(FILE, &format!("UPDATE twin_rules SET document = {changed}"))
            .await;
        let said = RegistryStore::open(home.place()).await.unwrap_err().to_string();
        assert!(said.contains("access rules") && said.contains(expected), "{said}");
    }
}
