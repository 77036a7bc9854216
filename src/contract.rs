//! Usage contracts: from the ODRL two connectors agreed on to Cedar policies and reasons.
//!
//! A Catena-X contract is an ODRL policy. An **access policy** (action `access`) says who may see an offer and stays with its
//! provider; a **usage policy** (action `use`) travels in the offer and ends up in the agreement. Connectors judge them when
//! the contract is made and the transfer starts; Tidegate judges them again at each request. [`Terms`] is one such policy:
//!
//! ```text
//! ODRL text -> JSON as written -> rules -> normal form -> canonical JSON -> digest: the name of the terms
//!                                               '-------> Cedar, one policy set for each moment
//! ```
//!
//! Three promises hold for every text:
//!
//! - **Nothing is ignored.** What is not understood is refused with its place and how to mend it: an unknown key, operand,
//!   operator, value or context, a key given twice, two versions of the profile in one text, an assignee where there is no
//!   agreement. Connectors drop constraints they have no function for, and what is dropped counts as fulfilled; here it would grant
//!   what nobody agreed to.
//! - **Meaning names the terms, spelling does not.** Order, prefixes, JSON-LD expansion, scalar or array, numbers or digits, time zones
//!   and ids vanish in the normal form, and so does what connectors make of a text on its way into an agreement. The parties, the
//!   target and the times of signing name the agreement: they stand beside the terms ([`Terms::parties`]), for whoever puts the agreement
//!   on record to hold it to. Where two texts differ all the same, [`Terms::differences`] names the constraints.
//! - **What is shown is what is evaluated.** [`Terms::cedar_text`] is the very text the policy sets are parsed from. Whoever has a text
//!   before them is shown the same with the paths of that text ([`Terms::cedar_text_of_source`]).
//!
//! # A worked example
//!
//! ```
//! use tidegate::contract::{Moment, Terms};
//!
//! let terms = Terms::from_odrl(r#"{
//!   "@context": "https://w3id.org/catenax/2025/9/policy/context.jsonld", "@type": "Set", "@id": "pcf",
//!   "permission": [{"action": "use", "constraint": [{"and": [
//!     {"leftOperand": "FrameworkAgreement", "operator": "eq", "rightOperand": "DataExchangeGovernance:1.0"},
//!     {"leftOperand": "Membership", "operator": "eq", "rightOperand": "active"},
//!     {"leftOperand": "UsagePurpose", "operator": "isAnyOf", "rightOperand": "cx.pcf.base:1"}]}]}]
//! }"#)?;
//! assert!(terms.cedar_text().contains(r#"["cx.pcf.base:1"].contains(context.purpose)"#));
//! assert_eq!(terms.policies(Moment::Transfer).policies().count(), 1);
//! assert_eq!(terms.policies(Moment::Discover).policies().count(), 0); // a usage policy shows nobody anything
//! # Ok::<(), tidegate::contract::ContractError>(())
//! ```
//!
//! # What becomes of a constraint
//!
//! Each is of one [`Class`]: **decided**, a Cedar condition; **recorded**, for it binds the parties and no machine can tell whether
//! they keep to it, so it is shown with each decision ([`Terms::notices`]) and never a rule that is always true or always false;
//! or **refused**, and the text with it. Some recorded clauses stand in for a default all the same: `DataUsageEndDefinition` for the
//! year of use, `VersionChanges` major for the same versions. A prohibition of recorded clauses only forbids nothing; one that mixes
//! them forbids where the decided part holds, for what nobody can decide counts as holding; one without constraints forbids always.
//! `docs/policies.md` has the table of all operands.
//!
//! # What decides at which moment
//!
//! | moment | resource | access terms | usage terms |
//! |---|---|---|---|
//! | `discover` | `Offer` | permit if a permission holds; forbid if a prohibition does | nothing |
//! | `negotiate` | `Offer` | forbid unless a permission holds; forbid if a prohibition does | permit, forbid |
//! | `transfer` | `Asset` | nothing | permit, forbid; forbid once an obligation's end has passed |
//! | `access`, and `submit` with it | `Footprint` | nothing | permit, forbid; forbid once an obligation's end has passed |
//!
//! Access terms never permit a negotiation, they only stand in its way; so **a negotiation is to be judged under the policies
//! of both terms of the offer together**, and refused if either is not known. Prohibitions always win. Each of the two must be of the
//! kind its place asks for ([`Terms::from_odrl_as`]): terms of use in the place of terms of access would keep nobody out.
//!
//! Dates, versions, uses and recipients count where data is handed out, at `transfer` and `access`. An end of use or of provision does
//! not stop a negotiation: EDC does not look at it there either, and a contract concluded after its own end is one under which every
//! transfer is refused. An end date counts to the last millisecond of its second, as in the reference engine; a duration is so many
//! times 24 hours from signing.
//!
//! # What nobody wrote down
//!
//! `FrameworkAgreement` brings defaults with it (the legal text in its schema). Unless other constraints say so, data is **provided** for
//! one year from signing; the **right to use** it lasts one year; and API, asset and aspect model have the **very versions** they had at
//! signing. `DataProvisioningEnd…` replaces the first, `DataUsageEnd…` the second, `VersionChanges` the third. A year is 365 days, so in
//! a leap year the gate closes a day early rather than late. And whatever the framework: data is **for the partner itself**, unless
//! `AffiliatesBpnl` or `AffiliatesRegion` lets it be for others.
//!
//! What a decision needs to know and nobody says is never taken to be in favour of the partner: without the versions of the day of
//! signing, without a counter, without a list of groups, the permission does not hold, not even one that asks for *none of* something;
//! and a prohibition on affiliates in a region holds of everyone whose region is not known.
//!
//! The defaults are written for the profile of 25.09; under the older profile, whose legal text is not machine readable, the same are
//! assumed, for the framework is the same.

mod compile;
mod condition;
mod constraint;
mod default;
mod difference;
mod draft;
mod error;
mod explain;
mod json;
mod legal;
mod linked;
mod moment;
mod normal;
mod odrl;
mod operand;
mod render;
mod source;
mod value;
mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use cedar_policy::PolicySet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::compile::Compiled;
use self::constraint::Constraint;
pub use self::constraint::no_group;
pub use self::difference::Difference;
pub(crate) use self::error::shown;
pub use self::error::{ContractError, Fault};
pub use self::explain::{Clause, Notice};
pub use self::moment::{Moment, UnknownMoment};
use self::normal::Normal;
use self::operand::Operand;
pub use self::render::render_table;
use self::source::{Naming, Source};
pub use self::source::{OtherParty, Parties, Role};
pub(crate) use self::words::quoted;
use crate::ids::Digest;

/// Which of the two policies of an offer terms are, told by the action of their rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Action `access`: who may see the offer.
    Access,
    /// Action `use`: under what conditions the data is provided and used.
    Usage,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Access => "access",
            Self::Usage => "usage",
        })
    }
}

/// The version of the Catena-X policy profile a text is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Profile {
    /// `https://w3id.org/catenax/policy/`, of releases 24.05 and 24.08.
    #[serde(rename = "https://w3id.org/catenax/policy/")]
    Cx2405,
    /// `https://w3id.org/catenax/2025/9/policy/`, of CX-0152; also that of a text which names none.
    #[serde(rename = "https://w3id.org/catenax/2025/9/policy/")]
    Cx2509,
}

impl Profile {
    /// The namespace of its terms, which names the profile in the normal form as well.
    pub fn namespace(self) -> &'static str {
        match self {
            Self::Cx2405 => "https://w3id.org/catenax/policy/",
            Self::Cx2509 => "https://w3id.org/catenax/2025/9/policy/",
        }
    }
}

/// What becomes of a constraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Class {
    /// It is a Cedar condition and decides.
    Decided,
    /// It binds the parties but not a machine: it is shown with each decision and decides nothing.
    Recorded,
    /// It is not understood well enough for either, so a text with it is refused as a whole.
    Refused,
}

/// One contract text, normalised and compiled. Immutable; share it behind an [`Arc`].
pub struct Terms {
    digest: Digest,
    canonical: Arc<[u8]>,
    normal: Normal,
    compiled: Compiled,
    /// What is known of the text they were read from; none where they stand for many.
    source: Option<Box<Source>>,
}

impl Terms {
    /// Reads an ODRL policy in any of the spellings connectors use.
    ///
    /// # Errors
    ///
    /// [`ContractError`] with the JSON path and how to mend it for whatever is not understood; see the module's page.
    pub fn from_odrl(text: &str) -> Result<Self, ContractError> {
        Self::read(text, None)
    }

    /// As [`Terms::from_odrl`], where only a policy of one kind belongs. As an access policy, a text of the older profile or with
    /// operands of older connectors is read as one, though its action is `use`: they had no other.
    ///
    /// # Errors
    ///
    /// As for [`Terms::from_odrl`], and a policy of the other kind.
    pub fn from_odrl_as(text: &str, kind: Kind) -> Result<Self, ContractError> {
        Self::read(text, Some(kind))
    }

    fn read(text: &str, wanted: Option<Kind>) -> Result<Self, ContractError> {
        let (normal, source) = normal::of_text(text, wanted)?;
        Ok(Self {
            source: Some(Box::new(source)),
            ..Self::of(normal)?
        })
    }

    /// Reads back what [`Terms::canonical`] gave, for a replay.
    ///
    /// # Errors
    ///
    /// As for a contract text, and [`ContractError::NotCanonical`] for any other spelling of the same terms: bytes are
    /// accepted if and only if their digest is that of the terms they give.
    pub fn from_normal_form(bytes: &[u8]) -> Result<Self, ContractError> {
        Self::of(Normal::from_canonical(bytes)?)
    }

    fn of(normal: Normal) -> Result<Self, ContractError> {
        let canonical = normal.canonical()?;
        let digest = Digest::of(&canonical);
        let compiled = compile::compile(&normal, digest)?;
        Ok(Self {
            digest,
            canonical: canonical.into(),
            normal,
            compiled,
            source: None,
        })
    }

    /// The same, without what is known of one text: for whoever keeps one value for all texts that mean the same.
    #[must_use]
    pub fn without_source(self) -> Self {
        Self { source: None, ..self }
    }

    /// Whom and what the text names beside its terms; none of terms that were not read from a text just now.
    pub fn parties(&self) -> Option<&Parties> {
        self.source.as_deref().map(|source| &source.parties)
    }

    /// The name of the terms: SHA-256 of [`Terms::canonical`].
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The normal form as canonical JSON (RFC 8785).
    pub fn canonical(&self) -> &Arc<[u8]> {
        &self.canonical
    }

    /// Whether these are access or usage terms.
    pub fn kind(&self) -> Kind {
        self.normal.kind
    }

    /// The version of the profile they are written in.
    pub fn profile(&self) -> Profile {
        self.normal.profile
    }

    /// The policies that can match at `moment`; none where these terms have no say. All are written for
    /// `schema/tidegate.cedarschema` and valid in its strict mode.
    pub fn policies(&self, moment: Moment) -> &PolicySet {
        self.compiled.set(moment)
    }

    /// The policies of all moments as Cedar text with annotations: `@id`, `@path` (in the normal form), `@why`, `@control`, and
    /// `@recorded` for what else the rule says. Beside each condition stands the path of the constraint it is of.
    pub fn cedar_text(&self) -> &str {
        self.compiled.text()
    }

    /// As [`Terms::cedar_text`], for whoever has the text before them that the terms were read from: paths are those of that text,
    /// and nothing else differs. The normal form and what the paths are of are said in comments.
    pub fn cedar_text_of_source(&self) -> String {
        render::cedar(self)
    }

    /// How the parts of the terms are named to people.
    fn naming(&self) -> Naming<'_> {
        Naming(self.source.as_deref().map(|source| &source.places))
    }

    /// Each constraint, with its class and its reason in plain words, the defaults nobody wrote down included.
    pub fn constraints(&self) -> Vec<Clause> {
        explain::clauses(&self.normal, self.naming())
    }

    /// What binds the parties and decides nothing: clauses that are only recorded, prohibitions that forbid nothing among
    /// them. To be shown with each decision under these terms.
    pub fn notices(&self) -> Vec<Notice> {
        explain::notices(&self.normal)
    }

    /// How `other` differs from these terms, constraint by constraint; empty exactly if their digests are the same.
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        difference::differences((&self.normal, self.naming()), (&other.normal, other.naming()))
    }

    /// What the texts of these terms and of `other` name otherwise, beside the terms.
    pub fn other_parties(&self, other: &Self) -> Vec<OtherParty> {
        source::other_parties(self.parties(), other.parties())
    }

    /// Whether a decision needs to know how often data was handed out before (`DataFrequency` once).
    pub fn counts_uses(&self) -> bool {
        explain::decides(&self.normal, Operand::DataFrequency)
    }

    /// Whether an agreement on these terms keeps its asset from other partners (`ExclusiveUsage`).
    pub fn exclusive(&self) -> bool {
        explain::decides(&self.normal, Operand::ExclusiveUsage)
    }

    /// The first instant at which an agreement on these terms, signed at `signed_at`, grants nothing more by its dates, the
    /// default year and the end of provision among them; none if its dates never end it. For showing: the decision is Cedar's.
    pub fn usage_ends(&self, signed_at: Timestamp) -> Option<Timestamp> {
        explain::ends(&self.normal, signed_at)
    }

    /// The purposes under which a permission can hold; `None` if a permission asks for no purpose.
    pub fn purposes(&self) -> Option<BTreeSet<&str>> {
        let per_rule = self.normal.permissions.iter().map(|rule| {
            let lists = rule.constraints.iter().filter_map(|constraint| match constraint {
                Constraint::Purpose(purposes) => Some(purposes.iter().map(String::as_str).collect::<BTreeSet<_>>()),
                _ => None,
            });
            lists.reduce(|a, b| &a & &b)
        });
        per_rule.reduce(|a, b| a.zip(b).map(|(a, b)| &a | &b)).flatten()
    }
}

impl PartialEq for Terms {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for Terms {}

impl fmt::Debug for Terms {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let canonical = String::from_utf8_lossy(&self.canonical);
        formatter
            .debug_struct("Terms")
            .field("digest", &self.digest)
            .field("canonical", &canonical)
            .finish_non_exhaustive()
    }
}
