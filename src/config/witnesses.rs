//! The witnesses of a configuration: each with its URL and its key, and how many must have cosigned.

use serde::Deserialize;

use super::is_loopback;
use crate::ledger::note::{KeyKind, VerifierKey};
use crate::ledger::witness::{Witness, Witnesses};

/// One `[[witness]]` as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    url: Option<String>,
    key: Option<String>,
}

/// What is written, where nothing is wrong with it; every problem goes to `problems`.
pub(super) fn read(problems: &mut Vec<String>, written: Vec<Written>, needed: Option<i64>) -> Option<Witnesses> {
    let before = problems.len();
    if written.is_empty() {
        if needed.is_some() {
            problems.push("`witness_quorum` says how many witnesses are needed, but there is no `[[witness]]`".into());
        }
        return None;
    }
    let list: Vec<_> = (1..)
        .zip(written)
        .filter_map(|(number, written)| witness(problems, number, written))
        .collect();
    let needed = needed.map(usize::try_from).transpose();
    if needed.is_err() {
        problems.push("`witness_quorum` is not a number of witnesses".into());
    }
    if problems.len() > before {
        return None;
    }
    match Witnesses::new(list, needed.unwrap_or_default()) {
        Ok(witnesses) => Some(witnesses),
        Err(error) => {
            problems.push(format!("`[[witness]]` and `witness_quorum`: {error}"));
            None
        }
    }
}

fn witness(problems: &mut Vec<String>, number: usize, written: Written) -> Option<Witness> {
    let mut wrong = |member: &str, what: String| problems.push(format!("`{member}` of `[[witness]]` {number}: {what}"));
    let url = match written.url {
        Some(url) if is_prefix(&url) => Some(url),
        Some(url) => {
            let expected = "an `https://` URL, nor an `http://` URL on loopback, without a slash at its end";
            wrong("url", format!("`{url}` is not {expected}"));
            None
        }
        None => {
            wrong(
                "url",
                "is missing: below which the witness takes `add-checkpoint`".into(),
            );
            None
        }
    };
    let key = match written.key.map(|key| (key.parse::<VerifierKey>(), key)) {
        Some((Ok(key), _)) if key.kind() == KeyKind::Cosignature => Some(key),
        Some((Ok(_), text)) => {
            wrong(
                "key",
                format!("`{text}` signs notes, as a log's key does, and is no witness's (`cosignature/v1`)"),
            );
            None
        }
        Some((Err(error), text)) => {
            wrong("key", format!("`{text}`: {error}"));
            None
        }
        None => {
            wrong("key", "is missing: the verifier key the witness cosigns with".into());
            None
        }
    };
    Some(Witness { url: url?, key: key? })
}

fn is_prefix(url: &str) -> bool {
    let plain = !url.ends_with('/') && !url.contains(|letter: char| "?#@\\".contains(letter) || letter.is_whitespace());
    let secure = url.strip_prefix("https://").is_some_and(|rest| !rest.is_empty());
    plain && (secure || is_loopback(url))
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::super::tests::GOOD;

    /// Keys of two witnesses, and one of a log.
    const ONE: &str = "witness.example/w1+4fd3d3a2+BIqVBX7EDqVbGMPaFvbyAVpdAJjlZ9p8zhGRVXcU2eVs";
    const LOG: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    fn key(name: &str, seed: u8) -> String {
        crate::ledger::tests::Cosigner::new(name, seed).key().to_string()
    }

    fn parsed(before: &str, witnesses: &[(&str, &str)]) -> Result<Config, String> {
        let each = witnesses
            .iter()
            .map(|(url, key)| format!("[[witness]]\nurl = \"{url}\"\nkey = \"{key}\"\n"));
        let text = format!("{GOOD}\n{before}\n{}", each.collect::<String>());
        Config::parse(&text).map_err(|problems| problems.join("\n"))
    }

    #[test]
    fn witnesses_are_read_and_all_are_needed_where_nothing_else_is_said() {
        let (one, two) = (key("w1.example", 1), key("w2.example", 2));
        let both = [
            ("https://w1.example/prefix", one.as_str()),
            ("http://127.0.0.1:7380", two.as_str()),
        ];
        let needed = |config: Config| config.witnesses.unwrap().quorum().needed();
        assert_eq!(needed(parsed("", &both).unwrap()), 2);
        assert_eq!(needed(parsed("witness_quorum = 1", &both).unwrap()), 1);
        assert!(parsed("", &[]).unwrap().witnesses.is_none());
    }

    #[test]
    fn everything_that_is_wrong_with_witnesses_is_told_at_once() {
        let one = key("w1.example", 1);
        let wrong = [
            ("http://w1.example", one.as_str()),
            ("https://w2.example/", LOG),
            ("https://w3.example", ONE),
        ];
        let told = parsed("witness_quorum = -1\nbase_url_of = 1", &wrong).unwrap_err();
        assert!(told.contains("base_url_of"), "an unknown member: {told}");
        let told = parsed("witness_quorum = -1", &wrong).unwrap_err();
        for expected in [
            "`url` of `[[witness]]` 1",
            "`url` of `[[witness]]` 2",
            "`key` of `[[witness]]` 2",
            "signs notes",
            "`key` of `[[witness]]` 3",
            "not a verifier key",
            "`witness_quorum`",
        ] {
            assert!(told.contains(expected), "{expected} in {told}");
        }
        let missing = Config::parse(&format!("{GOOD}\n[[witness]]\nname = \"x\""))
            .unwrap_err()
            .join("");
        assert!(missing.contains("name"), "{missing}");
        let missing = Config::parse(&format!("{GOOD}\n[[witness]]")).unwrap_err().join("\n");
        assert!(
            missing.contains("`url` of") && missing.contains("`key` of"),
            "{missing}"
        );
        for (before, witnesses) in [
            ("witness_quorum = 1", vec![]),
            ("witness_quorum = 2", vec![("https://w1.example", one.as_str())]),
            ("witness_quorum = 0", vec![("https://w1.example", one.as_str())]),
            (
                "",
                vec![
                    ("https://w1.example", one.as_str()),
                    ("https://w2.example", one.as_str()),
                ],
            ),
        ] {
            let told = parsed(before, &witnesses).unwrap_err();
            assert!(told.contains("witness_quorum") || told.contains("same key"), "{told}");
        }
    }
}
