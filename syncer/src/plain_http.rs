//! HTTP without TLS, for ports of the pod that tell no secret.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::sockets::accept;

/// Probes, one or two scrapers, another program of the pod, and a person.
const CONNECTIONS: usize = 64;

/// How long a client may take to send its request's head.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);

/// As much as a request's head may take.
const HEADERS_LIMIT: usize = 16 * 1024;

/// What a port answers.
pub type Answer = Response<Full<Bytes>>;

/// Who answers at a port.
pub trait Answers: Send + Sync + 'static {
    /// For logs.
    const NAME: &'static str;

    /// Answers a request that came from `peer`.
    fn answer(
        &self,
        peer: SocketAddr,
        request: Request<Incoming>,
    ) -> impl Future<Output = Answer> + Send;
}

/// Serves until it is dropped. Connections that are open go on.
pub async fn serve<A: Answers>(listener: TcpListener, answers: A) {
    let answers = Arc::new(answers);
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let (stream, peer) = accept(&listener, A::NAME).await;
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
            tracing::debug!(name = A::NAME, %peer, "too many connections");
            continue;
        };
        let answers = Arc::clone(&answers);
        tokio::spawn(async move {
            connection(stream, peer, answers).await;
            drop(slot);
        });
    }
}

async fn connection<A: Answers>(stream: TcpStream, peer: SocketAddr, answers: Arc<A>) {
    let service = service_fn(move |request| {
        let answers = Arc::clone(&answers);
        async move { Ok::<_, Infallible>(answers.answer(peer, request).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(HEADERS_LIMIT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(name = A::NAME, %peer, %error, "connection ended");
    }
}
