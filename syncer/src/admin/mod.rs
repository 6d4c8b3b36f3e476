//! The syncer's own door: health, metrics, log level and a look at its state.
//!
//! Plain HTTP on a port of the pod, for the kubelet's probes and for scrapers; nothing here tells a secret. What changes
//! something (`PUT /log-level`) or names objects (`GET /debug/state`) is answered on the loopback address only, which
//! `kubectl port-forward` reaches.

mod health;
mod metrics;
mod process;
mod routes;

use std::net::SocketAddr;
use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::logging::LogLevel;
use crate::plain_http::{self, Answer, Answers};

pub use health::{Check, Gate, Health, Line, Report};
pub use metrics::{Leading, Metrics, QueueDepths, StoreObjects, StoreSizes};
pub use process::Process;

/// What the door shows.
pub struct Admin {
    /// `/livez`, `/readyz`.
    pub health: Health,
    /// `/metrics`.
    pub registry: Registry,
    /// `/log-level`.
    pub log_level: LogLevel,
    /// `/debug/state`: must hold no secret data.
    pub state: Arc<dyn Fn() -> vcluster_syncer_core::json::Value + Send + Sync>,
}

impl Admin {
    /// Serves on `listener` until `stop` fires.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = plain_http::serve(listener, self) => {}
        }
    }
}

impl Answers for Admin {
    const NAME: &'static str = "admin";

    fn answer(
        &self,
        peer: SocketAddr,
        request: Request<Incoming>,
    ) -> impl Future<Output = Answer> + Send {
        routes::answer(self, peer, request)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;
    use crate::logging;

    async fn ask(port: u16, request: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    fn get(path: &str) -> String {
        format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    }

    #[tokio::test]
    async fn the_door_answers_probes_scrapes_and_questions() {
        let health = Health::default();
        let store = health.register("store", Gate::Ready);
        let mut registry = Registry::default();
        Metrics::register(&mut registry).plan("pods", "written");
        registry.register_collector(Box::new(Process));
        let log_level = logging::init(logging::LogFormat::Text, "info").unwrap();
        let admin = Admin {
            health,
            registry,
            log_level: log_level.clone(),
            state: Arc::new(|| vcluster_syncer_core::json::json!({"leader": true})),
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = CancellationToken::new();
        let served = tokio::spawn(admin.serve(listener, stop.clone()));

        let starting = ask(port, &get("/readyz")).await;
        assert!(starting.starts_with("HTTP/1.1 503 "), "{starting}");
        assert!(starting.contains("[-]store (for 0s): not checked yet"), "{starting}");
        assert!(ask(port, &get("/livez")).await.starts_with("HTTP/1.1 200 "));
        store.ok();
        let ready = ask(port, &get("/readyz?format=json")).await;
        assert!(ready.starts_with("HTTP/1.1 200 ") && ready.contains(r#""ok":true"#), "{ready}");

        let held = ask(port, &get("/readyz?hold=9000&format=json")).await;
        assert!(held.starts_with("HTTP/1.1 200 ") && held.contains(r#""ok":true"#), "{held}");
        assert!(ask(port, &get("/readyz?hold=1s")).await.starts_with("HTTP/1.1 400 "));

        let metrics = ask(port, &get("/metrics")).await;
        assert!(metrics.contains("vcluster_sync_plans_total"), "{metrics}");
        assert!(metrics.contains("process_resident_memory_bytes"), "{metrics}");
        assert!(ask(port, &get("/debug/state")).await.contains(r#"{"leader":true}"#));

        let put = |level: &str| {
            let length = level.len();
            format!(
                "PUT /log-level HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{level}"
            )
        };
        assert!(ask(port, &put("debug")).await.starts_with("HTTP/1.1 200 "));
        assert_eq!(log_level.current(), "debug");
        let refused = ask(port, &put("debgu")).await;
        assert!(refused.starts_with("HTTP/1.1 400 ") && refused.contains("debgu"), "{refused}");
        assert!(ask(port, &put(&"x".repeat(9000))).await.starts_with("HTTP/1.1 413 "));
        assert!(ask(port, &get("/secrets")).await.starts_with("HTTP/1.1 404 "));
        assert!(
            ask(port, "POST /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                .await
                .starts_with("HTTP/1.1 405 ")
        );

        stop.cancel();
        served.await.unwrap();
    }
}
