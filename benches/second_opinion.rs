//! How long the IAM layer takes for an answer, beside `@cloud-copilot/iam-simulate`, over the same questions in one run: every
//! request the corpus sends to AWS, with the policies read beforehand on both sides.
//!
//! `cargo bench --bench second_opinion`. It needs node, and in `tests/oracle` what `npm ci` installs there.

#![expect(
    clippy::expect_used,
    reason = "a bench that cannot set up its scene has nothing to measure"
)]

use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tidegate::bundle::{Bundle, Source};
use tidegate::iam::evaluate;
use tidegate::iam::simulate::request_document;
use tidegate::parity::{self, each_aws_request};

/// How often each question is asked of us; the other side is asked a hundredth of that.
const ROUNDS: u32 = 1_000;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let bundle = Bundle::load(Source::built_in()).expect("the built-in bundle loads");
    let corpus = parity::load(&root.join("fixtures")).expect("the corpus reads");
    let mut questions = String::new();
    let (mut count, mut took) = (0_u32, Duration::ZERO);
    each_aws_request(&bundle, &corpus, |_, request, layers, params| {
        let Ok(document) = request_document(request, layers, params) else {
            return;
        };
        questions.push_str(&document.to_string());
        questions.push('\n');
        let started = Instant::now();
        for _ in 0..ROUNDS {
            drop(black_box(evaluate(black_box(request), layers, params)));
        }
        took += started.elapsed();
        count += 1;
    })
    .expect("every session policy of the corpus is there");
    let ours = took.as_secs_f64() * 1e9 / f64::from(count) / f64::from(ROUNDS);
    let theirs = other(&root.join("tests/oracle"), questions);
    println!("{count} questions");
    println!("tidegate                        {ours:>10.0} ns an answer");
    println!("@cloud-copilot/iam-simulate     {theirs:>10.0} ns an answer");
    println!("ratio                           {:>10.0}", theirs / ours);
}

/// The mean of the other evaluator, in nanoseconds.
fn other(home: &Path, questions: String) -> f64 {
    let mut child = Command::new("node")
        .args(["run.mjs", "--time", &(ROUNDS / 100).to_string()])
        .current_dir(home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node is there");
    let mut input = child.stdin.take().expect("its input is ours");
    input.write_all(questions.as_bytes()).expect("it reads the questions");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "run `npm ci` in tests/oracle first");
    let text = String::from_utf8(output.stdout).expect("it writes a number");
    text.trim().parse().expect("it writes a number")
}
