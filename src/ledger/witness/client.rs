//! Speaking to one witness: a POST, and what its answer is worth.

use std::time::Duration;

use super::super::note::{Cosignature, cosignatures};
use super::{Witness, message};
use crate::answer;
use crate::causes::with_causes;
use crate::ids::Digest;

/// How long a connection may take to be made, and an answer in all.
const CONNECT: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(10);

/// The greatest answer: a few lines.
const MAX_ANSWER: usize = 64 * 1024;

/// What a witness answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Its cosignature, held to its key.
    Cosigned(Cosignature),
    /// It saw another size than the proof begins at: this one, where it says which.
    Saw(Option<u64>),
}

/// Why there is no answer that counts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WitnessError {
    /// It cannot be reached, or takes too long.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// It cannot answer now.
    #[error("it answers HTTP {0}")]
    Unavailable(u16),
    /// It does not take checkpoints of this log.
    #[error("it answers HTTP {status}: {why}")]
    Refused {
        /// The status.
        status: u16,
        /// What that means.
        why: &'static str,
    },
    /// It does not find the proof to hold from what it saw.
    #[error("it answers HTTP 422: the log does not go on from what it saw of it")]
    Inconsistent,
    /// It answered 200 with something else than its cosignature over what was sent.
    #[error("it answers without a cosignature by its key over the checkpoint that was sent")]
    Worthless,
}

/// Speaks to witnesses; connections are kept.
#[derive(Clone, Debug)]
pub(super) struct Client(reqwest::Client);

impl Client {
    pub(super) fn new() -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self(client))
    }

    /// Asks a witness to cosign a checkpoint.
    pub(super) async fn add(
        &self,
        witness: &Witness,
        old: u64,
        proof: &[Digest],
        note: &str,
    ) -> Result<Said, WitnessError> {
        let url = format!("{}/add-checkpoint", witness.url);
        let request = self.0.post(url).body(message::request(old, proof, note));
        let response = request.send().await.map_err(|error| unreachable(&error))?;
        let status = response.status().as_u16();
        let refused = |why| Err(WitnessError::Refused { status, why });
        match status {
            200 | 409 => {}
            400 => return refused("it does not read the request"),
            403 => return refused("it does not know the log, or not its key"),
            404 => return refused("it does not know the log"),
            422 => return Err(WitnessError::Inconsistent),
            _ => return Err(WitnessError::Unavailable(status)),
        }
        let body = answer::body(response, MAX_ANSWER).await;
        let body = body.map_err(|error| unreachable(&error))?;
        let body = body.and_then(|body| String::from_utf8(body).ok());
        let body = body.ok_or(WitnessError::Worthless)?;
        match status {
            409 => Ok(Said::Saw(message::size(&body))),
            _ => cosigned(witness, note, &body).map(Said::Cosigned),
        }
    }
}

/// The witness's own cosignature among the lines it answered with.
fn cosigned(witness: &Witness, note: &str, lines: &str) -> Result<Cosignature, WitnessError> {
    let with = format!("{note}{lines}");
    let found = cosignatures(&with, std::slice::from_ref(&witness.key));
    // Together they must still be the checkpoint that was sent: lines may hold an empty one, and then another text.
    let same = lines.lines().all(|line| line.starts_with("— "));
    let found = found.into_iter().next().filter(|_| same);
    found.ok_or(WitnessError::Worthless)
}

/// What is wrong, with its causes; the URL is the operator's own and is logged beside it.
fn unreachable(error: &reqwest::Error) -> WitnessError {
    WitnessError::Unreachable(with_causes(error))
}

#[cfg(test)]
mod tests {
    use super::super::super::checkpoint::Checkpoint;
    use super::super::super::note::Signer;
    use super::super::super::tests::Cosigner;
    use super::*;

    #[test]
    fn of_what_a_witness_answers_its_own_line_over_what_was_sent_counts() {
        let signer = Signer::from_seed("t/ledger/platform", &[7; 32]).unwrap();
        let note = |size| Checkpoint::sign(size, &Digest::of(b"root"), &signer).unwrap();
        let (own, other) = (Cosigner::new("w1.example", 1), Cosigner::new("w2.example", 2));
        let (url, key) = ("http://localhost".to_owned(), own.key().clone());
        let witness = Witness { url, key };
        let answer = |lines: &str| cosigned(&witness, &note(7), lines);
        let (line, foreign) = (own.line(&note(7), 1_700_000_000), other.line(&note(7), 1));
        assert_eq!(answer(&line).unwrap().line, line);
        assert_eq!(
            answer(&format!("{foreign}{line}")).unwrap().line,
            line,
            "all others are left out"
        );
        // Its time, by a second.
        let changed = own.line(&note(7), 1_700_000_000).replace("AABlU/EA", "AABlU/EB");
        assert_ne!(changed, line);
        let (older, whole) = (
            own.line(&note(6), 1),
            format!("x\n\n{}{}", note(6), own.line(&note(6), 1)),
        );
        for worthless in [
            "",
            "\n",
            "garbage\n",
            &foreign,
            &older,
            &changed,
            &whole,
            line.trim_end(),
            &line.repeat(100),
        ] {
            assert_eq!(answer(worthless), Err(WitnessError::Worthless), "{worthless}");
        }
    }
}
