//! `syncer wait --for PEER -- PROGRAM ARGS`: starts a program as soon as its peer is up; `helm test` and the kubelet
//! (before it starts what needs the syncer's preparations) only wait.
//!
//! kube-controller-manager exits when its API server is not there yet, and the kubelet then lets it wait for ten seconds
//! and more. Under this it starts within 50 milliseconds of its peer, in the same process.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::{TcpStream, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio_rustls::TlsConnector;

use crate::turn_into::turn_into;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(50);
/// For one look.
const ONE_LOOK: Duration = Duration::from_secs(5);
/// Between two lines that say what is waited for.
const SAY: Duration = Duration::from_secs(10);

/// Arguments of `syncer wait`.
#[derive(Debug, Clone, clap::Args)]
pub struct WaitArgs {
    /// What must be there: `https://HOST:PORT/PATH` (answers 200), `tcp://HOST:PORT` or `unix:///PATH` (accepts
    /// connections), `file:///PATH` (exists).
    #[arg(long = "for", value_name = "PEER", required = true)]
    peers: Vec<Peer>,
    /// The authorities that an https peer's certificate is checked with.
    #[arg(long, value_name = "FILE", default_value = "/pki/ca.crt")]
    ca: PathBuf,
    /// For how many seconds to wait.
    #[arg(long, default_value_t = 300)]
    timeout: u64,
    /// The program to become, and its arguments. Without one, that is all.
    #[arg(last = true)]
    program: Vec<OsString>,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// Answers 200 there, over TLS.
    Https(http::Uri),
    /// Accepts connections at this address.
    Tcp(String),
    /// Accepts connections at this socket.
    Unix(PathBuf),
    /// Exists.
    File(PathBuf),
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            Some(("https", _)) => match text.parse::<http::Uri>() {
                Ok(uri) if uri.host().is_some() => Ok(Peer::Https(uri)),
                _ => Err(format!("{text} is not a URL")),
            },
            Some(("tcp", address)) if address.contains(':') => Ok(Peer::Tcp(address.to_owned())),
            Some(("unix", path)) if path.starts_with('/') => Ok(Peer::Unix(path.into())),
            Some(("file", path)) if path.starts_with('/') => Ok(Peer::File(path.into())),
            _ => Err(format!(
                "{text} is none of https://HOST:PORT/PATH, tcp://HOST:PORT, unix:///PATH, file:///PATH"
            )),
        }
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Peer::Https(uri) => write!(f, "{uri}"),
            Peer::Tcp(address) => write!(f, "tcp://{address}"),
            Peer::Unix(path) => write!(f, "unix://{}", path.display()),
            Peer::File(path) => write!(f, "file://{}", path.display()),
        }
    }
}

/// Waits, then becomes the program. Returns only when that fails, or there is none.
///
/// # Errors
/// When the time is over, a signal says stop, or the program cannot be started.
pub async fn run(args: WaitArgs) -> anyhow::Result<()> {
    // As the first process of a container, SIGTERM does nothing unless somebody listens.
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        done = wait(&args) => done?,
        _ = terminate.recv() => bail!("stopped while waiting"),
        _ = interrupt.recv() => bail!("stopped while waiting"),
    }
    turn_into(&args.program)
}

async fn wait(args: &WaitArgs) -> anyhow::Result<()> {
    let (began, limit) = (Instant::now(), Duration::from_secs(args.timeout));
    let mut said = began;
    for peer in &args.peers {
        loop {
            let trouble = match tokio::time::timeout(ONE_LOOK, look(peer, &args.ca)).await {
                Ok(Ok(())) => break,
                Ok(Err(error)) => format!("{error:#}"),
                Err(_) => format!("no answer in {} s", ONE_LOOK.as_secs()),
            };
            if began.elapsed() >= limit {
                bail!(
                    "{peer} was not ready in {} s: {trouble}; look at the logs of the container that serves it",
                    args.timeout
                );
            }
            if said.elapsed() >= SAY {
                tracing::info!(%peer, trouble, "waiting");
                said = Instant::now();
            }
            tokio::time::sleep(EVERY).await;
        }
    }
    tracing::debug!(milliseconds = began.elapsed().as_millis(), "all there");
    Ok(())
}

async fn look(peer: &Peer, ca: &PathBuf) -> anyhow::Result<()> {
    match peer {
        Peer::Https(uri) => answers(uri, ca).await,
        Peer::Tcp(address) => Ok(TcpStream::connect(address.as_str()).await.map(drop)?),
        Peer::Unix(path) => Ok(UnixStream::connect(path).await.map(drop)?),
        Peer::File(path) if path.exists() => Ok(()),
        Peer::File(_) => Err(io::Error::from(io::ErrorKind::NotFound).into()),
    }
}

async fn answers(uri: &http::Uri, ca: &PathBuf) -> anyhow::Result<()> {
    let mut roots = RootCertStore::empty();
    let pem = std::fs::read(ca).with_context(|| format!("{} cannot be read", ca.display()))?;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(443))).await?;
    let name = ServerName::try_from(host.to_owned())?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let request = http::Request::get(path)
        .header(http::header::HOST, host)
        .body(Empty::<bytes::Bytes>::new())?;
    let response = tokio::select! {
        response = sender.send_request(request) => response?,
        _ = connection => bail!("the connection ended before the answer"),
    };
    if !response.status().is_success() {
        bail!("it answers {}", response.status());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(peers: &[String]) -> WaitArgs {
        let peers = peers.iter().map(|peer| peer.parse().unwrap()).collect();
        WaitArgs { peers, ca: "/nonexistent".into(), timeout: 0, program: vec!["true".into()] }
    }

    #[test]
    fn peers_are_read() {
        assert!(matches!("https://127.0.0.1:8443/readyz".parse(), Ok(Peer::Https(_))));
        assert_eq!("unix:///run/kine.sock".parse(), Ok(Peer::Unix("/run/kine.sock".into())));
        assert_eq!("tcp://[::1]:80".parse(), Ok(Peer::Tcp("[::1]:80".into())));
        for nonsense in
            ["127.0.0.1:80", "http://x", "unix://relative", "https:///path", "tcp://host"]
        {
            assert!(nonsense.parse::<Peer>().is_err(), "{nonsense}");
        }
    }

    #[tokio::test]
    async fn a_peer_that_is_there_ends_the_wait() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let _unix = tokio::net::UnixListener::bind(&socket).unwrap();
        let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peers = [
            format!("unix://{}", socket.display()),
            format!("tcp://{}", tcp.local_addr().unwrap()),
            format!("file://{}", directory.path().display()),
        ];
        wait(&args(&peers)).await.unwrap();
    }

    #[tokio::test]
    async fn a_peer_that_does_not_come_is_named() {
        let error = wait(&args(&["file:///does/not/exist".to_owned()])).await.unwrap_err();
        assert!(
            error.to_string().starts_with("file:///does/not/exist was not ready in 0 s: "),
            "{error}"
        );
    }
}
