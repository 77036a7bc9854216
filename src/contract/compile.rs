//! From the normal form to Cedar: one text for each rule and moment, parsed once.

use cedar_policy::{Policy, PolicyId, PolicySet};
use jiff::Timestamp;

use super::error::ContractError;
use super::normal::{Normal, Rule};
use super::operand::Constraint;
use super::{Kind, Moment};
use crate::ids::Digest;

/// The default year of a framework agreement, in transfer and access of usage terms.
const YEAR: &str = r#"context.now < context.agreement.signedAt.offset(duration("365d"))"#;

/// The policies of all moments.
pub(super) struct Compiled {
    /// In the order of [`Moment::ALL`].
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

/// One policy before it is Cedar. `when` is a conjunction; `unless` a disjunction, left out if empty.
struct Draft {
    moment: Moment,
    id: String,
    path: String,
    why: String,
    effect: &'static str,
    when: Vec<String>,
    unless: Vec<String>,
}

/// Compiles terms. Fails only if Cedar refuses what is written here.
pub(super) fn compile(normal: &Normal, digest: Digest) -> Result<Compiled, ContractError> {
    let mut text = format!("// Contract terms {digest}\n");
    let mut sets = Moment::ALL.map(|_| PolicySet::new());
    for (moment, set) in Moment::ALL.into_iter().zip(&mut sets) {
        for draft in drafts(normal, digest, moment) {
            let cedar = draft.text();
            let refused = |detail: String| ContractError::NotCedar {
                id: draft.id.clone(),
                detail,
            };
            let id = PolicyId::new(&draft.id);
            let policy = Policy::parse(Some(id), &cedar).map_err(|error| refused(error.to_string()))?;
            set.add(policy).map_err(|error| refused(error.to_string()))?;
            text.push('\n');
            text.push_str(&cedar);
        }
    }
    let [discover, negotiate, transfer, access] = sets;
    Ok(Compiled {
        discover,
        negotiate,
        transfer,
        access,
        text,
    })
}

/// The policies these terms have at `moment`.
fn drafts(normal: &Normal, digest: Digest, moment: Moment) -> Vec<Draft> {
    let mut drafts = Vec::new();
    match (normal.kind, moment) {
        (Kind::Access, Moment::Transfer | Moment::Access) | (Kind::Usage, Moment::Discover) => return drafts,
        (Kind::Access, Moment::Negotiate) => drafts.extend(gate(normal, digest)),
        _ => {
            let rules = normal.permissions.iter().enumerate();
            drafts.extend(rules.map(|(index, rule)| draft(normal, digest, moment, ("permission", index), rule)));
        }
    }
    let rules = normal.prohibitions.iter().enumerate();
    drafts.extend(rules.map(|(index, rule)| draft(normal, digest, moment, ("prohibition", index), rule)));
    drafts
}

/// One rule at one moment.
fn draft(normal: &Normal, digest: Digest, moment: Moment, (sort, index): (&str, usize), rule: &Rule) -> Draft {
    let prohibition = sort == "prohibition";
    let mut when = terms_named(normal.kind, moment, digest);
    when.extend(conditions(normal.kind, moment, rule));
    Draft {
        moment,
        id: policy_id(digest, moment, &format!("{sort}/{index}")),
        path: format!("$.{sort}s[{index}]"),
        why: why(normal.kind, moment, prohibition, rule),
        effect: if prohibition { "forbid" } else { "permit" },
        when,
        unless: Vec::new(),
    }
}

/// What keeps a partner that may not see an offer from negotiating it. Not needed if a permission holds for everyone.
fn gate(normal: &Normal, digest: Digest) -> Option<Draft> {
    let moment = Moment::Negotiate;
    let permissions = normal.permissions.iter();
    let unless: Vec<_> = permissions
        .map(|rule| conditions(normal.kind, moment, rule))
        .map(|conditions| conditions.join(" && "))
        .collect();
    let reasons: Vec<_> = normal.permissions.iter().map(|rule| reasons(rule, moment)).collect();
    let all_bound = unless.iter().all(|condition| !condition.is_empty());
    all_bound.then(|| Draft {
        moment,
        id: policy_id(digest, moment, "permissions"),
        path: "$.permissions".to_owned(),
        why: format!(
            "Nobody negotiates what they may not see; seen if {}.",
            reasons.join("; or if ")
        ),
        effect: "forbid",
        when: terms_named(normal.kind, moment, digest),
        unless,
    })
}

fn policy_id(digest: Digest, moment: Moment, rest: &str) -> String {
    let digits: String = digest.to_string().chars().skip("sha256:".len()).take(16).collect();
    format!("terms/{digits}/{moment}/{rest}")
}

/// The conditions that tie a policy to these terms.
fn terms_named(kind: Kind, moment: Moment, digest: Digest) -> Vec<String> {
    match (kind, moment) {
        (Kind::Access, _) => vec![format!("resource.accessTerms == \"{digest}\"")],
        (Kind::Usage, Moment::Discover | Moment::Negotiate) => vec![format!("resource.usageTerms == \"{digest}\"")],
        (Kind::Usage, Moment::Transfer | Moment::Access) => vec![
            "context has agreement".to_owned(),
            format!("context.agreement.terms == \"{digest}\""),
        ],
    }
}

/// The conditions of a rule at a moment, the defaults included.
fn conditions(kind: Kind, moment: Moment, rule: &Rule) -> Vec<String> {
    let own = rule.constraints.iter();
    let mut conditions: Vec<_> = own.filter_map(|constraint| condition(constraint, moment)).collect();
    if rule.has_default_year(kind) && hands_out(moment) {
        conditions.push(YEAR.to_owned());
    }
    conditions
}

/// Whether data is provided and used at this moment, so that the dates count.
pub(super) fn hands_out(moment: Moment) -> bool {
    matches!(moment, Moment::Transfer | Moment::Access)
}

/// One constraint as Cedar; none where it has no say at this moment.
fn condition(constraint: &Constraint, moment: Moment) -> Option<String> {
    Some(match constraint {
        Constraint::Membership => "principal.membership == \"active\"".to_owned(),
        Constraint::Framework(name) => format!("principal.frameworks.contains({})", quoted(name)),
        Constraint::Purpose(purposes) => {
            let list: Vec<_> = purposes.iter().map(|purpose| quoted(purpose)).collect();
            format!("[{}].contains(context.purpose)", list.join(", "))
        }
        Constraint::Partner { listed, partners } => {
            let list: Vec<_> = partners
                .iter()
                .map(|bpnl| format!("Tidegate::Partner::\"{bpnl}\""))
                .collect();
            let contains = format!("[{}].contains(principal)", list.join(", "));
            if *listed { contains } else { format!("!({contains})") }
        }
        Constraint::UsageEnd(end) if hands_out(moment) => {
            let end = datetime(*end);
            // Up to and including the second named: `now` cut to seconds is not after it.
            format!("context.now < datetime(\"{end}\").offset(duration(\"1s\"))")
        }
        Constraint::UsageEnd(_) => return None,
    })
}

/// A text as a Cedar string literal. Cedar reads the escapes Rust writes; the tests try hostile texts.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.escape_debug())
}

/// An instant as Cedar's `datetime` takes it: UTC with milliseconds.
fn datetime(instant: Timestamp) -> String {
    instant.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

/// Why a policy is there, in plain words.
fn why(kind: Kind, moment: Moment, prohibition: bool, rule: &Rule) -> String {
    let what = match moment {
        Moment::Discover => "see the offer",
        Moment::Negotiate => "negotiate the offer",
        Moment::Transfer => "start a transfer under the agreement",
        Moment::Access => "fetch data under the agreement",
    };
    let verb = if prohibition { "may not" } else { "may" };
    let mut reasons = reasons(rule, moment);
    if rule.has_default_year(kind) && hands_out(moment) {
        reasons.push_str(", and the year since signing has not passed");
    }
    if reasons.is_empty() {
        format!("A partner {verb} {what}, whoever it is.")
    } else {
        format!("A partner {verb} {what} if {reasons}.")
    }
}

/// The reasons of the constraints that have a say at `moment`.
fn reasons(rule: &Rule, moment: Moment) -> String {
    let own = rule.constraints.iter();
    let own = own.filter(|constraint| condition(constraint, moment).is_some());
    own.map(Constraint::reason).collect::<Vec<_>>().join(", and ")
}

impl Draft {
    fn text(&self) -> String {
        let Self { moment, effect, .. } = self;
        let resource = match moment {
            Moment::Discover | Moment::Negotiate => "Offer",
            Moment::Transfer => "Asset",
            Moment::Access => "Footprint",
        };
        // What is handed in is judged as what is handed out.
        let action = match moment {
            Moment::Access => "action in [Tidegate::Action::\"access\", Tidegate::Action::\"submit\"]".to_owned(),
            _ => format!("action == Tidegate::Action::\"{moment}\""),
        };
        let annotations = [
            ("id", &self.id),
            ("path", &self.path),
            ("why", &self.why),
            ("control", &"contract".to_owned()),
        ]
        .map(|(key, value)| format!("@{key}({})\n", quoted(value)))
        .concat();
        let when = self.when.join(" &&\n  ");
        let unless = if self.unless.is_empty() {
            String::new()
        } else {
            let alternatives: Vec<_> = self.unless.iter().map(|condition| format!("({condition})")).collect();
            format!("\nunless {{\n  {}\n}}", alternatives.join(" ||\n  "))
        };
        format!(
            "{annotations}{effect} (\n  principal is Tidegate::Partner,\n  {action},\n  \
             resource is Tidegate::{resource}\n)\nwhen {{\n  {when}\n}}{unless};\n"
        )
    }
}
