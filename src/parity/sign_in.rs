//! A case that is a sign-in: what someone gets who fetches credentials from the identity pool, without asking Tidegate.
//!
//! ```json
//! {
//!   "name": "in-another-tenants-admins",
//!   "why": "a mistake of whoever tends the user pool opens nothing: the trust policy asks for its own tenant's tag",
//!   "source": "https://docs.aws.amazon.com/cognito/latest/developerguide/role-based-access-control.html",
//!   "signIn": {
//!     "groups": ["BPNL00000003CRHK.admin"],
//!     "claims": {"custom:bpnl": "BPNL000000000DWF"}
//!   },
//!   "expect": {"refused": "trust", "role": {"of": "BPNL00000003CRHK"}}
//! }
//! ```
//!
//! A group that is a text is the platform's own of that name, with the role and precedence [`groups`](crate::groups) gives it;
//! others are described: `{"name", "role", "precedence"}`. `pool` describes an identity pool in AWS's words; without one it is the
//! platform's. `guest`, `signedOut`, `customRole` (`CustomRoleArn`) and `classic` (the role a caller names in the classic flow) say
//! what else is so; `writable` which attributes people can change. A role is an ARN, or `{"of": BPNL}`: the role of that tenant's
//! sessions, however tenants are kept apart.
//!
//! Expected are either `credentials` (`role`, `tags`) or `refused`, a code of [`iam::mapping`](crate::iam::mapping), with the `role`
//! where a trust policy refused; `roles` and `preferred`, the claims of the token, where the case is about these; and `lint`, all
//! that the linter says of the pool. Each case is asked in both ways of keeping tenants apart. Where these differ, `expectTags` has
//! the answer with one role for all.

mod asked;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub(super) use self::asked::outcomes;
use crate::iam::Isolation;
use crate::iam::mapping::IdentityPool;
use crate::ids::{TenantGroup, TenantId};

/// A sign-in and what must come of it.
#[derive(Clone, Debug)]
pub struct SignInCase {
    /// The directory the case stands in.
    pub theme: String,
    /// Its name, which is that of its file.
    pub name: String,
    /// The rule or the bug it pins.
    pub why: String,
    /// The page that settles it.
    pub source: String,
    /// What it is about.
    pub tags: BTreeSet<String>,
    /// What must come of it where each tenant has a role.
    pub expect: SignInExpect,
    /// The same with one role for all.
    pub expect_tags: SignInExpect,
    asked: SignInFile,
}

/// A role, as a case names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RoleName {
    /// By its ARN.
    Arn(String),
    /// That of a tenant's sessions.
    Of {
        /// The tenant.
        of: TenantId,
    },
}

/// What must come of a sign-in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignInExpect {
    /// What is given.
    pub credentials: Option<ExpectCredentials>,
    /// Why nothing is.
    pub refused: Option<String>,
    /// The role whose trust policy refused.
    pub role: Option<RoleName>,
    /// `cognito:roles`, where the case is about it.
    pub roles: Option<Vec<RoleName>>,
    /// `cognito:preferred_role`, where `roles` is given; none where the claim is absent.
    pub preferred: Option<RoleName>,
    /// All that the linter says of the pool, by code.
    #[serde(default)]
    pub lint: BTreeSet<String>,
}

/// Credentials that must be given.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectCredentials {
    /// The role they are of.
    pub role: RoleName,
    /// The session's tags.
    pub tags: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct File {
    name: String,
    why: String,
    source: String,
    #[serde(default)]
    tags: BTreeSet<String>,
    sign_in: SignInFile,
    expect: SignInExpect,
    expect_tags: Option<SignInExpect>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct SignInFile {
    pool: Option<IdentityPool>,
    groups: Vec<GroupFile>,
    claims: BTreeMap<String, String>,
    guest: bool,
    signed_out: bool,
    custom_role: Option<RoleName>,
    classic: Option<RoleName>,
    writable: BTreeSet<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum GroupFile {
    Platform(TenantGroup),
    Described(DescribedGroup),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DescribedGroup {
    name: String,
    #[serde(default)]
    role: Option<RoleName>,
    #[serde(default)]
    precedence: Option<u32>,
}

/// Whether the file of a case holds a sign-in.
pub(super) fn is_sign_in(text: &[u8]) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Probe {
        sign_in: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_slice::<Probe>(text).is_ok_and(|probe| probe.sign_in.is_some())
}

/// Reads the case `name` of `theme`.
pub(super) fn read(theme: &str, name: &str, text: &[u8]) -> Result<SignInCase, String> {
    let file: File = crate::json::read(text).map_err(|error| error.to_string())?;
    super::case::check_head(name, &file.name, &file.why)?;
    if !file.source.starts_with("https://") {
        return Err("its `source` is no `https` URL; name the page that settles the case".into());
    }
    let asked = file.sign_in;
    if asked.guest && !(asked.groups.is_empty() && asked.claims.is_empty()) {
        return Err("at `/signIn`: a guest has no groups and no claims".into());
    }
    if asked.classic.is_some() && asked.custom_role.is_some() {
        return Err("at `/signIn`: `customRole` is of the enhanced flow and `classic` is the other; give one".into());
    }
    file.expect.check("expect")?;
    let expect_tags = match file.expect_tags {
        None => file.expect.clone(),
        Some(same) if same == file.expect => return Err("`expectTags` says what `expect` says; leave it out".into()),
        Some(other) => other,
    };
    expect_tags.check("expectTags")?;
    Ok(SignInCase {
        theme: theme.to_owned(),
        name: file.name,
        why: file.why,
        source: file.source,
        tags: file.tags,
        expect: file.expect,
        expect_tags,
        asked,
    })
}

impl SignInExpect {
    fn check(&self, member: &str) -> Result<(), String> {
        match (&self.credentials, &self.refused, &self.role) {
            (Some(_), None, None) | (None, Some(_), _) => Ok(()),
            _ => Err(format!(
                "at `/{member}`: give either `credentials` or `refused`, and `role` only with the latter"
            )),
        }
    }

    /// Whether credentials are to be given.
    pub fn allows(&self) -> bool {
        self.credentials.is_some()
    }
}

impl SignInCase {
    /// `theme/name`.
    pub fn id(&self) -> String {
        format!("{}/{}", self.theme, self.name)
    }

    /// What must come of it under `isolation`.
    pub fn expected(&self, isolation: Isolation) -> &SignInExpect {
        match isolation {
            Isolation::Role => &self.expect,
            Isolation::Tags => &self.expect_tags,
        }
    }
}
