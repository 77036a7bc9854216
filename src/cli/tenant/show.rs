//! Which companies there are, and whether what stands for one is what should.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::OfficeArgs;
use crate::cli::{Exit, Failure, Format, Outcome, print, print_json};
use crate::database::Place;
use crate::ids::TenantId;
use crate::registry::store::{FILE, RegistryStore};
use crate::registry::{Tenant, TenantState};
use crate::tenant::Difference;

/// What `list` takes.
#[derive(Args, Debug)]
pub(in crate::cli) struct ListArgs {
    /// The data directory [default: the one the configuration names]
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    data: Option<PathBuf>,
    #[command(flatten)]
    office: OfficeArgs,
}

/// What `show` takes.
#[derive(Args, Debug)]
pub(in crate::cli) struct ShowArgs {
    /// The company
    bpnl: TenantId,
    /// The data directory [default: the one the configuration names]
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    data: Option<PathBuf>,
    #[command(flatten)]
    office: OfficeArgs,
}

#[derive(Serialize)]
struct Listed<'l> {
    tenant: TenantId,
    state: TenantState,
    name: &'l str,
}

#[derive(Serialize)]
struct Shown<'s> {
    tenant: TenantId,
    state: TenantState,
    name: &'s str,
    issuer: &'s str,
    resource_server: &'s str,
    connector: bool,
    secrets: Vec<String>,
    agreements: usize,
    footprints: usize,
    /// What was compared: what is in AWS, or only what is on record.
    compared: &'static str,
    differences: Vec<Difference>,
}

/// Reads the registry beside a service that may be running.
async fn registry(data: Option<&PathBuf>, office: &OfficeArgs) -> Result<RegistryStore, Failure> {
    let place = match data {
        Some(data) => Place::Directory(data.clone()),
        None => super::office::tables(&office.config()?)?,
    };
    if let Place::Directory(data) = &place
        && !data.join(FILE).exists()
    {
        let data = data.display();
        return Err(Failure::invalid(format!("there is no registry in `{data}`")));
    }
    RegistryStore::open(&place).await.map_err(Failure::failed)
}

pub(super) async fn list(args: &ListArgs) -> Outcome {
    let registry = registry(args.data.as_ref(), &args.office).await?.current();
    let mut tenants: Vec<&Tenant> = registry.tenants().map(|world| &world.tenant).collect();
    tenants.sort_by_key(|tenant| tenant.id);
    let listed: Vec<_> = tenants
        .iter()
        .map(|tenant| Listed {
            tenant: tenant.id,
            state: tenant.state,
            name: &tenant.name,
        })
        .collect();
    match args.office.format {
        Format::Json => print_json(&listed)?,
        Format::Text => {
            let lines = listed
                .iter()
                .map(|one| format!("{}  {:<10}  {}\n", one.tenant, one.state.as_str(), one.name));
            print(&lines.collect::<String>());
        }
    }
    Ok(if listed.is_empty() { Exit::Nothing } else { Exit::Holds })
}

pub(super) async fn show(args: &ShowArgs) -> Outcome {
    let registry = registry(args.data.as_ref(), &args.office).await?.current();
    let world = registry
        .tenant(args.bpnl)
        .ok_or_else(|| Failure::invalid(format!("{} is not on record", args.bpnl)))?;
    let tenant = &world.tenant;
    let differences = in_aws(args, tenant).await?;
    let shown = Shown {
        tenant: tenant.id,
        state: tenant.state,
        name: &tenant.name,
        issuer: &tenant.identity.issuer,
        resource_server: &tenant.identity.resource_server,
        connector: tenant.connector.is_some(),
        secrets: tenant.secrets.keys().map(ToString::to_string).collect(),
        agreements: world.agreements.values().count(),
        footprints: world.footprints.values().count(),
        compared: if differences.is_some() { "aws" } else { "record" },
        differences: differences.unwrap_or_default(),
    };
    match args.office.format {
        Format::Json => print_json(&shown)?,
        Format::Text => print(&text(&shown)),
    }
    Ok(if shown.differences.is_empty() {
        Exit::Holds
    } else {
        Exit::Finding
    })
}

fn text(shown: &Shown<'_>) -> String {
    let mut text = format!(
        "{} is {}: {}\n  issuer           {}\n  resource server  {}\n  connector        {}\n  secrets          {}\n  agreements       {}\n  footprints       {}\n",
        shown.tenant,
        shown.state.as_str(),
        shown.name,
        shown.issuer,
        shown.resource_server,
        if shown.connector {
            "known to Tidegate"
        } else {
            "none Tidegate speaks to"
        },
        if shown.secrets.is_empty() {
            "none noted".to_owned()
        } else {
            shown.secrets.join(", ")
        },
        shown.agreements,
        shown.footprints,
    );
    for difference in &shown.differences {
        text.push_str(&format!("  DIFFERS: {difference}\n"));
    }
    text.push_str(match (shown.compared, shown.differences.is_empty()) {
        ("aws", true) => "all in AWS is as it should be",
        ("aws", false) => "what stands in AWS is not what should",
        _ => "nothing was compared with AWS: there is no [aws] in the configuration",
    });
    text
}

/// What differs in AWS; none where that was not looked at. Of a tenant that is gone nothing should be there.
#[cfg(feature = "provision")]
async fn in_aws(args: &ShowArgs, tenant: &Tenant) -> Result<Option<Vec<Difference>>, Failure> {
    if args.office.config.is_none() || tenant.state == TenantState::Offboarded {
        return Ok(None);
    }
    let config = args.office.config()?;
    let bundle = args.office.load(&config)?;
    let Some(aws) = super::office::provision(&config, &bundle, args.office.rate).await? else {
        return Ok(None);
    };
    let now = crate::clock::Clock::system().now();
    let wanted =
        crate::tenant::wanted::Wanted::of(&bundle, (tenant.id, tenant.identity.not_before), &config.base_url, now)
            .map_err(Failure::invalid)?;
    aws.differences(&wanted, tenant)
        .await
        .map(Some)
        .map_err(Failure::failed)
}

#[cfg(not(feature = "provision"))]
async fn in_aws(_: &ShowArgs, _: &Tenant) -> Result<Option<Vec<Difference>>, Failure> {
    Ok(None)
}
