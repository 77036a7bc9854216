//! Witnesses on loopback that do what they should, or anything else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;

use super::super::{Cosigner, TENANTS, keys, log};
use crate::ids::Digest;
use crate::ledger::checkpoint::Checkpoint;
use crate::ledger::note::VerifierKey;
use crate::ledger::proof::check_consistency;
use crate::ledger::witness::Witness;

/// How a witness behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Honest,
    /// Answers nothing for a minute.
    Slow,
    Broken,
    /// With text that is no cosignature.
    Garbage,
    /// With the line of another key.
    Foreign,
    /// With its own line over another checkpoint.
    Older,
    /// It saw this many records, it says.
    Saw(u64),
    /// It does not know the log.
    Unknown,
    /// It knows another log under that name.
    Other,
}

/// A witness as the standard has it, but for its manners.
pub(super) struct Desk {
    cosigner: Cosigner,
    log_keys: Vec<VerifierKey>,
    manner: Mutex<Manner>,
    pub(super) seen: Mutex<BTreeMap<String, (u64, Digest)>>,
    pub(super) asked: Mutex<Vec<(u64, StatusCode)>>,
}

impl Desk {
    pub(super) fn manner(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    pub(super) fn saw(&self, name: &str) -> u64 {
        let seen = self.seen.lock().unwrap();
        seen.get(&keys().origin(log(name))).map_or(0, |(size, _)| *size)
    }

    fn take(&self, request: &str) -> (StatusCode, String) {
        let (head, note) = request.split_once("\n\n").unwrap();
        let mut lines = head.lines();
        let old: u64 = lines.next().unwrap().strip_prefix("old ").unwrap().parse().unwrap();
        let decode = |line: &str| {
            use base64::Engine as _;
            let bytes = base64::engine::general_purpose::STANDARD.decode(line).unwrap();
            Digest::from_bytes(bytes.try_into().unwrap())
        };
        let proof: Vec<_> = lines.map(decode).collect();
        let key = self
            .log_keys
            .iter()
            .find(|key| note.starts_with(&format!("{}\n", key.name())));
        let Ok(now) = Checkpoint::open(note, key.expect("a log of this ledger")) else {
            return (StatusCode::FORBIDDEN, String::new());
        };
        let line = |of: &str| (StatusCode::OK, self.cosigner.line(of, 1_800_000_000));
        match *self.manner.lock().unwrap() {
            Manner::Honest => {}
            Manner::Slow => return (StatusCode::GATEWAY_TIMEOUT, String::new()),
            Manner::Broken => return (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
            Manner::Garbage => return (StatusCode::OK, "— not a signature\n".to_owned()),
            Manner::Foreign => {
                return (
                    StatusCode::OK,
                    Cosigner::new(self.cosigner.key().name(), 99).line(note, 1),
                );
            }
            Manner::Older => return line(&note.replacen(&format!("\n{}\n", now.size), "\n77777\n", 1)),
            Manner::Saw(size) => return (StatusCode::CONFLICT, format!("{size}\n")),
            Manner::Unknown => return (StatusCode::NOT_FOUND, String::new()),
            Manner::Other => return (StatusCode::UNPROCESSABLE_ENTITY, String::new()),
        }
        let mut seen = self.seen.lock().unwrap();
        let (size, root) = seen.get(&now.origin).copied().unwrap_or((0, Digest::of(b"")));
        if size != old {
            return (StatusCode::CONFLICT, format!("{size}\n"));
        }
        if check_consistency(&proof, (old, &root), (now.size, &now.root)).is_err() {
            return (StatusCode::UNPROCESSABLE_ENTITY, String::new());
        }
        seen.insert(now.origin.clone(), (now.size, now.root));
        line(note)
    }
}

/// Serves a witness on loopback, as long as the runtime runs.
pub(super) async fn witness(seed: u8) -> (Arc<Desk>, Witness) {
    let logs = std::iter::once("platform").chain(TENANTS);
    let desk = Arc::new(Desk {
        cosigner: Cosigner::new(&format!("w{seed}.example"), seed),
        log_keys: logs
            .map(|name| keys().signer(log(name)).unwrap().verifier().clone())
            .collect(),
        manner: Mutex::new(Manner::Honest),
        seen: Mutex::default(),
        asked: Mutex::default(),
    });
    let take = async |State(desk): State<Arc<Desk>>, body: String| {
        let slow = *desk.manner.lock().unwrap() == Manner::Slow;
        if slow {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        let (status, answer) = desk.take(&body);
        let old = body
            .lines()
            .next()
            .unwrap()
            .strip_prefix("old ")
            .unwrap()
            .parse()
            .unwrap();
        desk.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((old, status));
        (status, answer)
    };
    let app = Router::new()
        .route("/w/add-checkpoint", post(take))
        .with_state(Arc::clone(&desk));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/w", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await });
    let key = desk.cosigner.key().clone();
    (desk, Witness { url, key })
}
