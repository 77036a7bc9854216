//! `Principal` and `NotPrincipal`: whom a resource policy or trust policy is about.

use super::context::Scope;
use super::error::Problem;
use super::pattern::{Case, Pattern};
use super::request::Principal;
use super::template::{Dialect, Token, lex};

/// How far an `Allow` of a resource policy reaches, by the way it names the principal (IAM User Guide, "How AWS
/// enforcement code logic evaluates requests", resource-based policies). The order is by reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// Not named.
    Nobody,
    /// By account: in the same account this only leaves the matter to identity policies.
    Delegated,
    /// By role: allowed, but within boundary and session policy.
    Limited,
    /// As this very session or user, or as anyone: a silent boundary, identity or session policy does not limit it (for
    /// anyone: IAM User Guide, "Principal", on `aws:PrincipalArn` with a wildcard principal).
    Direct,
}

/// One entry of a `Principal` element.
#[derive(Clone, Debug)]
pub(super) enum PrincipalPattern {
    Anyone,
    /// An account, by its number or its root's ARN; the pattern is the number.
    Account(Pattern),
    /// The ARN of a role, user, role session or federated user.
    Arn(Pattern),
    Federated(Pattern),
    Service(Pattern),
}

const HELP: &str = "name an account, `arn:…:iam::<account>:root`, or the full ARN of a role, user or session; \
                    `*` alone is anyone, and no other wildcard is possible here";

impl PrincipalPattern {
    /// Compiles one value under `AWS`, `Federated` or `Service`.
    pub(super) fn compile(kind: &str, text: &str, dialect: Dialect) -> Result<Self, Problem> {
        // AWS expands no variables in principals; a template's parameters are ours to fill in.
        let dialect = Dialect {
            variables: false,
            ..dialect
        };
        let literal = |text: &str| Pattern::compile(text, dialect, false);
        if kind == "AWS" && text == "*" {
            return Ok(Self::Anyone);
        }
        if text.contains(['*', '?', '$']) || text.is_empty() {
            return Err(Problem::invalid(text, "a principal", HELP));
        }
        match kind {
            "Federated" => Ok(Self::Federated(literal(text)?)),
            "Service" => Ok(Self::Service(literal(text)?)),
            _ => match account_of(text, dialect)? {
                Some(account) => Ok(Self::Account(literal(account)?)),
                None => Ok(Self::Arn(literal(text)?)),
            },
        }
    }

    fn reach<'d>(&'d self, scope: &Scope<'_, 'd>) -> Reach {
        let is = |pattern: &'d Pattern, text: &str| pattern.matches(text, Case::Exact, scope);
        let principal = &scope.request.principal;
        let named = |hit: bool, reach: Reach| if hit { reach } else { Reach::Nobody };
        match (self, principal) {
            (Self::Anyone, _) => Reach::Direct,
            (Self::Account(number), _) => {
                let hit = principal.account().is_some_and(|account| is(number, account));
                named(hit, Reach::Delegated)
            }
            (Self::Arn(arn), Principal::Session { role_arn, session_arn }) => {
                let direct = named(is(arn, session_arn), Reach::Direct);
                direct.max(named(is(arn, role_arn), Reach::Limited))
            }
            (Self::Arn(arn), Principal::Role { arn: role }) => named(is(arn, role), Reach::Limited),
            (Self::Arn(arn), Principal::User { arn: own } | Principal::FederatedUser { arn: own }) => {
                named(is(arn, own), Reach::Direct)
            }
            (Self::Federated(provider), Principal::Federated { provider: own }) => {
                named(is(provider, own), Reach::Direct)
            }
            (Self::Service(name), Principal::Service { name: own }) => named(is(name, own), Reach::Direct),
            _ => Reach::Nobody,
        }
    }
}

/// The account number if `text` names an account: twelve digits, a parameter, or a root ARN with either.
fn account_of(text: &str, dialect: Dialect) -> Result<Option<&str>, Problem> {
    let wrong = || Problem::invalid(text, "a principal", HELP);
    let is_account = |text: &str| -> Result<bool, Problem> {
        let digits = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        Ok(digits || matches!(&*lex(text, dialect)?, [Token::Parameter(_)]))
    };
    if !text.contains(':') {
        return if is_account(text)? {
            Ok(Some(text))
        } else {
            Err(wrong())
        };
    }
    let segments: Vec<&str> = text.splitn(6, ':').collect();
    let &[arn, partition, service, region, account, resource] = segments.as_slice() else {
        return Err(wrong());
    };
    if arn != "arn" || partition.is_empty() || !region.is_empty() || !is_account(account)? {
        return Err(wrong());
    }
    let named = |kind: &str| {
        resource
            .strip_prefix(kind)
            .is_some_and(|name| !name.is_empty() && !name.ends_with('/'))
    };
    match service {
        "iam" if resource == "root" => Ok(Some(account)),
        "iam" if named("role/") || named("user/") => Ok(None),
        "sts" if named("assumed-role/") || named("federated-user/") => Ok(None),
        _ => Err(wrong()),
    }
}

/// A statement's `Principal` or `NotPrincipal`.
#[derive(Clone, Debug)]
pub(super) struct Principals {
    pub(super) negated: bool,
    pub(super) patterns: Vec<PrincipalPattern>,
}

impl Principals {
    /// How the statement reaches the principal of the request.
    pub(super) fn reach<'d>(&'d self, scope: &Scope<'_, 'd>) -> Reach {
        if self.negated {
            return if self.exempts(scope) {
                Reach::Nobody
            } else {
                Reach::Direct
            };
        }
        self.patterns
            .iter()
            .map(|pattern| pattern.reach(scope))
            .max()
            .unwrap_or(Reach::Nobody)
    }

    /// `NotPrincipal` spares a principal only if it lists all that the principal is known by: the session, its role and
    /// the account (IAM User Guide, "NotPrincipal"). Listing the role alone spares nobody, and nothing spares one with a
    /// permissions boundary (IAM User Guide, "Permissions boundaries for IAM entities").
    fn exempts<'d>(&'d self, scope: &Scope<'_, 'd>) -> bool {
        if scope.bounded {
            return false;
        }
        let reached = |wanted: Reach| self.patterns.iter().any(|pattern| pattern.reach(scope) == wanted);
        let anyone = self
            .patterns
            .iter()
            .any(|pattern| matches!(pattern, PrincipalPattern::Anyone));
        anyone
            || match &scope.request.principal {
                Principal::Session { .. } => {
                    reached(Reach::Direct) && reached(Reach::Limited) && reached(Reach::Delegated)
                }
                Principal::Role { .. } => reached(Reach::Limited) && reached(Reach::Delegated),
                Principal::User { .. } | Principal::FederatedUser { .. } => {
                    reached(Reach::Direct) && reached(Reach::Delegated)
                }
                Principal::Root { .. } => reached(Reach::Delegated),
                Principal::Federated { .. } | Principal::Service { .. } => reached(Reach::Direct),
                Principal::Unknown { .. } | Principal::Anonymous => false,
            }
    }
}
