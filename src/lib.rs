//! Tidegate.

pub mod clock;
pub mod contract;
pub mod decision;
pub mod ids;
