//! What AWS is asked: who, what, on what, and in which circumstances.

use std::borrow::Cow;

use super::context::Context;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal<'p> {
    /// A session of a role: what `AssumeRole` and its siblings give.
    Session {
        /// The role's ARN, with its path.
        role_arn: Cow<'p, str>,
        /// `arn:aws:sts::<account>:assumed-role/<role>/<session>`, without the role's path.
        session_arn: Cow<'p, str>,
    },
    /// A role as such, as a policy simulation may ask for it.
    Role {
        /// The role's ARN, with its path.
        arn: Cow<'p, str>,
    },
    /// An IAM user.
    User {
        /// The user's ARN.
        arn: Cow<'p, str>,
    },
    /// A session made by `GetFederationToken`.
    FederatedUser {
        /// `arn:aws:sts::<account>:federated-user/<name>`.
        arn: Cow<'p, str>,
    },
    /// The root user of an account.
    Root {
        /// `arn:aws:iam::<account>:root`.
        arn: Cow<'p, str>,
    },
    /// Someone an identity provider vouches for and who has no AWS identity yet (`AssumeRoleWithWebIdentity`).
    Federated {
        /// The provider as a trust policy names it, `cognito-identity.amazonaws.com` or an ARN.
        provider: Cow<'p, str>,
    },
    /// An AWS service.
    Service {
        /// For example `lambda.amazonaws.com`.
        name: Cow<'p, str>,
    },
    /// Someone of an account of whom nothing else is known, as a policy simulation without a caller asks. No key about the
    /// principal is derived for them.
    Unknown {
        /// The account's number.
        account: Cow<'p, str>,
    },
    /// Nobody in particular.
    Anonymous,
}

/// What stands for the account in the ARN of a CloudFront origin access identity,
/// `arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity …`.
pub(super) const ORIGIN_ACCESS_ACCOUNT: &str = "cloudfront";

/// Why a text does not name a principal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` names no principal; expected the ARN of a role, role session, user, federated user or account root, \
     `<service>.amazonaws.com`, or an identity provider"
)]
pub struct PrincipalError(String);

impl<'p> Principal<'p> {
    /// The session `session` of the role with this ARN.
    pub fn session(role_arn: &'p str, session: &str) -> Result<Self, PrincipalError> {
        let wrong = || PrincipalError(role_arn.to_owned());
        let arn = Arn::split(role_arn).ok_or_else(wrong)?;
        let path = arn.resource.strip_prefix("role/").ok_or_else(wrong)?;
        let name = path.rsplit('/').next().unwrap_or(path);
        let session_arn = format!(
            "arn:{}:sts::{}:assumed-role/{name}/{session}",
            arn.partition, arn.account
        );
        Ok(Self::Session {
            role_arn: role_arn.into(),
            session_arn: session_arn.into(),
        })
    }

    /// Reads a principal as it stands in a log or a simulation. The role of a session is taken to have no path, for the
    /// session's ARN does not show it; a bare domain name is a service if it ends in `.amazonaws.com` and is not the
    /// identity provider `cognito-identity.amazonaws.com`.
    pub fn parse(text: &'p str) -> Result<Self, PrincipalError> {
        let wrong = || PrincipalError(text.chars().take(200).collect());
        if text == "*" {
            return Ok(Self::Anonymous);
        }
        let Some(arn) = Arn::split(text) else {
            return domain(text).ok_or_else(wrong);
        };
        let (kind, name) = arn.resource.split_once('/').unwrap_or((arn.resource, ""));
        match (arn.service, kind) {
            ("iam", "root") if name.is_empty() => Ok(Self::Root { arn: text.into() }),
            ("iam", "user") if !name.is_empty() => Ok(Self::User { arn: text.into() }),
            ("iam", "role") if !name.is_empty() => Ok(Self::Role { arn: text.into() }),
            ("iam", "oidc-provider" | "saml-provider") => Ok(Self::Federated { provider: text.into() }),
            ("sts", "federated-user") if !name.is_empty() => Ok(Self::FederatedUser { arn: text.into() }),
            ("sts", "assumed-role") => {
                let (role, session) = name.split_once('/').ok_or_else(wrong)?;
                if role.is_empty() || session.is_empty() {
                    return Err(wrong());
                }
                let role_arn = format!("arn:{}:iam::{}:role/{role}", arn.partition, arn.account);
                Ok(Self::Session {
                    role_arn: role_arn.into(),
                    session_arn: text.into(),
                })
            }
            _ => Err(wrong()),
        }
    }

    /// The account the principal belongs to; services, providers and nobody belong to none, and nor does an origin access
    /// identity of CloudFront.
    pub fn account(&self) -> Option<&str> {
        let arn = match self {
            Self::Session { session_arn: arn, .. }
            | Self::Role { arn }
            | Self::User { arn }
            | Self::FederatedUser { arn }
            | Self::Root { arn } => arn,
            Self::Unknown { account } => return Some(account),
            Self::Federated { .. } | Self::Service { .. } | Self::Anonymous => return None,
        };
        let account = Arn::split(arn).map(|arn| arn.account);
        account.filter(|account| *account != ORIGIN_ACCESS_ACCOUNT)
    }

    /// `aws:PrincipalArn`: for a session, the ARN of its role (IAM User Guide, "Global condition keys").
    fn arn(&self) -> Option<&str> {
        match self {
            Self::Session { role_arn: arn, .. }
            | Self::Role { arn }
            | Self::User { arn }
            | Self::FederatedUser { arn }
            | Self::Root { arn } => Some(arn),
            Self::Unknown { .. } | Self::Federated { .. } | Self::Service { .. } | Self::Anonymous => None,
        }
    }
}

fn domain(text: &str) -> Option<Principal<'_>> {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b".-/_".contains(&byte);
    if !text.contains('.') || !text.bytes().all(sound) {
        return None;
    }
    if text.ends_with(".amazonaws.com") && text != "cognito-identity.amazonaws.com" {
        return Some(Principal::Service { name: text.into() });
    }
    Some(Principal::Federated { provider: text.into() })
}

/// One request for one action on one resource.
#[derive(Clone, Debug)]
pub struct Request<'r> {
    /// Who asks.
    pub principal: Principal<'r>,
    /// `service:Action`, in any case.
    pub action: &'r str,
    /// The resource's ARN, or `*` for an action that has no resource type, such as `secretsmanager:ListSecrets`.
    pub resource: &'r str,
    /// The account that owns the resource, for not every ARN shows it; empty if it is not known.
    pub resource_account: &'r str,
    /// Condition keys. `aws:PrincipalArn`, `aws:PrincipalAccount` and `aws:ResourceAccount` follow from the fields above
    /// unless they are given here.
    pub context: Context<'r>,
}

impl Request<'_> {
    /// Keys that AWS puts into every request and that follow from its other parts.
    pub(super) fn derived(&self, key: &str) -> Option<&str> {
        if key.eq_ignore_ascii_case("aws:PrincipalArn") {
            self.principal.arn()
        } else if key.eq_ignore_ascii_case("aws:PrincipalAccount") {
            self.principal.arn()?;
            self.principal.account()
        } else if key.eq_ignore_ascii_case("aws:ResourceAccount") {
            Some(self.resource_account).filter(|account| !account.is_empty())
        } else {
            None
        }
    }

    /// Whether the request is the one that nothing can deny: an account's principal asking for its own name.
    pub(super) fn asks_who_i_am(&self) -> bool {
        self.action.eq_ignore_ascii_case("sts:GetCallerIdentity") && self.principal.account().is_some()
    }

    /// Whether the request is decided by a role's trust policy. The resource is not asked: one of these actions on anything
    /// but a role has no trust policy and is refused.
    pub(super) fn concerns_trust(&self) -> bool {
        is_trust_action(self.action)
    }
}

/// Whether an action is one that a role's trust policy decides.
pub(super) fn is_trust_action(action: &str) -> bool {
    const ACTIONS: [&str; 6] = [
        "sts:AssumeRole",
        "sts:AssumeRoleWithWebIdentity",
        "sts:AssumeRoleWithSAML",
        "sts:TagSession",
        "sts:SetSourceIdentity",
        "sts:SetContext",
    ];
    ACTIONS.iter().any(|known| known.eq_ignore_ascii_case(action))
}

/// Whether a text is an account's number.
pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The segments of an ARN that matter here; the last one may hold colons.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arn<'a> {
    pub(super) partition: &'a str,
    pub(super) service: &'a str,
    pub(super) account: &'a str,
    pub(super) resource: &'a str,
}

impl<'a> Arn<'a> {
    pub(super) fn split(text: &'a str) -> Option<Self> {
        let mut segments = text.splitn(6, ':');
        if segments.next() != Some("arn") {
            return None;
        }
        let (partition, service) = (segments.next()?, segments.next()?);
        let _region = segments.next()?;
        let (account, resource) = (segments.next()?, segments.next()?);
        Some(Self {
            partition,
            service,
            account,
            resource,
        })
    }
}
