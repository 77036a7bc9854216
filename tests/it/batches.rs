//! Many footprints in one body: each is taken or refused by itself, and the answer says which.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};
use tidegate::ids::{Digest, PcfId, TenantId};
use tidegate::ingest::DOCUMENT_LIMIT;
use tidegate::pcf::ExchangeId;

use crate::harness::{Answer, ELBE, ISAR, Service, footprint, post, put, wait_for};

/// A footprint on one line.
fn line(owner: &str, id: &str) -> String {
    let value: Value = serde_json::from_str(&footprint("9.0.0", owner, id)).unwrap();
    value.to_string()
}

fn fresh() -> String {
    ExchangeId::new().to_string()
}

fn send(service: &Service, media: &str, encoding: Option<&str>, body: impl Into<Vec<u8>>) -> Answer {
    let ask = post(&format!("/ingest/{ELBE}/footprints?asset=pcf-resin"))
        .bearer(&service.integration(ELBE))
        .header("Content-Type", media);
    let ask = match encoding {
        Some(encoding) => ask.header("Content-Encoding", encoding),
        None => ask,
    };
    ask.body(body).send(service.address)
}

fn lines(service: &Service, body: impl Into<Vec<u8>>) -> Answer {
    send(service, "application/x-ndjson", None, body)
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// The digest of the footprint as it is in the index.
fn known(service: &Service, id: &str) -> Option<Digest> {
    let tenant: TenantId = ELBE.parse().unwrap();
    let id: PcfId = id.parse().unwrap();
    let registry = service.app.registry.current();
    let footprints = &registry.tenant(tenant).unwrap().footprints;
    footprints.get(&id).map(|found| found.digest)
}

fn statuses(answer: &Answer) -> Vec<(u64, String)> {
    let lines = answer.json()["lines"].as_array().unwrap().clone();
    let status = |line: &Value| {
        (
            line["line"].as_u64().unwrap(),
            line["status"].as_str().unwrap().to_owned(),
        )
    };
    lines.iter().map(status).collect()
}

#[test]
fn of_each_line_it_is_told_what_became_of_it_and_the_sound_ones_are_stored() {
    let service = Service::start();
    let (one, two) = (fresh(), fresh());
    let first = line(ELBE, &one);
    let changed = first.replace("2022-05-22T21:47:32Z", "2023-05-22T21:47:32Z");
    let invalid = line(ELBE, &fresh()).replace("\"Cradle-to-gate\"", "\"Cradle-to-moon\"");
    let foreign = line(ISAR, &fresh());
    let body = [
        first.as_str(),
        "{\"half\":",
        "",
        foreign.as_str(),
        invalid.as_str(),
        first.as_str(),
        changed.as_str(),
        &line(ELBE, &two),
    ]
    .join("\n");
    let answer = lines(&service, body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.record().is_some(), "that the system may hand in was decided");
    let told = answer.json();
    let expected = [
        (1, "stored"),
        (2, "refused"),
        (4, "refused"),
        (5, "refused"),
        (6, "unchanged"),
        (7, "stored"),
        (8, "stored"),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(line, status)| (*line, (*status).to_owned()))
        .collect();
    assert_eq!(statuses(&answer), expected, "{}", answer.text());
    assert_eq!(
        (&told["stored"], &told["unchanged"], &told["refused"]),
        (&json!(3), &json!(1), &json!(3))
    );
    let problem = |line: usize| told["lines"][line]["problem"].clone();
    assert_eq!(problem(1)["type"], "urn:tidegate:problem:document");
    assert_eq!(problem(2)["reasons"][0]["policy"], "footprints/own-document");
    assert!(problem(2)["instance"].is_string(), "a denied document has its record");
    let flaw = &problem(3)["errors"][0];
    assert!(flaw["pointer"].as_str().unwrap().starts_with("#/"), "{flaw}");
    assert_eq!(
        known(&service, &one),
        Some(Digest::of(changed.as_bytes())),
        "the last one counts"
    );
    assert!(known(&service, &two).is_some());
    let kept = crate::objects(&service, "");
    let of = |key: &str| key.contains(&one) && key.contains("/pcf/") && key.ends_with(".json");
    let kept = kept.iter().find(|(key, _)| of(key)).unwrap();
    assert!(kept.1 == changed.as_bytes(), "byte for byte");
}

#[test]
fn an_array_is_a_batch_packed_or_not_and_one_document_is_one() {
    let service = Service::start();
    let ids = [fresh(), fresh(), fresh()];
    // Elements as they stand, with their spaces: the bytes of each are kept.
    let documents: Vec<_> = ids.iter().map(|id| footprint("9.0.0", ELBE, id)).collect();
    let array = format!(" [ {} ]\n", documents.join(" , "));
    let zstd = zstd::encode_all(array.as_bytes(), 1).unwrap();
    for (encoding, body) in [
        (None, array.clone().into_bytes()),
        (Some("gzip"), gzip(array.as_bytes())),
        (Some("zstd"), zstd),
    ] {
        let answer = send(&service, "application/json", encoding, body);
        assert_eq!(answer.status, 200, "{encoding:?}: {}", answer.text());
        assert_eq!(answer.json()["refused"], 0, "{encoding:?}: {}", answer.text());
        assert_eq!(answer.json()["lines"].as_array().unwrap().len(), 3);
    }
    for (id, document) in ids.iter().zip(&documents) {
        assert_eq!(known(&service, id), Some(Digest::of(document.trim().as_bytes())));
    }
    let alone = footprint("9.0.0", ELBE, &fresh());
    let answer = send(&service, "application/json", Some("gzip"), gzip(alone.as_bytes()));
    assert_eq!(answer.status, 201, "{}", answer.text());
    let answer = send(&service, "application/json", Some("br"), alone);
    answer.check_problem(415, "media-type", "a packing that is not taken");
    let empty = send(&service, "application/json", None, "[]");
    assert_eq!((empty.status, &empty.json()["lines"]), (200, &json!([])));
    let empty = lines(&service, "\n\n");
    assert_eq!((empty.status, &empty.json()["lines"]), (200, &json!([])));
}

#[test]
fn what_came_before_a_break_counts_and_the_answer_says_where_it_broke() {
    let service = Service::start();
    let id = fresh();
    let document = line(ELBE, &id);
    let cut = gzip(format!("{document}\n{document}\n").as_bytes());
    let cases: Vec<(&str, &str, Option<&str>, Vec<u8>)> = vec![
        (
            "an array without an end",
            "application/json",
            None,
            format!("[{document},").into_bytes(),
        ),
        (
            "a comma too many",
            "application/json",
            None,
            format!("[{document},,{document}]").into_bytes(),
        ),
        (
            "two arrays",
            "application/json",
            None,
            format!("[{document}][]").into_bytes(),
        ),
        (
            "not gzip",
            "application/x-ndjson",
            Some("gzip"),
            document.clone().into_bytes(),
        ),
        (
            "half a gzip",
            "application/x-ndjson",
            Some("gzip"),
            cut[..cut.len() / 2].to_vec(),
        ),
        (
            "not zstd",
            "application/x-ndjson",
            Some("zstd"),
            document.clone().into_bytes(),
        ),
    ];
    for (what, media, encoding, body) in cases {
        let answer = send(&service, media, encoding, body);
        answer.check_problem(422, "document", what);
        assert!(answer.json()["lines"].is_array(), "{what}: {}", answer.text());
    }
    assert!(known(&service, &id).is_some());
}

#[test]
fn a_line_that_is_too_long_costs_itself_alone() {
    let service = Service::start();
    let id = fresh();
    let long = format!("{{\"x\":\"{}\"}}", "y".repeat(DOCUMENT_LIMIT));
    // Sixty megabytes of nothing pack well.
    let bomb = format!("{}{}{}", long, " ".repeat(60 << 20), "z");
    let body = [bomb.as_str(), &line(ELBE, &id), long.as_str()].join("\n");
    let answer = send(&service, "application/x-ndjson", Some("gzip"), gzip(body.as_bytes()));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let expected: Vec<_> = [(1, "refused"), (2, "stored"), (3, "refused")]
        .map(|(line, status)| (line, status.to_owned()))
        .into();
    assert_eq!(statuses(&answer), expected);
}

#[test]
fn a_hundred_thousand_lines_are_answered_in_their_order() {
    let service = Service::start();
    let mut body = String::new();
    let mut sound = Vec::new();
    for number in 1..=100_000_u64 {
        if number.is_multiple_of(1_000) {
            let id = fresh();
            body.push_str(&line(ELBE, &id));
            sound.push((number, id));
        } else {
            body.push_str("{}");
        }
        body.push('\n');
    }
    let answer = lines(&service, body);
    assert_eq!(answer.status, 200);
    let told = answer.json();
    assert_eq!((&told["stored"], &told["refused"]), (&json!(100), &json!(99_900)));
    for (place, (line, status)) in statuses(&answer).into_iter().enumerate() {
        let number = place as u64 + 1;
        let expected = if number.is_multiple_of(1_000) {
            "stored"
        } else {
            "refused"
        };
        assert_eq!((line, status.as_str()), (number, expected));
    }
    for (line, id) in sound {
        assert!(known(&service, &id).is_some(), "line {line}");
        assert_eq!(told["lines"][usize::try_from(line).unwrap() - 1]["pcf_id"], id);
    }
}

#[test]
fn a_system_that_is_stopped_while_it_sends_is_stopped_there() {
    let service = Service::start();
    let key = "k".repeat(64);
    let document = |enabled: bool| {
        json!({
            "id": "mes", "tenant": ELBE, "name": "MES", "enabled": enabled,
            "push": { "apiKey": [{ "digest": Digest::of(key.as_bytes()) }] },
        })
    };
    let set = |enabled: bool| {
        let answer = put(&format!("/ingest/{ELBE}/integrations/mes"))
            .bearer(&service.person(ELBE, "anna"))
            .json(document(enabled).to_string())
            .send(service.address);
        assert!([200, 201].contains(&answer.status), "{}", answer.text());
    };
    set(true);
    // As many as are handed on together, and then some that wait for company.
    let id = fresh();
    let early = std::iter::once(id.clone())
        .chain(std::iter::repeat_with(fresh))
        .take(512);
    let early: String = early.map(|id| line(ELBE, &id) + "\n").collect();
    let late: String = (0..20).map(|_| line(ELBE, &fresh()) + "\n").collect();
    let mut stream = TcpStream::connect(service.address).unwrap();
    let head = format!(
        "POST /ingest/{ELBE}/footprints HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\nContent-Type: application/x-ndjson\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        early.len() + late.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(early.as_bytes()).unwrap();
    wait_for("the first is stored", || known(&service, &id).is_some());
    set(false);
    stream.write_all(late.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer:.200}");
    assert!(answer.contains("guard/integration-enabled"));
    assert!(answer.contains("\"stored\":512,"), "{answer:.600}");
}
