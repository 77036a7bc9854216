//! `tidegate contract compile|explain|diff`: a contract as Cedar, in plain words, and against another.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use serde::Serialize;

use super::{Exit, Failure, Format, Outcome, print, print_json};
use crate::contract::{Clause, Difference, Kind, Notice, OtherParty, Profile, Terms, render_table};
use crate::ids::Digest;

/// What `contract` does.
#[derive(Debug, Subcommand)]
pub(super) enum ContractCommand {
    /// Print the Cedar a contract compiles to
    Compile {
        /// The ODRL policy, offer or agreement
        file: PathBuf,
        /// Read it as this kind of policy, and refuse it if it is the other
        #[arg(long = "as", value_enum, value_name = "KIND")]
        kind: Option<PolicyKind>,
    },
    /// Print each constraint with its class, its reason and what it means in law
    Explain {
        /// The ODRL policy, offer or agreement
        file: PathBuf,
        /// Read it as this kind of policy, and refuse it if it is the other
        #[arg(long = "as", value_enum, value_name = "KIND")]
        kind: Option<PolicyKind>,
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
        /// Read them as this kind of policy, and refuse one that is the other
        #[arg(long = "as", value_enum, value_name = "KIND")]
        kind: Option<PolicyKind>,
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
}

/// Which of the two policies of an offer a text is.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum PolicyKind {
    /// Who may see the offer; a text of the profile of 2405, whose only action is `use`, is read as such
    Access,
    /// Under what conditions data is provided and used
    Usage,
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
    /// What the texts name otherwise, beside the terms.
    #[serde(rename = "otherParties", skip_serializing_if = "Vec::is_empty")]
    other_parties: Vec<OtherParty>,
}

pub(super) fn run(command: &ContractCommand) -> Outcome {
    match command {
        ContractCommand::Compile { file, kind } => {
            print(&read(file, *kind)?.cedar_text_of_source());
            Ok(Exit::Holds)
        }
        ContractCommand::Explain { file, kind, format } => explain(&read(file, *kind)?, *format),
        ContractCommand::Diff { a, b, kind, format } => diff(&read(a, *kind)?, &read(b, *kind)?, *format),
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
    let other_parties = a.other_parties(b);
    match format {
        Format::Text => {
            let mut out = match same {
                true => format!("the same terms, {}\n", a.digest()),
                false => format!("the terms differ\n  - {}\n  + {}\n", a.digest(), b.digest()),
            };
            // Writing to a string cannot fail.
            for difference in &differences {
                let _ = writeln!(out, "\n{difference}");
            }
            for party in &other_parties {
                let _ = writeln!(out, "\nbeside the terms, another {party}");
            }
            print(&out);
        }
        Format::Json => print_json(&Compared {
            a: a.digest(),
            b: b.digest(),
            same,
            differences,
            other_parties,
        })?,
    }
    Ok(if same { Exit::Holds } else { Exit::Finding })
}

fn read(file: &Path, kind: Option<PolicyKind>) -> Result<Terms, Failure> {
    let failed = |problem: String| Failure::invalid(format!("{}: {problem}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
    let terms = match kind {
        None => Terms::from_odrl(&text),
        Some(PolicyKind::Access) => Terms::from_odrl_as(&text, Kind::Access),
        Some(PolicyKind::Usage) => Terms::from_odrl_as(&text, Kind::Usage),
    };
    terms.map_err(|error| failed(error.to_string()))
}
