//! A case that is a request to AWS itself: what the documents the platform deploys must answer to a caller who never asks
//! Tidegate.
//!
//! Credentials reach further than questions do. Whoever holds a session of a tenant's role can send AWS any request, with any
//! action, resource and condition key; so can a stranger from another account, and a service that is made to act for one.
//! Cedar has no word for most of that and is not asked. The case holds the whole of the isolation that AWS enforces: the same
//! documents, found by the ARNs of the request as AWS finds them (see [`crate::iam::Account`]).
//!
//! ```json
//! {
//!   "name": "list-without-prefix",
//!   "why": "without `s3:prefix` the whole bucket would be listed, every tenant's keys",
//!   "request": {
//!     "principal": "arn:aws:sts::123456789012:assumed-role/tidegate-tenant-BPNL000000000DWF/ada",
//!     "action": "s3:ListBucket",
//!     "resource": "arn:aws:s3:::tidegate-footprints",
//!     "context": {"aws:PrincipalTag/bpnl": "BPNL000000000DWF"}
//!   },
//!   "expect": {
//!     "cedar": "not-applicable",
//!     "iam": {"decision": "explicitDeny", "statements": ["bucket-policy#ListOwnPrefixOnly"]}
//!   }
//! }
//! ```
//!
//! `action` may be a list, each of which must be answered so. `session` gives a session policy by its document's name with the
//! values of its parameters. `policies` are those of a caller who is not the platform's, `account` the owner of a resource whose
//! ARN does not show it where that is not the platform.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value as Json;

use super::case::{Expect, ExpectAsked, ExpectCedar, ExpectIam, NotApplicable};
use crate::decision::IamDecision;
use crate::iam::{self, Account, Context, Document, DocumentKind, Params, Principal, Request, SessionPolicy};

/// A request to AWS and what must be answered.
#[derive(Clone, Debug)]
pub struct RequestCase {
    /// The directory the case stands in.
    pub theme: String,
    /// Its name, which is that of its file.
    pub name: String,
    /// The trap it pins.
    pub why: String,
    /// What it is about.
    pub tags: BTreeSet<String>,
    /// The request.
    pub request: AwsRequest,
    /// What must be answered; Cedar is not asked.
    pub expect: Expect,
}

/// A request to AWS, as someone with credentials could send it.
#[derive(Clone, Debug)]
pub struct AwsRequest {
    /// Who asks: an ARN, a service or an identity provider.
    pub principal: String,
    /// The actions, each asked by itself; never empty.
    pub actions: Vec<String>,
    /// The resource's ARN, or `*`.
    pub resource: String,
    /// The account that owns the resource, where it is not the platform's and the ARN does not show it.
    pub account: Option<String>,
    /// Condition keys.
    pub context: BTreeMap<String, Vec<String>>,
    /// A session policy by name, with the values of its parameters.
    pub session: Option<(String, BTreeMap<String, String>)>,
    /// The policies of a caller who is not the platform's.
    pub policies: Vec<Document>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    why: String,
    #[serde(default)]
    tags: BTreeSet<String>,
    request: RequestFile,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestFile {
    principal: String,
    action: OneOrMany,
    resource: String,
    #[serde(default)]
    account: Option<String>,
    #[serde(default)]
    context: BTreeMap<String, OneOrMany>,
    #[serde(default)]
    session: Option<SessionFile>,
    #[serde(default)]
    policies: Vec<Json>,
}

#[derive(Deserialize)]
struct SessionFile {
    document: String,
    #[serde(flatten)]
    params: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn list(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

/// Whether the file of a case holds a request rather than a question.
pub(super) fn is_request(text: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Probe {
        request: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_slice::<Probe>(text).is_ok_and(|probe| probe.request.is_some())
}

/// Reads the case `name` of `theme`.
pub(super) fn read(theme: &str, name: &str, text: &[u8]) -> Result<RequestCase, String> {
    let file: File = crate::json::read(text).map_err(|error| error.to_string())?;
    super::case::check_head(name, &file.name, &file.why)?;
    if !matches!(file.expect.cedar, ExpectCedar::Unasked(_)) {
        return Err("a request to AWS is not asked of Cedar; expect `\"cedar\": \"not-applicable\"`".into());
    }
    let request = file.request;
    Principal::parse(&request.principal).map_err(|error| format!("at `/request/principal`: {error}"))?;
    let actions = request.action.list();
    if actions.is_empty() {
        return Err("at `/request/action`: give at least one action".into());
    }
    let policies = request.policies.iter().enumerate().map(|(index, policy)| {
        let name = format!("policies/{index}");
        Document::parse_deployed(&name, &policy.to_string(), DocumentKind::Identity).map_err(|error| error.to_string())
    });
    Ok(RequestCase {
        theme: theme.to_owned(),
        name: file.name,
        why: file.why,
        tags: file.tags,
        request: AwsRequest {
            principal: request.principal,
            actions,
            resource: request.resource,
            account: request.account,
            context: request
                .context
                .into_iter()
                .map(|(key, values)| (key, values.list()))
                .collect(),
            session: request.session.map(|session| (session.document, session.params)),
            policies: policies.collect::<Result<_, _>>()?,
        },
        expect: file.expect,
    })
}

impl RequestCase {
    /// `theme/name`.
    pub fn id(&self) -> String {
        format!("{}/{}", self.theme, self.name)
    }
}

impl AwsRequest {
    /// What AWS answers to each action in turn, with the documents of `account`.
    ///
    /// # Errors
    /// A session policy the account does not have.
    pub fn ask(&self, account: &Account) -> Result<Vec<ExpectIam>, String> {
        self.each(account, |request, layers, params| {
            let evaluation = iam::evaluate(request, layers, params);
            ExpectIam::Asked(ExpectAsked {
                decision: evaluation.decision,
                statements: evaluation.statements().into_iter().collect(),
            })
        })
    }

    /// Calls `then` for each action with all that AWS would look at.
    ///
    /// # Errors
    /// A session policy the account does not have.
    pub fn each<T>(
        &self,
        account: &Account,
        mut then: impl FnMut(&Request<'_>, &iam::Layers<'_>, &Params<'_>) -> T,
    ) -> Result<Vec<T>, String> {
        let session = match &self.session {
            None => None,
            Some((name, values)) => Some(SessionPolicy {
                document: account
                    .document(name)
                    .ok_or_else(|| format!("the bundle has no session policy `{name}`"))?,
                params: values.iter().fold(Params::new(), |params, (name, value)| {
                    params.with(name.as_str(), value.as_str())
                }),
            }),
        };
        let foreign: Vec<&Document> = self.policies.iter().collect();
        let owner = self.account.as_deref().unwrap_or_else(|| {
            let shown = self.resource.split(':').nth(4).filter(|account| !account.is_empty());
            shown.unwrap_or_else(|| account.names().account())
        });
        let mut answers = Vec::with_capacity(self.actions.len());
        for action in &self.actions {
            let request = Request {
                principal: Principal::parse(&self.principal).map_err(|error| error.to_string())?,
                action,
                resource: &self.resource,
                resource_account: owner,
                context: self.context(),
            };
            answers.push(
                account.with_layers(&request, session.as_ref(), &foreign, |layers, params| {
                    then(&request, layers, params)
                }),
            );
        }
        Ok(answers)
    }

    /// The value of a condition key that has one.
    pub(super) fn one(&self, key: &str) -> Option<&str> {
        let (_, values) = self.context.iter().find(|(known, _)| known.eq_ignore_ascii_case(key))?;
        match values.as_slice() {
            [value] => Some(value),
            _ => None,
        }
    }

    fn context(&self) -> Context<'_> {
        let each = self.context.iter();
        each.fold(Context::new(), |context, (key, values)| match values.as_slice() {
            [value] => context.with(key.as_str(), value.as_str()),
            values => context.with_many(key.as_str(), values.iter().map(String::as_str)),
        })
    }
}

impl ExpectIam {
    /// Whether AWS allows.
    pub fn allows(&self) -> bool {
        matches!(self, Self::Asked(asked) if asked.decision == IamDecision::Allowed)
    }
}

impl ExpectCedar {
    /// Cedar is not asked.
    pub(super) const UNASKED: Self = Self::Unasked(NotApplicable::NotApplicable);
}
