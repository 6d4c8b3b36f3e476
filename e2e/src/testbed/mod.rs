//! A real Kubernetes host cluster on this machine, as root, without a container engine's daemon.
//!
//! Unmodified upstream programs: etcd, the control plane, real nodes (kubelet, containerd, runc and kube-proxy, each
//! node in a network namespace of its own) and five nodes of kwok for scale. [`TestBed::up`] is the door.

mod addons;
mod addresses;
mod build;
mod cgroups;
mod command;
mod control_plane;
mod extras;
mod family;
mod health;
mod images;
mod kubectl;
mod kwok;
mod layout;
mod limits;
mod lock;
mod network;
mod nodes;
mod outage;
mod packages;
mod pki;
mod processes;
mod programs;
mod progress;
mod supervision;
mod teardown;
mod up;
mod wait;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
pub use rustix::process::Signal;

pub use command::{command, run, run_with};
pub use family::Families;
pub use health::Health;
pub use images::{Profile, SYNCER_IMAGE};
pub use kubectl::Kubectl;
pub use kwok::NODES as KWOK_NODES;
pub use layout::{LAST_BED, Layout, MOST_NODES, Node};
pub use processes::Process;
pub use progress::Progress;
pub use up::Options;
pub use wait::until;

/// A test bed that is up.
#[derive(Debug, Clone)]
pub struct TestBed {
    /// Names, addresses and directories.
    pub layout: Layout,
    /// An administrator's kubeconfig. Its server, pods and ClusterIPs can be reached from the root network namespace.
    pub kubeconfig: PathBuf,
    /// A directory with all programs, for `PATH`.
    pub bin: PathBuf,
    /// The bed's kubectl.
    pub kubectl: Kubectl,
    /// The real nodes.
    pub nodes: Vec<Node>,
}

/// What [`TestBed::up`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing: it was up.
    AlreadyUp,
    /// Processes that had ended were started again.
    Mended,
    /// A new bed was started.
    Started,
}

impl TestBed {
    /// Brings the bed up, or finds it up.
    ///
    /// A bed that was left half-way is taken down first. Everything that is missing on the way (packages, programs,
    /// images) is installed or built.
    ///
    /// # Errors
    /// Without root rights, when the bed is up with less than is wanted, or when a part does not start.
    pub async fn up(options: &Options, progress: &Progress) -> Result<(Self, Outcome)> {
        let layout = Layout::new(options.bed)?.with(options.families.unwrap_or_default());
        let _lock = lock::exclusive(&layout.lock_file())?;
        let outcome = up::up(&layout, options, progress).await?;
        Ok((Self::open(options.bed)?, outcome))
    }

    /// The bed that is up.
    ///
    /// # Errors
    /// When it is not.
    pub fn open(bed: u8) -> Result<Self> {
        let layout = Layout::new(bed)?;
        let options = up::recorded(&layout)
            .context("the test bed is not up\nhint: cargo run -p e2e -- up")?;
        let layout = layout.with(options.families.unwrap_or_default());
        Ok(Self {
            kubeconfig: layout.kubeconfig(),
            bin: layout.bin(),
            kubectl: Kubectl::of(&layout),
            nodes: layout.nodes(options.nodes),
            layout,
        })
    }

    /// Takes the bed down, in whatever state it is. Says whether there was anything.
    ///
    /// # Errors
    /// When something of it cannot be removed.
    pub async fn down(bed: u8) -> Result<bool> {
        let layout = Layout::new(bed)?;
        root()?;
        let _lock = lock::exclusive(&layout.lock_file())?;
        let there = !teardown::leftovers(&layout)?.is_empty();
        teardown::down(&layout).await?;
        Ok(there)
    }

    /// What is there of a bed, up or not: processes, mounts, namespaces, links, cgroups, files.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn leftovers(bed: u8) -> Result<Vec<String>> {
        teardown::leftovers(&Layout::new(bed)?)
    }

    /// Loads an image archive into all real nodes.
    ///
    /// # Errors
    /// When it is not an image archive.
    pub async fn load(&self, archive: &Path) -> Result<()> {
        futures::future::try_join_all(self.nodes.iter().map(|node| images::load(node, archive)))
            .await
            .map(drop)
    }

    /// Builds the syncer of this checkout and loads its image, [`SYNCER_IMAGE`], into all real nodes.
    ///
    /// # Errors
    /// When it does not compile.
    pub async fn load_syncer(&self, profile: Profile) -> Result<()> {
        up::load_syncer(&self.nodes, profile).await
    }

    /// Checks that each node has the syncer's image, whichever checkout it was built from.
    ///
    /// # Errors
    /// When one has not, with the command that loads it.
    pub async fn has_syncer(&self) -> Result<()> {
        for node in &self.nodes {
            ensure!(
                images::has(node, SYNCER_IMAGE).await?,
                "{} has no image {SYNCER_IMAGE}\nhint: cargo run -p e2e -- image",
                node.name
            );
        }
        Ok(())
    }

    /// Loads the syncer's image as another bed has it.
    ///
    /// # Errors
    /// When the other bed has none.
    pub async fn load_syncer_of(&self, other: &TestBed) -> Result<()> {
        let dir = tempfile::tempdir()?;
        let archive = dir.path().join("image.tar");
        let node = other.nodes.first().context("the other bed has no node")?;
        images::export(node, SYNCER_IMAGE, &archive).await?;
        self.load(&archive).await
    }

    /// Builds the syncer of this checkout and writes its image to a docker-archive. Needs no bed.
    ///
    /// # Errors
    /// When it does not compile.
    pub async fn save_syncer(profile: Profile, archive: &Path) -> Result<()> {
        images::save(images::build_syncer(profile).await?, archive).await
    }
}

fn root() -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "the test bed makes network namespaces, mounts and cgroups, which only root may\nhint: sudo -E env PATH=$PATH cargo run -p e2e -- up"
    );
    Ok(())
}
