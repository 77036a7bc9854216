//! `tidegate integration`: the supplier systems of a company, on a running service.
//!
//! What is added is asked of the service, not written beside it: so it is decided by policy, recorded, and in force with the next
//! request, and whoever adds it needs a token and no access to the service's machine.

mod runs;
mod service;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use self::runs::FetchArgs;
use self::service::{Answer, Service};
use super::{Exit, Failure, Outcome, block_on, print};
use crate::ids::{Digest, IntegrationId, TenantId};
use crate::registry::integration::MOST_BYTES;
use crate::registry::{Integration, drawn_secret};

/// What may be done with supplier systems.
#[derive(Debug, Subcommand)]
pub(super) enum IntegrationCommand {
    /// Add a supplier system, or put its document in place of what there is
    Add(AddArgs),
    /// Show the supplier systems of a company
    List(ListArgs),
    /// Stop a supplier system: whatever it proves, it can do nothing from the next request on
    Disable(OneArgs),
    /// Have a supplier system that was stopped go on
    Enable(OneArgs),
    /// Show what was fetched from a supplier system: how each run stands, what it took, and what it did not, with the reason
    Runs(OneArgs),
    /// Fetch from a supplier system now
    Fetch(FetchArgs),
    /// Draw a key at random and print it with the digest for the document
    Key,
}

/// Where the service is, and who asks.
#[derive(Args, Debug)]
struct ServiceArgs {
    /// The data directory of a service in dev mode: where it is, and who may, stands in its dev.json
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    data: Option<PathBuf>,
    /// The URL of the service
    #[arg(long, value_name = "URL", requires = "token")]
    url: Option<String>,
    /// A file with the token of a person who may do this, an admin of the company
    #[arg(long, value_name = "FILE")]
    token: Option<PathBuf>,
}

/// What `integration add` takes.
#[derive(Args, Debug)]
pub(super) struct AddArgs {
    /// The document; `-` reads standard input
    file: PathBuf,
    /// Only say whether the document is sound; asks no service
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    service: ServiceArgs,
}

/// What `integration list` takes.
#[derive(Args, Debug)]
pub(super) struct ListArgs {
    /// The company, by its BPNL
    tenant: TenantId,
    #[command(flatten)]
    service: ServiceArgs,
}

/// What `integration enable`, `disable` and `runs` take.
#[derive(Args, Debug)]
pub(super) struct OneArgs {
    /// The company, by its BPNL
    tenant: TenantId,
    /// The system's id
    id: IntegrationId,
    #[command(flatten)]
    service: ServiceArgs,
}

pub(super) fn run(command: &IntegrationCommand) -> Outcome {
    match command {
        IntegrationCommand::Add(args) => add(args),
        IntegrationCommand::List(args) => block_on(list(args))?,
        IntegrationCommand::Disable(args) => block_on(set_enabled(args, false))?,
        IntegrationCommand::Enable(args) => block_on(set_enabled(args, true))?,
        IntegrationCommand::Runs(args) => block_on(runs::runs(args))?,
        IntegrationCommand::Fetch(args) => block_on(runs::fetch(args))?,
        IntegrationCommand::Key => key(),
    }
}

fn add(args: &AddArgs) -> Outcome {
    let name = args.file.display();
    let document = read(&args.file).map_err(|error| Failure::invalid(format!("{name}: {error}")))?;
    let integration = Integration::read(&document).map_err(|error| Failure::invalid(format!("{name}:\n{error}")))?;
    if args.dry_run {
        print(&format!(
            "{name}: the document of `{}` is sound; nothing was asked\n",
            integration.id
        ));
        return Ok(Exit::Holds);
    }
    block_on(async {
        let service = Service::open(&args.service, integration.tenant).await?;
        put(&service, &integration).await
    })?
}

async fn put(service: &Service, integration: &Integration) -> Outcome {
    let answer = service.put(integration).await?;
    let (tenant, id) = (integration.tenant, &integration.id);
    match answer {
        Answer {
            status: 201, record, ..
        } => print(&format!("added `{id}` of {tenant} (record {record})\n")),
        Answer {
            status: 200, record, ..
        } => {
            let state = if integration.enabled { "enabled" } else { "stopped" };
            print(&format!("changed `{id}` of {tenant}, {state} (record {record})\n"));
        }
        answer => return Err(answer.refused()),
    }
    Ok(Exit::Holds)
}

async fn list(args: &ListArgs) -> Outcome {
    let service = Service::open(&args.service, args.tenant).await?;
    let all = service.list(args.tenant).await?;
    if all.is_empty() {
        print(&format!("{} has no supplier systems with a document\n", args.tenant));
        return Ok(Exit::Nothing);
    }
    for integration in all {
        let state = if integration.enabled { "enabled" } else { "stopped" };
        let ways = [
            integration.push.as_ref().map(|push| format!("hands in by {push}")),
            integration.pull.as_ref().map(|_| "is fetched from".to_owned()),
            integration
                .notify
                .as_ref()
                .map(|notify| format!("is told of events for {}", notify.partner)),
        ];
        let ways: Vec<_> = ways.into_iter().flatten().collect();
        let Integration { id, name, .. } = &integration;
        print(&format!("{id}  {state}  {}  ({name})\n", ways.join(", ")));
    }
    Ok(Exit::Holds)
}

async fn set_enabled(args: &OneArgs, enabled: bool) -> Outcome {
    let service = Service::open(&args.service, args.tenant).await?;
    let all = service.list(args.tenant).await?;
    let found = all.into_iter().find(|integration| integration.id == args.id);
    let none = || Failure::invalid(format!("{} has no supplier system `{}`", args.tenant, args.id));
    let integration = Integration {
        enabled,
        ..found.ok_or_else(none)?
    };
    put(&service, &integration).await
}

fn key() -> Outcome {
    let key = drawn_secret().ok_or_else(|| Failure::failed("no randomness is to be had"))?;
    let key = key.expose_secret();
    print(&format!("key     {key}\ndigest  {}\n", Digest::of(key.as_bytes())));
    eprintln!("The key is shown once: give it to the system, and the digest to the document's `/push/apiKey`.");
    Ok(Exit::Holds)
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    // One more than is taken, so that a document that is too long is told so and not cut.
    let most = MOST_BYTES as u64 + 1;
    let mut document = Vec::new();
    match path.as_os_str() == "-" {
        true => std::io::stdin().lock().take(most).read_to_end(&mut document)?,
        false => std::fs::File::open(path)?.take(most).read_to_end(&mut document)?,
    };
    Ok(document)
}

/// The text at a place of an answer.
fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
