//! Tidegate.

pub mod clock;
pub mod decision;
pub mod ids;
pub mod ledger;
