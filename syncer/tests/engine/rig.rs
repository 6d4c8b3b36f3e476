//! Two API servers, and what a check needs of them.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use kube::config::{KubeConfigOptions, Kubeconfig};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use vcluster_syncer::admin::{Health, Metrics};
use vcluster_syncer::engine::Engine;
use vcluster_syncer::engine::api::Api;
use vcluster_syncer_core::json::{Value, json};
use vcluster_syncer_core::resource::{NAMESPACES, SERVICES};
use vcluster_syncer_core::{Key, Object, PatchForm, Resource, Settings, Side, kinds};

use crate::processes::VirtualCluster;

/// How long anything may take here. The machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// The processes of both clusters.
pub struct Rig {
    host: VirtualCluster,
    inside: Mutex<VirtualCluster>,
    _folders: [TempDir; 2],
}

impl Rig {
    pub fn start() -> Result<Rig> {
        let programs = std::env::var_os("VCLUSTER_TESTBED_BIN").map(PathBuf::from).context(
            "VCLUSTER_TESTBED_BIN is not set: it names the folder of etcd and kube-apiserver. \
             `cargo run -p e2e -- up` builds them, and within `cargo run -p e2e -- shell` it is set",
        )?;
        let folders = [tempfile::tempdir()?, tempfile::tempdir()?];
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut host = VirtualCluster::start(&programs, folders[0].path(), address)?;
        let mut inside = VirtualCluster::start(&programs, folders[1].path(), address)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        for cluster in [&mut host, &mut inside] {
            let kubeconfig = cluster.kubeconfig.clone();
            cluster.ready(|| {
                runtime.block_on(async {
                    let api = api(&kubeconfig, Side::Host).await;
                    api.get_raw("/readyz").await.is_ok()
                        && api
                            .get(&NAMESPACES, &Key::cluster("kube-system"))
                            .await
                            .is_ok_and(|found| found.is_some())
                })
            })?;
        }
        Ok(Rig { host, inside: Mutex::new(inside), _folders: folders })
    }

    /// Kills the virtual API server and its store, and starts them again after a change of the store's folder.
    pub fn restart_inside(&self, change: impl FnOnce(&Path) -> std::io::Result<()>) {
        self.inside.lock().unwrap().restart_after(change).unwrap();
    }

    /// A host namespace with the Service of a virtual cluster, and clients of both sides.
    pub async fn virtual_cluster(&self, name: &str) -> Pair {
        let host = api(&self.host.kubeconfig, Side::Host).await;
        let kubeconfig = self.inside.lock().unwrap().kubeconfig.clone();
        let inside = api(&kubeconfig, Side::Virtual).await;
        let namespace = format!("host-{name}");
        let object = json!({"metadata": {"name": &namespace}});
        host.create(&NAMESPACES, &Key::cluster(&namespace), &object).await.unwrap();
        let service = json!({"metadata": {"name": name, "namespace": &namespace}, "spec": {"ports": [{"port": 443}]}});
        let service = host.create(&SERVICES, &Key::new(&namespace, name), &service).await.unwrap();
        let settings = Settings {
            name: name.to_owned(),
            host_namespace: namespace,
            owner_uid: service.uid().to_owned(),
            ..Settings::example()
        };
        Pair { host, inside, settings }
    }
}

async fn api(kubeconfig: &std::path::Path, side: Side) -> Api {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let mut config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .unwrap();
    config.default_retry = false;
    Api::new(kube::Client::try_from(config).unwrap(), side)
}

/// One virtual cluster on the host.
pub struct Pair {
    pub host: Api,
    pub inside: Api,
    pub settings: Settings,
}

/// A running engine; dropping it is like killing it.
pub struct Running {
    pub engine: Engine,
    pub health: Health,
    stop: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Pair {
    pub fn run(&self) -> Running {
        self.run_while(watch::Sender::new(true).subscribe())
    }

    /// One of several replicas, which writes while it leads.
    pub fn run_while(&self, leading: watch::Receiver<bool>) -> Running {
        let (health, stop) = (Health::default(), CancellationToken::new());
        let metrics = Metrics::register(&mut prometheus_client::registry::Registry::default());
        let engine = Engine::start(
            self.settings.clone(),
            kinds::all(),
            self.inside.clone(),
            self.host.clone(),
            &health,
            metrics,
            leading,
            stop.clone(),
        );
        Running { engine, health, stop }
    }

    /// A key on the host.
    pub fn host_key(&self, name: &str) -> Key {
        Key::new(&self.settings.host_namespace, name)
    }

    pub async fn create_inside(&self, kind: &'static Resource, object: Value) -> Object {
        let key = Object::new(object.clone()).key();
        self.inside.create(kind, &key, &object).await.unwrap()
    }

    /// Waits for an object on the host of which something holds.
    pub async fn on_host(
        &self,
        kind: &'static Resource,
        name: &str,
        holds: impl Fn(&Object) -> bool,
    ) -> Object {
        let key = self.host_key(name);
        eventually(&format!("host {kind} {name}"), || async {
            self.host.get(kind, &key).await.unwrap().filter(&holds)
        })
        .await
    }

    /// Waits for a virtual object of which something holds.
    pub async fn inside(
        &self,
        kind: &'static Resource,
        key: &Key,
        holds: impl Fn(&Object) -> bool,
    ) -> Object {
        eventually(&format!("virtual {kind} {key}"), || async {
            self.inside.get(kind, key).await.unwrap().filter(&holds)
        })
        .await
    }

    /// Waits until an object is gone.
    pub async fn gone(&self, api: &Api, kind: &'static Resource, key: &Key) {
        eventually(&format!("{} {kind} {key} to be gone", api.side), || async {
            api.get(kind, key).await.unwrap().is_none().then_some(())
        })
        .await;
    }

    /// The objects of a resource on the host, with their versions.
    pub async fn host_objects(&self, kind: &'static Resource) -> Vec<(String, String)> {
        let listed = self.host.list(kind, &self.settings.host_namespace, "").await.unwrap();
        let objects =
            listed.items.iter().map(|item| Object::new(serde_json::from_slice(item).unwrap()));
        objects
            .map(|object| (object.name().to_owned(), object.resource_version().to_owned()))
            .collect()
    }

    pub async fn merge_on_host(
        &self,
        kind: &'static Resource,
        name: &str,
        subresource: Option<&str>,
        body: Value,
    ) {
        self.host
            .patch(kind, &self.host_key(name), subresource, PatchForm::Merge, &body)
            .await
            .unwrap();
    }
}

/// Waits until there is an answer.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    let give_up = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < give_up, "waited for {what} in vain");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
