//! Raw requests to one of the two API servers. Objects stay JSON, and no body is ever logged.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use kube::client::Body;
use vcluster_syncer_core::json::{Value, json};
use vcluster_syncer_core::{Key, Object, PatchForm, Resource, Side};

use super::parse;

/// The longest that a whole answer may take; the watches of [`Api::watch`] have their own measure.
const PATIENCE: Duration = Duration::from_secs(60);

/// One API server.
#[derive(Clone)]
pub struct Api {
    client: kube::Client,
    /// For watches.
    watcher: kube::Client,
    /// Which of the two.
    pub side: Side,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The server answered with a `Status`.
    #[error("{code} {reason}: {message}")]
    Status {
        /// HTTP status code.
        code: u16,
        /// `reason` of the Status, for example `AlreadyExists`.
        reason: String,
        /// `message` of the Status.
        message: String,
        /// `details` of the Status: causes with fields.
        details: Value,
        /// The server's wish, from `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// No answer, or a broken one.
    #[error("{0}")]
    Transport(String),
    /// An answer that is not what the API promises.
    #[error("unexpected answer: {0}")]
    Decode(#[from] serde_json::Error),
}

impl ApiError {
    /// The HTTP status code, 0 without an answer.
    pub fn code(&self) -> u16 {
        match self {
            ApiError::Status { code, .. } => *code,
            _ => 0,
        }
    }
}

/// The objects of a list, raw, and the version to watch from.
pub struct Listed {
    /// The objects' JSON.
    pub items: Vec<Bytes>,
    /// The version of the list.
    pub version: String,
}

impl Api {
    /// Wraps a client.
    pub fn new(client: kube::Client, side: Side) -> Api {
        Api { watcher: client.clone(), client, side }
    }

    /// The same, with watches through a client of their own.
    pub fn watching_with(self, watcher: kube::Client) -> Api {
        Api { watcher, ..self }
    }

    /// The client itself, for streams that are passed through.
    pub fn client(&self) -> &kube::Client {
        &self.client
    }

    /// Reads an object, past all caches; nothing when it does not exist.
    pub async fn get(&self, kind: &Resource, key: &Key) -> Result<Option<Object>, ApiError> {
        match self.send(Method::GET, &path(kind, key), None, None).await {
            Ok(body) => Ok(Some(parse::object(&body)?)),
            Err(error) if error.code() == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates an object.
    pub async fn create(
        &self,
        kind: &Resource,
        key: &Key,
        object: &Value,
    ) -> Result<Object, ApiError> {
        Ok(parse::object(&self.create_unread(kind, key, object).await?)?)
    }

    /// Creates an object; the answer is left as it came.
    pub async fn create_unread(
        &self,
        kind: &Resource,
        key: &Key,
        object: &Value,
    ) -> Result<Bytes, ApiError> {
        self.send(Method::POST, &kind.collection(key.namespace()), Some(object), None).await
    }

    /// Posts to a subresource, such as a pod's `binding`.
    pub async fn post(
        &self,
        kind: &Resource,
        key: &Key,
        subresource: &str,
        body: &Value,
    ) -> Result<Value, ApiError> {
        let answer = self
            .send(Method::POST, &format!("{}/{subresource}", path(kind, key)), Some(body), None)
            .await?;
        Ok(serde_json::from_slice(&answer)?)
    }

    /// Patches an object or a subresource of it.
    pub async fn patch(
        &self,
        kind: &Resource,
        key: &Key,
        subresource: Option<&str>,
        form: PatchForm,
        body: &Value,
    ) -> Result<Object, ApiError> {
        Ok(parse::object(&self.patch_unread(kind, key, subresource, form, body).await?)?)
    }

    /// Patches an object or a subresource of it; the answer is left as it came.
    pub async fn patch_unread(
        &self,
        kind: &Resource,
        key: &Key,
        subresource: Option<&str>,
        form: PatchForm,
        body: &Value,
    ) -> Result<Bytes, ApiError> {
        let mut path = path(kind, key);
        if let Some(subresource) = subresource {
            path = format!("{path}/{subresource}");
        }
        let form = match form {
            PatchForm::Merge => "application/merge-patch+json",
            PatchForm::Strategic => "application/strategic-merge-patch+json",
        };
        self.send(Method::PATCH, &path, Some(body), Some(form)).await
    }

    /// Deletes exactly the object with this UID.
    ///
    /// The answer, as JSON, is the object as it is being deleted, or a `Status` when it is gone at once.
    pub async fn delete(
        &self,
        kind: &Resource,
        key: &Key,
        uid: &str,
        grace: Option<i64>,
    ) -> Result<Bytes, ApiError> {
        let mut options = json!({"preconditions": {"uid": uid}, "propagationPolicy": "Background"});
        if let Some(grace) = grace {
            vcluster_syncer_core::object::members(&mut options)
                .insert("gracePeriodSeconds", grace.into());
        }
        self.send(Method::DELETE, &path(kind, key), Some(&options), None).await
    }

    /// Lists a collection, in pages; `query` holds selectors.
    pub async fn list(
        &self,
        kind: &Resource,
        namespace: &str,
        query: &str,
    ) -> Result<Listed, ApiError> {
        let mut listed = Listed { items: Vec::new(), version: String::new() };
        let mut next: Option<String> = None;
        loop {
            let at = next.as_deref().map(|token| format!("&continue={token}")).unwrap_or_default();
            let uri = format!("{}?limit=500{query}{at}", kind.collection(namespace));
            let body = self.send(Method::GET, &uri, None, None).await?;
            let page: parse::Page<'_> = serde_json::from_slice(&body)?;
            let items = page.items.unwrap_or_default();
            // Slices of the page's bytes would keep the whole page alive as long as one object is.
            listed
                .items
                .extend(items.iter().map(|item| Bytes::copy_from_slice(item.get().as_bytes())));
            listed.version = page.metadata.resource_version;
            next = page.metadata.next.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(listed);
            }
        }
    }

    /// The version that the store behind a collection has reached.
    pub async fn version_of(&self, kind: &Resource, namespace: &str) -> Result<String, ApiError> {
        let body = self
            .send(Method::GET, &format!("{}?limit=1", kind.collection(namespace)), None, None)
            .await?;
        let page: parse::Page<'_> = serde_json::from_slice(&body)?;
        Ok(page.metadata.resource_version)
    }

    /// Whether an object had a version when the store was there. None: the store does not remember.
    pub async fn had(
        &self,
        kind: &Resource,
        key: &Key,
        version: u64,
    ) -> Result<Option<bool>, ApiError> {
        let uri = format!(
            "{}?resourceVersion={version}&resourceVersionMatch=Exact&fieldSelector=metadata.name={}",
            kind.collection(key.namespace()),
            key.name()
        );
        let body = match self.send(Method::GET, &uri, None, None).await {
            Err(error) if error.code() == 410 => return Ok(None),
            answer => answer?,
        };
        let page: parse::Page<'_> = serde_json::from_slice(&body)?;
        let items = page.items.unwrap_or_default();
        let mut found = items.iter().flat_map(|item| parse::identity(item.get().as_bytes()));
        Ok(Some(found.any(|identity| identity.resource_version == version.to_string())))
    }

    /// Watches a collection from a version: the lines of the answer, whole.
    pub async fn watch(
        &self,
        kind: &Resource,
        namespace: &str,
        query: &str,
        version: &str,
        timeout: Duration,
    ) -> Result<impl Stream<Item = Result<Bytes, ApiError>> + Send + use<>, ApiError> {
        let uri = format!(
            "{}?watch=1&allowWatchBookmarks=true&timeoutSeconds={}&resourceVersion={version}{query}",
            kind.collection(namespace),
            timeout.as_secs()
        );
        let response = respond(&self.watcher, Method::GET, &uri, None, None).await?;
        Ok(lines(response.into_body()))
    }

    /// Server-side apply at any path: for manifests, which are few and whose fields others may own too.
    pub async fn apply(&self, path: &str, object: &Value) -> Result<(), ApiError> {
        let uri = format!("{path}?fieldManager=vcluster&force=true");
        // JSON is YAML.
        self.send(Method::PATCH, &uri, Some(object), Some("application/apply-patch+yaml"))
            .await
            .map(|_| ())
    }

    /// A GET of any path, for `/version` and `/readyz`.
    pub async fn get_raw(&self, path: &str) -> Result<Bytes, ApiError> {
        self.send(Method::GET, path, None, None).await
    }

    async fn send(
        &self,
        verb: Method,
        uri: &str,
        body: Option<&Value>,
        form: Option<&str>,
    ) -> Result<Bytes, ApiError> {
        let answer = async {
            let response = respond(&self.client, verb, uri, body, form).await?;
            let body = response.into_body().collect().await;
            body.map(|body| body.to_bytes()).map_err(|error| ApiError::Transport(chain(&error)))
        };
        tokio::time::timeout(PATIENCE, answer).await.unwrap_or_else(|_| {
            Err(ApiError::Transport(format!("no answer within {} s", PATIENCE.as_secs())))
        })
    }
}

async fn respond(
    client: &kube::Client,
    verb: Method,
    uri: &str,
    body: Option<&Value>,
    form: Option<&str>,
) -> Result<http::Response<Body>, ApiError> {
    let payload = body.map(serde_json::to_vec).transpose()?.unwrap_or_default();
    let request = Request::builder()
        .method(verb)
        .uri(uri)
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, form.unwrap_or("application/json"))
        .body(Body::from(payload))
        .map_err(|error| ApiError::Transport(error.to_string()))?;
    let response =
        client.send(request).await.map_err(|error| ApiError::Transport(chain(&error)))?;
    if response.status().is_success() {
        return Ok(response);
    }
    Err(status_error(response).await)
}

/// The path of one object.
pub fn path(kind: &Resource, key: &Key) -> String {
    format!("{}/{}", kind.collection(key.namespace()), key.name())
}

async fn status_error(response: http::Response<Body>) -> ApiError {
    let code = response.status();
    let retry_after = response.headers().get(header::RETRY_AFTER);
    let retry_after =
        retry_after.and_then(|value| value.to_str().ok()?.parse().ok()).map(Duration::from_secs);
    let body = response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let status: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |member: &str| status.get(member).and_then(Value::as_str).map(str::to_owned);
    ApiError::Status {
        code: code.as_u16(),
        reason: text("reason").unwrap_or_else(|| reason_of(code)),
        message: text("message").unwrap_or_default(),
        details: status.get("details").cloned().unwrap_or_default(),
        retry_after,
    }
}

fn reason_of(code: StatusCode) -> String {
    code.canonical_reason().unwrap_or("Unknown").to_owned()
}

/// Splits a body into lines. What follows the last line break when the body ends is dropped: it is half an event.
fn lines(body: Body) -> impl Stream<Item = Result<Bytes, ApiError>> + Send {
    let state = (body.into_data_stream(), BytesMut::new());
    futures::stream::unfold(state, |(mut frames, mut rest): (_, BytesMut)| async move {
        let mut searched = 0;
        loop {
            let end = rest.get(searched..).and_then(|unread| memchr::memchr(b'\n', unread));
            if let Some(end) = end {
                let line = rest.split_to(searched + end + 1).freeze();
                return Some((Ok(line), (frames, rest)));
            }
            searched = rest.len();
            match frames.next().await {
                Some(Ok(frame)) => rest.extend_from_slice(&frame),
                Some(Err(error)) => {
                    return Some((
                        Err(ApiError::Transport(chain(&error))),
                        (frames, BytesMut::new()),
                    ));
                }
                None => return None,
            }
        }
    })
}

/// An error with all its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
