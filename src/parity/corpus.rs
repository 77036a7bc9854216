//! The corpus: worlds, cases and the lists of divergences and exemptions, read whole or not at all.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::case::{self, Case};
use super::coverage::Exemption;
use super::divergence::Divergence;
use super::request::{self, RequestCase};
use super::sign_in::{self, SignInCase};
use super::world::World;

/// The most a single file may hold.
const FILE_LIMIT: u64 = 1 << 20;

/// Every case, the worlds they are drawn from, where the layers may disagree, and what need not be shown.
#[derive(Clone, Debug, Default)]
pub struct Corpus {
    /// Questions, by theme and name.
    pub cases: Vec<Case>,
    /// Requests to AWS, by theme and name.
    pub requests: Vec<RequestCase>,
    /// Sign-ins at an identity pool, by theme and name.
    pub sign_ins: Vec<SignInCase>,
    /// By name.
    pub worlds: BTreeMap<String, Arc<World>>,
    /// In the order of the file.
    pub divergences: Vec<Divergence>,
    /// What the matrix need not show, in the order of the file.
    pub exemptions: Vec<Exemption>,
}

/// A corpus that cannot be read: every file that is at fault. A case that is skipped is a rule nobody checks, so one bad file
/// fails the whole run.
#[derive(Debug)]
pub struct CorpusError {
    /// The files and what is wrong with each; never empty.
    pub unreadable: Vec<Unreadable>,
}

/// One file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its path below the corpus's root.
    pub file: String,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for CorpusError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the corpus cannot be read:")?;
        for Unreadable { file, problem } in &self.unreadable {
            write!(formatter, "\n  {file}: {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for CorpusError {}

impl Corpus {
    /// Reads a corpus from files by path: `worlds/{world}.json`, `corpus/{theme}/{case}.json`, `divergences.json`,
    /// `matrix-exemptions.json`. Text files for people (`.md`) are passed over.
    ///
    /// # Errors
    /// Every file that is at fault.
    pub fn read<'f>(files: impl IntoIterator<Item = (&'f str, &'f [u8])>) -> Result<Self, CorpusError> {
        let files: BTreeMap<_, _> = files.into_iter().filter(|(path, _)| !path.ends_with(".md")).collect();
        let mut corpus = Self::default();
        let mut unreadable = Vec::new();
        let mut failed = |file: &str, problem: String| {
            unreadable.push(Unreadable {
                file: file.to_owned(),
                problem,
            })
        };
        for (path, text) in &files {
            let Some(rest) = path.strip_prefix("worlds/") else {
                continue;
            };
            let read = match stem(rest) {
                Some(name) => World::read(name, text).map(|world| (name.to_owned(), Arc::new(world))),
                None => Err(NOT_A_FILE.to_owned()),
            };
            match read {
                Ok((name, world)) => drop(corpus.worlds.insert(name, world)),
                Err(problem) => failed(path, problem),
            }
        }
        for (path, text) in &files {
            if *path == "divergences.json" {
                match crate::json::read(text) {
                    Ok(list) => corpus.divergences = list,
                    Err(error) => failed(path, error.to_string()),
                }
            } else if *path == "matrix-exemptions.json" {
                match crate::json::read(text) {
                    Ok(list) => corpus.exemptions = list,
                    Err(error) => failed(path, error.to_string()),
                }
            } else if let Some(rest) = path.strip_prefix("corpus/") {
                let read = match rest.split_once('/').map(|(theme, file)| (theme, stem(file))) {
                    Some((theme, Some(name))) if is_name(theme) && request::is_request(text) => {
                        request::read(theme, name, text).map(|case| corpus.requests.push(case))
                    }
                    Some((theme, Some(name))) if is_name(theme) && sign_in::is_sign_in(text) => {
                        sign_in::read(theme, name, text).map(|case| corpus.sign_ins.push(case))
                    }
                    Some((theme, Some(name))) if is_name(theme) => {
                        case::read(theme, name, text, &corpus.worlds).map(|case| corpus.cases.push(case))
                    }
                    _ => Err(NOT_A_FILE.to_owned()),
                };
                if let Err(problem) = read {
                    failed(path, problem);
                }
            }
        }
        if unreadable.is_empty() {
            Ok(corpus)
        } else {
            Err(CorpusError { unreadable })
        }
    }
}

const NOT_A_FILE: &str = "not where a file is looked for; worlds are `worlds/{world}.json`, cases `corpus/{theme}/{case}.json`, \
                          with names of a-z 0-9 `-`";

/// The name of a file that holds a world or a case.
fn stem(file: &str) -> Option<&str> {
    file.strip_suffix(".json").filter(|name| is_name(name))
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

/// Reads the corpus below `root`: the directories `worlds` and `corpus` and the files `divergences.json` and
/// `matrix-exemptions.json`. What is not there is empty.
///
/// # Errors
/// Every file that is at fault, and `root` itself if it is not a directory.
pub fn load(root: &Path) -> Result<Corpus, CorpusError> {
    let mut files = BTreeMap::new();
    let mut unreadable = Vec::new();
    if !root.is_dir() {
        unreadable.push(Unreadable {
            file: root.display().to_string(),
            problem: "not a directory".into(),
        });
    }
    for part in ["worlds", "corpus", "divergences.json", "matrix-exemptions.json"] {
        if root.join(part).exists() {
            collect(&root.join(part), part, &mut files, &mut unreadable);
        }
    }
    let read = Corpus::read(files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())));
    match read {
        Ok(corpus) if unreadable.is_empty() => Ok(corpus),
        Ok(_) => Err(CorpusError { unreadable }),
        Err(error) => Err(CorpusError {
            unreadable: unreadable.into_iter().chain(error.unreadable).collect(),
        }),
    }
}

fn collect(path: &Path, name: &str, files: &mut BTreeMap<String, Vec<u8>>, unreadable: &mut Vec<Unreadable>) {
    let mut failed = |problem: String| {
        unreadable.push(Unreadable {
            file: name.to_owned(),
            problem,
        })
    };
    // A link is not followed: what a corpus holds is what lies in it.
    let kind = match std::fs::symlink_metadata(path) {
        Ok(kind) => kind,
        Err(error) => return failed(error.to_string()),
    };
    if kind.is_dir() {
        let entries = std::fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        match entries {
            Err(error) => failed(error.to_string()),
            Ok(entries) => {
                for entry in entries {
                    let file = entry.file_name().to_string_lossy().into_owned();
                    collect(&entry.path(), &format!("{name}/{file}"), files, unreadable);
                }
            }
        }
    } else if !kind.is_file() || kind.len() > FILE_LIMIT {
        failed("not a regular file of at most 1 MiB".into());
    } else {
        match std::fs::read(path) {
            Ok(bytes) => drop(files.insert(name.to_owned(), bytes)),
            Err(error) => failed(error.to_string()),
        }
    }
}
