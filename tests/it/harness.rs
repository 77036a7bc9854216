//! A service in dev mode on a free port of loopback, and a client that sends exactly the bytes it is given.

mod client;

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tempfile::TempDir;
use tidegate::agreements::Cause;
use tidegate::assemble::BundleSource;
use tidegate::clock::Clock;
use tidegate::database::Database;
use tidegate::dev::issuer::{Issuer, SigningKey, sign};
use tidegate::dev::start::{DevOptions, start};
use tidegate::http::{App, Shared, dataflows, deliveries, fetching, reload, server};
use tidegate::ledger::LogId;
use tidegate::ledger::read::{Cursor, Reader, Stored};
use tidegate::ledger::witness::Witnesses;
use tidegate::pcf::Road;
use tidegate::registry::{Partner, TenantWorld};
use tokio::sync::oneshot;

pub use client::{Answer, Ask, ask, exchange, get, post, put};

/// The supplier most tests are about, another one, and the company that asks both.
pub const ELBE: &str = "BPNL000000000DWF";
pub const ISAR: &str = "BPNL00000000B2CD";
pub const WESER: &str = "BPNL00000000C3EF";
/// A company whose membership was revoked.
pub const ODER: &str = "BPNL00000000D4GH";
/// An agreement of Elbe with Weser on ethanol that holds.
pub const HOLDS: &str = "0b6f6a3e-7a55-4c8c-9d6b-0d1c5a4f1001";

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| tokio::runtime::Runtime::new().unwrap());
static METRICS: LazyLock<PrometheusHandle> = LazyLock::new(tidegate::telemetry::collect_metrics);
static SHARED: LazyLock<Service> = LazyLock::new(Service::start);
/// Issuers' keys take a while to make; every service of this process starts with copies of the same.
static ISSUERS: LazyLock<TempDir> = LazyLock::new(|| {
    let data = tempfile::tempdir().unwrap();
    block_on(begin(data.path(), Clock::system(), BundleSource::BuiltIn, None)).unwrap();
    data
});

/// All that was logged by this process, at the level of detail an operator may turn on.
pub static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_env_filter("tidegate=trace,info")
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    log
});

#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The repository's own directory, whichever of its packages' tests these are.
pub fn repository() -> &'static Path {
    let mut above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    above.find(|directory| directory.join("fixtures/pcf").is_dir()).unwrap()
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.block_on(future)
}

/// Runs beside everything else, as long as this process.
pub fn spawn(future: impl Future<Output = ()> + Send + 'static) {
    RUNTIME.spawn(future);
}

/// For tests that set or read what the whole process shares, such as a gauge.
pub fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Puts the issuers' keys that this process made once into a data directory that has none.
pub fn take_issuers(data: &Path) {
    let place = data.join("issuers");
    if !place.exists() {
        copy(&ISSUERS.path().join("issuers"), &place);
    }
}

fn begin(
    data: &Path,
    clock: Clock,
    bundle: BundleSource,
    database: Option<Database>,
) -> impl Future<Output = Result<tidegate::dev::start::Started, tidegate::assemble::StartError>> {
    // Before anything runs, for it may take a runtime of its own.
    let (bundle, vault) = match (bundle, crate::elsewhere()) {
        (BundleSource::BuiltIn, Some((bundle, vault))) => (bundle, Some(vault)),
        (bundle, _) => (bundle, None),
    };
    let options = DevOptions {
        vault,
        connectors: Default::default(),
        database,
        listen: "127.0.0.1:0".parse().unwrap(),
        data: data.to_owned(),
        bundle,
        shadow: None,
    };
    start(options, clock, METRICS.clone())
}

pub struct Service {
    pub app: Shared,
    pub address: SocketAddr,
    /// What `dev.json` says.
    pub manifest: Value,
    data: TempDir,
    stop: Option<oneshot::Sender<()>>,
    served: Option<tokio::task::JoinHandle<()>>,
}

impl Service {
    /// One service for all tests that change nothing in it but its ledger.
    pub fn shared() -> &'static Self {
        &SHARED
    }

    pub fn start() -> Self {
        Self::with(Clock::system(), BundleSource::BuiltIn).unwrap()
    }

    pub fn with(clock: Clock, bundle: BundleSource) -> Result<Self, String> {
        Self::on(tempfile::tempdir().unwrap(), clock, bundle, None)
    }

    /// A service on a data directory, new or left by another, that goes to partners on that road, or else on its own.
    pub fn on(data: TempDir, clock: Clock, bundle: BundleSource, road: Option<Arc<dyn Road>>) -> Result<Self, String> {
        Self::changed(data, clock, bundle, (road, None), |_| {})
    }

    /// A service all of whose tables are in a database.
    pub fn in_database(database: Database) -> Self {
        let (data, clock) = (tempfile::tempdir().unwrap(), Clock::system());
        Self::changed(data, clock, BundleSource::BuiltIn, (None, Some(database)), |_| {}).unwrap()
    }

    /// A service on a data directory whose checkpoints witnesses cosign.
    pub fn witnessed(data: TempDir, witnesses: Witnesses) -> Self {
        let change = |app: &mut App| {
            app.logs = app.gate.ledger().readers().cosigned_by(witnesses.quorum().clone());
            app.witnesses = Some(witnesses);
        };
        Self::changed(data, Clock::system(), BundleSource::BuiltIn, (None, None), change).unwrap()
    }

    /// A service behind a load balancer that puts clients' certificates into that header.
    pub fn behind(header: &'static str) -> Self {
        let change = |app: &mut App| app.certificate_header = Some(header.parse().unwrap());
        let (data, clock) = (tempfile::tempdir().unwrap(), Clock::system());
        Self::changed(data, clock, BundleSource::BuiltIn, (None, None), change).unwrap()
    }

    /// A service that fetches at most so many pages in a run.
    pub fn bounded(most_pages: u64) -> Self {
        let (data, clock) = (tempfile::tempdir().unwrap(), Clock::system());
        let change = |app: &mut App| app.fetching.most_pages = most_pages;
        Self::changed(data, clock, BundleSource::BuiltIn, (None, None), change).unwrap()
    }

    fn changed(
        data: TempDir,
        clock: Clock,
        bundle: BundleSource,
        (road, database): (Option<Arc<dyn Road>>, Option<Database>),
        change: impl FnOnce(&mut App),
    ) -> Result<Self, String> {
        LazyLock::force(&LOG);
        take_issuers(data.path());
        let mut started = block_on(begin(data.path(), clock, bundle, database)).map_err(|error| error.to_string())?;
        // A test that moves the clock says itself when it is looked for what is past its end.
        started.app.upkeep.expire = Duration::from_secs(24 * 3_600);
        change(&mut started.app);
        let app = Arc::new(started.app);
        let road = road.unwrap_or_else(|| Arc::clone(&app) as Arc<dyn Road>);
        let address = started.listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = Arc::clone(&app);
        let served = RUNTIME.spawn(async move {
            let tasks = [
                tokio::spawn(reload::reload(Arc::clone(&serving))),
                tokio::spawn(dataflows::watch(Arc::clone(&serving))),
                tokio::spawn(dataflows::follow(Arc::clone(&serving))),
            ];
            let delivering = tokio::spawn(deliveries::deliver(Arc::clone(&serving), road));
            let fetching = tokio::spawn(fetching::fetch(Arc::clone(&serving)));
            server::serve(serving, started.listener, None, async {
                let _ = stopped.await;
                delivering.abort();
                fetching.abort();
            })
            .await;
            for task in tasks {
                task.abort();
            }
        });
        let manifest = serde_json::from_slice(&std::fs::read(started.manifest).unwrap()).unwrap();
        Ok(Self {
            app,
            address,
            manifest,
            data,
            stop: Some(stop),
            served: Some(served),
        })
    }

    /// Stops the service; its data directory stays as long as the value returned.
    pub fn stop(mut self) -> TempDir {
        self.stop.take().unwrap().send(()).unwrap();
        block_on(self.served.take().unwrap()).unwrap();
        self.data
    }

    pub fn data(&self) -> &Path {
        self.data.path()
    }

    pub fn issuer(&self, tenant: &str) -> &Issuer {
        &self.app.issuers[&tenant.parse().unwrap()]
    }

    fn granted(&self, tenant: &str, form: &str) -> String {
        let answer = self.issuer(tenant).grant(None, form, self.app.clock.now());
        answer.unwrap().access_token().to_owned()
    }

    fn machine(&self, tenant: &str, kind: &str) -> String {
        let client = format!("{kind}-{}", tenant.to_ascii_lowercase());
        let secret = self.issuer(tenant).client_secret(&client.parse().unwrap()).unwrap();
        let secret = secret.expose_secret();
        self.granted(
            tenant,
            &format!("grant_type=client_credentials&client_id={client}&client_secret={secret}"),
        )
    }

    /// A token of the tenant's connector.
    pub fn connector(&self, tenant: &str) -> String {
        self.machine(tenant, "connector")
    }

    /// A token of the tenant's supplier system.
    pub fn integration(&self, tenant: &str) -> String {
        self.machine(tenant, "erp")
    }

    /// A token of a person.
    pub fn person(&self, tenant: &str, name: &str) -> String {
        let password = self.issuer(tenant).password(&name.parse().unwrap()).unwrap();
        let (client, password) = (format!("web-{}", tenant.to_ascii_lowercase()), password.expose_secret());
        self.granted(
            tenant,
            &format!("grant_type=password&client_id={client}&username={name}&password={password}"),
        )
    }

    /// The claims of `token` after `change`, signed by `key`.
    pub fn forged(&self, key: &SigningKey, token: &str, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = claims(token);
        change(&mut claims);
        sign(key, &key.header(), &claims.to_string()).unwrap()
    }

    /// A request to a company's dev connector, as its operator.
    pub fn managed(&self, company: &str, method: &str, path: &str) -> Ask {
        let connector = &self.app.connectors[&company.parse().unwrap()];
        let key = connector.api_key().expose_secret();
        ask(method, &format!("/dev/connectors/{company}/management/v4/{path}")).header("X-Api-Key", key)
    }

    pub fn agreement(&self, id: &str) -> &Value {
        let agreements = self.manifest["agreements"].as_array().unwrap();
        agreements.iter().find(|agreement| agreement["id"] == id).unwrap()
    }

    /// The path of the footprint an agreement is about.
    pub fn footprint_path(&self, agreement: &str) -> String {
        let agreement = self.agreement(agreement);
        let (provider, pcf) = (
            agreement["provider"].as_str().unwrap(),
            agreement["pcf_id"].as_str().unwrap(),
        );
        format!("/exchange/{provider}/pcf/{pcf}/submodel/$value")
    }

    /// The request that Elbe's connector makes for Weser under the agreement that holds.
    pub fn sound_exchange(&self) -> Ask {
        get(&self.footprint_path(HOLDS))
            .bearer(&self.connector(ELBE))
            .header("Edc-Bpn", WESER)
            .header("Edc-Contract-Agreement-Id", HOLDS)
    }

    pub fn deliveries(&self, tenant: &str, person: &str, query: &str) -> Vec<Value> {
        let answer = get(&format!("/agreements/{tenant}/deliveries{query}"))
            .bearer(&self.person(tenant, person))
            .send(self.address);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["deliveries"].as_array().unwrap().clone()
    }

    pub fn records(&self, log: &str) -> Vec<Stored> {
        records(self.data(), log)
    }

    /// That the service still answers, and no handler ever panicked.
    pub fn check_healthy(&self) {
        assert_eq!(self.sound_exchange().send(self.address).status, 200);
        assert!(!LOG.text().contains("panicked"), "a handler panicked");
    }
}

pub fn records(data: &Path, log: &str) -> Vec<Stored> {
    let log: LogId = log.parse().unwrap();
    block_on(async {
        let mut reader = Reader::open(data).await.unwrap();
        let mut cursor = Cursor::new(log, 0);
        let mut all = Vec::new();
        while let Some(stored) = cursor.next(&mut reader).await.unwrap() {
            all.push(stored);
        }
        all
    })
}

impl Service {
    /// Changes what is on record about a tenant.
    pub fn change_world(&self, tenant: &str, change: impl FnOnce(&mut TenantWorld)) {
        let registry = self.app.registry.current();
        let mut world = TenantWorld::clone(registry.tenant(tenant.parse().unwrap()).unwrap());
        change(&mut world);
        block_on(self.app.registry.seed(&[world], &[])).unwrap();
    }

    /// Changes what is known of a partner.
    pub fn change_partner(&self, partner: &str, change: impl FnOnce(&mut Partner)) {
        let registry = self.app.registry.current();
        let mut partner = Partner::clone(registry.partner(partner.parse().unwrap()).unwrap());
        change(&mut partner);
        block_on(self.app.registry.seed(&[], &[partner])).unwrap();
    }
}

/// Ends an agreement, as its provider may.
pub fn retire(service: &Service, tenant: &str, agreement: &str) {
    let (agreements, now) = (&service.app.agreements, service.app.clock.now());
    let (tenant, agreement) = (tenant.parse().unwrap(), agreement.parse().unwrap());
    let cause = Cause::operator();
    let ended = agreements.retire(tenant, &agreement, "retired meanwhile", &cause, now);
    assert!(block_on(ended).unwrap().changed);
}

/// The payload of a token.
pub fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// Copies a file or a whole directory.
pub fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        std::fs::copy(from, to).unwrap();
        return;
    }
    std::fs::create_dir_all(to).unwrap();
    std::fs::set_permissions(to, std::fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

/// Every file below `directory`.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] })
        .collect();
    files.sort();
    files
}

pub fn contains(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}

/// A footprint document that is valid in its version of the model, of this owner and with this id; its product is 401765.
pub fn footprint(model: &str, owner: &str, id: &str) -> String {
    let path = repository().join(format!("fixtures/pcf/official/{model}.json"));
    let text = std::fs::read_to_string(path).unwrap();
    let urls = |name: &str| {
        let start = text.find(&format!("\"{name}\"")).unwrap();
        let end = start + text[start..].find(']').unwrap() + 1;
        text[start..end].to_owned()
    };
    let text = match model {
        "7.0.0" => text
            .replace(
                &urls("companyIds"),
                &format!("\"companyIds\" : [ \"urn:bpn:id:{ELBE}\" ]"),
            )
            .replace(
                &urls("productIds"),
                "\"productIds\" : [ \"urn:mycompany.com:product-id:401765\" ]",
            ),
        _ => text,
    };
    text.replace(ELBE, owner)
        .replace("3893bb5d-da16-4dc1-9185-11d97476c254", id)
}

/// Waits until `holds`; see [`within_a_minute`].
pub fn wait_for(what: &str, holds: impl Fn() -> bool) {
    within_a_minute(|| if holds() { Ok(()) } else { Err(what) });
}

/// Looks again and again for what is there in the end, at most a minute: a busy machine is slow, and only a failure waits that long.
pub fn within_a_minute<T, E: std::fmt::Display>(look: impl Fn() -> Result<T, E>) -> T {
    let started = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) => assert!(
                started.elapsed() < Duration::from_secs(60),
                "not within a minute: {seen}"
            ),
        }
        std::thread::sleep(Duration::from_millis(25));
    }
}
