//! What the chart renders for each distribution and store.
//!
//! Wants helm: from `VCLUSTER_TESTBED_BIN` (`cargo run -p e2e -- up` builds it, `... -- shell` sets the variable), or
//! else from the path.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what it expects by panicking"
)]

mod distros;
mod k0s;
mod k3s;
mod render;
mod stores;
