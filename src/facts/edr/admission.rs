//! Which appended blocks may be evaluated: those whose structure says that evaluating them costs next to nothing.
//!
//! The page of [`edr`](super) says why. What is looked at is the decoded block itself, as the library will evaluate it, and
//! never its printed form: a name or a text may hold any characters, and print as something it is not.

use biscuit_auth::datalog::SymbolTable;
use biscuit_auth::format::schema;
use biscuit_auth::format::schema::op::Content as Op;
use biscuit_auth::format::schema::op_binary::Kind as Binary;
use biscuit_auth::format::schema::op_unary::Kind as Unary;
use biscuit_auth::format::schema::term::Content as Value;

use super::EdrError;

/// What a check may ask about. The request gives at most one fact of each, so a body has at most one match.
const VOCABULARY: [&str; 5] = ["time", "pcf", "product", "operation", "recipient"];

/// The greatest length of an appended block, in bytes.
pub(super) const MAX_BLOCK: usize = 2 * 1024;
/// How many checks a block may have.
const MAX_CHECKS: usize = 8;
/// How many alternatives, parted by `or`, a check may have.
const MAX_QUERIES: usize = 8;
/// How many predicates the body of one alternative may have.
const MAX_PREDICATES: usize = 3;
/// How many operations and values all expressions of a block may have.
const MAX_OPS: usize = 64;
/// How many elements a list in an expression may have.
const MAX_ELEMENTS: usize = 64;

/// Admits a block or refuses it. `symbols` are those of the blocks before it and its own.
pub(super) fn admit(block: &schema::Block, symbols: &SymbolTable) -> Result<(), EdrError> {
    let checks_only = block.facts.is_empty()
        && block.rules.is_empty()
        && block.scope.is_empty()
        && block.public_keys.is_empty()
        && (1..=MAX_CHECKS).contains(&block.checks.len());
    let ops: usize = queries(block)
        .flat_map(|query| &query.expressions)
        .map(|expression| expression.ops.len())
        .sum();
    let admitted = checks_only
        && ops <= MAX_OPS
        && block
            .checks
            .iter()
            .all(|check| (1..=MAX_QUERIES).contains(&check.queries.len()))
        && queries(block).all(|query| is_plain(query, symbols));
    if admitted { Ok(()) } else { Err(EdrError::Block) }
}

fn queries(block: &schema::Block) -> impl Iterator<Item = &schema::Rule> {
    block.checks.iter().flat_map(|check| &check.queries)
}

fn is_plain(query: &schema::Rule, symbols: &SymbolTable) -> bool {
    query.scope.is_empty()
        && query.body.len() <= MAX_PREDICATES
        && query.body.iter().all(|predicate| is_known(predicate, symbols))
        && query
            .expressions
            .iter()
            .flat_map(|expression| &expression.ops)
            .all(is_cheap)
}

/// One of the vocabulary, with one term that is a variable or a scalar.
fn is_known(predicate: &schema::Predicate, symbols: &SymbolTable) -> bool {
    let named = symbols
        .get_symbol(predicate.name)
        .is_some_and(|name| VOCABULARY.contains(&name));
    let term = |term: &schema::Term| matches!(term.content, Some(Value::Variable(_))) || is_scalar(term);
    named && matches!(predicate.terms.as_slice(), [only] if term(only))
}

fn is_cheap(op: &schema::Op) -> bool {
    match &op.content {
        Some(Op::Value(term)) => match &term.content {
            Some(Value::Variable(_)) => true,
            Some(Value::Set(set)) => is_list(&set.set),
            Some(Value::Array(array)) => is_list(&array.array),
            _ => is_scalar(term),
        },
        Some(Op::Unary(unary)) => {
            unary.ffi_name.is_none() && [Unary::Negate as i32, Unary::Parens as i32].contains(&unary.kind)
        }
        Some(Op::Binary(binary)) => binary.ffi_name.is_none() && COMPARISONS.contains(&binary.kind),
        Some(Op::Closure(_)) | None => false,
    }
}

/// What compares and makes nothing that grows.
const COMPARISONS: [i32; 11] = [
    Binary::LessThan as i32,
    Binary::GreaterThan as i32,
    Binary::LessOrEqual as i32,
    Binary::GreaterOrEqual as i32,
    Binary::Equal as i32,
    Binary::NotEqual as i32,
    Binary::HeterogeneousEqual as i32,
    Binary::HeterogeneousNotEqual as i32,
    Binary::Contains as i32,
    Binary::Prefix as i32,
    Binary::Suffix as i32,
];

fn is_list(terms: &[schema::Term]) -> bool {
    terms.len() <= MAX_ELEMENTS && terms.iter().all(is_scalar)
}

fn is_scalar(term: &schema::Term) -> bool {
    matches!(
        term.content,
        Some(Value::Integer(_) | Value::String(_) | Value::Date(_) | Value::Bool(_))
    )
}
