//! From JSON to statements. Every element, operator and value that is not known exactly is refused here.

mod nodes;

use std::borrow::Cow;
use std::collections::HashSet;

use self::nodes::{at, either, expected, find, invalid, known, list, members, plain, scalar, text};
use super::condition::{Condition, Operator};
use super::document::{DocumentKind, Matcher, Statement};
use super::error::{Fault, Problem};
use super::json::{Member, Node, Value};
use super::pattern::{Pattern, is_condition_key};
use super::principal::{PrincipalPattern, Principals};
use super::template::{Dialect, Token, lex};
use crate::decision::Effect;

/// Whether `${…}` is a variable: only with `Version` 2012-10-17 (IAM User Guide, "Version").
pub(super) fn has_variables(root: &Node) -> Result<bool, Fault> {
    let Some(version) = find(members(root, "a policy document as an object")?, "Version") else {
        return Ok(false);
    };
    match text(&version.node)? {
        "2012-10-17" => Ok(true),
        "2008-10-17" => Ok(false),
        other => Err(invalid(
            &version.node,
            other,
            "a version of the policy language",
            "write `2012-10-17`",
        )),
    }
}

/// Compiles a document's statements.
pub(super) fn statements(root: &Node, kind: DocumentKind, dialect: Dialect) -> Result<Vec<Statement>, Fault> {
    let elements = members(root, "a policy document as an object")?;
    known(elements, &["Version", "Id", "Statement"])?;
    if let Some(id) = find(elements, "Id") {
        plain(&id.node, "an Id", dialect)?;
    }
    let statement =
        find(elements, "Statement").ok_or_else(|| Fault::new(Problem::Missing("`Statement`"), root.span.clone()))?;
    let nodes = match &statement.node.value {
        Value::Object(_) => std::slice::from_ref(&statement.node),
        Value::Array(nodes) if !nodes.is_empty() => nodes,
        _ => {
            return Err(expected(
                &statement.node,
                "a statement or a list of statements, not empty",
            ));
        }
    };
    let mut compiled: Vec<Statement> = Vec::with_capacity(nodes.len());
    let mut seen = HashSet::new();
    for (index, node) in nodes.iter().enumerate() {
        let statement = compile(node, index, kind, dialect)?;
        if !seen.insert(statement.label.clone()) {
            let problem = Problem::DuplicateSid(statement.label.into());
            return Err(Fault::new(problem, node.span.clone()));
        }
        compiled.push(statement);
    }
    Ok(compiled)
}

fn compile(node: &Node, index: usize, kind: DocumentKind, dialect: Dialect) -> Result<Statement, Fault> {
    let elements = members(node, "a statement as an object")?;
    known(
        elements,
        &[
            "Sid",
            "Effect",
            "Principal",
            "NotPrincipal",
            "Action",
            "NotAction",
            "Resource",
            "NotResource",
            "Condition",
        ],
    )?;
    let effect = effect(node, elements)?;
    let statement = Statement {
        label: label(elements, index, kind, dialect)?,
        effect,
        span: node.span.clone(),
        actions: actions(node, elements, kind)?,
        resources: resources(node, elements, kind, dialect)?,
        principals: principals(node, elements, kind, dialect)?,
        conditions: conditions(elements, dialect)?,
    };
    if kind == DocumentKind::Rcp {
        return resource_control(node, statement);
    }
    Ok(statement)
}

/// A resource control policy only denies, and is about everyone (Organizations User Guide, "RCP syntax").
fn resource_control(node: &Node, statement: Statement) -> Result<Statement, Fault> {
    let everyone = |principals: &Principals| {
        !principals.negated && matches!(principals.patterns.as_slice(), [PrincipalPattern::Anyone])
    };
    let problem = if statement.effect == Effect::Allow {
        Problem::Forbidden("a resource control policy may only deny")
    } else if !statement.principals.as_ref().is_some_and(everyone) {
        Problem::Forbidden("a resource control policy names `*` as its principal")
    } else {
        return Ok(statement);
    };
    Err(Fault::new(problem, node.span.clone()))
}

/// The Sid, or the statement's number where there is none; the console writes an empty Sid for none.
fn label(elements: &[Member], index: usize, kind: DocumentKind, dialect: Dialect) -> Result<Box<str>, Fault> {
    let Some(sid) = find(elements, "Sid") else {
        return Ok(index.to_string().into());
    };
    let text = plain(&sid.node, "a Sid", dialect)?;
    // Services that keep resource policies take more than IAM does: a sentence, say.
    let sound = |c: char| c.is_ascii_alphanumeric() || (kind.names_principals() && !c.is_control() && c != '#');
    if !text.chars().all(sound) || text.len() > 256 {
        return Err(invalid(
            &sid.node,
            text,
            "a Sid",
            "write letters and digits, at most 256",
        ));
    }
    Ok(match text {
        "" => index.to_string().into(),
        // Not to be taken for the number of a statement without a Sid, nor for a Sid of any other spelling.
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => format!("#{digits}").into(),
        _ => text.into(),
    })
}

fn effect(node: &Node, elements: &[Member]) -> Result<Effect, Fault> {
    let effect = find(elements, "Effect").ok_or_else(|| Fault::new(Problem::Missing("`Effect`"), node.span.clone()))?;
    match text(&effect.node)? {
        "Allow" => Ok(Effect::Allow),
        "Deny" => Ok(Effect::Deny),
        other => Err(invalid(&effect.node, other, "an effect", "write `Allow` or `Deny`")),
    }
}

fn actions(node: &Node, elements: &[Member], kind: DocumentKind) -> Result<Matcher, Fault> {
    let (negated, element) = either(node, elements, ("Action", "NotAction"), "`Action` and `NotAction`")?
        .ok_or_else(|| Fault::new(Problem::Missing("`Action` or `NotAction`"), node.span.clone()))?;
    let plain_text = Dialect {
        variables: false,
        parameters: false,
        session: false,
    };
    let mut patterns = Vec::new();
    for value in list(&element.node)? {
        let action = text(value)?;
        if !is_action_pattern(action) {
            let help = "write `service:Name`; `*` and `?` may stand in the name only, or `*` alone";
            return Err(invalid(value, action, "an action", help));
        }
        if kind == DocumentKind::Trust && !action.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("sts:")) {
            return Err(invalid(
                value,
                action,
                "an action a trust policy can allow",
                "write an `sts:` action",
            ));
        }
        let lower = action.to_ascii_lowercase();
        patterns.push(Pattern::compile(&lower, plain_text, true).map_err(|problem| at(value, problem))?);
    }
    Ok(Matcher { negated, patterns })
}

fn is_action_pattern(text: &str) -> bool {
    let service =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let name = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-*?".contains(&byte))
    };
    matches!(text, "*" | "*:*")
        || text
            .split_once(':')
            .is_some_and(|(before, after)| service(before) && name(after))
}

fn resources(node: &Node, elements: &[Member], kind: DocumentKind, dialect: Dialect) -> Result<Option<Matcher>, Fault> {
    let found = either(
        node,
        elements,
        ("Resource", "NotResource"),
        "`Resource` and `NotResource`",
    )?;
    let Some((negated, element)) = found else {
        if kind == DocumentKind::Trust {
            return Ok(None);
        }
        return Err(Fault::new(
            Problem::Missing("`Resource` or `NotResource`"),
            node.span.clone(),
        ));
    };
    if kind == DocumentKind::Trust {
        let problem = Problem::Forbidden("a trust policy names no resource: it is about the role it is attached to");
        return Err(Fault::new(problem, element.key_span.clone()));
    }
    let mut patterns = Vec::new();
    for value in list(&element.node)? {
        let pattern = text(value)?;
        let compile = || {
            let whole = complete_resource(pattern, kind, dialect)?;
            Pattern::compile(&whole, dialect, true)
        };
        patterns.push(compile().map_err(|problem| at(value, problem))?);
    }
    Ok(Some(Matcher { negated, patterns }))
}

/// Checks a resource and adds what an incomplete ARN leaves out: in an identity-based policy `arn:aws:sqs` stands for
/// `arn:aws:sqs:*:*:*` (IAM User Guide, "IAM ARNs"). A session policy may not leave anything out, says the same page; of
/// the others it says nothing.
fn complete_resource(text: &str, kind: DocumentKind, dialect: Dialect) -> Result<Cow<'_, str>, Problem> {
    const HELP: &str = "write `*` or `arn:partition:service:region:account:resource`; variables in the resource only";
    if text == "*" {
        return Ok(text.into());
    }
    let wrong = || Problem::invalid(text, "a resource", HELP);
    let mut colons = 0;
    for token in lex(text, dialect)? {
        match token {
            Token::Text(text) => colons += text.matches(':').count(),
            Token::Variable(_) if colons < 5 => return Err(wrong()),
            Token::Variable(_) | Token::Parameter(_) => {}
        }
    }
    let mut segments = text.splitn(6, ':');
    let named = |part: Option<&str>| part.is_some_and(|part| !part.is_empty());
    if segments.next() != Some("arn") || !named(segments.next()) {
        return Err(wrong());
    }
    let service = segments.next();
    if !named(service) || service.is_some_and(|service| service.contains(['*', '?'])) {
        return Err(wrong());
    }
    let may_be_incomplete = matches!(kind, DocumentKind::Identity | DocumentKind::Boundary);
    match 5_usize.saturating_sub(colons) {
        0 => Ok(text.into()),
        lacking if may_be_incomplete => Ok(format!("{text}{}", ":*".repeat(lacking)).into()),
        _ => Err(wrong()),
    }
}

fn principals(
    node: &Node,
    elements: &[Member],
    kind: DocumentKind,
    dialect: Dialect,
) -> Result<Option<Principals>, Fault> {
    let found = either(
        node,
        elements,
        ("Principal", "NotPrincipal"),
        "`Principal` and `NotPrincipal`",
    )?;
    let (negated, element) = match (found, kind.names_principals()) {
        (Some(found), true) => found,
        (None, false) => return Ok(None),
        (None, true) => return Err(Fault::new(Problem::Missing("`Principal`"), node.span.clone())),
        (Some((_, element)), false) => {
            let problem = Problem::Forbidden("this kind of policy names no principal: it is attached to one");
            return Err(Fault::new(problem, element.key_span.clone()));
        }
    };
    if negated && kind == DocumentKind::Trust {
        let problem =
            Problem::Forbidden("a trust policy says who may take the role on: `NotPrincipal` cannot stand here");
        return Err(Fault::new(problem, element.key_span.clone()));
    }
    if negated && effect(node, elements)? == Effect::Allow {
        let problem = Problem::Forbidden("`NotPrincipal` with `Allow` grants to everyone else, the anonymous too");
        return Err(Fault::new(problem, element.key_span.clone()));
    }
    if let Value::String(text) = &element.node.value {
        if text == "*" {
            let patterns = vec![PrincipalPattern::Anyone];
            return Ok(Some(Principals { negated, patterns }));
        }
        return Err(invalid(
            &element.node,
            text,
            "a principal",
            "write `*`, or an object such as `{\"AWS\": …}`",
        ));
    }
    let kinds = members(&element.node, "`*` or an object such as `{\"AWS\": …}`")?;
    known(kinds, &["AWS", "CanonicalUser", "Federated", "Service"])?;
    let mut patterns = Vec::new();
    for member in kinds {
        for value in list(&member.node)? {
            let pattern = PrincipalPattern::compile(&member.key, text(value)?, dialect);
            patterns.push(pattern.map_err(|problem| at(value, problem))?);
        }
    }
    if patterns.is_empty() {
        return Err(expected(&element.node, "at least one principal"));
    }
    Ok(Some(Principals { negated, patterns }))
}

/// An empty object asks for nothing (IAM User Guide, "IAM policy validation check reference": it "does not affect the
/// policy"); the console writes one into trust policies. Keys that differ in letter case only are the same key twice.
fn conditions(elements: &[Member], dialect: Dialect) -> Result<Vec<Condition>, Fault> {
    let Some(element) = find(elements, "Condition") else {
        return Ok(Vec::new());
    };
    let mut conditions = Vec::new();
    for block in members(&element.node, "an object from operators to keys")? {
        let operator = Operator::parse(&block.key).ok_or_else(|| {
            let help = "see the IAM User Guide, \"Condition operators\"; spelling and case are exact";
            Fault::new(
                Problem::invalid(&block.key, "a condition operator", help),
                block.key_span.clone(),
            )
        })?;
        let mut seen = HashSet::new();
        for key in members(&block.node, "an object from condition keys to values")? {
            if !seen.insert(key.key.to_ascii_lowercase()) {
                return Err(Fault::new(Problem::DuplicateKey(key.key.clone()), key.key_span.clone()));
            }
            conditions.push(condition(operator, key, dialect)?);
        }
    }
    Ok(conditions)
}

fn condition(operator: Operator, member: &Member, dialect: Dialect) -> Result<Condition, Fault> {
    if !is_condition_key(&member.key) {
        let problem = Problem::invalid(
            &member.key,
            "a condition key",
            "write `prefix:name`, such as `s3:prefix`",
        );
        return Err(Fault::new(problem, member.key_span.clone()));
    }
    let nodes = list(&member.node)?;
    let texts: Vec<&str> = nodes.iter().map(scalar).collect::<Result<_, _>>()?;
    Condition::compile(operator, &member.key, &texts, dialect)
        .map_err(|(index, problem)| at(nodes.get(index).unwrap_or(&member.node), problem))
}
