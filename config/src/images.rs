//! Every image and version that the chart uses by default. Nothing else in the tree names one.

/// The Kubernetes version of a virtual cluster when none is asked for.
pub const KUBERNETES_VERSION: &str = "v1.34.4";
/// Where Kubernetes publishes its images.
pub const KUBERNETES_REGISTRY: &str = "registry.k8s.io";
/// The version of CoreDNS in a virtual cluster.
pub const COREDNS_VERSION: &str = "v1.15.0";
/// The repository of CoreDNS within [`KUBERNETES_REGISTRY`].
pub const COREDNS_REPOSITORY: &str = "coredns/coredns";
/// The repository of kine, which lets an API server keep its data in a database.
pub const KINE_REPOSITORY: &str = "rancher/kine";
/// The version of kine.
pub const KINE_VERSION: &str = "v0.17.5";
/// The registry of this project's own image.
pub const SYNCER_REGISTRY: &str = "ghcr.io";
/// The repository of this project's own image.
pub const SYNCER_REPOSITORY: &str = "vcluster-rs/syncer";
/// The version of this project's own image: that of the program which was built with it.
pub const SYNCER_VERSION: &str = env!("CARGO_PKG_VERSION");
