//! The words a question is made of. They are the types of `schema/tidegate.cedarschema`; a test holds the two equal.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;

use crate::ids::Version;

/// Declares an enum whose variants are names of the schema.
macro_rules! schema_names {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// Every name, in the order of the schema.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name without its namespace.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl FromStr for $name {
            type Err = UnknownName;

            fn from_str(text: &str) -> Result<Self, UnknownName> {
                match text.strip_prefix("Tidegate::").unwrap_or(text) {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(UnknownName(text.chars().take(80).flat_map(char::escape_debug).collect())),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    };
}

/// A name the schema does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the schema has no `{0}`; see schema/tidegate.cedarschema")]
pub struct UnknownName(String);

schema_names! {
    /// An entity type of the schema.
    EntityKind {
        /// A company on the platform.
        Tenant = "Tenant",
        /// A Cognito group.
        CompanyRole = "CompanyRole",
        /// A person of a tenant.
        User = "User",
        /// A tenant's own connector.
        Connector = "Connector",
        /// A supplier system of a tenant.
        Integration = "Integration",
        /// A company asking from outside.
        Partner = "Partner",
        /// An OAuth2 client of a partner at a tenant's PACT endpoint.
        PactClient = "PactClient",
        /// A group of the platform's staff.
        OperatorRole = "OperatorRole",
        /// One of the platform's staff or services.
        Operator = "Operator",
        /// The platform as a whole.
        Platform = "Platform",
        /// A secret of a tenant.
        Secret = "Secret",
        /// A tenant's IAM role.
        AwsRole = "AwsRole",
        /// An asset of a tenant's connector.
        Asset = "Asset",
        /// One version of a footprint.
        Footprint = "Footprint",
        /// All footprints of a tenant.
        FootprintStore = "FootprintStore",
        /// What a catalog shows.
        Offer = "Offer",
        /// A finalized contract.
        Agreement = "Agreement",
        /// All agreements of a tenant.
        AgreementStore = "AgreementStore",
        /// All supplier systems of a tenant.
        IntegrationStore = "IntegrationStore",
        /// The digital twin of a product.
        Twin = "Twin",
        /// A submodel of a twin.
        Submodel = "Submodel",
        /// The access rules of a tenant's twins.
        AccessRuleStore = "AccessRuleStore",
        /// A version of the policies.
        Bundle = "Bundle",
        /// A decision log.
        Ledger = "Ledger",
    }
}

schema_names! {
    /// An action of the schema that can be asked for (groups of actions cannot).
    Action {
        /// Create a tenant.
        OnboardTenant = "onboardTenant",
        /// Stop a tenant's use of the platform for a while.
        SuspendTenant = "suspendTenant",
        /// End a suspension.
        ResumeTenant = "resumeTenant",
        /// Remove a tenant.
        OffboardTenant = "offboardTenant",
        /// See one tenant's record.
        ReadTenant = "readTenant",
        /// See which tenants there are.
        ListTenants = "listTenants",
        /// Add a person to a company.
        InviteUser = "inviteUser",
        /// Remove a person from a company.
        RemoveUser = "removeUser",
        /// Change a person's company roles.
        AssignRole = "assignRole",
        /// See a person's record.
        ReadUser = "readUser",
        /// Take temporary credentials of the tenant's role.
        AssumeRole = "assumeRole",
        /// Read a secret's value.
        ReadSecret = "readSecret",
        /// Store a secret's value.
        WriteSecret = "writeSecret",
        /// Move a secret to its next version.
        RotateSecret = "rotateSecret",
        /// Read a footprint of the own company.
        ReadFootprint = "readFootprint",
        /// Remove a footprint.
        DeleteFootprint = "deleteFootprint",
        /// Store a footprint.
        WriteFootprint = "writeFootprint",
        /// List the own company's footprints.
        ListFootprints = "listFootprints",
        /// Hand a footprint in from a supplier system.
        Ingest = "ingest",
        /// See which supplier systems the own company has.
        ListIntegrations = "listIntegrations",
        /// Add, change or stop a supplier system of the own company.
        ManageIntegration = "manageIntegration",
        /// See which agreements the own company has.
        ListAgreements = "listAgreements",
        /// End an agreement of the own company.
        RetireAgreement = "retireAgreement",
        /// Find a digital twin.
        ReadTwin = "readTwin",
        /// See a specific asset id of a digital twin.
        ReadAssetId = "readAssetId",
        /// Reach a submodel of a digital twin.
        ReachSubmodel = "reachSubmodel",
        /// See the access rules of the own company's twins.
        ReadAccessRules = "readAccessRules",
        /// Change the access rules of the own company's twins.
        WriteAccessRules = "writeAccessRules",
        /// See an offer in the catalog.
        Discover = "discover",
        /// Agree on a contract.
        Negotiate = "negotiate",
        /// Start a transfer under an agreement.
        Transfer = "transfer",
        /// Receive a footprint under an agreement.
        Access = "access",
        /// Hand a footprint in to a company, as its partner under an agreement.
        Submit = "submit",
        /// Search a company's footprints, as its partner.
        SearchFootprints = "searchFootprints",
        /// Tell a company of footprints of one's own, as its partner.
        AnnounceFootprints = "announceFootprints",
        /// See which policies are in force.
        ReadBundle = "readBundle",
        /// Put policies in force.
        PublishBundle = "publishBundle",
        /// Read a decision log.
        ReadLedger = "readLedger",
        /// Make recorded decisions again.
        ReplayLedger = "replayLedger",
    }
}

/// A reference to an entity: its type and its id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityRef {
    /// The entity's type.
    pub kind: EntityKind,
    /// The entity's id within its type.
    pub id: Arc<str>,
}

impl EntityRef {
    /// A reference from a type and an id.
    pub fn new(kind: EntityKind, id: impl Into<Arc<str>>) -> Self {
        Self { kind, id: id.into() }
    }
}

impl fmt::Display for EntityRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}::\"{}\"", self.kind, self.id.escape_debug())
    }
}

impl fmt::Debug for EntityRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// A value of an attribute or of the context.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Long(i64),
    /// A text.
    String(Arc<str>),
    /// An instant, to the millisecond.
    DateTime(Timestamp),
    /// A reference to an entity.
    Entity(EntityRef),
    /// Values without order or repetition.
    Set(BTreeSet<Value>),
    /// Named values.
    Record(BTreeMap<String, Value>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<&Version> for Value {
    /// As the schema has it: the version in full, and its first number.
    fn from(version: &Version) -> Self {
        let members = [
            ("full", Self::from(version.full())),
            ("major", Self::Long(version.major().into())),
        ];
        Self::Record(members.map(|(name, value)| (name.to_owned(), value)).into())
    }
}

impl From<EntityRef> for Value {
    fn from(reference: EntityRef) -> Self {
        Self::Entity(reference)
    }
}

/// An entity of the slice: what policies may know about it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entity {
    /// Which entity this is.
    pub uid: EntityRef,
    /// Its attributes.
    pub attrs: BTreeMap<String, Value>,
    /// The entities it is directly in.
    pub parents: BTreeSet<EntityRef>,
}
