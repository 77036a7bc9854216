//! The dev connector: a small connector for dev mode, one for each company of the development world.
//!
//! A connector speaks for a company in a data space. It shows the company's catalog, negotiates contracts and starts transfers;
//! the data itself goes another way. In production that is an Eclipse Dataspace Connector. In dev mode, where nothing is
//! installed, it is this one: it runs in the service's own process, but it uses nothing of Tidegate's insides. It speaks
//!
//! - the **Dataspace Protocol 2025-1** to other connectors, over HTTP, as consumer and as provider ([`protocol`](self));
//! - **AuthZEN** and **Data Plane Signaling** to its company's Tidegate, with a token of the company's own connector client;
//! - to its operator, which is Tidegate again and the demo, a part of **EDC's management API**, behind an API key.
//!
//! So whatever works with it goes over the same interfaces a real connector has, and a real one can take its place.
//!
//! # What it is not
//!
//! It keeps everything in memory. It believes what a peer says about itself ([`identity`]). It does no JSON-LD processing,
//! takes no offer its company did not ask for, knows one kind of transfer (the consumer pulls over HTTP), and does not
//! repeat a message that did not arrive: it ends the process and says why. It follows addresses a peer gives it. None of
//! its routes exist outside dev mode.
//!
//! # Worked example
//!
//! The consumer's operator posts a contract request to its own connector's management API. Its connector sends
//! `ContractRequestMessage` to the provider's connector, which answers 201 (`REQUESTED`), looks whether the policy that came
//! back is the one it offered, and asks its company's Tidegate `negotiate`. Tidegate says no: the provider's connector sends
//! `ContractNegotiationTerminationMessage`, and both sides show `TERMINATED` with a reason. Tidegate says yes: it sends
//! `ContractAgreementMessage` (`AGREED`), the consumer's connector verifies that it is what was offered (`VERIFIED`), and the
//! provider's ends with the event `FINALIZED`. A transfer under the agreement goes the same way: the provider's connector
//! tells Tidegate `start`, Tidegate decides `transfer` and mints the token, and the connector hands it over in
//! `TransferStartMessage`.

pub mod catalog;
mod consumer;
pub mod course;
mod flow;
pub mod gate;
pub mod identity;
mod management;
pub mod message;
pub mod negotiation;
mod peer;
pub mod plane;
pub mod policy;
mod protocol;
mod provider;
mod signaling;
pub mod store;
#[cfg(test)]
mod tests;
mod token;
pub mod transfer;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;

use self::course::{Course, Role};
use self::gate::{Gate, GateSettings};
use self::negotiation::Negotiation;
use self::store::{Agreement, Entry, NegotiationRecord, Store};
pub use self::token::Client;
use crate::clock::Clock;
use crate::contract::ContractError;
use crate::ids::Bpnl;

/// Where its three sides are, below the URL it is mounted at: for other connectors, for its operator, for its data plane.
pub const DSP: &str = "/dsp/2025-1";
/// As [`DSP`].
pub const MANAGEMENT: &str = "/management/v4";
/// As [`DSP`].
pub const SIGNALING: &str = "/signaling";

/// How long another connector or Tidegate may take to answer.
const PATIENCE: Duration = Duration::from_secs(8);

/// How long another make of connector is left alone after its message was answered: a turn of EDC's loop over its processes.
const COURTESY: Duration = Duration::from_secs(1);

/// What a connector is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The company it speaks for; also its name in the data space.
    pub participant: Bpnl,
    /// The company's name, for people.
    pub name: String,
    /// The URL it is mounted at, without a slash at the end.
    pub root: String,
    /// The key of its management and signaling interfaces.
    pub api_key: SecretString,
    /// Its company's Tidegate; none for a company that is not on the platform. Without it, it offers nothing.
    pub gate: Option<GateSettings>,
}

/// The three sides of a connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// To other connectors.
    Protocol,
    /// To its operator.
    Management,
    /// To its data plane.
    Signaling,
}

/// A request, as far as a connector looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The method.
    pub method: &'a str,
    /// The path below the face's own, without a slash at its ends.
    pub path: &'a str,
    /// `Authorization`
    pub authorization: Option<&'a str>,
    /// `X-Api-Key`
    pub api_key: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body, if there is one.
    pub body: Option<Value>,
}

impl Answer {
    fn new(status: u16, body: Value) -> Self {
        Self {
            status,
            body: Some(body),
        }
    }

    fn bare(status: u16) -> Self {
        Self { status, body: None }
    }
}

/// A contract that was made before the connector started.
#[derive(Clone, Copy, Debug)]
pub struct Made<'a> {
    /// Its id.
    pub id: &'a str,
    /// What it is about.
    pub asset: &'a str,
    /// Who provides.
    pub provider: Bpnl,
    /// Who consumes.
    pub consumer: Bpnl,
    /// When it was signed.
    pub signed: Timestamp,
    /// Its terms.
    pub odrl: &'a str,
}

/// A connector. Clones are the same one.
#[derive(Clone)]
pub struct Connector(Arc<Inner>);

struct Inner {
    settings: Settings,
    gate: Option<Gate>,
    http: reqwest::Client,
    clock: Clock,
    store: Mutex<Store>,
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_tuple("Connector")
            .field(&self.0.settings.participant)
            .finish()
    }
}

impl Connector {
    /// A connector that knows nothing yet.
    ///
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new(settings: Settings, clock: Clock) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
        let gate = settings.gate.clone().map(Gate::new);
        Ok(Self(Arc::new(Inner {
            settings,
            gate,
            http,
            clock,
            store: Mutex::default(),
        })))
    }

    /// Answers a request.
    pub async fn answer(&self, face: Face, call: Call<'_>) -> Answer {
        match face {
            Face::Protocol => self.protocol(call).await,
            Face::Management => self.management(call).await,
            Face::Signaling => self.signaling(call).await,
        }
    }

    /// The company it speaks for.
    pub fn participant(&self) -> Bpnl {
        self.0.settings.participant
    }

    /// The company's name, for people.
    pub fn name(&self) -> &str {
        &self.0.settings.name
    }

    /// Its address for other connectors.
    pub fn dsp(&self) -> String {
        format!("{}{DSP}", self.0.settings.root)
    }

    /// Its address for its operator: the management API, version 4.
    pub fn management_url(&self) -> String {
        format!("{}{MANAGEMENT}", self.0.settings.root)
    }

    /// Its address for its data plane.
    pub fn signaling_url(&self) -> String {
        format!("{}{SIGNALING}", self.0.settings.root)
    }

    /// The key of its management and signaling interfaces.
    pub fn api_key(&self) -> &SecretString {
        &self.0.settings.api_key
    }

    /// Tells it of a contract that was made before it started: the negotiation that led there counts as finalized.
    ///
    /// # Errors
    /// The terms are no contract Tidegate understands.
    pub fn know(&self, made: Made<'_>) -> Result<(), ContractError> {
        let own = self.participant();
        let (role, other) = if made.provider == own {
            (Role::Provider, made.consumer)
        } else {
            (Role::Consumer, made.provider)
        };
        let pid = new_id();
        let agreement = Agreement {
            id: made.id.to_owned(),
            asset: made.asset.to_owned(),
            provider: made.provider,
            consumer: made.consumer,
            signed: made.signed,
            rules: policy::wire(made.odrl)?,
            negotiation: Some(pid.clone()),
        };
        let mut course = Course::default();
        course.abandon(Negotiation::Finalized);
        let record = NegotiationRecord {
            pid: pid.clone(),
            role,
            course,
            peer: Self::peer(other, "", None),
            offer: Value::Null,
            asset: agreement.asset.clone(),
            agreement: Some(agreement.clone()),
            error: None,
            created: made.signed,
            changed: made.signed,
        };
        self.with(|store| {
            store.negotiations.insert(pid, record);
            store.agreements.insert(agreement.id.clone(), agreement);
        });
        Ok(())
    }

    /// The messages it sent and received, oldest first.
    pub fn journal(&self) -> Vec<Entry> {
        self.with(|store| store.journal().cloned().collect())
    }

    /// Works on what it remembers. Never across an `await`.
    fn with<T>(&self, work: impl FnOnce(&mut Store) -> T) -> T {
        work(&mut self.0.store.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Answers a message of the connector at `address` with one of ours, once it had the time to take in that its own arrived.
    /// EDC notes that a moment later. A message in between it refuses with 409, and what is worse, it lets go of the process it
    /// was busy with: it sends its own message a second time, as another one. Connectors of one service need no such moment.
    fn react(&self, address: &str, work: impl Future<Output = ()> + Send + 'static) {
        let pause = if same_origin(address, &self.0.settings.root) {
            Duration::ZERO
        } else {
            COURTESY
        };
        self.later(async move {
            tokio::time::sleep(pause).await;
            work.await;
        });
    }

    /// Goes on with something after the request that led to it is answered.
    fn later(&self, work: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(work);
    }
}

/// Whether two URLs are of one service: scheme, host and port agree.
fn same_origin(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(reqwest::Url::parse);
    matches!((one, other), (Ok(one), Ok(other)) if one.origin() == other.origin())
}

/// A new name for a process or an agreement: a URN.
fn new_id() -> String {
    uuid::Uuid::now_v7().urn().to_string()
}
