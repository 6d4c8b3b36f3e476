//! A host cluster that answers from a script, over plain HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub body: Value,
}

/// What is asked and what was answered.
pub struct ScriptedHost {
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

type Script = dyn Fn(&Request) -> Option<(u16, Value)> + Send + Sync;

impl ScriptedHost {
    /// Answers from the script; what it leaves out is answered as by an empty cluster whose user may do everything.
    pub fn start(
        script: impl Fn(&Request) -> Option<(u16, Value)> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (script, log): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&requests));
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, log) = (Arc::clone(&script), Arc::clone(&log));
                std::thread::spawn(move || serve(stream, &*script, &log));
            }
        });
        Self { url, requests }
    }

    /// `METHOD target` of every request that is no read.
    pub fn writes(&self) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        let writes = requests
            .iter()
            .filter(|request| request.method != "GET" && !request.target.contains("reviews"));
        writes.map(|request| format!("{} {}", request.method, request.target)).collect()
    }

    /// The bodies of the writes to a target.
    pub fn bodies(&self, target: &str) -> Vec<Value> {
        let requests = self.requests.lock().unwrap();
        let to = requests
            .iter()
            .filter(|request| request.method != "GET" && request.target.contains(target));
        to.map(|request| request.body.clone()).collect()
    }
}

fn serve(stream: TcpStream, script: &Script, log: &Mutex<Vec<Request>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let mut words = line.split_whitespace();
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            if header.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let request =
            Request { method, target, body: serde_json::from_slice(&body).unwrap_or(Value::Null) };
        log.lock().ok()?.push(request.clone());
        let (status, answer) = script(&request).unwrap_or_else(|| empty_cluster(&request));
        let text = answer.to_string();
        write!(
            stream,
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        )
        .ok()?;
    }
}

fn empty_cluster(request: &Request) -> (u16, Value) {
    let path = request.target.split('?').next().unwrap_or_default();
    if path == "/version" {
        return (
            200,
            json!({ "major": "1", "minor": "34", "gitVersion": "v1.34.4", "gitCommit": "", "gitTreeState": "",
            "buildDate": "", "goVersion": "", "compiler": "", "platform": "" }),
        );
    }
    if path.ends_with("selfsubjectaccessreviews") {
        return (201, json!({ "spec": {}, "status": { "allowed": true } }));
    }
    if request.method == "GET"
        && path.split('/').count().is_multiple_of(2)
        && !path.ends_with("namespaces")
    {
        let named = path.split('/').nth_back(1).is_some_and(|parent| parent == "namespaces");
        if named {
            return missing();
        }
    }
    match request.method.as_str() {
        "GET" if is_list(path) => {
            (200, json!({ "kind": "List", "metadata": { "resourceVersion": "1" }, "items": [] }))
        }
        "GET" => missing(),
        "DELETE" => (200, json!({ "kind": "Status", "status": "Success" })),
        "PATCH" => (200, stateful_set("patched", "patched", 1, &json!({}))),
        _ => (200, request.body.clone()),
    }
}

/// `/api/v1/pods`, `/api/v1/namespaces/x/pods`, `/apis/apps/v1/namespaces/x/statefulsets`.
fn is_list(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let rest = match parts.as_slice() {
        ["api", _, rest @ ..] | ["apis", _, _, rest @ ..] => rest,
        _ => return false,
    };
    matches!(rest, [_] | ["namespaces", _, _])
}

/// 404 as the API server says it.
pub fn missing() -> (u16, Value) {
    status(404, "NotFound", "not found")
}

/// 403 as the API server says it.
pub fn forbidden(what: &str) -> (u16, Value) {
    status(403, "Forbidden", &format!("{what} is forbidden: User \"u\" cannot do that"))
}

pub fn status(code: u16, reason: &str, message: &str) -> (u16, Value) {
    (
        code,
        json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message }),
    )
}

/// A list answer.
pub fn list(items: Vec<Value>) -> (u16, Value) {
    (200, json!({ "kind": "List", "metadata": { "resourceVersion": "1" }, "items": items }))
}

/// A namespace.
pub fn namespace(name: &str, phase: &str, created_by_us: bool) -> (u16, Value) {
    let annotations =
        if created_by_us { json!({ "vcluster.loft.sh/created": "true" }) } else { json!({}) };
    (
        200,
        json!({ "metadata": { "name": name, "uid": "ns-uid", "annotations": annotations }, "status": { "phase": phase } }),
    )
}

/// The StatefulSet of a virtual cluster.
pub fn stateful_set(name: &str, namespace: &str, replicas: i32, annotations: &Value) -> Value {
    json!({
        "metadata": {
            "name": name, "namespace": namespace, "uid": "set-uid", "resourceVersion": "5", "annotations": annotations,
            "labels": { "app": "vcluster", "release": name }, "creationTimestamp": "2026-08-01T10:00:00Z",
        },
        "spec": { "replicas": replicas, "serviceName": name, "selector": {}, "template": { "spec": { "containers": [
            { "name": "syncer", "image": "ghcr.io/vcluster-rs/syncer:0.1.0" },
        ] } } },
    })
}
