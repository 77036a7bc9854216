//! What can be wrong, by kind: each kind has a name that stays, for programs that count or mute findings.

use std::fmt;

use serde::{Serialize, Serializer};

/// A kind of finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Cedar's answer is not the one a case expects.
    CedarAnswer,
    /// The IAM layer's answer is not the one a case expects.
    IamAnswer,
    /// What a sign-in gives is not what a case expects.
    SignIn,
    /// A wall between tenants is open where it stands alone, though others still hold.
    OpenWall,
    /// The layers disagree, and no class of `divergences.json` covers it.
    UnlistedDivergence,
    /// A case names a class of `divergences.json`, but the layers do not disagree so.
    HealedDivergence,
    /// A case names a class that `divergences.json` does not hold.
    UnknownDivergence,
    /// A class of `divergences.json` lists a cause that no case bears.
    IdleCause,
    /// The matrix does not show what the schema allows to be asked, and nothing exempts it.
    Uncovered,
    /// An exemption from the matrix's coverage that is not needed.
    StaleExemption,
    /// An exemption from the matrix's coverage that names what the schema has not.
    UnknownExemption,
}

impl Rule {
    /// Every kind, in the order of the declaration.
    pub const ALL: [Self; 11] = [
        Self::CedarAnswer,
        Self::IamAnswer,
        Self::SignIn,
        Self::OpenWall,
        Self::UnlistedDivergence,
        Self::HealedDivergence,
        Self::UnknownDivergence,
        Self::IdleCause,
        Self::Uncovered,
        Self::StaleExemption,
        Self::UnknownExemption,
    ];

    /// The name, which stays.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CedarAnswer => "cedar-answer",
            Self::IamAnswer => "iam-answer",
            Self::SignIn => "sign-in",
            Self::OpenWall => "open-wall",
            Self::UnlistedDivergence => "unlisted-divergence",
            Self::HealedDivergence => "healed-divergence",
            Self::UnknownDivergence => "unknown-divergence",
            Self::IdleCause => "idle-cause",
            Self::Uncovered => "uncovered",
            Self::StaleExemption => "stale-exemption",
            Self::UnknownExemption => "unknown-exemption",
        }
    }

    /// What is wrong, and how to mend it, in two sentences.
    pub fn help(self) -> (&'static str, &'static str) {
        match self {
            Self::CedarAnswer => (
                "Cedar's answer is not the one the case expects.",
                "Mend the policy; or, where the change is meant, the case's `expect.cedar`, in the same commit.",
            ),
            Self::IamAnswer => (
                "The IAM layer's answer is not the one the case expects.",
                "Mend the document or the correspondence; or, where the change is meant, the case's `expect.iam`.",
            ),
            Self::SignIn => (
                "What the identity pool and STS give to someone who signs in is not what the case expects.",
                "Mend the trust policy, the policies that say which groups carry a role, or the pool's settings; or, where the change is meant, the case.",
            ),
            Self::OpenWall => (
                "One document between tenants would let another tenant through, if it stood alone.",
                "Mend that document: a slash that is missing, a wildcard too many. The others hide the hole, they do not close it.",
            ),
            Self::UnlistedDivergence => (
                "One layer allows what the other denies, and no listed class of divergences covers it.",
                "Mend the layer that is wrong. Only if both are right, list the cause with its reason in divergences.json.",
            ),
            Self::HealedDivergence => (
                "The case names a class of divergences, but the layers do not disagree as that class says.",
                "Take the tag out of the case.",
            ),
            Self::UnknownDivergence => (
                "The case names a class of divergences that divergences.json does not hold.",
                "Spell the tag as the list does, or add the class with its reason.",
            ),
            Self::IdleCause => (
                "A class of divergences lists a cause that no case of it bears.",
                "Take the cause out of divergences.json, or write the case that bears it.",
            ),
            Self::Uncovered => (
                "The matrix does not show an answer to something the schema allows to be asked.",
                "Add the entities to a world; or exempt it in matrix-exemptions.json, with the reason.",
            ),
            Self::StaleExemption => (
                "An exemption from the matrix's coverage is not needed: the matrix shows what it excuses.",
                "Take it out of matrix-exemptions.json.",
            ),
            Self::UnknownExemption => (
                "An exemption from the matrix's coverage names what the schema does not allow to be asked.",
                "Spell it as the schema does, or take it out of matrix-exemptions.json.",
            ),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its kind.
    pub rule: Rule,
    /// What is wrong, for people.
    pub message: String,
}

impl Finding {
    /// A finding of a kind.
    pub fn new(rule: Rule, message: impl Into<String>) -> Self {
        Self {
            rule,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

/// How the layers stand to each other over one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Both layers were asked, and give the same answer.
    Agree,
    /// The layers disagree for causes that are listed, with the reason why that is right.
    Listed,
    /// Only one layer was asked, or only one was held to the corpus: there is nothing to compare.
    NotApplicable,
    /// Something is wrong; the findings say what.
    Mismatch,
}
