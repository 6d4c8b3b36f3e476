//! The kubelet API that virtual nodes serve to the virtual API server.
//!
//! ```text
//!   kubectl logs ─► virtual API server ─► ClusterIP of the node's Service ─► this node's port
//!                                              (one port and certificate a node)   │
//!                   host API server: pods/log, exec, attach, portforward ◄─────────┘
//! ```
//!
//! For every request: the path is on an exact list ([`paths`]); the caller is the virtual API server, or a user with the
//! right in the virtual cluster ([`access`], [`reviews`]); the pod is read afresh on both sides and the UIDs agree
//! ([`pods`]); the host gets a new request of our own ([`host`]); an upgraded stream then passes byte for byte ([`relay`]).

mod access;
mod answers;
mod certificates;
mod error;
mod host;
mod identity;
mod listener;
mod metrics_api;
mod node;
mod objects;
mod paths;
mod pods;
mod query;
mod reach;
mod relay;
mod reviews;
mod serve;
mod trust;
mod usage;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::sync::{Mutex, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vcluster_syncer_core::Rule;

use crate::admin::Check;
use crate::shutdown::Shutdown;
use crate::sockets::listen;
use certificates::{NodeCertificate, Subject};
use listener::Listener;
use node::{Places, Shared};
use pods::Pods;
use serve::Node;
use trust::Tls;

pub use certificates::NodeSigner;
pub use error::KubeletError;
pub use node::KubeletMetrics;
pub use pods::{HostPod, PodDirectory};
pub use trust::{CaPurpose, ClientTrust};

pub(crate) use relay::join;

/// The rights on the host that the kubelet API takes, besides reading pods. From 1.35 on the host wants `create` even for
/// a WebSocket's GET. Metrics are left to the extended Role: `admin` holds them only where metrics-server says so.
pub const RULES: &[Rule] = &[
    Rule { group: "", resources: &["pods"], verbs: &["get"], in_admin: true },
    Rule { group: "", resources: &["pods/log"], verbs: &["get"], in_admin: true },
    Rule {
        group: "",
        resources: &["pods/attach", "pods/exec", "pods/portforward"],
        verbs: &["create", "get"],
        in_admin: true,
    },
    Rule { group: "metrics.k8s.io", resources: &["pods"], verbs: &["list"], in_admin: false },
];

/// As many streams as one syncer carries unless told otherwise.
pub const DEFAULT_STREAMS: usize = 1000;

/// Connections beyond those that carry streams.
const SPARE_CONNECTIONS: usize = 256;

/// What all virtual nodes need.
pub struct KubeletConfig {
    /// The host, with the syncer's own credentials. Streams pass through it: it must not time out.
    pub host: kube::Client,
    /// The virtual API server, as a user that may read pods and create token and access reviews.
    pub inside: kube::Client,
    /// Where host pods are.
    pub directory: Arc<dyn PodDirectory>,
    /// Narrows the host's pod metrics to those of this virtual cluster: `vcluster.loft.sh/managed-by=NAME`.
    pub metrics_selector: String,
    /// Signs the nodes' certificates.
    pub signer: NodeSigner,
    /// Which client certificates are accepted.
    pub clients: ClientTrust,
    /// Listen on this address only.
    pub bind: Option<IpAddr>,
    /// How many streams may be open at a time: [`DEFAULT_STREAMS`].
    pub streams: usize,
    /// Where requests are counted.
    pub metrics: KubeletMetrics,
}

/// Where a node is served and by which names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEndpoint {
    /// The port to listen on; 0 takes a free one.
    pub port: u16,
    /// Addresses in the certificate: the ClusterIP of the node's host Service.
    pub addresses: Vec<IpAddr>,
    /// DNS names in the certificate besides the node's own.
    pub names: Vec<String>,
}

/// The ports of all virtual nodes.
pub struct KubeletServers {
    shared: Arc<Shared>,
    bind: Option<IpAddr>,
    connections: Arc<Semaphore>,
    state: Mutex<State>,
    /// The node whose address stands for all when it is tried.
    tried: watch::Sender<Option<SocketAddr>>,
    shutdown: Shutdown,
}

struct State {
    signer: Arc<NodeSigner>,
    clients: ClientTrust,
    nodes: HashMap<String, Served>,
}

struct Served {
    endpoint: NodeEndpoint,
    address: SocketAddr,
    certificate: Arc<NodeCertificate>,
    tls: watch::Sender<Tls>,
    stop: CancellationToken,
}

impl KubeletServers {
    /// No node is served yet. All end with `shutdown`: ports are closed when it is asked for, streams when it is overdue.
    ///
    /// Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// When no client can be made from `config.host`.
    pub fn new(config: KubeletConfig, shutdown: Shutdown) -> Result<Self, KubeletError> {
        let pods =
            Pods { inside: config.inside.clone(), host: config.host, directory: config.directory };
        let shared = Arc::new(Shared {
            pods,
            reviews: reviews::Reviews::new(config.inside),
            usage: usage::Usage::new(config.metrics_selector),
            places: Places::new(config.streams, config.metrics.streams.clone()),
            metrics: config.metrics,
            tasks: TaskTracker::new(),
            overdue: shutdown.overdue().clone(),
        });
        Ok(KubeletServers {
            shared,
            bind: config.bind,
            connections: Arc::new(Semaphore::new(
                config.streams.saturating_add(SPARE_CONNECTIONS).min(Semaphore::MAX_PERMITS),
            )),
            state: Mutex::new(State {
                signer: Arc::new(config.signer),
                clients: config.clients,
                nodes: HashMap::new(),
            }),
            tried: watch::Sender::new(None),
            shutdown,
        })
    }

    /// Tells `check` whether the way that the virtual API server takes to the nodes, by a Service back to its own pod,
    /// works in the host's network.
    pub fn report_reach(&self, check: Check) {
        tokio::spawn(reach::report(self.tried.subscribe(), check));
    }

    /// Serves `node` at `endpoint` from now on, and says where. Asking again changes nothing; other names or addresses give
    /// a new certificate to new connections; another port moves the listener. Open streams are not touched.
    ///
    /// # Errors
    /// When the port is taken or no certificate can be made; what was served before stays.
    pub async fn ensure(
        &self,
        node: &str,
        endpoint: NodeEndpoint,
    ) -> Result<SocketAddr, KubeletError> {
        let mut state = self.state.lock().await;
        let mut names = vec![node.to_owned()];
        names.extend(endpoint.names.iter().filter(|name| *name != node).cloned());
        let subject =
            Subject { node: node.to_owned(), names, addresses: endpoint.addresses.clone() };
        let signer = Arc::clone(&state.signer);
        if let Some(served) = state.nodes.get_mut(node)
            && served.endpoint.port == endpoint.port
        {
            served.certificate.update(&signer, Some(subject))?;
            served.endpoint = endpoint;
            let address = served.address;
            self.choose_tried(&state);
            return Ok(address);
        }
        let failed =
            |source| KubeletError::Bind { node: node.to_owned(), port: endpoint.port, source };
        let socket = listen(self.bind, endpoint.port).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        let certificate = Arc::new(NodeCertificate::new(signer, subject)?);
        let (tls, current) = watch::channel(Tls::new(&state.clients, Arc::clone(&certificate))?);
        let stop = self.shutdown.asked().child_token();
        let listener = Listener {
            door: Arc::new(Node { name: node.to_owned(), shared: Arc::clone(&self.shared) }),
            tls: current,
            connections: Arc::clone(&self.connections),
            stop: stop.clone(),
        };
        self.shared.tasks.spawn(listener.run(socket));
        tracing::info!(node, %address, "serving the kubelet API of a virtual node");
        let served = Served { endpoint, address, certificate, tls, stop };
        if let Some(old) = state.nodes.insert(node.to_owned(), served) {
            old.stop.cancel();
        }
        self.choose_tried(&state);
        Ok(address)
    }

    fn choose_tried(&self, state: &State) {
        let nodes = state.nodes.values();
        let any = nodes.filter_map(|served| served.endpoint.addresses.first()).min();
        let any = any.map(|address| SocketAddr::new(*address, reach::KUBELET_PORT));
        self.tried.send_if_modified(|tried| std::mem::replace(tried, any) != any);
    }

    /// Stops serving `node`. Streams that are open go on.
    pub async fn remove(&self, node: &str) {
        let mut state = self.state.lock().await;
        if let Some(served) = state.nodes.remove(node) {
            served.stop.cancel();
            self.choose_tried(&state);
            tracing::info!(node, "virtual node is no longer served");
        }
    }

    /// Takes other CAs, for handshakes from now on.
    ///
    /// # Errors
    /// When a certificate cannot be made or the client CA cannot be used; nodes already dealt with have the new ones.
    pub async fn renew(
        &self,
        signer: NodeSigner,
        clients: ClientTrust,
    ) -> Result<(), KubeletError> {
        let mut state = self.state.lock().await;
        state.signer = Arc::new(signer);
        state.clients = clients;
        for served in state.nodes.values() {
            served.certificate.update(&state.signer, None)?;
            served.tls.send_replace(Tls::new(&state.clients, Arc::clone(&served.certificate))?);
        }
        Ok(())
    }

    /// The nodes that are served, and where.
    pub async fn served(&self) -> Vec<(String, SocketAddr)> {
        let state = self.state.lock().await;
        state.nodes.iter().map(|(node, served)| (node.clone(), served.address)).collect()
    }

    /// After the shutdown was asked for: waits until all is finished, at most for its grace period.
    pub async fn finish(&self) {
        let left = self.shutdown.finish(&self.shared.tasks).await;
        if left > 0 {
            tracing::info!(streams = left, "kubelet streams dropped");
        }
    }
}
