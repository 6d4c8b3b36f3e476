//! How names resolve inside: by the virtual cluster's DNS, not the host's.

use crate::json::{Value, json};

use crate::Note;
use crate::object::members;

use super::paths::text;

/// The most that the API takes for a pod with `dnsPolicy: None`.
const MAX_NAMESERVERS: usize = 3;
const MAX_SEARCHES: usize = 32;
const MAX_SEARCH_CHARACTERS: usize = 2048;

/// Whether a pod asks for the cluster's DNS. A pod on the host's network does so only by its own policy; with
/// `ClusterFirst` it gets the node's.
pub fn uses_cluster(spec: &Value) -> bool {
    let host_network = spec.get("hostNetwork") == Some(&Value::Bool(true));
    match text(spec, "dnsPolicy") {
        "ClusterFirst" | "" => !host_network,
        "ClusterFirstWithHostNet" => true,
        _ => false,
    }
}

/// Writes out the configuration that the kubelet would make for `ClusterFirst`, with the pod's own merged in.
pub fn translate(spec: &mut Value, server: &str, namespace: &str, domain: &str) {
    let own = spec.get("dnsConfig").cloned().unwrap_or_default();
    let strings = |member: &str| -> Vec<String> {
        let list = own.get(member).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let searches =
        [format!("{namespace}.svc.{domain}"), format!("svc.{domain}"), domain.to_owned()];
    let nameservers = joined(vec![server.to_owned()], strings("nameservers"), MAX_NAMESERVERS);
    let mut searches = joined(searches.into(), strings("searches"), MAX_SEARCHES);
    while searches.join(" ").len() > MAX_SEARCH_CHARACTERS {
        searches.pop();
    }
    let mut options = vec![json!({"name": "ndots", "value": "5"})];
    for option in own.get("options").and_then(Value::as_array).into_iter().flatten() {
        options.retain(|have| text(have, "name") != text(option, "name"));
        options.push(option.clone());
    }
    let config = members(spec).entry("dnsConfig").or_insert_with(|| json!({}));
    for (member, value) in [
        ("nameservers", json!(nameservers)),
        ("searches", json!(searches)),
        ("options", json!(options)),
    ] {
        members(config).insert(member, value);
    }
    members(spec).insert("dnsPolicy", "None".into());
}

/// Leaves a pod that asks for the cluster's DNS with that of its node, and its own configuration as it is.
pub fn use_nodes(spec: &mut Value) {
    members(spec).insert("dnsPolicy", "Default".into());
}

/// The event on a pod whose cluster has no DNS; a kubelet without one gives the same reason.
pub fn missing() -> Note {
    Note {
        warning: true,
        reason: "MissingClusterDNS",
        message: "there is no Service kube-system/kube-dns, since controlPlane.coredns.enabled is false: names of \
                  Services do not resolve in this pod, it asks the DNS server of its node; once that Service is there, \
                  make the pod again"
            .into(),
    }
}

fn joined(mut first: Vec<String>, second: Vec<String>, most: usize) -> Vec<String> {
    for item in second {
        if !first.contains(&item) {
            first.push(item);
        }
    }
    first.truncate(most);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_that_mean_the_cluster() {
        for (spec, wanted) in [
            (json!({}), true),
            (json!({"dnsPolicy": "ClusterFirst"}), true),
            (json!({"dnsPolicy": "ClusterFirst", "hostNetwork": true}), false),
            (json!({"dnsPolicy": "ClusterFirstWithHostNet", "hostNetwork": true}), true),
            (json!({"dnsPolicy": "Default"}), false),
            (json!({"dnsPolicy": "None"}), false),
        ] {
            assert_eq!(uses_cluster(&spec), wanted, "{spec}");
        }
    }

    #[test]
    fn the_pods_own_configuration_is_merged_in() {
        let mut spec = json!({"dnsPolicy": "ClusterFirst", "dnsConfig": {
            "nameservers": ["1.1.1.1", "10.0.0.10", "2.2.2.2", "3.3.3.3"], "searches": ["example.org", "cluster.local"],
            "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}], "future": 1,
        }});
        translate(&mut spec, "10.0.0.10", "shop", "cluster.local");
        assert_eq!(
            spec,
            json!({"dnsPolicy": "None", "dnsConfig": {
                "nameservers": ["10.0.0.10", "1.1.1.1", "2.2.2.2"],
                "searches": ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.org"],
                "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}], "future": 1,
            }})
        );
    }

    #[test]
    fn searches_stay_within_what_the_api_takes() {
        let long: Vec<String> =
            (0..40).map(|n| format!("{}{n:02}.example", "a".repeat(60))).collect();
        let mut spec = json!({"dnsConfig": {"searches": long}});
        translate(&mut spec, "10.0.0.10", "shop", "cluster.local");
        let searches = spec["dnsConfig"]["searches"].as_array().unwrap();
        let length: usize = searches.iter().map(|s| s.as_str().unwrap().len() + 1).sum();
        assert!(searches.len() <= 32 && length <= 2049, "{} {length}", searches.len());
    }
}
