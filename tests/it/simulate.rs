//! `tidegate iam simulate`: the isolation cases through the program itself, and what it says of what it cannot answer.

mod answers;

use std::collections::BTreeSet;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use tidegate::iam::simulate::simulate;

use crate::binary::command;

/// How a policy is put into a request.
#[derive(Clone, Copy)]
pub enum Form {
    Object,
    Text,
}

/// The isolation cases: name, expected decision, request.
pub fn seeds(form: Form) -> Vec<(String, &'static str, Value)> {
    let cases = read(include_str!("../../fixtures/iam/cases.json"), form);
    assert_eq!(cases.len(), 60);
    cases
}

/// The further cases of the evaluator, in the same form.
pub fn further(form: Form) -> Vec<(String, &'static str, Value)> {
    let cases = read(include_str!("../../fixtures/iam/more.json"), form);
    assert!(cases.len() >= 228);
    cases
}

fn read(cases: &str, form: Form) -> Vec<(String, &'static str, Value)> {
    let cases: Vec<Value> = serde_json::from_str(cases).unwrap();
    let told = |case: &Value| {
        let expected = match case["expect"].as_str().unwrap() {
            "allow" => "allowed",
            "explicit_deny" => "explicitDeny",
            "implicit_deny" => "implicitDeny",
            other => panic!("{other}"),
        };
        (case["name"].as_str().unwrap().to_owned(), expected, request(case, form))
    };
    cases.iter().map(told).collect()
}

fn request(case: &Value, form: Form) -> Value {
    let policy = |policy: &Value| match form {
        Form::Object => policy.clone(),
        Form::Text => serde_json::to_string_pretty(policy).unwrap().into(),
    };
    let all = |policies: &Value| -> Value { policies.as_array().unwrap().iter().map(policy).collect() };
    let asked = &case["request"];
    let entry = |(key, value): (&String, &Value)| {
        let (values, kind) = match value {
            Value::Array(_) => (value.clone(), "stringList"),
            _ => (json!([value]), "string"),
        };
        json!({ "ContextKeyName": key, "ContextKeyValues": values, "ContextKeyType": kind })
    };
    let entries: Value = asked["context"].as_object().unwrap().iter().map(entry).collect();
    let mut request = json!({
        "PolicyInputList": all(&case["identity"]),
        "ActionNames": [asked["action"]],
        "ResourceArns": [asked["resource"]],
        "ResourceOwner": asked["resourceAccount"],
        "CallerArn": asked["principal"],
        "ContextEntries": entries,
    });
    for (from, to) in [
        ("session", "SessionPolicyInputList"),
        ("boundary", "PermissionsBoundaryPolicyInputList"),
    ] {
        if let Some(found) = case.get(from) {
            request[to] = json!([policy(found)]);
        }
    }
    for (from, to) in [
        ("scp", "ServiceControlPolicyInputLists"),
        ("rcp", "ResourceControlPolicyInputLists"),
    ] {
        if let Some(levels) = case.get(from) {
            request[to] = levels.as_array().unwrap().iter().map(all).collect();
        }
    }
    if let Some(found) = case.get("resourcePolicy") {
        request["ResourcePolicy"] = policy(found);
    }
    request
}

/// Runs the command with `input` on standard input.
fn ask(input: &[u8]) -> Output {
    let mut child = command(&["iam", "simulate"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    output
}

/// The exit code and the answers, one on each line.
fn lines(input: &str) -> (i32, Vec<Value>) {
    let output = ask(input.as_bytes());
    let out = String::from_utf8(output.stdout).unwrap();
    let answers = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output.status.code().unwrap(), answers)
}

fn decision(answer: &Value) -> &str {
    answer["EvaluationResults"][0]["EvalDecision"]
        .as_str()
        .unwrap_or("none")
}

#[test]
fn every_isolation_case_is_answered_as_expected() {
    for form in [Form::Object, Form::Text] {
        let seeds = seeds(form);
        let input: String = seeds.iter().map(|(_, _, request)| format!("{request}\n")).collect();
        let (exit, answers) = lines(&input);
        assert_eq!((exit, answers.len()), (0, seeds.len()));
        for ((name, expected, _), answer) in seeds.iter().zip(&answers) {
            assert_eq!(decision(answer), *expected, "{name}: {answer}");
        }
    }
}

#[test]
fn a_bad_line_gets_its_answer_in_place_and_the_run_goes_on() {
    let seeds = seeds(Form::Object);
    let input: String = seeds
        .iter()
        .map(|(_, _, request)| format!("{request}\nno request\n\n{{\"PolicyInputList\": [\n"))
        .collect();
    let (exit, answers) = lines(&input);
    assert_eq!((exit, answers.len()), (3, 3 * seeds.len()));
    for ((name, expected, _), three) in seeds.iter().zip(answers.chunks(3)) {
        assert_eq!(decision(&three[0]), *expected, "{name}");
        assert!(
            three[1]["Error"].is_object() && three[2]["Error"].is_object(),
            "{three:?}"
        );
    }
}

#[test]
fn a_policy_as_text_and_as_object_is_the_same_policy() {
    for ((name, _, object), (_, _, text)) in seeds(Form::Object).iter().zip(seeds(Form::Text)) {
        let bare = |request: &Value| {
            let answer = simulate(&request.to_string()).unwrap();
            let mut answer = serde_json::to_value(&answer).unwrap();
            without_positions(&mut answer);
            answer
        };
        assert_eq!(bare(object), bare(&text), "{name}");
    }
}

fn without_positions(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !name.ends_with("Position"));
            members.values_mut().for_each(without_positions);
        }
        Value::Array(items) => items.iter_mut().for_each(without_positions),
        _ => {}
    }
}

#[test]
fn an_answer_comes_before_the_next_question() {
    let mut child = command(&["iam", "simulate", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    for (name, expected, request) in seeds(Form::Text).iter().take(3) {
        writeln!(stdin, "{request}").unwrap();
        let answer: Value = serde_json::from_str(&answers.next().unwrap()).unwrap();
        assert_eq!(decision(&answer), *expected, "{name}");
    }
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_exit_code_tells_refusals_of_one_request_and_mistakes_of_any() {
    let all = seeds(Form::Object);
    let of = |name: &str| all.iter().find(|(seed, ..)| seed == name).unwrap().2.clone();
    let (own, other) = (of("sec-own"), of("sec-sibling-slash"));
    let pretty = |request: &Value| serde_json::to_string_pretty(request).unwrap();
    let cases = [
        (own.to_string(), 0),
        (format!("\n\r\n{own}"), 0),
        (other.to_string(), 2),
        (pretty(&own), 0),
        (pretty(&other), 2),
        (format!("{own}\n{other}\n"), 0),
        (format!("{own}\r\n{other}\r\n"), 0),
        (format!("\u{feff}{own}\n"), 0),
        (format!("{own}\n[]\n"), 3),
        ("{".to_owned(), 3),
        (pretty(&own).replace("\"ActionNames\"", "\"Actions\""), 3),
        (String::new(), 4),
        ("\n \n\n".to_owned(), 4),
    ];
    for (input, exit) in cases {
        let output = ask(input.as_bytes());
        assert_eq!(output.status.code(), Some(exit), "{input}\n{output:?}");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pretty(&other)).unwrap();
    let path = file.path().to_str().unwrap();
    crate::binary::check(&["iam", "simulate", path], 2);
    crate::binary::check(&["iam", "simulate", "/nonexistent"], 3);
}

#[test]
fn one_request_with_a_mistake_over_many_lines_is_one_mistake() {
    let (_, _, request) = &seeds(Form::Object)[0];
    let pretty = serde_json::to_string_pretty(request).unwrap();
    let broken = pretty.replacen("\"ActionNames\": [", "\"ActionNames\": ", 1);
    assert_ne!(pretty, broken);
    let output = ask(broken.as_bytes());
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(answer["Error"]["Line"].as_u64().unwrap() > 1, "{answer}");
}

#[test]
fn a_line_without_end_is_refused_and_the_next_one_answered() {
    let (_, _, request) = &seeds(Form::Object)[0];
    let mut input = vec![b'['; 5 * 1024 * 1024];
    input.extend(format!("\n{request}\n\"\\u00").bytes());
    input.extend([0xff, b'\n']);
    let output = ask(&input);
    let out = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((output.status.code(), answers.len()), (Some(3), 3), "{out}");
    assert!(answers[0]["Error"]["Message"].as_str().unwrap().contains("longer than"));
    assert_eq!(decision(&answers[1]), "allowed");
    assert!(
        answers[2]["Error"]["Message"]
            .as_str()
            .unwrap()
            .contains("not UTF-8 at byte 6"),
        "{out}"
    );
}

const POLICY: &str = r#"{
  "Version": "2012-10-17",
  "Statement": [{"Sid": "Äll", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"},
    {
      "Effect": "Deny",
      "Action": "s3:*",
      "Resource": "arn:aws:s3:::pcf/globex/*"
    }
  ]
}"#;

#[test]
fn positions_are_those_of_the_policys_own_text() {
    let policy = POLICY.replace("Äll", "All");
    let ask = |resource: &str| {
        let request =
            json!({ "PolicyInputList": [policy], "ActionNames": ["s3:GetObject"], "ResourceArns": [resource] });
        serde_json::to_value(simulate(&request.to_string()).unwrap()).unwrap()["EvaluationResults"][0].clone()
    };
    let place = |value: &Value| {
        let of = |name: &str| {
            (
                value[name]["Line"].as_u64().unwrap(),
                value[name]["Column"].as_u64().unwrap(),
            )
        };
        (of("StartPosition"), of("EndPosition"))
    };
    let allowed = ask("arn:aws:s3:::pcf/acme/x");
    assert_eq!(place(&allowed["MatchedStatements"][0]), ((3, 17), (3, 93)));
    let denied = ask("arn:aws:s3:::pcf/globex/x");
    assert_eq!(denied["MatchedStatements"].as_array().unwrap().len(), 1);
    assert_eq!(place(&denied["MatchedStatements"][0]), ((4, 5), (8, 6)));
    assert_eq!(denied["MatchedStatements"][0]["SourcePolicyId"], "PolicyInputList.1");
}

/// A request with one action allowed on everything, and the given members.
fn with(members: Value) -> Value {
    let mut request = json!({
        "PolicyInputList": [{ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*" }] }],
        "CallerArn": "arn:aws:iam::111122223333:user/anna",
        "ActionNames": ["s3:GetObject"],
        "ResourceArns": ["arn:aws:s3:::pcf/acme/x"],
    });
    for (name, value) in members.as_object().unwrap() {
        request[name] = value.clone();
    }
    request
}

fn results(request: &Value) -> Vec<Value> {
    let answer = simulate(&request.to_string()).unwrap_or_else(|error| panic!("{error}: {request}"));
    let answer = serde_json::to_value(answer).unwrap();
    answer["EvaluationResults"].as_array().unwrap().clone()
}

#[test]
fn what_a_person_reads_when_a_request_does_not_hold() {
    let statement = |element: Value| {
        let mut statement = json!({ "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*" });
        for (name, value) in element.as_object().unwrap() {
            statement[name] = value.clone();
        }
        json!({ "PolicyInputList": [{ "Version": "2012-10-17", "Statement": [statement] }] })
    };
    let trust = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Principal": { "AWS": "111122223333" }, "Action": "sts:AssumeRole" }] });
    let requests = [
        with(json!({ "Resources": [] })),
        with(json!({ "MaxItems": 10 })),
        with(json!({ "ResourceHandlingOption": "EC2-VPC-EBS" })),
        with(json!({ "ActionNames": [] })),
        with(json!({ "ActionNames": ["s3:Get*"] })),
        with(json!({ "ActionNames": ["GetObject"] })),
        with(json!({ "ActionNames": null })),
        with(json!({ "PolicyInputList": null })),
        with(json!({ "PolicyInputList": {} })),
        with(json!({ "PolicyInputList": [5] })),
        with(json!({ "PolicyInputList": ["{"] })),
        with(json!({ "ResourceArns": ["pcf/acme"] })),
        with(json!({ "CallerArn": "anna" })),
        with(json!({ "CallerArn": "arn:aws:iam::1:user/anna" })),
        with(json!({ "CallerArn": null, "ResourcePolicy": trust })),
        with(json!({ "ResourcePolicy": trust })),
        with(json!({ "ResourceOwner": "acme" })),
        with(json!({ "PermissionsBoundaryPolicyInputList": [{}, {}] })),
        with(json!({ "ServiceControlPolicyInputLists": [{}] })),
        with(json!({ "ServiceControlPolicyInputLists": [], "OrderedOrganizationPolicyInputList": [] })),
        with(json!({ "ContextEntries": [{ "ContextKeyName": "prefix" }] })),
        with(json!({ "ContextEntries": [{ "ContextKeyName": "a:b", "ContextKeyValues": ["x"], "Type": "string" }] })),
        with(
            json!({ "ContextEntries": [{ "ContextKeyName": "a:b", "ContextKeyValues": ["x"] }, { "ContextKeyName": "A:B", "ContextKeyValues": ["x"] }] }),
        ),
        with(statement(
            json!({ "Condition": { "StringEquls": { "s3:prefix": "a" } } }),
        )),
        with(statement(json!({ "Ressource": "*" }))),
        with(statement(json!({ "Action": "s3" }))),
    ];
    let mut shown: Vec<String> = requests
        .iter()
        .map(|request| simulate(&request.to_string()).unwrap_err().to_string())
        .collect();
    for text in [
        "",
        "no",
        "[]",
        "{\"a\": 1, \"a\": 2}",
        "{\"ActionNames\": [\"s3:GetObject\"]",
    ] {
        shown.push(simulate(text).unwrap_err().to_string());
    }
    assert_eq!(
        shown.iter().collect::<BTreeSet<_>>().len(),
        shown.len(),
        "each mistake has its own message"
    );
    insta::assert_snapshot!("simulate-mistakes", shown.join("\n\n"));
}

#[test]
fn what_a_person_reads_of_a_request() {
    let (_, _, request) = &seeds(Form::Object)[1];
    let output = ask(serde_json::to_string_pretty(request).unwrap().as_bytes());
    insta::assert_snapshot!("simulate-refused", String::from_utf8(output.stdout).unwrap());
}
