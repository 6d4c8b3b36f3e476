//! The names and addresses that the API server's certificate is good for.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vcluster_config::Config;
use vcluster_syncer_core::json::Value;

/// Subject alternative names, sorted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// DNS names.
    pub dns: BTreeSet<String>,
    /// Addresses.
    pub addresses: BTreeSet<IpAddr>,
}

/// What the pod knows of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Surroundings {
    /// The virtual cluster's name.
    pub name: String,
    /// Its namespace on the host.
    pub namespace: String,
    /// The pod's addresses.
    pub pod_addresses: Vec<IpAddr>,
    /// The addresses of the pod's node, where a NodePort answers.
    pub node_addresses: Vec<IpAddr>,
}

/// What host Service `NAME` says about how the API server is reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceNames {
    /// Cluster addresses, external addresses, load balancer addresses.
    pub addresses: BTreeSet<IpAddr>,
    /// Load balancer host names.
    pub dns: BTreeSet<String>,
}

impl ServiceNames {
    /// Reads them from the Service.
    #[must_use]
    pub fn of(service: &Value) -> Self {
        let list = |pointer: &str| {
            service.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
        };
        let ingress = |key: &'static str| {
            list("/status/loadBalancer/ingress")
                .filter_map(move |entry| entry.get(key))
                .filter_map(Value::as_str)
        };
        let fixed = ["/spec/clusterIPs", "/spec/externalIPs"]
            .into_iter()
            .flat_map(list)
            .filter_map(Value::as_str);
        let wanted = service.pointer("/spec/loadBalancerIP").and_then(Value::as_str);
        ServiceNames {
            addresses: fixed
                .chain(wanted)
                .chain(ingress("ip"))
                .filter_map(|text| text.parse().ok())
                .collect(),
            dns: ingress("hostname").filter(|name| is_dns_name(name)).map(str::to_owned).collect(),
        }
    }
}

impl Names {
    /// Everything under which somebody may reach the API server.
    #[must_use]
    pub fn new(config: &Config, around: &Surroundings, service: &ServiceNames) -> Names {
        let Surroundings { name, namespace, .. } = around;
        let domain = &config.networking.advanced.cluster_domain;
        let mut names = Names { dns: service.dns.clone(), addresses: service.addresses.clone() };
        for text in [
            "localhost".to_owned(),
            "kubernetes".to_owned(),
            "kubernetes.default".to_owned(),
            "kubernetes.default.svc".to_owned(),
            format!("kubernetes.default.svc.{domain}"),
            name.clone(),
            format!("{name}.{namespace}"),
            format!("{name}.{namespace}.svc"),
            format!("{name}.{namespace}.svc.cluster.local"),
            "*.nodes.vcluster.com".to_owned(),
            format!("*.{name}.{namespace}.nodes.vcluster.com"),
        ] {
            names.add(&text);
        }
        names.addresses.extend([IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
        names.addresses.extend(around.pod_addresses.iter().chain(&around.node_addresses));
        config.control_plane.proxy.extra_sans.iter().for_each(|text| names.add(text));
        if config.control_plane.ingress.enabled {
            names.add(&config.control_plane.ingress.host);
        }
        let route = &config.control_plane.tls_route;
        if route.enabled {
            let others = route
                .spec
                .get("hostnames")
                .and_then(serde_json::Value::as_array)
                .into_iter()
                .flatten();
            let others = others.filter_map(serde_json::Value::as_str);
            [route.host.as_str()].into_iter().chain(others).for_each(|host| names.add(host));
        }
        let exports =
            config.export_kube_config.additional_secrets.iter().map(|secret| &secret.server);
        for server in exports.chain([&config.export_kube_config.server]) {
            if let Ok(server) = server.parse::<http::Uri>()
                && let Some(host) = server.host()
            {
                names.add(host.trim_start_matches('[').trim_end_matches(']'));
            }
        }
        names
    }

    /// Adds an address or a DNS name; what is neither is left out, since a certificate cannot hold it.
    fn add(&mut self, text: &str) {
        if let Ok(address) = text.parse() {
            self.addresses.insert(address);
        } else if is_dns_name(text) {
            self.dns.insert(text.to_ascii_lowercase());
        }
    }
}

/// What the members of an etcd that the chart deploys are called, by the API server and by each other; nothing when it
/// deploys none. Every member by its own name: whoever holds the key of a wildcard could pose as members to come.
#[must_use]
pub fn etcd_names(config: &Config, around: &Surroundings) -> Option<Names> {
    let etcd = &config.control_plane.backing_store.etcd.deploy;
    if !etcd.enabled {
        return None;
    }
    let Surroundings { name, namespace, .. } = around;
    let mut names = Names::default();
    names.add("localhost");
    names.addresses.extend([IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
    let members = (0..etcd.stateful_set.high_availability.replicas)
        .map(|number| format!("{name}-etcd-{number}.{name}-etcd-headless"));
    for text in members.chain([format!("{name}-etcd"), format!("{name}-etcd-headless")]) {
        names.add(&text);
        names.add(&format!("{text}.{namespace}"));
        names.add(&format!("{text}.{namespace}.svc"));
        names.add(&format!("{text}.{namespace}.svc.cluster.local"));
    }
    Some(names)
}

fn is_dns_name(text: &str) -> bool {
    let rest = text.strip_prefix("*.").unwrap_or(text);
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    rest.len() <= 253 && rest.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use vcluster_syncer_core::json::json;

    use super::*;

    #[test]
    fn every_way_to_the_api_server_is_named() {
        let mut config = Config::default();
        config.control_plane.proxy.extra_sans =
            vec!["api.example.com".into(), "203.0.113.7".into(), "not a name".into()];
        config.control_plane.ingress.enabled = true;
        config.control_plane.ingress.host = "ingress.example.com".into();
        config.control_plane.tls_route.enabled = true;
        config.control_plane.tls_route.host = "gateway.example.com".into();
        config.export_kube_config.server = "https://Exported.example.com:6443".into();
        let around = Surroundings {
            name: "my-vc".into(),
            namespace: "team-x".into(),
            pod_addresses: vec!["10.244.1.9".parse().unwrap(), "fd00::9".parse().unwrap()],
            node_addresses: vec!["192.0.2.1".parse().unwrap()],
        };
        let service = ServiceNames::of(&json!({
            "spec": { "clusterIPs": ["10.96.7.7", "fd00:10:96::7"], "externalIPs": ["198.51.100.1"] },
            "status": { "loadBalancer": { "ingress": [{ "ip": "198.51.100.2" }, { "hostname": "lb.example.com" }] } },
        }));
        let names = Names::new(&config, &around, &service);
        let dns: Vec<&str> = names.dns.iter().map(String::as_str).collect();
        assert_eq!(
            dns,
            [
                "*.my-vc.team-x.nodes.vcluster.com",
                "*.nodes.vcluster.com",
                "api.example.com",
                "exported.example.com",
                "gateway.example.com",
                "ingress.example.com",
                "kubernetes",
                "kubernetes.default",
                "kubernetes.default.svc",
                "kubernetes.default.svc.cluster.local",
                "lb.example.com",
                "localhost",
                "my-vc",
                "my-vc.team-x",
                "my-vc.team-x.svc",
                "my-vc.team-x.svc.cluster.local",
            ]
        );
        let addresses: Vec<String> = names.addresses.iter().map(IpAddr::to_string).collect();
        assert_eq!(
            addresses,
            [
                "10.96.7.7",
                "10.244.1.9",
                "127.0.0.1",
                "192.0.2.1",
                "198.51.100.1",
                "198.51.100.2",
                "203.0.113.7",
                "::1",
                "fd00::9",
                "fd00:10:96::7",
            ]
        );
    }

    #[test]
    fn members_of_etcd_are_named_one_by_one() {
        let around = Surroundings {
            name: "my-vc".into(),
            namespace: "team-x".into(),
            ..Surroundings::default()
        };
        let mut config = Config::default();
        assert_eq!(etcd_names(&config, &around), None);
        let etcd = &mut config.control_plane.backing_store.etcd.deploy;
        etcd.enabled = true;
        etcd.stateful_set.high_availability.replicas = 3;
        let names = etcd_names(&config, &around).unwrap();
        for name in [
            "localhost",
            "my-vc-etcd",
            "my-vc-etcd.team-x.svc",
            "my-vc-etcd-0.my-vc-etcd-headless",
            "my-vc-etcd-2.my-vc-etcd-headless.team-x.svc.cluster.local",
        ] {
            assert!(names.dns.contains(name), "{name}");
        }
        assert!(!names.dns.iter().any(|name| name.contains('*') || name.contains("etcd-3")));
    }

    #[test]
    fn a_headless_service_adds_nothing() {
        assert_eq!(
            ServiceNames::of(&json!({ "spec": { "clusterIPs": ["None"] } })),
            ServiceNames::default()
        );
    }
}
