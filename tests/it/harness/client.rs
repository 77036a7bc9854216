//! Requests to the byte, and answers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// A request, to the byte.
#[derive(Clone)]
pub struct Ask {
    pub method: String,
    pub path: String,
    host: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

pub fn ask(method: &str, path: &str) -> Ask {
    Ask {
        method: method.to_owned(),
        path: path.to_owned(),
        host: "127.0.0.1".to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
    }
}

pub fn get(path: &str) -> Ask {
    ask("GET", path)
}

pub fn post(path: &str) -> Ask {
    ask("POST", path)
}

pub fn put(path: &str) -> Ask {
    ask("PUT", path)
}

impl Ask {
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }

    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// Without the headers of that name.
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub fn json(self, body: impl Into<Vec<u8>>) -> Self {
        self.header("Content-Type", "application/json").body(body)
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.method, self.path, self.host).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        let mut rest = String::new();
        if !self.body.is_empty() || ["POST", "PUT"].contains(&self.method.as_str()) {
            write!(rest, "Content-Length: {}\r\n", self.body.len()).unwrap();
        }
        rest.push_str("Connection: close\r\n\r\n");
        bytes.extend_from_slice(rest.as_bytes());
        bytes.extend_from_slice(&self.body);
        bytes
    }

    pub fn send(&self, address: SocketAddr) -> Answer {
        exchange(address, &self.bytes()).unwrap_or_else(|| panic!("no answer to {} {:.200}", self.method, self.path))
    }
}

/// Sends bytes and reads the answer to its end; nothing where the service closed without one.
pub fn exchange(address: SocketAddr, bytes: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // A service that refuses early may close before it has read everything; what it answered counts.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    Answer::parse(&answer, bytes.starts_with(b"HEAD "))
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// By name in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8], head_only: bool) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers: BTreeMap<_, _> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let body = bytes[end + 4..].to_vec();
        match headers.get("content-length") {
            Some(length) if !head_only && length.parse() != Ok(body.len()) => None,
            _ => Some(Self { status, headers, body }),
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, String::from_utf8_lossy(&self.body)))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The record the answer names.
    pub fn record(&self) -> Option<&str> {
        self.headers.get("tidegate-record").map(String::as_str)
    }

    /// What differs at every request is left out.
    pub fn comparable(mut self) -> Self {
        for name in ["x-request-id", "date", "tidegate-log"] {
            self.headers.remove(name);
        }
        self
    }

    /// The ids of the policies named as reasons.
    pub fn reasons(&self) -> Vec<String> {
        let reasons = self.json()["reasons"].as_array().cloned().unwrap_or_default();
        let mut ids: Vec<_> = reasons
            .iter()
            .map(|reason| reason["policy"].as_str().unwrap().to_owned())
            .collect();
        ids.dedup();
        ids
    }

    /// Holds the answer to be a problem document of that kind and status.
    pub fn check_problem(&self, status: u16, kind: &str, of: &str) {
        assert_eq!(self.status, status, "{of}: {}", self.text());
        assert_eq!(self.headers["content-type"], "application/problem+json", "{of}");
        assert_eq!(self.headers["cache-control"], "no-store", "{of}");
        let body = self.json();
        assert_eq!(body["type"], format!("urn:tidegate:problem:{kind}"), "{of}");
        assert_eq!(body["status"], status, "{of}");
        assert!(body["title"].is_string(), "{of}");
    }
}
