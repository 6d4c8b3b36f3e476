//! Brings a bed up.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use super::control_plane::ControlPlane;
use super::family::Families;
use super::images::{self, Image, Profile, Seed};
use super::kubectl::Kubectl;
use super::layout::{Layout, MOST_NODES, Node};
use super::nodes::Nodes;
use super::pki::Pki;
use super::processes::Processes;
use super::programs::Programs;
use super::progress::Progress;
use super::{Outcome, addons, kwok, limits, lock, network, packages, teardown, wait};

/// What kind of bed is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Beds with different numbers run side by side.
    pub bed: u8,
    /// Real nodes, 1 to 9.
    pub nodes: u8,
    /// Whether services of type LoadBalancer get addresses.
    pub load_balancer: bool,
    /// Which families of addresses there are. Nothing: those of the bed that is up, and IPv4 in a new one.
    #[serde(default)]
    pub families: Option<Families>,
    /// How to compile the syncer, whose image is loaded into the nodes; nothing leaves it out.
    #[serde(skip)]
    pub syncer: Option<Profile>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bed: 0,
            nodes: 2,
            load_balancer: false,
            families: None,
            syncer: Some(Profile::Release),
        }
    }
}

/// The options of the bed that is up.
pub fn recorded(layout: &Layout) -> Option<Options> {
    serde_json::from_slice(&std::fs::read(layout.in_state("bed.json")).ok()?).ok()
}

/// See [`TestBed::up`](super::TestBed::up). The caller holds the lock.
///
/// # Errors
/// As there.
pub async fn up(layout: &Layout, options: &Options, progress: &Progress) -> Result<Outcome> {
    super::root()?;
    if !(1..=MOST_NODES).contains(&options.nodes) {
        bail!("a bed has 1 to {MOST_NODES} real nodes, not {}", options.nodes);
    }
    if let Some(recorded) = recorded(layout)
        && let Some(outcome) = keep(layout, &recorded, options, progress).await?
    {
        return Ok(outcome);
    }
    packages::install_missing(progress).await?;
    let (programs, seed) = {
        let _lock = lock::exclusive(&layout.cache_lock_file())?;
        let programs = Programs::build(layout, progress).await?;
        let seed = Seed::ready(layout, &programs, progress).await?;
        (programs, seed)
    };
    if !teardown::leftovers(layout)?.is_empty() {
        progress.step("removing what an earlier try left", teardown::down(layout)).await?;
    }
    limits::raise(progress)?;
    let nodes = layout.nodes(options.nodes);
    let cluster = progress.step(
        "starting the host cluster",
        start(layout, options, &nodes, &programs, &seed, progress),
    );
    let (started, syncer) = tokio::join!(cluster, syncer(options, progress));
    started?;
    if let Some(syncer) = syncer {
        progress.step("loading the syncer's image", load_image(&nodes, syncer)).await?;
    }
    std::fs::write(layout.in_state("bed.json"), serde_json::to_vec(options)?)?;
    Ok(Outcome::Started)
}

/// Leaves a bed that is up and has what is wanted as it is, starting again what ended. Nothing when it must be made anew.
async fn keep(
    layout: &Layout,
    recorded: &Options,
    wanted: &Options,
    progress: &Progress,
) -> Result<Option<Outcome>> {
    let processes = Processes::of(layout);
    let network = network::namespaces(layout).len() == usize::from(recorded.nodes) + 1;
    // After a restart of the machine nothing runs and no namespace is left.
    if !network || processes.all().is_empty() {
        return Ok(None);
    }
    if recorded.nodes < wanted.nodes || (wanted.load_balancer && !recorded.load_balancer) {
        bail!(
            "the test bed is up with {} nodes{}, which is not enough\nhint: cargo run -p e2e -- down",
            recorded.nodes,
            if recorded.load_balancer { " and a load balancer" } else { "" }
        );
    }
    let families = recorded.families.unwrap_or_default();
    if wanted.families.is_some_and(|wanted| wanted != families) {
        bail!(
            "test bed {bed} is up with other families of addresses\nhint: cargo run -p e2e -- --bed {bed} down",
            bed = wanted.bed
        );
    }
    if processes.revive(progress)? == 0 {
        return Ok(Some(Outcome::AlreadyUp));
    }
    let kubectl = Kubectl::of(layout);
    let answers = || async { kubectl.run(&["get", "--raw", "/readyz"]).await.map(|_| true) };
    progress
        .step(
            "waiting for the API server",
            wait::until("the API server", Duration::from_secs(60), answers),
        )
        .await?;
    Ok(Some(Outcome::Mended))
}

async fn start(
    layout: &Layout,
    options: &Options,
    nodes: &[Node],
    programs: &Programs,
    seed: &Seed,
    progress: &Progress,
) -> Result<()> {
    std::fs::create_dir_all(layout.volumes())
        .with_context(|| format!("cannot make {}", layout.state().display()))?;
    limits::check_space(layout.state(), progress)?;
    programs.link(&layout.bin())?;
    network::make(layout, nodes).await?;
    let pki = Pki::make(layout, nodes)?;
    let processes = Processes::of(layout);
    let kubectl = Kubectl::new(layout, programs)?;
    let control_plane = ControlPlane { layout, programs, pki: &pki, processes: &processes };
    let starter = Nodes { layout, programs, pki: &pki, processes: &processes };
    let containerds = futures::future::try_join_all(
        nodes.iter().map(|node| starter.start_containerd(node, seed)),
    );
    tokio::try_join!(
        progress.step("starting etcd and the API server", control_plane.start_api(&kubectl)),
        progress.step("starting containerd", async { containerds.await.map(drop) }),
    )?;
    control_plane.start_controllers()?;
    for node in nodes {
        starter.start_agents(node)?;
    }
    kwok::start(layout, programs, &pki, &processes)?;
    let addons = progress.step("starting DNS, storage and metrics", async {
        addons::apply(layout, programs, &kubectl, nodes, options.load_balancer).await?;
        addons::ready(&kubectl, &processes, nodes, options.load_balancer).await
    });
    tokio::select! {
        ready = addons => ready,
        failed = processes.supervise(progress) => Err(failed),
    }
}

/// The syncer's image, when it is wanted and can be built. A syncer that does not compile today must not keep anybody
/// from the host cluster.
async fn syncer(options: &Options, progress: &Progress) -> Option<Image> {
    let built = progress.step("building the syncer", images::build_syncer(options.syncer?)).await;
    built
        .inspect_err(|error| {
            progress.note(&format!(
                "the nodes have no syncer image; `e2e image` builds and loads it: {error:#}"
            ));
        })
        .ok()
}

/// See [`TestBed::load_syncer`](super::TestBed::load_syncer).
///
/// # Errors
/// As there.
pub async fn load_syncer(nodes: &[Node], profile: Profile) -> Result<()> {
    load_image(nodes, images::build_syncer(profile).await?).await
}

/// Loads an image that was just made into nodes.
///
/// # Errors
/// When it cannot be written, or a node does not take it.
pub async fn load_image(nodes: &[Node], image: Image) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let archive = dir.path().join("image.tar");
    images::save(image, &archive).await?;
    futures::future::try_join_all(nodes.iter().map(|node| images::load(node, &archive)))
        .await
        .map(drop)
}
