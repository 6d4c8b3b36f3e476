//! Requests straight to a node's port.

use std::net::SocketAddr;
use std::sync::Arc;

use futures::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use kube::config::{KubeConfigOptions, Kubeconfig};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;

use crate::rig::Rig;
use crate::virtual_cluster::Signed;

impl Rig {
    /// A client of a node's port, as the virtual API server.
    pub async fn node_client(&self, node: SocketAddr) -> kube::Client {
        let file = |name: &str| self.folder().join(name);
        let kubeconfig = serde_json::json!({
            "current-context": "node",
            "clusters": [{"name": "node", "cluster": {
                "server": format!("https://{node}"), "certificate-authority": file("ca.crt"),
            }}],
            "users": [{"name": "node", "user": {
                "client-certificate": file("kubelet-client.crt"), "client-key": file("kubelet-client.key"),
            }}],
            "contexts": [{"name": "node", "context": {"cluster": "node", "user": "node"}}],
        });
        let kubeconfig = Kubeconfig::from_yaml(&kubeconfig.to_string()).unwrap();
        let options = KubeConfigOptions::default();
        let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
        // A refusal is what is asked for.
        config.default_retry = false;
        kube::Client::try_from(config).unwrap()
    }

    /// A shell's `cat` in a container, over a WebSocket straight to the node.
    pub async fn cat(&self, node: SocketAddr) -> Result<Cat, kube::Error> {
        let path = "/exec/apps/web/main?input=1&output=1&error=1&command=cat";
        let request = http::Request::get(path).body(Vec::new()).unwrap();
        Ok(Cat(self.node_client(node).await.connect(request).await?.into_stream()))
    }

    /// Sends bytes as they are, over TLS; answers the head of what comes back, or why there was no connection.
    pub async fn say(
        &self,
        node: SocketAddr,
        identity: Option<&Signed>,
        bytes: &[u8],
    ) -> std::io::Result<String> {
        self.say_to(ServerName::from(node.ip()), node, identity, bytes).await
    }

    /// The same to a server of this name.
    pub async fn say_to(
        &self,
        name: ServerName<'static>,
        node: SocketAddr,
        identity: Option<&Signed>,
        bytes: &[u8],
    ) -> std::io::Result<String> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.cluster.ca.certificate.as_bytes()).unwrap())
            .unwrap();
        let builder =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots);
        let config = match identity {
            Some(identity) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap(),
                )
                .unwrap(),
            None => builder.with_no_client_auth(),
        };
        let stream = TcpStream::connect(node).await?;
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        stream.write_all(bytes).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(error) if head.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(String::from_utf8_lossy(&head).into_owned())
    }

    /// The status of one request with these header lines.
    pub fn status(
        &self,
        identity: Option<&Signed>,
        method: &str,
        target: &str,
        headers: &str,
    ) -> u16 {
        let request = format!("{method} {target} HTTP/1.1\r\nhost: node\r\n{headers}\r\n");
        let answer =
            self.runtime.block_on(self.say(self.node, identity, request.as_bytes())).unwrap();
        code(&answer).unwrap_or_else(|| panic!("{target}: {answer}"))
    }
}

/// The status in the head of an answer.
pub fn code(head: &str) -> Option<u16> {
    head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

/// `cat` in a container: says what it hears.
pub struct Cat(WebSocketStream<TokioIo<Upgraded>>);

impl Cat {
    /// Sends a line and waits for it to come back. Fails when the stream has ended.
    pub async fn echo(&mut self, line: &str) -> Option<String> {
        // The first byte of a message is the number of its channel: 0 is stdin, 1 stdout.
        let message = [&[0], line.as_bytes(), b"\n"].concat();
        self.0.send(message.into()).await.ok()?;
        let mut heard = Vec::new();
        while !heard.ends_with(b"\n") {
            let frame = self.0.next().await?.ok()?.into_data();
            if let Some((1, bytes)) = frame.split_first() {
                heard.extend_from_slice(bytes);
            }
        }
        String::from_utf8(heard).ok().map(|heard| heard.trim_end().to_owned())
    }
}
