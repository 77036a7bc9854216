//! Constraints in plain words: what each demands, and what becomes of it.

use super::constraint::Constraint;
use super::operand::{Group, Operand, Operator, Release, Sort};
use super::value::{Bound, End};

/// A constraint on one line. Different constraints have different lines.
pub(super) fn clause(constraint: &Constraint) -> String {
    let (operand, operator) = (constraint.operand().name(), constraint.operator().name());
    format!("{operand} {operator} {}", all_quoted(&constraint.values()))
}

/// Values in quotes, with commas between them.
pub(super) fn all_quoted(values: &[String]) -> String {
    let quoted: Vec<_> = values.iter().map(|value| quoted(value)).collect();
    quoted.join(", ")
}

/// A text in quotes: for people, and a Cedar string literal. Cedar reads the escapes that are written; the tests try hostile texts.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", visible(text, '"'))
}

/// A text for people: what cannot be seen or would change how the rest is seen is escaped, and so are `quote`, which stands around it,
/// and the backslash. All else stands as it is written.
pub(super) fn visible(text: &str, quote: char) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            '\\' => shown.push_str("\\\\"),
            hidden if is_hidden(hidden) => shown.extend(hidden.escape_unicode()),
            quote_itself if quote_itself == quote => shown.extend(['\\', quote]),
            plain => shown.push(plain),
        }
    }
    shown
}

/// Whether nothing is seen of a character, or it turns the direction of others: control, format and filler characters.
pub(super) fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// What a constraint demands, in words that complete "granted if …", or "refused if …" where it forbids; of one that is only
/// recorded, why it decides nothing.
pub(super) fn reason(constraint: &Constraint, sort: Sort) -> String {
    let list = || listed(&constraint.values());
    match constraint {
        Constraint::Membership => "the partner proves an active Catena-X membership".to_owned(),
        Constraint::Framework(name) => format!("the partner proves that it accepted the framework agreement `{name}`"),
        Constraint::Purpose(_) => format!("the purpose of the request is one of {}", list()),
        Constraint::Partner { listed: true, .. } => format!("the partner is one of {}", list()),
        Constraint::Partner { listed: false, .. } => format!("the partner is none of {}", list()),
        Constraint::Group { listed: true, .. } => {
            format!("the provider has put the partner into one of the groups {}", list())
        }
        Constraint::Group { listed: false, .. } => {
            format!("the provider has put the partner into none of the groups {}", list())
        }
        Constraint::Contracts(_) => format!(
            "the provider has each of the contracts {} on record with the partner",
            list()
        ),
        Constraint::Affiliates(_) if sort == Sort::Prohibition => {
            format!(
                "the data is for one of {}, or for a partner that is one of them",
                list()
            )
        }
        Constraint::Affiliates(_) => format!("the data is for the partner itself or for one of {}", list()),
        Constraint::Regions(_) if sort == Sort::Prohibition => format!(
            "the data is for another company than the partner, and that is not known to be outside {}",
            list()
        ),
        Constraint::Regions(_) => format!(
            "the data is for the partner itself or for an affiliate of it in {}",
            list()
        ),
        Constraint::Once => "no data was handed out under the agreement before".to_owned(),
        Constraint::MinorChanges => {
            "API, asset and aspect model have the major versions they had at signing".to_owned()
        }
        Constraint::Exclusive => "nobody else has the asset for itself".to_owned(),
        Constraint::UsageEnd(End::Date(end)) => {
            format!("it is not later than {end}, the last second of the right to use")
        }
        Constraint::UsageEnd(End::Days(days)) => format!(
            "the right to use lasts {} from signing, and they have not passed",
            number(*days)
        ),
        Constraint::ProvisioningEnd(End::Date(end)) => format!("it is later than {end}, the last second of provision"),
        Constraint::ProvisioningEnd(End::Days(days)) => format!(
            "data is provided for {} from signing, and they have passed",
            number(*days)
        ),
        Constraint::InForce { operator, bound } => format!("it is {} {}", compared(*operator), when(*bound)),
        Constraint::Recorded { operand, .. } => {
            let dropped = !operand.entry().releases.contains(&Release::R2609);
            let dropped = if dropped {
                "; the profile of 26.09 no longer has it"
            } else {
                ""
            };
            format!("{}{dropped}", recorded(*operand))
        }
    }
}

/// Why a clause decides nothing, and what it changes all the same.
fn recorded(operand: Operand) -> String {
    let lifts = match operand {
        Operand::DataUsageEndDefinition => "it sets no end to use, in place of the default year",
        Operand::VersionChanges => "every version may change, in place of the default of the same versions",
        Operand::DataFrequency => "data may be handed out any number of times",
        _ => match operand.entry().group {
            Some(Group::Warranty) => "for how long the provider answers for defects, courts decide",
            _ => "it binds the parties, and no machine can tell whether they keep to it",
        },
    };
    lifts.to_owned()
}

fn number(days: u32) -> String {
    match days {
        1 => "1 time 24 hours".to_owned(),
        days => format!("{days} times 24 hours"),
    }
}

fn compared(operator: Operator) -> &'static str {
    match operator {
        Operator::Gt => "after",
        Operator::Gteq => "not before",
        Operator::Lt => "before",
        Operator::Lteq => "not after",
        Operator::Eq | Operator::IsAnyOf | Operator::IsAllOf | Operator::IsNoneOf => "exactly",
    }
}

fn when(bound: Bound) -> String {
    match bound {
        Bound::At(instant) => instant.to_string(),
        Bound::Since(seconds) if seconds < 0 => format!("{} seconds before signing", seconds.unsigned_abs()),
        Bound::Since(seconds) => format!("{seconds} seconds after signing"),
    }
}

/// Values in backticks.
fn listed(values: &[String]) -> String {
    let quoted: Vec<_> = values
        .iter()
        .map(|value| format!("`{}`", visible(value, '`')))
        .collect();
    quoted.join(", ")
}
