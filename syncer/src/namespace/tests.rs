//! A host for tests: it keeps objects in memory, and answers as a script says where one is given.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use http::Response;
use http_body_util::BodyExt as _;
use kube::client::Body;
use vcluster_syncer_core::json::json;

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
    let (store, asked, script) = (Arc::new(Mutex::new(store)), Asked::default(), Arc::new(script));
    let seen = Arc::clone(&asked);
    let service = tower::service_fn(move |request: Request<Body>| {
        let (store, seen, script) = (Arc::clone(&store), Arc::clone(&seen), Arc::clone(&script));
        async move {
            let path = request.uri().path_and_query().unwrap().as_str();
            // Paths of other namespaces and of the cluster are for the script.
            let path = path.strip_prefix("/api/v1/namespaces/team-x/").unwrap_or(path).to_owned();
            let line = format!("{} {path}", request.method());
            let method = request.method().clone();
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            seen.lock().unwrap().push(line.clone());
            let scripted = script(&line, &body);
            let (code, answer) =
                scripted.unwrap_or_else(|| keep(&mut store.lock().unwrap(), &method, &path, body));
            let answer = match code {
                200..300 => answer,
                _ => {
                    let reason = if code == 404 { "NotFound" } else { "" };
                    json!({ "kind": "Status", "status": "Failure", "code": code, "message": answer, "reason": reason })
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
        (store.len() * 1000 + store.values().map(|object| object.to_string().len()).sum::<usize>())
            .to_string()
    );
    match method.as_str() {
        "GET" => store.get(path).map_or((404, json!("not found")), |object| (200, object.clone())),
        "DELETE" => store.remove(path).map_or((404, json!("not found")), |object| (200, object)),
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

#[tokio::test(start_paused = true)]
async fn a_host_that_never_answers_is_not_waited_for() {
    let service = tower::service_fn(|_: Request<Body>| {
        std::future::pending::<Result<Response<Body>, std::convert::Infallible>>()
    });
    let patience = Duration::from_secs(10);
    let host = Namespace::new(Client::new(service, "team-x"), "team-x").within(patience);
    assert!(host.get("secrets", "x").await.unwrap_err().may_pass());
    assert!(host.page("pods", "a=b", 1, "").await.unwrap_err().may_pass());
    assert!(host.watch("statefulsets", Which::Named("x")).await.err().unwrap().may_pass());
}

#[tokio::test]
async fn what_is_not_there_is_no_trouble() {
    let (host, _) = scripted(&[], |_, _| None);
    assert_eq!(host.get("secrets", "x").await.unwrap(), None);
    host.delete("services", &json!({ "metadata": { "name": "x", "uid": "u" } })).await.unwrap();
}
