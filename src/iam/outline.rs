//! What a document says, without the ways of saying it: for holding a document that AWS gave back against the one that was sent.
//!
//! AWS keeps what a document means and not how it was spelled: members change their order, a list of one becomes a string, an
//! account's root becomes its number. Two documents with one outline mean the same. The reverse does not hold, and need not: a
//! document that says the same in other words was written by someone, and is worth a look.
//!
//! ```
//! use tidegate::iam::{DocumentKind, Outline};
//! let sent = r#"{"Version": "2012-10-17", "Statement": [
//!     {"Sid": "Own", "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::pcf/a/*"}]}"#;
//! let kept = r#"{"Statement": {"Resource": ["arn:aws:s3:::pcf/*"], "Action": "S3:getobject", "Effect": "Allow", "Sid": "Own"},
//!     "Version": "2012-10-17"}"#;
//! let sent = Outline::of("tenant-role", sent, DocumentKind::Identity)?;
//! let kept = Outline::of("tenant-role", kept, DocumentKind::Identity)?;
//! let differences = kept.differences_from(&sent);
//! assert_eq!(differences.len(), 1);
//! assert_eq!(differences[0].statement.as_deref(), Some("Own"));
//! assert_eq!(
//!     differences[0].what,
//!     "its Resource has `arn:aws:s3:::pcf/*`, which the template has not, and lacks `arn:aws:s3:::pcf/a/*`"
//! );
//! # Ok::<(), tidegate::iam::DocumentError>(())
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::document::{Document, DocumentKind};
use super::error::{DocumentError, Fault};
use super::json::{self, Member, Node, Value};

/// What a document says: its version, and its statements by Sid, or by number where they have none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    version: String,
    statements: BTreeMap<String, Elements>,
}

/// The elements of a statement, by a key in which letter case plays no part where it plays none to AWS.
type Elements = BTreeMap<String, Element>;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Element {
    /// The element as messages name it, such as `Condition StringEquals aws:PrincipalTag/bpnl`.
    name: String,
    values: BTreeSet<String>,
}

/// One way in which a document is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The statement, by its Sid or number; absent where it is the document's `Version`.
    pub statement: Option<String>,
    /// What is other, as the rest of a sentence that the statement begins.
    pub what: String,
}

impl Outline {
    /// Reads a document as AWS holds it.
    ///
    /// # Errors
    /// As for [`Document::parse_deployed`].
    pub fn of(name: &str, text: &str, kind: DocumentKind) -> Result<Self, DocumentError> {
        let document = Document::parse_deployed(name, text, kind)?;
        let read = || -> Result<Self, Fault> {
            let root = json::read(text)?;
            let version = member(&root, "Version").and_then(Node::scalar);
            let nodes = match member(&root, "Statement") {
                Some(Node {
                    value: Value::Array(nodes),
                    ..
                }) => nodes.as_slice(),
                Some(node) => std::slice::from_ref(node),
                None => &[],
            };
            let labels = document
                .statements()
                .iter()
                .map(|statement| statement.label().to_owned());
            Ok(Self {
                // Without one a document is of the older version (IAM User Guide, "Version").
                version: version.unwrap_or("2008-10-17").to_owned(),
                statements: labels.zip(nodes.iter().map(elements)).collect(),
            })
        };
        read().map_err(|fault| DocumentError::new(name, text, fault))
    }

    /// The Sids or numbers of the statements.
    pub fn statements(&self) -> impl ExactSizeIterator<Item = &str> {
        self.statements.keys().map(String::as_str)
    }

    /// In what this document is not the `wanted` one, in the order of the statements; nothing where both mean the same.
    pub fn differences_from(&self, wanted: &Self) -> Vec<Difference> {
        let mut differences = Vec::new();
        if self.version != wanted.version {
            let what = format!("its Version is `{}`, not `{}`", self.version, wanted.version);
            differences.push(Difference { statement: None, what });
        }
        let all: BTreeSet<_> = self.statements.keys().chain(wanted.statements.keys()).collect();
        for label in all {
            let each = match (self.statements.get(label), wanted.statements.get(label)) {
                (Some(own), Some(wanted)) => element_differences(own, wanted),
                (Some(own), None) => vec![format!("is a statement that the template has not: {}", spelled(own))],
                (None, Some(_)) => vec!["is missing".to_owned()],
                (None, None) => Vec::new(),
            };
            differences.extend(each.into_iter().map(|what| Difference {
                statement: Some(label.clone()),
                what,
            }));
        }
        differences
    }
}

fn element_differences(own: &Elements, wanted: &Elements) -> Vec<String> {
    let none = BTreeSet::new();
    let all: BTreeSet<_> = own.keys().chain(wanted.keys()).collect();
    let each = all.into_iter().filter_map(|key| {
        let (own, wanted) = (own.get(key), wanted.get(key));
        let name = &own.or(wanted)?.name;
        let own = own.map_or(&none, |element| &element.values);
        let wanted = wanted.map_or(&none, |element| &element.values);
        let beyond: BTreeSet<_> = own.difference(wanted).collect();
        let lacking: BTreeSet<_> = wanted.difference(own).collect();
        match (beyond.is_empty(), lacking.is_empty()) {
            (true, true) => None,
            (false, true) => Some(format!("its {name} has {}, which the template has not", list(&beyond))),
            (true, false) => Some(format!("its {name} lacks {}", list(&lacking))),
            (false, false) => Some(format!(
                "its {name} has {}, which the template has not, and lacks {}",
                list(&beyond),
                list(&lacking)
            )),
        }
    });
    each.collect()
}

fn list(values: &BTreeSet<&String>) -> String {
    let quoted: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
    quoted.join(", ")
}

/// A whole statement on one line.
fn spelled(elements: &Elements) -> String {
    let each = elements
        .values()
        .map(|element| format!("{} {}", element.name, list(&element.values.iter().collect())));
    each.collect::<Vec<_>>().join("; ")
}

fn member<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    let found = members(node).iter().find(|member| member.key == key);
    found.map(|member| &member.node)
}

fn members(node: &Node) -> &[Member] {
    match &node.value {
        Value::Object(members) => members,
        _ => &[],
    }
}

/// The texts of a value or of a list of values.
fn texts(node: &Node) -> Vec<&str> {
    match &node.value {
        Value::Array(nodes) => nodes.iter().filter_map(Node::scalar).collect(),
        _ => node.scalar().into_iter().collect(),
    }
}

/// A statement that was compiled before, so every element is known and of its form.
fn elements(statement: &Node) -> Elements {
    let mut elements = Elements::new();
    let mut add = |key: String, name: String, values: BTreeSet<String>| {
        elements.insert(key, Element { name, values });
    };
    for Member { key, node, .. } in members(statement) {
        match key.as_str() {
            "Sid" => {}
            "Action" | "NotAction" => {
                let values = texts(node).into_iter().map(str::to_ascii_lowercase);
                add(key.clone(), key.clone(), values.collect());
            }
            "Principal" | "NotPrincipal" => add(key.clone(), key.clone(), principals(node)),
            "Condition" => {
                for operator in members(node) {
                    for condition in members(&operator.node) {
                        // Names of condition keys are compared without regard to letter case, operators are not (IAM User Guide,
                        // "Condition"; an operator has one spelling here).
                        let place = format!("{key} {} {}", operator.key, condition.key.to_ascii_lowercase());
                        let name = format!("{key} {} {}", operator.key, condition.key);
                        let values = texts(&condition.node).into_iter().map(str::to_owned);
                        add(place, name, values.collect());
                    }
                }
            }
            _ => {
                let values = texts(node).into_iter().map(str::to_owned);
                add(key.clone(), key.clone(), values.collect());
            }
        }
    }
    elements
}

/// `*` is `{"AWS": "*"}`, and an account's root is the account (IAM User Guide, "Principal").
fn principals(node: &Node) -> BTreeSet<String> {
    if node.scalar() == Some("*") {
        return BTreeSet::from(["AWS *".to_owned()]);
    }
    let mut all = BTreeSet::new();
    for Member { key, node, .. } in members(node) {
        for text in texts(node) {
            let account = text.strip_prefix("arn:").and_then(|rest| {
                let (_, account) = rest.strip_suffix(":root")?.split_once(":iam::")?;
                Some(account)
            });
            all.insert(format!("{key} {}", account.unwrap_or(text)));
        }
    }
    all
}
