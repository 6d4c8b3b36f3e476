//! Clients of the two API servers, with what a syncer needs and no more.
//!
//! kube's own builder would do the same and bring login plugins, OAuth, JSON paths, retries and a log span for each
//! request: a tenth of the program and of the time that a request takes. None of it is for a program that knows both its
//! servers and decides by itself what to try again.

mod bearer;
mod fresh;
mod trust;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Request, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::Body;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tower::ServiceBuilder;

use bearer::Bearer;
use trust::Trust;

/// What API servers call the syncer: in audit logs, and as manager of the fields that it wrote.
const NAME: HeaderValue =
    HeaderValue::from_static(concat!("vcluster-syncer/", env!("CARGO_PKG_VERSION")));
/// How long a server may take to accept a connection, TLS included.
const CONNECT: Duration = Duration::from_secs(5);
/// How long what was sent may be without a sign that it arrived.
const UNHEARD: Duration = Duration::from_secs(60);
/// How long the server may leave the question open whether a shared connection still works. Its kernel answers for a server
/// that hangs, and then each new try would come to it again; connections of one request each end with that.
const UNANSWERED: Duration = Duration::from_secs(15);
/// How long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(5);

/// When a peer that says nothing is asked whether it is still there. A tenant's shell, or a watch, may be silent for hours.
#[derive(Debug, Clone, Copy)]
pub struct Keepalive {
    /// Silence before the first question.
    pub idle: Duration,
    /// Time between questions.
    pub interval: Duration,
    /// Questions without an answer before the connection counts as dead.
    pub retries: u32,
}

/// For every connection of the syncer, in either direction.
pub const KEEPALIVE: Keepalive =
    Keepalive { idle: Duration::from_secs(30), interval: Duration::from_secs(15), retries: 4 };

/// How an API server is reached.
#[derive(Debug, Clone)]
pub struct Access {
    /// Its address: scheme, host and port.
    pub server: Uri,
    /// A file of certificate authorities, in PEM, that sign its certificate.
    pub authorities: PathBuf,
    /// Who calls.
    pub login: Login,
}

/// How the syncer says who it is.
#[derive(Debug, Clone)]
pub enum Login {
    /// With a token in a file that the kubelet renews.
    Token(PathBuf),
    /// With a certificate and its key, in PEM.
    Certificate(PathBuf, PathBuf),
}

/// What requests that are under way at the same time run over.
#[derive(Debug, Clone, Copy)]
enum Connections {
    /// HTTP/1.1.
    OneEach,
    /// HTTP/2, where the server can do that.
    Shared,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The process does not run in a pod, or without its token.
    #[error(
        "the ServiceAccount token of the control plane is not mounted (volume `token` of the chart)"
    )]
    Pod(#[source] kube::config::InClusterError),
    /// A file cannot be read.
    #[error("{} cannot be read", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds no certificate or key.
    #[error("{} holds nothing usable", path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// Certificate and key do not fit, or an authority is none.
    #[error("the certificates cannot be used")]
    Tls(#[from] rustls::Error),
    /// No authority can be used.
    #[error("no authority can be used")]
    Authorities(#[from] rustls::client::VerifierBuilderError),
    /// A token that no HTTP header can carry.
    #[error("the token in {} cannot be sent", .0.display())]
    Token(PathBuf),
}

impl Access {
    /// The host, as this pod's ServiceAccount.
    ///
    /// # Errors
    /// Outside of a pod.
    pub fn of_pod() -> Result<Access, AccessError> {
        let pod = kube::Config::incluster_env().map_err(AccessError::Pod)?;
        Ok(Access {
            server: pod.cluster_url,
            authorities: pod.root_cert_file.unwrap_or_default(),
            login: Login::Token(pod.auth_info.token_file.unwrap_or_default().into()),
        })
    }

    /// The virtual cluster at `server`, with the certificates that `syncer init` wrote.
    pub fn of_pki(pki: &Path, server: Uri) -> Access {
        Access {
            server,
            authorities: pki.join("ca.crt"),
            login: Login::Certificate(pki.join("syncer.crt"), pki.join("syncer.key")),
        }
    }

    /// A client, with a connection for each request under way. It never gives up on an answer by itself, and it logs no
    /// addresses: they hold the commands of `exec`.
    ///
    /// # Errors
    /// When a file is missing or holds something else.
    pub fn client(&self) -> Result<kube::Client, AccessError> {
        self.connected_by(Connections::OneEach)
    }

    /// A client whose requests share one connection where the server can do that: for what lasts, such as watches. Each
    /// connection takes memory on both sides. Short requests take less time on connections of their own, and those that
    /// become streams, such as `exec`, need one.
    ///
    /// # Errors
    /// When a file is missing or holds something else.
    pub fn sharing_client(&self) -> Result<kube::Client, AccessError> {
        self.connected_by(Connections::Shared)
    }

    fn connected_by(&self, connections: Connections) -> Result<kube::Client, AccessError> {
        let bearer = match &self.login {
            Login::Token(path) => Some(Arc::new(Bearer::read(path)?)),
            Login::Certificate(..) => None,
        };
        let client: legacy::Client<_, Body> = legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .http2_keep_alive_interval(KEEPALIVE.idle)
            .http2_keep_alive_timeout(UNANSWERED)
            .build(self.connector(connections)?);
        let server = self.server.clone();
        let service = ServiceBuilder::new()
            .map_request(move |mut request: Request<Body>| {
                aim(request.uri_mut(), &server);
                request.headers_mut().insert(http::header::USER_AGENT, NAME);
                if let Some(bearer) = &bearer {
                    request.headers_mut().insert(http::header::AUTHORIZATION, bearer.header());
                }
                request
            })
            .service(client);
        Ok(kube::Client::new(service, "default"))
    }

    fn connector(
        &self,
        connections: Connections,
    ) -> Result<TimeoutConnector<HttpsConnector<HttpConnector>>, AccessError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_tcp_user_timeout(Some(UNHEARD));
        tcp.set_keepalive(Some(KEEPALIVE.idle));
        tcp.set_keepalive_interval(Some(KEEPALIVE.interval));
        tcp.set_keepalive_retries(Some(KEEPALIVE.retries));
        let tls = HttpsConnectorBuilder::new().with_tls_config(self.tls()?).https_or_http();
        let connector = match connections {
            Connections::OneEach => tls.enable_http1().wrap_connector(tcp),
            Connections::Shared => tls.enable_all_versions().wrap_connector(tcp),
        };
        // A server that accepts and then says nothing counts as one that does not accept.
        let mut connector = TimeoutConnector::new(connector);
        connector.set_connect_timeout(Some(CONNECT));
        Ok(connector)
    }

    fn tls(&self) -> Result<rustls::ClientConfig, AccessError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let trust = Arc::new(Trust::read(&self.authorities, Arc::clone(&provider))?);
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            // "Dangerous" is any verifier that is not made by the builder; this one asks rustls' own.
            .dangerous()
            .with_custom_certificate_verifier(trust);
        match &self.login {
            Login::Token(_) => Ok(tls.with_no_client_auth()),
            Login::Certificate(certificate, key) => Ok(tls.with_client_auth_cert(
                certificates(certificate)?,
                PrivateKeyDer::from_pem_slice(&read(key)?).map_err(unusable(key))?,
            )?),
        }
    }
}

/// A request names a path; the server is known here.
fn aim(uri: &mut Uri, server: &Uri) {
    let mut parts = std::mem::take(uri).into_parts();
    parts.scheme = server.scheme().cloned();
    parts.authority = server.authority().cloned();
    *uri = Uri::from_parts(parts).unwrap_or_default();
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, AccessError> {
    CertificateDer::pem_slice_iter(&read(path)?).collect::<Result<_, _>>().map_err(unusable(path))
}

fn read(path: &Path) -> Result<Vec<u8>, AccessError> {
    std::fs::read(path).map_err(|source| AccessError::File { path: path.to_owned(), source })
}

fn unusable(path: &Path) -> impl Fn(pem::Error) -> AccessError {
    move |source| AccessError::Pem { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests;
