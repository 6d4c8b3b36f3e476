//! How many connections a server sees.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::*;

const AT_A_TIME: usize = 5;

/// A server that speaks both versions, as API servers do, and answers once enough requests are under way at a time.
struct Server {
    tls: TlsAcceptor,
    connections: AtomicUsize,
    under_way: Barrier,
}

/// What is answered at once.
const SHORT: &str = "/version";
const LASTING: &str = "/api/v1/pods?watch=1";
/// What the server hangs at.
const DEADLY: &str = "/deadly";

impl Server {
    async fn serve(self: Arc<Self>, listener: TcpListener) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            self.connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(Arc::clone(&self).connection(stream));
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream) {
        let stream = self.tls.accept(stream).await.unwrap();
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => self.shared(stream).await,
            _ => {
                let mut stream = BufReader::new(stream);
                let (mut first, mut line) = (String::new(), String::new());
                stream.read_line(&mut first).await.unwrap();
                while line != "\r\n" {
                    line.clear();
                    stream.read_line(&mut line).await.unwrap();
                }
                if !first.contains(SHORT) {
                    self.under_way.wait().await;
                }
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                stream.write_all(answer).await.unwrap();
            }
        }
    }

    async fn shared(self: Arc<Self>, stream: TlsStream<TcpStream>) {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        while let Some(Ok((request, mut respond))) = connection.accept().await {
            if request.uri().path() == DEADLY {
                std::future::pending::<()>().await;
            }
            let server = Arc::clone(&self);
            tokio::spawn(async move {
                if request.uri().path() != SHORT {
                    server.under_way.wait().await;
                }
                respond.send_response(http::Response::new(()), true).unwrap();
            });
        }
    }
}

#[tokio::test]
async fn what_lasts_shares_a_connection() {
    assert_eq!(further_connections(Access::client).await, AT_A_TIME);
    assert_eq!(further_connections(Access::sharing_client).await, 0);
}

#[tokio::test]
async fn a_shared_connection_to_a_server_that_hangs_is_given_up() {
    let rig = Rig::new(Access::sharing_client).await;
    rig.get(SHORT).await.unwrap();
    let stuck = rig.get(DEADLY);
    tokio::time::pause();
    let error = tokio::time::timeout(Duration::from_secs(60), stuck).await.expect("given up");
    error.unwrap_err();
    tokio::time::resume();
    rig.get(SHORT).await.unwrap();
    assert_eq!(rig.server.connections.load(Ordering::SeqCst), 2);
}

/// How many connections requests at the same time need after a first request. Those that are the first ones race.
async fn further_connections(
    client: impl Fn(&Access) -> Result<kube::Client, AccessError>,
) -> usize {
    let rig = Rig::new(client).await;
    rig.get(SHORT).await.unwrap();
    rig.server.connections.store(0, Ordering::SeqCst);
    let answers = join_all(std::iter::repeat_with(|| rig.get(LASTING)).take(AT_A_TIME)).await;
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().status() == 200));
    rig.server.connections.load(Ordering::SeqCst)
}

/// A server and a client of it.
struct Rig {
    server: Arc<Server>,
    served: JoinHandle<()>,
    client: kube::Client,
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.served.abort();
    }
}

impl Rig {
    async fn new(client: impl Fn(&Access) -> Result<kube::Client, AccessError>) -> Rig {
        let folder = tempfile::tempdir().unwrap();
        let (token, authorities) = (folder.path().join("token"), folder.path().join("ca.crt"));
        std::fs::write(&token, "sesame").unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = certificate.self_signed(&key).unwrap();
        std::fs::write(&authorities, certificate.pem()).unwrap();

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ServerConfig::builder_with_provider(provider);
        let tls = tls.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let mut tls = tls.with_single_cert(vec![certificate.der().clone()], key.into()).unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let server = Arc::new(Server {
            tls: Arc::new(tls).into(),
            connections: AtomicUsize::default(),
            under_way: Barrier::new(AT_A_TIME),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let served = tokio::spawn(Arc::clone(&server).serve(listener));
        let access =
            Access { server: address.parse().unwrap(), authorities, login: Login::Token(token) };
        Rig { server, served, client: client(&access).unwrap() }
    }

    async fn get(&self, path: &str) -> Result<http::Response<Body>, kube::Error> {
        self.client.send(Request::get(path).body(Body::empty()).unwrap()).await
    }
}
