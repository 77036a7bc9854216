//! The report of `tidegate replay`, for people.

use std::collections::BTreeMap;

use crate::ledger::record::LogId;
use crate::ledger::replay::{Counts, Outcome, Replay, Replayed, Summary};

/// How many numbers, or runs of them, are told of decisions that are alike.
const RANGES: usize = 12;

/// The report for people.
pub(in crate::cli) fn render(replay: &Replay) -> String {
    let Replay { summary, differing } = replay;
    let mut lines = listed(differing);
    let unlisted = (summary.decisions - summary.same).saturating_sub(differing.len() as u64);
    if unlisted > 0 {
        lines.push(format!("and {unlisted} more that did not come out the same"));
    }
    lines.extend(told(summary));
    let Summary {
        decisions,
        same,
        changed,
        bundle_missing,
        not_replayable,
        ..
    } = summary;
    lines.push(format!(
        "{decisions} decisions: {same} Same, {changed} Changed, {bundle_missing} BundleMissing, {not_replayable} NotReplayable"
    ));
    lines.join("\n")
}

/// What came of a decision: the outcome, that in a word, and what is to be said below.
type Said = (&'static str, String, Vec<String>);

/// The decisions that did not come out the same; those that are alike but for their number stand together, below the first of them.
fn listed(differing: &[Replayed]) -> Vec<String> {
    let mut groups: Vec<(&Replayed, Said, Vec<u64>)> = Vec::new();
    let mut places: BTreeMap<(LogId, &str, Said, &[String]), usize> = BTreeMap::new();
    for replayed in differing {
        let said = said(&replayed.outcome);
        let place = *places
            .entry((replayed.log, &replayed.asked, said.clone(), &replayed.why))
            .or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, _, others)) => others.push(replayed.seq),
            None => groups.push((replayed, said, Vec::new())),
        }
    }
    let mut lines = Vec::new();
    for (first, (outcome, how, below), others) in groups {
        lines.push(format!(
            "{outcome:14} {} {}  {}: {how}",
            first.log, first.seq, first.asked
        ));
        let alike = (!others.is_empty()).then(|| format!("and {} like it: {}", others.len(), ranges(&others)));
        let below = below.iter().chain(&first.why).chain(&alike);
        lines.extend(below.map(|line| format!("               {line}")));
    }
    lines
}

fn said(outcome: &Outcome) -> Said {
    match outcome {
        Outcome::Same => ("Same", String::new(), Vec::new()),
        Outcome::Changed { class, was, now } => {
            let mut below = vec![
                format!("was {} by {:?}", was.effect, was.cedar.policies),
                format!("now {} by {:?}", now.effect, now.cedar.policies),
            ];
            if was.iam != now.iam {
                below.push(format!("iam was {:?}", was.iam));
                below.push(format!("iam now {:?}", now.iam));
            }
            ("Changed", class.as_str().to_owned(), below)
        }
        Outcome::BundleMissing { cause } => ("BundleMissing", cause.clone(), Vec::new()),
        Outcome::NotReplayable { cause } => ("NotReplayable", cause.clone(), Vec::new()),
    }
}

/// Numbers in ascending order, those that follow each other as from-to; not more than a line holds.
fn ranges(numbers: &[u64]) -> String {
    let runs = numbers.chunk_by(|one, next| one + 1 == *next);
    let mut runs = runs.filter_map(|run| Some((run.first()?, run.last()?)));
    let told = runs.by_ref().take(RANGES).map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    let told = told.collect::<Vec<_>>().join(", ");
    match runs.next() {
        Some(_) => format!("{told}, …"),
        None => told,
    }
}

/// What stands before the last line: what changed for whom, what the evidence covers, and what is missing from it.
fn told(summary: &Summary) -> Vec<String> {
    let mut lines = Vec::new();
    let mut table = |title: &str, counts: Vec<(String, &Counts)>| {
        for (name, counts) in counts {
            let counts = counts
                .iter()
                .map(|(class, count)| format!("{count} {}", class.as_str()));
            lines.push(format!("{title:9} {name}: {}", counts.collect::<Vec<_>>().join(", ")));
        }
    };
    let changes = &summary.changes;
    table(
        "tenant",
        changes
            .by_log
            .iter()
            .map(|(log, counts)| (log.to_string(), counts))
            .collect(),
    );
    for (title, counts) in [
        ("partner", &changes.by_partner),
        ("action", &changes.by_action),
        ("policy", &changes.by_policy),
    ] {
        table(
            title,
            counts.iter().map(|(name, counts)| (name.clone(), counts)).collect(),
        );
    }
    if let Some((first, last)) = summary.window {
        let (verified, read) = summary.verified;
        lines.push(format!(
            "decided from {first} to {last}; {verified} of {read} records were held to a signed root first"
        ));
    }
    if summary.distinct > 0 {
        let about = if summary.distinct_exact { "" } else { "about " };
        let distinct = summary.distinct;
        lines.push(format!(
            "{about}{distinct} distinct questions; equal ones are evaluated once"
        ));
    }
    for (engine, count) in &summary.other_engines {
        lines.push(format!("{count} were answered by another version: {engine}"));
    }
    for (cause, count) in &summary.causes {
        lines.push(format!("{count} not made again: {cause}"));
    }
    for unverified in &summary.unverified {
        let (log, records, why) = (unverified.log, unverified.records, &unverified.why);
        lines.push(match records {
            0 => format!("LEFT OUT, and what else is in it made again: {log}: {why}"),
            _ => format!("NOT VERIFIED, so nothing of it was made again: {log}, {records} records: {why}"),
        });
    }
    for damaged in &summary.damaged {
        lines.push(format!("DAMAGED segment `{}`: {}", damaged.segment, damaged.why));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::RecordId;

    #[test]
    fn what_differs_in_its_reason_alone_stands_apart() {
        let lacking = |seq, why: &str| Replayed {
            log: LogId::Platform,
            seq,
            id: RecordId(uuid::Uuid::nil()),
            asked: "A asks B".to_owned(),
            outcome: Outcome::NotReplayable {
                cause: "erased".to_owned(),
            },
            why: vec![why.to_owned()],
        };
        let differing = [lacking(3, "membership"), lacking(4, "period"), lacking(5, "membership")];
        let expected = [
            "NotReplayable  platform 3  A asks B: erased",
            "               membership",
            "               and 1 like it: 5",
            "NotReplayable  platform 4  A asks B: erased",
            "               period",
        ];
        assert_eq!(listed(&differing), expected);
    }

    #[test]
    fn numbers_that_follow_each_other_are_told_as_one() {
        assert_eq!(ranges(&[9]), "9");
        assert_eq!(ranges(&[9, 10, 11, 14, 20, 21]), "9-11, 14, 20-21");
        let far: Vec<u64> = (0..RANGES as u64 + 1).map(|number| 2 * number).collect();
        assert_eq!(ranges(&far[..RANGES]), "0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22");
        assert_eq!(ranges(&far), "0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, …");
    }
}
