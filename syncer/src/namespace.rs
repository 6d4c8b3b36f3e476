//! The control-plane namespace: plain requests for the few objects that the control plane keeps for itself.

use http::{HeaderValue, Method, Request, StatusCode, header};
use kube::Client;
use serde_json::Value;

/// The host namespace that a virtual cluster lives in.
#[derive(Clone)]
pub struct Namespace {
    client: Client,
    name: String,
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

impl Namespace {
    /// The namespace `name`, through `client`.
    #[must_use]
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Namespace { client, name: name.into() }
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
        let path = format!("/api/v1/namespaces/{}/{kind}", self.name);
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
        let path = format!("/api/v1/namespaces/{}/{kind}?dryRun=All", self.name);
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
        let condition = serde_json::json!({ "preconditions": { "uid": uid } });
        match self.send(Method::DELETE, &self.path(kind, name), Some(&condition)).await {
            Ok(_) => Ok(()),
            Err(error) if code(&error) == Some(StatusCode::NOT_FOUND) => Ok(()),
            Err(error) => Err(self.denied("deleted", kind, name, error)),
        }
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
        self.client.request(request).await
    }

    fn path(&self, kind: &str, name: &str) -> String {
        format!("/api/v1/namespaces/{}/{kind}/{name}", self.name)
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

/// A host for tests: it keeps objects in memory, and answers as a script says where one is given.
#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use http::Response;
    use http_body_util::BodyExt as _;
    use kube::client::Body;
    use serde_json::json;

    use super::*;

    /// What was asked, as `POST services` or `POST services?dryRun=All`.
    pub(crate) type Asked = Arc<Mutex<Vec<String>>>;

    /// A namespace `team-x` whose host first looks for an answer in `script` (request line and body to status and body),
    /// else keeps objects as an API server does.
    pub(crate) fn scripted(
        objects: &[(&str, Value)],
        script: impl Fn(&str, &Value) -> Option<(u16, Value)> + Send + Sync + 'static,
    ) -> (Namespace, Asked) {
        let store: BTreeMap<String, Value> = objects
            .iter()
            .map(|(kind, object)| {
                (format!("{kind}/{}", object["metadata"]["name"].as_str().unwrap()), object.clone())
            })
            .collect();
        let (store, asked, script) =
            (Arc::new(Mutex::new(store)), Asked::default(), Arc::new(script));
        let seen = Arc::clone(&asked);
        let service = tower::service_fn(move |request: Request<Body>| {
            let (store, seen, script) =
                (Arc::clone(&store), Arc::clone(&seen), Arc::clone(&script));
            async move {
                let path = request.uri().path_and_query().unwrap().as_str();
                let path = path.strip_prefix("/api/v1/namespaces/team-x/").unwrap().to_owned();
                let line = format!("{} {path}", request.method());
                let method = request.method().clone();
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let body: Value = serde_json::from_slice(&body).unwrap_or_default();
                seen.lock().unwrap().push(line.clone());
                let scripted = script(&line, &body);
                let (code, answer) = scripted
                    .unwrap_or_else(|| keep(&mut store.lock().unwrap(), &method, &path, body));
                let answer = match code {
                    200..300 => answer,
                    _ => {
                        json!({ "kind": "Status", "status": "Failure", "code": code, "message": answer, "reason": "" })
                    }
                };
                let answer = Body::from(answer.to_string().into_bytes());
                Ok::<_, std::convert::Infallible>(
                    Response::builder().status(code).body(answer).unwrap(),
                )
            }
        });
        (Namespace::new(Client::new(service, "team-x"), "team-x"), asked)
    }

    fn keep(
        store: &mut BTreeMap<String, Value>,
        method: &Method,
        path: &str,
        body: Value,
    ) -> (u16, Value) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let next = json!(
            (store.len() * 1000
                + store.values().map(|object| object.to_string().len()).sum::<usize>())
            .to_string()
        );
        match method.as_str() {
            "GET" => {
                store.get(path).map_or((404, json!("not found")), |object| (200, object.clone()))
            }
            "DELETE" => {
                store.remove(path).map_or((404, json!("not found")), |object| (200, object))
            }
            "POST" => {
                let mut object = body;
                let key = format!("{path}/{}", object["metadata"]["name"].as_str().unwrap());
                if store.contains_key(&key) {
                    return (409, json!("exists"));
                }
                object["metadata"]["resourceVersion"] = next;
                object["metadata"]["uid"] = json!("uid");
                if query.is_empty() {
                    store.insert(key, object.clone());
                }
                (201, object)
            }
            _ => {
                let Some(object) = store.get_mut(path) else { return (404, json!("not found")) };
                if let Some(version) = body["metadata"].get("resourceVersion")
                    && *version != object["metadata"]["resourceVersion"]
                {
                    return (409, json!("changed meanwhile"));
                }
                if let (Some(data), Some(Value::Object(over))) =
                    (object["data"].as_object_mut(), body.get("data"))
                {
                    data.extend(over.clone());
                }
                object["metadata"]["resourceVersion"] = next;
                (200, object.clone())
            }
        }
    }

    #[tokio::test]
    async fn a_refusal_says_what_and_why() {
        let (host, _) = scripted(&[], |_, _| Some((403, json!("secrets is forbidden"))));
        let denied = host.get("secrets", "x").await.unwrap_err();
        assert_eq!(
            denied.to_string(),
            "secrets team-x/x cannot be read: is Role vc-NAME there, and bound (`kubectl get role,rolebinding`)?"
        );
        assert!(denied.may_pass() && !denied.is_conflict() && !denied.is_absent());
    }

    #[tokio::test]
    async fn what_is_not_there_is_no_trouble() {
        let (host, _) = scripted(&[], |_, _| None);
        assert_eq!(host.get("secrets", "x").await.unwrap(), None);
        host.delete("services", &json!({ "metadata": { "name": "x", "uid": "u" } })).await.unwrap();
    }
}
