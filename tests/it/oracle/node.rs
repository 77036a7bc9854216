//! The other evaluator, in a process of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle")
}

/// Installs what the lock file pins, unless it is there.
fn install() {
    if home().join("node_modules/@cloud-copilot/iam-simulate").is_dir() {
        return;
    }
    let done = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund"])
        .current_dir(home())
        .status();
    assert!(done.expect("npm is there").success(), "npm ci failed");
}

/// What it decides of each request.
pub fn ask<'q>(questions: impl IntoIterator<Item = &'q Value>) -> Vec<String> {
    install();
    let lines: String = questions.into_iter().map(|question| format!("{question}\n")).collect();
    let count = lines.lines().count();
    let mut child = Command::new("node")
        .arg("run.mjs")
        .current_dir(home())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node is there");
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let out = BufReader::new(child.stdout.take().unwrap());
    let said: Vec<String> = out
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    writer.join().unwrap().unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(said.len(), count);
    said
}
