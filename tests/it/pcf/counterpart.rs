//! A partner's endpoint, scripted: it notes what it is sent and answers what it is told to.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use tidegate::pcf::{Boxed, Endpoint, Goal, Road, RoadError};
use tidegate::registry::TenantWorld;

/// What a partner was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// `PUT /api/…`
    pub line: String,
    pub authorization: String,
    /// Who says to be asking.
    pub bpn: String,
    pub body: Vec<u8>,
}

/// The partner. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Counterpart(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    url: String,
    sent: Mutex<Vec<Sent>>,
    /// What is answered, in order; 200 once there is no more.
    answers: Mutex<VecDeque<u16>>,
    /// Whether its connector is there at all.
    reachable: Mutex<bool>,
    /// How often the way was looked for, and how often it was lost.
    ways: Mutex<(u32, u32)>,
}

impl Counterpart {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let inner = Arc::new(Inner {
            url: format!("http://{}/api", listener.local_addr().unwrap()),
            sent: Mutex::default(),
            answers: Mutex::default(),
            reachable: Mutex::new(true),
            ways: Mutex::default(),
        });
        let serving = Arc::clone(&inner);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut reader = BufReader::new(stream.unwrap());
                let mut head = Vec::new();
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).unwrap_or_default() <= 2 {
                        break;
                    }
                    head.push(line.trim_end().to_owned());
                }
                let header = |name: &str| {
                    let found = head.iter().find_map(|line| {
                        let (known, value) = line.split_once(": ")?;
                        known.eq_ignore_ascii_case(name).then(|| value.to_owned())
                    });
                    found.unwrap_or_default()
                };
                let mut body = vec![0; header("content-length").parse().unwrap_or_default()];
                reader.read_exact(&mut body).unwrap();
                serving.sent.lock().unwrap().push(Sent {
                    line: head[0].replace(" HTTP/1.1", ""),
                    authorization: header("authorization"),
                    bpn: header("edc-bpn"),
                    body,
                });
                let status = serving.answers.lock().unwrap().pop_front().unwrap_or(200);
                let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _ = reader.get_mut().write_all(answer.as_bytes());
            }
        });
        Self(inner)
    }

    pub fn will_answer(&self, statuses: &[u16]) {
        self.0.answers.lock().unwrap().extend(statuses);
    }

    pub fn is_reachable(&self, reachable: bool) {
        *self.0.reachable.lock().unwrap() = reachable;
    }

    pub fn url(&self) -> &str {
        &self.0.url
    }

    pub fn sent(&self) -> Vec<Sent> {
        self.0.sent.lock().unwrap().clone()
    }

    pub fn ways(&self) -> (u32, u32) {
        *self.0.ways.lock().unwrap()
    }
}

impl Road for Counterpart {
    fn find<'a>(&'a self, world: &'a TenantWorld, goal: Goal<'a>) -> Boxed<'a, Result<Endpoint, RoadError>> {
        let mut ways = self.0.ways.lock().unwrap();
        ways.0 += 1;
        let found = match *self.0.reachable.lock().unwrap() {
            true => Ok(Endpoint {
                url: self.0.url.clone(),
                authorization: format!("{}-{}-{}", world.tenant.id, goal.partner.bpnl, ways.1).into(),
                version: None,
            }),
            false => Err(RoadError("the partner's connector does not answer".into())),
        };
        Box::pin(async move { found })
    }

    fn lost<'a>(&'a self, _: &'a TenantWorld, _: Goal<'a>) -> Boxed<'a, ()> {
        self.0.ways.lock().unwrap().1 += 1;
        Box::pin(async {})
    }
}
