//! The port at which the virtual API server finds `metrics.k8s.io`.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;
use vcluster_config::MetricsServer;

use super::certificates::{NodeCertificate, Subject};
use super::listener::Listener;
use super::trust::Tls;
use super::usage::api::{MetricsApi, Offer};
use super::{CaPurpose, ClientTrust, KubeletError, KubeletServers};
use crate::sockets::listen;

impl KubeletServers {
    /// Serves the metrics API of the virtual cluster at `address` until the shutdown, under the name `server_name`, to
    /// holders of a certificate of `front_proxy_ca` (PEM), which signs the virtual API server's and no other. It costs
    /// nothing while nobody asks: numbers are read from the host for each question, and remembered for seconds.
    ///
    /// # Errors
    /// When the port is taken, no certificate can be made or the CA cannot be used.
    pub async fn serve_metrics_api(
        &self,
        address: SocketAddr,
        server_name: &str,
        front_proxy_ca: String,
        options: &MetricsServer,
    ) -> Result<SocketAddr, KubeletError> {
        let failed = |source| KubeletError::Bind {
            node: server_name.to_owned(),
            port: address.port(),
            source,
        };
        let socket = listen(Some(address.ip()), address.port()).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        let subject = Subject {
            node: server_name.to_owned(),
            names: vec![server_name.to_owned()],
            addresses: Vec::new(),
        };
        let signer = Arc::clone(&self.state.lock().await.signer);
        let certificate = Arc::new(NodeCertificate::new(signer, subject)?);
        let trust = ClientTrust { ca_pem: front_proxy_ca, purpose: CaPurpose::ApiServerOnly };
        // Another CA comes with a restart.
        let (_, tls) = watch::channel(Tls::new(&trust, certificate)?);
        let door = MetricsApi {
            shared: Arc::clone(&self.shared),
            offer: Offer { pods: options.pods, nodes: options.nodes },
        };
        let listener = Listener {
            door: Arc::new(door),
            tls,
            connections: Arc::clone(&self.connections),
            stop: self.shutdown.asked().child_token(),
        };
        self.shared.tasks.spawn(listener.run(socket));
        tracing::info!(%address, "serving the metrics API of the virtual cluster");
        Ok(address)
    }
}
