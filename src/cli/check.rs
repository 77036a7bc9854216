//! `tidegate check`: the corpus on both layers, side by side; and what is deployed in AWS, held to the bundle.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::corpus::{CorpusArgs, style};
use super::{Exit, Failure, Outcome, print};
use crate::bundle::Correspondence;
use crate::parity::{self, deployed};

/// The most a file from AWS may hold, in bytes: 5,000 roles with all that can be attached to them are some 100 MB.
const FILE_LIMIT: u64 = 256 << 20;

/// What `check` takes.
#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    corpus: CorpusArgs,
    /// Which layer to hold to the corpus
    #[arg(long, value_enum, default_value_t = Layer::Both)]
    layer: Layer,
    /// Hold to the bundle what is deployed: the JSON of `aws iam get-account-authorization-details`
    #[arg(long, value_name = "FILE", conflicts_with = "layer")]
    deployed: Option<PathBuf>,
    /// The deployment's names, as `[aws]` of a correspondence of layers [default: the bundle's own]
    #[arg(long, value_name = "FILE", requires = "deployed")]
    names: Option<PathBuf>,
}

/// Which layer to hold to the corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Layer {
    /// What Cedar says
    Cedar,
    /// What AWS would say
    Iam,
    /// Both, and where they may disagree
    Both,
}

pub(super) fn run(args: &CheckArgs) -> Outcome {
    if let Some(file) = &args.deployed {
        return run_deployed(args, file);
    }
    let (bundle, corpus) = args.corpus.load()?;
    let layer = match args.layer {
        Layer::Cedar => parity::Layer::Cedar,
        Layer::Iam => parity::Layer::Iam,
        Layer::Both => parity::Layer::Both,
    };
    let report = parity::run_layer(&bundle, &corpus, layer);
    print(&report.render_for(args.corpus.format(), style()));
    Ok(match (report.is_empty(), report.holds()) {
        (true, _) => Exit::Nothing,
        (false, true) => Exit::Holds,
        (false, false) => Exit::Finding,
    })
}

fn run_deployed(args: &CheckArgs, file: &Path) -> Outcome {
    let format = args.corpus.format();
    if !matches!(format, parity::Format::Text | parity::Format::Json) {
        return Err(Failure::invalid("what is deployed is printed as `text` or `json`"));
    }
    let (bundle, corpus) = args.corpus.load()?;
    let deployment = match &args.names {
        None => deployed::Deployment::of(&bundle),
        Some(path) => {
            let text = String::from_utf8(read(path)?);
            let text = text.map_err(|error| Failure::invalid(format!("`{}`: {error}", path.display())))?;
            let table = Correspondence::parse(&text);
            let table = table.map_err(|problem| Failure::invalid(format!("`{}`: {problem}", path.display())))?;
            deployed::Deployment::from(&table)
        }
    };
    let export = deployed::Export::read(&read(file)?);
    let export = export.map_err(|error| Failure::invalid(format!("`{}`: {error}", file.display())))?;
    let report = deployed::check(&bundle, &corpus, &deployment, &export);
    match format {
        parity::Format::Json => print(&report.json()),
        _ => print(&report.text(style())),
    }
    Ok(match (report.is_empty(), report.holds()) {
        (true, _) => Exit::Nothing,
        (false, true) => Exit::Holds,
        (false, false) => Exit::Finding,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let cannot = |problem: String| Failure::invalid(format!("cannot read `{}`: {problem}", path.display()));
    let size = std::fs::metadata(path)
        .map_err(|error| cannot(error.to_string()))?
        .len();
    if size > FILE_LIMIT {
        return Err(cannot(format!("it has {size} bytes; at most {FILE_LIMIT} are read")));
    }
    std::fs::read(path).map_err(|error| cannot(error.to_string()))
}
