//! From the normal form to Cedar: one text for each moment, parsed once.

use std::fmt::Write as _;

use cedar_policy::{PolicyId, PolicySet};

use super::condition::{Says, hands_out, quoted, says};
use super::default;
use super::error::ContractError;
use super::normal::{Normal, Rule};
use super::operand::{Operand, Sort};
use super::words::{clause, reason};
use super::{Class, Kind, Moment};
use crate::ids::Digest;

/// The policies of all moments.
pub(super) struct Compiled {
    discover: PolicySet,
    negotiate: PolicySet,
    transfer: PolicySet,
    access: PolicySet,
    text: String,
}

impl Compiled {
    pub(super) fn set(&self, moment: Moment) -> &PolicySet {
        match moment {
            Moment::Discover => &self.discover,
            Moment::Negotiate => &self.negotiate,
            Moment::Transfer => &self.transfer,
            Moment::Access => &self.access,
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// One policy before it is Cedar.
struct Draft {
    moment: Moment,
    id: String,
    path: String,
    why: String,
    /// Clauses of the rule that decide nothing.
    recorded: Vec<String>,
    effect: &'static str,
    /// A conjunction, after what ties the policy to its terms.
    when: Vec<Condition>,
    /// A disjunction; left out if empty.
    unless: Vec<Condition>,
}

/// What must hold, and the part of the normal form that says so.
struct Condition {
    text: String,
    path: String,
}

/// Compiles terms. Fails only if Cedar refuses what is written here.
pub(super) fn compile(normal: &Normal, digest: Digest) -> Result<Compiled, ContractError> {
    let mut text = format!("// Contract terms {digest}\n");
    for path in without_policy(normal) {
        let _ = writeln!(text, "// {path} is recorded only: no policy, shown with each decision");
    }
    let mut set = |moment| parse(&drafts(normal, digest, moment), digest, &mut text);
    Ok(Compiled {
        discover: set(Moment::Discover)?,
        negotiate: set(Moment::Negotiate)?,
        transfer: set(Moment::Transfer)?,
        access: set(Moment::Access)?,
        text,
    })
}

/// The policies of one moment, from one text; the text is added to what is shown.
fn parse(drafts: &[Draft], digest: Digest, shown: &mut String) -> Result<PolicySet, ContractError> {
    let refused = |id: &str, detail: String| ContractError::NotCedar {
        id: id.to_owned(),
        detail,
    };
    let whole = format!("terms/{digest}");
    let mut cedar = String::new();
    for draft in drafts {
        cedar.push('\n');
        draft.write(&mut cedar);
    }
    let parsed: PolicySet = cedar.parse().map_err(|error| refused(&whole, format!("{error}")))?;
    let mut set = PolicySet::new();
    for (index, draft) in drafts.iter().enumerate() {
        // Cedar numbers the policies of a text from 0 in its own order.
        let policy = parsed.policy(&PolicyId::new(format!("policy{index}")));
        let policy = policy.ok_or_else(|| refused(&draft.id, "it is not among what was parsed".to_owned()))?;
        let added = set.add(policy.new_id(PolicyId::new(&draft.id)));
        added.map_err(|error| refused(&draft.id, error.to_string()))?;
    }
    shown.push_str(&cedar);
    Ok(set)
}

/// The prohibitions that forbid nothing, for all they say is recorded.
pub(super) fn without_policy(normal: &Normal) -> Vec<String> {
    let rules = normal.prohibitions.iter().enumerate();
    let only_recorded = rules.filter(|(_, rule)| rule.only_recorded());
    only_recorded
        .map(|(index, _)| format!("$.prohibitions[{index}]"))
        .collect()
}

/// The policies these terms have at `moment`.
fn drafts(normal: &Normal, digest: Digest, moment: Moment) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let mut add = |sort| {
        let rules = normal.rules(sort).iter().enumerate();
        drafts.extend(rules.filter_map(|(index, rule)| draft(normal, digest, moment, (sort, index), rule)));
    };
    match (normal.kind, moment) {
        (Kind::Access, Moment::Transfer | Moment::Access) | (Kind::Usage, Moment::Discover) => {}
        (Kind::Access, Moment::Negotiate) => {
            add(Sort::Prohibition);
            drafts.splice(0..0, gate(normal, digest));
        }
        _ => [Sort::Permission, Sort::Prohibition, Sort::Obligation]
            .into_iter()
            .for_each(add),
    }
    drafts
}

/// One rule at one moment; none where it can have no effect.
fn draft(normal: &Normal, digest: Digest, moment: Moment, (sort, index): (Sort, usize), rule: &Rule) -> Option<Draft> {
    let path = format!("$.{}s[{index}]", sort.name());
    let bears = match sort {
        Sort::Permission => true,
        Sort::Prohibition => !rule.only_recorded(),
        Sort::Obligation => hands_out(moment),
    };
    let when = conditions(normal, moment, sort, rule, &path).filter(|_| bears)?;
    let constraints = rule.constraints.iter();
    let recorded = constraints.filter(|constraint| constraint.class() == Class::Recorded);
    Some(Draft {
        moment,
        id: policy_id(digest, moment, &format!("{}/{index}", sort.name())),
        why: why(normal, moment, sort, rule),
        recorded: recorded.map(clause).collect(),
        effect: if sort == Sort::Permission { "permit" } else { "forbid" },
        when: tied(normal.kind, moment, digest).into_iter().chain(when).collect(),
        unless: Vec::new(),
        path,
    })
}

/// What keeps a partner that may not see an offer from negotiating it. Not needed if a permission holds for everyone.
fn gate(normal: &Normal, digest: Digest) -> Option<Draft> {
    let moment = Moment::Negotiate;
    let mut unless = Vec::new();
    for (index, rule) in normal.permissions.iter().enumerate() {
        let path = format!("$.permissions[{index}]");
        let conditions = conditions(normal, moment, Sort::Permission, rule, &path)?;
        if conditions.is_empty() {
            return None;
        }
        let texts: Vec<_> = conditions.into_iter().map(|condition| condition.text).collect();
        unless.push(Condition {
            text: format!("({})", texts.join(" && ")),
            path,
        });
    }
    let reasons: Vec<_> = normal
        .permissions
        .iter()
        .map(|rule| reasons(normal, moment, Sort::Permission, rule))
        .collect();
    Some(Draft {
        moment,
        id: policy_id(digest, moment, "permissions"),
        path: "$.permissions".to_owned(),
        why: format!(
            "Nobody negotiates what they may not see; seen if {}.",
            reasons.join("; or if ")
        ),
        recorded: Vec::new(),
        effect: "forbid",
        when: tied(normal.kind, moment, digest),
        unless,
    })
}

fn policy_id(digest: Digest, moment: Moment, rest: &str) -> String {
    let digits: String = digest.to_string().chars().skip("sha256:".len()).take(16).collect();
    format!("terms/{digits}/{moment}/{rest}")
}

/// The conditions that tie a policy to these terms.
fn tied(kind: Kind, moment: Moment, digest: Digest) -> Vec<Condition> {
    let texts = match (kind, moment) {
        (Kind::Access, _) => vec![format!("resource.accessTerms == \"{digest}\"")],
        (Kind::Usage, Moment::Discover | Moment::Negotiate) => vec![format!("resource.usageTerms == \"{digest}\"")],
        (Kind::Usage, Moment::Transfer | Moment::Access) => vec![
            "context has agreement".to_owned(),
            format!("context.agreement.terms == \"{digest}\""),
        ],
    };
    let tie = |text| Condition {
        text,
        path: String::new(),
    };
    texts.into_iter().map(tie).collect()
}

/// The conditions of a rule at a moment, the unwritten ones included; none if they can never hold.
fn conditions(normal: &Normal, moment: Moment, sort: Sort, rule: &Rule, path: &str) -> Option<Vec<Condition>> {
    let mut conditions: Vec<Condition> = Vec::new();
    let mut add = |said: Says, path: String| {
        let texts = match said {
            Says::Nothing => Vec::new(),
            Says::Never => return false,
            Says::If(texts) => texts,
        };
        for text in texts {
            if conditions.iter().all(|known| known.text != text) {
                conditions.push(Condition {
                    text,
                    path: path.clone(),
                });
            }
        }
        true
    };
    for (index, constraint) in rule.constraints.iter().enumerate() {
        let said = match says(constraint, sort, moment) {
            // Left out of a prohibition, what nobody can decide yet would make it forbid more than it says.
            Says::Nothing if sort == Sort::Prohibition && constraint.class() == Class::Decided => Says::Never,
            said => said,
        };
        if !add(said, format!("{path}.constraints[{index}]")) {
            return None;
        }
    }
    if sort == Sort::Permission {
        let framework = rule.position(Operand::FrameworkAgreement);
        let framework = framework.map(|index| format!("{path}.constraints[{index}], unwritten"));
        let own = format!("{path}, unwritten");
        for term in default::of_permission(normal, rule) {
            let path = framework.clone().filter(|_| term.of_framework());
            add(term.says(moment), path.unwrap_or_else(|| own.clone()));
        }
    }
    Some(conditions)
}

/// Why a policy is there, in plain words.
fn why(normal: &Normal, moment: Moment, sort: Sort, rule: &Rule) -> String {
    let what = match moment {
        Moment::Discover => "see the offer",
        Moment::Negotiate => "negotiate the offer",
        Moment::Transfer => "start a transfer under the agreement",
        Moment::Access => "fetch data under the agreement",
    };
    let verb = if sort == Sort::Permission { "may" } else { "may not" };
    let reasons = reasons(normal, moment, sort, rule);
    if reasons.is_empty() {
        format!("A partner {verb} {what}, whoever it is.")
    } else {
        format!("A partner {verb} {what} if {reasons}.")
    }
}

/// The reasons of what has a say at `moment`.
fn reasons(normal: &Normal, moment: Moment, sort: Sort, rule: &Rule) -> String {
    let own = rule.constraints.iter();
    let own = own.filter(|constraint| says(constraint, sort, moment) != Says::Nothing);
    let mut reasons: Vec<_> = own.map(|constraint| reason(constraint, sort)).collect();
    if sort == Sort::Permission {
        let unwritten = default::of_permission(normal, rule).into_iter();
        let unwritten = unwritten.filter(|term| term.says(moment) != Says::Nothing);
        reasons.extend(unwritten.map(|term| term.reason().to_owned()));
    }
    reasons.join(", and ")
}

impl Rule {
    /// Whether the rule has constraints and none of them decides.
    pub(super) fn only_recorded(&self) -> bool {
        !self.constraints.is_empty()
            && self
                .constraints
                .iter()
                .all(|constraint| constraint.class() == Class::Recorded)
    }
}

impl Draft {
    fn write(&self, out: &mut String) {
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

/// Conditions one a line; where another part of the normal form begins to speak, with its path.
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
