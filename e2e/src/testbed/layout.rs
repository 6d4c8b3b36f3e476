//! Where a test bed keeps its things, and what its parts are called.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

/// The highest bed number; every number has address ranges of its own.
pub const LAST_BED: u8 = 7;
/// The most real nodes in one bed.
pub const MOST_NODES: u8 = 9;
/// Unix socket paths hold 107 bytes; the longest name that we append is this long.
const LONGEST_SOCKET: usize = "/node1/containerd.sock".len();

/// Names, addresses and directories of one test bed.
///
/// Beds with different numbers share nothing but the cache, so they can run side by side.
#[derive(Clone, Debug)]
pub struct Layout {
    bed: u8,
    state: PathBuf,
    cache: PathBuf,
}

/// Names, addresses and directories of one real node.
#[derive(Clone, Debug)]
pub struct Node {
    /// The node's name in Kubernetes, such as `node1`.
    pub name: String,
    /// Its network namespace, also the name of its cgroup and of its network interface's peer.
    pub netns: String,
    /// Its address on the bed's bridge.
    pub ip: Ipv4Addr,
    /// The range its pods get addresses from.
    pub pod_cidr: String,
    /// Where its kubelet and containerd keep their state.
    pub dir: PathBuf,
}

impl Layout {
    /// The layout of bed number `bed`, under `$XDG_STATE_HOME` and `$XDG_CACHE_HOME`.
    ///
    /// # Errors
    /// When the number is above [`LAST_BED`], `$HOME` is unset, or the state directory's path is too long
    /// for the sockets in it.
    pub fn new(bed: u8) -> Result<Self> {
        ensure!(bed <= LAST_BED, "there are beds 0 to {LAST_BED}, not {bed}");
        let name =
            if bed == 0 { "vcluster-testbed".into() } else { format!("vcluster-testbed{bed}") };
        let state = home("XDG_STATE_HOME", ".local/state")?.join(name);
        let cache = home("XDG_CACHE_HOME", ".cache")?.join("vcluster-testbed");
        ensure!(
            state.as_os_str().len() + LONGEST_SOCKET < 107,
            "{} is too long a path for the unix sockets in it; set XDG_STATE_HOME to a shorter directory",
            state.display()
        );
        Ok(Self { bed, state, cache })
    }

    /// The bed's number.
    pub fn bed(&self) -> u8 {
        self.bed
    }

    /// The prefix of everything of this bed that the kernel names: `vcbed`, `vcbed1`, ...
    pub fn prefix(&self) -> String {
        if self.bed == 0 { "vcbed".into() } else { format!("vcbed{}", self.bed) }
    }

    /// The network namespace of the control plane, which also holds the bridge.
    pub fn netns(&self) -> String {
        self.prefix()
    }

    /// The interface that joins the root network namespace to the bridge.
    pub fn root_link(&self) -> String {
        format!("{}-root", self.prefix())
    }

    /// The bed's state: gone after `down`.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// What is kept between beds: built programs and imported images.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// A file or directory in the bed's state.
    pub fn in_state(&self, name: &str) -> PathBuf {
        self.state.join(name)
    }

    /// The file whose lock is held while this bed is brought up or down. It outlives the state.
    pub fn lock_file(&self) -> PathBuf {
        self.cache.join(format!("{}.lock", self.prefix()))
    }

    /// The file whose lock is held while something is built into the cache, which all beds share.
    pub fn cache_lock_file(&self) -> PathBuf {
        self.cache.join("lock")
    }

    /// The administrator's kubeconfig; its server can be reached from the root network namespace.
    pub fn kubeconfig(&self) -> PathBuf {
        self.in_state("kubeconfig")
    }

    /// Links to all programs, for `PATH`.
    pub fn bin(&self) -> PathBuf {
        self.in_state("bin")
    }

    /// Certificates and keys.
    pub fn pki(&self) -> PathBuf {
        self.in_state("pki")
    }

    /// One log file a process.
    pub fn logs(&self) -> PathBuf {
        self.in_state("log")
    }

    /// One record a process: how it was started, and as which process.
    pub fn processes(&self) -> PathBuf {
        self.in_state("processes")
    }

    /// Where the StorageClass keeps its volumes, for all nodes.
    pub fn volumes(&self) -> PathBuf {
        self.in_state("volumes")
    }

    /// An address on the bed's bridge.
    fn address(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(172, 30, 1 + self.bed, host)
    }

    /// The control plane's address.
    pub fn control_plane_ip(&self) -> Ipv4Addr {
        self.address(1)
    }

    /// The root network namespace's address on the bridge.
    pub fn root_ip(&self) -> Ipv4Addr {
        self.address(254)
    }

    /// What LoadBalancer services get, as MetalLB writes a range.
    pub fn load_balancer_range(&self) -> String {
        format!("{}-{}", self.address(200), self.address(239))
    }

    /// The range of ClusterIPs.
    pub fn service_cidr(&self) -> String {
        format!("10.{}.0.0/16", 96 + self.bed)
    }

    /// The first ClusterIP, that of service `default/kubernetes`.
    pub fn kubernetes_ip(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 96 + self.bed, 0, 1)
    }

    /// The ClusterIP of cluster DNS.
    pub fn dns_ip(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 96 + self.bed, 0, 10)
    }

    /// The range of all real nodes' pods.
    pub fn pod_cidr(&self) -> String {
        format!("10.{}.0.0/16", 244 + self.bed)
    }

    /// The range of addresses that kwok writes into its pods. Nothing answers there.
    pub fn kwok_cidr(&self) -> String {
        format!("10.{}.0.0/16", 224 + self.bed)
    }

    /// Real node number `number`, from 1.
    pub fn node(&self, number: u8) -> Node {
        let name = format!("node{number}");
        Node {
            netns: format!("{}-{name}", self.prefix()),
            ip: self.address(10 + number),
            pod_cidr: format!("10.{}.{number}.0/24", 244 + self.bed),
            dir: self.state.join(&name),
            name,
        }
    }

    /// The first `count` real nodes.
    pub fn nodes(&self, count: u8) -> Vec<Node> {
        (1..=count).map(|number| self.node(number)).collect()
    }
}

impl Node {
    /// The name of its kubelet among the bed's processes.
    pub fn kubelet(&self) -> String {
        format!("kubelet-{}", self.name)
    }

    /// The socket of the node's containerd.
    pub fn containerd_socket(&self) -> PathBuf {
        self.dir.join("containerd.sock")
    }
}

fn home(variable: &str, default: &str) -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os(variable).filter(|dir| !dir.is_empty()) {
        return Ok(dir.into());
    }
    let home =
        std::env::var_os("HOME").with_context(|| format!("neither {variable} nor HOME is set"))?;
    Ok(PathBuf::from(home).join(default))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_names_fit_the_kernel() {
        for bed in 0..=LAST_BED {
            let layout = Layout::new(bed).unwrap();
            for name in [layout.root_link(), layout.node(MOST_NODES).netns] {
                assert!(name.len() <= 15, "{name} is longer than an interface name may be");
            }
        }
    }

    #[test]
    fn beds_share_no_address() {
        let mut seen = std::collections::HashSet::new();
        for bed in 0..=LAST_BED {
            let layout = Layout::new(bed).unwrap();
            let ranges = [
                layout.service_cidr(),
                layout.pod_cidr(),
                layout.kwok_cidr(),
                layout.control_plane_ip().to_string(),
            ];
            for range in ranges {
                assert!(seen.insert(range.clone()), "{range} is used twice");
            }
        }
    }
}
