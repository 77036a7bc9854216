//! What a judge was asked, what it said, and what could not be asked.

use std::collections::BTreeMap;
use std::fmt;

use crate::call::Answer;

/// One question that both answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Its name, `corpus/…` or `beyond/…`.
    pub name: String,
    /// What Tidegate's IAM layer says.
    pub ours: Answer,
    /// What the judge did.
    pub theirs: Answer,
}

/// One question the judge could not be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unasked {
    /// Its name.
    pub name: String,
    /// Why not.
    pub reason: String,
}

/// A set of questions and what became of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// What the questions are.
    pub title: String,
    /// Questions that are none to AWS.
    pub not_applicable: usize,
    /// Questions that both answered.
    pub judged: Vec<Judged>,
    /// Questions that could not be asked.
    pub unasked: Vec<Unasked>,
}

impl Judged {
    /// Whether both say the same.
    pub fn agrees(&self) -> bool {
        self.ours == self.theirs
    }
}

impl Verdicts {
    fn count(&self, ours: Answer, theirs: Answer) -> usize {
        let same = |judged: &&Judged| judged.ours == ours && judged.theirs == theirs;
        self.judged.iter().filter(same).count()
    }
}

impl fmt::Display for Verdicts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Answer::{Denied, LetThrough};
        let rows = [
            ("no question to AWS", self.not_applicable),
            ("asked", self.judged.len()),
            ("  both let through", self.count(LetThrough, LetThrough)),
            ("  both denied", self.count(Denied, Denied)),
            ("  we let through, the judge denied", self.count(LetThrough, Denied)),
            ("  we denied, the judge let through", self.count(Denied, LetThrough)),
            ("could not be asked", self.unasked.len()),
        ];
        writeln!(formatter, "{}", self.title)?;
        for (what, count) in rows {
            writeln!(formatter, "  {what:<40} {count:>5}")?;
        }
        let mut reasons: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for Unasked { name, reason } in &self.unasked {
            reasons.entry(reason).or_default().push(name.as_str());
        }
        for (reason, names) in reasons {
            writeln!(formatter, "    {reason}:\n      {}", names.join("\n      "))?;
        }
        Ok(())
    }
}
