//! Replay on a cluster.
fn main() {}
