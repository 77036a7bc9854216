//! Bodies that are larger than the memory that may be spent on them. They take minutes, so they run only when asked for:
//! `cargo test --release --test it large_batches -- --ignored`.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;
use tidegate::pcf::ExchangeId;

use crate::binary::Served;
use crate::harness::{ELBE, footprint, post};

/// What a chunk of a batch may cost: read, decided, sealed, the one before it and the one after.
const ALLOWED: u64 = 160 << 20;

/// What is sent: so many lines, made as they are sent.
struct Lines {
    /// A document on one line but for its first brace, cut where its id stands.
    parts: (String, String),
    count: u64,
    id: Box<dyn Fn(u64) -> String + Send>,
}

impl Lines {
    fn of(count: u64, id: impl Fn(u64) -> String + Send + 'static) -> Self {
        let mark = ExchangeId::new().to_string();
        let document: Value = serde_json::from_str(&footprint("9.0.0", ELBE, &mark)).unwrap();
        let document = document.to_string();
        let (before, after) = document[1..].split_once(&mark).unwrap();
        Self {
            parts: (before.to_owned(), format!("{after}\n")),
            count,
            id: Box::new(id),
        }
    }

    fn line(&self, number: u64, revision: u64) -> String {
        let (before, after) = &self.parts;
        // White space makes other bytes of the same document, and so the next version.
        let space = " ".repeat(usize::try_from(revision).unwrap());
        format!("{{{space}{before}{}{after}", (self.id)(number))
    }

    fn len(&self, revision: impl Fn(u64) -> u64) -> u64 {
        let (before, after) = &self.parts;
        let fixed = 1 + before.len() + after.len() + (self.id)(0).len();
        (0..self.count).map(|number| fixed as u64 + revision(number)).sum()
    }
}

/// The counts at the head of the answer: refused, stored, unchanged; and how many lines were told of.
fn send(address: SocketAddr, token: &str, lines: Lines, revision: fn(u64) -> u64) -> ([u64; 3], u64) {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = lines.len(revision);
    let head = format!(
        "POST /ingest/{ELBE}/footprints?asset=pcf-resin HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/x-ndjson\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let mut sending = stream.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        sending.write_all(head.as_bytes()).unwrap();
        for number in 0..lines.count {
            sending
                .write_all(lines.line(number, revision(number)).as_bytes())
                .unwrap();
        }
    });
    let mut reader = BufReader::new(&mut stream);
    let mut status = String::new();
    reader.read_line(&mut status).unwrap();
    assert!(status.starts_with("HTTP/1.1 200"), "{status}");
    while status.trim() != "" {
        status.clear();
        reader.read_line(&mut status).unwrap();
    }
    let (mut counts, mut told) = (None, 0);
    for line in reader.lines() {
        let line = line.unwrap();
        if counts.is_none() && line.contains("\"lines\":[") {
            let number = |name: &str| {
                let (_, rest) = line.split_once(&format!("\"{name}\":")).unwrap();
                rest.split(|other: char| !other.is_ascii_digit())
                    .next()
                    .unwrap()
                    .parse()
                    .unwrap()
            };
            counts = Some(["refused", "stored", "unchanged"].map(number));
        }
        told += line.matches("{\"line\":").count() as u64;
    }
    writer.join().unwrap();
    (counts.expect("the answer begins with its counts"), told)
}

/// The most memory the process had since it was last asked, in bytes.
fn peak(pid: u32) -> u64 {
    let mut text = String::new();
    std::fs::File::open(format!("/proc/{pid}/status"))
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: u64 = line.split_whitespace().next().unwrap().parse().unwrap();
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
    kilobytes << 10
}

/// A token of Elbe's supplier system, fetched as it fetches one.
fn token(service: &Served) -> String {
    let system = &service.manifest["tenants"][0]["integration"];
    let text = |name: &str| system[name].as_str().unwrap();
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        text("client_id"),
        text("client_secret")
    );
    let answer = post(&format!("/dev/issuers/{ELBE}/oauth2/token"))
        .body(form)
        .send(service.address);
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

fn id(number: u64) -> String {
    format!("0b6f6a3e-0000-4000-8000-{number:012x}")
}

#[test]
#[ignore = "takes minutes"]
fn a_hundred_thousand_whole_documents_are_each_stored_and_told_of() {
    let directory = tempfile::tempdir().unwrap();
    let service = Served::start(directory.path(), &[]);
    let token = token(&service);
    let (counts, told) = send(service.address, &token, Lines::of(100_000, id), |_| 0);
    assert_eq!((counts, told), ([0, 100_000, 0], 100_000));
    // Once more, they are what they were.
    let (counts, told) = send(service.address, &token, Lines::of(100_000, id), |_| 0);
    assert_eq!((counts, told), ([0, 0, 100_000], 100_000));
}

#[test]
#[ignore = "takes minutes"]
fn a_gigabyte_costs_no_more_memory_than_a_chunk() {
    let directory = tempfile::tempdir().unwrap();
    let service = Served::start(directory.path(), &[]);
    let token = token(&service);
    // The index of footprints is in memory by design, so the ids are few. Each comes ten times as it is, and then as its next version.
    let few = |number: u64| id(number % 2_000);
    let revision = |number: u64| number / 20_000;
    let size = Lines::of(1, few).len(|_| 0);
    let count = (1_u64 << 30) / size + 1;
    let lines = Lines::of(count, few);
    assert!(lines.len(revision) >= 1 << 30);
    let (counts, _) = send(service.address, &token, Lines::of(2_000, few), |_| 0);
    assert_eq!(counts, [0, 2_000, 0]);
    let before = peak(service.id());
    let now = peak(service.id());
    let (counts, told) = send(service.address, &token, lines, revision);
    let stored = count.saturating_sub(20_000);
    let stored = stored / 20_000 * 2_000 + (stored % 20_000).min(2_000);
    assert_eq!((counts, told), ([0, stored, count - stored], count));
    let most = peak(service.id());
    println!(
        "{count} documents, {} MiB before, {} MiB at most",
        now >> 20,
        most >> 20
    );
    assert!(
        most < before.max(now) + ALLOWED,
        "{} MiB where {} MiB were before",
        most >> 20,
        now >> 20
    );
}
