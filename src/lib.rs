//! Tidegate.

pub mod clock;
pub mod decision;
pub mod iam;
pub mod ids;
pub mod vault;
