//! A constraint as Cedar: what it demands at a moment, as conditions that all must hold.
//!
//! A fact that is not there never fulfils a permission, and never lifts a prohibition: `has` is asked before each attribute
//! the schema leaves optional, and stands so that its absence counts against the partner.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Moment;
use super::constraint::Constraint;
use super::operand::{Operator, Sort};
use super::value::{Bound, End};
use super::words::quoted;
use crate::ids::Bpnl;

/// What a constraint says at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// It has no say: the rule does not depend on it.
    Nothing,
    /// It cannot hold, so neither can the rule.
    Never,
    /// It holds if all of these do.
    If(Vec<String>),
}

/// What `constraint` says at `moment`, in a rule of `sort`. Of an obligation, what is said is that its end has passed.
pub(super) fn says(constraint: &Constraint, sort: Sort, moment: Moment) -> Says {
    let always = |condition: String| Says::If(vec![condition]);
    let given = |fact: &str, condition: String| Says::If(vec![fact.to_owned(), condition]);
    match constraint {
        Constraint::Membership => always("principal.membership == \"active\"".to_owned()),
        Constraint::Framework(name) => always(format!("principal.frameworks.contains({})", quoted(name))),
        Constraint::Partner { listed, partners } => {
            always(is(*listed, &format!("{}.contains(principal)", companies(partners))))
        }
        Constraint::Group { listed, groups } => {
            let any = format!("principal.groups.containsAny({})", texts(groups));
            given("principal has groups", is(*listed, &any))
        }
        Constraint::Contracts(names) => given(
            "principal has contracts",
            format!("principal.contracts.containsAll({})", texts(names)),
        ),
        Constraint::Purpose(purposes) => always(format!("{}.contains(context.purpose)", texts(purposes))),
        Constraint::Affiliates(partners) => affiliates(partners, sort, moment),
        Constraint::Regions(regions) => in_regions(regions, sort, moment),
        Constraint::Exclusive => exclusive(moment),
        Constraint::Once if hands_out(moment) => given("context has uses", "context.uses < 1".to_owned()),
        Constraint::MinorChanges if hands_out(moment) => versions(moment, "major", "modelMajors"),
        Constraint::UsageEnd(end) if hands_out(moment) => always(format!("context.now < {}", after(*end))),
        Constraint::ProvisioningEnd(end) if hands_out(moment) => always(format!("context.now >= {}", after(*end))),
        Constraint::InForce { operator, bound } if hands_out(moment) => {
            always(format!("context.now {} {}", sign(*operator), instant(*bound)))
        }
        Constraint::Once
        | Constraint::MinorChanges
        | Constraint::UsageEnd(_)
        | Constraint::ProvisioningEnd(_)
        | Constraint::InForce { .. }
        | Constraint::Recorded { .. } => Says::Nothing,
    }
}

/// Whether data is provided and used at this moment, so that dates, versions, uses and recipients count.
pub(super) fn hands_out(moment: Moment) -> bool {
    matches!(moment, Moment::Transfer | Moment::Access)
}

/// That the versions in force are those in force at signing, as far as `part` of a version goes; and that the model of a
/// footprint that is handed out is one of those in force then.
pub(super) fn versions(moment: Moment, part: &str, models: &str) -> Says {
    let mut all = vec![
        "context has versions".to_owned(),
        "context.agreement has signed".to_owned(),
    ];
    for of in ["api", "asset"] {
        all.push(format!(
            "context.versions.{of}.{part} == context.agreement.signed.{of}.{part}"
        ));
    }
    if moment == Moment::Access {
        // What a partner hands in is of the partner's own model: those of the asset bind what the provider hands out.
        all.push(format!(
            "(action == Tidegate::Action::\"submit\" ||\n   (context.versions has model &&\n    \
             context.agreement.signed.{models}.contains(context.versions.model.{part})))"
        ));
    }
    Says::If(all)
}

/// That the data is for the partner that asks, unless `otherwise` holds of whom it is for.
pub(super) fn for_itself(otherwise: Option<&str>) -> Says {
    let otherwise = otherwise.map_or_else(String::new, |allowed| format!(" && !({allowed})"));
    Says::If(vec![format!(
        "!(context has recipient && context.recipient != principal{otherwise})"
    )])
}

/// Before `days` since signing have passed.
pub(super) fn within(days: u32) -> Says {
    Says::If(vec![format!("context.now < {}", after(End::Days(days)))])
}

/// A permission lets the data go to the partner and to those named. A prohibition keeps it from those named, whether they ask or are
/// whom it is for: a partner that is named gets nothing by saying that it asks for another.
fn affiliates(partners: &BTreeSet<Bpnl>, sort: Sort, moment: Moment) -> Says {
    let list = companies(partners);
    match (sort, hands_out(moment)) {
        (Sort::Prohibition, false) => Says::If(vec![format!("{list}.contains(principal)")]),
        (Sort::Prohibition, true) => Says::If(vec![format!(
            "({list}.contains(principal) ||\n   (context has recipient && {list}.contains(context.recipient)))"
        )]),
        (_, false) => Says::Nothing,
        (_, true) => for_itself(Some(&format!("{list}.contains(context.recipient)"))),
    }
}

/// In a permission the recipient must be known as an affiliate, in one of the regions. A prohibition holds of anyone but the
/// partner itself, unless its region is known to be another: who is given the data counts as an affiliate there.
fn in_regions(regions: &BTreeSet<String>, sort: Sort, moment: Moment) -> Says {
    let all = regions.contains("cx.region.all:1");
    let known = format!(
        "context.recipient has region && {}.contains(context.recipient.region)",
        texts(regions)
    );
    match (sort, hands_out(moment)) {
        (Sort::Prohibition, false) => Says::Never,
        (Sort::Prohibition, true) => {
            let mut conditions = vec![
                "context has recipient".to_owned(),
                "context.recipient != principal".to_owned(),
            ];
            if !all {
                conditions.push(format!(
                    "!(context.recipient has region && !({}.contains(context.recipient.region)))",
                    texts(regions)
                ));
            }
            Says::If(conditions)
        }
        (_, false) => Says::Nothing,
        (_, true) => {
            let affiliate = "principal has affiliates && principal.affiliates.contains(context.recipient)";
            let allowed = if all {
                affiliate.to_owned()
            } else {
                format!("{affiliate} && {known}")
            };
            for_itself(Some(&allowed))
        }
    }
}

/// That no other partner has the asset for itself.
fn exclusive(moment: Moment) -> Says {
    let asset = match moment {
        Moment::Discover => return Says::Nothing,
        Moment::Negotiate => "resource.asset",
        Moment::Transfer | Moment::Access => "context.agreement.asset",
    };
    Says::If(vec![format!(
        "!({asset} has exclusive && {asset}.exclusive.to != principal)"
    )])
}

/// The first instant after an end.
fn after(end: End) -> String {
    match end {
        // Up to and including the second named: `now` cut to seconds is not after it.
        End::Date(last) => format!("datetime(\"{}\").offset(duration(\"1s\"))", datetime(last)),
        End::Days(days) => format!("context.agreement.signedAt.offset(duration(\"{days}d\"))"),
    }
}

fn instant(bound: Bound) -> String {
    match bound {
        Bound::At(instant) => format!("datetime(\"{}\")", datetime(instant)),
        Bound::Since(seconds) => format!("context.agreement.signedAt.offset(duration(\"{seconds}s\"))"),
    }
}

fn sign(operator: Operator) -> &'static str {
    match operator {
        Operator::Gt => ">",
        Operator::Gteq => ">=",
        Operator::Lt => "<",
        Operator::Lteq => "<=",
        Operator::Eq | Operator::IsAnyOf | Operator::IsAllOf | Operator::IsNoneOf => "==",
    }
}

fn is(so: bool, condition: &str) -> String {
    if so {
        condition.to_owned()
    } else {
        format!("!({condition})")
    }
}

fn companies(partners: &BTreeSet<Bpnl>) -> String {
    let list: Vec<_> = partners
        .iter()
        .map(|bpnl| format!("Tidegate::Partner::\"{bpnl}\""))
        .collect();
    format!("[{}]", list.join(", "))
}

fn texts(texts: &BTreeSet<String>) -> String {
    let list: Vec<_> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", list.join(", "))
}

/// An instant as Cedar's `datetime` takes it: UTC with milliseconds.
fn datetime(instant: Timestamp) -> String {
    instant.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
