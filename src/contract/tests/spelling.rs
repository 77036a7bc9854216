//! Random spellings of one text, among them what the Eclipse Dataspace Connector makes of it.

use jiff::Timestamp;
use jiff::tz::Offset;

use super::drafts::{Atom, Draft, Rules};

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

    /// A left operand; connectors put what comes to them bare into their own vocabulary.
    fn left_operand(&mut self, name: &str, old: bool, legacy: bool) -> String {
        if legacy {
            return match self.below(2) {
                0 => format!("tx:{name}"),
                _ => format!("https://w3id.org/tractusx/v0.0.1/ns/{name}"),
            };
        }
        match self.below(4) {
            0 => format!("edc:{name}"),
            1 => format!("https://w3id.org/edc/v0.0.1/ns/{name}"),
            _ if name == "inForceDate" => name.to_owned(),
            _ => self.catena(name, old),
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

    fn number(&mut self, digits: &str) -> String {
        match self.below(6) {
            0 => digits.to_owned(),
            2 => format!("{{\"@value\":\"{digits}\",\"@type\":\"http://www.w3.org/2001/XMLSchema#integer\"}}"),
            3 => format!("[{{\"@type\":\"xsd:integer\",\"@value\":\"{digits}\"}}]"),
            1 => format!("{{\"@value\":{digits},\"@type\":\"xsd:integer\"}}"),
            _ => self.literal(digits),
        }
    }

    /// The values of a list, in one of its spellings or in the connector's: one text that holds JSON.
    fn values(&mut self, values: &[String]) -> String {
        if self.below(4) == 0 {
            let plain = self.flip();
            let spelled = |value: &String| match plain {
                true => quoted(value),
                false => format!("{{\"@value\":{}}}", quoted(value)),
            };
            let values: Vec<_> = values.iter().map(spelled).collect();
            let (around, between) = [("", ""), (" ", "\n  ")][self.below(2)];
            return quoted(&format!("{around}[{between}{}]{around}", values.join(",")));
        }
        let values: Vec<_> = values.iter().map(|value| self.literal(value)).collect();
        self.list(&values)
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

    fn atom(&mut self, atom: &Atom, draft: &Draft, legacy: bool) -> String {
        let mut values: Vec<_> = atom.values.iter().map(|value| (*value).to_owned()).collect();
        let takes_list = ["isAnyOf", "isAllOf", "isNoneOf"].contains(&atom.operator);
        let legacy = legacy && atom.operand.starts_with("BusinessPartner") && self.flip();
        let old_word = draft.old || legacy;
        let operator = match atom.operator {
            "isAnyOf" | "isAllOf" if old_word && values.len() == 1 && self.flip() => "eq".to_owned(),
            "isAnyOf" if legacy && self.flip() => ["in", "isPartOf"][self.below(2)].to_owned(),
            operator => operator.to_owned(),
        };
        let right = match atom.operand {
            "DataUsageEndDate" | "DataProvisioningEndDate" => {
                let text = self.zoned(&values[0]);
                self.literal(&text)
            }
            "inForceDate" => {
                let text = self.in_force(&values[0]);
                self.literal(&text)
            }
            operand if operand.contains("Duration") => self.number(&values[0]),
            _ if !takes_list || operator == "eq" => self.literal(&values[0]),
            _ => {
                if self.flip() {
                    values.push(values[0].clone());
                }
                let values = self.shuffled(values);
                self.values(&values)
            }
        };
        let (left, operator) = (self.left_operand(atom.operand, draft.old, legacy), self.odrl(&operator));
        let mut members = vec![
            (self.odrl("leftOperand"), self.reference(&left)),
            (self.odrl("operator"), self.reference(&operator)),
            (self.odrl("rightOperand"), right),
        ];
        if self.flip() {
            members.push(("@id".to_owned(), format!("\"_:{}\"", self.below(1000))));
        }
        self.object(members)
    }

    /// The same second in some time zone.
    fn zoned(&mut self, instant: &str) -> String {
        let instant: Timestamp = instant.parse().unwrap();
        let quarters = i32::try_from(self.below(112)).unwrap() - 56;
        let offset = Offset::from_seconds(quarters * 900).unwrap();
        let sign = if quarters < 0 { '-' } else { '+' };
        let minutes = quarters.abs() * 15;
        let local = offset.to_datetime(instant).strftime("%Y-%m-%dT%H:%M:%S%.f").to_string();
        format!("{local}{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }

    /// The same bound in another unit, or in some time zone.
    fn in_force(&mut self, bound: &str) -> String {
        let Some(seconds) = bound.strip_prefix("contractAgreement+") else {
            return self.zoned(bound);
        };
        let seconds: i64 = seconds.trim_end_matches('s').parse().unwrap();
        let (divisor, unit) = [(1, 's'), (60, 'm'), (3600, 'h'), (86_400, 'd')][self.below(4)];
        let word = ["contractAgreement", "contractagreement"][self.below(2)];
        assert!(seconds % divisor == 0, "bounds are whole days");
        format!("{word}+{}{unit}", seconds / divisor)
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

    fn rules(&mut self, rules: &Rules, draft: &Draft, legacy: bool) -> String {
        let mut spelled = Vec::new();
        for rule in rules {
            for _ in 0..=self.below(2) {
                let mut atoms: Vec<_> = rule.iter().map(|atom| self.atom(atom, draft, legacy)).collect();
                if let (Some(first), true) = (rule.first(), self.flip()) {
                    atoms.push(self.atom(first, draft, legacy));
                }
                let action = match draft.access {
                    true => self.catena("access", false),
                    false => self.odrl("use"),
                };
                let action = match self.below(4) {
                    0 => format!("{{\"odrl:type\":{}}}", quoted(&action)),
                    _ => self.reference(&action),
                };
                let mut members = vec![(self.odrl("action"), action)];
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
        let of = ["Set", "Offer", "Agreement"][self.below(3)];
        let kind = self.odrl(of);
        let mut members = vec![
            ("@type".to_owned(), self.reference(&kind)),
            ("@id".to_owned(), format!("\"urn:{}\"", self.below(1000))),
            (
                self.odrl("permission"),
                self.rules(&draft.permissions, draft, draft.access),
            ),
        ];
        // An old text has to say so; another may.
        if draft.old || self.flip() {
            members.push(("@context".to_owned(), context.to_owned()));
        }
        if self.flip() {
            members.push((self.odrl("target"), self.reference("urn:asset")));
            members.push((self.odrl("assigner"), self.reference("did:web:provider")));
            if of == "Agreement" && !draft.access {
                members.push((self.odrl("assignee"), self.reference("did:web:consumer")));
            }
            members.push(("dspace:timestamp".to_owned(), "\"2026-01-01T00:00:00Z\"".to_owned()));
        }
        if !draft.prohibitions.is_empty() || self.flip() {
            members.push((self.odrl("prohibition"), self.rules(&draft.prohibitions, draft, false)));
        }
        if !draft.obligations.is_empty() || self.flip() {
            members.push((self.odrl("obligation"), self.rules(&draft.obligations, draft, false)));
        }
        let policy = self.object(members);
        if self.flip() { format!("[{policy}]") } else { policy }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
