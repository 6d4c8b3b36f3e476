//! `networking`

use crate::section::section;

section! {
    /// Addresses and names.
    pub struct Networking {
        /// The range of service addresses. Empty: the host's own, found when the control plane
        /// starts. Two ranges of a dual-stack host are joined by a comma. A service inside has the
        /// address of its twin on the host, so another range than the host's is of no use.
        #[serde(rename = "serviceCIDR")]
        service_cidr: String = String::new(),
        /// Names and fallbacks.
        advanced: AdvancedNetworking = AdvancedNetworking::default(),
    }
}

section! {
    /// Names and fallbacks.
    pub struct AdvancedNetworking {
        /// The DNS domain of the virtual cluster.
        cluster_domain: String = "cluster.local".to_owned(),
        /// Whether names that the virtual cluster does not know are looked up as services of the
        /// host.
        fallback_host_cluster: bool = false,
    }
}
