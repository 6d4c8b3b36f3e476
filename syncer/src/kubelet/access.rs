//! What a caller must be allowed in the virtual cluster: the attributes that a real kubelet asks about, and stricter where
//! a GET can run commands.

use http::Method;

use super::paths::Route;

/// `VERB nodes/SUBRESOURCE`, on the node that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Right {
    pub(super) verb: &'static str,
    pub(super) subresource: &'static str,
}

/// Any one of these suffices. Empty when the method is not served on the path at all.
pub(super) fn any_of(route: &Route, method: &Method) -> Vec<Right> {
    let subresources: &[&str] = match route {
        Route::Healthz => &["healthz", "proxy"],
        Route::Pods | Route::RunningPods => &["pods", "proxy"],
        Route::Metrics | Route::ContainerMetrics | Route::ResourceMetrics => &["metrics"],
        Route::StatsSummary => &["stats"],
        Route::Logs(..) | Route::Exec(..) | Route::Attach(..) | Route::PortForward(..) => {
            &["proxy"]
        }
    };
    let verb = match (route, method) {
        // A WebSocket is opened by a GET: whoever may only read must not get a shell that way.
        (
            Route::Exec(..) | Route::Attach(..) | Route::PortForward(..),
            &Method::GET | &Method::POST,
        ) => "create",
        (Route::Exec(..) | Route::Attach(..) | Route::PortForward(..), _) => return Vec::new(),
        (_, &Method::GET) => "get",
        _ => return Vec::new(),
    };
    subresources.iter().map(|subresource| Right { verb, subresource }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(path: &str, method: &Method) -> String {
        let route = Route::parse(path).unwrap();
        let rights = any_of(&route, method);
        rights
            .iter()
            .map(|r| format!("{} {}", r.verb, r.subresource))
            .collect::<Vec<_>>()
            .join(", ")
    }

    #[test]
    fn rights_are_the_kubelets_but_streams_always_need_create() {
        for (path, get, post) in [
            ("/healthz", "get healthz, get proxy", ""),
            ("/pods", "get pods, get proxy", ""),
            ("/runningpods/", "get pods, get proxy", ""),
            ("/metrics", "get metrics", ""),
            ("/metrics/cadvisor", "get metrics", ""),
            ("/metrics/resource", "get metrics", ""),
            ("/stats/summary", "get stats", ""),
            ("/containerLogs/ns/p/c", "get proxy", ""),
            ("/exec/ns/p/c", "create proxy", "create proxy"),
            ("/exec/ns/p/u/c", "create proxy", "create proxy"),
            ("/attach/ns/p/c", "create proxy", "create proxy"),
            ("/portForward/ns/p", "create proxy", "create proxy"),
            ("/portForward/ns/p/u", "create proxy", "create proxy"),
        ] {
            assert_eq!(needs(path, &Method::GET), get, "GET {path}");
            assert_eq!(needs(path, &Method::POST), post, "POST {path}");
            for method in [
                Method::PUT,
                Method::PATCH,
                Method::DELETE,
                Method::HEAD,
                Method::OPTIONS,
                Method::CONNECT,
            ] {
                assert_eq!(needs(path, &method), "", "{method} {path}");
            }
        }
    }
}
