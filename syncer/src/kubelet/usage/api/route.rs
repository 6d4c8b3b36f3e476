//! What a request asks for. From its path and query our own requests to the virtual API server are made, which has the
//! right to everything: so both are read strictly.

use form_urlencoded::Serializer;

use super::super::super::paths::{decode_once, is_label, is_subdomain};
use super::Offer;

/// What is served under `/apis/metrics.k8s.io/v1beta1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// The list of what there is.
    Resources,
    /// Those of a namespace, or all.
    Pods(Option<String>),
    /// Namespace and name.
    Pod(String, String),
    Nodes,
    Node(String),
}

impl Route {
    /// None: there is nothing at that path.
    pub(super) fn parse(path: &str, offer: Offer) -> Option<Self> {
        let path = decode_once(path)?;
        let rest = path.strip_prefix("/apis/metrics.k8s.io/v1beta1")?;
        let segments: Vec<&str> = rest.split('/').collect();
        match *segments.as_slice() {
            [""] => Some(Route::Resources),
            ["", "pods"] if offer.pods => Some(Route::Pods(None)),
            ["", "namespaces", namespace, "pods"] if offer.pods && is_label(namespace, 63) => {
                Some(Route::Pods(Some(namespace.to_owned())))
            }
            ["", "namespaces", namespace, "pods", name]
                if offer.pods && is_label(namespace, 63) && is_subdomain(name) =>
            {
                Some(Route::Pod(namespace.to_owned(), name.to_owned()))
            }
            ["", "nodes"] if offer.nodes => Some(Route::Nodes),
            ["", "nodes", name] if offer.nodes && is_subdomain(name) => {
                Some(Route::Node(name.to_owned()))
            }
            _ => None,
        }
    }
}

/// The selectors of a query, as a query: the virtual API server judges them as it lists. Nothing else passes.
pub(super) fn selectors(query: &str) -> String {
    let mut kept = Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if matches!(&*name, "labelSelector" | "fieldSelector") {
            kept.append_pair(&name, &value);
        }
    }
    kept.finish()
}

/// Whether changes are to be told: there are none, only measurements.
pub(super) fn is_watch(query: &str) -> bool {
    form_urlencoded::parse(query.as_bytes())
        .any(|(name, value)| name == "watch" && value != "false" && value != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Offer = Offer { pods: true, nodes: true };

    fn parse(below: &str, offer: Offer) -> Option<Route> {
        Route::parse(&format!("/apis/metrics.k8s.io/v1beta1{below}"), offer)
    }

    #[test]
    fn the_list_of_what_is_served() {
        for (below, route) in [
            ("", Route::Resources),
            ("/pods", Route::Pods(None)),
            ("/namespaces/shop/pods", Route::Pods(Some("shop".into()))),
            ("/namespaces/shop/pods/web-0.a", Route::Pod("shop".into(), "web-0.a".into())),
            ("/nodes", Route::Nodes),
            ("/nodes/node-1.example", Route::Node("node-1.example".into())),
        ] {
            assert_eq!(parse(below, ALL), Some(route), "{below}");
        }
        assert_eq!(parse("/nodes", Offer { pods: true, nodes: false }), None);
        assert_eq!(parse("/pods", Offer { pods: false, nodes: true }), None);
    }

    #[test]
    fn everything_else_is_not_there() {
        for below in [
            "/",
            "/secrets",
            "/nodes/",
            "/nodes/..",
            "/nodes/a%2f..%2fb",
            "/nodes/a?b",
            "/namespaces/shop/pods/web/log",
            "/namespaces/../pods",
            "/namespaces/shop/pods/..",
            "/namespaces/shop/pods/UPPER",
            "/namespaces/shop/pods/a;b",
            "//pods",
        ] {
            assert_eq!(parse(below, ALL), None, "{below}");
        }
        assert_eq!(Route::parse("/apis", ALL), None);
        assert_eq!(Route::parse("/api/v1/secrets", ALL), None);
    }

    #[test]
    fn only_selectors_pass() {
        assert_eq!(
            selectors(
                "labelSelector=app%3Dweb%26x&limit=5&continue=abc&watch=0&fieldSelector=metadata.name%3Dweb"
            ),
            "labelSelector=app%3Dweb%26x&fieldSelector=metadata.name%3Dweb"
        );
        assert_eq!(selectors(""), "");
        assert!(is_watch("watch=true") && is_watch("a=b&watch=1") && !is_watch("watch=false"));
    }
}
