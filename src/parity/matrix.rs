//! Every actor, action and resource of a world, with both layers' answers, as one table to read and to compare.
//!
//! Each kind of request the schema knows is a table of its own: a row for each actor, a column for each resource. A partner's
//! first row is for a request that names no agreement, or any that is not listed below it. A cell is two characters:
//!
//! | first: Cedar | second: IAM |
//! |---|---|
//! | `A` allow, `d` deny, `!` deny because a policy failed to evaluate | `+` allowed, `-` denied, `.` not asked |
//!
//! so the request goes through exactly where a cell is `A+` or `A.`; `A-` is a layer contradicting the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::world::World;
use crate::bundle::Bundle;
use crate::decision::{Decision, Effect, IamAnswer, IamDecision};
use crate::engine;
use crate::question::{Action, Entity, EntityKind, EntityRef, Value};

/// The table of everything that can be asked in `world`, at its time and for its purpose. A partner's requests are carried by
/// a connector of the tenant that owns the resource.
pub fn matrix(bundle: &Bundle, world: &World) -> String {
    let mut out = format!("world {} at {} for {}\n", world.name(), world.now(), world.purpose());
    out.push_str(
        "first letter Cedar: A allow, d deny, ! failed to evaluate; second IAM: + allowed, - denied, . not asked\n",
    );
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let environments: BTreeSet<_> = bundle.index.sizes().map(|(environment, _)| environment).collect();
    for (principal, action, resource) in environments {
        let resources: Vec<_> = world.of_kind(resource).collect();
        if resources.is_empty() || world.of_kind(principal).next().is_none() {
            continue;
        }
        let table = table(bundle, world, principal, action, &resources);
        // Actions that are answered alike share a table.
        tables
            .entry(format!("{principal} > {resource}\n{table}"))
            .or_default()
            .push(action.to_string());
    }
    for (table, actions) in tables {
        let (title, body) = table.split_once('\n').unwrap_or((&table, ""));
        let _ = write!(out, "\n## {title}: {}\n{body}", actions.join(", "));
    }
    out
}

fn table(bundle: &Bundle, world: &World, principal: EntityKind, action: Action, resources: &[&Entity]) -> String {
    let mut out = String::new();
    for (index, resource) in resources.iter().enumerate() {
        let _ = writeln!(out, "{:>3} {}", index + 1, resource.uid.id);
    }
    let mut lines = Vec::new();
    for actor in world.of_kind(principal) {
        let mut first: Option<String> = None;
        for (agreement, named) in agreements(world, action) {
            let mut cells = String::new();
            for resource in resources {
                let context = context(world, action, resource, agreement);
                let question = world.question(actor.uid.clone(), action, resource.uid.clone(), context);
                let _ = write!(cells, " {:>3}", cell(&engine::decide(bundle, &question)));
            }
            // What naming an agreement does not change is said once, in the row without one.
            if first.as_ref() != Some(&cells) {
                lines.push((format!("{}{named}", label(actor)), cells.clone()));
            }
            first.get_or_insert(cells);
        }
    }
    let width = lines
        .iter()
        .map(|(label, _)| label.chars().count())
        .max()
        .unwrap_or_default();
    let numbers: String = (1..=resources.len()).map(|number| format!(" {number:>3}")).collect();
    let _ = writeln!(out, "{:width$}{numbers}", "");
    for (label, cells) in lines {
        let _ = writeln!(out, "{label:width$}{cells}");
    }
    out
}

/// An actor's id, with its roles.
fn label(actor: &Entity) -> String {
    let roles: Vec<_> = actor.parents.iter().map(|role| &*role.id).collect();
    let disabled = actor.attrs.get("enabled") == Some(&Value::Bool(false));
    let state = if disabled { " disabled" } else { "" };
    if roles.is_empty() {
        format!("{}{state}", actor.uid.id)
    } else {
        format!("{} ({}){state}", actor.uid.id, roles.join(", "))
    }
}

/// The agreements a request may name: none, and each of the world; only where the action has a place for one.
fn agreements(world: &World, action: Action) -> Vec<(Option<&EntityRef>, String)> {
    let mut list = vec![(None, String::new())];
    if matches!(action, Action::Transfer | Action::Access) {
        list.extend(
            world
                .of_kind(EntityKind::Agreement)
                .map(|entity| (Some(&entity.uid), format!(" @ {}", entity.uid.id))),
        );
    }
    list
}

fn context(world: &World, action: Action, resource: &Entity, agreement: Option<&EntityRef>) -> BTreeMap<String, Value> {
    let mut context = BTreeMap::from([("now".to_owned(), Value::DateTime(world.now()))]);
    if matches!(
        action,
        Action::Discover | Action::Negotiate | Action::Transfer | Action::Access
    ) {
        context.insert("purpose".to_owned(), Value::from(world.purpose()));
        let tenant = resource.attrs.get("tenant");
        let own = world
            .of_kind(EntityKind::Connector)
            .find(|connector| connector.attrs.get("tenant") == tenant);
        context.extend(own.map(|connector| ("connector".to_owned(), Value::Entity(connector.uid.clone()))));
    }
    context.extend(agreement.map(|agreement| ("agreement".to_owned(), Value::Entity(agreement.clone()))));
    context
}

fn cell(decision: &Decision) -> String {
    let cedar = match decision.cedar.decision {
        Effect::Allow => 'A',
        Effect::Deny if decision.cedar.errors.is_empty() => 'd',
        Effect::Deny => '!',
    };
    let iam = match &decision.iam {
        IamAnswer::NotApplicable { .. } => '.',
        IamAnswer::Evaluated {
            decision: IamDecision::Allowed,
            ..
        } => '+',
        IamAnswer::Evaluated { .. } => '-',
    };
    format!("{cedar}{iam}")
}
