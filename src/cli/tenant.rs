//! `tidegate tenant …`: companies come, go, are stopped, and are looked at.

mod many;
mod office;
mod one;
mod show;

use std::path::PathBuf;

pub(super) use self::office::tables;

use clap::{Args, Subcommand, ValueEnum};

use super::{BundleArgs, Exit, Failure, Format, Outcome, block_on};
use crate::iam::Isolation;
use crate::ids::{OperatorName, TenantId};
use crate::tenant::PassageError;

/// What `tenant` does.
#[derive(Debug, Subcommand)]
pub(super) enum TenantCommand {
    /// Bring a company onto the platform, or many from a table; an interrupted run is finished by the next
    Onboard(OnboardArgs),
    /// Take a company off the platform: first what it could do, then what stands for it
    Offboard(OneArgs),
    /// Stop a company: from the next request on, everything is refused
    Suspend(OneArgs),
    /// End a suspension
    Resume(OneArgs),
    /// List the companies on the platform
    List(show::ListArgs),
    /// Compare what stands for a company with what should
    Show(show::ShowArgs),
}

/// Whose platform it is, and who acts.
#[derive(Args, Debug)]
struct OfficeArgs {
    /// The service's configuration; the service must not be running, for the ledger has one writer
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Who has it done, one of `[operators]` in the configuration [default: the only one there]
    #[arg(long, value_name = "NAME")]
    operator: Option<OperatorName>,
    /// The most calls a second to each service of AWS (as many go at once after a second of none)
    #[arg(long, value_name = "N", default_value_t = 8)]
    rate: u32,
    #[command(flatten)]
    bundle: BundleArgs,
    /// How the report is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// One company.
#[derive(Args, Debug)]
pub(super) struct OneArgs {
    /// The company
    bpnl: TenantId,
    #[command(flatten)]
    office: OfficeArgs,
}

/// How a tenant's sessions are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// A role of its own
    Role,
    /// One role for all, told apart by the session's tag
    Tags,
}

/// What `onboard` takes.
#[derive(Args, Debug)]
pub(super) struct OnboardArgs {
    /// The company
    #[arg(required_unless_present = "csv")]
    bpnl: Option<TenantId>,
    /// Its name, for people
    #[arg(long, required_unless_present = "csv")]
    name: Option<String>,
    /// How its sessions are kept apart; must be what the bundle says [default: what the bundle says]
    #[arg(long, value_enum)]
    mode: Option<Mode>,
    /// Print what would be made, and make nothing
    #[arg(long)]
    dry_run: bool,
    /// Many companies: a table with the columns `bpnl` and `name`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["bpnl", "name", "identity", "connector"])]
    csv: Option<PathBuf>,
    /// Whose tokens its endpoints take, as JSON; needed where the platform is not in AWS
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// Its connector, as JSON: `participant`, `dsp`, `management`, `signaling` and the `secret` with its key
    #[arg(long, value_name = "FILE")]
    connector: Option<PathBuf>,
    #[command(flatten)]
    office: OfficeArgs,
}

pub(super) fn run(command: &TenantCommand) -> Outcome {
    block_on(async {
        match command {
            TenantCommand::Onboard(args) if args.dry_run => one::plan(args),
            TenantCommand::Onboard(args) if args.csv.is_some() => many::onboard(args).await,
            TenantCommand::Onboard(args) => one::onboard(args).await,
            TenantCommand::Offboard(args) => one::offboard(args).await,
            TenantCommand::Suspend(args) => one::suspend(args).await,
            TenantCommand::Resume(args) => one::resume(args).await,
            TenantCommand::List(args) => show::list(args).await,
            TenantCommand::Show(args) => show::show(args).await,
        }
    })?
}

/// What was asked for must be what the bundle says: the layers are evaluated for that.
fn same_mode(mode: Option<Mode>, isolation: Isolation) -> Result<(), Failure> {
    let says = match isolation {
        Isolation::Role => Mode::Role,
        Isolation::Tags => Mode::Tags,
    };
    match mode {
        Some(mode) if mode != says => {
            let shown = |mode: Mode| mode.to_possible_value().map(|value| value.get_name().to_owned());
            let (asked, says) = (shown(mode).unwrap_or_default(), shown(says).unwrap_or_default());
            Err(Failure::invalid(format!(
                "--mode {asked}: the bundle keeps tenants apart by `{says}`; change `isolation` in policies/correspondence.toml, so that \
                 policies are evaluated for what is deployed"
            )))
        }
        _ => Ok(()),
    }
}

/// How a run ended that did not come to its end.
fn failure(tenant: TenantId, error: &PassageError) -> Failure {
    let exit = match error {
        PassageError::Denied { .. } => Exit::Finding,
        PassageError::State { .. } | PassageError::Unknown(_) => Exit::Invalid,
        _ => Exit::Failed,
    };
    Failure {
        exit,
        message: format!("{tenant}: {error}"),
    }
}
