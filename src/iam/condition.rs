//! Condition operators: what each compares, and what it says of a key that is absent.
//!
//! | the key is absent and the operator is | then |
//! |---|---|
//! | positive | false |
//! | negated (`StringNotEquals`, `NotIpAddress`, …) | **true** |
//! | with `…IfExists` | true |
//! | with `ForAllValues:` | **true** |
//! | with `ForAnyValue:` | false |
//! | `Null` with `true` | true |
//!
//! (IAM User Guide, "Condition operators" and "Multivalued context keys".) To `ForAllValues:` and `ForAnyValue:` a key whose
//! values are all empty texts is as good as absent, "a null dataset, such as an empty string" in AWS's words. A key with several values under an operator
//! without a set prefix is read as AWS reads it in practice: true if any value matches, a negated operator if none does.

use std::cmp::Ordering;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;

use super::context::Scope;
use super::error::Problem;
use super::pattern::Pattern;
use super::template::Dialect;
use super::value::{Network, Number, date};

/// One key under one operator.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    operator: Operator,
    pub(super) key: Box<str>,
    values: Values,
}

/// An operator's name, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operator {
    test: Test,
    negated: bool,
    if_exists: bool,
    set: Set,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    None,
    ForAll,
    ForAny,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Text,
    TextIgnoringCase,
    Like,
    Number(Compare),
    Date(Compare),
    Bool,
    Binary,
    Ip,
    Arn,
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Compare {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

#[derive(Clone, Debug)]
enum Values {
    Patterns(Vec<Pattern>),
    Numbers(Vec<Number>),
    Dates(Vec<Timestamp>),
    Binaries(Vec<Vec<u8>>),
    Networks(Vec<Network>),
    Arns(Vec<ArnPattern>),
    Nulls(Vec<bool>),
}

/// An ARN's six segments, matched one by one, so that no wildcard reaches over a colon; or a lone variable or parameter
/// that stands for a whole ARN.
#[derive(Clone, Debug)]
enum ArnPattern {
    Segments(Box<[Pattern; 6]>),
    Whole(Pattern),
}

impl Operator {
    /// Reads an operator's name. IAM's operators have exactly one spelling here, so that a misspelt one cannot pass.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (set, rest) = match name.split_once(':') {
            Some(("ForAllValues", rest)) => (Set::ForAll, rest),
            Some(("ForAnyValue", rest)) => (Set::ForAny, rest),
            Some(_) => return None,
            None => (Set::None, name),
        };
        if rest == "Null" {
            return (set == Set::None).then_some(Self {
                test: Test::Null,
                negated: false,
                if_exists: false,
                set,
            });
        }
        let (base, if_exists) = match rest.strip_suffix("IfExists") {
            Some(base) => (base, true),
            None => (rest, false),
        };
        let (test, negated) = match base {
            "StringEquals" => (Test::Text, false),
            "StringNotEquals" => (Test::Text, true),
            "StringEqualsIgnoreCase" => (Test::TextIgnoringCase, false),
            "StringNotEqualsIgnoreCase" => (Test::TextIgnoringCase, true),
            "StringLike" => (Test::Like, false),
            "StringNotLike" => (Test::Like, true),
            "Bool" => (Test::Bool, false),
            "BinaryEquals" => (Test::Binary, false),
            "IpAddress" => (Test::Ip, false),
            "NotIpAddress" => (Test::Ip, true),
            "ArnEquals" | "ArnLike" => (Test::Arn, false),
            "ArnNotEquals" | "ArnNotLike" => (Test::Arn, true),
            _ => {
                let number = base
                    .strip_prefix("Numeric")
                    .map(|name| (Test::Number as fn(_) -> _, name));
                let date = base.strip_prefix("Date").map(|name| (Test::Date as fn(_) -> _, name));
                let (test, name) = number.or(date)?;
                let (compare, negated) = compare(name)?;
                (test(compare), negated)
            }
        };
        Some(Self {
            test,
            negated,
            if_exists,
            set,
        })
    }
}

fn compare(name: &str) -> Option<(Compare, bool)> {
    match name {
        "Equals" => Some((Compare::Equal, false)),
        "NotEquals" => Some((Compare::Equal, true)),
        "LessThan" => Some((Compare::Less, false)),
        "LessThanEquals" => Some((Compare::LessOrEqual, false)),
        "GreaterThan" => Some((Compare::Greater, false)),
        "GreaterThanEquals" => Some((Compare::GreaterOrEqual, false)),
        _ => None,
    }
}

impl Condition {
    /// Compiles the values of one key; `Err` holds the index of the value at fault.
    pub(super) fn compile(
        operator: Operator,
        key: &str,
        texts: &[&str],
        dialect: Dialect,
    ) -> Result<Self, (usize, Problem)> {
        let values = match operator.test {
            Test::Text | Test::TextIgnoringCase => {
                Values::Patterns(each(texts, |text| Pattern::compile(text, dialect, false))?)
            }
            Test::Like => Values::Patterns(each(texts, |text| Pattern::compile(text, dialect, true))?),
            Test::Bool => Values::Patterns(each(texts, |text| bool_pattern(text, dialect))?),
            Test::Arn => Values::Arns(each(texts, |text| ArnPattern::compile(text, dialect))?),
            Test::Number(_) => Values::Numbers(each(texts, |text| {
                let help = "up to 18 digits, a point and up to 9 digits; no exponent, variable or parameter";
                Number::parse(text).ok_or_else(|| Problem::invalid(text, "a number", help))
            })?),
            Test::Date(_) => Values::Dates(each(texts, |text| {
                let help = "write `2026-01-31T12:00:00Z`, a day, or seconds since 1970";
                date(text).ok_or_else(|| Problem::invalid(text, "a date", help))
            })?),
            Test::Binary => Values::Binaries(each(texts, |text| {
                let help = "write base64 with padding";
                BASE64.decode(text).map_err(|_| Problem::invalid(text, "base64", help))
            })?),
            Test::Ip => Values::Networks(each(texts, |text| {
                let help = "write `203.0.113.0/24`, `2001:db8::/32` or one address";
                Network::parse(text).ok_or_else(|| Problem::invalid(text, "an address or network", help))
            })?),
            Test::Null => Values::Nulls(each(texts, |text| {
                let help = "`true` asks that the key be absent, `false` that it be present";
                text.to_ascii_lowercase()
                    .parse()
                    .map_err(|_| Problem::invalid(text, "`true` or `false`", help))
            })?),
        };
        Ok(Self {
            operator,
            key: key.into(),
            values,
        })
    }

    /// Whether the condition holds for the request.
    pub(super) fn holds<'d>(&'d self, scope: &Scope<'_, 'd>) -> bool {
        let found = scope.key(&self.key);
        let Operator {
            negated,
            if_exists,
            set,
            ..
        } = self.operator;
        if let Values::Nulls(wanted) = &self.values {
            return wanted.contains(&found.is_none());
        }
        let Some(found) = found else {
            return if_exists
                || match set {
                    Set::ForAll => true,
                    Set::ForAny => false,
                    Set::None => negated,
                };
        };
        let matches = |value: &str| self.matches(value, scope);
        match set {
            Set::ForAll => found.all(str::is_empty) || found.all(|value| matches(value) != negated),
            Set::ForAny => !found.all(str::is_empty) && found.any(|value| matches(value) != negated),
            Set::None => found.any(matches) != negated,
        }
    }

    /// Whether one value of the request matches any value of the policy, negation aside. A value of the wrong type
    /// matches nothing.
    fn matches<'d>(&'d self, value: &str, scope: &Scope<'_, 'd>) -> bool {
        match (&self.values, self.operator.test) {
            (Values::Patterns(patterns), Test::TextIgnoringCase | Test::Bool) => patterns
                .iter()
                .any(|pattern| pattern.equals_ignoring_case(value, scope)),
            (Values::Patterns(patterns), _) => patterns.iter().any(|pattern| pattern.matches(value, scope)),
            (Values::Arns(arns), _) => arns.iter().any(|arn| arn.matches(value, scope)),
            (Values::Numbers(numbers), Test::Number(compare)) => {
                Number::parse(value).is_some_and(|value| numbers.iter().any(|number| compare.holds(value.cmp(number))))
            }
            (Values::Dates(dates), Test::Date(compare)) => {
                date(value).is_some_and(|value| dates.iter().any(|date| compare.holds(value.cmp(date))))
            }
            (Values::Binaries(binaries), _) => BASE64.decode(value).is_ok_and(|value| binaries.contains(&value)),
            (Values::Networks(networks), _) => value
                .parse::<IpAddr>()
                .is_ok_and(|value| networks.iter().any(|network| network.holds(value))),
            _ => false,
        }
    }
}

fn each<T>(texts: &[&str], compile: impl Fn(&str) -> Result<T, Problem>) -> Result<Vec<T>, (usize, Problem)> {
    let numbered = texts.iter().enumerate();
    numbered
        .map(|(index, text)| compile(text).map_err(|problem| (index, problem)))
        .collect()
}

fn bool_pattern(text: &str, dialect: Dialect) -> Result<Pattern, Problem> {
    let pattern = Pattern::compile(text, dialect, false)?;
    let known = |text: &str| text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false");
    if pattern.is_placeholder() || pattern.literal().is_some_and(known) {
        return Ok(pattern);
    }
    Err(Problem::invalid(
        text,
        "`true` or `false`",
        "write one of the two, or a variable",
    ))
}

impl ArnPattern {
    fn compile(text: &str, dialect: Dialect) -> Result<Self, Problem> {
        let whole = Pattern::compile(text, dialect, true)?;
        if whole.is_placeholder() {
            return Ok(Self::Whole(whole));
        }
        let help = "an ARN has six parts: `arn:partition:service:region:account:resource`; each may hold wildcards";
        let wrong = || Problem::invalid(text, "an ARN pattern", help);
        let segments: Vec<Pattern> = split_at_colons(text)
            .into_iter()
            .map(|segment| Pattern::compile(segment, dialect, true))
            .collect::<Result<_, _>>()?;
        let segments: [Pattern; 6] = segments.try_into().map_err(|_| wrong())?;
        match segments.first().and_then(Pattern::literal) {
            Some("arn") => Ok(Self::Segments(segments.into())),
            _ => Err(wrong()),
        }
    }

    fn matches<'d>(&'d self, value: &str, scope: &Scope<'_, 'd>) -> bool {
        match self {
            Self::Whole(pattern) => pattern.matches(value, scope),
            Self::Segments(patterns) => {
                let mut segments = value.splitn(6, ':');
                let each =
                    |pattern: &'d Pattern| segments.next().is_some_and(|segment| pattern.matches(segment, scope));
                patterns.iter().all(each)
            }
        }
    }
}

/// Up to six pieces between colons; a colon inside braces belongs to a variable's name.
fn split_at_colons(text: &str) -> Vec<&str> {
    let (mut depth, mut seen) = (0_usize, 0);
    text.splitn(6, |c: char| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        let split = c == ':' && depth == 0 && seen < 5;
        seen += usize::from(split);
        split
    })
    .collect()
}
