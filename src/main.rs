//! Tidegate command line.

fn main() {}
