//! The benchmark: a virtual cluster, the bare host and a null syncer side by side, on the same machine in the same hour.
//!
//! Nothing here passes or fails: it prints what it measured beside what was hoped for. One observer watches both sides
//! and stamps what it sees; the client, the observer and the null syncer use the client library that the syncer uses.

mod api;
mod campaign;
mod figures;
mod follow;
mod goals;
mod idle;
mod life;
mod load;
pub mod null;
mod observer;
mod options;
mod pods;
mod processes;
mod report;
mod requests;
mod rows;
mod sheet;
mod soon;
mod stage;
mod virtual_cluster;

pub use campaign::run;
pub use null::NullSyncer;
pub use options::Options;
