//! Access rules of a digital twin registry (DTR), compiled to Cedar.
//!
//! A company tells a registry in JSON which of its twins, and what of each, a partner may find. Tidegate takes the very same document,
//! so that what the registry shows and what Tidegate lets through are said in one place:
//!
//! ```text
//! JSON text -> rules -> normal form -> canonical JSON -> digest: the name of the rules
//!                           '-------> Cedar, one policy set for each thing that is looked up
//! ```
//!
//! As for contracts ([`crate::contract`]): **nothing is ignored** (what is not understood is refused with its JSON pointer and how to
//! mend it, where a registry passes over it), **meaning names the rules, spelling does not** (order, repetition, ids, descriptions and
//! time zones vanish), and **what is shown is what is evaluated** ([`AccessRules::cedar_text`]).
//!
//! # What a rule means
//!
//! A rule applies to a lookup if its `bpn` is the partner or `PUBLIC_READABLE`, the instant is not before `validFrom` and not after
//! `validTo` (both inclusive, each may be missing), and the twin has every pair of `mandatorySpecificAssetIds`. Then
//!
//! | looked up | Cedar action | what the rule permits |
//! |---|---|---|
//! | the twin itself | `readTwin` | it can be found |
//! | one of its specific asset ids | `readAssetId` | those whose name stands in `visibleSpecificAssetIdNames`; where the name stands among the mandatory ids too, only with a value that stands there |
//! | a submodel | `reachSubmodel` | those one of whose semantic ids stands in `visibleSemanticIds` |
//!
//! A rule for everybody shows only names that everybody may know ([`PUBLIC_NAMES`]), whatever else it lists. Rules only permit; what no
//! rule permits is not seen. That is what the registry of Tractus-X does (`SqlBackedAccessControlRuleService`), with two differences, both
//! on the side of deny: a rule is for a BPNL or for everybody, never for another name; and the company itself, whom the registry shows
//! everything, is no partner of its own here.
//!
//! # A worked example
//!
//! ```
//! use tidegate::twin::{AccessRules, Lookup};
//!
//! let rules = AccessRules::from_json(r#"[{
//!   "policyType": "AAS", "validTo": "2027-06-30T22:00:00Z", "policy": {"accessRules": [
//!     {"attribute": "bpn", "operator": "eq", "value": "BPNL00000000C3EF"},
//!     {"attribute": "mandatorySpecificAssetIds", "operator": "includes", "values": [
//!       {"attribute": "manufacturerPartId", "operator": "eq", "value": "401765"}]},
//!     {"attribute": "visibleSpecificAssetIdNames", "operator": "includes", "values": [
//!       {"attribute": "name", "operator": "eq", "value": "manufacturerPartId"}]},
//!     {"attribute": "visibleSemanticIds", "operator": "includes", "values": [
//!       {"attribute": "modelUrn", "operator": "eq", "value": "urn:samm:io.catenax.pcf:9.0.0#Pcf"}]}]}
//! }]"#)?;
//! assert_eq!(rules.policies(Lookup::Submodel).policies().count(), 1);
//! assert!(rules.cedar_text().contains(r#"principal == Tidegate::Partner::"BPNL00000000C3EF""#));
//! # Ok::<(), tidegate::twin::RuleError>(())
//! ```
//!
//! Weser (`BPNL00000000C3EF`) may then find the twin of part 401765 until the summer of 2027, and reach its footprint in the version 9.0.0
//! of the model, not that in 10.0.0.

mod compile;
mod read;
mod rule;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use cedar_policy::PolicySet;

use self::compile::Compiled;
pub use self::read::Origin;
pub use self::rule::{MAX_TEXT, SpecificAssetId};
use self::rule::{Normal, Rule};
use crate::ids::{Digest, TenantId};

/// The word for everybody, where a BPNL could stand.
pub const PUBLIC_READABLE: &str = "PUBLIC_READABLE";

/// The names of specific asset ids that everybody may be shown. A registry is told in its own configuration
/// (`external-subject-id-wildcard-allowed-types`); these are what its defaults and the standard's examples have, and tell nothing
/// of who buys what.
pub const PUBLIC_NAMES: [&str; 3] = ["assetLifecyclePhase", "digitalTwinType", "manufacturerPartId"];

/// Why a text or a stored normal form has not become [`AccessRules`]. Nothing is permitted in any case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// The text is longer than what is read at all.
    #[error("the access rules have {bytes} bytes; at most {MAX_TEXT} are read")]
    TooLarge {
        /// Length of the text in bytes.
        bytes: usize,
    },
    /// Not JSON, or a member that stands twice.
    #[error("the access rules are not JSON: {0}")]
    NotJson(String),
    /// Something is not understood, or understood and not allowed.
    #[error("at `{pointer}`: {problem}")]
    Refused {
        /// Where it stands: a JSON pointer (RFC 6901).
        pointer: String,
        /// What is wrong and how to mend it.
        problem: String,
    },
    /// A stored normal form reads back as rules, but is not their one canonical spelling.
    #[error("the normal form is not canonical JSON of itself; store exactly the bytes `AccessRules::canonical` gave")]
    NotCanonical,
    /// Cedar refuses what was compiled: a defect of the compiler, met by permitting nothing.
    #[error("the compiled policy `{id}` is not Cedar: {detail}; this is a defect of Tidegate, report it with the text")]
    NotCedar {
        /// The policy's id.
        id: String,
        /// What Cedar said.
        detail: String,
    },
}

/// What is looked up in a registry. Each is a Cedar action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lookup {
    /// A twin: can it be found?
    Twin,
    /// One of a twin's specific asset ids.
    AssetId,
    /// A submodel of a twin.
    Submodel,
}

impl Lookup {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Twin, Self::AssetId, Self::Submodel];

    /// The name of the Cedar action.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Twin => "readTwin",
            Self::AssetId => "readAssetId",
            Self::Submodel => "reachSubmodel",
        }
    }
}

impl fmt::Display for Lookup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// All access rules of a company, normalised and compiled. Immutable; share them behind an [`Arc`].
pub struct AccessRules {
    digest: Digest,
    canonical: Arc<[u8]>,
    compiled: Compiled,
    normal: Normal,
    /// Whose the text says they are.
    owner: Option<(String, TenantId)>,
    /// Where each rule of the text stands, with its number in the normal form; empty where they were not read from a text.
    origins: Vec<Origin>,
}

impl AccessRules {
    /// Reads rules as a registry takes and gives them: an array of rules, or the object with `items` that `GET /access-controls/rules`
    /// answers.
    ///
    /// # Errors
    ///
    /// [`RuleError`] with the JSON pointer and how to mend it for whatever is not understood.
    pub fn from_json(text: &str) -> Result<Self, RuleError> {
        let read = read::read(text)?;
        Ok(Self {
            owner: read.owner,
            origins: read.origins,
            ..Self::of(read.normal)?
        })
    }

    /// Reads back what [`AccessRules::canonical`] gave, for a replay.
    ///
    /// # Errors
    ///
    /// As for a text, and [`RuleError::NotCanonical`] for any other spelling of the same rules.
    pub fn from_normal_form(bytes: &[u8]) -> Result<Self, RuleError> {
        Self::of(Normal::from_canonical(bytes)?)
    }

    /// Whether bytes are the normal form of access rules, and not of something else that is kept beside them.
    pub fn is_normal_form(bytes: &[u8]) -> bool {
        bytes.starts_with(rule::BEGINNING)
    }

    fn of(normal: Normal) -> Result<Self, RuleError> {
        let canonical = normal.canonical()?;
        let digest = Digest::of(&canonical);
        Ok(Self {
            digest,
            compiled: compile::compile(&normal, digest)?,
            canonical: canonical.into(),
            normal,
            owner: None,
            origins: Vec::new(),
        })
    }

    /// Holds that the rules are not another company's: each `tid` in the text, where there is one, is `tenant`'s.
    ///
    /// # Errors
    ///
    /// [`RuleError::Refused`] with the place of the first `tid`.
    pub fn check_owner(&self, tenant: TenantId) -> Result<(), RuleError> {
        match &self.owner {
            Some((pointer, owner)) if *owner != tenant => Err(RuleError::Refused {
                pointer: pointer.clone(),
                problem: format!(
                    "`tid` is {owner}, and these are to be the rules of {tenant}; give that, or leave it out"
                ),
            }),
            _ => Ok(()),
        }
    }

    /// The name of the rules: SHA-256 of [`AccessRules::canonical`].
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The normal form as canonical JSON (RFC 8785).
    pub fn canonical(&self) -> &Arc<[u8]> {
        &self.canonical
    }

    /// How many rules there are. With none, nobody may find anything.
    pub fn count(&self) -> usize {
        self.normal.rules().len()
    }

    /// The policies that can match a lookup. All are written for `schema/tidegate.cedarschema` and valid in its strict mode.
    pub fn policies(&self, lookup: Lookup) -> &PolicySet {
        self.compiled.set(lookup)
    }

    /// The policies as Cedar text with annotations: `@id`, `@path` (in the normal form), `@why`, `@control`, and `@recorded` for what of
    /// a rule has no effect.
    pub fn cedar_text(&self) -> &str {
        self.compiled.text()
    }

    /// Where the rules of the text stand, which of the normal form each is, and what it says in plain words.
    pub fn explained(&self) -> Vec<(&Origin, String)> {
        let rules = self.normal.rules();
        let origins = self.origins.iter();
        origins
            .filter_map(|origin| Some((origin, rules.get(origin.rule)?.explained())))
            .collect()
    }
}

impl Rule {
    /// What the rule says, in plain words.
    fn explained(&self) -> String {
        let names: Vec<_> = self.shown_names().collect();
        let names = match names.as_slice() {
            [] => "no specific asset id".to_owned(),
            names => format!("its {}", names.join(", ")),
        };
        format!(
            "{}, and sees of it {names} and the submodels {}",
            self.who_finds(),
            self.semantic_ids.iter().cloned().collect::<Vec<_>>().join(", ")
        )
    }
}

impl PartialEq for AccessRules {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for AccessRules {}

impl fmt::Debug for AccessRules {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("AccessRules");
        shown.field("digest", &self.digest).finish_non_exhaustive()
    }
}
