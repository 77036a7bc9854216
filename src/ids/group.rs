//! How a company's groups are called in a user pool, alone and where several companies share one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{CompanyRole, IdError, TenantId};

/// How the groups in the tokens of a tenant's people are named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupNames {
    /// The issuer is the tenant's own: a group is a company role.
    #[default]
    Own,
    /// Tenants share the issuer: a group is a [`TenantGroup`], which says whose it is.
    Prefixed,
}

impl GroupNames {
    /// Whether it is the default, which is left out where it is written down.
    pub fn is_own(&self) -> bool {
        *self == Self::Own
    }
}

/// A group of a user pool that several tenants share: `{bpnl}.{company role}`. Neither part can hold a dot, so that a text has one
/// reading.
///
/// ```
/// use tidegate::ids::TenantGroup;
/// let group: TenantGroup = "BPNL000000000DWF.admin".parse()?;
/// assert_eq!(group.tenant.as_str(), "BPNL000000000DWF");
/// assert_eq!(group.role.as_str(), "admin");
/// assert_eq!(group.to_string(), "BPNL000000000DWF.admin");
/// # Ok::<(), tidegate::ids::IdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantGroup {
    /// The tenant whose people are in it.
    pub tenant: TenantId,
    /// What they are there.
    pub role: CompanyRole,
}

impl FromStr for TenantGroup {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError::new("a tenant's group", "a BPNL, a dot and a company role", text);
        let (tenant, role) = text.split_once('.').ok_or_else(wrong)?;
        Ok(Self {
            tenant: tenant.parse().map_err(|_| wrong())?,
            role: role.parse().map_err(|_| wrong())?,
        })
    }
}

text_serde!(TenantGroup);

impl fmt::Display for TenantGroup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.tenant, self.role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_says_whose_it_is_in_one_spelling() {
        for wrong in [
            "",
            ".",
            "admin",
            "BPNL000000000DWF",
            "BPNL000000000DWF.",
            "BPNL000000000DWF..admin",
            "BPNL000000000DWF.admin.x",
            "BPNL000000000DWF.BPNL000000000DWF.admin",
            "bpnl000000000dwf.admin",
            "BPNL000000000DW.admin",
            "BPNL000000000DWF/admin",
            "BPNL000000000DWF:admin",
            " BPNL000000000DWF.admin",
            "BPNL000000000DWF.ad min",
        ] {
            assert!(wrong.parse::<TenantGroup>().is_err(), "{wrong}");
        }
    }
}
