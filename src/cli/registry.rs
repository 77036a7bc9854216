//! `tidegate registry descriptors|compile`: what a company registers of its footprints, and its access rules as Cedar.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;

use super::{BundleArgs, Exit, Failure, Format, Outcome, block_on, print, print_json, tenant};
use crate::clock::Clock;
use crate::config::Config;
use crate::database::Place;
use crate::http::exchange::PURPOSE;
use crate::ids::{AgreementId, Digest, TenantId};
use crate::registry::TenantWorld;
use crate::registry::store::{FILE, RegistryError, RegistryStore};
use crate::shell::Publication;
use crate::twin::{AccessRules, Origin};

/// How many agreements are read at once.
const PAGE: u32 = 1_000;

/// What `registry` does.
#[derive(Debug, Subcommand)]
pub(super) enum RegistryCommand {
    /// Print the descriptors of a company's footprints as they are to be registered (AAS registry 3.0)
    Descriptors(DescriptorsArgs),
    /// Print the Cedar that access rules compile to
    Compile {
        /// The rules, as a digital twin registry takes and gives them; `-` reads standard input
        file: PathBuf,
        /// The company whose rules they are to be; a `tid` of another is refused
        #[arg(long, value_name = "BPNL")]
        tenant: Option<TenantId>,
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

/// What `descriptors` takes.
#[derive(Args, Debug)]
pub(super) struct DescriptorsArgs {
    /// The company
    #[arg(long, value_name = "BPNL")]
    tenant: TenantId,
    /// The service's configuration: where its registry is, and the address it is reached under
    #[arg(long, value_name = "FILE", required_unless_present = "data")]
    config: Option<PathBuf>,
    /// The data directory, in place of a configuration
    #[arg(long, value_name = "DIR", conflicts_with = "config", requires = "base_url")]
    data: Option<PathBuf>,
    /// The address the service is reached under [default: the one in the configuration]
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    #[command(flatten)]
    bundle: BundleArgs,
}

/// What `compile --format json` prints.
#[derive(Serialize)]
struct Compiled<'a> {
    digest: Digest,
    rules: Vec<Explained<'a>>,
    cedar: &'a str,
    /// The normal form the paths in Cedar are of.
    #[serde(rename = "normalForm")]
    normal_form: &'a serde_json::value::RawValue,
}

#[derive(Serialize)]
struct Explained<'a> {
    #[serde(flatten)]
    origin: &'a Origin,
    says: String,
}

pub(super) fn run(command: &RegistryCommand) -> Outcome {
    match command {
        RegistryCommand::Descriptors(args) => block_on(descriptors(args))?,
        RegistryCommand::Compile { file, tenant, format } => compile(file, *tenant, *format),
    }
}

fn compile(file: &Path, tenant: Option<TenantId>, format: Format) -> Outcome {
    let failed = |problem: String| Failure::invalid(format!("{}: {problem}", file.display()));
    let text = match file == Path::new("-") {
        true => std::io::read_to_string(std::io::stdin()),
        false => std::fs::read_to_string(file),
    };
    let text = text.map_err(|error| failed(error.to_string()))?;
    let rules = AccessRules::from_json(&text).map_err(|error| failed(error.to_string()))?;
    if let Some(tenant) = tenant {
        rules.check_owner(tenant).map_err(|error| failed(error.to_string()))?;
    }
    let explained = rules.explained();
    match format {
        Format::Text => print(&shown(&rules, &explained)),
        Format::Json => print_json(&Compiled {
            digest: rules.digest(),
            rules: explained
                .into_iter()
                .map(|(origin, says)| Explained { origin, says })
                .collect(),
            cedar: rules.cedar_text(),
            normal_form: serde_json::from_slice(rules.canonical()).map_err(Failure::failed)?,
        })?,
    }
    Ok(if rules.count() == 0 { Exit::Nothing } else { Exit::Holds })
}

/// Each rule of the text in plain words, as comments, and the Cedar.
fn shown(rules: &AccessRules, explained: &[(&Origin, String)]) -> String {
    let mut out = String::new();
    for (origin, says) in explained {
        let says: String = says
            .chars()
            .map(|letter| if letter.is_control() { ' ' } else { letter })
            .collect();
        // Writing to a string cannot fail.
        let _ = writeln!(out, "// {} is /accessRules/{}: {says}", origin.pointer, origin.rule);
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out + rules.cedar_text()
}

async fn descriptors(args: &DescriptorsArgs) -> Outcome {
    let config = args
        .config
        .as_ref()
        .map(|path| Config::read(path).map_err(Failure::invalid))
        .transpose()?;
    let (place, base_url) = match (&config, &args.data) {
        (Some(config), _) => (
            tenant::tables(config)?,
            args.base_url.as_ref().unwrap_or(&config.base_url),
        ),
        (None, Some(data)) => (Place::Directory(data.clone()), base_url(args)?),
        (None, None) => return Err(Failure::invalid("give --config FILE or --data DIR")),
    };
    if base_url.ends_with('/') || !base_url.contains("://") {
        return Err(Failure::invalid(format!(
            "--base-url {base_url}: expected an address such as `https://tidegate.example`, without a slash at its end"
        )));
    }
    if let Place::Directory(data) = &place
        && !data.join(FILE).exists()
    {
        return Err(Failure::invalid(format!(
            "there is no registry in `{}`",
            data.display()
        )));
    }
    let bundle = args.bundle.source().load().map_err(Failure::invalid)?;
    let store = RegistryStore::open(&place).await.map_err(Failure::failed)?;
    let registry = store.current();
    let world = registry
        .tenant(args.tenant)
        .ok_or_else(|| Failure::invalid(format!("{} is not on record", args.tenant)))?;
    let uses = uses(&store, world).await.map_err(Failure::failed)?;
    let publication = Publication {
        bundle: &bundle,
        registry: &registry,
        world,
        base_url,
        purpose: PURPOSE,
        now: Clock::system().now(),
        uses: &uses,
    };
    let shells = publication.shells().map_err(Failure::invalid)?;
    print_json(&shells)?;
    Ok(if shells.is_empty() { Exit::Nothing } else { Exit::Holds })
}

fn base_url(args: &DescriptorsArgs) -> Result<&String, Failure> {
    let missing = || Failure::invalid("--base-url URL says under which address the service is reached");
    args.base_url.as_ref().ok_or_else(missing)
}

/// How often data was handed out, of the agreements whose terms count that.
async fn uses(store: &RegistryStore, world: &TenantWorld) -> Result<BTreeMap<AgreementId, u64>, RegistryError> {
    let mut counted = BTreeMap::new();
    if !world.agreements.values().any(|agreement| agreement.terms.counts_uses()) {
        return Ok(counted);
    }
    let mut after: Option<AgreementId> = None;
    loop {
        let page = store.list_agreements(world.tenant.id, after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(counted) };
        after = Some(last.agreement.id.clone());
        let counting = page.iter().filter(|listed| listed.agreement.terms.counts_uses());
        counted.extend(counting.map(|listed| (listed.agreement.id.clone(), listed.uses)));
    }
}
