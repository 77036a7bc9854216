//! Asking what comes of the sign-ins of the corpus.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use super::{GroupFile, RoleName, SignInCase, SignInExpect};
use crate::bundle::Bundle;
use crate::decision::{Effect, IamDecision};
use crate::groups;
use crate::iam::Isolation;
use crate::iam::mapping::{self, Call, Group, IdToken, Known, Person, RoleClaims, SignIn};
use crate::ids::{TenantGroup, TenantId};
use crate::parity::case::{Expect, ExpectAsked, ExpectCedar, ExpectIam, GENERATED};
use crate::parity::finding::{Finding, Rule, Verdict};
use crate::parity::report::Outcome;

/// What came, or must come, of a sign-in.
struct Spelled {
    allowed: bool,
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

impl SignInExpect {
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
            allowed: self.allows(),
            outcome,
            roles,
            lint: self.lint.clone(),
        }
    }
}

impl SignInCase {
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
        let came = bundle.account.sign_in(&pool, &sign_in);
        Ok(Spelled {
            allowed: came.is_ok(),
            outcome: match came {
                Ok(given) => credentials(&given.role, &given.tags),
                Err(error) => refusal(error.code(), error.role()),
            },
            roles: Some(roles),
            lint: lint.iter().map(|finding| finding.code().to_owned()).collect(),
        })
    }

    /// Whether credentials come of it under `isolation`, and what is wrong.
    fn hold(&self, platform: &mut Platform<'_>, isolation: Isolation) -> (bool, Vec<Finding>) {
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
            Err(problem) => return (false, vec![wrong(problem)]),
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
        (got.allowed, findings)
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
pub(in crate::parity) fn outcomes(bundle: &Bundle, cases: &[SignInCase]) -> Vec<Outcome> {
    let mut platform = Platform {
        bundle,
        groups: HashMap::new(),
    };
    cases.iter().map(|case| outcome(&mut platform, case)).collect()
}

/// A sign-in's answer in a word. It has no statements of its own to show; what is wrong is in the findings.
fn answer(allowed: bool) -> Expect {
    Expect {
        cedar: ExpectCedar::UNASKED,
        iam: ExpectIam::Asked(ExpectAsked {
            decision: match allowed {
                true => IamDecision::Allowed,
                false => IamDecision::ImplicitDeny,
            },
            statements: BTreeSet::new(),
        }),
    }
}

/// Asks what comes of a sign-in, in both ways of keeping tenants apart. The outcome shows that of the bundle's own way.
fn outcome(platform: &mut Platform<'_>, case: &SignInCase) -> Outcome {
    let own = platform.bundle.account.isolation();
    let other = match own {
        Isolation::Role => Isolation::Tags,
        Isolation::Tags => Isolation::Role,
    };
    let (allowed, mut findings) = case.hold(platform, own);
    findings.extend(case.hold(platform, other).1);
    Outcome {
        theme: case.theme.clone(),
        name: case.name.clone(),
        why: case.why.clone(),
        generated: case.tags.contains(GENERATED),
        expected: answer(case.expected(own).allows()),
        got: answer(allowed),
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
