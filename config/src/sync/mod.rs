//! `sync`: which kinds of object are mirrored, and in which direction.

mod from_host;
mod to_host;

pub use from_host::{ForScheduling, FromHost, NodeSelector, Nodes};
pub use to_host::{HostsRewrite, HybridScheduling, Pods, Referenced, ToHost};

use crate::section::section;

section! {
    /// Which kinds of object are mirrored between the virtual cluster and its host.
    pub struct Sync {
        /// Kinds that are made in the virtual cluster and mirrored to the host.
        to_host: ToHost = ToHost::default(),
        /// Kinds that exist on the host and are shown in the virtual cluster.
        from_host: FromHost = FromHost::default(),
    }
}

section! {
    /// A kind that is mirrored.
    pub struct On {
        /// Whether this kind is mirrored.
        enabled: bool = true,
    }
}
