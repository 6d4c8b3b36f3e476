//! The control-plane namespace: plain requests for the few objects that the control plane keeps for itself.

mod follow;

use std::time::Duration;

use futures::{Stream, StreamExt as _, stream};
use http::{HeaderValue, Method, Request, StatusCode, header};
use kube::Client;
use kube::core::WatchEvent;
use vcluster_syncer_core::json::Value;

/// The longest that an answer may take unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// The host namespace that a virtual cluster lives in.
#[derive(Clone)]
pub struct Namespace {
    client: Client,
    name: String,
    patience: Duration,
}

/// A request that the host did not grant.
#[derive(Debug, thiserror::Error)]
#[error("{kind} {namespace}/{name} cannot be {verb}{}", hint(source))]
pub struct Denied {
    /// What was to be done, as `created`.
    pub verb: &'static str,
    /// The resource, as `secrets`.
    pub kind: &'static str,
    /// The namespace.
    pub namespace: String,
    /// The object.
    pub name: String,
    /// What the host said.
    #[source]
    pub source: Box<kube::Error>,
}

/// Which objects are watched.
#[derive(Clone, Copy)]
enum Which<'a> {
    /// The one of this name.
    Named(&'a str),
    /// Those that this selector finds.
    Labelled(&'a str),
}

/// What a watch tells.
enum Seen {
    /// An object is like this now.
    There(Value),
    /// An object is gone, which was like this.
    Gone(Value),
}

impl Namespace {
    /// The namespace `name`, through `client`.
    #[must_use]
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Namespace { client, name: name.into(), patience: PATIENCE }
    }

    /// The same, whose requests fail when they are not answered in this time (else 30 s). Of a watch it is the time until it begins.
    #[must_use]
    pub fn within(self, patience: Duration) -> Self {
        Namespace { patience, ..self }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The client, for requests that lead elsewhere.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// An object, or nothing when there is none of that name.
    ///
    /// # Errors
    /// When the host does not answer, or refuses.
    pub async fn get(&self, kind: &'static str, name: &str) -> Result<Option<Value>, Denied> {
        match self.send(Method::GET, &self.path(kind, name), None).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if code(&error) == Some(StatusCode::NOT_FOUND) => Ok(None),
            Err(error) => Err(self.denied("read", kind, name, error)),
        }
    }

    /// Creates an object.
    ///
    /// # Errors
    /// When the host does not answer, or refuses; [`Denied::is_conflict`] when the name is taken.
    pub async fn create(&self, kind: &'static str, object: &Value) -> Result<Value, Denied> {
        let path = self.base(kind);
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        self.send(Method::POST, &path, Some(object))
            .await
            .map_err(|error| self.denied("created", kind, name, error))
    }

    /// Asks what would happen if an object were created.
    ///
    /// # Errors
    /// When the host does not answer, or refuses.
    pub async fn try_create(
        &self,
        kind: &'static str,
        object: &Value,
    ) -> Result<Value, kube::Error> {
        let path = format!("{}?dryRun=All", self.base(kind));
        self.send(Method::POST, &path, Some(object)).await
    }

    /// Merges a change into an object.
    ///
    /// # Errors
    /// When the host does not answer, or refuses; [`Denied::is_conflict`] when the object is not at the change's
    /// `resourceVersion` any more.
    pub async fn merge(
        &self,
        kind: &'static str,
        name: &str,
        change: &Value,
    ) -> Result<Value, Denied> {
        let answer = self.send(Method::PATCH, &self.path(kind, name), Some(change)).await;
        answer.map_err(|error| self.denied("changed", kind, name, error))
    }

    /// Deletes exactly this object.
    ///
    /// # Errors
    /// When the host does not answer, or refuses.
    pub async fn delete(&self, kind: &'static str, object: &Value) -> Result<(), Denied> {
        let of = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (name, uid) = (of("/metadata/name"), of("/metadata/uid"));
        let condition = vcluster_syncer_core::json::json!({ "preconditions": { "uid": uid } });
        match self.send(Method::DELETE, &self.path(kind, name), Some(&condition)).await {
            Ok(_) => Ok(()),
            Err(error) if code(&error) == Some(StatusCode::NOT_FOUND) => Ok(()),
            Err(error) => Err(self.denied("deleted", kind, name, error)),
        }
    }

    /// Some of the objects that a selector finds, metadata only, and the token of the rest, or nothing if there is no
    /// rest. The first time `token` is empty.
    ///
    /// # Errors
    /// When the host does not answer, or refuses.
    pub async fn page(
        &self,
        kind: &'static str,
        selector: &str,
        limit: usize,
        token: &str,
    ) -> Result<(Vec<Value>, String), Denied> {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("labelSelector", selector)
            .append_pair("limit", &limit.to_string())
            .append_pair("continue", token)
            .finish();
        let request = Request::get(format!("{}?{query}", self.base(kind))).header(
            header::ACCEPT,
            HeaderValue::from_static(
                "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
            ),
        );
        let listed = match request.body(Vec::new()) {
            Ok(request) => self.in_time(self.client.request::<Value>(request)).await,
            Err(error) => Err(kube::Error::HttpError(error)),
        };
        let mut list = listed.map_err(|error| self.denied("listed", kind, selector, error))?;
        let token = list.pointer("/metadata/continue").and_then(Value::as_str).unwrap_or_default();
        let token = token.to_owned();
        let items = list.get_mut("items").map(Value::take);
        Ok((if let Some(Value::Array(items)) = items { items } else { Vec::new() }, token))
    }

    /// All objects that a selector finds, as [`Namespace::page`] has them, `limit` at a time.
    pub fn pages(
        &self,
        kind: &'static str,
        selector: &str,
        limit: usize,
    ) -> impl Stream<Item = Result<Vec<Value>, Denied>> {
        stream::try_unfold(Some(String::new()), move |token| async move {
            let Some(token) = token else { return Ok(None) };
            let (objects, rest) = self.page(kind, selector, limit, &token).await?;
            Ok(Some((objects, (!rest.is_empty()).then_some(rest))))
        })
    }

    /// Follows objects: what they are now, and each time one changes or goes. The stream ends when the host says so, or the
    /// connection breaks.
    ///
    /// # Errors
    /// When the host does not answer, or refuses.
    async fn watch(
        &self,
        kind: &'static str,
        which: Which<'_>,
    ) -> Result<impl Stream<Item = Seen> + use<>, Denied> {
        let (key, value) = match which {
            Which::Named(name) => ("fieldSelector", format!("metadata.name={name}")),
            Which::Labelled(selector) => ("labelSelector", selector.to_owned()),
        };
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("watch", "true")
            .append_pair(key, &value)
            .finish();
        let request = Request::get(format!("{}?{query}", self.base(kind)));
        let events = match request.body(Vec::new()) {
            Ok(request) => self.in_time(self.client.request_events::<Value>(request)).await,
            Err(error) => Err(kube::Error::HttpError(error)),
        };
        let events = events.map_err(|error| self.denied("watched", kind, &value, error))?;
        let sound = events.take_while(|event| std::future::ready(event.is_ok()));
        Ok(sound.filter_map(|event| async {
            match event {
                Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                    Some(Seen::There(object))
                }
                Ok(WatchEvent::Deleted(object)) => Some(Seen::Gone(object)),
                _ => None,
            }
        }))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, kube::Error> {
        let form = if method == Method::PATCH {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, HeaderValue::from_static(form))
            .body(body)
            .map_err(kube::Error::HttpError)?;
        self.in_time(self.client.request(request)).await
    }

    async fn in_time<T>(
        &self,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, kube::Error> {
        let late = |late| Err(kube::Error::Service(Box::new(late)));
        tokio::time::timeout(self.patience, request).await.unwrap_or_else(late)
    }

    fn path(&self, kind: &str, name: &str) -> String {
        format!("{}/{name}", self.base(kind))
    }

    fn base(&self, kind: &str) -> String {
        let group = if kind == "statefulsets" { "apis/apps/v1" } else { "api/v1" };
        format!("/{group}/namespaces/{}/{kind}", self.name)
    }

    fn denied(
        &self,
        verb: &'static str,
        kind: &'static str,
        name: &str,
        error: kube::Error,
    ) -> Denied {
        Denied {
            verb,
            kind,
            namespace: self.name.clone(),
            name: name.to_owned(),
            source: Box::new(error),
        }
    }
}

impl Denied {
    /// Whether somebody else was quicker.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        code(&self.source) == Some(StatusCode::CONFLICT)
    }

    /// Whether the object was not there.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        code(&self.source) == Some(StatusCode::NOT_FOUND)
    }

    /// Whether another try may do better: no answer, or a busy server. A missing right may be one that was granted a
    /// moment ago.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match code(&self.source) {
            None => true,
            Some(code) => {
                code.is_server_error()
                    || code == StatusCode::TOO_MANY_REQUESTS
                    || code == StatusCode::FORBIDDEN
            }
        }
    }
}

/// The HTTP status of an answer; none when there was no answer.
#[must_use]
pub fn code(error: &kube::Error) -> Option<StatusCode> {
    match error {
        kube::Error::Api(status) => StatusCode::from_u16(status.code).ok(),
        _ => None,
    }
}

fn hint(error: &kube::Error) -> &'static str {
    match code(error) {
        Some(StatusCode::FORBIDDEN) => {
            ": is Role vc-NAME there, and bound (`kubectl get role,rolebinding`)?"
        }
        _ => "",
    }
}

#[cfg(test)]
pub(crate) mod tests;
