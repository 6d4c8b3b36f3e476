//! ConfigMap `vc-cidr-NAME`: what is known of the host's networks, for the flags of the other containers.

use std::net::IpAddr;

use vcluster_config::Config;
use vcluster_syncer_core::json::{Value, json};

use super::range::Range;
use super::{node_ports, ranges};
use crate::certs::Surroundings;
use crate::namespace::Namespace;

/// What is known of the host's networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Service ranges, joined by a comma: `--service-cluster-ip-range`.
    pub cidr: String,
    /// The range of node ports: `--service-node-port-range`.
    pub node_ports: String,
    /// Where the API server listens: `--bind-address`.
    pub bind_address: String,
}

/// The ConfigMap's name.
pub(super) fn name_of(name: &str) -> String {
    format!("vc-cidr-{name}")
}

/// Finds the facts and sees that the ConfigMap says them. What an earlier start found is used again while it fits:
/// a restart asks nothing.
pub(super) async fn find(
    host: &Namespace,
    name: &str,
    config: &Config,
    around: &Surroundings,
    service: &Value,
    present: Option<Value>,
    owner: Option<&Value>,
) -> anyhow::Result<Facts> {
    let bind_address = bind_address(config, around);
    let known = present.as_ref().and_then(|map| known(map, config, service));
    let facts = match known {
        Some((cidr, node_ports)) => Facts { cidr, node_ports, bind_address },
        None => {
            let (cidr, node_ports) = tokio::join!(
                ranges::find(host, name, config, service),
                node_ports::find(host, name)
            );
            Facts { cidr: cidr?, node_ports, bind_address }
        }
    };
    let data = json!({
        "cidr": &facts.cidr,
        "nodePortRange": &facts.node_ports,
        "bindAddress": &facts.bind_address,
    });
    match present {
        Some(present) if says(&present, &data) => {}
        Some(_) => {
            host.merge("configmaps", &name_of(name), &json!({ "data": data })).await?;
        }
        None => match host.create("configmaps", &object(name, &data, owner)).await {
            // Another replica was quicker, and the host is the same.
            Err(error) if error.is_conflict() => {}
            other => {
                other?;
            }
        },
    }
    Ok(facts)
}

/// Whether it says all of this; one that an earlier version made says more.
fn says(map: &Value, data: &Value) -> bool {
    let wanted = data.as_object().into_iter().flatten();
    wanted.into_iter().all(|(key, value)| map.get("data").and_then(|it| it.get(key)) == Some(value))
}

/// What an earlier start found, if it is still right.
fn known(map: &Value, config: &Config, service: &Value) -> Option<(String, String)> {
    let data = map.get("data")?;
    let cidr = data.get("cidr")?.as_str()?;
    let wanted = config.wanted_service_cidr();
    if !wanted.is_empty() && wanted != cidr {
        return None;
    }
    let first: Range = cidr.split(',').next()?.parse().ok()?;
    if wanted.is_empty()
        && !ranges::addresses(service).first().is_some_and(|own| first.contains(*own))
    {
        return None;
    }
    let node_ports = data.get("nodePortRange").filter(|ports| node_ports::is_range(Some(ports)))?;
    Some((cidr.to_owned(), node_ports.as_str()?.to_owned()))
}

/// All addresses of the pod's family, unless one was asked for.
fn bind_address(config: &Config, around: &Surroundings) -> String {
    let wanted = &config.control_plane.proxy.bind_address;
    if !matches!(wanted.as_str(), "" | "0.0.0.0") {
        return wanted.clone();
    }
    // `::` takes IPv4 as well, but only a kernel with IPv6 knows it.
    let any = if around.pod_addresses.iter().any(IpAddr::is_ipv6) { "::" } else { "0.0.0.0" };
    any.to_owned()
}

fn object(name: &str, data: &Value, owner: Option<&Value>) -> Value {
    let owners: Vec<&Value> = owner.into_iter().collect();
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name_of(name),
            "labels": { "app": "vcluster", "release": name },
            "ownerReferences": owners,
        },
        "data": data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(cidr: &str) -> Value {
        json!({ "data": { "cidr": cidr, "nodePortRange": "30000-32767" } })
    }

    fn service(address: &str) -> Value {
        json!({ "spec": { "clusterIPs": [address] } })
    }

    #[test]
    fn an_earlier_finding_is_used_while_it_fits() {
        let mut config = Config::default();
        assert!(known(&map("10.96.0.0/16"), &config, &service("10.96.3.4")).is_some());
        assert!(known(&map("10.96.0.0/16,fd00::/112"), &config, &service("10.96.3.4")).is_some());
        assert!(
            known(&map("10.96.0.0/16"), &config, &service("10.97.3.4")).is_none(),
            "another host"
        );
        assert!(known(&map("nonsense"), &config, &service("10.96.3.4")).is_none());
        config.networking.service_cidr = "10.0.0.0/8".into();
        assert!(
            known(&map("10.96.0.0/16"), &config, &service("10.96.3.4")).is_none(),
            "another wish"
        );
        assert!(
            known(&map("10.0.0.0/8"), &config, &service("192.0.2.1")).is_some(),
            "a wish is a wish"
        );
    }

    #[test]
    fn the_api_server_listens_on_the_pods_family() {
        let mut config = Config::default();
        let around = |addresses: &[&str]| Surroundings {
            pod_addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            ..Surroundings::default()
        };
        assert_eq!(bind_address(&config, &around(&["10.0.0.1"])), "0.0.0.0");
        assert_eq!(bind_address(&config, &around(&["fd00::1"])), "::");
        assert_eq!(bind_address(&config, &around(&["10.0.0.1", "fd00::1"])), "::");
        config.control_plane.proxy.bind_address = "192.0.2.7".into();
        assert_eq!(bind_address(&config, &around(&["fd00::1"])), "192.0.2.7");
    }
}
