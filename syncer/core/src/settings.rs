//! What a virtual cluster's owner decided, as far as decisions depend on it.

use std::collections::BTreeMap;

use crate::json::{Value, json};

use crate::pod_security::Standard;
use crate::{Host, Key, Scheduling};

/// Settings of one virtual cluster. Built once at start by the engine from `vcluster.yaml` and its surroundings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The virtual cluster's name: the Helm release, and the host Service of its API server.
    pub name: String,
    /// The control-plane namespace, in which all its host objects live.
    pub host_namespace: String,
    /// DNS domain inside, `cluster.local` unless changed.
    pub cluster_domain: String,
    /// ServiceAccount on the host under which tenant pods run; it holds no rights.
    pub workload_service_account: String,
    /// Whether the virtual cluster has a DNS of its own: CoreDNS, which we bring. Its owner may bring another.
    pub own_dns: bool,
    /// Whether pods with a `subdomain` get their FQDN into `/etc/hosts` by an init container.
    pub rewrite_hosts: bool,
    /// Image of that init container: the syncer's own.
    pub rewrite_hosts_image: String,
    /// What that container may use, in pods that say what their own may: `limits` and `requests` of a container.
    pub rewrite_hosts_resources: Value,
    /// UID of host Service `NAME`, owner of all host objects; empty turns owner references off.
    pub owner_uid: String,
    /// Tell inside what the host says about mirrored objects.
    pub host_events: bool,
    /// Mirror all config maps, not only those that something references.
    pub all_config_maps: bool,
    /// Mirror all secrets, not only those that something references.
    pub all_secrets: bool,
    /// The virtual API server's version, `v1.34.4`: fake nodes report it as their kubelet's.
    pub kubernetes_version: String,
    /// Processor architecture of the host, `amd64`: what fake nodes say they are.
    pub architecture: String,
    /// Minor version of the host's API server (34 for 1.34): some pod fields exist only from one on.
    pub host_minor: u32,
    /// Priority classes are not mirrored by default; this one, if set, is given to every host pod.
    pub priority_class_name: Option<String>,
    /// Runtime class forced on every host pod, if set.
    pub runtime_class_name: Option<String>,
    /// The Pod Security Standard that host pods must keep, if any.
    pub pod_security: Option<Standard>,
    /// Who places pods, and which nodes are shown.
    pub scheduling: Scheduling,
    /// Images to replace: as pods name them, and what runs instead.
    pub images: BTreeMap<String, String>,
    /// Tolerations that every host pod gets.
    pub tolerations: Vec<Value>,
}

#[cfg(test)]
impl Default for Settings {
    fn default() -> Self {
        Settings::example()
    }
}

impl Settings {
    /// The host Service `NAME`, which leads to the virtual API server.
    pub fn api_service(&self) -> Host<Key> {
        Host(Key::new(&self.host_namespace, &self.name))
    }

    /// The image that runs on the host for the one that a pod names.
    pub fn image<'a>(&'a self, named: &'a str) -> &'a str {
        self.images.get(named).map_or(named, String::as_str)
    }

    /// The settings that examples and tests use: virtual cluster `my-vc` in namespace `team-x`.
    pub fn example() -> Settings {
        Settings {
            name: "my-vc".into(),
            host_namespace: "team-x".into(),
            cluster_domain: "cluster.local".into(),
            workload_service_account: "vc-workload-my-vc".into(),
            own_dns: true,
            rewrite_hosts: true,
            rewrite_hosts_image: "ghcr.io/vcluster-rs/syncer:test".into(),
            rewrite_hosts_resources: json!({
                "limits": {"cpu": "30m", "memory": "64Mi"},
                "requests": {"cpu": "30m", "memory": "64Mi"},
            }),
            owner_uid: "owner-uid".into(),
            host_events: true,
            all_config_maps: false,
            all_secrets: false,
            kubernetes_version: "v1.34.4".into(),
            architecture: "amd64".into(),
            host_minor: 34,
            priority_class_name: None,
            runtime_class_name: None,
            pod_security: None,
            scheduling: Scheduling::default(),
            images: BTreeMap::new(),
            tolerations: Vec::new(),
        }
    }
}
