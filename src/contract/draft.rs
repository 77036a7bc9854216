//! One policy before it is Cedar, and its text.

use std::fmt::Write as _;

use super::Moment;
use super::words::quoted;

/// One policy before it is Cedar.
pub(super) struct Draft {
    pub(super) moment: Moment,
    pub(super) id: String,
    pub(super) path: String,
    pub(super) why: String,
    /// Clauses of the rule that decide nothing.
    pub(super) recorded: Vec<String>,
    pub(super) effect: &'static str,
    /// A conjunction, after what ties the policy to its terms.
    pub(super) when: Vec<Condition>,
    /// A disjunction; left out if empty.
    pub(super) unless: Vec<Condition>,
}

/// What must hold, and the part of the terms that says so, by its name.
pub(super) struct Condition {
    pub(super) text: String,
    pub(super) path: String,
}

impl Draft {
    /// Adds the policy to a text.
    pub(super) fn write(&self, out: &mut String) {
        // Writing to a string cannot fail.
        let mut annotate = |key: &str, value: &str| {
            let _ = writeln!(out, "@{key}({})", quoted(value));
        };
        annotate("id", &self.id);
        annotate("path", &self.path);
        annotate("why", &self.why);
        annotate("control", "contract");
        if !self.recorded.is_empty() {
            annotate("recorded", &self.recorded.join("; "));
        }
        let Self { moment, effect, .. } = self;
        let (actions, resource) = match moment {
            Moment::Discover | Moment::Negotiate => (format!("== Tidegate::Action::\"{moment}\""), "Offer"),
            Moment::Transfer => (format!("== Tidegate::Action::\"{moment}\""), "Asset"),
            Moment::Access => {
                // Handing a footprint in under an agreement is bound to its terms as fetching one is.
                let both = "in [Tidegate::Action::\"access\", Tidegate::Action::\"submit\"]";
                (both.to_owned(), "Footprint")
            }
        };
        let _ = write!(
            out,
            "{effect} (\n  principal is Tidegate::Partner,\n  action {actions},\n  resource is Tidegate::{resource}\n)\nwhen {{\n"
        );
        write_joined(out, &self.when, "&&");
        out.push('}');
        if !self.unless.is_empty() {
            out.push_str("\nunless {\n");
            write_joined(out, &self.unless, "||");
            out.push('}');
        }
        out.push_str(";\n");
    }
}

/// Conditions one a line; where another part of the terms begins to speak, with its path.
fn write_joined(out: &mut String, conditions: &[Condition], operator: &str) {
    let last = conditions.len().saturating_sub(1);
    let mut spoke = "";
    for (index, Condition { text, path }) in conditions.iter().enumerate() {
        let _ = write!(out, "  {text}");
        if index != last {
            let _ = write!(out, " {operator}");
        }
        if path != spoke {
            let _ = write!(out, " // {path}");
            spoke = path;
        }
        out.push('\n');
    }
}
