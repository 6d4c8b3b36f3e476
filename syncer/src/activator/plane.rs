//! The control plane as its host shows it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use vcluster_config::Labels;
use vcluster_syncer_core::json::{Value, json};
use vcluster_syncer_core::sleep::{State, fall_asleep, wake_up};

use super::{APP, Arguments};
use crate::activity;
use crate::namespace::{Denied, Namespace};

/// How often a patch is tried again when somebody else was quicker.
const TRIES: usize = 5;

/// How long the syncer may take to tell since when nobody asked anything.
const ANSWER: Duration = Duration::from_secs(5);

/// One virtual cluster's control plane.
pub struct Plane {
    /// Where it is.
    pub namespace: Namespace,
    /// Its name.
    pub name: String,
    /// Labels of the tenants' pods that stay on the host.
    pub staying: Labels,
    /// Where its API servers answer.
    pub port: u16,
    /// The container of an API server.
    pub server: String,
    /// StatefulSets in the order in which they start.
    workloads: Vec<String>,
    /// What the Service selects while the virtual cluster is awake.
    selector: Value,
    /// One transition at a time.
    pub turn: Mutex<()>,
}

/// Whom the Service leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The control plane.
    Plane,
    /// This program.
    Activator,
}

impl Plane {
    /// The control plane that the arguments name.
    pub fn new(namespace: Namespace, args: Arguments) -> Self {
        Plane {
            namespace,
            name: args.name,
            staying: args.options.exclude.selector.labels,
            port: args.port,
            server: args.server,
            workloads: args.workloads,
            selector: json!(args.selector),
            turn: Mutex::new(()),
        }
    }

    /// The selector of the control plane's pods.
    pub fn pods(&self) -> String {
        format!("app=vcluster,release={}", self.name)
    }

    /// How the virtual cluster is now.
    ///
    /// # Errors
    /// When the host does not answer, or refuses.
    pub async fn state(&self) -> Result<State, Denied> {
        let set = self.namespace.get("statefulsets", &self.name).await?;
        Ok(set.as_ref().map_or(State::Paused, State::of))
    }

    /// Puts the control plane to sleep; its store follows when nobody uses it any more ([`Plane::settle`]).
    ///
    /// # Errors
    /// When the host does not answer, or refuses.
    pub async fn sleep(&self) -> Result<(), Denied> {
        let _turn = self.turn.lock().await;
        let now = Timestamp::now();
        self.change(&self.name, |set| fall_asleep(set, now)).await
    }

    /// Puts the rest of the control plane to sleep, unless it was woken meanwhile.
    ///
    /// # Errors
    /// When the host does not answer, or refuses.
    pub async fn settle(&self) -> Result<(), Denied> {
        let _turn = self.turn.lock().await;
        let State::Asleep(since) = self.state().await? else { return Ok(()) };
        for workload in &self.workloads {
            self.change(workload, |set| fall_asleep(set, since)).await?;
        }
        Ok(())
    }

    /// Wakes it if it sleeps. Answers whether it is awake then: what a person paused is left alone.
    ///
    /// # Errors
    /// When the host does not answer, or refuses.
    pub async fn wake(&self) -> Result<bool, Denied> {
        let _turn = self.turn.lock().await;
        if self.state().await? == State::Paused {
            return Ok(false);
        }
        for workload in &self.workloads {
            self.change(workload, wake_up).await?;
        }
        Ok(true)
    }

    /// For how long nobody has asked anything of any replica. None: it cannot be told, as long as one of them is not ready
    /// or does not answer: nobody else knows what it heard.
    pub async fn idle(&self, at: &BTreeMap<String, SocketAddr>) -> Option<SignedDuration> {
        let set = self.namespace.get("statefulsets", &self.name).await.ok()??;
        if set.pointer("/spec/replicas")?.as_u64()? > at.len().try_into().ok()? {
            return None;
        }
        let told = at.values().map(|at| told(SocketAddr::new(at.ip(), activity::PORT)));
        // Nothing is less than something.
        futures::future::join_all(told).await.into_iter().min().flatten()
    }

    /// Leads the Service to where it should. Answers whether that was news.
    ///
    /// # Errors
    /// When the host does not answer, or refuses.
    pub async fn lead(&self, to: Door) -> Result<bool, Denied> {
        let Some(service) = self.namespace.get("services", &self.name).await? else {
            return Ok(false);
        };
        let wanted = match to {
            Door::Plane => self.selector.clone(),
            Door::Activator => json!({ "app": APP, "release": &self.name }),
        };
        let now = service.pointer("/spec/selector").cloned().unwrap_or_default();
        if now == wanted {
            return Ok(false);
        }
        let mut change = wanted;
        if let (Some(change), Some(now)) = (change.as_object_mut(), now.as_object()) {
            // A merge patch takes away only what it names.
            for key in now.keys() {
                change.entry(key.clone()).or_insert(Value::Null);
            }
        }
        let version = service.pointer("/metadata/resourceVersion");
        let patch =
            json!({ "metadata": { "resourceVersion": version }, "spec": { "selector": change } });
        self.namespace.merge("services", &self.name, &patch).await?;
        tracing::info!(?to, "the Service leads elsewhere");
        Ok(true)
    }

    async fn change(
        &self,
        workload: &str,
        patch: impl Fn(&Value) -> Option<Value>,
    ) -> Result<(), Denied> {
        for _ in 0..TRIES {
            let set = self.namespace.get("statefulsets", workload).await?;
            let Some(patch) = set.as_ref().and_then(&patch) else { return Ok(()) };
            match self.namespace.merge("statefulsets", workload, &patch).await {
                Err(error) if error.is_conflict() => {}
                done => return done.map(drop),
            }
        }
        Ok(())
    }
}

/// The address of a pod that is not about to end, and whose API server, container `server`, is ready.
pub fn ready_at(pod: &Value, server: &str) -> Option<IpAddr> {
    if pod.pointer("/metadata/deletionTimestamp").is_some() {
        return None;
    }
    let containers = pod.pointer("/status/containerStatuses")?.as_array()?;
    let server = containers.iter().find(|it| it.get("name").is_some_and(|name| name == server))?;
    let ready = server.get("ready")?.as_bool()?;
    ready.then(|| pod.pointer("/status/podIP")?.as_str()?.parse().ok()).flatten()
}

/// What one syncer tells: for how long nobody has asked anything of the API server beside it.
async fn told(at: SocketAddr) -> Option<SignedDuration> {
    match tokio::time::timeout(ANSWER, ask(at)).await {
        Ok(Ok(seconds)) => Some(SignedDuration::from_secs(seconds)),
        Ok(Err(error)) => {
            tracing::debug!(%at, error = format!("{error:#}"), "the syncer does not tell");
            None
        }
        Err(_) => None,
    }
}

async fn ask(at: SocketAddr) -> anyhow::Result<i64> {
    let stream = TcpStream::connect(at).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = http::Request::get("/idle")
        .header(http::header::HOST, at.to_string())
        .body(Empty::<bytes::Bytes>::new())?;
    let answer = sender.send_request(request).await?;
    let body = Limited::new(answer.into_body(), 64).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!(error))?.to_bytes();
    std::str::from_utf8(&body)?.parse().context("the answer is not a number")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::activator) const SERVER: &str = "kube-apiserver";

    /// That of `my`, whose store is in its own pod.
    pub(in crate::activator) fn plane(namespace: Namespace) -> Plane {
        let args = Arguments {
            name: "my".to_owned(),
            namespace: namespace.name().to_owned(),
            port: 8443,
            server: SERVER.to_owned(),
            options: Default::default(),
            selector: Labels::new(),
            workloads: vec!["my".to_owned()],
        };
        Plane::new(namespace, args)
    }

    #[test]
    fn an_api_server_that_is_ready_can_be_reached() {
        let pod = |ready: bool, ending: Value| {
            let server = json!({ "name": SERVER, "ready": ready });
            json!({
                "metadata": ending,
                "status": { "podIP": "fd00::7", "containerStatuses": [{ "name": "syncer", "ready": false }, server] },
            })
        };
        assert_eq!(ready_at(&pod(true, json!({})), SERVER), Some("fd00::7".parse().unwrap()));
        assert_eq!(ready_at(&pod(false, json!({})), SERVER), None);
        let ending = json!({ "deletionTimestamp": "2026-01-01T00:00:00Z" });
        assert_eq!(ready_at(&pod(true, ending), SERVER), None);
        assert_eq!(ready_at(&json!({}), SERVER), None);
    }
}
