//! Random contract texts, and random spellings of one text.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::Offset;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

pub(super) const PARTNERS: [&str; 3] = ["BPNL00000000C3EF", "BPNL00000003CRHK", "BPNLZZZZZZZZZZZZ"];
pub(super) const FRAMEWORKS: [&str; 2] = ["DataExchangeGovernance:1.0", "Pcf:1.0"];
pub(super) const PURPOSES: [&str; 4] = [
    "cx.pcf.base:1",
    "cx.quality.base:1",
    "say \"hi\"\\\n",
    "Zweck ✓ \u{202e}\u{0}",
];
pub(super) const ENDS: [&str; 3] = ["2026-12-31T23:59:59Z", "2027-06-30T23:59:59Z", "2027-03-01T00:00:00Z"];

/// A constraint, before it is spelled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Atom {
    pub(super) operand: &'static str,
    pub(super) operator: &'static str,
    pub(super) values: BTreeSet<&'static str>,
}

type Rules = Vec<Vec<Atom>>;

/// A policy, before it is spelled.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    access: bool,
    old: bool,
    permissions: Rules,
    prohibitions: Rules,
}

impl Draft {
    /// What it means: sets of rules of constraints.
    pub(super) fn meaning(&self) -> impl PartialEq + use<> {
        let set = |rules: &Rules| -> BTreeSet<BTreeSet<(&str, bool, BTreeSet<&str>)>> {
            let rule = |rule: &Vec<Atom>| {
                rule.iter()
                    .map(|atom| (atom.operand, atom.operator == "isNoneOf", atom.values.clone()))
                    .collect()
            };
            rules.iter().map(rule).collect()
        };
        (self.access, self.old, set(&self.permissions), set(&self.prohibitions))
    }
}

fn one(operand: &'static str, operator: &'static str, values: &'static [&'static str]) -> BoxedStrategy<Atom> {
    select(values)
        .prop_map(move |value| Atom {
            operand,
            operator,
            values: [value].into(),
        })
        .boxed()
}

fn many(operand: &'static str, operator: &'static str, values: &'static [&'static str]) -> BoxedStrategy<Atom> {
    subsequence(values, 1..=2)
        .prop_map(move |values| Atom {
            operand,
            operator,
            values: values.into_iter().collect(),
        })
        .boxed()
}

fn atoms(access: bool, old: bool, prohibition: bool) -> BoxedStrategy<Atom> {
    let mut choices = vec![one("Membership", "eq", &["active"])];
    if !prohibition {
        choices.push(one("FrameworkAgreement", "eq", &FRAMEWORKS));
    }
    if !access && old {
        choices.push(one("UsagePurpose", "eq", &PURPOSES));
    } else if !access {
        choices.push(many("UsagePurpose", "isAnyOf", &PURPOSES));
    }
    if !old {
        choices.push(many("BusinessPartnerNumber", "isAnyOf", &PARTNERS));
        choices.push(many("BusinessPartnerNumber", "isNoneOf", &PARTNERS));
    }
    if !old && !access && !prohibition {
        choices.push(one("DataUsageEndDate", "eq", &ENDS));
    }
    proptest::strategy::Union::new(choices).boxed()
}

/// Any policy the compiler takes.
pub(super) fn drafts() -> impl Strategy<Value = Draft> {
    select(vec![(true, false), (false, false), (false, true)]).prop_flat_map(|(access, old)| {
        let needed = (
            one("FrameworkAgreement", "eq", &FRAMEWORKS),
            many("UsagePurpose", "isAnyOf", &PURPOSES),
        );
        let permission = (needed, prop::collection::vec(atoms(access, old, false), 0..4));
        let permission = permission.prop_map(move |((framework, purpose), mut rule)| {
            if !access && !old {
                rule.extend([framework, purpose]);
            }
            rule
        });
        let prohibition = prop::collection::vec(atoms(access, old, true), 0..3);
        (
            prop::collection::vec(permission, 1..3),
            prop::collection::vec(prohibition, 0..2),
        )
            .prop_map(move |(permissions, prohibitions)| Draft {
                access,
                old,
                permissions,
                prohibitions,
            })
    })
}

/// A source of choices. The same seed spells the same text.
pub(super) struct Coin(pub(super) u64);

impl Coin {
    fn below(&mut self, limit: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
    }

    fn flip(&mut self) -> bool {
        self.below(2) == 0
    }

    fn shuffled<T>(&mut self, mut items: Vec<T>) -> Vec<T> {
        for index in (1..items.len()).rev() {
            let other = self.below(index + 1);
            items.swap(index, other);
        }
        items
    }

    fn object(&mut self, members: Vec<(String, String)>) -> String {
        let members = self.shuffled(members).into_iter();
        let members: Vec<_> = members
            .map(|(key, value)| format!("{}:{value}", quoted(&key)))
            .collect();
        format!("{{{}}}", members.join(","))
    }

    /// ODRL's name `name`, bare, prefixed or as an IRI.
    fn odrl(&mut self, name: &str) -> String {
        match self.below(3) {
            0 => name.to_owned(),
            1 => format!("odrl:{name}"),
            _ => format!("http://www.w3.org/ns/odrl/2/{name}"),
        }
    }

    fn catena(&mut self, name: &str, old: bool) -> String {
        match self.below(3) {
            0 => name.to_owned(),
            1 => format!("cx-policy:{name}"),
            _ if old => format!("https://w3id.org/catenax/policy/{name}"),
            _ => format!("https://w3id.org/catenax/2025/9/policy/{name}"),
        }
    }

    fn reference(&mut self, iri: &str) -> String {
        let iri = quoted(iri);
        match self.below(4) {
            0 | 1 => iri,
            2 => format!("{{\"@id\":{iri}}}"),
            _ => format!("[{{\"@id\":{iri}}}]"),
        }
    }

    fn literal(&mut self, text: &str) -> String {
        let text = quoted(text);
        match self.below(3) {
            0 | 1 => text,
            _ => format!("{{\"@value\":{text}}}"),
        }
    }

    fn list(&mut self, items: &[String]) -> String {
        let list = format!("[{}]", items.join(","));
        match self.below(4) {
            0 if items.len() == 1 => items[0].clone(),
            1 => format!("{{\"@list\":{list}}}"),
            2 => format!("[{{\"@list\":{list}}}]"),
            _ => list,
        }
    }

    fn atom(&mut self, atom: &Atom, old: bool) -> String {
        let mut values: Vec<_> = atom.values.iter().map(|value| (*value).to_owned()).collect();
        if atom.operand == "DataUsageEndDate" {
            let instant: Timestamp = values[0].parse().unwrap();
            let quarters = i32::try_from(self.below(112)).unwrap() - 56;
            let offset = Offset::from_seconds(quarters * 900).unwrap();
            let zone = if quarters < 0 { '-' } else { '+' };
            let minutes = quarters.abs() * 15;
            let local = offset.to_datetime(instant);
            values[0] = format!("{local}{zone}{:02}:{:02}", minutes / 60, minutes % 60);
        } else if atom.operator != "eq" && self.flip() {
            values.push(values[0].clone());
        }
        let values: Vec<_> = self.shuffled(values).iter().map(|value| self.literal(value)).collect();
        let (left, operator) = (self.catena(atom.operand, old), self.odrl(atom.operator));
        let mut members = vec![
            (self.odrl("leftOperand"), self.reference(&left)),
            (self.odrl("operator"), self.reference(&operator)),
            (self.odrl("rightOperand"), self.list(&values)),
        ];
        if self.flip() {
            members.push(("@id".to_owned(), format!("\"_:{}\"", self.below(1000))));
        }
        self.object(members)
    }

    /// Constraints as a list, under one `and`, or split into nested ones.
    fn constraints(&mut self, mut atoms: Vec<String>) -> String {
        atoms = self.shuffled(atoms);
        if atoms.len() > 1 && self.flip() {
            let rest = atoms.split_off(1 + self.below(atoms.len() - 1));
            let inner = self.constraints(rest);
            let and = self.odrl("and");
            atoms.push(self.object(vec![(and, inner)]));
        }
        let list = self.list(&atoms);
        if self.flip() && !atoms.is_empty() {
            let and = self.odrl("and");
            self.object(vec![(and, list)])
        } else {
            list
        }
    }

    fn rules(&mut self, rules: &Rules, draft: &Draft) -> String {
        let mut spelled = Vec::new();
        for rule in rules {
            for _ in 0..=self.below(2) {
                let mut atoms: Vec<_> = rule.iter().map(|atom| self.atom(atom, draft.old)).collect();
                if let (Some(first), true) = (rule.first(), self.flip()) {
                    atoms.push(self.atom(first, draft.old));
                }
                let action = match draft.access {
                    true => self.catena("access", false),
                    false => self.odrl("use"),
                };
                let mut members = vec![(self.odrl("action"), self.reference(&action))];
                if !atoms.is_empty() || self.flip() {
                    members.push((self.odrl("constraint"), self.constraints(atoms)));
                }
                spelled.push(self.object(members));
            }
        }
        let spelled = self.shuffled(spelled);
        self.list(&spelled)
    }

    /// One spelling of a policy.
    pub(super) fn spell(&mut self, draft: &Draft) -> String {
        let context = match draft.old {
            true => r#"["http://www.w3.org/ns/odrl.jsonld",{"cx-policy":"https://w3id.org/catenax/policy/"}]"#,
            false => r#""https://w3id.org/catenax/2025/9/policy/context.jsonld""#,
        };
        let kind = ["Set", "Offer", "Agreement"][self.below(3)];
        let kind = self.odrl(kind);
        let mut members = vec![
            ("@type".to_owned(), self.reference(&kind)),
            ("@id".to_owned(), format!("\"urn:{}\"", self.below(1000))),
            (self.odrl("permission"), self.rules(&draft.permissions, draft)),
        ];
        // An old text has to say so; another may.
        if draft.old || self.flip() {
            members.push(("@context".to_owned(), context.to_owned()));
        }
        if self.flip() {
            members.push((self.odrl("target"), self.reference("urn:asset")));
            members.push((self.odrl("assigner"), self.reference("did:web:provider")));
            members.push(("dspace:timestamp".to_owned(), "\"2026-01-01T00:00:00Z\"".to_owned()));
        }
        if !draft.prohibitions.is_empty() || self.flip() {
            members.push((self.odrl("prohibition"), self.rules(&draft.prohibitions, draft)));
        }
        let policy = self.object(members);
        if self.flip() { format!("[{policy}]") } else { policy }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
