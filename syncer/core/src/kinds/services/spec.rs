//! The spec of a host Service, made from the virtual one's.

use crate::json::{Map, Value};

use crate::{Note, Object, Settings, Virtual, selectors};

/// The spec that a host Service should have. Unknown fields pass.
///
/// `externalIPs` do not pass: whoever sets one draws the traffic of every pod on the host to that address (CVE-2020-8554),
/// and a tenant's pods are not the only ones there.
pub fn to_host(wish: &Virtual<Object>, settings: &Settings) -> Map {
    let mut spec = wish.at(&["spec"]).and_then(Value::as_object).cloned().unwrap_or_default();
    spec.retain(|_, value| !value.is_null());
    if spec.remove("externalIPs").is_some() && kind(wish) == "ClusterIP" {
        // It was reachable from outside by them only; without, the API refuses the field.
        spec.remove("externalTrafficPolicy");
    }
    match spec.get("selector").and_then(Value::as_object) {
        Some(selector) if !selector.is_empty() => {
            let selector = Value::Object(selector.clone());
            let translated = selectors::equality_selector(&selector, wish.namespace(), settings);
            spec.insert("selector", translated);
        }
        // An empty one selects nothing, as an absent one. Translated, it would select everything.
        _ => drop(spec.remove("selector")),
    }
    spec
}

/// What of a Service is not kept on the host, for its owner to read.
pub fn dropped(wish: &Virtual<Object>) -> Option<Note> {
    (!wish.items_at(&["spec", "externalIPs"]).is_empty()).then(|| Note {
        warning: true,
        reason: "SyncWarning",
        message: "spec.externalIPs is ignored: it would draw traffic of other tenants of the host cluster to this \
                  Service; use type LoadBalancer instead"
            .to_owned(),
    })
}

/// Takes the ClusterIPs out, for the API server to choose.
pub fn without_addresses(spec: &mut Map) {
    if spec.get("clusterIP").and_then(Value::as_str) != Some("None") {
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
    }
}

/// `spec.type`, with its default.
pub fn kind(service: &Object) -> &str {
    service.str_at(&["spec", "type"]).unwrap_or("ClusterIP")
}

/// `spec.clusterIPs`, or what stands for it; `None` of headless Services too.
pub fn cluster_ips(service: &Object) -> Vec<&str> {
    let listed = service.items_at(&["spec", "clusterIPs"]);
    if listed.is_empty() {
        let one = service.str_at(&["spec", "clusterIP"]).filter(|ip| !ip.is_empty());
        return one.into_iter().collect();
    }
    listed.iter().filter_map(Value::as_str).collect()
}

/// Whether the Service has no address of its own by its owner's wish.
pub fn is_headless(service: &Object) -> bool {
    cluster_ips(service).first() == Some(&"None")
}

/// The health check port, for Services that need one.
pub fn health_port(service: &Object) -> Option<&Value> {
    let local = service.str_at(&["spec", "externalTrafficPolicy"]) == Some("Local");
    (local && kind(service) == "LoadBalancer")
        .then(|| service.at(&["spec", "healthCheckNodePort"]))
        .flatten()
}

/// A port's counterpart in another list of ports of the same Service: names are unique, and so are port and protocol.
pub fn same_port<'a>(port: &Value, list: &'a [Value]) -> Option<&'a Value> {
    let with = |member: &'static str| {
        list.iter()
            .find(move |other| port.get(member).is_some() && other.get(member) == port.get(member))
    };
    with("name").or_else(|| {
        list.iter().find(|other| {
            ["port", "protocol"].iter().all(|member| other.get(member) == port.get(member))
        })
    })
}
