//! Requests to the host's API server: new ones, made from nothing but what is meant to pass.

use http::header::{CONNECTION, HeaderName, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use kube::client::Body;

/// Headers of a handshake that the two ends settle between them.
const HANDSHAKE: [HeaderName; 7] = [
    UPGRADE,
    HeaderName::from_static("sec-websocket-key"),
    HeaderName::from_static("sec-websocket-version"),
    HeaderName::from_static("sec-websocket-accept"),
    HeaderName::from_static("sec-websocket-extensions"),
    SEC_WEBSOCKET_PROTOCOL,
    HeaderName::from_static("x-stream-protocol-version"),
];

/// A client may hide a bearer token among its WebSocket protocols; it is none for the host.
const TOKEN_PROTOCOL: &str = "base64url.bearer.authorization.k8s.io.";

/// What the request wants to become, when it is an upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Spdy,
    WebSocket,
}

impl Protocol {
    /// None when the request is no upgrade, or to something that pods do not speak.
    pub(super) fn asked(headers: &HeaderMap) -> Option<Self> {
        let connection = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
        let mut words = connection.flat_map(|value| value.split(','));
        if !words.any(|word| word.trim().eq_ignore_ascii_case("upgrade")) {
            return None;
        }
        let mut upgrades = headers.get_all(UPGRADE).iter();
        match (upgrades.next()?.to_str().ok()?, upgrades.next()) {
            (name, None) if name.eq_ignore_ascii_case("websocket") => Some(Protocol::WebSocket),
            (name, None) if name.to_ascii_lowercase().starts_with("spdy/3.1") => {
                Some(Protocol::Spdy)
            }
            _ => None,
        }
    }

    fn method(self) -> Method {
        match self {
            Protocol::Spdy => Method::POST,
            Protocol::WebSocket => Method::GET,
        }
    }
}

/// Opens a stream to a subresource of a pod. `target` is path and query.
pub(super) async fn open(
    client: &kube::Client,
    target: &str,
    protocol: Protocol,
    asked: &HeaderMap,
) -> Result<Response<Body>, kube::Error> {
    let mut request = Request::new(Body::empty());
    *request.method_mut() = protocol.method();
    *request.uri_mut() = target
        .parse()
        .map_err(|error: http::uri::InvalidUri| kube::Error::HttpError(error.into()))?;
    *request.headers_mut() = handshake(asked);
    client.send(request).await
}

/// Reads a subresource of a pod as it comes.
pub(super) async fn read(
    client: &kube::Client,
    target: &str,
) -> Result<Response<Body>, kube::Error> {
    let request = Request::get(target).body(Body::empty()).map_err(kube::Error::HttpError)?;
    client.send(request).await
}

/// Only what belongs to the handshake, every line of it.
pub(super) fn handshake(from: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    for name in &HANDSHAKE {
        for value in from.get_all(name) {
            let value = if name == SEC_WEBSOCKET_PROTOCOL {
                without_token(value)
            } else {
                Some(value.clone())
            };
            if let Some(value) = value {
                headers.append(name, value);
            }
        }
    }
    headers
}

fn without_token(protocols: &HeaderValue) -> Option<HeaderValue> {
    let kept: Vec<&str> = protocols
        .to_str()
        .ok()?
        .split(',')
        .map(str::trim)
        .filter(|protocol| !protocol.starts_with(TOKEN_PROTOCOL))
        .collect();
    if kept.is_empty() { None } else { HeaderValue::from_str(&kept.join(", ")).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn nothing_but_the_handshake_passes() {
        let asked = headers(&[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "SPDY/3.1"),
            ("x-stream-protocol-version", "v5.channel.k8s.io"),
            ("x-stream-protocol-version", "v4.channel.k8s.io"),
            ("authorization", "Bearer secret"),
            ("cookie", "session=secret"),
            ("impersonate-user", "system:admin"),
            ("x-remote-user", "system:admin"),
            ("x-forwarded-for", "10.0.0.1"),
            ("host", "node"),
            ("user-agent", "kubectl"),
            ("transfer-encoding", "chunked"),
            ("sec-fetch-mode", "cors"),
        ]);
        let sent = handshake(&asked);
        let expected = headers(&[
            ("connection", "Upgrade"),
            ("upgrade", "SPDY/3.1"),
            ("x-stream-protocol-version", "v5.channel.k8s.io"),
            ("x-stream-protocol-version", "v4.channel.k8s.io"),
        ]);
        assert_eq!(sent, expected);
    }

    #[test]
    fn a_token_among_the_protocols_stays_here() {
        let asked = headers(&[
            ("sec-websocket-key", "k"),
            ("sec-websocket-version", "13"),
            (
                "sec-websocket-protocol",
                "base64url.bearer.authorization.k8s.io.c2VjcmV0, v4.channel.k8s.io",
            ),
            ("sec-websocket-protocol", "base64url.bearer.authorization.k8s.io.c2VjcmV0"),
        ]);
        let sent = handshake(&asked);
        let protocols: Vec<_> = sent.get_all(SEC_WEBSOCKET_PROTOCOL).iter().collect();
        assert_eq!(protocols, ["v4.channel.k8s.io"]);
        assert_eq!(sent["sec-websocket-key"], "k");
    }

    #[test]
    fn only_the_two_protocols_of_pods_are_upgrades() {
        let upgrade = |connection: &str, upgrade: &str| {
            Protocol::asked(&headers(&[("connection", connection), ("upgrade", upgrade)]))
        };
        assert_eq!(upgrade("Upgrade", "SPDY/3.1"), Some(Protocol::Spdy));
        assert_eq!(upgrade("Upgrade", "SPDY/3.1+portforward.k8s.io"), Some(Protocol::Spdy));
        assert_eq!(upgrade("keep-alive, upgrade", "WebSocket"), Some(Protocol::WebSocket));
        assert_eq!(upgrade("keep-alive", "websocket"), None);
        assert_eq!(upgrade("upgrade", "h2c"), None);
        assert_eq!(Protocol::asked(&HeaderMap::new()), None);
        let two =
            headers(&[("connection", "upgrade"), ("upgrade", "websocket"), ("upgrade", "h2c")]);
        assert_eq!(Protocol::asked(&two), None);
    }
}
