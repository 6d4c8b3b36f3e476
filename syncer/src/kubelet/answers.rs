//! What a node answers when it is not a stream: pages, and errors in the kubelet's manner (plain text), with the host's
//! names turned into virtual ones.

use std::error::Error;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited};
use kube::client::Body;

use super::paths::PodPath;
use super::pods::HostPod;

type BoxError = Box<dyn Error + Send + Sync>;

/// A response on its way to the client.
pub(super) type Answer = Response<UnsyncBoxBody<Bytes, BoxError>>;

/// No error text is longer.
const TEXT_LIMIT: usize = 64 * 1024;

/// What the API server puts before the words of a node that did not upgrade; it will do so again.
const UPGRADE_PREFIX: &str = "unable to upgrade connection: ";

/// A line of text.
pub(super) fn plain(status: StatusCode, text: impl Into<String>) -> Answer {
    page(status, "text/plain; charset=utf-8", text.into())
}

/// A body of a known kind.
pub(super) fn page(status: StatusCode, kind: &'static str, text: String) -> Answer {
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync();
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// The names of one pod on both sides.
pub(super) struct Names<'a> {
    host: &'a HostPod,
    inside: &'a PodPath,
}

impl<'a> Names<'a> {
    pub(super) fn of(host: &'a HostPod, inside: &'a PodPath) -> Self {
        Names { host, inside }
    }

    /// The host's words about the pod, with the names that the tenant knows. The namespace is only replaced where it
    /// clearly stands for one: it may be a common word.
    pub(super) fn to_virtual(&self, text: &str) -> String {
        let (host, inside) = (self.host, self.inside);
        let mut text = text.to_owned();
        for separator in ["/", "_"] {
            text = text.replace(
                &format!("{}{separator}{}", host.namespace, host.name),
                &format!("{}{separator}{}", inside.namespace, inside.name),
            );
        }
        text.replace(
            &format!("{}_{}", host.name, host.namespace),
            &format!("{}_{}", inside.name, inside.namespace),
        )
        .replace(&host.name, &inside.name)
        .replace(
            &format!("namespace {:?}", host.namespace),
            &format!("namespace {:?}", inside.namespace),
        )
        .replace(
            &format!("namespaces/{}/", host.namespace),
            &format!("namespaces/{}/", inside.namespace),
        )
    }
}

/// An answer for a request to one of the API servers that failed.
pub(super) fn of_error(error: &kube::Error, names: &Names<'_>) -> Answer {
    match error {
        kube::Error::Api(status) => {
            let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::BAD_GATEWAY);
            plain(code, names.to_virtual(&status.message))
        }
        error => {
            let text = format!("the API server could not be asked: {}", chain(error));
            plain(StatusCode::BAD_GATEWAY, names.to_virtual(&text))
        }
    }
}

/// The host's refusal, in its own status and words.
pub(super) async fn of_refusal(refusal: Response<Body>, names: &Names<'_>) -> Answer {
    let status = refusal.status();
    let body = match Limited::new(refusal.into_body(), TEXT_LIMIT).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => Bytes::from(format!("the host's answer could not be read: {error}")),
    };
    plain(status, names.to_virtual(&message(&body)))
}

/// The API server wraps what the kubelet said into a Status; our client is an API server that will wrap it again.
fn message(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Status {
        kind: String,
        message: String,
    }
    let text = match serde_json::from_slice::<Status>(body) {
        Ok(status) if status.kind == "Status" => status.message,
        _ => String::from_utf8_lossy(body).into_owned(),
    };
    match text.strip_prefix(UPGRADE_PREFIX) {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

/// An error and its causes in one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenant_reads_its_own_names() {
        let host = HostPod { namespace: "team".to_owned(), name: "web-x-ns-x-vc".to_owned() };
        let inside = PodPath { namespace: "ns".to_owned(), name: "web".to_owned(), uid: None };
        let names = Names::of(&host, &inside);
        for (said, told) in [
            (r#"pods "web-x-ns-x-vc" not found"#, r#"pods "web" not found"#),
            (
                r#"container "c" in pod "web-x-ns-x-vc" is waiting to start"#,
                r#"container "c" in pod "web" is waiting to start"#,
            ),
            ("pod does not exist: web-x-ns-x-vc_team", "pod does not exist: web_ns"),
            ("team/web-x-ns-x-vc failed", "ns/web failed"),
            (
                r#"cannot get "pods/log" in the namespace "team": the team"#,
                r#"cannot get "pods/log" in the namespace "ns": the team"#,
            ),
            (
                "Get /api/v1/namespaces/team/pods/web-x-ns-x-vc/log",
                "Get /api/v1/namespaces/ns/pods/web/log",
            ),
        ] {
            assert_eq!(names.to_virtual(said), told);
        }
    }

    #[test]
    fn a_status_is_unwrapped_once() {
        let status = |message: &str| {
            serde_json::json!({"kind": "Status", "code": 500, "message": message}).to_string()
        };
        assert_eq!(message(status("container not found").as_bytes()), "container not found");
        assert_eq!(
            message(status("unable to upgrade connection: no such container").as_bytes()),
            "no such container"
        );
        assert_eq!(message(b"plain words"), "plain words");
        assert_eq!(
            message(br#"{"kind": "Pod", "message": "x"}"#),
            r#"{"kind": "Pod", "message": "x"}"#
        );
    }
}
