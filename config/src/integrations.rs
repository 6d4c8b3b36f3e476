//! `integrations`

use crate::section::section;

section! {
    /// Programs of the host that serve the virtual cluster too.
    pub struct Integrations {
        /// The host's metrics-server.
        metrics_server: MetricsServer = MetricsServer::default(),
    }
}

section! {
    /// The host's metrics-server. `kubectl top` and autoscalers inside find what it measured of this virtual cluster's pods,
    /// under their own names, so that no metrics-server is needed inside. While the host has none, nothing is offered.
    pub struct MetricsServer {
        /// Whether it serves the virtual cluster. A metrics-server that was installed inside goes first.
        enabled: bool = false,
        /// Whether nodes are told of: what this virtual cluster's pods use on each, not what others use there.
        nodes: bool = true,
        /// Whether pods are told of.
        pods: bool = true,
    }
}
