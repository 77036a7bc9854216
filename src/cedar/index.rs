//! Which policies can match a request at all, found once per bundle.

use std::collections::{HashMap, HashSet};

use cedar_policy::{
    ActionConstraint, EntityTypeName, EntityUid, Policy, PolicySet, PrincipalConstraint, ResourceConstraint, Schema,
};

use super::slices::Slices;
use super::translate::{action_uid, type_name};
use crate::question::{Action, EntityKind};

/// For each kind of principal, action and kind of resource: the policies whose scope can match such a request.
#[derive(Debug)]
pub struct Index {
    slots: HashMap<(EntityKind, Action, EntityKind), PolicySet>,
    slices: Slices,
}

/// A scope constraint on the principal or the resource, whichever it came from.
enum Scope {
    Any,
    Kind(EntityTypeName),
    Entity(EntityUid),
    Below(EntityUid),
    KindBelow(EntityTypeName),
}

impl Index {
    /// Sorts the policies of `policies` into the slots they can match.
    ///
    /// # Errors
    /// An id that stands twice, or a schema whose actions do not form a hierarchy; both are refused before, at loading.
    pub fn build(policies: &PolicySet, schema: &Schema) -> Result<Self, String> {
        let hierarchy = schema.action_entities().map_err(|error| error.to_string())?;
        let mut slots = HashMap::new();
        for environment in schema.request_envs() {
            let Some(action) = Action::ALL
                .iter()
                .find(|action| action_uid(**action) == Some(environment.action()))
            else {
                continue;
            };
            let mut groups: HashSet<EntityUid> = hierarchy
                .ancestors(environment.action())
                .into_iter()
                .flatten()
                .cloned()
                .collect();
            groups.insert(environment.action().clone());
            let matching = policies.policies().filter(|policy| {
                action_can_match(policy, &groups)
                    && scope_can_match(&principal(policy), environment.principal(), schema)
                    && scope_can_match(&resource(policy), environment.resource(), schema)
            });
            let slot = PolicySet::from_policies(matching.cloned()).map_err(|error| error.to_string())?;
            let kinds = (kind_of(environment.principal()), kind_of(environment.resource()));
            if let (Some(principal), Some(resource)) = kinds {
                slots.insert((principal, *action, resource), slot);
            }
        }
        Ok(Self {
            slots,
            slices: Slices::default(),
        })
    }

    /// The policies that can match, or nothing where the schema knows no such request.
    pub fn slot(&self, principal: EntityKind, action: Action, resource: EntityKind) -> Option<&PolicySet> {
        self.slots.get(&(principal, action, resource))
    }

    /// The entity slices translated so far for the schema this index was built with.
    pub(super) fn slices(&self) -> &Slices {
        &self.slices
    }

    /// Keeps at most about so many translated slices, where the memory for them is bounded.
    pub fn keep_slices(&self, most: usize) {
        self.slices.keep(most);
    }

    /// Every request environment of the schema, with the number of policies that can match it.
    pub fn sizes(&self) -> impl Iterator<Item = ((EntityKind, Action, EntityKind), usize)> {
        self.slots
            .iter()
            .map(|(slot, policies)| (*slot, policies.policies().count()))
    }
}

fn kind_of(name: &EntityTypeName) -> Option<EntityKind> {
    EntityKind::ALL
        .iter()
        .copied()
        .find(|kind| type_name(*kind) == Some(name))
}

fn principal(policy: &Policy) -> Scope {
    match policy.principal_constraint() {
        PrincipalConstraint::Any => Scope::Any,
        PrincipalConstraint::Is(kind) => Scope::Kind(kind),
        PrincipalConstraint::Eq(entity) => Scope::Entity(entity),
        PrincipalConstraint::In(entity) => Scope::Below(entity),
        PrincipalConstraint::IsIn(kind, _) => Scope::KindBelow(kind),
    }
}

fn resource(policy: &Policy) -> Scope {
    match policy.resource_constraint() {
        ResourceConstraint::Any => Scope::Any,
        ResourceConstraint::Is(kind) => Scope::Kind(kind),
        ResourceConstraint::Eq(entity) => Scope::Entity(entity),
        ResourceConstraint::In(entity) => Scope::Below(entity),
        ResourceConstraint::IsIn(kind, _) => Scope::KindBelow(kind),
    }
}

fn scope_can_match(scope: &Scope, kind: &EntityTypeName, schema: &Schema) -> bool {
    match scope {
        Scope::Any => true,
        Scope::Kind(wanted) | Scope::KindBelow(wanted) => wanted == kind,
        Scope::Entity(entity) => entity.type_name() == kind,
        // `in` holds for the entity itself and for what lies below it, so for kinds that may lie below its kind.
        Scope::Below(entity) => {
            entity.type_name() == kind
                || schema
                    .ancestors(kind)
                    .into_iter()
                    .flatten()
                    .any(|above| above == entity.type_name())
        }
    }
}

fn action_can_match(policy: &Policy, groups: &HashSet<EntityUid>) -> bool {
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(action) => groups.contains(&action),
        ActionConstraint::In(actions) => actions.iter().any(|action| groups.contains(action)),
    }
}
