//! All that should stand for a tenant in AWS, made of the bundle and the configuration alone.

use jiff::Timestamp;

use super::revocation;
use crate::bundle::Bundle;
use crate::groups::{self, GroupsError};
use crate::iam::mapping::Group;
use crate::iam::{DocumentKind, Isolation, Params, RenderError, secret_id};
use crate::ids::{ClientId, SecretName, TenantId};
use crate::vault::CONNECTOR_CLIENT;

/// The scope by which the tenant's connector reads footprints for partners.
pub const READ: &str = "pcf.read";

/// The app clients each tenant has: what for, the secret that holds it, and the scopes it is given at the tenant's own resource server.
const CLIENTS: [(Purpose, &str, &[&str]); 3] = [
    (Purpose::Connector, CONNECTOR_CLIENT, &[READ, "dataflows"]),
    (Purpose::Registry, "registry-client", &["registry.write"]),
    (Purpose::Ingest, "ingest-auth", &["pcf.write"]),
];

/// The scopes of a tenant's resource server, each with what people read of it.
const SCOPES: [(&str, &str); 4] = [
    ("dataflows", "Signal data flows"),
    ("pcf.read", "Read footprints for partners"),
    ("pcf.write", "Hand footprints in"),
    ("registry.write", "Describe footprints in the registry of digital twins"),
];

/// What a machine client of a tenant is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The tenant's connector.
    Connector,
    /// The tenant's entries in the registry of digital twins.
    Registry,
    /// The tenant's supplier systems.
    Ingest,
}

/// What of AWS is the platform's and not in the bundle.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The app client people sign in through.
    pub people_client: ClientId,
    /// Where the user pool gives tokens.
    pub token_url: String,
}

/// An app client that should be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedClient {
    /// What for.
    pub purpose: Purpose,
    /// Its name in the user pool.
    pub name: String,
    /// The secret that holds it.
    pub secret: SecretName,
    /// Its scopes, whole.
    pub scopes: Vec<String>,
}

/// A role that should be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedRole {
    /// Its name.
    pub name: String,
    /// The ARN of its permissions boundary.
    pub boundary: String,
    /// Its trust policy.
    pub trust: String,
    /// Its policy, `tenant-role`.
    pub policy: String,
    /// The deny of sessions the tenant had before it left, for as long as one of these may live.
    pub revocation: Option<String>,
}

/// All that should stand for a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The tenant.
    pub tenant: TenantId,
    /// Its own role; none where one role serves all.
    pub role: Option<WantedRole>,
    /// Its groups in the user pool.
    pub groups: Vec<Group>,
    /// The identifier of its resource server.
    pub server: String,
    /// Its app clients.
    pub clients: Vec<WantedClient>,
    /// The policy of each of its secrets.
    pub secret_policy: String,
    /// The key of the object that marks its prefix.
    pub marker: String,
}

/// Why it cannot be said what should stand.
#[derive(Debug, thiserror::Error)]
pub enum WantedError {
    /// The groups.
    #[error(transparent)]
    Groups(#[from] GroupsError),
    /// A document does not render.
    #[error("the document `{0}` does not render: {1}")]
    Document(&'static str, RenderError),
    /// A document is not in the bundle.
    #[error("the document `{0}` is not in the bundle")]
    Absent(&'static str),
    /// A name that is none.
    #[error("{0}")]
    Name(#[from] crate::ids::IdError),
}

impl Wanted {
    /// What should stand for `tenant`, whose endpoint is below `base_url`. `left` is when it was last on its way off the platform.
    ///
    /// # Errors
    /// The bundle does not say it.
    pub fn of(
        bundle: &Bundle,
        (tenant, left): (TenantId, Option<Timestamp>),
        base_url: &str,
        now: Timestamp,
    ) -> Result<Self, WantedError> {
        let account = &bundle.account;
        let names = account.names();
        let rendered = |name: &'static str| {
            let document = account.document(name).ok_or(WantedError::Absent(name))?;
            debug_assert!(document.kind() != DocumentKind::Session);
            let bpnl = tenant.to_string();
            let params: Params<'_> = names.params().with("bpnl", bpnl.clone()).with("owner", bpnl);
            document
                .render(&params)
                .map_err(|error| WantedError::Document(name, error))
        };
        let role = match account.isolation() {
            Isolation::Tags => None,
            Isolation::Role => Some(WantedRole {
                name: names.role_name(Isolation::Role, tenant),
                boundary: names.boundary_arn(),
                trust: rendered("tenant-trust")?,
                policy: rendered("tenant-role")?,
                revocation: left
                    .map(|left| revocation::document(tenant, left))
                    .filter(|deny| !revocation::is_spent(deny, now)),
            }),
        };
        let server = resource_server(base_url, tenant);
        let clients = CLIENTS.into_iter().map(|(purpose, secret, scopes)| {
            Ok(WantedClient {
                purpose,
                name: format!("tidegate-{tenant}-{secret}"),
                secret: secret.parse()?,
                scopes: scopes.iter().map(|scope| format!("{server}/{scope}")).collect(),
            })
        });
        Ok(Self {
            tenant,
            role,
            groups: groups::of_tenant(bundle, account.isolation(), tenant, now)?,
            clients: clients.collect::<Result<_, crate::ids::IdError>>()?,
            server,
            secret_policy: rendered("secret-policy")?,
            marker: format!("{tenant}/.tenant"),
        })
    }

    /// The scopes of the resource server, each with what people read of it.
    pub fn scopes() -> impl Iterator<Item = (&'static str, &'static str)> {
        SCOPES.into_iter()
    }

    /// What onboarding would make, a line each.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines = vec![("record", format!("{} on record as `onboarding`", self.tenant))];
        match &self.role {
            Some(role) => lines.push((
                "role",
                format!(
                    "IAM role `{}` with boundary `{}`, trust policy and policy `tenant-role`",
                    role.name, role.boundary
                ),
            )),
            None => lines.push((
                "role",
                "none of its own: the role `tidegate-pool` serves all, by the tag `bpnl`".to_owned(),
            )),
        }
        for group in &self.groups {
            let carries = group
                .role
                .as_ref()
                .map_or(String::new(), |role| format!(", with the role `{role}`"));
            let precedence = group
                .precedence
                .map_or(String::new(), |precedence| format!(" (precedence {precedence})"));
            lines.push(("groups", format!("Cognito group `{}`{precedence}{carries}", group.name)));
        }
        lines.push((
            "mapping",
            "identity pool maps by token, ambiguous is deny, tag `bpnl` from `custom:bpnl`".to_owned(),
        ));
        let scopes: Vec<_> = Self::scopes().map(|(scope, _)| scope).collect();
        lines.push((
            "server",
            format!("resource server `{}` with {}", self.server, scopes.join(", ")),
        ));
        for client in &self.clients {
            lines.push((
                "clients",
                format!("app client `{}` for {}", client.name, client.scopes.join(", ")),
            ));
        }
        for client in &self.clients {
            let name = secret_id(self.tenant, &client.secret);
            lines.push((
                "secrets",
                format!("secret `{name}` with the resource policy `secret-policy`"),
            ));
        }
        lines.push(("marker", format!("object `{}`", self.marker)));
        lines.push((
            "activate",
            format!(
                "clients and secrets on record, {} active, its endpoint open",
                self.tenant
            ),
        ));
        lines
    }
}

/// The identifier of a tenant's resource server: its endpoint.
pub fn resource_server(base_url: &str, tenant: TenantId) -> String {
    format!("{base_url}/exchange/{tenant}")
}
