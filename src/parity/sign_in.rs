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
//! A group that is a text is the platform's own of that name, with the role and precedence [`groups`] gives it;
//! others are described: `{"name", "role", "precedence"}`. `pool` describes an identity pool in AWS's words; without one it is the
//! platform's. `guest`, `signedOut`, `customRole` (`CustomRoleArn`) and `classic` (the role a caller names in the classic flow) say
//! what else is so; `writable` which attributes people can change. A role is an ARN, or `{"of": BPNL}`: the role of that tenant's
//! sessions, however tenants are kept apart.
//!
//! Expected are either `credentials` (`role`, `tags`) or `refused`, a code of [`iam::mapping`](crate::iam::mapping), with the `role`
//! where a trust policy refused; `roles` and `preferred`, the claims of the token, where the case is about these; and `lint`, all
//! that the linter says of the pool. Each case is asked in both ways of keeping tenants apart. Where these differ, `expectTags` has
//! the answer with one role for all.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::case::{Expect, ExpectAsked, ExpectCedar, ExpectIam, GENERATED};
use super::finding::{Finding, Rule, Verdict};
use super::report::Outcome;
use crate::bundle::Bundle;
use crate::decision::{Effect, IamDecision};
use crate::groups;
use crate::iam::Isolation;
use crate::iam::mapping::{self, Call, Group, IdToken, IdentityPool, Known, Person, RoleClaims, SignIn};
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

    /// The same in a text that can be compared, with roles as ARNs.
    fn spelled(&self, arn: impl Fn(&RoleName) -> String) -> Spelled {
        let outcome = match (&self.credentials, &self.refused) {
            (Some(given), _) => credentials(&arn(&given.role), &given.tags),
            (None, refused) => refusal(
                refused.as_deref().unwrap_or_default(),
                self.role.as_ref().map(&arn).as_deref(),
            ),
        };
        let roles = self.roles.as_ref().map(|roles| RoleClaims {
            roles: roles.iter().map(&arn).collect(),
            preferred: self.preferred.as_ref().map(&arn),
        });
        Spelled {
            outcome,
            roles,
            lint: self.lint.clone(),
        }
    }
}

/// What came, or must come, of a sign-in.
struct Spelled {
    outcome: String,
    roles: Option<RoleClaims>,
    lint: BTreeSet<String>,
}

fn credentials(role: &str, tags: &BTreeMap<String, String>) -> String {
    let tags: Vec<_> = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("credentials of {role}, tagged {}", list(&tags))
}

fn refusal(code: &str, role: Option<&str>) -> String {
    let role = role.map(|role| format!(" of {role}")).unwrap_or_default();
    format!("refused by {code}{role}")
}

fn list(names: &[impl AsRef<str>]) -> String {
    let names: Vec<_> = names.iter().map(AsRef::as_ref).collect();
    match names.is_empty() {
        true => "nothing".to_owned(),
        false => names.join(", "),
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

    /// What comes of it where tenants are kept apart by `isolation`.
    fn ask(&self, platform: &mut Platform<'_>, isolation: Isolation) -> Result<Spelled, String> {
        let bundle = platform.bundle;
        let arn = |role: &RoleName| role_arn(bundle, isolation, role);
        let asked = &self.asked;
        let groups = asked.groups.iter().map(|group| match group {
            GroupFile::Platform(name) => platform.group(isolation, name),
            GroupFile::Described(group) => Ok(Group {
                name: group.name.clone(),
                role: group.role.as_ref().map(arn),
                precedence: group.precedence,
            }),
        });
        let groups = groups.collect::<Result<Vec<_>, _>>()?;
        let roles = RoleClaims::of(&groups);
        let person = Person {
            token: IdToken {
                roles: roles.clone(),
                claims: asked.claims.clone(),
            },
            signed_out: asked.signed_out,
        };
        let sign_in = SignIn {
            person: (!asked.guest).then_some(person),
            call: match &asked.classic {
                Some(role) => Call::Classic { role: arn(role) },
                None => Call::Enhanced {
                    custom_role: asked.custom_role.as_ref().map(arn),
                },
            },
        };
        let pool = asked.pool.clone().unwrap_or_else(groups::identity_pool);
        let known = Known {
            writable: asked.writable.clone(),
            empty_roles: BTreeSet::new(),
        };
        let lint = mapping::lint(&pool, bundle.account.names(), &known);
        Ok(Spelled {
            outcome: match bundle.account.sign_in(&pool, &sign_in) {
                Ok(given) => credentials(&given.role, &given.tags),
                Err(error) => refusal(error.code(), error.role()),
            },
            roles: Some(roles),
            lint: lint.iter().map(|finding| finding.code().to_owned()).collect(),
        })
    }

    /// What is wrong under `isolation`.
    fn findings(&self, platform: &mut Platform<'_>, isolation: Isolation) -> Vec<Finding> {
        let bundle = platform.bundle;
        let how = match isolation {
            Isolation::Role => "with a role for each tenant",
            Isolation::Tags => "with one role and session tags",
        };
        let wrong = |message: String| Finding::new(Rule::SignIn, format!("sign-in {how}: {message}"));
        let expected = self
            .expected(isolation)
            .spelled(|role| role_arn(bundle, isolation, role));
        let got = match self.ask(platform, isolation) {
            Ok(got) => got,
            Err(problem) => return vec![wrong(problem)],
        };
        let mut findings = Vec::new();
        if got.outcome != expected.outcome {
            let (expected, got) = (expected.outcome, got.outcome);
            findings.push(wrong(format!("expected {expected}; got {got}")));
        }
        if expected.roles.is_some() && got.roles != expected.roles {
            let (expected, got) = (expected.roles.unwrap_or_default(), got.roles.unwrap_or_default());
            findings.push(wrong(format!("expected the claims {expected:?}; got {got:?}")));
        }
        if got.lint != expected.lint {
            let show = |codes: BTreeSet<String>| list(&codes.into_iter().collect::<Vec<_>>());
            let (expected, got) = (show(expected.lint), show(got.lint));
            findings.push(wrong(format!("expected the linter to find {expected}; got {got}")));
        }
        findings
    }
}

fn role_arn(bundle: &Bundle, isolation: Isolation, role: &RoleName) -> String {
    match role {
        RoleName::Arn(arn) => arn.clone(),
        RoleName::Of { of } => bundle.account.names().role_arn(isolation, *of),
    }
}

/// When the policies are asked which groups carry a role: they say the same at any time, unless someone writes one that does not.
const ASKED: Timestamp = Timestamp::UNIX_EPOCH;

/// The platform with the groups of its tenants, which are made once for all cases.
struct Platform<'b> {
    bundle: &'b Bundle,
    groups: HashMap<(Isolation, TenantId), Vec<Group>>,
}

impl Platform<'_> {
    fn group(&mut self, isolation: Isolation, name: &TenantGroup) -> Result<Group, String> {
        let text = name.to_string();
        let all = match self.groups.entry((isolation, name.tenant)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => {
                let made = groups::of_tenant(self.bundle, isolation, name.tenant, ASKED);
                free.insert(made.map_err(|error| error.to_string())?)
            }
        };
        let found = all.iter().find(|group| group.name == text).cloned();
        found.ok_or_else(|| format!("no tenant has the group `{text}`: no policy names that company role"))
    }
}

/// Asks what comes of each sign-in.
pub(super) fn outcomes(bundle: &Bundle, cases: &[SignInCase]) -> Vec<Outcome> {
    let mut platform = Platform {
        bundle,
        groups: HashMap::new(),
    };
    cases.iter().map(|case| outcome(&mut platform, case)).collect()
}

/// Asks what comes of a sign-in, in both ways of keeping tenants apart. The outcome shows that of the bundle's own way.
fn outcome(platform: &mut Platform<'_>, case: &SignInCase) -> Outcome {
    let own = platform.bundle.account.isolation();
    let mut findings = case.findings(platform, Isolation::Role);
    findings.extend(case.findings(platform, Isolation::Tags));
    let allowed = case.expected(own).allows();
    // A sign-in has no statements of its own to show; what is wrong is in the findings.
    let answer = Expect {
        cedar: ExpectCedar::UNASKED,
        iam: ExpectIam::Asked(ExpectAsked {
            decision: match allowed {
                true => IamDecision::Allowed,
                false => IamDecision::ImplicitDeny,
            },
            statements: BTreeSet::new(),
        }),
    };
    Outcome {
        theme: case.theme.clone(),
        name: case.name.clone(),
        why: case.why.clone(),
        generated: case.tags.contains(GENERATED),
        expected: answer.clone(),
        got: answer,
        effect: if allowed { Effect::Allow } else { Effect::Deny },
        errors: Vec::new(),
        verdict: match findings.is_empty() {
            true => Verdict::NotApplicable,
            false => Verdict::Mismatch,
        },
        divergences: Vec::new(),
        findings,
    }
}
