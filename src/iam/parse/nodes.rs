//! Reading the parts of a document, each with its place.

use crate::iam::error::{Fault, Problem};
use crate::iam::json::{Member, Node, Value};
use crate::iam::template::{Dialect, Token, lex};

pub(super) fn members<'n>(node: &'n Node, what: &'static str) -> Result<&'n [Member], Fault> {
    match &node.value {
        Value::Object(members) => Ok(members),
        _ => Err(expected(node, what)),
    }
}

/// A value, or a list of values that is not empty.
pub(super) fn list(node: &Node) -> Result<&[Node], Fault> {
    match &node.value {
        Value::Array(nodes) if nodes.is_empty() => Err(expected(node, "at least one value")),
        Value::Array(nodes) => Ok(nodes),
        _ => Ok(std::slice::from_ref(node)),
    }
}

pub(super) fn text(node: &Node) -> Result<&str, Fault> {
    match &node.value {
        Value::String(text) => Ok(text),
        _ => Err(expected(node, "a string")),
    }
}

/// A text in which nothing would be mistaken for a parameter or variable.
pub(super) fn plain<'n>(node: &'n Node, what: &'static str, dialect: Dialect) -> Result<&'n str, Fault> {
    let text = text(node)?;
    let tokens = lex(text, dialect);
    if tokens.is_ok_and(|tokens| tokens.iter().all(|token| matches!(token, Token::Text(_)))) {
        return Ok(text);
    }
    let help = "parameters and variables have no meaning here; remove the brace";
    Err(invalid(node, text, what, help))
}

/// A condition value.
pub(super) fn scalar(node: &Node) -> Result<&str, Fault> {
    node.scalar()
        .ok_or_else(|| expected(node, "a string, number or boolean"))
}

pub(super) fn find<'n>(members: &'n [Member], key: &str) -> Option<&'n Member> {
    members.iter().find(|member| member.key == key)
}

/// The element or its `Not…` form, with whether it is the latter.
pub(super) fn either<'n>(
    node: &Node,
    elements: &'n [Member],
    (name, negated): (&str, &str),
    both: &'static str,
) -> Result<Option<(bool, &'n Member)>, Fault> {
    match (find(elements, name), find(elements, negated)) {
        (Some(_), Some(_)) => Err(Fault::new(Problem::Both(both), node.span.clone())),
        (Some(element), None) => Ok(Some((false, element))),
        (None, Some(element)) => Ok(Some((true, element))),
        (None, None) => Ok(None),
    }
}

pub(super) fn known(members: &[Member], names: &[&str]) -> Result<(), Fault> {
    match members.iter().find(|member| !names.contains(&member.key.as_str())) {
        None => Ok(()),
        Some(member) => {
            let problem = Problem::UnknownElement {
                element: member.key.clone(),
                known: names.join(", "),
            };
            Err(Fault::new(problem, member.key_span.clone()))
        }
    }
}

pub(super) fn at(node: &Node, problem: Problem) -> Fault {
    Fault::new(problem, node.span.clone())
}

pub(super) fn expected(node: &Node, what: &'static str) -> Fault {
    at(node, Problem::Expected(what))
}

pub(super) fn invalid(node: &Node, text: &str, what: &'static str, help: &'static str) -> Fault {
    at(node, Problem::invalid(text, what, help))
}
