//! A connector that answers as it is told.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tidegate::registry::ConnectorSettings;

use crate::harness::ELBE;

/// What is answered to a call.
type Scripted = (&'static str, u16, Value);

/// A control plane that answers as it is told, and remembers what it was asked.
pub struct Connector {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    pub script: Arc<Mutex<Vec<Scripted>>>,
}

impl Connector {
    fn listening() -> (TcpListener, Self) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connector = Self {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
            script: Arc::default(),
        };
        (listener, connector)
    }

    pub fn start() -> Self {
        let (listener, connector) = Self::listening();
        let (asked, script) = (Arc::clone(&connector.asked), Arc::clone(&connector.script));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut bytes = Vec::new();
                let mut buffer = [0; 4096];
                // Whole when the body has the length the head says.
                let (head, body) = loop {
                    let read = stream.read(&mut buffer).unwrap_or(0);
                    bytes.extend_from_slice(&buffer[..read]);
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    if let Some((head, body)) = text.split_once("\r\n\r\n") {
                        let length = head.lines().find_map(|line| {
                            line.to_ascii_lowercase()
                                .strip_prefix("content-length: ")
                                .map(|length| length.parse::<usize>().unwrap())
                        });
                        if body.len() >= length.unwrap_or(0) || read == 0 {
                            break (head.to_owned(), body.to_owned());
                        }
                    }
                    assert!(read > 0 || bytes.is_empty());
                    if read == 0 {
                        break (String::new(), String::new());
                    }
                };
                let call = head.lines().next().unwrap_or_default().replace(" HTTP/1.1", "");
                asked
                    .lock()
                    .unwrap()
                    .push((call.clone(), serde_json::from_str(&body).unwrap_or_default()));
                let script = script.lock().unwrap();
                let (status, answer) = script
                    .iter()
                    .find(|(known, ..)| *known == call)
                    .map_or((404, json!([])), |(_, status, answer)| (*status, answer.clone()));
                let answer = answer.to_string();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}",
                    answer.len()
                );
            }
        });
        connector
    }

    /// One that takes connections and never says anything.
    pub fn silent() -> Self {
        let (listener, connector) = Self::listening();
        std::thread::spawn(move || {
            let held: Vec<_> = listener.incoming().collect();
            drop(held);
        });
        connector
    }

    pub fn settings(&self, version: &str) -> ConnectorSettings {
        let base = format!("http://{}", self.address);
        ConnectorSettings {
            participant: ELBE.into(),
            dsp: format!("{base}/dsp"),
            management: format!("{base}/management/{version}"),
            signaling: format!("{base}/signaling"),
            secret: None,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn was_asked(&self, call: &str) -> bool {
        self.asked.lock().unwrap().iter().any(|(asked, _)| asked == call)
    }

    /// How often.
    pub fn times_asked(&self, call: &str) -> usize {
        self.asked
            .lock()
            .unwrap()
            .iter()
            .filter(|(asked, _)| asked == call)
            .count()
    }

    pub fn body(&self, call: &str) -> Value {
        self.asked
            .lock()
            .unwrap()
            .iter()
            .find(|(asked, _)| asked == call)
            .unwrap()
            .1
            .clone()
    }

    /// What was sent with each call of that kind, in order.
    pub fn bodies(&self, call: &str) -> Vec<Value> {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .filter(|(asked, _)| asked == call)
            .map(|(_, body)| body.clone())
            .collect()
    }
}
