//! What all checks share: a virtual control plane, the syncer's kubelet API, pods on the host.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use kube::config::{KubeConfigOptions, Kubeconfig};
use prometheus_client::registry::Registry;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use vcluster_syncer::kubelet::{
    CaPurpose, ClientTrust, KubeletConfig, KubeletMetrics, KubeletServers, NodeEndpoint, NodeSigner,
};
use vcluster_syncer::shutdown::Shutdown;

use crate::host::{Directory, Sides};
use crate::virtual_cluster::VirtualCluster;

pub struct Rig {
    pub runtime: Runtime,
    pub programs: PathBuf,
    pub sides: Sides,
    pub cluster: VirtualCluster,
    pub host_kubeconfig: PathBuf,
    pub servers: KubeletServers,
    pub registry: Registry,
    /// Where the node is served.
    pub node: SocketAddr,
    shutdown: Shutdown,
    folder: TempDir,
}

impl Rig {
    pub fn start() -> Result<Self> {
        let programs = variable("VCLUSTER_TESTBED_BIN")?;
        let host_kubeconfig = variable("VCLUSTER_TESTBED_KUBECONFIG")?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let folder = TempDir::new()?;
        let host_config = runtime.block_on(config(&host_kubeconfig))?;
        // Not a loopback address: the API server does not proxy to those.
        let address = own_address(&host_config)?;
        let mut cluster = VirtualCluster::start(&programs, folder.path(), address)?;
        let made = runtime.block_on(async {
            let inside_config = config(&cluster.kubeconfig).await?;
            let inside = kube::Client::try_from(inside_config)?;
            let host = kube::Client::try_from(host_config)?;
            anyhow::Ok((inside, host))
        });
        let (inside, host) = made?;
        let (probe, handle) = (inside.clone(), runtime.handle().clone());
        cluster.ready(|| {
            let request = http::Request::get("/readyz").body(Vec::new()).unwrap();
            handle.block_on(probe.request_text(request)).is_ok()
        })?;

        let directory = Directory { namespace: format!("kubelet-test-{}", std::process::id()) };
        let sides = Sides { inside, host, directory, node: "fake-1".to_owned() };
        let handle = runtime.handle().clone();
        let _within = handle.enter();
        let shutdown = Shutdown::new(Duration::from_secs(5));
        let mut registry = Registry::default();
        let servers =
            servers(&cluster, &sides, &shutdown, 1000, KubeletMetrics::register(&mut registry))?;
        let node = runtime.block_on(async {
            let endpoint = NodeEndpoint { port: 0, addresses: vec![address], names: Vec::new() };
            let served = servers.ensure(&sides.node, endpoint).await?;
            sides.namespaces().await?;
            sides.make_node(address, served.port()).await?;
            sides.make_pods().await?;
            anyhow::Ok(SocketAddr::new(address, served.port()))
        });
        let node = match node {
            Ok(node) => node,
            Err(error) => {
                runtime.block_on(sides.remove_namespace());
                return Err(error);
            }
        };
        Ok(Rig {
            runtime,
            programs,
            sides,
            cluster,
            host_kubeconfig,
            servers,
            registry,
            node,
            shutdown,
            folder,
        })
    }

    /// Another set of node servers, with so many places.
    pub fn other_servers(&self, streams: usize, shutdown: &Shutdown) -> KubeletServers {
        let _inside = self.runtime.enter();
        let metrics = KubeletMetrics::register(&mut Registry::default());
        servers(&self.cluster, &self.sides, shutdown, streams, metrics).unwrap()
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Cleans up; leaves the logs when something failed.
    pub fn stop(&self, failed: bool) {
        self.runtime.block_on(async {
            self.sides.remove_namespace().await;
            self.shutdown.begin();
            self.servers.finish().await;
        });
        if failed {
            eprintln!("{}", self.cluster.last_words());
        }
    }
}

fn servers(
    cluster: &VirtualCluster,
    sides: &Sides,
    shutdown: &Shutdown,
    streams: usize,
    metrics: KubeletMetrics,
) -> Result<KubeletServers> {
    let config = KubeletConfig {
        host: sides.host.clone(),
        inside: sides.inside.clone(),
        directory: Arc::new(sides.directory.clone()),
        metrics_selector: "vcluster.loft.sh/managed-by=test".to_owned(),
        signer: NodeSigner::from_pem(&cluster.ca.certificate, &cluster.ca.key)?,
        clients: ClientTrust {
            ca_pem: cluster.kubelet_client_ca.certificate.clone(),
            purpose: CaPurpose::ApiServerOnly,
        },
        bind: None,
        streams,
        metrics,
    };
    Ok(KubeletServers::new(config, shutdown.clone())?)
}

fn variable(name: &str) -> Result<PathBuf> {
    let value = std::env::var_os(name).with_context(|| {
        format!(
            "{name} is not set: this test runs on the test bed. Try `cargo run -p e2e -- up`, then in \
             `cargo run -p e2e -- shell`: cargo test -p vcluster-syncer --test kubelet"
        )
    })?;
    Ok(value.into())
}

async fn config(kubeconfig: &Path) -> Result<kube::Config> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    Ok(kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)
}

/// The address that this machine has on the way to the host.
fn own_address(host: &kube::Config) -> Result<IpAddr> {
    let server = &host.cluster_url;
    let target =
        (server.host().context("a host without a name")?, server.port_u16().unwrap_or(443));
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(target)?;
    Ok(socket.local_addr()?.ip())
}
