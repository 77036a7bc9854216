//! The platform's staff who administer it from where the data is.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{OperatorName, OperatorRole};

/// What is written, where nothing is wrong with it; every problem goes to `problems`.
pub(super) fn read(
    problems: &mut Vec<String>,
    written: BTreeMap<String, Vec<String>>,
) -> BTreeMap<OperatorName, BTreeSet<OperatorRole>> {
    let mut operators = BTreeMap::new();
    for (name, roles) in written {
        let mut sound = BTreeSet::new();
        for role in roles {
            match role.parse() {
                Ok(role) => drop(sound.insert(role)),
                Err(error) => problems.push(format!("`operators.{name}`: {error}")),
            }
        }
        match name.parse() {
            Ok(name) => drop(operators.insert(name, sound)),
            Err(error) => problems.push(format!("`operators`: {error}")),
        }
    }
    operators
}
