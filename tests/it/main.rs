//! The integration tests: one binary, a module for each thing that is tested as a whole.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking; the lints exempt only functions marked as tests, not what those share"
)]

mod corpus;
