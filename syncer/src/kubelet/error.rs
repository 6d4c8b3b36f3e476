//! What keeps a node from being served.

use std::io;

/// Why a node's port is not served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KubeletError {
    /// The port cannot be had.
    #[error("port {port} for virtual node {node} cannot be opened")]
    Bind {
        /// The node.
        node: String,
        /// The port that was asked for.
        port: u16,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The CA's certificate or key cannot be read.
    #[error(
        "the CA that signs node certificates cannot be read (a certificate and a PKCS#8 key in PEM are needed)"
    )]
    Signer(#[source] rcgen::Error),
    /// A node's certificate cannot be made.
    #[error("no certificate can be made for virtual node {node}")]
    Certificate {
        /// The node.
        node: String,
        /// Why.
        #[source]
        source: rcgen::Error,
    },
    /// The CA of kubelet clients is not PEM.
    #[error("the CA of kubelet clients is not PEM")]
    ClientCaPem(#[source] rustls::pki_types::pem::Error),
    /// The CA of kubelet clients cannot be used.
    #[error("the CA of kubelet clients cannot be used")]
    ClientCa(#[source] rustls::server::VerifierBuilderError),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}
