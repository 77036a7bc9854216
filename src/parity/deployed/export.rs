//! The answer of `aws iam get-account-authorization-details` (IAM API Reference, "GetAccountAuthorizationDetails"), and the policies of
//! buckets and secrets beside it.
//!
//! What AWS adds to its answers is passed over; what is read here must be of its form. A listing that was cut off is refused: the
//! roles that are not in it would count as missing, and those nobody expects would not be seen.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::Value as Json;

/// What is attached to what in an account.
#[derive(Clone, Debug)]
pub struct Export {
    pub(super) roles: Vec<Role>,
    /// The documents of managed policies, by ARN.
    pub(super) managed: BTreeMap<String, String>,
    /// The policies of buckets, by name; absent where nobody looked.
    pub(super) buckets: Option<BTreeMap<String, Option<String>>>,
    /// The policies of secrets, by ARN; absent where nobody looked.
    pub(super) secrets: Option<BTreeMap<String, Option<String>>>,
}

/// A role with its documents as JSON.
#[derive(Clone, Debug)]
pub(super) struct Role {
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) trust: String,
    /// Inline policies, by name.
    pub(super) inline: Vec<(String, String)>,
    /// The ARNs of the managed policies attached.
    pub(super) attached: Vec<String>,
    /// The ARN of the permissions boundary.
    pub(super) boundary: Option<String>,
    pub(super) tags: Vec<(String, String)>,
}

/// Why a file is no such answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}; expected is the JSON of `aws iam get-account-authorization-details`, whole")]
pub struct ExportError(String);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct File {
    role_detail_list: Vec<RoleDetail>,
    #[serde(default)]
    policies: Vec<Policy>,
    #[serde(default)]
    is_truncated: bool,
    bucket_policies: Option<BTreeMap<String, Json>>,
    secret_policies: Option<BTreeMap<String, Json>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RoleDetail {
    role_name: String,
    arn: String,
    assume_role_policy_document: Json,
    #[serde(default)]
    role_policy_list: Vec<InlinePolicy>,
    #[serde(default)]
    attached_managed_policies: Vec<Attached>,
    permissions_boundary: Option<Boundary>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InlinePolicy {
    policy_name: String,
    policy_document: Json,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attached {
    policy_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Boundary {
    permissions_boundary_arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Policy {
    arn: String,
    policy_version_list: Vec<Version>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    document: Json,
    is_default_version: bool,
}

impl Export {
    /// Reads the file.
    ///
    /// # Errors
    /// What is not of the form: no JSON, a member that is missing or twice there, a document that is no document, a listing that was
    /// cut off.
    pub fn read(bytes: &[u8]) -> Result<Self, ExportError> {
        let file: File = crate::json::read(bytes).map_err(|error| ExportError(error.to_string()))?;
        if file.is_truncated {
            return Err(ExportError(
                "`IsTruncated` is true: the listing was cut off, and what was not listed would not be looked at".into(),
            ));
        }
        let roles = file.role_detail_list.into_iter().map(role).collect::<Result<_, _>>()?;
        let mut managed = BTreeMap::new();
        for Policy {
            arn,
            policy_version_list,
        } in file.policies
        {
            let Some(version) = policy_version_list.iter().find(|version| version.is_default_version) else {
                return Err(ExportError(format!("the policy `{arn}` has no default version")));
            };
            managed.insert(arn.clone(), document(&version.document, &arn)?);
        }
        Ok(Self {
            roles,
            managed,
            buckets: file.bucket_policies.map(resource_policies).transpose()?,
            secrets: file.secret_policies.map(resource_policies).transpose()?,
        })
    }

    /// How many roles the account has.
    pub fn roles(&self) -> usize {
        self.roles.len()
    }
}

fn role(detail: RoleDetail) -> Result<Role, ExportError> {
    let name = detail.role_name;
    let inline = detail.role_policy_list.into_iter().map(|policy| {
        let text = document(&policy.policy_document, &format!("{name}/{}", policy.policy_name))?;
        Ok((policy.policy_name, text))
    });
    Ok(Role {
        inline: inline.collect::<Result<_, _>>()?,
        trust: document(&detail.assume_role_policy_document, &name)?,
        arn: detail.arn,
        attached: detail
            .attached_managed_policies
            .into_iter()
            .map(|attached| attached.policy_arn)
            .collect(),
        boundary: detail
            .permissions_boundary
            .map(|boundary| boundary.permissions_boundary_arn),
        tags: detail.tags.into_iter().map(|tag| (tag.key, tag.value)).collect(),
        name,
    })
}

fn resource_policies(policies: BTreeMap<String, Json>) -> Result<BTreeMap<String, Option<String>>, ExportError> {
    let each = policies.into_iter().map(|(name, policy)| {
        let text = match policy {
            Json::Null => None,
            policy => Some(document(&policy, &name)?),
        };
        Ok((name, text))
    });
    each.collect()
}

/// The JSON of a document: an object where the AWS CLI decoded it, else text, which IAM's API encodes as in URLs (RFC 3986).
fn document(value: &Json, of: &str) -> Result<String, ExportError> {
    let text = match value {
        Json::Object(_) => return Ok(value.to_string()),
        Json::String(text) if text.trim_start().starts_with('{') => text.clone(),
        Json::String(text) => match percent_decode_str(text).decode_utf8() {
            Ok(text) => text.into_owned(),
            Err(error) => return Err(ExportError(format!("a document of `{of}` is no text: {error}"))),
        },
        _ => {
            return Err(ExportError(format!(
                "a document of `{of}` is neither an object nor text"
            )));
        }
    };
    // One member twice would be two documents; whoever reads on would see one of them.
    crate::json::parse(text.as_bytes())
        .map_err(|error| ExportError(format!("a document of `{of}` cannot be read: {error}")))?;
    Ok(text)
}
