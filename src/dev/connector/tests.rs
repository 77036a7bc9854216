//! Tests of what needs no network: states, messages, policies, ends.

mod endings;
mod policies;
mod states;
