//! The command line: one file per subcommand, and exit codes that mean one thing.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | holds, or allowed |
//! | 1 | the tool failed |
//! | 2 | denied, a mismatch or a finding |
//! | 3 | invalid input |
//! | 4 | nothing to check |

mod bundle;
mod check;
mod contract;
mod corpus;
mod database;
pub mod demo;
mod explain;
mod health;
mod iam;
mod integration;
mod ledger;
mod matrix;
mod registry;
pub mod replay;
mod serve;
mod tenant;
mod validate;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use self::database::DatabaseArgs;

/// Decides who may touch what on a multi-tenant exchange of Product Carbon Footprints.
#[derive(Debug, Parser)]
#[command(name = "tidegate", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve decisions, footprints and credentials over HTTP
    Serve(serve::ServeArgs),
    /// Ask a running service whether it lives
    Health(health::HealthArgs),
    /// Walk the six steps of an exchange against a dev service, with the attacks it must refuse
    Demo(demo::DemoArgs),
    /// Run the corpus on both layers, side by side
    Check(check::CheckArgs),
    /// Show who may do what in the corpus's worlds, by both layers
    Matrix(matrix::MatrixArgs),
    /// Load a bundle and say what is wrong with it
    Validate(validate::ValidateArgs),
    /// Compile contracts (ODRL) to Cedar, or explain them
    Contract {
        #[command(subcommand)]
        command: contract::ContractCommand,
    },
    /// Say how a question is decided, why, and what would flip it
    Explain(explain::ExplainArgs),
    /// Check the ledger
    Ledger {
        #[command(subcommand)]
        command: ledger::LedgerCommand,
    },
    /// Ask the IAM layer alone
    Iam {
        #[command(subcommand)]
        command: iam::IamCommand,
    },
    /// Add, list and stop the supplier systems of a company, on a running service
    Integration {
        #[command(subcommand)]
        command: integration::IntegrationCommand,
    },
    /// What is registered of a company's footprints in a digital twin registry, and who sees it
    Registry {
        #[command(subcommand)]
        command: registry::RegistryCommand,
    },
    /// Make recorded decisions again
    Replay(replay::ReplayArgs),
    /// Have companies come onto the platform and leave it
    Tenant {
        #[command(subcommand)]
        command: tenant::TenantCommand,
    },
}

/// How a report is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// Which bundle a command works on.
#[derive(Args, Clone, Debug)]
struct BundleArgs {
    /// Directory with `policies/` and `schema/` [default: the current directory where it has both, else the built-in bundle]
    #[arg(long = "bundle", value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Holds, or allowed.
    Holds = 0,
    /// The tool failed.
    Failed = 1,
    /// Denied, a mismatch or a finding.
    Finding = 2,
    /// Invalid input.
    Invalid = 3,
    /// Nothing to check.
    Nothing = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not come to its end: what to print, and the exit code.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    /// The input is invalid.
    pub fn invalid(message: impl ToString) -> Self {
        Self {
            exit: Exit::Invalid,
            message: message.to_string(),
        }
    }

    /// The tool failed.
    pub fn failed(message: impl ToString) -> Self {
        Self {
            exit: Exit::Failed,
            message: message.to_string(),
        }
    }

    /// Says why on standard error, and how the command ended.
    pub fn told(self, command: &str) -> Exit {
        eprintln!("{command}: {}", self.message.trim_end());
        self.exit
    }
}

/// How a command ended, or why it did not come to its end.
pub type Outcome = Result<Exit, Failure>;

/// Reads the command line. Where it does not parse, or asks for help or the version, what is to be said is said, and only the exit code
/// is left.
///
/// # Errors
///
/// The exit code.
pub fn parse<C: Parser>() -> Result<C, ExitCode> {
    C::try_parse().map_err(|error| {
        // Help and version go to standard output and succeed; a command line that does not parse is invalid input.
        let exit = if error.use_stderr() { Exit::Invalid } else { Exit::Holds };
        let _ = error.print();
        exit.into()
    })
}

/// Runs a command to its end.
pub fn run(cli: Cli) -> Exit {
    crate::facts::install_crypto();
    let outcome = match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Health(args) => health::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Matrix(args) => matrix::run(&args),
        Command::Validate(args) => validate::run(&args),
        Command::Contract { command } => contract::run(&command),
        Command::Explain(args) => explain::run(&args),
        Command::Ledger { command } => ledger::run(&command),
        Command::Iam { command } => iam::run(&command),
        Command::Integration { command } => integration::run(&command),
        Command::Registry { command } => registry::run(&command),
        Command::Replay(args) => replay::run(&args),
        Command::Tenant { command } => tenant::run(&command),
    };
    outcome.unwrap_or_else(|failure| failure.told("tidegate"))
}

/// Runs an asynchronous command on a small runtime.
fn block_on<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    Ok(runtime.map_err(Failure::failed)?.block_on(future))
}

/// Prints a report to standard output. A reader that stopped reading, such as `head`, is no failure.
fn print(text: &str) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    if !text.ends_with('\n') {
        let _ = out.write_all(b"\n");
    }
    let _ = out.flush();
}

fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    print(&serde_json::to_string_pretty(value).map_err(Failure::failed)?);
    Ok(())
}
