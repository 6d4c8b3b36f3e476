//! `sync.toHost`

use std::collections::BTreeMap;

use super::On;
use crate::scalars::Resources;
use crate::section::section;

section! {
    /// Kinds that are made in the virtual cluster and mirrored to the host.
    pub struct ToHost {
        /// Services.
        services: On = On::default(),
        /// Endpoints of services that have no selector.
        endpoints: On = On::default(),
        /// Endpoint slices of services that have no selector.
        endpoint_slices: On = On::default(),
        /// Claims for storage.
        persistent_volume_claims: On = On::default(),
        /// Config maps.
        config_maps: Referenced = Referenced::default(),
        /// Secrets.
        secrets: Referenced = Referenced::default(),
        /// Pods: without them nothing runs.
        pods: Pods = Pods::default(),
    }
}

section! {
    /// A kind of which usually only those objects are mirrored that pods refer to.
    pub struct Referenced {
        /// Whether this kind is mirrored.
        enabled: bool = true,
        /// Whether all objects are mirrored, and not only those that a mirrored object refers to.
        all: bool = false,
    }
}

section! {
    /// How pods are mirrored.
    pub struct Pods {
        /// Whether pods are mirrored.
        enabled: bool = true,
        /// Images to replace: the image as the pod names it, letter by letter, and the one to run instead.
        translate_image: BTreeMap<String, String> = BTreeMap::new(),
        /// Tolerations that every pod gets on the host, as `key=value:Effect`. Without `=value` any value is borne, without
        /// `:Effect` all effects, and `*` stands for any key. Where the host's nodes are shown, taints that are borne by
        /// every pod are not.
        enforce_tolerations: Vec<String> = Vec::new(),
        /// Both values mean the same.
        #[serde(rename = "useSecretsForSATokens")]
        use_secrets_for_sa_tokens: bool = false,
        /// The runtime class that every pod gets on the host.
        runtime_class_name: String = String::new(),
        /// The priority class that every pod gets on the host.
        priority_class_name: String = String::new(),
        /// Makes `hostname -f` answer with the name inside the virtual cluster.
        rewrite_hosts: HostsRewrite = HostsRewrite::default(),
        /// Lets pods choose between schedulers inside and the host's.
        hybrid_scheduling: HybridScheduling = HybridScheduling::default(),
    }
}

section! {
    /// Which scheduler places a pod is then what its `schedulerName` says.
    pub struct HybridScheduling {
        /// Whether pods choose.
        enabled: bool = false,
        /// The schedulers of the host that pods may name. Pods that name another one wait for it inside. A pod that names
        /// none is placed inside with `controlPlane.advanced.virtualScheduler`, and by the host without.
        host_schedulers: Vec<String> = Vec::new(),
    }
}

section! {
    /// For pods with a subdomain: an init container writes `/etc/hosts`, so that `hostname -f`
    /// answers with the name inside the virtual cluster. It runs this project's own image.
    pub struct HostsRewrite {
        /// Whether the file is rewritten.
        enabled: bool = true,
        /// The container that does it.
        init_container: RewriteContainer = RewriteContainer::default(),
    }
}

section! {
    /// The container that writes `/etc/hosts`.
    pub struct RewriteContainer {
        /// What it may use, in pods of which a container says what it may use itself. In others it says nothing, so that they
        /// stay in their class of service.
        resources: Resources = Resources::of([("cpu", "30m"), ("memory", "64Mi")], [("cpu", "30m"), ("memory", "64Mi")]),
    }
}
