//! `Principal` and `NotPrincipal`: whom a resource policy or trust policy is about.

use super::context::Scope;
use super::error::Problem;
use super::pattern::Pattern;
use super::request::{self, ORIGIN_ACCESS_ACCOUNT, Principal};
use super::template::{Dialect, Token, lex};
use crate::decision::Effect;

/// How far an `Allow` of a resource policy reaches, by the way it names the principal (IAM User Guide, "How AWS
/// enforcement code logic evaluates requests", resource-based policies). The order is by reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// Not named.
    Nobody,
    /// Perhaps named: the request does not say enough to tell.
    Unknown,
    /// By account: in the same account this only leaves the matter to identity policies.
    Delegated,
    /// By role: allowed, but within boundary and session policy.
    Limited,
    /// As this very session or user, or as anyone: a silent boundary, identity or session policy does not limit it (for
    /// anyone: IAM User Guide, "Principal", on `aws:PrincipalArn` with a wildcard principal).
    Direct,
}

impl Reach {
    /// Whether a statement is about the principal. Where that cannot be told, a denial is and a grant is not.
    pub(super) fn means(self, effect: Effect) -> bool {
        match self {
            Self::Nobody => false,
            Self::Unknown => effect == Effect::Deny,
            Self::Delegated | Self::Limited | Self::Direct => true,
        }
    }
}

/// One entry of a `Principal` element.
#[derive(Clone, Debug)]
pub(super) enum PrincipalPattern {
    Anyone,
    /// An account, by its number or its root's ARN; the pattern is the number.
    Account(Pattern),
    /// The ARN of a role.
    Role {
        arn: Pattern,
        /// The ARN without the role's path, if it has one. A session's ARN does not show it, and role names are unique in
        /// an account whatever their paths.
        pathless: Option<Pattern>,
    },
    /// The ARN of a user, with the user's account.
    User {
        arn: Pattern,
        account: Pattern,
    },
    /// The ARN of a role session or federated user.
    Session(Pattern),
    /// An account by its canonical user id, as policies of S3 buckets may name one.
    CanonicalUser(Pattern),
    Federated(Pattern),
    Service(Pattern),
}

const UNIQUE_ID: &str =
    "this is the unique id of a user or role that was deleted, and means nobody any more; remove it";
const HELP: &str = "name an account, `arn:…:iam::<account>:root`, or the full ARN of a role, user or session; \
                    `*` alone is anyone, and no other wildcard is possible here";

impl PrincipalPattern {
    /// Compiles one value under `AWS`, `CanonicalUser`, `Federated` or `Service`.
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
            "CanonicalUser" => {
                let digits = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
                if !digits && !is_parameter(text, dialect)? {
                    let help = "write the 64 hexadecimal digits that S3 shows as the account's canonical user id";
                    return Err(Problem::invalid(text, "a canonical user id", help));
                }
                Ok(Self::CanonicalUser(literal(text)?))
            }
            _ => Self::compile_aws(text, dialect),
        }
    }

    /// Compiles what stands under `AWS`: an account (twelve digits, a parameter, or a root ARN with either), or an ARN.
    fn compile_aws(text: &str, dialect: Dialect) -> Result<Self, Problem> {
        let wrong = || Problem::invalid(text, "a principal", HELP);
        let literal = |text: &str| Pattern::compile(text, dialect, false);
        let is_account = |text: &str| -> Result<bool, Problem> {
            let digits = request::is_account(text);
            Ok(digits || is_parameter(text, dialect)?)
        };
        if !text.contains(':') {
            return match is_account(text)? {
                true => Ok(Self::Account(literal(text)?)),
                false if is_unique_id(text) => Err(Problem::invalid(text, "a principal", UNIQUE_ID)),
                false => Err(wrong()),
            };
        }
        let segments: Vec<&str> = text.splitn(6, ':').collect();
        let &["arn", partition, service, "", account, resource] = segments.as_slice() else {
            return Err(wrong());
        };
        let (kind, name) = resource.split_once('/').unwrap_or((resource, ""));
        let access_identity = (service, kind, account) == ("iam", "user", ORIGIN_ACCESS_ACCOUNT);
        if partition.is_empty() || !(access_identity || is_account(account)?) {
            return Err(wrong());
        }
        let named = !name.is_empty() && !name.ends_with('/');
        match (service, kind) {
            ("iam", "root") if resource == "root" => Ok(Self::Account(literal(account)?)),
            ("iam", "role") if named => {
                let (_, last) = name.rsplit_once('/').unzip();
                let pathless = last.map(|last| literal(&format!("arn:{partition}:iam::{account}:role/{last}")));
                Ok(Self::Role {
                    arn: literal(text)?,
                    pathless: pathless.transpose()?,
                })
            }
            ("iam", "user") if named => Ok(Self::User {
                arn: literal(text)?,
                account: literal(account)?,
            }),
            ("sts", "assumed-role" | "federated-user") if named => Ok(Self::Session(literal(text)?)),
            _ => Err(wrong()),
        }
    }

    fn reach<'d>(&'d self, scope: &Scope<'_, 'd>) -> Reach {
        let is = |pattern: &'d Pattern, text: &str| pattern.matches(text, scope);
        let principal = &scope.request.principal;
        let named = |hit: bool, reach: Reach| if hit { reach } else { Reach::Nobody };
        match (self, principal) {
            (Self::Anyone, _) => Reach::Direct,
            (Self::Account(number), _) => {
                let hit = principal.account().is_some_and(|account| is(number, account));
                named(hit, Reach::Delegated)
            }
            (Self::CanonicalUser(id), _) => canonical_reach(id, scope),
            (Self::Role { arn, pathless }, Principal::Session { role_arn: own, .. } | Principal::Role { arn: own }) => {
                let hit = is(arn, own) || pathless.as_ref().is_some_and(|arn| is(arn, own));
                named(hit, Reach::Limited)
            }
            (
                Self::Session(arn),
                Principal::Session { session_arn: own, .. } | Principal::FederatedUser { arn: own },
            )
            | (Self::User { arn, .. }, Principal::User { arn: own })
            | (Self::Federated(arn), Principal::Federated { provider: own })
            | (Self::Service(arn), Principal::Service { name: own }) => named(is(arn, own), Reach::Direct),
            // A user's grants and denials hold for the sessions the user federates, but such a session's ARN bears the name
            // the user gave it and not the user's own.
            (Self::User { account, .. }, Principal::FederatedUser { .. }) => {
                let hit = principal.account().is_some_and(|own| is(account, own));
                named(hit, Reach::Unknown)
            }
            _ => Reach::Nobody,
        }
    }
}

/// Whether the principal's account has this canonical user id.
fn canonical_reach<'d>(id: &'d Pattern, scope: &Scope<'_, 'd>) -> Reach {
    let request = scope.request;
    match &request.principal {
        Principal::Federated { .. } | Principal::Service { .. } | Principal::Anonymous => Reach::Nobody,
        principal => match request.context.canonical_user() {
            None => Reach::Unknown,
            Some(own) if !id.equals_ignoring_case(own, scope) => Reach::Nobody,
            // A CloudFront origin access identity has such an id and no account.
            Some(_) if principal.account().is_none() => Reach::Direct,
            Some(_) => Reach::Delegated,
        },
    }
}

fn is_parameter(text: &str, dialect: Dialect) -> Result<bool, Problem> {
    Ok(matches!(&*lex(text, dialect)?, [Token::Parameter(_)]))
}

/// Whether `text` has the form of a unique id (IAM User Guide, "IAM identifiers"), which AWS shows in place of the ARN of a
/// principal that is no more.
fn is_unique_id(text: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    text.starts_with('A') && text.len() >= 16 && text.bytes().all(sound)
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
                principal @ (Principal::User { .. } | Principal::FederatedUser { .. }) => {
                    reached(Reach::Direct) && (principal.account().is_none() || reached(Reach::Delegated))
                }
                Principal::Root { .. } => reached(Reach::Delegated),
                Principal::Federated { .. } | Principal::Service { .. } => reached(Reach::Direct),
                Principal::Unknown { .. } | Principal::Anonymous => false,
            }
    }
}
