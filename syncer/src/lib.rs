//! The syncer: everything that talks to a cluster, a file or the clock. What to do is decided in `vcluster_syncer_core`.

pub mod activator;
pub mod activity;
pub mod admin;
pub mod certs;
pub mod client;
pub mod coredns;
pub mod engine;
pub mod hosts;
pub mod init;
pub mod kubelet;
pub mod lease;
pub mod logging;
pub mod namespace;
pub mod plain_http;
pub mod rights;
pub mod run;
pub mod shutdown;
pub mod sockets;
mod turn_into;
pub mod wait;
