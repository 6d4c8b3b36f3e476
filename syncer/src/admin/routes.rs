//! One request to the admin port.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;

use super::{Admin, Health, Report};
use crate::plain_http::Answer;

/// A list of log directives is short.
const BODY_LIMIT: usize = 4096;
/// Longer than this no answer is held.
const LONGEST_HOLD: Duration = Duration::from_secs(10);

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Answers one request that came from `peer`.
pub(super) async fn answer(admin: &Admin, peer: SocketAddr, request: Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    let local = peer.ip().to_canonical().is_loopback();
    match (path.as_str(), request.method()) {
        ("/livez", &Method::GET) => report(&request, &admin.health.live()),
        ("/readyz", &Method::GET) => held(admin, &request, Health::ready).await,
        ("/startedz", &Method::GET) => held(admin, &request, Health::started).await,
        ("/metrics", &Method::GET) => metrics(admin),
        ("/debug/state" | "/log-level", _) if !local => text(
            StatusCode::FORBIDDEN,
            "only from the pod itself: kubectl port-forward POD 8080, then ask localhost:8080\n",
        ),
        ("/debug/state", &Method::GET) => {
            respond(StatusCode::OK, JSON, (admin.state)().to_string())
        }
        ("/log-level", &Method::GET) => {
            text(StatusCode::OK, format!("{}\n", admin.log_level.current()))
        }
        ("/log-level", &Method::PUT) => set_level(admin, request).await,
        (
            "/livez" | "/readyz" | "/startedz" | "/metrics" | "/debug/state" | "/log-level",
            method,
        ) => text(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not possible on {path}\n")),
        _ => text(
            StatusCode::NOT_FOUND,
            "try /livez, /readyz, /startedz, /metrics, /log-level (GET, PUT), /debug/state\n",
        ),
    }
}

/// Answers when the checks pass, or after as many milliseconds as `?hold=` says.
async fn held(
    admin: &Admin,
    request: &Request<Incoming>,
    checks: impl Fn(&Health) -> Report,
) -> Answer {
    let hold = match asked_for(request, "hold").map(|hold| hold.parse()) {
        None => Duration::ZERO,
        Some(Ok(millis)) => Duration::from_millis(millis).min(LONGEST_HOLD),
        Some(Err(_)) => {
            return text(StatusCode::BAD_REQUEST, "hold= takes milliseconds, such as hold=900\n");
        }
    };
    report(request, &admin.health.held(hold, checks).await)
}

/// The value of one member of the query.
fn asked_for<'a>(request: &'a Request<Incoming>, name: &str) -> Option<Cow<'a, str>> {
    let query = request.uri().query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).find_map(|(key, value)| (key == name).then_some(value))
}

fn report(request: &Request<Incoming>, report: &Report) -> Answer {
    let status = if report.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if asked_for(request, "format").as_deref() == Some("json") {
        return match serde_json::to_string(report) {
            Ok(json) => respond(status, JSON, json),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        };
    }
    text(status, report.to_string())
}

fn metrics(admin: &Admin) -> Answer {
    let mut page = String::new();
    match prometheus_client::encoding::text::encode(&mut page, &admin.registry) {
        Ok(()) => respond(StatusCode::OK, OPEN_METRICS, page),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

async fn set_level(admin: &Admin, request: Request<Incoming>) -> Answer {
    let Ok(body) = Limited::new(request.into_body(), BODY_LIMIT).collect().await else {
        return text(StatusCode::PAYLOAD_TOO_LARGE, "too long for a log level\n");
    };
    let body = body.to_bytes();
    let directives = String::from_utf8_lossy(&body);
    match admin.log_level.set(&directives) {
        Ok(()) => {
            let level = admin.log_level.current();
            tracing::warn!(level, "log level changed");
            text(StatusCode::OK, format!("{level}\n"))
        }
        Err(error) => text(StatusCode::BAD_REQUEST, format!("{error}\n")),
    }
}

fn text(status: StatusCode, body: impl Into<String>) -> Answer {
    respond(status, TEXT, body.into())
}

fn respond(status: StatusCode, kind: &'static str, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}
