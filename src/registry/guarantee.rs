//! When a tenant's answers may leave, as its document says.

use serde::{Deserialize, Serialize};

/// When a tenant's answers may leave: once their record is durable, or a little before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Guarantee {
    /// Only once the record is durable: no record, no answer.
    #[default]
    Strict,
    /// Ahead of the record, within a bound. A crash may lose as many records as it allows, which the log then tells.
    Bounded(Bound),
}

/// How far answers may run ahead of their records. Beyond either, an answer waits as a strict one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    records: u32,
    millis: u32,
}

/// The most records answers may be ahead.
const MAX_RECORDS: u32 = 10_000;

/// The longest answers may be ahead, in milliseconds.
const MAX_MILLIS: u32 = 60_000;

impl Bound {
    /// The longest any answer may be ahead.
    pub const MAX_AGE: std::time::Duration = std::time::Duration::from_millis(MAX_MILLIS as u64);

    /// A bound of so many records, and so many milliseconds for the oldest of them.
    ///
    /// # Errors
    /// None of them, or more than there may be.
    pub fn new(records: u32, millis: u32) -> Result<Self, NoBound> {
        match (1..=MAX_RECORDS).contains(&records) && (1..=MAX_MILLIS).contains(&millis) {
            true => Ok(Self { records, millis }),
            false => Err(NoBound::OutOfRange),
        }
    }

    /// How many answers may be without a durable record.
    pub fn records(self) -> u32 {
        self.records
    }

    /// How long an answer may be without one.
    pub fn age(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.millis.into())
    }
}

/// Why something is no guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoBound {
    /// A part is missing.
    #[error(r#"the mode `bounded` has a bound: expected `{{"mode": "bounded", "records": N, "millis": T}}`"#)]
    Missing,
    /// A part is there that means nothing.
    #[error("the mode `strict` has no bound: leave `records` and `millis` out, or say `bounded`")]
    Needless,
    /// A part is out of range.
    #[error("a bound is of 1 to {MAX_RECORDS} records and 1 to {MAX_MILLIS} milliseconds")]
    OutOfRange,
}

/// As it is written down.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    mode: Mode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    records: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    millis: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Mode {
    Strict,
    Bounded,
}

impl TryFrom<Written> for Guarantee {
    type Error = NoBound;

    fn try_from(written: Written) -> Result<Self, NoBound> {
        match (written.mode, written.records, written.millis) {
            (Mode::Strict, None, None) => Ok(Self::Strict),
            (Mode::Strict, ..) => Err(NoBound::Needless),
            (Mode::Bounded, Some(records), Some(millis)) => Bound::new(records, millis).map(Self::Bounded),
            (Mode::Bounded, ..) => Err(NoBound::Missing),
        }
    }
}

impl From<Guarantee> for Written {
    fn from(guarantee: Guarantee) -> Self {
        let (mode, records, millis) = match guarantee {
            Guarantee::Strict => (Mode::Strict, None, None),
            Guarantee::Bounded(bound) => (Mode::Bounded, Some(bound.records), Some(bound.millis)),
        };
        Self { mode, records, millis }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guarantee_is_read_as_it_is_written_and_nothing_else_is_one() {
        let bounded = Guarantee::Bounded(Bound::new(100, 250).unwrap());
        for (guarantee, text) in [
            (Guarantee::Strict, r#"{"mode":"strict"}"#),
            (bounded, r#"{"mode":"bounded","records":100,"millis":250}"#),
        ] {
            assert_eq!(serde_json::to_string(&guarantee).unwrap(), text);
            assert_eq!(serde_json::from_str::<Guarantee>(text).unwrap(), guarantee);
        }
        for (text, why) in [
            (r#"{"mode":"bounded","records":100}"#, "has a bound"),
            (r#"{"mode":"bounded","records":0,"millis":1}"#, "1 to 10000 records"),
            (r#"{"mode":"bounded","records":1,"millis":60001}"#, "60000 milliseconds"),
            (r#"{"mode":"strict","millis":1}"#, "no bound"),
            (r#"{"mode":"loose"}"#, "unknown variant"),
            (r#"{"mode":"strict","more":1}"#, "unknown field"),
        ] {
            let error = serde_json::from_str::<Guarantee>(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
