//! A real node: containerd, kubelet and kube-proxy in a network namespace, pods in a cgroup of the node's own.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::cgroups;
use super::control_plane::{flag, text};
use super::family::joined;
use super::images::Seed;
use super::layout::{Layout, Node};
use super::pki::Pki;
use super::processes::{Processes, Spec};
use super::programs::Programs;

/// The kubelet's health port, in plain HTTP.
pub const KUBELET_HEALTH_PORT: u16 = 10248;
/// kube-proxy's health port, in plain HTTP.
pub const PROXY_HEALTH_PORT: u16 = 10256;
/// A node's pods, from a range of 254 addresses.
const MOST_PODS: u32 = 240;

/// Starts nodes.
pub struct Nodes<'a> {
    /// Names and addresses.
    pub layout: &'a Layout,
    /// What to start.
    pub programs: &'a Programs,
    /// Certificates.
    pub pki: &'a Pki,
    /// Where processes are written down.
    pub processes: &'a Processes,
}

impl Nodes<'_> {
    /// Writes a node's files and starts its containerd, which holds all images at once.
    ///
    /// # Errors
    /// When a file cannot be written, or containerd ends or takes too long.
    pub async fn start_containerd(&self, node: &Node, seed: &Seed) -> Result<()> {
        self.write_files(node)?;
        cgroups::make(&node.netns)?;
        seed.plant(&node.dir.join("containerd")).await?;
        let socket = node.containerd_socket();
        let config = node.dir.join("containerd.toml");
        let process = self.processes.start(Spec {
            name: format!("containerd-{}", node.name),
            netns: node.netns.clone(),
            argv: vec!["containerd".into(), "--config".into(), text(&config)?],
        })?;
        let connect = || async { Ok(tokio::net::UnixStream::connect(&socket).await.is_ok()) };
        self.processes.ready(&process, Duration::from_secs(30), connect).await
    }

    /// Starts a node's kubelet and kube-proxy.
    ///
    /// # Errors
    /// When one cannot be started.
    pub fn start_agents(&self, node: &Node) -> Result<()> {
        let start = |program: &str, args: Vec<String>| {
            let mut argv = vec![text(&self.programs.path("kubernetes", program)?)?];
            argv.extend(args);
            let name = format!("{program}-{}", node.name);
            self.processes.start(Spec { name, netns: node.netns.clone(), argv })
        };
        start(
            "kubelet",
            vec![
                flag("config", text(&node.dir.join("kubelet.json"))?),
                flag("kubeconfig", text(&self.pki.file(&format!("{}.kubeconfig", node.name)))?),
                flag("root-dir", text(&node.dir.join("kubelet"))?),
                flag("hostname-override", &node.name),
                flag("node-ip", joined(&node.ips)),
            ],
        )?;
        start(
            "kube-proxy",
            vec![
                flag("kubeconfig", text(&self.pki.file("kube-proxy.kubeconfig"))?),
                flag("hostname-override", &node.name),
                flag("cluster-cidr", joined(&self.layout.pod_cidrs())),
                flag("proxy-mode", "nftables"),
                // Limits of the machine, which a bed leaves as they are.
                flag("conntrack-max-per-core", 0),
                flag("conntrack-tcp-timeout-established", 0),
                flag("conntrack-tcp-timeout-close-wait", 0),
                flag("healthz-bind-address", SocketAddr::new(node.ip, PROXY_HEALTH_PORT)),
            ],
        )
        .map(drop)
    }

    fn write_files(&self, node: &Node) -> Result<()> {
        let cni = node.dir.join("cni");
        std::fs::create_dir_all(&cni).with_context(|| format!("cannot make {}", cni.display()))?;
        let write = |name: &str, content: String| {
            let path = node.dir.join(name);
            std::fs::write(&path, content)
                .with_context(|| format!("cannot write {}", path.display()))
        };
        write("cni/10-pods.conflist", self.pod_network(node).to_string())?;
        write("resolv.conf", format!("nameserver {}\n", self.layout.dns_ip()))?;
        write("kubelet.json", self.kubelet(node).to_string())?;
        let (root, run) = (node.dir.join("containerd"), node.dir.join("run"));
        write(
            "containerd.toml",
            containerd_config(&root, &run, &node.containerd_socket(), Some(&cni)),
        )
    }

    fn pod_network(&self, node: &Node) -> serde_json::Value {
        let ranges: Vec<_> =
            node.pod_cidrs.iter().map(|range| json!([{ "subnet": range }])).collect();
        let everything = self.layout.families().each::<&str>("0.0.0.0/0", "::/0");
        let routes: Vec<_> = everything.iter().map(|range| json!({ "dst": range })).collect();
        json!({
            "cniVersion": "0.4.0",
            "name": pod_network_name(self.layout),
            "plugins": [
                {
                    "type": "ptp",
                    "ipMasq": false,
                    "ipam": {
                        "type": "host-local",
                        "ranges": ranges,
                        "routes": routes,
                        "dataDir": node.dir.join("ipam"),
                    },
                },
                { "type": "portmap", "capabilities": { "portMappings": true } },
            ],
        })
    }

    fn kubelet(&self, node: &Node) -> serde_json::Value {
        json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            // The machine may still mount the cgroup v1 hierarchies.
            "failCgroupV1": false,
            "failSwapOn": false,
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": format!("/{}", node.netns),
            "enforceNodeAllocatable": [],
            "authentication": {
                "anonymous": { "enabled": false },
                "webhook": { "enabled": true },
                "x509": { "clientCAFile": self.pki.file("ca.crt") },
            },
            "authorization": { "mode": "Webhook" },
            "tlsCertFile": self.pki.file(&format!("{}.crt", node.name)),
            "tlsPrivateKeyFile": self.pki.file(&format!("{}.key", node.name)),
            "clusterDNS": [self.layout.dns_ip()],
            "clusterDomain": "cluster.local",
            "resolvConf": node.dir.join("resolv.conf"),
            "containerRuntimeEndpoint": format!("unix://{}", node.containerd_socket().display()),
            "podLogsDir": node.dir.join("logs"),
            "healthzBindAddress": node.ip,
            "healthzPort": KUBELET_HEALTH_PORT,
            "maxPods": MOST_PODS,
            "serializeImagePulls": false,
            // Images cannot be pulled again and the disk is the machine's: neither is the kubelet's to judge.
            "imageGCHighThresholdPercent": 100,
            "evictionHard": { "nodefs.available": "100Mi", "imagefs.available": "100Mi" },
        })
    }
}

/// The name under which the CNI library keeps its results, outside of the bed's own state.
pub fn pod_network_name(layout: &Layout) -> String {
    format!("{}-pods", layout.prefix())
}

/// containerd's configuration, with the kubelet's interface when there is a directory of network configurations.
pub fn containerd_config(root: &Path, state: &Path, socket: &Path, cni: Option<&Path>) -> String {
    let mut config = format!(
        "version = 2\nroot = {root:?}\nstate = {state:?}\n[grpc]\naddress = {socket:?}\n\
         [plugins.\"io.containerd.internal.v1.opt\"]\npath = {:?}\n",
        state.with_file_name("opt")
    );
    match cni {
        None => config.insert_str(0, "disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n"),
        Some(cni) => {
            // restrict_oom_score_adj: without CAP_SYS_RESOURCE runc may not lower a score, and every sandbox fails.
            // netns_mounts_under_state_dir: so that no other tool takes these namespaces for its own.
            config += &format!(
                "[plugins.\"io.containerd.grpc.v1.cri\"]\nrestrict_oom_score_adj = true\n\
                 netns_mounts_under_state_dir = true\nsandbox_image = \"registry.k8s.io/pause:3.10\"\n\
                 [plugins.\"io.containerd.grpc.v1.cri\".cni]\nbin_dir = \"/usr/lib/cni\"\nconf_dir = {cni:?}\n\
                 [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n\
                 runtime_type = \"io.containerd.runc.v2\"\n"
            );
        }
    }
    config
}
