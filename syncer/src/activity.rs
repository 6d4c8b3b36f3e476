//! Hears from the virtual API server's audit webhook when somebody uses the virtual cluster, and tells the activator.
//!
//! A port of its own: `POST /audit` is the API server's, in the same pod, and answered on the loopback address only;
//! `GET /idle` tells a number and nothing of who asked what.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use jiff::{SignedDuration, Timestamp};
use vcluster_syncer_core::json::{Value, json};
use vcluster_syncer_core::sleep::Activity;

use crate::admin::Health;
use crate::certs::write_file;
use crate::plain_http::{Answer, Answers, serve};
use crate::sockets::listen;

/// The port.
pub const PORT: u16 = 8081;

/// The audit policy and the webhook's kubeconfig, in the directory of the certificates. The chart names them, too.
const FILES: [&str; 2] = ["audit-policy.json", "audit-webhook.json"];

/// A batch has at most 400 events, of which each is a few kilobytes at most with metadata only.
const MOST: usize = 8 * 1024 * 1024;

/// Who waits for longer than this until it is ready waits for what does not come, as an image that cannot be pulled.
const LONGEST_START: SignedDuration = SignedDuration::from_mins(10);

/// What was heard so far.
#[derive(Clone)]
struct Heard {
    activity: Arc<Mutex<Activity>>,
    health: Health,
}

/// Writes the files with which the API server tells of requests: which, and to whom.
///
/// # Errors
/// When the directory cannot be written.
pub fn write_files(directory: &Path) -> anyhow::Result<()> {
    for (name, document) in FILES.into_iter().zip([policy(), webhook()]) {
        write_file(directory, name, &document.to_string())
            .with_context(|| format!("{} cannot be written", directory.join(name).display()))?;
    }
    Ok(())
}

/// Everybody's requests, but not those that a cluster makes by itself, and never what is in them.
fn policy() -> Value {
    let users = [
        "system:anonymous",
        "system:apiserver",
        // k3s' own; no other distribution makes such certificates.
        "system:k3s-controller",
        "system:k3s-supervisor",
        "system:kube-controller-manager",
        "system:kube-scheduler",
        "vcluster:syncer",
    ];
    let groups = ["system:nodes", "system:serviceaccounts:kube-system"];
    let paths = ["/healthz*", "/livez*", "/readyz*", "/metrics*"];
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitManagedFields": true,
        "omitStages": ["RequestReceived"],
        "rules": [
            { "level": "None", "users": users },
            { "level": "None", "userGroups": groups },
            { "level": "None", "nonResourceURLs": paths },
            { "level": "None", "resources": [{ "group": "coordination.k8s.io", "resources": ["leases"] }] },
            { "level": "Metadata" },
        ],
    })
}

fn webhook() -> Value {
    let server = format!("http://127.0.0.1:{PORT}/audit");
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "syncer", "cluster": { "server": server } }],
        "users": [{ "name": "kube-apiserver", "user": {} }],
        "contexts": [{ "name": "syncer", "context": { "cluster": "syncer", "user": "kube-apiserver" } }],
        "current-context": "syncer",
    })
}

/// Hears and tells, for as long as the program runs.
///
/// # Errors
/// When the port cannot be had.
pub async fn start(address: IpAddr, health: &Health) -> anyhow::Result<()> {
    let listener = listen(Some(address), PORT).await.with_context(|| {
        let at = SocketAddr::new(address, PORT);
        format!("the address {at} for audit events cannot be had")
    })?;
    let heard = Heard::since(Timestamp::now(), health.clone());
    tokio::spawn(heard.clone().count_when_started());
    tokio::spawn(serve(listener, heard));
    Ok(())
}

impl Answers for Heard {
    const NAME: &'static str = "audit events";

    async fn answer(&self, peer: SocketAddr, request: Request<Incoming>) -> Answer {
        let local = peer.ip().to_canonical().is_loopback();
        let (status, body) = match (request.method(), request.uri().path()) {
            (&Method::GET, "/idle") => (StatusCode::OK, self.idle().as_secs().to_string()),
            (&Method::POST, "/audit") if local => {
                match Limited::new(request.into_body(), MOST).collect().await {
                    Ok(body) => match self.lock().hear(&body.to_bytes()) {
                        Some(count) => {
                            tracing::debug!(count, "requests were heard of");
                            (StatusCode::OK, String::new())
                        }
                        None => (StatusCode::BAD_REQUEST, "no list of audit events\n".to_owned()),
                    },
                    Err(_) => (StatusCode::PAYLOAD_TOO_LARGE, String::new()),
                }
            }
            _ => (StatusCode::NOT_FOUND, "try GET /idle\n".to_owned()),
        };
        let mut answer = Response::new(Full::new(Bytes::from(body)));
        *answer.status_mut() = status;
        answer
    }
}

impl Heard {
    fn since(start: Timestamp, health: Health) -> Self {
        Heard { activity: Arc::new(Mutex::new(Activity::new(start))), health }
    }

    /// Whoever made it or woke it up waits for it, and asks when it is ready: until then it is in use.
    fn idle(&self) -> SignedDuration {
        let idle = self.lock().idle(Timestamp::now());
        let starts = !self.health.started().ok && idle < LONGEST_START;
        if starts { SignedDuration::ZERO } else { idle }
    }

    async fn count_when_started(self) {
        self.health.held(Duration::MAX, Health::started).await;
        self.lock().begin(Timestamp::now());
    }

    fn lock(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use crate::admin::Gate;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn ask(port: u16, request: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_starts_is_waited_for() {
        let health = Health::default();
        let api = health.register("virtual-api", Gate::Ready);
        let longer = LONGEST_START + SignedDuration::from_secs(1);
        let heard = Heard::since(Timestamp::now() - longer, health.clone());
        assert!(heard.idle() >= longer, "it will never be ready");
        let long_ago = SignedDuration::from_secs(500);
        let heard = Heard::since(Timestamp::now() - long_ago, health);
        assert_eq!(heard.idle(), SignedDuration::ZERO);
        let counting = tokio::spawn(heard.clone().count_when_started());
        api.ok();
        counting.await.unwrap();
        assert!(heard.idle() < long_ago, "it counts from now on");
    }

    #[tokio::test]
    async fn what_the_api_server_tells_is_passed_on_as_a_number() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let long_ago = Timestamp::now() - SignedDuration::from_secs(1000);
        tokio::spawn(serve(listener, Heard::since(long_ago, Health::default())));
        let idle = || ask(port, "GET /idle HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        assert!(idle().await.ends_with("\r\n\r\n1000"), "{}", idle().await);
        let list = json!({ "items": [{ "stage": "ResponseComplete", "user": { "username": "alice" }, "stageTimestamp": Timestamp::now().to_string() }] });
        let post = |body: &str| {
            let length = body.len();
            format!(
                "POST /audit HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
            )
        };
        assert!(ask(port, &post("nonsense")).await.starts_with("HTTP/1.1 400 "));
        assert!(ask(port, &post(&list.to_string())).await.starts_with("HTTP/1.1 200 "));
        assert!(idle().await.ends_with("\r\n\r\n0"), "{}", idle().await);
    }
}
