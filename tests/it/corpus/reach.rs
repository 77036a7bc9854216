//! How far credentials reach: whoever takes credentials of a tenant's role can do with them what the role can, without asking
//! Tidegate again. So a person who may take them should be a person who may do all that.

use std::collections::{BTreeMap, BTreeSet};

use tidegate::decision::{Effect, IamAnswer, IamDecision};
use tidegate::engine::{ask_iam, decide};
use tidegate::question::{Action, Entity, EntityKind, EntityRef, Value};

use super::{BUNDLE, world};

/// Where the role reaches further than policy lets the person go: company role, action, why that is so today.
const FURTHER: [(&str, Action, &str); 2] = [
    (
        "admin",
        Action::DeleteFootprint,
        "the role's credentials are not cut down to the person's company roles",
    ),
    ("admin", Action::WriteFootprint, "as above"),
];

fn now() -> BTreeMap<String, Value> {
    BTreeMap::from([("now".to_owned(), Value::DateTime(world().now()))])
}

fn may(person: &Entity, action: Action, resource: &EntityRef) -> bool {
    let question = world().question(person.uid.clone(), action, resource.clone(), now());
    decide(&BUNDLE, &question).effect == Effect::Allow
}

/// Whether the tenant's role could do it, whoever holds its credentials.
fn role_can(person: &Entity, action: Action, resource: &EntityRef) -> bool {
    let question = world().question(person.uid.clone(), action, resource.clone(), now());
    matches!(
        ask_iam(&BUNDLE, &question),
        IamAnswer::Evaluated {
            decision: IamDecision::Allowed,
            ..
        }
    )
}

#[test]
fn credentials_reach_no_further_than_policy_but_where_it_is_listed() {
    let kinds = BUNDLE.index.sizes().map(|(environment, _)| environment);
    let asked: BTreeSet<_> = kinds.filter(|(who, ..)| *who == EntityKind::User).collect();
    let mut further = BTreeSet::new();
    let mut holders = 0;
    for person in world()
        .of_kind(EntityKind::User)
        .filter(|person| person.parents.len() == 1)
    {
        let Some(Value::Entity(tenant)) = person.attrs.get("tenant") else {
            panic!("{} has no tenant", person.uid)
        };
        let role = EntityRef::new(EntityKind::AwsRole, &*tenant.id);
        if !may(person, Action::AssumeRole, &role) {
            continue;
        }
        holders += 1;
        for (_, action, kind) in &asked {
            for thing in world().of_kind(*kind).map(|thing| &thing.uid) {
                // What is refused for the document's sake is no matter of the person.
                let foreign = thing.id.ends_with("/foreign");
                if !foreign && role_can(person, *action, thing) && !may(person, *action, thing) {
                    further.extend(person.parents.iter().map(|role| (role.id.to_string(), *action)));
                }
            }
        }
    }
    assert!(
        holders >= 3,
        "only {holders} people of one role take credentials in this world"
    );
    let listed: BTreeSet<_> = FURTHER
        .iter()
        .map(|(role, action, _)| ((*role).to_owned(), *action))
        .collect();
    assert_eq!(further, listed);
}
