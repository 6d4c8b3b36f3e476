//! The pods that the null syncer mirrors: one flight a pod, many pods at once.

use std::collections::{HashMap, VecDeque};

use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use http::Method;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::NullSyncer;
use crate::bench::api::{Answer, Api};

/// How many requests are under way at a time, at most.
const FLIGHTS: usize = 64;

/// Namespace and name of a virtual pod.
type Key = (String, String);

/// All pods.
pub struct Mirror {
    args: NullSyncer,
    host: Api,
    inside: Api,
    pods: HashMap<Key, Pod>,
    due: VecDeque<Key>,
    flights: FuturesUnordered<BoxFuture<'static, (Key, Result<()>)>>,
}

/// One pod: what is known of it, and how far it is mirrored.
#[derive(Default)]
struct Pod {
    /// The virtual pod, until the host pod is made of it.
    fresh: Option<Value>,
    uid: String,
    host_uid: String,
    node: String,
    status: Option<Box<RawValue>>,
    leaving: bool,
    host_gone: bool,
    tokens: bool,
    stage: Stage,
    flying: bool,
}

/// What was done last.
#[derive(Default, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Stage {
    #[default]
    Nothing,
    Created,
    Bound,
    Reported,
    HostDeleted,
    Deleted,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct HostPod {
    metadata: Metadata,
    spec: Spec,
    status: Option<Box<RawValue>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    name: String,
    namespace: String,
    uid: String,
    deletion_timestamp: Option<String>,
    annotations: HashMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    node_name: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Phase {
    phase: String,
}

impl Mirror {
    /// With nothing mirrored yet.
    pub fn new(host: Api, inside: Api, args: &NullSyncer) -> Self {
        Self {
            args: args.clone(),
            host,
            inside,
            pods: HashMap::new(),
            due: VecDeque::new(),
            flights: FuturesUnordered::new(),
        }
    }

    /// Takes in an event of the virtual cluster.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn inside(&mut self, line: &[u8]) -> Result<()> {
        let event: Event<'_> = serde_json::from_slice(line)?;
        let read: HostPod = serde_json::from_str(event.object.get())?;
        let key = (read.metadata.namespace, read.metadata.name);
        if event.kind == "DELETED" {
            self.pods.remove(&key);
            return Ok(());
        }
        let pod = self.pods.entry(key.clone()).or_default();
        if pod.uid.is_empty() {
            pod.uid = read.metadata.uid;
            pod.fresh = Some(serde_json::from_str(event.object.get())?);
        }
        pod.leaving |= read.metadata.deletion_timestamp.is_some();
        self.due.push_back(key);
        Ok(())
    }

    /// Takes in an event of the host.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn host(&mut self, line: &[u8]) -> Result<()> {
        let event: Event<'_> = serde_json::from_slice(line)?;
        let read: HostPod = serde_json::from_str(event.object.get())?;
        let origin = |name: &str| {
            read.metadata
                .annotations
                .get(&format!("vcluster.loft.sh/object-{name}"))
                .cloned()
                .unwrap_or_default()
        };
        let key = (origin("namespace"), origin("name"));
        let Some(pod) = self.pods.get_mut(&key) else { return Ok(()) };
        pod.host_uid = read.metadata.uid;
        pod.host_gone |= event.kind == "DELETED";
        pod.node = read.spec.node_name;
        if let Some(status) = read.status {
            let phase: Phase = serde_json::from_str(status.get())?;
            pod.status = (phase.phase == "Running").then_some(status);
        }
        self.due.push_back(key);
        Ok(())
    }

    /// Waits for a request to be answered; never ends while none is under way.
    ///
    /// # Errors
    /// When a request failed.
    pub async fn landed(&mut self) -> Result<()> {
        let Some((key, result)) = self.flights.next().await else {
            return futures::future::pending().await;
        };
        result.with_context(|| format!("pod {}/{}", key.0, key.1))?;
        if let Some(pod) = self.pods.get_mut(&key) {
            pod.flying = false;
            self.due.push_back(key);
        }
        Ok(())
    }

    /// Sends what is due.
    pub fn start_flights(&mut self) {
        while self.flights.len() < FLIGHTS
            && let Some(key) = self.due.pop_front()
        {
            if let Some(flight) = self.next(&key) {
                self.flights.push(Box::pin(async move { (key, flight.await) }));
            }
        }
    }

    /// The next request for a pod, if any is due.
    fn next(&mut self, key: &Key) -> Option<BoxFuture<'static, Result<()>>> {
        let pod = self.pods.get_mut(key)?;
        if pod.flying {
            return None;
        }
        let (host, inside) = (self.host.clone(), self.inside.clone());
        let path = format!("/api/v1/namespaces/{}/pods/{}", key.0, key.1);
        let host_root = format!("/api/v1/namespaces/{}", self.args.namespace);
        let host_path = format!("{host_root}/pods/{}", self.args.host_name(&key.0, &key.1));
        let secret_path =
            format!("{host_root}/secrets/vcluster-token-{}-x-{}", pod.uid, self.args.name);
        let (stage, flight): (_, BoxFuture<'static, Result<()>>) = match pod.stage {
            Stage::Nothing if !pod.leaving => {
                let translation = self.args.translate(&pod.fresh.take()?);
                pod.tokens = translation.token.is_some();
                (Stage::Created, Box::pin(create(host, inside, host_root, translation)))
            }
            _ if pod.host_gone && pod.leaving && pod.stage < Stage::Deleted => {
                let secret = pod.tokens.then_some(secret_path);
                let body = json!({ "gracePeriodSeconds": 0, "preconditions": { "uid": pod.uid } });
                (
                    Stage::Deleted,
                    Box::pin(async move {
                        let secret = async {
                            match secret {
                                Some(path) => send(&host, Method::DELETE, &path, json!({})).await,
                                None => Ok(()),
                            }
                        };
                        tokio::try_join!(send(&inside, Method::DELETE, &path, body), secret)
                            .map(drop)
                    }),
                )
            }
            Stage::Created | Stage::Bound | Stage::Reported
                if pod.leaving && !pod.host_uid.is_empty() =>
            {
                let body = json!({ "preconditions": { "uid": pod.host_uid } });
                (
                    Stage::HostDeleted,
                    Box::pin(async move { send(&host, Method::DELETE, &host_path, body).await }),
                )
            }
            Stage::Created if !pod.node.is_empty() => {
                let body = json!({
                    "apiVersion": "v1", "kind": "Binding", "metadata": { "name": key.1 },
                    "target": { "apiVersion": "v1", "kind": "Node", "name": pod.node },
                });
                (
                    Stage::Bound,
                    Box::pin(async move {
                        send(&inside, Method::POST, &format!("{path}/binding"), body).await
                    }),
                )
            }
            Stage::Bound => {
                let status = pod.status.take()?;
                (
                    Stage::Reported,
                    Box::pin(async move {
                        let body = format!("{{\"status\":{}}}", status.get()).into_bytes();
                        let _: Answer =
                            inside.send(Method::PATCH, &format!("{path}/status"), body).await?;
                        Ok(())
                    }),
                )
            }
            _ => return None,
        };
        pod.stage = stage;
        pod.flying = true;
        Some(flight)
    }
}

async fn create(
    host: Api,
    inside: Api,
    root: String,
    translation: super::translate::Translation,
) -> Result<()> {
    let pods = format!("{root}/pods");
    let pod = send(&host, Method::POST, &pods, translation.pod);
    let secret = async {
        let Some(wish) = translation.token else { return Ok(()) };
        let granted: Value =
            inside.send(Method::POST, &wish.path, wish.request.to_string().into_bytes()).await?;
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": wish.secret },
            "stringData": { "token": granted.pointer("/status/token") },
        });
        send(&host, Method::POST, &format!("{root}/secrets"), secret).await
    };
    tokio::try_join!(pod, secret).map(drop)
}

async fn send(api: &Api, method: Method, path: &str, body: Value) -> Result<()> {
    let _: Answer = api.send(method, path, body.to_string().into_bytes()).await?;
    Ok(())
}
