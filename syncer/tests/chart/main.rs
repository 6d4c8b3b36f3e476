//! The chart, rendered by helm, against what the programs in it need and promise.
//!
//! Wants `VCLUSTER_TESTBED_BIN`, a folder with helm: `cargo run -p e2e -- up` builds it, and within `cargo run -p e2e --
//! shell` it is set. Without it, the helm in `PATH` is used.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what it expects by panicking"
)]

mod distros;
mod exposure;
mod honoured;
mod isolation;
mod k0s;
mod k3s;
mod pod;
mod policies;
mod reach;
mod render;
mod replication;
mod rights;
mod scheduler;
mod sleep;
mod stores;
