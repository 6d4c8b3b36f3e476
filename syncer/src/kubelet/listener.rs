//! One port: that of a virtual node, or of the metrics API.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::answers::Answer;
use super::identity::Caller;
use super::node::Shared;
use super::trust::{Tls, holder};
use crate::sockets::{accept, settle};

const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// Also how long an idle connection is kept for the next request.
const HEADERS_WITHIN: Duration = Duration::from_secs(30);
/// As much as hyper takes for a target alone: the words of a long `exec` are all in it.
const HEADERS_LIMIT: usize = 64 * 1024;

/// What a port leads to.
pub(super) trait Door: Send + Sync + 'static {
    /// For logs.
    fn name(&self) -> &str;

    fn shared(&self) -> &Shared;

    /// Answers a request; `holder` is who the client's certificate says it is.
    fn answer(
        &self,
        holder: Option<Caller>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Answer> + Send;
}

/// A port being served.
pub(super) struct Listener<D> {
    pub(super) door: Arc<D>,
    pub(super) tls: watch::Receiver<Tls>,
    /// Connections of all nodes together.
    pub(super) connections: Arc<Semaphore>,
    pub(super) stop: CancellationToken,
}

impl<D: Door> Listener<D> {
    /// Serves until `stop` fires. Requests in flight are then finished, streams go on.
    pub(super) async fn run(self, listener: TcpListener) {
        loop {
            let (stream, peer) = tokio::select! {
                () = self.stop.cancelled() => return,
                accepted = accept(&listener, self.door.name()) => accepted,
            };
            let Ok(slot) = Arc::clone(&self.connections).try_acquire_owned() else {
                tracing::warn!(%peer, "too many connections to virtual nodes");
                continue;
            };
            let connection = Connection {
                door: Arc::clone(&self.door),
                tls: self.tls.borrow().clone(),
                stop: self.stop.clone(),
            };
            self.door.shared().tasks.spawn(async move {
                connection.serve(stream, peer).await;
                drop(slot);
            });
        }
    }
}

struct Connection<D> {
    door: Arc<D>,
    tls: Tls,
    stop: CancellationToken,
}

impl<D: Door> Connection<D> {
    async fn serve(self, stream: TcpStream, peer: SocketAddr) {
        let node = self.door.name();
        if let Err(error) = settle(&stream) {
            tracing::debug!(node, %peer, %error, "socket options not set");
        }
        let acceptor = TlsAcceptor::from(Arc::clone(&self.tls.config));
        let stream = match tokio::time::timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::debug!(node, %peer, %error, "TLS handshake failed");
                return;
            }
            Err(_) => {
                tracing::debug!(node, %peer, "TLS handshake took too long");
                return;
            }
        };
        let holder = holder(stream.get_ref().1.peer_certificates(), self.tls.purpose);
        let door = Arc::clone(&self.door);
        let service = service_fn(move |request| {
            let (door, holder) = (Arc::clone(&door), holder.clone());
            async move { Ok::<_, std::convert::Infallible>(door.answer(holder, request).await) }
        });
        let serving = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS_WITHIN)
            .max_buf_size(HEADERS_LIMIT)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut serving = std::pin::pin!(serving);
        let overdue = &self.door.shared().overdue;
        let served = tokio::select! {
            served = &mut serving => served,
            () = self.stop.cancelled() => {
                serving.as_mut().graceful_shutdown();
                tokio::select! {
                    served = serving => served,
                    () = overdue.cancelled() => return,
                }
            }
        };
        if let Err(error) = served {
            tracing::debug!(node, %peer, %error, "connection ended");
        }
    }
}
