//! A question as Cedar takes it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use cedar_policy::entities_errors::EntitiesError;
use cedar_policy::{Context, Entities, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression, Schema};

use cedar_policy_core::ast::{Name, RestrictedExpr};

use super::slices::Slices;
use crate::causes::with_causes;
use crate::ids::Digest;
use crate::question::{Action, Entity, EntityKind, EntityRef, Question, Value};

/// A question Cedar cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum TranslateError {
    /// The context does not fit the schema.
    #[error("the context does not fit the action `{action}`: {problem}")]
    Context {
        /// The action asked for.
        action: Action,
        /// What Cedar says.
        problem: String,
    },
    /// An entity does not fit the schema.
    #[error("the entities do not fit the schema: {0}")]
    Entities(String),
    /// The principal, action and resource do not go together.
    #[error("the schema does not let {0}")]
    Request(String),
    /// An offer or an agreement whose terms, or a twin whose access rules the question does not bring along. Terms also forbid, so without them the rest
    /// could permit what the contract as a whole refuses.
    #[error("the terms `{terms}` of {entity} are not at hand")]
    Terms {
        /// The offer, the agreement or the twin.
        entity: EntityRef,
        /// The digest it names.
        terms: String,
    },
}

/// A request with its entities, ready for the authorizer.
pub struct Prepared {
    /// Principal, action, resource, context.
    pub(super) request: Request,
    /// The slice, and the hierarchy of actions.
    pub(super) entities: Arc<Entities>,
}

/// Type names are parsed once: parsing one costs more than deciding does.
static TYPES: LazyLock<Vec<EntityTypeName>> = LazyLock::new(|| {
    EntityKind::ALL
        .iter()
        .filter_map(|kind| format!("Tidegate::{kind}").parse().ok())
        .collect()
});

static ACTIONS: LazyLock<Vec<EntityUid>> = LazyLock::new(|| {
    let kind: Option<EntityTypeName> = "Tidegate::Action".parse().ok();
    kind.into_iter()
        .flat_map(|kind| {
            Action::ALL
                .iter()
                .map(move |action| EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(action.as_str())))
        })
        .collect()
});

/// The Cedar type of `kind`.
pub(super) fn type_name(kind: EntityKind) -> Option<&'static EntityTypeName> {
    TYPES.get(kind as usize)
}

/// The Cedar entity of `action`.
pub(super) fn action_uid(action: Action) -> Option<&'static EntityUid> {
    ACTIONS.get(action as usize)
}

/// The name of Cedar's constructor of instants. `RestrictedExpression::new_datetime` parses it anew at every call, with a
/// parser generator's machinery; that alone cost a sixth of a decision.
static DATE_TIME: LazyLock<Option<Name>> = LazyLock::new(|| "datetime".parse().ok());

fn date_time(instant: jiff::Timestamp) -> RestrictedExpression {
    let spelled = crate::question::spell_time(instant);
    match &*DATE_TIME {
        Some(name) => RestrictedExpr::call_extension_fn(name.clone(), [RestrictedExpr::val(spelled)]).into(),
        None => RestrictedExpression::new_datetime(spelled),
    }
}

fn uid(reference: &EntityRef) -> Result<EntityUid, TranslateError> {
    let kind =
        type_name(reference.kind).ok_or_else(|| TranslateError::Entities(format!("no type `{}`", reference.kind)))?;
    Ok(EntityUid::from_type_name_and_id(
        kind.clone(),
        EntityId::new(&*reference.id),
    ))
}

fn expression(value: &Value) -> Result<RestrictedExpression, TranslateError> {
    Ok(match value {
        Value::Bool(value) => RestrictedExpression::new_bool(*value),
        Value::Long(value) => RestrictedExpression::new_long(*value),
        Value::String(text) => RestrictedExpression::new_string(text.to_string()),
        Value::DateTime(instant) => date_time(*instant),
        Value::Entity(reference) => RestrictedExpression::new_entity_uid(uid(reference)?),
        Value::Set(items) => {
            RestrictedExpression::new_set(items.iter().map(expression).collect::<Result<Vec<_>, _>>()?)
        }
        Value::Record(members) => {
            let members = members
                .iter()
                .map(|(name, value)| Ok((name.clone(), expression(value)?)));
            RestrictedExpression::new_record(members.collect::<Result<Vec<_>, TranslateError>>()?)
                .map_err(|error| TranslateError::Entities(error.to_string()))?
        }
    })
}

pub(super) fn entity(entity: &Entity) -> Result<cedar_policy::Entity, TranslateError> {
    let attrs = entity
        .attrs
        .iter()
        .map(|(name, value)| Ok((name.clone(), expression(value)?)));
    let attrs: HashMap<_, _> = attrs.collect::<Result<_, TranslateError>>()?;
    let parents: HashSet<_> = entity.parents.iter().map(uid).collect::<Result<_, _>>()?;
    cedar_policy::Entity::new(uid(&entity.uid)?, attrs, parents)
        .map_err(|error| TranslateError::Entities(error.to_string()))
}

/// The attributes that name terms; a name that is no digest names none that could be at hand.
fn terms_at_hand(entity: &Entity, question: &Question) -> Result<(), TranslateError> {
    let names: &[&str] = match entity.uid.kind {
        EntityKind::Offer => &["accessTerms", "usageTerms"],
        EntityKind::Agreement => &["terms"],
        EntityKind::Twin => &["accessRules"],
        _ => &[],
    };
    for name in names {
        if let Some(Value::String(terms)) = entity.attrs.get(*name)
            && !terms
                .parse()
                .is_ok_and(|digest: Digest| question.terms.contains_key(&digest))
        {
            return Err(TranslateError::Terms {
                entity: entity.uid.clone(),
                terms: terms.to_string(),
            });
        }
    }
    Ok(())
}

/// Turns a question into a request and its entities, both checked against the schema.
///
/// # Errors
/// The question does not fit the schema.
pub fn translate(question: &Question, schema: &Schema) -> Result<Prepared, TranslateError> {
    Ok(Prepared {
        request: request(question, schema)?,
        entities: Arc::new(entities(question, schema)?),
    })
}

/// As [`translate`], but takes the entities from `slices` where they were translated before. `slice` is the digest of the
/// question's entities in canonical form.
pub(super) fn translate_kept(
    question: &Question,
    slice: Digest,
    schema: &Schema,
    slices: &Slices,
) -> Result<Prepared, TranslateError> {
    Ok(Prepared {
        request: request(question, schema)?,
        entities: slices.slice(slice, &question.entities, schema)?,
    })
}

fn entities(question: &Question, schema: &Schema) -> Result<Entities, TranslateError> {
    let entities = question.entities.iter().map(entity).collect::<Result<Vec<_>, _>>()?;
    Entities::from_entities(entities, Some(schema)).map_err(misfit)
}

fn request(question: &Question, schema: &Schema) -> Result<Request, TranslateError> {
    let context_error = |problem: String| TranslateError::Context {
        action: question.action,
        problem,
    };
    let pairs = question
        .context
        .iter()
        .map(|(name, value)| Ok((name.clone(), expression(value)?)));
    let pairs = pairs.collect::<Result<Vec<_>, TranslateError>>()?;
    let context = Context::from_pairs(pairs).map_err(|error| context_error(error.to_string()))?;
    let action = action_uid(question.action).ok_or_else(|| context_error("unknown action".into()))?;
    let request = Request::new(
        uid(&question.principal)?,
        action.clone(),
        uid(&question.resource)?,
        context,
        Some(schema),
    )
    .map_err(|error| {
        let sentence = format!(
            "{} {} {}",
            question.principal.kind, question.action, question.resource.kind
        );
        TranslateError::Request(format!("{sentence}: {error}"))
    })?;
    question
        .entities
        .iter()
        .try_for_each(|entity| terms_at_hand(entity, question))?;
    Ok(request)
}

/// What is said of entities that do not fit the schema.
pub(super) fn misfit(error: EntitiesError) -> TranslateError {
    TranslateError::Entities(with_causes(&error))
}
