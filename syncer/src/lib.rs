//! The syncer: everything that talks to a cluster, a file or the clock. What to do is decided in `vcluster_syncer_core`.

pub mod admin;
pub mod lease;
pub mod logging;
pub mod shutdown;
