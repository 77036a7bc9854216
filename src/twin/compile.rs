//! From the normal form to Cedar: one text, parsed once, and a policy set for each lookup.

use std::fmt::Write as _;

use cedar_policy::{PolicyId, PolicySet};
use jiff::Timestamp;

use super::rule::{Normal, Reader, Rule, SpecificAssetId};
use super::{Lookup, RuleError};
use crate::contract::quoted;
use crate::ids::Digest;

/// The policies of all lookups.
pub(super) struct Compiled {
    sets: [PolicySet; 3],
    text: String,
}

impl Compiled {
    pub(super) fn set(&self, lookup: Lookup) -> &PolicySet {
        let [twin, asset_id, submodel] = &self.sets;
        match lookup {
            Lookup::Twin => twin,
            Lookup::AssetId => asset_id,
            Lookup::Submodel => submodel,
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// One policy before it is Cedar.
struct Draft {
    lookup: Lookup,
    id: String,
    text: String,
}

/// Compiles rules. Fails only if Cedar refuses what is written here.
pub(super) fn compile(normal: &Normal, digest: Digest) -> Result<Compiled, RuleError> {
    let rules = || normal.rules().iter().enumerate();
    let drafts: Vec<_> = Lookup::ALL
        .into_iter()
        .flat_map(|lookup| rules().filter_map(move |(number, rule)| draft(lookup, number, rule, digest)))
        .collect();
    let mut text = format!("// Access rules {digest}\n");
    if drafts.is_empty() {
        text.push_str("// There is none, so nobody may find anything.\n");
    }
    for draft in &drafts {
        text.push('\n');
        text.push_str(&draft.text);
    }
    let refused = |id: &str, detail: String| RuleError::NotCedar {
        id: id.to_owned(),
        detail,
    };
    let parsed: Result<PolicySet, _> = text.parse();
    let parsed = parsed.map_err(|error| refused(&format!("rules/{digest}"), error.to_string()))?;
    let mut sets = [PolicySet::new(), PolicySet::new(), PolicySet::new()];
    for (number, draft) in drafts.iter().enumerate() {
        // Cedar numbers the policies of a text in their order, from 0.
        let policy = parsed.policy(&PolicyId::new(format!("policy{number}")));
        let policy = policy.ok_or_else(|| refused(&draft.id, "it is not among what was parsed".to_owned()))?;
        let [twin, asset_id, submodel] = &mut sets;
        let set = match draft.lookup {
            Lookup::Twin => twin,
            Lookup::AssetId => asset_id,
            Lookup::Submodel => submodel,
        };
        let added = set.add(policy.new_id(PolicyId::new(&draft.id)));
        added.map_err(|error| refused(&draft.id, error.to_string()))?;
    }
    Ok(Compiled { sets, text })
}

/// What a rule permits of a lookup; none where it permits nothing.
fn draft(lookup: Lookup, number: usize, rule: &Rule, digest: Digest) -> Option<Draft> {
    let shown = match lookup {
        Lookup::Twin => None,
        Lookup::AssetId => Some(names(rule)?),
        Lookup::Submodel => {
            let ids: Vec<_> = rule.semantic_ids.iter().map(|id| quoted(id)).collect();
            Some(format!("resource.semanticIds.containsAny([{}])", ids.join(", ")))
        }
    };
    let id = format!("rules/{}/{lookup}/{number}", digits(digest));
    let mut text = String::new();
    // Writing to a string cannot fail.
    let mut annotate = |key: &str, value: &str| {
        let _ = writeln!(text, "@{key}({})", quoted(value));
    };
    annotate("id", &id);
    annotate("path", &format!("/accessRules/{number}"));
    annotate("why", &why(lookup, rule));
    annotate("control", "access-rule");
    let hidden: Vec<_> = rule.hidden_names().collect();
    if lookup == Lookup::AssetId && !hidden.is_empty() {
        annotate(
            "recorded",
            &format!("listed, but not to be shown to everybody: {}", hidden.join(", ")),
        );
    }
    let principal = match rule.reader {
        Reader::Everyone => "principal is Tidegate::Partner".to_owned(),
        Reader::Partner(bpnl) => format!("principal == Tidegate::Partner::\"{bpnl}\""),
    };
    let (resource, twin) = match lookup {
        Lookup::Twin | Lookup::AssetId => ("Twin", "resource"),
        Lookup::Submodel => ("Submodel", "resource.twin"),
    };
    let mut conditions = vec![
        format!("{twin} has accessRules"),
        format!("{twin}.accessRules == \"{digest}\""),
    ];
    conditions.extend(rule.from.map(|from| format!("context.now >= {}", datetime(from))));
    conditions.extend(rule.to.map(|to| format!("context.now <= {}", datetime(to))));
    conditions.push(format!("{twin}.assetIds.containsAll({})", ids(rule.mandatory.iter())));
    conditions.extend(shown);
    let _ = write!(
        text,
        "permit (\n  {principal},\n  action == Tidegate::Action::\"{lookup}\",\n  resource is Tidegate::{resource}\n)\nwhen {{\n  {}\n}};\n",
        conditions.join(" &&\n  ")
    );
    Some(Draft { lookup, id, text })
}

/// That the specific asset id is one of those a rule shows; none where it shows none.
fn names(rule: &Rule) -> Option<String> {
    let free: Vec<_> = rule.free_names().map(quoted).collect();
    let bound: Vec<_> = rule.bound_ids().collect();
    let free = (!free.is_empty()).then(|| format!("[{}].contains(context.assetId.name)", free.join(", ")));
    let bound = (!bound.is_empty()).then(|| format!("{}.contains(context.assetId)", ids(bound.into_iter())));
    let either: Vec<_> = free.into_iter().chain(bound).collect();
    match either.as_slice() {
        [] => None,
        [one] => Some(format!("resource.assetIds.contains(context.assetId) &&\n  {one}")),
        both => Some(format!(
            "resource.assetIds.contains(context.assetId) &&\n  ({})",
            both.join(" ||\n   ")
        )),
    }
}

fn ids<'r>(ids: impl Iterator<Item = &'r SpecificAssetId>) -> String {
    let all: Vec<_> = ids
        .map(|id| format!("{{name: {}, value: {}}}", quoted(&id.name), quoted(&id.value)))
        .collect();
    format!("[{}]", all.join(", "))
}

/// An instant as Cedar's `datetime` takes it: UTC with milliseconds.
fn datetime(instant: Timestamp) -> String {
    format!("datetime(\"{}\")", instant.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"))
}

/// The digits by which the ids of policies name the rules.
fn digits(digest: Digest) -> String {
    digest.to_string().chars().skip("sha256:".len()).take(16).collect()
}

/// Why a policy is there, in plain words.
fn why(lookup: Lookup, rule: &Rule) -> String {
    let found = rule.who_finds();
    match lookup {
        Lookup::Twin => format!("{found}."),
        Lookup::AssetId => {
            let names: Vec<_> = rule.shown_names().map(|name| format!("`{name}`")).collect();
            format!("{found}, and is shown of it {}.", names.join(", "))
        }
        Lookup::Submodel => {
            let ids: Vec<_> = rule.semantic_ids.iter().map(|id| format!("`{id}`")).collect();
            format!("{found}, and may reach its submodels {}.", ids.join(", "))
        }
    }
}

impl Rule {
    /// Who may find which twins, and when, in plain words.
    pub(super) fn who_finds(&self) -> String {
        let ids: Vec<_> = self
            .mandatory
            .iter()
            .map(|id| format!("`{}` `{}`", id.name, id.value))
            .collect();
        let from = self.from.map(|from| format!(" from {from}"));
        let to = self.to.map(|to| format!(" until {to}"));
        let who = match self.reader {
            Reader::Everyone => "Everybody".to_owned(),
            Reader::Partner(bpnl) => bpnl.to_string(),
        };
        format!(
            "{who} may find a twin that has {}{}{}",
            ids.join(" and "),
            from.unwrap_or_default(),
            to.unwrap_or_default()
        )
    }
}
