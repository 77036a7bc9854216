//! `tidegate explain`: the decision on a question, why, and the nearest change that flips it.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{BundleArgs, Exit, Failure, Format, Outcome, print, print_json};
use crate::bundle::Bundle;
use crate::cedar::{self, Explanation};
use crate::contract::Notice;
use crate::decision::{Decision, Effect, IamAnswer, IamDecision};
use crate::engine;
use crate::iam::Explained;
use crate::question::Question;

/// What `explain` takes.
#[derive(Args, Debug)]
pub(super) struct ExplainArgs {
    /// A question in JSON: principal, action, resource, context, entities, terms; `-` reads standard input
    question: PathBuf,
    #[command(flatten)]
    bundle: BundleArgs,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Report<'a> {
    decision: &'a Decision,
    explanation: &'a Explanation,
    iam: &'a Result<Vec<Explained>, String>,
    notices: Vec<Notice>,
}

pub(super) fn run(args: &ExplainArgs) -> Outcome {
    let name = args.question.display();
    let failed = |problem: String| Failure::invalid(format!("{name}: {problem}"));
    let mut text = Vec::new();
    if args.question.as_os_str() == "-" {
        std::io::stdin()
            .read_to_end(&mut text)
            .map_err(|error| failed(error.to_string()))?;
    } else {
        text = std::fs::read(&args.question).map_err(|error| failed(error.to_string()))?;
    }
    let question = Question::from_json(&text).map_err(|error| failed(error.to_string()))?;
    let bundle = args.bundle.load()?;
    let decision = engine::decide(&bundle, &question);
    let explanation = cedar::explain(&bundle.index, &bundle.schema, &question);
    let iam = engine::explain_iam(&bundle, &question);
    match args.format {
        Format::Json => print_json(&Report {
            decision: &decision,
            explanation: &explanation,
            iam: &iam,
            notices: question.notices(),
        })?,
        Format::Text => print(&render(&bundle, &question, &decision, &explanation, &iam)),
    }
    Ok(if decision.effect == Effect::Allow {
        Exit::Holds
    } else {
        Exit::Finding
    })
}

/// The report for people.
fn render(
    bundle: &Bundle,
    question: &Question,
    decision: &Decision,
    explanation: &Explanation,
    iam: &Result<Vec<Explained>, String>,
) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "{}: {} {} {}",
        decision.effect, question.principal, question.action, question.resource
    );
    let _ = writeln!(out, "\ncedar  {}", decision.cedar.decision);
    for id in &decision.cedar.policies {
        let why = explanation
            .policies
            .iter()
            .find(|policy| policy.policy == *id)
            .map(|policy| policy.why.as_str());
        let _ = writeln!(out, "       by {id}: {}", why.unwrap_or("(no reason given)"));
    }
    if decision.cedar.decision == Effect::Deny && decision.cedar.policies.is_empty() {
        let _ = writeln!(out, "       no policy permits it");
    }
    for error in &decision.cedar.errors {
        let _ = writeln!(out, "       error: {error}");
    }
    match &decision.iam {
        IamAnswer::Evaluated { decision, statements } => {
            let _ = writeln!(out, "iam    {decision}");
            for statement in statements {
                let _ = writeln!(out, "       by {statement}");
            }
            match iam {
                Err(problem) => drop(writeln!(out, "       nothing can be asked: {problem}")),
                Ok(asked) => asked
                    .iter()
                    .filter(|asked| asked.decision != IamDecision::Allowed)
                    .for_each(|asked| refusal(&mut out, asked)),
            }
        }
        IamAnswer::NotApplicable { reason } => {
            let _ = writeln!(out, "iam    not asked: {reason}");
        }
    }
    if !explanation.flip.is_empty() {
        let _ = writeln!(out, "\nwhat would change it");
        for step in &explanation.flip {
            let _ = writeln!(out, "  - {step}");
        }
    }
    let notices = question.notices();
    if !notices.is_empty() {
        let _ = writeln!(out, "\nwhat binds the parties besides, and no machine can judge");
        for Notice { clause, text, .. } in &notices {
            let _ = writeln!(out, "  - {clause}\n    {text}");
        }
    }
    let _ = writeln!(out, "\nbundle {}", bundle.digest);
    out
}

/// Why AWS would refuse one request.
fn refusal(out: &mut String, refused: &Explained) {
    let Explained {
        action,
        resource,
        decided_by,
        ..
    } = refused;
    let _ = writeln!(out, "       {action} on {resource}\n       refused by the {decided_by}");
    let Some(near) = &refused.nearest else { return };
    let (document, _) = near.statement.split_once('#').unwrap_or((&near.statement, ""));
    let place = format!("policies/iam/{document}.json:{}:{}", near.line, near.column);
    let _ = match refused.decision {
        IamDecision::ExplicitDeny => writeln!(out, "       at {place}"),
        _ => writeln!(
            out,
            "       {} would allow but for {} ({place})",
            near.statement,
            near.failed.join(", ")
        ),
    };
}
