//! Every actor, action and resource of a world, with both layers' answers, to read and to compare.
//!
//! Each kind of request the schema knows is a table of its own: a row for each actor, a column for each resource. Where a
//! request may name an agreement, an actor has a row without one and a row for each agreement of the world. A partner's
//! requests are carried by a connector of the tenant that owns the resource; at the PACT endpoint a partner comes with the client that
//! tenant gave it. Of a twin's specific asset ids the first is asked for.
//!
//! Where the layers disagree, the cell is held to the list of divergences as a case is, by the causes and for the kinds of
//! principals that cases of the corpus bear.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::case::{Expect, ExpectIam};
use super::divergence::Listed;
use super::finding::{Finding, Verdict};
use super::world::World;
use crate::bundle::Bundle;
use crate::decision::Effect;
use crate::engine;
use crate::question::{Action, Entity, EntityKind, EntityRef, Value, lookup, moment};

/// A kind of request: of a principal, to do something, to a resource.
pub type Environment = (EntityKind, Action, EntityKind);

/// All tables of one world, at its time and for its purpose.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// The world's name.
    pub world: String,
    /// The instant every question is asked at.
    pub now: Timestamp,
    /// The purpose partners ask with.
    pub purpose: String,
    /// One table for each kind of request that the world has an actor and a resource for.
    pub tables: Vec<Table>,
}

/// The answers to one kind of request.
#[derive(Clone, Debug)]
pub struct Table {
    /// The kind of request.
    pub environment: Environment,
    /// The columns.
    pub resources: Vec<EntityRef>,
    /// One row for each actor and agreement.
    pub rows: Vec<Row>,
}

/// What one actor may do, under one agreement or none.
#[derive(Clone, Debug)]
pub struct Row {
    /// Who asks.
    pub actor: EntityRef,
    /// The actor's id with the roles it has, and whether it is disabled.
    pub label: String,
    /// The agreement the request names.
    pub agreement: Option<EntityRef>,
    /// One cell for each resource.
    pub cells: Vec<Cell>,
}

/// Both layers' answers to one question.
#[derive(Clone, Debug)]
pub struct Cell {
    /// What each layer said, as a case of the world would expect it.
    pub answers: Expect,
    /// What both layers together decide.
    pub effect: Effect,
    /// How the layers stand to each other.
    pub verdict: Verdict,
    /// The classes of divergences that explain a disagreement.
    pub divergences: BTreeSet<String>,
    /// A disagreement that nothing explains.
    pub finding: Option<Finding>,
}

/// Every kind of request the schema allows.
pub fn environments(bundle: &Bundle) -> BTreeSet<Environment> {
    bundle.index.sizes().map(|(environment, _)| environment).collect()
}

/// Asks everything that can be asked in `world`.
pub fn matrix(bundle: &Bundle, world: &World, listed: &Listed) -> Matrix {
    let mut tables = Vec::new();
    for environment in environments(bundle) {
        let (principal, action, resource) = environment;
        let resources: Vec<_> = world.of_kind(resource).collect();
        if resources.is_empty() {
            continue;
        }
        let mut rows = Vec::new();
        for actor in world.of_kind(principal) {
            for agreement in agreements(world, action) {
                let cells = resources.iter().map(|resource| {
                    let context = context(world, action, (actor, resource), agreement);
                    cell(bundle, world, listed, (actor, action, resource), context)
                });
                rows.push(Row {
                    actor: actor.uid.clone(),
                    label: label(actor),
                    agreement: agreement.cloned(),
                    cells: cells.collect(),
                });
            }
        }
        if !rows.is_empty() {
            tables.push(Table {
                environment,
                resources: resources.iter().map(|resource| resource.uid.clone()).collect(),
                rows,
            });
        }
    }
    Matrix {
        world: world.name().to_owned(),
        now: world.now(),
        purpose: world.purpose().to_owned(),
        tables,
    }
}

impl Matrix {
    /// Every cell, with the row and the resource it stands for.
    pub fn cells(&self) -> impl Iterator<Item = (&Table, &Row, &EntityRef, &Cell)> {
        self.tables.iter().flat_map(|table| {
            table.rows.iter().flat_map(move |row| {
                let cells = table.resources.iter().zip(&row.cells);
                cells.map(move |(resource, cell)| (table, row, resource, cell))
            })
        })
    }
}

fn cell(
    bundle: &Bundle,
    world: &World,
    listed: &Listed,
    (actor, action, resource): (&Entity, Action, &Entity),
    context: BTreeMap<String, Value>,
) -> Cell {
    let question = world.question(actor.uid.clone(), action, resource.uid.clone(), context);
    let decision = engine::decide(bundle, &question);
    let answers = Expect::of(&decision, world);
    let (divergences, finding) = match listed.explain(actor.uid.kind, &answers) {
        Ok(classes) => (classes, None),
        Err(finding) => (BTreeSet::new(), Some(finding)),
    };
    let verdict = match &answers.iam {
        _ if finding.is_some() => Verdict::Mismatch,
        ExpectIam::Unasked(_) => Verdict::NotApplicable,
        ExpectIam::Asked(_) if divergences.is_empty() => Verdict::Agree,
        ExpectIam::Asked(_) => Verdict::Listed,
    };
    Cell {
        answers,
        effect: decision.effect,
        verdict,
        divergences,
        finding,
    }
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
fn agreements(world: &World, action: Action) -> Vec<Option<&EntityRef>> {
    let mut list = vec![None];
    if matches!(action, Action::Transfer | Action::Access | Action::Submit) {
        list.extend(world.of_kind(EntityKind::Agreement).map(|entity| Some(&entity.uid)));
    }
    list
}

fn context(
    world: &World,
    action: Action,
    (actor, resource): (&Entity, &Entity),
    agreement: Option<&EntityRef>,
) -> BTreeMap<String, Value> {
    let mut context = BTreeMap::from([("now".to_owned(), Value::DateTime(world.now()))]);
    let tenant = resource.attrs.get("tenant");
    if matches!(action, Action::SearchFootprints | Action::AnnounceFootprints) {
        // A partner comes with the client it has at that company; who has none there, with another's.
        let there = || {
            let clients = world.of_kind(EntityKind::PactClient);
            clients.filter(|client| client.attrs.get("tenant") == tenant)
        };
        let own = Value::Entity(actor.uid.clone());
        let client = there().find(|client| client.attrs.get("partner") == Some(&own));
        let client = client.or_else(|| there().next());
        context.extend(client.map(|client| ("client".to_owned(), Value::Entity(client.uid.clone()))));
        context.insert("criteria".to_owned(), Value::Set(BTreeSet::new()));
    }
    if moment(action).is_some() {
        context.insert("purpose".to_owned(), Value::from(world.purpose()));
        context.extend(world.versions(action).map(|versions| ("versions".to_owned(), versions)));
    }
    if moment(action).is_some() || lookup(action).is_some() {
        let own = world
            .of_kind(EntityKind::Connector)
            .find(|connector| connector.attrs.get("tenant") == tenant);
        context.extend(own.map(|connector| ("connector".to_owned(), Value::Entity(connector.uid.clone()))));
    }
    if let (Action::ReadAssetId, Some(Value::Set(ids))) = (action, resource.attrs.get("assetIds")) {
        // Of a twin's specific asset ids the first in order stands for all.
        context.extend(ids.first().map(|id| ("assetId".to_owned(), id.clone())));
    }
    context.extend(agreement.map(|agreement| ("agreement".to_owned(), Value::Entity(agreement.clone()))));
    context
}
