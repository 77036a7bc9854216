//! What was fetched from a supplier system, and fetching from it now.

use clap::Args;
use serde_json::Value;

use super::service::{Answer, Service};
use super::{OneArgs, text};
use crate::cli::{Exit, Outcome, print};

/// What `integration fetch` takes.
#[derive(Args, Debug)]
pub(in crate::cli) struct FetchArgs {
    #[command(flatten)]
    of: OneArgs,
    /// Ask for everything, and not only for what changed since the last run that came to its end
    #[arg(long)]
    whole: bool,
}

pub(super) async fn runs(args: &OneArgs) -> Outcome {
    let service = Service::open(&args.service, args.tenant).await?;
    let runs = service.runs(args.tenant, &args.id).await?;
    if runs.is_empty() {
        print(&format!(
            "nothing was fetched from `{}` of {} yet\n",
            args.id, args.tenant
        ));
        return Ok(Exit::Nothing);
    }
    runs.iter().for_each(show);
    Ok(Exit::Holds)
}

fn show(run: &Value) {
    let count = |name: &str| run.get(name).and_then(Value::as_u64).unwrap_or_default();
    let when = match text(run, "/ended") {
        "" => format!("since {}", text(run, "/began")),
        ended => format!("{} to {ended}", text(run, "/began")),
    };
    let (pages, taken, unchanged, refused) = (count("pages"), count("taken"), count("unchanged"), count("refused"));
    let word = if pages == 1 { "page" } else { "pages" };
    let mut lines = format!(
        "{}  {}  {when}  {pages} {word}: {taken} taken, {unchanged} unchanged, {refused} refused\n",
        count("number"),
        text(run, "/state"),
    );
    let problem = text(run, "/problem");
    if !problem.is_empty() {
        lines.push_str(&format!("  {problem}\n"));
    }
    for refusal in run.get("refusals").and_then(Value::as_array).into_iter().flatten() {
        let place = |name: &str| refusal.get(name).and_then(Value::as_u64).unwrap_or_default();
        let named = text(refusal, "/pcf_id");
        let named = if named.is_empty() { "(no id)" } else { named };
        let reason = text(refusal, "/reason");
        lines.push_str(&format!(
            "  page {}, entry {}: {named}: {reason}",
            place("page"),
            place("place")
        ));
        let record = text(refusal, "/record");
        if !record.is_empty() {
            lines.push_str(&format!(" (record {record})"));
        }
        lines.push('\n');
    }
    print(&lines);
}

pub(super) async fn fetch(args: &FetchArgs) -> Outcome {
    let FetchArgs { of, whole } = args;
    let service = Service::open(&of.service, of.tenant).await?;
    match service.fetch(of.tenant, &of.id, *whole).await? {
        Answer {
            status: 202,
            record,
            body,
        } => {
            let number = body.get("number").and_then(Value::as_u64).unwrap_or_default();
            print(&format!(
                "run {number} of `{}` of {} has begun (record {record})\n",
                of.id, of.tenant
            ));
            Ok(Exit::Holds)
        }
        answer => Err(answer.refused()),
    }
}
