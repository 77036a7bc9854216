//! The JSON-LD that contract texts are spelled in: names, values and contexts in their compact, prefixed and expanded forms.
//!
//! This is not a JSON-LD processor and fetches nothing. It knows the contexts and prefixes Catena-X connectors use, each with
//! the one meaning it has there, and refuses any other: a context of the sender's own could give `Membership` another meaning.

use std::collections::BTreeSet;

use super::Profile;
use super::error::{ContractError, Fault, Path, shown};
use super::json::Json;
use super::operand::{Space, Spelled};

const ODRL: &str = "http://www.w3.org/ns/odrl/2/";
pub(super) const EDC: &str = "https://w3id.org/edc/v0.0.1/ns/";
const XSD: &str = "http://www.w3.org/2001/XMLSchema#";
const TRACTUS: &str = "https://w3id.org/tractusx/v0.0.1/ns/";
/// The Dataspace Protocol's namespaces; of them only an agreement's `timestamp` is met in a policy.
const DSPACE: [&str; 2] = ["https://w3id.org/dspace/2025/1/", "https://w3id.org/dspace/v0.8/"];

/// Contexts that say nothing about the version of the Catena-X profile.
const NEUTRAL_CONTEXTS: [&str; 9] = [
    "http://www.w3.org/ns/odrl.jsonld",
    "https://www.w3.org/ns/odrl.jsonld",
    "https://w3id.org/catenax/2025/9/policy/odrl.jsonld",
    "https://w3id.org/dspace/2025/1/odrl-profile.jsonld",
    "https://w3id.org/dspace/2025/1/context.jsonld",
    "https://w3id.org/edc/dspace/v0.0.1",
    "https://w3id.org/edc/connector/management/v0.0.1",
    "https://w3id.org/edc/connector/management/v2",
    "https://w3id.org/tractusx/auth/v1.0.0",
];

/// One member of an object, its key reduced to the ODRL name.
pub(super) struct Member<'a> {
    pub(super) name: &'a str,
    pub(super) path: Path,
    pub(super) value: &'a Json,
}

/// The members of the object at `path`, ODRL's names without prefix or namespace. Two spellings of one name are refused.
pub(super) fn members<'a>(value: &'a Json, path: &Path) -> Result<Vec<Member<'a>>, ContractError> {
    let Json::Object(members) = value else {
        return Err(shape(value, path, "an object"));
    };
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for (key, value) in members {
        let name = odrl_name(key).or_else(|| timestamp_name(key)).unwrap_or(key);
        let path = path.key(key);
        if !seen.insert(name) {
            return Err(path.refuse(Fault::DuplicateKey { key: shown(key) }));
        }
        found.push(Member { name, path, value });
    }
    Ok(found)
}

/// The name in ODRL's vocabulary that `text` spells: bare, `odrl:` or with the namespace.
pub(super) fn odrl_name(text: &str) -> Option<&str> {
    let name = text
        .strip_prefix(ODRL)
        .or_else(|| text.strip_prefix("odrl:"))
        .unwrap_or(text);
    is_name(name).then_some(name)
}

fn timestamp_name(key: &str) -> Option<&str> {
    let rest = key
        .strip_prefix("dspace:")
        .or_else(|| DSPACE.iter().find_map(|namespace| key.strip_prefix(namespace)));
    rest.filter(|rest| *rest == "timestamp")
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The elements of an array, of a `@list` or of a `@set`; anything else counts as its own only element.
pub(super) fn items<'a>(value: &'a Json, path: &Path) -> Vec<(Path, &'a Json)> {
    let (path, value) = match value {
        Json::Object(members) => match members.as_slice() {
            [(key, inner @ Json::List(_))] if key == "@list" || key == "@set" => (path.key(key), inner),
            _ => (path.clone(), value),
        },
        Json::List(list) => match list.as_slice() {
            [only @ Json::Object(members)] if matches!(members.as_slice(), [(key, _)] if key == "@list" || key == "@set") =>
            {
                return items(only, &path.at(0));
            }
            _ => (path.clone(), value),
        },
        _ => (path.clone(), value),
    };
    match value {
        Json::List(list) => list
            .iter()
            .enumerate()
            .map(|(index, item)| (path.at(index), item))
            .collect(),
        single => vec![(path, single)],
    }
}

/// One name or IRI: a text, `{"@id": …}`, `{"@value": …}`, or an array of one of these.
pub(super) fn reference<'a>(value: &'a Json, path: &Path) -> Result<&'a str, ContractError> {
    let (path, value) = only(value, path, "one name")?;
    node(value, &path, true)
}

/// The literals of a right operand, in any spelling of a list; with `numbers`, whole numbers are taken too and given in digits.
///
/// The Eclipse Dataspace Connector writes a list of more than one value into an agreement as one text that holds JSON,
/// `"[{\"@value\":\"a\"},{\"@value\":\"b\"}]"`. A text that begins as a list is that list, in whatever white space and of whatever
/// literals; taken for one name, it would be none that anybody has, and `isNoneOf` it would exclude nobody.
pub(super) fn literals(value: &Json, path: &Path, numbers: bool) -> Result<Vec<String>, ContractError> {
    if let Json::Text(text) = value
        && text.trim_start().starts_with('[')
    {
        let list = Json::read(text).map_err(|_| shape(value, path, "the whole JSON of a list"))?;
        return literals_of(&list, path, numbers);
    }
    literals_of(value, path, numbers)
}

fn literals_of(value: &Json, path: &Path, numbers: bool) -> Result<Vec<String>, ContractError> {
    let items = items(value, path).into_iter();
    items.map(|(path, value)| literal(value, &path, numbers)).collect()
}

/// One literal: a text, a number or `{"@value": …}`; `@id` would make it the name of a thing.
fn literal(value: &Json, path: &Path, numbers: bool) -> Result<String, ContractError> {
    if numbers && let Some(number) = number(value, path)? {
        return Ok(number);
    }
    node(value, path, false).map(str::to_owned)
}

/// The digits of a number, whether they stand as one, or as a text with a type that says so. None if the value is no number.
fn number(value: &Json, path: &Path) -> Result<Option<String>, ContractError> {
    let digits = |value: &Json, path: &Path| match value {
        Json::Number(Some(number)) => Ok(Some(number.to_string())),
        Json::Number(None) => Err(shape(value, path, "a whole number in digits, such as `365`,")),
        _ => Ok(None),
    };
    let Json::Object(members) = value else {
        return digits(value, path);
    };
    let member = |wanted: &str| members.iter().find(|(key, _)| key == wanted).map(|(_, value)| value);
    let typed = member("@type").map(|of| matches!(of, Json::Text(of) if xsd(of).is_some_and(is_whole)));
    match (member("@value"), typed) {
        (Some(Json::Text(text)), Some(true)) if members.len() == 2 => Ok(Some(text.clone())),
        (Some(number), None) if members.len() == 1 => digits(number, &path.key("@value")),
        (Some(number), Some(true)) if members.len() == 2 => digits(number, &path.key("@value")),
        _ => Ok(None),
    }
}

/// The name of a type of XML Schema.
fn xsd(text: &str) -> Option<&str> {
    text.strip_prefix(XSD).or_else(|| text.strip_prefix("xsd:"))
}

/// Whether the values of a type of XML Schema are whole numbers.
fn is_whole(of: &str) -> bool {
    matches!(
        of,
        "integer" | "int" | "long" | "positiveInteger" | "nonNegativeInteger"
    )
}

/// The only element at `path`.
pub(super) fn only<'a>(
    value: &'a Json,
    path: &Path,
    expected: &'static str,
) -> Result<(Path, &'a Json), ContractError> {
    let mut all = items(value, path).into_iter();
    match (all.next(), all.next()) {
        (Some(one), None) => Ok(one),
        _ => Err(shape(value, path, expected)),
    }
}

fn node<'a>(value: &'a Json, path: &Path, ids: bool) -> Result<&'a str, ContractError> {
    let expected = if ids { "a name" } else { "a text" };
    match value {
        Json::Text(text) => Ok(text),
        Json::Object(members) => match members.as_slice() {
            [(key, Json::Text(text))] if key == "@value" || (ids && key == "@id") => Ok(text),
            [(a, Json::Text(text)), (b, Json::Text(of))] | [(b, Json::Text(of)), (a, Json::Text(text))]
                if a == "@value" && b == "@type" =>
            {
                if matches!(xsd(of), Some("string" | "dateTime")) {
                    Ok(text)
                } else {
                    let expected = "`xsd:string` or `xsd:dateTime`";
                    Err(path.key("@type").refuse(Fault::Type {
                        found: shown(of),
                        expected,
                    }))
                }
            }
            _ => Err(shape(value, path, expected)),
        },
        other => Err(shape(other, path, expected)),
    }
}

pub(super) fn shape(value: &Json, path: &Path, expected: &'static str) -> ContractError {
    path.refuse(Fault::Shape {
        expected,
        found: value.kind(),
    })
}

/// What a text says, in several places, about the version of the profile it is written in. All must agree.
#[derive(Default)]
pub(super) struct Claims {
    /// What the prefix `cx-policy:` stands for.
    prefix: Option<Profile>,
    settled: Option<(Profile, Path)>,
}

impl Claims {
    /// The version: what was claimed, or the current one for a text that names none.
    pub(super) fn profile(&self) -> Profile {
        self.settled.as_ref().map_or(Profile::Cx2509, |(profile, _)| *profile)
    }

    pub(super) fn claim(&mut self, profile: Profile, path: &Path) -> Result<(), ContractError> {
        match &self.settled {
            Some((settled, other)) if *settled != profile => Err(path.refuse(Fault::MixedProfiles {
                other: other.to_string(),
            })),
            Some(_) => Ok(()),
            None => {
                self.settled = Some((profile, path.clone()));
                Ok(())
            }
        }
    }

    /// The name in the Catena-X vocabulary that `text` spells, if any; a full IRI or a mapped prefix claims its version.
    pub(super) fn catena_name<'a>(&mut self, text: &'a str, path: &Path) -> Result<Option<&'a str>, ContractError> {
        let (name, claimed) = if let Some(name) = text.strip_prefix("cx-policy:") {
            (name, self.prefix)
        } else if let Some(name) = text.strip_prefix(Profile::Cx2509.namespace()) {
            (name, Some(Profile::Cx2509))
        } else if let Some(name) = text.strip_prefix(Profile::Cx2405.namespace()) {
            (name, Some(Profile::Cx2405))
        } else {
            (text, None)
        };
        if let Some(profile) = claimed {
            self.claim(profile, path)?;
        }
        Ok(is_name(name).then_some(name))
    }

    /// The left operand that `text` spells, and in which vocabulary.
    pub(super) fn left_operand(&mut self, text: &str, path: &Path) -> Result<Spelled, ContractError> {
        let of = |space, name: &str| Spelled {
            space,
            name: name.to_owned(),
        };
        for (namespace, prefix, space) in [(TRACTUS, "tx:", Space::Tractus), (EDC, "edc:", Space::Edc)] {
            let name = text.strip_prefix(namespace).or_else(|| text.strip_prefix(prefix));
            if let Some(name) = name.filter(|name| is_name(name)) {
                return Ok(of(space, name));
            }
        }
        let name = self.catena_name(text, path)?;
        Ok(match name {
            Some(name) if name.len() == text.len() => of(Space::Bare, name),
            Some(name) => of(Space::Catena, name),
            None => of(Space::Bare, text),
        })
    }

    /// Reads the policy's `profile`.
    pub(super) fn read_profile(&mut self, value: &Json, path: &Path) -> Result<(), ContractError> {
        let text = reference(value, path)?;
        let current = Profile::Cx2509.namespace();
        if [current, current.trim_end_matches('/')].contains(&text)
            || text.strip_prefix(current) == Some("context.jsonld")
        {
            return self.claim(Profile::Cx2509, path);
        }
        match self.catena_name(text, path)? {
            Some("profile2405" | "profile2408") if text.contains(':') => self.claim(Profile::Cx2405, path),
            _ => Err(path.refuse(Fault::UnknownProfile { value: shown(text) })),
        }
    }

    /// Reads `@context`: known addresses, and known prefixes with the namespace they always have.
    pub(super) fn read_context(&mut self, value: &Json, path: &Path) -> Result<(), ContractError> {
        for (path, item) in items(value, path) {
            match item {
                Json::Text(url) => self.read_context_url(url, &path)?,
                Json::Object(prefixes) => {
                    for (prefix, namespace) in prefixes {
                        self.read_prefix(prefix, namespace, &path.key(prefix))?;
                    }
                }
                other => return Err(shape(other, &path, "an address or an object of prefixes")),
            }
        }
        Ok(())
    }

    fn read_context_url(&mut self, url: &str, path: &Path) -> Result<(), ContractError> {
        if NEUTRAL_CONTEXTS.contains(&url) {
            return Ok(());
        }
        let profile = match url {
            "https://w3id.org/catenax/2025/9/policy/context.jsonld" => Profile::Cx2509,
            "https://w3id.org/tractusx/policy/v1.0.0" => Profile::Cx2405,
            other => return Err(path.refuse(Fault::Context { entry: shown(other) })),
        };
        self.prefix = Some(profile);
        self.claim(profile, path)
    }

    fn read_prefix(&mut self, prefix: &str, namespace: &Json, path: &Path) -> Result<(), ContractError> {
        let Json::Text(namespace) = namespace else {
            return Err(shape(namespace, path, "a namespace"));
        };
        let known = match (prefix, namespace.as_str()) {
            ("odrl" | "@vocab", ODRL) | ("edc" | "@vocab", EDC) | ("xsd", XSD) => true,
            ("tx", TRACTUS) | ("tx-auth", "https://w3id.org/tractusx/auth/") => true,
            ("dct", "http://purl.org/dc/terms/") | ("dcat", "http://www.w3.org/ns/dcat#") => true,
            ("cx-taxo", "https://w3id.org/catenax/taxonomy#") => true,
            ("cx-common", "https://w3id.org/catenax/ontology/common#") => true,
            ("dspace", namespace) => DSPACE.contains(&namespace),
            _ => false,
        };
        if known {
            return Ok(());
        }
        let both = [Profile::Cx2509, Profile::Cx2405];
        match both.into_iter().find(|profile| profile.namespace() == namespace) {
            Some(profile) if prefix == "cx-policy" => {
                self.prefix = Some(profile);
                self.claim(profile, path)
            }
            _ => Err(path.refuse(Fault::Context {
                entry: format!("{}: {}", shown(prefix), shown(namespace)),
            })),
        }
    }
}
