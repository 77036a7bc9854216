//! From the JSON of a registry to rules. Whatever is not understood is refused with its JSON pointer.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::RuleError;
use super::rule::{
    MAX_RULES, MAX_TEXT, MAX_VALUES, Normal, Reader, Rule, SpecificAssetId, check_instant, check_period, check_text,
};
use crate::contract::shown;
use crate::ids::TenantId;

/// Longest description, in characters (as the registry has it).
const DESCRIPTION: usize = 256;

/// Where a rule of a text stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// Its JSON pointer.
    pub pointer: String,
    /// The number the registry gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// What its author says it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its number in the normal form, from 0.
    pub rule: usize,
}

/// What a text says.
pub(super) struct Read {
    pub(super) normal: Normal,
    pub(super) owner: Option<(String, TenantId)>,
    pub(super) origins: Vec<Origin>,
}

fn refuse<T>(pointer: &str, problem: impl Into<String>) -> Result<T, RuleError> {
    Err(RuleError::Refused {
        // The pointer of a whole document is the empty text, which nobody would see.
        pointer: if pointer.is_empty() { "/" } else { pointer }.to_owned(),
        problem: problem.into(),
    })
}

/// What stands at a place, and the place.
#[derive(Clone)]
struct At<'j> {
    json: &'j Json,
    pointer: String,
}

impl<'j> At<'j> {
    fn object(&self, known: &[&str]) -> Result<Object<'j>, RuleError> {
        let Json::Object(members) = self.json else {
            return refuse(&self.pointer, "expected an object");
        };
        match members.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(Object {
                members,
                pointer: self.pointer.clone(),
            }),
            Some(name) => refuse(
                &self.pointer,
                format!(
                    "unknown member `{}`; known here are `{}`, and nothing else is ever ignored",
                    shown(name),
                    known.join("`, `")
                ),
            ),
        }
    }

    fn list(&self, most: usize) -> Result<Vec<At<'j>>, RuleError> {
        let Json::Array(items) = self.json else {
            return refuse(&self.pointer, "expected an array");
        };
        if items.len() > most {
            return refuse(&self.pointer, format!("more than {most} entries"));
        }
        let items = items.iter().enumerate();
        Ok(items
            .map(|(index, json)| At {
                json,
                pointer: format!("{}/{index}", self.pointer),
            })
            .collect())
    }

    fn text(&self) -> Result<&'j str, RuleError> {
        match self.json {
            Json::String(text) => Ok(text),
            Json::Null => refuse(&self.pointer, "null has no meaning here; leave the member out"),
            _ => refuse(&self.pointer, "expected a text"),
        }
    }

    /// A text that is exactly `expected`.
    fn is(&self, expected: &str) -> Result<(), RuleError> {
        match self.text()? {
            text if text == expected => Ok(()),
            other => refuse(
                &self.pointer,
                format!("`{}` is not understood; expected `{expected}`", shown(other)),
            ),
        }
    }

    /// A name or a value.
    fn name(&self) -> Result<String, RuleError> {
        let text = self.text()?;
        check_text(text).or_else(|problem| refuse(&self.pointer, problem))?;
        Ok(text.to_owned())
    }

    fn instant(&self) -> Result<Timestamp, RuleError> {
        let text = self.text()?;
        let parsed: Option<Timestamp> = text.parse().ok().filter(|_| !text.contains('['));
        let Some(instant) = parsed else {
            return refuse(
                &self.pointer,
                "expected an instant such as `2026-11-21T06:00:00Z` (RFC 3339)",
            );
        };
        check_instant(instant).or_else(|problem| refuse(&self.pointer, problem))?;
        Ok(instant)
    }
}

/// An object all of whose members are known.
struct Object<'j> {
    members: &'j Map<String, Json>,
    pointer: String,
}

impl<'j> Object<'j> {
    fn get(&self, name: &str) -> Option<At<'j>> {
        self.members.get(name).map(|json| At {
            json,
            pointer: format!("{}/{name}", self.pointer),
        })
    }

    fn need(&self, name: &str) -> Result<At<'j>, RuleError> {
        match self.get(name) {
            Some(found) => Ok(found),
            None => refuse(&self.pointer, format!("the member `{name}` is missing")),
        }
    }

    fn absent(&self, name: &str, why: &str) -> Result<(), RuleError> {
        match self.get(name) {
            Some(found) => refuse(&found.pointer, why),
            None => Ok(()),
        }
    }
}

/// Reads a text.
pub(super) fn read(text: &str) -> Result<Read, RuleError> {
    if text.len() > MAX_TEXT {
        return Err(RuleError::TooLarge { bytes: text.len() });
    }
    let json = crate::json::parse(text.as_bytes()).map_err(|error| RuleError::NotJson(error.to_string()))?;
    let whole = At {
        json: &json,
        pointer: String::new(),
    };
    let list = match &json {
        Json::Object(_) => whole.object(&["items"])?.need("items")?,
        _ => whole,
    };
    let mut owner: Option<(String, TenantId)> = None;
    let mut ids = BTreeSet::new();
    let mut all = Vec::new();
    for at in list.list(MAX_RULES)? {
        let written = Written::read(&at)?;
        if let Some(id) = written.id.filter(|id| !ids.insert(*id)) {
            return refuse(
                &format!("{}/id", at.pointer),
                format!("another rule has the id {id}; give each its own"),
            );
        }
        if let Some(tid) = written.tid {
            let pointer = format!("{}/tid", at.pointer);
            match &owner {
                Some((_, other)) if *other != tid => {
                    return refuse(
                        &pointer,
                        format!("the rules of {other} stand here too; make one document for each company"),
                    );
                }
                Some(_) => {}
                None => owner = Some((pointer, tid)),
            }
        }
        all.push((at.pointer, written));
    }
    let normal = Normal::of(all.iter().map(|(_, written)| written.rule.clone()).collect());
    let origins = all.into_iter().filter_map(|(pointer, written)| {
        let rule = normal.rules().binary_search(&written.rule).ok()?;
        Some(Origin {
            pointer,
            id: written.id,
            description: written.description,
            rule,
        })
    });
    Ok(Read {
        origins: origins.collect(),
        normal,
        owner,
    })
}

/// A rule as it is written.
struct Written {
    id: Option<u64>,
    tid: Option<TenantId>,
    description: Option<String>,
    rule: Rule,
}

impl Written {
    fn read(at: &At<'_>) -> Result<Self, RuleError> {
        let written = at.object(&[
            "id",
            "tid",
            "targetTenant",
            "policyType",
            "policy",
            "description",
            "validFrom",
            "validTo",
        ])?;
        written.need("policyType")?.is("AAS")?;
        let parts = Parts::read(&written.need("policy")?)?;
        let instant = |name| written.get(name).map(|at| at.instant()).transpose();
        let (from, to) = (instant("validFrom")?, instant("validTo")?);
        check_period(from, to).or_else(|problem| refuse(&format!("{}/validTo", at.pointer), problem))?;
        if let Some(target) = written.get("targetTenant") {
            // The registry looks rules up by it, and decides by what stands in the policy.
            target.is(&String::from(parts.reader))?;
        }
        Ok(Self {
            id: written.get("id").map(|at| id(&at)).transpose()?,
            tid: written.get("tid").map(|at| tid(&at)).transpose()?,
            description: written.get("description").map(|at| description(&at)).transpose()?,
            rule: Rule {
                from,
                mandatory: parts.mandatory,
                names: parts.names,
                reader: parts.reader,
                semantic_ids: parts.semantic_ids,
                to,
            },
        })
    }
}

fn id(at: &At<'_>) -> Result<u64, RuleError> {
    match at.json.as_u64() {
        Some(id) if id > 0 => Ok(id),
        _ => refuse(&at.pointer, "expected a whole number from 1 on"),
    }
}

fn tid(at: &At<'_>) -> Result<TenantId, RuleError> {
    let text = at.text()?;
    text.parse()
        .or_else(|error| refuse(&at.pointer, format!("{error}; companies go by their BPNL here")))
}

fn description(at: &At<'_>) -> Result<String, RuleError> {
    let text = at.text()?;
    match text.chars().count() <= DESCRIPTION {
        true => Ok(text.to_owned()),
        false => refuse(&at.pointer, format!("it is longer than {DESCRIPTION} characters")),
    }
}

/// The four parts of a policy, each of which stands once.
struct Parts {
    reader: Reader,
    mandatory: BTreeSet<SpecificAssetId>,
    names: BTreeSet<String>,
    semantic_ids: BTreeSet<String>,
}

impl Parts {
    fn read(policy: &At<'_>) -> Result<Self, RuleError> {
        let list = policy.object(&["accessRules"])?.need("accessRules")?;
        let (mut reader, mut mandatory, mut names, mut semantic_ids) = (None, None, None, None);
        for at in list.list(MAX_VALUES)? {
            let part = at.object(&["attribute", "operator", "value", "values"])?;
            let attribute = part.need("attribute")?;
            let again = match attribute.text()? {
                "bpn" => reader.replace(bpn(&part)?).is_some(),
                "mandatorySpecificAssetIds" => mandatory.replace(pairs(&part)?).is_some(),
                "visibleSpecificAssetIdNames" => names.replace(values(&part, "name")?).is_some(),
                "visibleSemanticIds" => semantic_ids.replace(values(&part, "modelUrn")?).is_some(),
                other => {
                    let known =
                        "`bpn`, `mandatorySpecificAssetIds`, `visibleSpecificAssetIdNames`, `visibleSemanticIds`";
                    let problem = format!("unknown attribute `{}`; known are {known}", shown(other));
                    return refuse(&attribute.pointer, problem);
                }
            };
            if again {
                return refuse(
                    &attribute.pointer,
                    "it stands twice in this policy; write one, with all its values",
                );
            }
        }
        Ok(Self {
            reader: found(reader, "bpn", &list)?,
            mandatory: found(mandatory, "mandatorySpecificAssetIds", &list)?,
            names: found(names, "visibleSpecificAssetIdNames", &list)?,
            semantic_ids: found(semantic_ids, "visibleSemanticIds", &list)?,
        })
    }
}

fn found<T>(part: Option<T>, name: &str, list: &At<'_>) -> Result<T, RuleError> {
    match part {
        Some(part) => Ok(part),
        None => refuse(
            &list.pointer,
            format!("there is no entry with the attribute `{name}`; add it"),
        ),
    }
}

fn bpn(part: &Object<'_>) -> Result<Reader, RuleError> {
    part.need("operator")?.is("eq")?;
    part.absent("values", "`bpn` takes one `value`; write a rule for each company")?;
    let value = part.need("value")?;
    value
        .text()?
        .parse()
        .or_else(|problem: String| refuse(&value.pointer, problem))
}

/// The entries of a list, each of which is compared by `eq`: attribute and value.
fn entries<'j>(part: &Object<'j>) -> Result<Vec<(At<'j>, At<'j>)>, RuleError> {
    part.need("operator")?.is("includes")?;
    part.absent("value", "`includes` takes a list of `values`")?;
    let values = part.need("values")?;
    let list = values.list(MAX_VALUES)?;
    if list.is_empty() {
        return refuse(&values.pointer, "expected at least one value");
    }
    let entry = |at: &At<'j>| {
        let entry = at.object(&["attribute", "operator", "value"])?;
        entry.need("operator")?.is("eq")?;
        Ok((entry.need("attribute")?, entry.need("value")?))
    };
    list.iter().map(entry).collect()
}

fn pairs(part: &Object<'_>) -> Result<BTreeSet<SpecificAssetId>, RuleError> {
    let pair = |(name, value): &(At<'_>, At<'_>)| {
        Ok(SpecificAssetId {
            name: name.name()?,
            value: value.name()?,
        })
    };
    entries(part)?.iter().map(pair).collect()
}

fn values(part: &Object<'_>, attribute: &str) -> Result<BTreeSet<String>, RuleError> {
    let value = |(name, value): &(At<'_>, At<'_>)| {
        name.is(attribute)?;
        value.name()
    };
    entries(part)?.iter().map(value).collect()
}
