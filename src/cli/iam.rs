//! `tidegate iam`: questions to the IAM layer alone.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::de::IgnoredAny;

use super::{Exit, Failure, Outcome};
use crate::iam::simulate::{MAX_REQUEST, SimulateError, simulate};

/// What may be asked of the IAM layer.
#[derive(Debug, Subcommand)]
pub(super) enum IamCommand {
    /// Answer requests of AWS's policy simulator (SimulateCustomPolicy), offline
    Simulate(SimulateArgs),
}

/// What `iam simulate` takes.
#[derive(Args, Debug)]
pub(super) struct SimulateArgs {
    /// One request in JSON, or one on each line; `-` or nothing reads standard input
    file: Option<PathBuf>,
}

pub(super) fn run(command: &IamCommand) -> Outcome {
    let IamCommand::Simulate(args) = command;
    match args.file.as_ref().filter(|file| file.as_os_str() != "-") {
        None => answer_all("standard input", &mut io::stdin().lock()),
        Some(path) => {
            let name = path.display().to_string();
            let file = File::open(path).map_err(|error| Failure::invalid(format!("{name}: {error}")))?;
            answer_all(&name, &mut BufReader::new(file))
        }
    }
}

/// How the answers came out.
#[derive(Default)]
struct Tally {
    answered: usize,
    bad: usize,
    refused: usize,
    /// Whoever read the answers stopped.
    closed: bool,
}

fn answer_all(name: &str, input: &mut dyn BufRead) -> Outcome {
    let unreadable = |error: io::Error| Failure::invalid(format!("{name}: {error}"));
    let mut tally = Tally::default();
    let mut waiting = Vec::new();
    if let Some(first) = next_request(input).map_err(unreadable)? {
        waiting.push(first);
        if waiting.iter().all(Line::begins_a_document) {
            gather(input, &mut waiting).map_err(unreadable)?;
        }
    }
    if let Some(document) = one_document(&waiting) {
        tally.answer(&Line::Text(document), true)?;
        waiting.clear();
    }
    for line in waiting.iter().filter(|line| !line.is_blank()) {
        tally.answer(line, false)?;
    }
    while !tally.closed
        && let Some(line) = next_request(input).map_err(unreadable)?
    {
        tally.answer(&line, false)?;
    }
    if tally.answered + tally.bad == 0 {
        let message = format!("{name} is empty; give a request of SimulateCustomPolicy in JSON, or one on each line");
        return Err(Failure {
            exit: Exit::Nothing,
            message,
        });
    }
    Ok(match tally {
        Tally { bad: 1.., .. } => Exit::Invalid,
        Tally {
            answered: 1,
            refused: 1..,
            ..
        } => Exit::Finding,
        _ => Exit::Holds,
    })
}

impl Tally {
    /// Answers one request and hands the answer over at once.
    fn answer(&mut self, line: &Line, pretty: bool) -> Result<(), Failure> {
        let answer = match line {
            Line::Text(text) => simulate(text),
            Line::Unreadable(error) => Err(error.clone()),
        };
        let written = match &answer {
            Ok(simulation) if pretty => serde_json::to_string_pretty(simulation),
            Ok(simulation) => serde_json::to_string(simulation),
            Err(error) if pretty => serde_json::to_string_pretty(&error.to_json()),
            Err(error) => serde_json::to_string(&error.to_json()),
        };
        match answer {
            Ok(simulation) => {
                self.answered += 1;
                self.refused += usize::from(!simulation.all_allowed());
            }
            Err(_) => self.bad += 1,
        }
        let mut out = io::stdout().lock();
        let written = written.map_err(Failure::failed)?;
        match writeln!(out, "{written}").and_then(|()| out.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            Err(error) => Err(Failure::failed(format!("the answer cannot be written: {error}"))),
        }
    }
}

/// A line, without its end.
enum Line {
    Text(String),
    Unreadable(SimulateError),
}

impl Line {
    fn is_blank(&self) -> bool {
        matches!(self, Self::Text(text) if text.trim().is_empty())
    }

    /// Whether this is the first line of a document that goes on, rather than a request or a mistake.
    fn begins_a_document(&self) -> bool {
        let Self::Text(text) = self else { return false };
        serde_json::from_str::<IgnoredAny>(text).is_err_and(|error| error.is_eof())
    }
}

/// The next line. One that is too long is read over, so that memory is bounded.
fn next_line(input: &mut dyn BufRead) -> io::Result<Option<Line>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_REQUEST + 2).unwrap_or(u64::MAX);
    if input.take(most).read_until(b'\n', &mut bytes)? == 0 {
        return Ok(None);
    }
    let line = if bytes.len() > MAX_REQUEST + 1 && !bytes.ends_with(b"\n") {
        input.skip_until(b'\n')?;
        let message = format!("the line is longer than {MAX_REQUEST} bytes; ask for less in one request");
        Line::Unreadable(SimulateError::plain(message))
    } else {
        match std::str::from_utf8(&bytes) {
            Ok(text) => {
                let text = text.trim_end_matches(['\n', '\r']);
                Line::Text(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned())
            }
            Err(error) => {
                let at = error.valid_up_to() + 1;
                let message = format!("the line is not UTF-8 at byte {at}; write the request in UTF-8");
                Line::Unreadable(SimulateError::plain(message))
            }
        }
    };
    Ok(Some(line))
}

/// The next line that says anything.
fn next_request(input: &mut dyn BufRead) -> io::Result<Option<Line>> {
    loop {
        match next_line(input)? {
            Some(line) if line.is_blank() => {}
            line => return Ok(line),
        }
    }
}

/// Reads on, as far as one request may be long.
fn gather(input: &mut dyn BufRead, lines: &mut Vec<Line>) -> io::Result<()> {
    let mut length = 0;
    while length <= MAX_REQUEST
        && let Some(line) = next_line(input)?
    {
        if let Line::Text(text) = &line {
            length += text.len();
        }
        lines.push(line);
    }
    Ok(())
}

/// The one document that several lines are together: they are JSON as a whole; or they are not, but of all but the first
/// none begins at the margin save with a closing bracket, so that they are one request with a mistake in it and not many.
fn one_document(lines: &[Line]) -> Option<String> {
    let texts: Option<Vec<&str>> = lines
        .iter()
        .map(|line| match line {
            Line::Text(text) => Some(text.as_str()),
            Line::Unreadable(_) => None,
        })
        .collect();
    let texts = texts.filter(|texts| texts.len() > 1)?;
    let whole = texts.join("\n");
    let goes_on = |text: &&str| text.is_empty() || text.starts_with([' ', '\t', '}', ']']);
    (texts.iter().skip(1).all(goes_on) || serde_json::from_str::<IgnoredAny>(&whole).is_ok()).then_some(whole)
}
