//! Which paths a virtual node serves: an exact list, everything else is refused.
//!
//! The path is percent-decoded once, and what could be read differently by whoever decodes again, joins or cleans paths
//! (encoded separators, `//`, `.` and `..`, `;`, `%25`, control characters) is not served at all. What remains of the path
//! are names of a strict alphabet, so that a host URL can be built from them without escaping.

/// What a request asks a node for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// `/healthz`
    Healthz,
    /// `/pods`: the pods bound to the node.
    Pods,
    /// `/runningpods/`
    RunningPods,
    /// `/metrics`: about the node itself.
    Metrics,
    /// `/metrics/cadvisor`
    ContainerMetrics,
    /// `/metrics/resource`
    ResourceMetrics,
    /// `/stats/summary`
    StatsSummary,
    /// `/containerLogs/NS/POD/CONTAINER`
    Logs(PodPath, String),
    /// `/exec/NS/POD[/UID]/CONTAINER`
    Exec(PodPath, String),
    /// `/attach/NS/POD[/UID]/CONTAINER`
    Attach(PodPath, String),
    /// `/portForward/NS/POD[/UID]`
    PortForward(PodPath),
}

/// A pod of the virtual cluster, as a path names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PodPath {
    pub(super) namespace: String,
    pub(super) name: String,
    /// Named by some clients; must then be the pod's.
    pub(super) uid: Option<String>,
}

/// The path is not one of those served.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused;

impl Route {
    /// Reads the raw path of a request (without the query).
    pub(super) fn parse(raw: &str) -> Result<Self, Refused> {
        let path = decode_once(raw).ok_or(Refused)?;
        let rest = path.strip_prefix('/').ok_or(Refused)?;
        let segments: Vec<&str> = rest.split('/').collect();
        match *segments.as_slice() {
            ["healthz"] => Ok(Route::Healthz),
            ["pods"] => Ok(Route::Pods),
            ["runningpods"] | ["runningpods", ""] => Ok(Route::RunningPods),
            ["metrics"] => Ok(Route::Metrics),
            ["metrics", "cadvisor"] => Ok(Route::ContainerMetrics),
            ["metrics", "resource"] => Ok(Route::ResourceMetrics),
            ["stats", "summary"] => Ok(Route::StatsSummary),
            ["containerLogs", ns, pod, c] => Ok(Route::Logs(pod_path(ns, pod, None)?, label(c)?)),
            ["exec", ns, pod, c] => Ok(Route::Exec(pod_path(ns, pod, None)?, label(c)?)),
            ["exec", ns, pod, uid, c] => Ok(Route::Exec(pod_path(ns, pod, Some(uid))?, label(c)?)),
            ["attach", ns, pod, c] => Ok(Route::Attach(pod_path(ns, pod, None)?, label(c)?)),
            ["attach", ns, pod, uid, c] => {
                Ok(Route::Attach(pod_path(ns, pod, Some(uid))?, label(c)?))
            }
            ["portForward", ns, pod] => Ok(Route::PortForward(pod_path(ns, pod, None)?)),
            ["portForward", ns, pod, uid] => Ok(Route::PortForward(pod_path(ns, pod, Some(uid))?)),
            _ => Err(Refused),
        }
    }

    /// A word for logs and metric labels; holds no name of an object.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Route::Healthz => "healthz",
            Route::Pods => "pods",
            Route::RunningPods => "runningpods",
            Route::Metrics => "metrics",
            Route::ContainerMetrics => "metrics-cadvisor",
            Route::ResourceMetrics => "metrics-resource",
            Route::StatsSummary => "stats",
            Route::Logs(..) => "logs",
            Route::Exec(..) => "exec",
            Route::Attach(..) => "attach",
            Route::PortForward(..) => "portforward",
        }
    }
}

/// Undoes one layer of percent-encoding. None where the result would not be plain ASCII of the unreserved kind: only
/// such characters stand in the paths that are served, so nothing that needs encoding is ever right.
pub(super) fn decode_once(raw: &str) -> Option<String> {
    let mut decoded = String::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let value = hex(bytes.next()?)? * 16 + hex(bytes.next()?)?;
                // A separator must stand as itself.
                if value == b'/' {
                    return None;
                }
                value
            }
            byte => byte,
        };
        if !(byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_')) {
            return None;
        }
        decoded.push(char::from(byte));
    }
    Some(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn pod_path(namespace: &str, name: &str, uid: Option<&str>) -> Result<PodPath, Refused> {
    let uid = match uid {
        Some(uid) if is_label(uid, 63) => Some(uid.to_owned()),
        Some(_) => return Err(Refused),
        None => None,
    };
    if !is_subdomain(name) {
        return Err(Refused);
    }
    Ok(PodPath { namespace: label(namespace)?, name: name.to_owned(), uid })
}

fn label(text: &str) -> Result<String, Refused> {
    if is_label(text, 63) { Ok(text.to_owned()) } else { Err(Refused) }
}

/// RFC 1123, as Kubernetes has it for names of pods and nodes.
pub(super) fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(|part| is_label(part, 253))
}

/// RFC 1123, as Kubernetes has it for namespaces, containers and the parts of a pod's name.
pub(super) fn is_label(text: &str, longest: usize) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=longest).contains(&text.len())
        && text.bytes().all(|byte| inner(byte) || byte == b'-')
        && text.bytes().next().is_some_and(inner)
        && text.bytes().next_back().is_some_and(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(uid: Option<&str>) -> PodPath {
        PodPath {
            namespace: "ns".to_owned(),
            name: "web-0.a".to_owned(),
            uid: uid.map(str::to_owned),
        }
    }

    #[test]
    fn the_list_of_what_is_served() {
        let c = || "main".to_owned();
        for (path, route) in [
            ("/healthz", Route::Healthz),
            ("/pods", Route::Pods),
            ("/runningpods", Route::RunningPods),
            ("/runningpods/", Route::RunningPods),
            ("/metrics", Route::Metrics),
            ("/metrics/cadvisor", Route::ContainerMetrics),
            ("/metrics/resource", Route::ResourceMetrics),
            ("/stats/summary", Route::StatsSummary),
            ("/containerLogs/ns/web-0.a/main", Route::Logs(pod(None), c())),
            ("/exec/ns/web-0.a/main", Route::Exec(pod(None), c())),
            ("/exec/ns/web-0.a/0a1-b/main", Route::Exec(pod(Some("0a1-b")), c())),
            ("/attach/ns/web-0.a/main", Route::Attach(pod(None), c())),
            ("/attach/ns/web-0.a/0a1-b/main", Route::Attach(pod(Some("0a1-b")), c())),
            ("/portForward/ns/web-0.a", Route::PortForward(pod(None))),
            ("/portForward/ns/web-0.a/0a1-b", Route::PortForward(pod(Some("0a1-b")))),
            // Encoded where no encoding was needed: the same path, decoded once.
            ("/exec/ns/%77eb-0%2ea/main", Route::Exec(pod(None), c())),
        ] {
            assert_eq!(Route::parse(path), Ok(route), "{path}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        let corpus = include_str!("../../tests/hostile_paths.txt");
        let paths: Vec<&str> =
            corpus.lines().filter(|line| !line.is_empty() && !line.starts_with("# ")).collect();
        assert!(paths.len() >= 200, "only {} hostile paths", paths.len());
        for path in paths {
            assert_eq!(Route::parse(path), Err(Refused), "{path} was taken");
        }
    }

    #[test]
    fn long_names_are_refused() {
        for path in [
            format!("/portForward/{}/p", "n".repeat(64)),
            format!("/portForward/ns/{}", "p".repeat(254)),
            format!("/portForward/ns/p/{}", "u".repeat(64)),
            format!("/exec/ns/p/{}", "c".repeat(64)),
            format!("/{}", "a/".repeat(5000)),
        ] {
            assert_eq!(Route::parse(&path), Err(Refused));
        }
        assert!(Route::parse(&format!("/portForward/ns/{}", "p".repeat(253))).is_ok());
    }
}
