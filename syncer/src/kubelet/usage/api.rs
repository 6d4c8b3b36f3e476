//! `metrics.k8s.io/v1beta1` of the virtual cluster: what `kubectl top` and autoscalers ask.
//!
//! The virtual API server has found out who asks and whether they may, and passes the request on by the loopback interface
//! that it shares with the syncer. It shows the certificate that it keeps for such servers; nobody else is answered.

mod objects;
mod route;

use std::collections::BTreeMap;
use std::sync::Arc;

use form_urlencoded::Serializer;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::answers::{Answer, chain, page, plain};
use super::super::identity::Caller;
use super::super::listener::Door;
use super::super::node::Shared;
use super::super::objects::{self as read, List, Named, Pod};
use super::samples::Unavailable;
use super::{JSON, PodUsage, of_pods};
use objects::Failure;
pub(in crate::kubelet) use objects::Offer;
use route::Route;

/// Objects that the virtual API server is asked for at a time: whole pods are large, and little is kept of each.
const PAGE: usize = 250;

/// The metrics API, as the virtual API server finds it.
pub(in crate::kubelet) struct MetricsApi {
    pub(in crate::kubelet) shared: Arc<Shared>,
    pub(in crate::kubelet) offer: Offer,
}

impl Door for MetricsApi {
    fn name(&self) -> &str {
        "metrics.k8s.io"
    }

    fn shared(&self) -> &Shared {
        &self.shared
    }

    async fn answer(&self, holder: Option<Caller>, request: Request<Incoming>) -> Answer {
        let answer = match (holder, request.method()) {
            (Some(Caller::ApiServer), &Method::GET) => match self.get(request.uri()).await {
                Ok(body) => page(StatusCode::OK, JSON, body.to_string()),
                Err(failure) => page(failure.code, JSON, failure.status().to_string()),
            },
            (Some(Caller::ApiServer), _) => {
                let status = Failure::method_not_allowed().status();
                page(StatusCode::METHOD_NOT_ALLOWED, JSON, status.to_string())
            }
            _ => plain(StatusCode::UNAUTHORIZED, "Unauthorized"),
        };
        self.shared.metrics.answered("metrics-api", answer.status());
        answer
    }
}

impl MetricsApi {
    async fn get(&self, uri: &http::Uri) -> Result<Value, Failure> {
        let query = uri.query().unwrap_or_default();
        if route::is_watch(query) {
            return Err(Failure::method_not_allowed());
        }
        match Route::parse(uri.path(), self.offer).ok_or_else(Failure::no_such_path)? {
            Route::Resources => Ok(objects::resources(self.offer)),
            Route::Pods(namespace) => {
                let place = namespace.map(|it| format!("/namespaces/{it}")).unwrap_or_default();
                let path = format!("/api/v1{place}/pods");
                let pods = self.list(&path, &route::selectors(query)).await?;
                let usage = of_pods(&self.shared, pods).await?;
                Ok(objects::pods(&usage))
            }
            Route::Pod(namespace, name) => {
                let path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
                let pod = read::get::<Pod>(&self.shared.pods.inside, &path).await;
                let pod = pod.map_err(Unavailable::Virtual)?;
                let usage = of_pods(&self.shared, pod.into_iter().collect()).await?;
                let told = usage.first().map(objects::pod);
                told.ok_or_else(|| Failure::not_found("pods", &format!("{namespace}/{name}")))
            }
            Route::Nodes => {
                let nodes: Vec<Named> =
                    self.list("/api/v1/nodes", &route::selectors(query)).await?;
                let usage = of_pods(&self.shared, self.list("/api/v1/pods", "").await?).await?;
                let by_node = by_node(&usage);
                let nodes = nodes.iter().filter_map(|node| {
                    objects::node(&node.metadata, by_node.get(node.metadata.name.as_str())?)
                });
                Ok(objects::nodes(nodes.collect()))
            }
            Route::Node(name) => {
                let path = format!("/api/v1/nodes/{name}");
                let node = read::get::<Named>(&self.shared.pods.inside, &path).await;
                let pods = self.shared.pods.on(&name).await.map_err(Unavailable::Virtual)?;
                let usage = of_pods(&self.shared, pods).await?;
                let usage: Vec<&PodUsage> = usage.iter().collect();
                let node = node.map_err(Unavailable::Virtual)?;
                let told = node.and_then(|node| objects::node(&node.metadata, &usage));
                told.ok_or_else(|| Failure::not_found("nodes", &name))
            }
        }
    }

    /// A list of the virtual API server's, page by page. `selectors` is a query of its own, or nothing.
    async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        selectors: &str,
    ) -> Result<Vec<T>, Unavailable> {
        let mut all = Vec::new();
        let mut next = String::new();
        loop {
            let query = Serializer::new(selectors.to_owned())
                .append_pair("limit", &PAGE.to_string())
                .append_pair("continue", &next)
                .finish();
            let list = read::get(&self.shared.pods.inside, &format!("{path}?{query}")).await;
            let Some(list): Option<List<T>> = list.map_err(Unavailable::Virtual)? else {
                return Ok(all);
            };
            all.extend(list.items.unwrap_or_default());
            next = list.metadata.next.unwrap_or_default();
            if next.is_empty() {
                return Ok(all);
            }
        }
    }
}

fn by_node(usage: &[PodUsage]) -> BTreeMap<&str, Vec<&PodUsage>> {
    let mut by_node: BTreeMap<&str, Vec<&PodUsage>> = BTreeMap::new();
    for pod in usage {
        by_node.entry(&pod.pod.spec.node_name).or_default().push(pod);
    }
    by_node
}

impl From<Unavailable> for Failure {
    /// The host's numbers may come back; who asks tries again.
    fn from(unavailable: Unavailable) -> Self {
        Failure::unavailable(chain(&unavailable))
    }
}
