//! What a promise may use, and what is cleaned up after it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use tokio::sync::OnceCell;

use super::cluster::Cluster;
use super::holds::holds;
use super::home::{Home, Tools};
use super::kind;
use super::setting::Setting;
use super::space::Space;
use super::virtual_cluster::{VirtualCluster, Wish};
use crate::testbed::TestBed;

/// How long cleaning up after one thing may take.
const CLEAN_UP: Duration = Duration::from_secs(120);

/// What all promises share: the host, the programs, and one virtual cluster for those that do not disturb each other.
pub struct Stage {
    /// The host.
    pub bed: TestBed,
    /// The host as a cluster.
    pub host: Cluster,
    tools: Tools,
    dir: PathBuf,
    tag: String,
    count: AtomicU32,
    common: OnceCell<VirtualCluster>,
}

impl Stage {
    /// For one run of the suite, with `dir` for the homes of its users.
    ///
    /// # Errors
    /// When the bed's kubeconfig cannot be used.
    pub async fn new(bed: TestBed, tools: Tools, dir: PathBuf) -> Result<Self> {
        let host = Cluster::open(&bed.kubectl, &bed.kubeconfig).await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self {
            dir,
            // Another run on the same host an hour ago may have left something, and one with another setting may have
            // begun with this one.
            tag: format!("{:04x}{}", now.as_secs() / 10 % 0x1_0000, tools.scenery.setting as u8),
            bed,
            host,
            tools,
            count: AtomicU32::new(0),
            common: OnceCell::new(),
        })
    }

    /// The shared virtual cluster, if any promise wanted it.
    pub fn common(&self) -> Option<&VirtualCluster> {
        self.common.get()
    }

    /// What virtual clusters are made with.
    pub fn setting(&self) -> Setting {
        self.tools.scenery.setting
    }

    /// A name that nothing else on the host has.
    fn name(&self, hint: &str) -> String {
        format!("{hint}-{}{}", self.tag, self.count.fetch_add(1, Ordering::Relaxed))
    }

    fn home(&self, hint: &str, cluster: &Cluster) -> Result<Home> {
        Home::make(self.dir.join(self.name(hint)), &cluster.kubeconfig, &self.tools)
    }
}

/// One promise's part of the stage.
#[derive(Clone)]
pub struct World {
    stage: Arc<Stage>,
    made: Arc<Mutex<Vec<Made>>>,
}

/// What a promise made, in the order in which it did.
#[derive(Clone)]
pub(super) enum Made {
    Cluster(Box<VirtualCluster>),
    Home(Home),
    Namespace(Space),
    /// A bed, by its number.
    Host(u8),
}

impl World {
    /// For one promise.
    pub fn new(stage: Arc<Stage>) -> Self {
        Self { stage, made: Arc::default() }
    }

    /// The test bed.
    pub fn bed(&self) -> &TestBed {
        &self.stage.bed
    }

    /// What virtual clusters are made with.
    pub fn setting(&self) -> Setting {
        self.stage.setting()
    }

    /// The host cluster.
    pub fn host(&self) -> &Cluster {
        &self.stage.host
    }

    /// A name that nothing else on the host has.
    pub fn name(&self, hint: &str) -> String {
        self.stage.name(hint)
    }

    /// A new user of `cluster`.
    ///
    /// # Errors
    /// When their home cannot be written.
    pub fn home(&self, cluster: &Cluster) -> Result<Home> {
        let home = self.stage.home("home", cluster)?;
        self.note(Made::Home(home.clone()));
        Ok(home)
    }

    /// A new namespace of the host.
    ///
    /// # Errors
    /// When the host refuses it.
    pub async fn host_namespace(&self, hint: &str) -> Result<Space> {
        let space = self.host().create_namespace(&self.name(hint)).await?;
        self.note(Made::Namespace(space.clone()));
        Ok(space)
    }

    /// A virtual cluster of the promise's own, with default options.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn create(&self, hint: &str) -> Result<VirtualCluster> {
        self.create_with(hint, &Wish::default()).await
    }

    /// A virtual cluster of the promise's own.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn create_with(&self, hint: &str, wish: &Wish) -> Result<VirtualCluster> {
        self.create_on(self.host(), hint, wish).await
    }

    /// A virtual cluster on a host of choice, which may be virtual itself.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn create_on(
        &self,
        host: &Cluster,
        hint: &str,
        wish: &Wish,
    ) -> Result<VirtualCluster> {
        let home = self.home(host)?;
        let name = self.name(hint);
        // Also one that does not come up is to be cleaned up, and looked at.
        self.will_make(host, &home, &name, wish.namespace.as_deref());
        VirtualCluster::create(host, &home, &name, wish).await
    }

    /// Notes that `vcluster create NAME` will be run, so that it is cleaned up however that ends.
    pub fn will_make(&self, host: &Cluster, home: &Home, name: &str, namespace: Option<&str>) {
        let namespace = namespace.map_or_else(|| format!("vcluster-{name}"), str::to_owned);
        self.note(Made::Cluster(Box::new(VirtualCluster {
            name: name.to_owned(),
            host: host.space(&namespace),
            // Nothing is asked of it while cleaning up.
            inside: host.clone(),
            home: home.clone(),
        })));
    }

    /// The virtual cluster that promises share which do not disturb each other.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn common(&self) -> Result<VirtualCluster> {
        let stage = &self.stage;
        let make = || async {
            let home = stage.home("common", &stage.host)?;
            VirtualCluster::create(&stage.host, &home, &stage.name("common"), &Wish::default())
                .await
        };
        stage
            .common
            .get_or_try_init(make)
            .await
            .cloned()
            .context("the shared virtual cluster did not come up")
    }

    /// A new namespace in the shared virtual cluster.
    ///
    /// # Errors
    /// When the virtual cluster does not come up, or refuses it.
    pub async fn space(&self, hint: &str) -> Result<Space> {
        let common = self.common().await?;
        let space = common.inside.create_namespace(&self.name(hint)).await?;
        self.note(Made::Namespace(space.clone()));
        Ok(space)
    }

    /// The virtual clusters that this promise made.
    pub fn clusters(&self) -> Vec<VirtualCluster> {
        let cluster = |made: &Made| match made {
            Made::Cluster(cluster) => Some(VirtualCluster::clone(cluster)),
            Made::Home(_) | Made::Namespace(_) | Made::Host(_) => None,
        };
        self.lock().iter().filter_map(cluster).collect()
    }

    /// What this promise's users ran.
    pub fn transcript(&self) -> String {
        let transcript = |made: &Made| match made {
            Made::Home(home) => Some(home.transcript()),
            Made::Cluster(_) | Made::Namespace(_) | Made::Host(_) => None,
        };
        self.lock().iter().filter_map(transcript).collect()
    }

    /// Removes what the promise made, last things first, and says what could not be removed.
    pub async fn clean_up(&self) -> Vec<String> {
        let made = std::mem::take(&mut *self.lock());
        let mut problems = Vec::new();
        for made in made.into_iter().rev() {
            let (what, work) = match &made {
                Made::Cluster(cluster) => {
                    (format!("virtual cluster {}", cluster.name), delete(cluster).await)
                }
                Made::Namespace(space) => (
                    format!("namespace {}", space.name),
                    space.cluster.delete(kind::NAMESPACES, "", &space.name).await,
                ),
                Made::Host(bed) => (format!("test bed {bed}"), TestBed::down(*bed).await.map(drop)),
                Made::Home(home) => {
                    home.leave();
                    continue;
                }
            };
            if let Err(error) = work {
                problems.push(format!("{what} was not cleaned up: {error:#}"));
            }
        }
        problems
    }

    pub(super) fn note(&self, made: Made) {
        self.lock().push(made);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Made>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Deletes a virtual cluster, in whatever state it is.
///
/// # Errors
/// When something of it stays.
pub async fn delete(cluster: &VirtualCluster) -> Result<()> {
    let namespace = &cluster.host.name;
    let args = ["delete", &cluster.name, "-n", namespace, "-y", "--ignore-not-found"];
    let rest = ["--delete-namespace", "--wait=false", "--timeout", "60s"];
    let said = tokio::time::timeout(CLEAN_UP, cluster.home.run(&[&args[..], &rest].concat())).await;
    // The namespace takes with it whatever `delete` may have left; that it leaves nothing is a promise of its own.
    holds("the namespace is asked to go", || {
        cluster.host.cluster.delete(kind::NAMESPACES, "", namespace)
    })
    .await?;
    said.context("it took too long")??.succeeds().map(drop)
}
