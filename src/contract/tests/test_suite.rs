//! The applicable part of the ODRL test suite of SolidLab Research (`fixtures/odrl/test-suite`): its policies, requests and states of
//! the world read from Turtle, put into the profile's words, and decided as a partner's access.
//!
//! | in the suite | here |
//! |---|---|
//! | action `odrl:use`, `odrl:read`, or none | `use` |
//! | assignee `ex:alice` | `assignee` of an agreement, her number: it is hers alone; anywhere else it must be refused |
//! | a party collection as assignee | the same, and refused: no company is meant |
//! | `odrl:dateTime` | `inForceDate` |
//! | the rule is active | it permits, or forbids |
//!
//! Every case is either run here or stands in `left-out.json` with the reason; those said to be refused must be refused.

mod turtle;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use self::turtle::Graph;
use super::meaning::{ask, verdict};
use super::oracle::{Agreement, Ask, Verdict};
use crate::contract::{Moment, Role, Terms};

const ALICE: &str = "BPNL0000000ALICE";
const BOB: &str = "BPNL000000000BOB";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/odrl/test-suite")
}

/// All files of one folder in one graph.
fn read(name: &str) -> Graph {
    let mut graph = Graph::default();
    for entry in std::fs::read_dir(folder().join(name)).unwrap() {
        graph.read(&std::fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    graph
}

#[derive(serde::Deserialize)]
struct LeftOut {
    #[serde(rename = "why")]
    _why: String,
    cases: BTreeSet<String>,
}

fn left_out() -> BTreeMap<String, LeftOut> {
    let text = std::fs::read_to_string(folder().join("left-out.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn number(of: &str) -> &'static str {
    match of {
        "ex:alice" => ALICE,
        "ex:bob" => BOB,
        other => panic!("{other}"),
    }
}

/// The policy in the profile's words, without its type.
fn translate(policies: &Graph, policy: &str) -> String {
    let mut rules = BTreeMap::<&str, Vec<String>>::new();
    for sort in ["permission", "prohibition"] {
        for rule in policies.all(policy, &format!("odrl:{sort}")) {
            let assignee = match policies.one(rule, "odrl:assignee") {
                Some("ex:partyCollection") => r#""assignee":"ex:partyCollection","#.to_owned(),
                Some(party) => format!(r#""assignee":"{}","#, number(party)),
                None => String::new(),
            };
            let constraints = policies.all(rule, "odrl:constraint");
            let mut constraints: Vec<_> = constraints
                .map(|constraint| constraint_of(policies, constraint))
                .collect();
            let duty = match policies.one(rule, "odrl:duty") {
                Some(_) => r#""duty":[{"action":"compensate"}],"#,
                None => "",
            };
            if sort == "permission" {
                constraints.extend(needed());
            }
            let rule = format!(
                r#"{{{duty}{assignee}"action":"use","constraint":[{}]}}"#,
                constraints.join(",")
            );
            rules.entry(sort).or_default().push(rule);
        }
    }
    // A text without permission is no contract; what the prohibition leaves is permitted.
    if !rules.contains_key("permission") {
        let rule = super::usage("");
        let rule = rule
            .strip_prefix(r#"{"permission":["#)
            .unwrap()
            .strip_suffix("]}")
            .unwrap();
        rules.insert("permission", vec![rule.to_owned()]);
    }
    let members: Vec<_> = rules
        .iter()
        .map(|(sort, rules)| format!(r#""{sort}":[{}]"#, rules.join(",")))
        .collect();
    members.join(",")
}

/// What every usage permission must have.
fn needed() -> [String; 2] {
    [
        super::constraint("FrameworkAgreement", "eq", r#""DataExchangeGovernance:1.0""#),
        super::constraint("UsagePurpose", "isAnyOf", r#""cx.pcf.base:1""#),
    ]
}

fn constraint_of(policies: &Graph, constraint: &str) -> String {
    let parts: Vec<_> = policies.all(constraint, "odrl:and").collect();
    if !parts.is_empty() {
        let parts: Vec<_> = parts.into_iter().map(|part| constraint_of(policies, part)).collect();
        return format!(r#"{{"and":[{}]}}"#, parts.join(","));
    }
    assert_eq!(policies.one(constraint, "odrl:leftOperand"), Some("odrl:dateTime"));
    let operator = policies.one(constraint, "odrl:operator").unwrap();
    let right = policies.one(constraint, "odrl:rightOperand").unwrap();
    super::constraint("inForceDate", operator, &format!("\"{right}\""))
}

/// One case: its number, its policy in our words, what is asked, and what must come out.
struct Case {
    number: String,
    policy: String,
    ask: Ask,
    expected: Verdict,
}

fn cases() -> Vec<Case> {
    let [requests, worlds] = ["requests", "sotw"].map(read);
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(folder().join("test_cases")).unwrap() {
        let path = entry.unwrap().path();
        let mut graph = Graph::default();
        graph.read(&std::fs::read_to_string(&path).unwrap());
        let case = graph.subjects("a", "ex:TestCase").next().unwrap();
        let part = |name: &str| graph.one(case, name).unwrap();
        let (policy, request, world) = (part("ex:policy"), part("ex:request"), part("ex:sotw"));
        let asked = requests.one(request, "odrl:permission").unwrap();
        let party = requests.one(asked, "odrl:assignee").unwrap();
        assert!(worlds.all(world, "ex:includes").any(|fact| fact == "temp:currentTime"));
        let now = file_of("sotw", "ex:Sotw", world);
        let now = now.one("temp:currentTime", "dct:issued").unwrap();
        let now = now.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        // Policies share names of constraints, and so do worlds the name of the current time.
        let policy = translate(&file_of("policies", "odrl:Set", policy), policy);
        let report = graph.one(part("ex:expectedReport"), "report:ruleReport").unwrap();
        let active = graph.one(report, "report:activationState") == Some("report:Active");
        let prohibition = graph.one(report, "a") == Some("report:ProhibitionReport");
        let expected = match (prohibition, active) {
            (false, true) | (true, false) => Verdict::Permit,
            (true, true) => Verdict::Forbid,
            (false, false) => Verdict::Silent,
        };
        let asked = Ask {
            partner: number(party).to_owned(),
            now,
            agreement: Agreement::These(now - 1000),
            ..ask(Moment::Access)
        };
        let name = path.file_name().unwrap().to_str().unwrap();
        cases.push(Case {
            number: name.trim_start_matches("testcase-").chars().take(3).collect(),
            policy,
            ask: asked,
            expected,
        });
    }
    cases
}

/// The one file of a folder that describes `subject` as a `kind`.
fn file_of(name: &str, kind: &str, subject: &str) -> Graph {
    for entry in std::fs::read_dir(folder().join(name)).unwrap() {
        let mut graph = Graph::default();
        graph.read(&std::fs::read_to_string(entry.unwrap().path()).unwrap());
        if graph.subjects("a", kind).any(|found| found == subject) {
            return graph;
        }
    }
    panic!("no {kind} {subject} in {name}");
}

#[test]
fn every_case_of_the_suite_comes_out_as_there_or_is_left_out_for_a_reason() {
    let left_out = left_out();
    let reason = |number: &str| {
        left_out
            .iter()
            .find(|(_, class)| class.cases.contains(number))
            .map(|(name, _)| name.as_str())
    };
    let (mut run, mut seen, mut wrong) = (0, BTreeSet::new(), Vec::new());
    for case in cases() {
        assert!(seen.insert(case.number.clone()), "{} stands twice", case.number);
        // Whom it is for is said by an agreement only.
        let agreement = !case.policy.contains("ex:partyCollection");
        let typed = |of: &str| Terms::from_odrl(&format!(r#"{{"@type":"{of}",{}}}"#, case.policy));
        if case.policy.contains("assignee") && !case.policy.contains("duty") {
            let error = typed("Set").unwrap_err().to_string();
            assert!(error.contains("assignee"), "{}: {error}", case.number);
        }
        let read = typed(if agreement { "Agreement" } else { "Set" });
        match reason(&case.number) {
            Some(name) if name.starts_with("refused") => {
                let error = read.map(|_| ()).unwrap_err().to_string();
                let word = name.trim_start_matches("refused: ");
                assert!(error.contains(&format!("`{word}`")), "{}: {error}", case.number);
            }
            Some(_) => {}
            None => {
                // An agreement is nobody's but its parties', which the platform's policies see to; the registry holds the text to them.
                let said = read.map(|terms| {
                    let party = terms.parties().unwrap().named(Role::Assignee);
                    match party.is_none_or(|party| party == case.ask.partner) {
                        true => verdict(&terms, &case.ask),
                        false => Verdict::Silent,
                    }
                });
                let said = said.map_err(|error| error.to_string());
                if said != Ok(case.expected) {
                    wrong.push(format!("{}: {said:?}\n{:?}\n{}", case.number, case.ask, case.policy));
                }
                run += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    // The three whose policy is not on file.
    seen.extend(["062", "063", "064"].map(str::to_owned));
    let all: BTreeSet<_> = (1..=68).map(|number| format!("{number:03}")).collect();
    assert_eq!(seen, all);
    let listed: Vec<_> = left_out.values().flat_map(|class| &class.cases).collect();
    let unknown: Vec<_> = listed.iter().filter(|number| !all.contains(**number)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert_eq!(run + listed.len(), 68, "a case is listed twice");
    assert_eq!(run, 32);
}
