//! Tidegate.

pub mod clock;
pub mod decision;
pub mod dev;
pub mod facts;
pub mod ids;
