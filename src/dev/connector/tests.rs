//! Tests of what needs no network: states, messages, policies.

mod policies;
mod states;
