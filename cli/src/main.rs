//! vcluster.
fn main() {}
