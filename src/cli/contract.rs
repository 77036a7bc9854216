//! `tidegate contract compile|explain|diff`: a contract as Cedar, in plain words, and against another.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;

use super::{Exit, Failure, Format, Outcome, print, print_json};
use crate::contract::{Clause, Difference, Kind, Notice, Profile, Terms, render_table};
use crate::ids::Digest;

/// What `contract` does.
#[derive(Debug, Subcommand)]
pub(super) enum ContractCommand {
    /// Print the Cedar a contract compiles to
    Compile {
        /// The ODRL policy, offer or agreement
        file: PathBuf,
    },
    /// Print each constraint with its class, its reason and what it means in law
    Explain {
        /// The ODRL policy, offer or agreement
        file: PathBuf,
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Tell whether two contracts have the same terms, and if not, which constraints differ
    Diff {
        /// The one
        a: PathBuf,
        /// The other
        b: PathBuf,
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

/// What `explain --format json` prints.
#[derive(Serialize)]
struct Explained<'a> {
    digest: Digest,
    kind: Kind,
    profile: Profile,
    constraints: Vec<Clause>,
    notices: Vec<Notice>,
    /// The normal form the paths are of.
    #[serde(rename = "normalForm")]
    normal_form: &'a serde_json::value::RawValue,
}

/// What `diff --format json` prints.
#[derive(Serialize)]
struct Compared {
    a: Digest,
    b: Digest,
    same: bool,
    differences: Vec<Difference>,
}

pub(super) fn run(command: &ContractCommand) -> Outcome {
    match command {
        ContractCommand::Compile { file } => {
            print(read(file)?.cedar_text());
            Ok(Exit::Holds)
        }
        ContractCommand::Explain { file, format } => explain(&read(file)?, *format),
        ContractCommand::Diff { a, b, format } => diff(&read(a)?, &read(b)?, *format),
    }
}

fn explain(terms: &Terms, format: Format) -> Outcome {
    match format {
        Format::Text => print(&render_table(terms)),
        Format::Json => print_json(&Explained {
            digest: terms.digest(),
            kind: terms.kind(),
            profile: terms.profile(),
            constraints: terms.constraints(),
            notices: terms.notices(),
            normal_form: serde_json::from_slice(terms.canonical()).map_err(Failure::failed)?,
        })?,
    }
    Ok(Exit::Holds)
}

fn diff(a: &Terms, b: &Terms, format: Format) -> Outcome {
    let same = a.digest() == b.digest();
    let differences = a.differences(b);
    match format {
        Format::Text if same => print(&format!("the same terms, {}\n", a.digest())),
        Format::Text => {
            let mut out = format!("the terms differ\n  - {}\n  + {}\n", a.digest(), b.digest());
            for difference in &differences {
                // Writing to a string cannot fail.
                let _ = writeln!(out, "\n{difference}");
            }
            print(&out);
        }
        Format::Json => print_json(&Compared {
            a: a.digest(),
            b: b.digest(),
            same,
            differences,
        })?,
    }
    Ok(if same { Exit::Holds } else { Exit::Finding })
}

fn read(file: &Path) -> Result<Terms, Failure> {
    let failed = |problem: String| Failure::invalid(format!("{}: {problem}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
    Terms::from_odrl(&text).map_err(|error| failed(error.to_string()))
}
