//! Where a test bed keeps its things, and what its parts are called.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::family::Families;

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
    families: Families,
}

/// Names, addresses and directories of one real node.
#[derive(Clone, Debug)]
pub struct Node {
    /// The node's name in Kubernetes, such as `node1`.
    pub name: String,
    /// Its network namespace, also the name of its cgroup and of its network interface's peer.
    pub netns: String,
    /// The first of its addresses.
    pub ip: IpAddr,
    /// Its addresses on the bed's bridge, one a family.
    pub ips: Vec<IpAddr>,
    /// The ranges its pods get addresses from, one a family.
    pub pod_cidrs: Vec<String>,
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
        Ok(Self { bed, state, cache, families: Families::default() })
    }

    /// The same with addresses of these families.
    pub fn with(self, families: Families) -> Self {
        Self { families, ..self }
    }

    /// The families of its addresses.
    pub fn families(&self) -> Families {
        self.families
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

    /// Real node number `number`, from 1.
    pub fn node(&self, number: u8) -> Node {
        let name = format!("node{number}");
        Node {
            netns: format!("{}-{name}", self.prefix()),
            ip: self.node_ip(number),
            ips: self.node_ips(number),
            pod_cidrs: self.node_pod_cidrs(number),
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
}
