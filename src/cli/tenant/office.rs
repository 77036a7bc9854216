//! Opening what it takes to have tenants come and go: the service's own parts, without the service.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::OfficeArgs;
use crate::agreements::Book;
use crate::assemble::{BundleSource, open_registry};
use crate::bundle::{Bundle, Live};
use crate::cli::{Failure, database};
use crate::clock::Clock;
use crate::config::{Config, DatabaseSource};
use crate::database::Place;
use crate::decide::Gate;
use crate::ledger::{Ledger, LedgerKeys, Options, Standing};
use crate::registry::store::RegistryStore;
use crate::tenant::{Office, Operator};

/// The parts, open.
pub(super) struct Opened {
    pub(super) base_url: String,
    gate: Gate,
    registry: RegistryStore,
    agreements: Book,
    #[cfg(feature = "provision")]
    aws: Option<crate::tenant::aws::Provision>,
    operator: Operator,
    clock: Clock,
}

impl OfficeArgs {
    pub(super) fn config(&self) -> Result<Config, Failure> {
        let Some(path) = &self.config else {
            return Err(Failure::invalid(
                "--config FILE says which platform is meant; without it only --dry-run works",
            ));
        };
        Config::read(path).map_err(Failure::invalid)
    }

    fn source(&self, config: &Config) -> BundleSource {
        BundleSource::Directory(self.bundle.directory.clone().unwrap_or_else(|| config.bundle.clone()))
    }

    pub(super) fn load(&self, config: &Config) -> Result<Bundle, Failure> {
        self.source(config).load().map_err(Failure::invalid)
    }

    /// Who acts.
    fn operator(&self, config: &Config) -> Result<Operator, Failure> {
        let known: Vec<_> = config.operators.keys().map(|name| format!("`{name}`")).collect();
        let known = known.join(", ");
        let found = match &self.operator {
            Some(name) => config.operators.get_key_value(name),
            None if config.operators.len() == 1 => config.operators.iter().next(),
            None => None,
        };
        match (found, &self.operator) {
            (Some((name, roles)), _) => Ok(Operator {
                name: name.clone(),
                roles: roles.clone(),
            }),
            (None, _) if known.is_empty() => Err(Failure::invalid(
                "the configuration names no operators; add them, each with what they are there for:\n  [operators]\n  ona = [\"onboarding\"]",
            )),
            (None, Some(name)) => Err(Failure::invalid(format!(
                "--operator {name}: the configuration names {known}"
            ))),
            (None, None) => Err(Failure::invalid(format!(
                "--operator NAME says who has it done: one of {known}"
            ))),
        }
    }

    /// Opens everything; the ledger first, for whoever writes to it changes the rest.
    pub(super) async fn open(&self) -> Result<Opened, Failure> {
        let config = self.config()?;
        let operator = self.operator(&config)?;
        let bundle = self.load(&config)?;
        let ledgers = place("ledger_database", config.ledger_database.as_ref(), &config.data)?;
        #[cfg(feature = "provision")]
        let aws = provision(&config, &bundle, self.rate).await?;
        let clock = Clock::system();
        let ledger = ledger(&config.data, &config.ledger_origin, ledgers, clock.clone()).await?;
        let tables = tables(&config)?;
        let registry = open_registry(&tables, &config.data).await.map_err(Failure::failed)?;
        let live = Live::new(bundle, None, clock.now());
        let gate = Gate::open(live, ledger, registry.clone())
            .await
            .map_err(Failure::failed)?;
        let agreements = Book::new(registry.clone(), gate.ledger().clone());
        Ok(Opened {
            base_url: config.base_url,
            gate,
            registry,
            agreements,
            #[cfg(feature = "provision")]
            aws,
            operator,
            clock,
        })
    }
}

impl Opened {
    pub(super) fn office(&self) -> Office<'_> {
        Office {
            gate: &self.gate,
            registry: &self.registry,
            agreements: &self.agreements,
            #[cfg(feature = "provision")]
            aws: self.aws.as_ref(),
            operator: &self.operator,
            base_url: &self.base_url,
            clock: &self.clock,
        }
    }

    pub(super) async fn close(self) {
        self.gate.close().await;
    }
}

/// Where what a member of the configuration names is.
fn place(member: &str, source: Option<&DatabaseSource>, data: &Path) -> Result<Place, Failure> {
    let database = source.map(|source| database::read(member, source)).transpose()?;
    Ok(Place::of(database, data))
}

/// Where the registry is.
pub(in crate::cli) fn tables(config: &Config) -> Result<Place, Failure> {
    place("database", config.database.as_ref(), &config.data)
}

async fn ledger(data: &Path, origin: &str, place: Place, clock: Clock) -> Result<Ledger, Failure> {
    let keys = LedgerKeys::open(data, origin).map_err(Failure::failed)?;
    let ledger = Ledger::open_at(place, keys, clock, Options::default())
        .await
        .map_err(Failure::failed)?;
    match ledger.standing() {
        Standing::Writer => Ok(ledger),
        Standing::Standby(holder) => Err(Failure::failed(format!(
            "{holder} writes to the ledger: the service is running; stop it for as long as this takes"
        ))),
    }
}

/// AWS, where the platform is there.
#[cfg(feature = "provision")]
pub(super) async fn provision(
    config: &Config,
    bundle: &Bundle,
    rate: u32,
) -> Result<Option<crate::tenant::aws::Provision>, Failure> {
    let Some(settings) = &config.aws else { return Ok(None) };
    let wanted =
        |name: &str, what: &str| Failure::invalid(format!("`aws.{name}` is missing in the configuration: {what}"));
    let people_client = settings.people_client.clone();
    let token_url = settings.token_url.clone();
    let setting = crate::tenant::wanted::Setting {
        people_client: people_client.ok_or_else(|| {
            wanted(
                "people_client",
                "the app client of the user pool that people sign in through",
            )
        })?,
        token_url: token_url.ok_or_else(|| {
            wanted(
                "token_url",
                "where the user pool gives tokens, `https://….amazoncognito.com/oauth2/token`",
            )
        })?,
    };
    let names = bundle.account.names();
    let aws = crate::aws::Aws::open(names, settings.endpoint.as_deref()).await;
    aws.check(names).await.map_err(Failure::invalid)?;
    let account = Arc::clone(&bundle.account);
    Ok(Some(crate::tenant::aws::Provision::new(aws, account, setting, rate)))
}

/// Whether someone pressed Ctrl-C: a run stops before its next step then, and not within one.
pub(super) fn interrupted() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            set.store(true, Ordering::SeqCst);
            eprintln!("tidegate: it stops after the step under way");
        }
    });
    flag
}
