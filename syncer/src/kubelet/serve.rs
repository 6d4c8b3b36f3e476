//! One request to a virtual node: which path, who asks, may they, and the answer.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use tracing::Instrument as _;

use super::answers::{self, Answer, Names, of_error, of_refusal, page, plain};
use super::host::{self, Protocol};
use super::identity::{self, Caller};
use super::listener::Door;
use super::node::Shared;
use super::paths::{PodPath, Route};
use super::pods::HostPod;
use super::query;
use super::relay::relay;
use super::{access, usage};

const JSON: &str = "application/json";

const NOT_SERVED: &str = "the nodes of a virtual cluster do not serve this path\n";

/// A node, for the length of a request.
pub(super) struct Node {
    pub(super) name: String,
    pub(super) shared: Arc<Shared>,
}

impl Door for Node {
    fn name(&self) -> &str {
        &self.name
    }

    fn shared(&self) -> &Shared {
        &self.shared
    }

    async fn answer(&self, holder: Option<Caller>, request: Request<Incoming>) -> Answer {
        let uri = request.uri();
        // A target that names a host (`http://...`) is for proxies.
        let route = if uri.authority().is_none() { Route::parse(uri.path()).ok() } else { None };
        let word = route.as_ref().map_or("refused", Route::word);
        let answer = match route {
            Some(route) => match self.admit(&route, holder, &request).await {
                Ok(()) => self.serve(&route, request).await,
                Err(refusal) => refusal,
            },
            None => plain(StatusCode::FORBIDDEN, NOT_SERVED),
        };
        tracing::debug!(
            node = self.name,
            route = word,
            status = answer.status().as_u16(),
            "kubelet request"
        );
        self.shared.metrics.answered(word, answer.status());
        answer
    }
}

impl Node {
    /// Authentication, then authorization.
    async fn admit(
        &self,
        route: &Route,
        holder: Option<Caller>,
        request: &Request<Incoming>,
    ) -> Result<(), Answer> {
        let reviews = &self.shared.reviews;
        let failed = |error: super::reviews::ReviewError| {
            let text = answers::chain(&error);
            tracing::warn!(node = self.name, error = text, "access could not be reviewed");
            plain(StatusCode::SERVICE_UNAVAILABLE, format!("{text}\n"))
        };
        let caller = match (holder, identity::bearer_token(request.headers())) {
            (Some(caller), _) => Some(caller),
            (None, Some(token)) => reviews.holder(token).await.map_err(failed)?.map(Caller::User),
            (None, None) => None,
        };
        let Some(caller) = caller else {
            return Err(plain(StatusCode::UNAUTHORIZED, "Unauthorized"));
        };
        let rights = access::any_of(route, request.method());
        let Some(first) = rights.first() else {
            let text = format!("{} is not possible here\n", request.method());
            return Err(plain(StatusCode::METHOD_NOT_ALLOWED, text));
        };
        let Caller::User(user) = caller else { return Ok(()) };
        for right in &rights {
            if reviews.allows(&user, *right, &self.name).await.map_err(failed)? {
                return Ok(());
            }
        }
        let subresources: Vec<&str> = rights.iter().map(|right| right.subresource).collect();
        let text = format!(
            "Forbidden (user={}, verb={}, resource=nodes, subresource(s)=[{}])\n",
            user.name,
            first.verb,
            subresources.join(" ")
        );
        Err(plain(StatusCode::FORBIDDEN, text))
    }

    async fn serve(&self, route: &Route, request: Request<Incoming>) -> Answer {
        let query = request.uri().query().unwrap_or_default().to_owned();
        match route {
            Route::Healthz => plain(StatusCode::OK, "ok"),
            Route::Pods => self.pods("").await,
            Route::RunningPods => self.pods(",status.phase=Running").await,
            Route::Metrics => usage::node_metrics(self).await,
            Route::ContainerMetrics => usage::container_metrics(self).await,
            Route::ResourceMetrics => usage::resource_metrics(self).await,
            Route::StatsSummary => usage::stats_summary(self).await,
            Route::Logs(pod, container) => self.logs(pod, container, &query).await,
            Route::Exec(pod, container) => match query::exec(&query, container) {
                Ok(query) => self.stream(pod, Some(container), "exec", &query, request).await,
                Err(bad) => plain(StatusCode::BAD_REQUEST, bad.to_string()),
            },
            Route::Attach(pod, container) => match query::attach(&query, container) {
                Ok(query) => self.stream(pod, Some(container), "attach", &query, request).await,
                Err(bad) => plain(StatusCode::BAD_REQUEST, bad.to_string()),
            },
            Route::PortForward(pod) => match query::port_forward(&query) {
                Ok(query) => self.stream(pod, None, "portforward", &query, request).await,
                Err(bad) => plain(StatusCode::BAD_REQUEST, bad.to_string()),
            },
        }
    }

    async fn pods(&self, only: &str) -> Answer {
        match self.shared.pods.page(&self.name, only).await {
            Ok(list) => page(StatusCode::OK, JSON, list),
            Err(error) => plain(StatusCode::BAD_GATEWAY, answers::chain(&error)),
        }
    }

    /// Streams a log as it comes; a log that is followed holds a place like any other stream.
    async fn logs(&self, pod: &PodPath, container: &str, query: &str) -> Answer {
        let Some(place) = self.shared.places.take() else { return self.shared.places.full() };
        let host = match self.shared.pods.locate(&self.name, pod, Some(container)).await {
            Ok(host) => host,
            Err(refusal) => return refusal,
        };
        let target = format!("{}/log?{}", host.path(), query::logs(query, container));
        match host::read(&self.shared.pods.host, &target).await {
            Ok(log) if log.status().is_success() => {
                let (head, body) = log.into_parts();
                let body = body.map_err(Into::into).map_frame(move |frame| {
                    let _until_the_end = &place;
                    frame
                });
                let mut answer = Response::new(body.boxed_unsync());
                *answer.status_mut() = head.status;
                if let Some(kind) = head.headers.get(http::header::CONTENT_TYPE) {
                    answer.headers_mut().insert(http::header::CONTENT_TYPE, kind.clone());
                }
                answer
            }
            Ok(refusal) => of_refusal(refusal, &Names::of(&host, pod)).await,
            Err(error) => of_error(&error, &Names::of(&host, pod)),
        }
    }

    /// Opens the stream on the host, then joins both.
    async fn stream(
        &self,
        pod: &PodPath,
        container: Option<&str>,
        subresource: &'static str,
        query: &str,
        mut request: Request<Incoming>,
    ) -> Answer {
        let Some(protocol) = Protocol::asked(request.headers()) else {
            return plain(StatusCode::BAD_REQUEST, "Upgrade request required");
        };
        let Some(place) = self.shared.places.take() else { return self.shared.places.full() };
        let host = match self.shared.pods.locate(&self.name, pod, container).await {
            Ok(host) => host,
            Err(refusal) => return refusal,
        };
        let opened = self.open(&host, subresource, query, protocol, request.headers()).await;
        let names = Names::of(&host, pod);
        let mut opened = match opened {
            Ok(opened) if opened.status() == StatusCode::SWITCHING_PROTOCOLS => opened,
            Ok(refusal) => return of_refusal(refusal, &names).await,
            Err(error) => return of_error(&error, &names),
        };
        let ends = (hyper::upgrade::on(&mut request), hyper::upgrade::on(&mut opened));
        let span = tracing::debug_span!(
            "stream",
            node = self.name,
            namespace = pod.namespace,
            pod = pod.name,
            subresource
        );
        let shared = Arc::clone(&self.shared);
        self.shared.tasks.spawn(
            async move {
                let overdue = shared.overdue.clone();
                if overdue.run_until_cancelled(relay(ends.0, ends.1)).await.is_none() {
                    tracing::debug!("stream dropped: the syncer stops");
                }
                drop(place);
            }
            .instrument(span),
        );
        let empty = Empty::<Bytes>::new().map_err(|never| match never {});
        let mut answer = Response::new(empty.boxed_unsync());
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *answer.headers_mut() = host::handshake(opened.headers());
        answer
    }

    async fn open(
        &self,
        host: &HostPod,
        subresource: &str,
        query: &str,
        protocol: Protocol,
        asked: &HeaderMap,
    ) -> Result<Response<kube::client::Body>, kube::Error> {
        let target = format!("{}/{subresource}?{query}", host.path());
        host::open(&self.shared.pods.host, &target, protocol, asked).await
    }
}
