//! From the normal form to Cedar: one text, parsed once, and a policy set for each moment.

use std::fmt::Write as _;

use cedar_policy::{PolicyId, PolicySet};

use super::condition::{Says, hands_out, says};
use super::default;
use super::draft::{Condition, Draft};
use super::error::ContractError;
use super::normal::{Normal, Rule};
use super::operand::{Operand, Sort};
use super::source::{NORMAL, Naming};
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

/// Compiles terms. Fails only if Cedar refuses what is written here.
pub(super) fn compile(normal: &Normal, digest: Digest) -> Result<Compiled, ContractError> {
    let compiler = Compiler {
        normal,
        digest,
        naming: NORMAL,
    };
    let drafts = compiler.all();
    let text = compiler.text(&drafts);
    let refused = |id: &str, detail: String| ContractError::NotCedar {
        id: id.to_owned(),
        detail,
    };
    // All at once, for what it costs to begin to parse is most of what parsing a small text costs.
    let parsed: Result<PolicySet, _> = text.parse();
    let parsed = parsed.map_err(|error| refused(&format!("terms/{digest}"), format!("{error}")))?;
    let set = |moment| {
        let mut set = PolicySet::new();
        for (index, draft) in drafts.iter().enumerate().filter(|(_, draft)| draft.moment == moment) {
            // Cedar numbers the policies of a text in their order, from 0.
            let policy = parsed.policy(&PolicyId::new(format!("policy{index}")));
            let policy = policy.ok_or_else(|| refused(&draft.id, "it is not among what was parsed".to_owned()))?;
            let added = set.add(policy.new_id(PolicyId::new(&draft.id)));
            added.map_err(|error| refused(&draft.id, error.to_string()))?;
        }
        Ok(set)
    };
    Ok(Compiled {
        discover: set(Moment::Discover)?,
        negotiate: set(Moment::Negotiate)?,
        transfer: set(Moment::Transfer)?,
        access: set(Moment::Access)?,
        text,
    })
}

/// What [`compile`] compiles to, with other names for the parts of the terms; nothing else differs.
pub(super) fn text(normal: &Normal, digest: Digest, naming: Naming<'_>) -> String {
    let compiler = Compiler { normal, digest, naming };
    compiler.text(&compiler.all())
}

/// Terms on their way to Cedar, and how their parts are named there.
struct Compiler<'a> {
    normal: &'a Normal,
    digest: Digest,
    naming: Naming<'a>,
}

/// Which rule of the terms: its list, and its number in it.
type Which = (Sort, usize);

impl Compiler<'_> {
    /// The name of the terms, and the prohibitions that become no policy, for all they say is recorded.
    fn head(&self) -> String {
        let mut text = format!("// Contract terms {}\n", self.digest);
        let rules = self.normal.prohibitions.iter().enumerate();
        for (index, _) in rules.filter(|(_, rule)| rule.only_recorded()) {
            let path = self.naming.rule(Sort::Prohibition, index);
            // Writing to a string cannot fail.
            let _ = writeln!(text, "// {path} is recorded only: no policy, shown with each decision");
        }
        text
    }

    /// All of it, as it is shown and parsed.
    fn text(&self, drafts: &[Draft]) -> String {
        let mut text = self.head();
        for draft in drafts {
            text.push('\n');
            draft.write(&mut text);
        }
        text
    }

    /// The policies of all moments, one moment after the other.
    fn all(&self) -> Vec<Draft> {
        let moments = Moment::ALL.into_iter();
        moments.flat_map(|moment| self.drafts(moment)).collect()
    }

    /// The policies these terms have at `moment`.
    fn drafts(&self, moment: Moment) -> Vec<Draft> {
        let mut drafts = Vec::new();
        let mut add = |sort| {
            let rules = self.normal.rules(sort).iter().enumerate();
            drafts.extend(rules.filter_map(|(index, rule)| self.draft(moment, (sort, index), rule)));
        };
        match (self.normal.kind, moment) {
            (Kind::Access, Moment::Transfer | Moment::Access) | (Kind::Usage, Moment::Discover) => {}
            (Kind::Access, Moment::Negotiate) => {
                add(Sort::Prohibition);
                drafts.splice(0..0, self.gate());
            }
            _ => [Sort::Permission, Sort::Prohibition, Sort::Obligation]
                .into_iter()
                .for_each(add),
        }
        drafts
    }

    /// One rule at one moment; none where it can have no effect.
    fn draft(&self, moment: Moment, which: Which, rule: &Rule) -> Option<Draft> {
        let (sort, index) = which;
        let bears = match sort {
            Sort::Permission => true,
            Sort::Prohibition => !rule.only_recorded(),
            Sort::Obligation => hands_out(moment),
        };
        let when = self.conditions(moment, which, rule).filter(|_| bears)?;
        let constraints = rule.constraints.iter();
        let recorded = constraints.filter(|constraint| constraint.class() == Class::Recorded);
        Some(Draft {
            moment,
            id: policy_id(self.digest, moment, &format!("{}/{index}", sort.name())),
            why: why(self.normal, moment, sort, rule),
            recorded: recorded.map(clause).collect(),
            effect: if sort == Sort::Permission { "permit" } else { "forbid" },
            when: tied(self.normal.kind, moment, self.digest)
                .into_iter()
                .chain(when)
                .collect(),
            unless: Vec::new(),
            path: self.naming.rule(sort, index),
        })
    }

    /// What keeps a partner that may not see an offer from negotiating it.
    fn gate(&self) -> Option<Draft> {
        let moment = Moment::Negotiate;
        let rules = &self.normal.permissions;
        let path = |index| self.naming.rule(Sort::Permission, index);
        let alternatives = rules.iter().enumerate().map(|(index, rule)| {
            let conditions = self.conditions(moment, (Sort::Permission, index), rule)?;
            let texts = conditions.into_iter().map(|condition| condition.text);
            Some((texts.collect(), path(index)))
        });
        let unless = alternatives_of(alternatives)?;
        let paths: Vec<_> = (0..rules.len()).map(path).collect();
        let reasons = rules
            .iter()
            .map(|rule| reasons(self.normal, moment, Sort::Permission, rule));
        Some(Draft {
            moment,
            id: policy_id(self.digest, moment, "permissions"),
            path: paths.join(", "),
            why: format!(
                "Nobody negotiates what they may not see; seen if {}.",
                reasons.collect::<Vec<_>>().join("; or if ")
            ),
            recorded: Vec::new(),
            effect: "forbid",
            when: tied(self.normal.kind, moment, self.digest),
            unless,
        })
    }

    /// The conditions of a rule at a moment, the unwritten ones included; none if they can never hold.
    fn conditions(&self, moment: Moment, which: Which, rule: &Rule) -> Option<Vec<Condition>> {
        let (sort, number) = which;
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
            if !add(said, self.naming.constraint(sort, number, index)) {
                return None;
            }
        }
        if sort == Sort::Permission {
            let framework = rule.position(Operand::FrameworkAgreement);
            let framework =
                framework.map(|index| format!("{}, unwritten", self.naming.constraint(sort, number, index)));
            let own = format!("{}, unwritten", self.naming.rule(sort, number));
            for term in default::of_permission(self.normal, rule) {
                let path = framework.clone().filter(|_| term.of_framework());
                if !add(term.says(moment), path.unwrap_or_else(|| own.clone())) {
                    return None;
                }
            }
        }
        Some(conditions)
    }
}

/// The disjunction of what each permission asks, with the permission's name; no gate is needed only where one of them asks nothing. One
/// that can never hold opens the gate to nobody, and if none can, it stays shut.
fn alternatives_of(all: impl Iterator<Item = Option<(Vec<String>, String)>>) -> Option<Vec<Condition>> {
    let all = all.flatten().map(|(texts, path)| {
        let text = match texts.as_slice() {
            [] => return None,
            [one] => one.clone(),
            several => format!("({})", several.join(" &&\n   ")),
        };
        Some(Condition { text, path })
    });
    all.collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The gate must never open because what one permission asks could not be written down.
    #[test]
    fn the_gate_is_left_out_only_where_a_permission_asks_nothing() {
        let asks = |text: &str| Some((vec![text.to_owned()], "$".to_owned()));
        let gate = |all: Vec<_>| {
            let unless = alternatives_of(all.into_iter())?;
            Some(unless.into_iter().map(|condition| condition.text).collect::<Vec<_>>())
        };
        let never = || None;
        assert_eq!(
            gate(vec![asks("a"), asks("b")]),
            Some(vec!["a".to_owned(), "b".to_owned()])
        );
        assert_eq!(gate(vec![never(), asks("b")]), Some(vec!["b".to_owned()]));
        assert_eq!(gate(vec![never(), never()]), Some(Vec::new()));
        assert_eq!(gate(vec![asks("a"), Some((Vec::new(), "$".to_owned()))]), None);
        let shut = Draft {
            moment: Moment::Negotiate,
            id: "shut".to_owned(),
            path: "$".to_owned(),
            why: "nobody".to_owned(),
            recorded: Vec::new(),
            effect: "forbid",
            when: tied(Kind::Access, Moment::Negotiate, Digest::of(b"")),
            unless: Vec::new(),
        };
        let mut text = String::new();
        shut.write(&mut text);
        assert!(!text.contains("unless"), "{text}");
        assert!(text.parse::<PolicySet>().is_ok(), "{text}");
    }
}
