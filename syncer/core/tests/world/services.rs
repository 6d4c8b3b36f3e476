//! How an API server allocates the IPs and ports of Services, and what it wipes and refuses when their type changes
//! (pkg/registry/core/service of Kubernetes 1.34).

use std::collections::BTreeSet;
use std::net::IpAddr;

use vcluster_syncer_core::json::{Value, json};
use vcluster_syncer_core::resource::SERVICES;
use vcluster_syncer_core::{Object, Side};

use super::server::{Failure, Server};

/// What a new Service gets.
pub fn create(server: &mut Server, service: &mut Object) -> Result<(), Failure> {
    defaults(service);
    if service.at(&["status"]).is_none() {
        service.set(&["status"], json!({"loadBalancer": {}}));
    }
    allocate(server, None, service)
}

/// What a changed Service gets and loses.
pub fn update(server: &mut Server, before: &Object, after: &mut Object) -> Result<(), Failure> {
    keep_allocated(before, after);
    drop_of_other_type(before, after);
    defaults(after);
    let (old, new) = (ips(before), ips(after));
    if has_ips(before) && has_ips(after) {
        let kept = new.first() == old.first() && (old.len() != new.len() || old == new);
        if !kept {
            return Err(Failure::invalid("spec.clusterIPs[0]", "may not change once set"));
        }
        if new.len() < old.len() && after.str_at(&["spec", "ipFamilyPolicy"]) != Some("SingleStack")
        {
            return Err(Failure::invalid("spec.ipFamilyPolicy", "must be set to 'SingleStack'"));
        }
        let port = |of: &Object| of.at(&["spec", "healthCheckNodePort"]).cloned();
        if needs_health_port(before) && needs_health_port(after) && port(before) != port(after) {
            return Err(Failure::invalid("spec.healthCheckNodePort", "field is immutable"));
        }
    }
    allocate(server, Some(before), after)
}

fn text<'a>(service: &'a Object, field: &str) -> &'a str {
    service.str_at(&["spec", field]).unwrap_or_default()
}

fn has_ips(service: &Object) -> bool {
    text(service, "type") != "ExternalName"
}

fn needs_node_ports(service: &Object) -> bool {
    let allocate = service.at(&["spec", "allocateLoadBalancerNodePorts"]);
    match text(service, "type") {
        "NodePort" => true,
        "LoadBalancer" => allocate != Some(&Value::Bool(false)),
        _ => false,
    }
}

fn may_have_node_ports(service: &Object) -> bool {
    matches!(text(service, "type"), "NodePort" | "LoadBalancer")
}

fn needs_health_port(service: &Object) -> bool {
    text(service, "type") == "LoadBalancer" && text(service, "externalTrafficPolicy") == "Local"
}

fn reachable_from_outside(service: &Object) -> bool {
    may_have_node_ports(service)
        || text(service, "type") == "ClusterIP"
            && !service.items_at(&["spec", "externalIPs"]).is_empty()
}

fn ips(service: &Object) -> Vec<String> {
    let listed = service.items_at(&["spec", "clusterIPs"]);
    listed.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn defaults(service: &mut Object) {
    let mut default = |field: &str, value: Value| {
        if service.at(&["spec", field]).is_none() {
            service.set(&["spec", field], value);
        }
    };
    default("type", "ClusterIP".into());
    default("sessionAffinity", "None".into());
    if has_ips(service) {
        let mut default = |field: &str, value: Value| {
            if service.at(&["spec", field]).is_none() {
                service.set(&["spec", field], value);
            }
        };
        default("internalTrafficPolicy", "Cluster".into());
    }
    if reachable_from_outside(service) && text(service, "externalTrafficPolicy").is_empty() {
        service.set(&["spec", "externalTrafficPolicy"], "Cluster");
    }
    let balanced = text(service, "type") == "LoadBalancer";
    if balanced && service.at(&["spec", "allocateLoadBalancerNodePorts"]).is_none() {
        service.set(&["spec", "allocateLoadBalancerNodePorts"], true);
    }
    let mut ports = service.items_at(&["spec", "ports"]).to_vec();
    for port in &mut ports {
        if port.get("protocol").is_none() {
            port["protocol"] = "TCP".into();
        }
        if port.get("targetPort").is_none() {
            port["targetPort"] = port["port"].clone();
        }
    }
    if !ports.is_empty() {
        service.set(&["spec", "ports"], ports);
    }
    let (one, list) = (text(service, "clusterIP").to_owned(), ips(service));
    match (one.is_empty(), list.is_empty()) {
        (false, true) => service.set(&["spec", "clusterIPs"], json!([one])),
        (true, false) => service.set(&["spec", "clusterIP"], list[0].clone()),
        _ => {}
    }
}

/// An update that leaves out what was allocated keeps it.
fn keep_allocated(before: &Object, after: &mut Object) {
    if has_ips(before)
        && has_ips(after)
        && ips(after).is_empty()
        && text(after, "clusterIP").is_empty()
    {
        for field in ["clusterIP", "clusterIPs"] {
            if let Some(value) = before.at(&["spec", field]).cloned() {
                after.set(&["spec", field], value);
            }
        }
    }
    if needs_node_ports(before) && needs_node_ports(after) {
        let old = before.items_at(&["spec", "ports"]).to_vec();
        let mut ports = after.items_at(&["spec", "ports"]).to_vec();
        for port in ports.iter_mut().filter(|port| port.get("nodePort").is_none()) {
            let same = old.iter().find(|old| old.get("name") == port.get("name"));
            if let Some(kept) = same.and_then(|same| same.get("nodePort")) {
                port["nodePort"] = kept.clone();
            }
        }
        after.set(&["spec", "ports"], ports);
    }
    if needs_health_port(before)
        && needs_health_port(after)
        && after.at(&["spec", "healthCheckNodePort"]).is_none()
        && let Some(kept) = before.at(&["spec", "healthCheckNodePort"]).cloned()
    {
        after.set(&["spec", "healthCheckNodePort"], kept);
    }
}

/// What belongs to the old type only goes, where the update left it as it was.
fn drop_of_other_type(before: &Object, after: &mut Object) {
    let same =
        |after: &Object, field: &str| before.at(&["spec", field]) == after.at(&["spec", field]);
    let wipe = |after: &mut Object, fields: &[&str]| {
        for field in fields {
            if same(after, field) {
                after.remove(&["spec", field]);
            }
        }
    };
    if has_ips(before) && !has_ips(after) {
        wipe(after, &["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"]);
    }
    if may_have_node_ports(before) && !may_have_node_ports(after) {
        let mut ports = after.items_at(&["spec", "ports"]).to_vec();
        for port in ports.iter_mut().filter_map(Value::as_object_mut) {
            port.remove("nodePort");
        }
        if !ports.is_empty() {
            after.set(&["spec", "ports"], ports);
        }
    }
    if needs_health_port(before) && !needs_health_port(after) {
        wipe(after, &["healthCheckNodePort"]);
    }
    if text(before, "type") == "LoadBalancer" && text(after, "type") != "LoadBalancer" {
        wipe(after, &["allocateLoadBalancerNodePorts", "loadBalancerClass"]);
        after.set(&["status", "loadBalancer"], json!({}));
    }
    if reachable_from_outside(before) && !reachable_from_outside(after) {
        wipe(after, &["externalTrafficPolicy"]);
    }
}

fn allocate(server: &Server, before: Option<&Object>, service: &mut Object) -> Result<(), Failure> {
    let others = || server.of(&SERVICES).filter(|other| other.key() != service.key());
    let taken_ips: BTreeSet<String> = others().flat_map(ips).collect();
    let taken_ports: BTreeSet<u64> = others().flat_map(ports_of).collect();
    if !has_ips(service) {
        if text(service, "externalName").is_empty() {
            return Err(Failure::invalid("spec.externalName", "Required value"));
        }
        for field in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            if service.at(&["spec", field]).is_some() {
                let message = "may not be set when `type` is 'ExternalName'";
                return Err(Failure::invalid(&format!("spec.{field}"), message));
            }
        }
        return Ok(());
    }
    if service.at(&["spec", "externalTrafficPolicy"]).is_some() && !reachable_from_outside(service)
    {
        let message = "may only be set for externally-accessible services";
        return Err(Failure::invalid("spec.externalTrafficPolicy", message));
    }
    let had = before.map(ips).unwrap_or_default();
    allocate_ips(server, &taken_ips, &had, service)?;
    allocate_ports(server, &taken_ports, service)
}

fn allocate_ips(
    server: &Server,
    taken: &BTreeSet<String>,
    had: &[String],
    service: &mut Object,
) -> Result<(), Failure> {
    if service.at(&["spec", "ipFamilyPolicy"]).is_none() {
        service.set(&["spec", "ipFamilyPolicy"], "SingleStack");
    }
    let asked = ips(service);
    if asked.first().is_some_and(|ip| ip == "None") {
        if service.at(&["spec", "ipFamilies"]).is_none() {
            service.set(&["spec", "ipFamilies"], json!([server.families()[0]]));
        }
        return Ok(());
    }
    let mut families: Vec<String> = service
        .items_at(&["spec", "ipFamilies"])
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    if families.is_empty() {
        families = asked.iter().map(|ip| family(ip).to_owned()).collect();
    }
    if families.is_empty() {
        families.push(server.families()[0].to_owned());
    }
    let policy = text(service, "ipFamilyPolicy").to_owned();
    let second = server.families().into_iter().find(|family| *family != families[0]);
    match (policy.as_str(), second) {
        ("SingleStack", _) => families.truncate(1),
        (_, Some(second))
            if families.len() == 1 && (had.is_empty() || policy == "RequireDualStack") =>
        {
            families.push(second.to_owned());
        }
        ("RequireDualStack", None) => {
            return Err(Failure::invalid(
                "spec.ipFamilyPolicy",
                "this cluster is not configured for dual-stack services",
            ));
        }
        _ => {}
    }
    let mut allocated = Vec::new();
    for (place, family) in families.iter().enumerate() {
        let ip = match asked.get(place) {
            Some(ip) if had.contains(ip) => ip.clone(),
            Some(ip) => {
                let problem = if !server.in_range(ip) {
                    "the provided IP is not in the valid range. The range of valid IPs is ..."
                } else if taken.contains(ip) {
                    "provided IP is already allocated"
                } else {
                    ""
                };
                if !problem.is_empty() {
                    let message = format!("failed to allocate IP {ip}: {problem}");
                    return Err(Failure::invalid("spec.clusterIPs", &message));
                }
                ip.clone()
            }
            None => server.free_ip(family, taken),
        };
        allocated.push(ip);
    }
    service.set(&["spec", "clusterIP"], allocated[0].clone());
    service.set(&["spec", "clusterIPs"], json!(allocated));
    service.set(&["spec", "ipFamilies"], json!(families));
    Ok(())
}

fn allocate_ports(
    server: &Server,
    taken: &BTreeSet<u64>,
    service: &mut Object,
) -> Result<(), Failure> {
    let mut used = taken.clone();
    used.extend(service.at(&["spec", "healthCheckNodePort"]).and_then(Value::as_u64));
    let mut ports = service.items_at(&["spec", "ports"]).to_vec();
    for (place, port) in ports.iter_mut().enumerate() {
        let asked = port.get("nodePort").and_then(Value::as_u64);
        let field = format!("spec.ports[{place}].nodePort");
        match asked {
            Some(_) if !may_have_node_ports(service) => {
                return Err(Failure::invalid(&field, "may not be used when `type` is 'ClusterIP'"));
            }
            Some(asked) if taken.contains(&asked) => {
                return Err(Failure::invalid(&field, "provided port is already allocated"));
            }
            Some(asked) => drop(used.insert(asked)),
            None if needs_node_ports(service) => {
                let free = server.free_port(&used);
                used.insert(free);
                port["nodePort"] = free.into();
            }
            None => {}
        }
    }
    if !ports.is_empty() {
        service.set(&["spec", "ports"], ports);
    }
    if needs_health_port(service) {
        match service.at(&["spec", "healthCheckNodePort"]).and_then(Value::as_u64) {
            Some(asked) if taken.contains(&asked) => {
                let message = format!(
                    "Internal error occurred: failed to allocate requested HealthCheck NodePort {asked}: \
                     provided port is already allocated"
                );
                return Err(Failure::new(500, "InternalError", message));
            }
            Some(_) => {}
            None => service.set(&["spec", "healthCheckNodePort"], server.free_port(&used)),
        }
    }
    Ok(())
}

fn ports_of(service: &Object) -> Vec<u64> {
    let ports = service.items_at(&["spec", "ports"]).iter().filter_map(|port| port.get("nodePort"));
    let health = service.at(&["spec", "healthCheckNodePort"]);
    ports.chain(health).filter_map(Value::as_u64).collect()
}

fn family(ip: &str) -> &'static str {
    if ip.contains(':') { "IPv6" } else { "IPv4" }
}

impl Server {
    fn families(&self) -> Vec<&'static str> {
        if self.dual_stack { vec!["IPv4", "IPv6"] } else { vec!["IPv4"] }
    }

    fn in_range(&self, ip: &str) -> bool {
        match ip.parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) => ip.octets()[..2] == self.range,
            Ok(IpAddr::V6(ip)) => self.dual_stack && ip.segments()[0] == 0xfd00,
            Err(_) => false,
        }
    }

    /// Both sides would choose different ones, as real servers choose at random.
    fn free_ip(&self, family: &str, taken: &BTreeSet<String>) -> String {
        let third = if self.side == Side::Virtual { 1 } else { 2 };
        let [first, second] = self.range;
        let mut candidates = (1..=250u8).map(|last| match family {
            "IPv6" => format!("fd00::{third}:{last:x}"),
            _ => format!("{first}.{second}.{third}.{last}"),
        });
        candidates.find(|ip| !taken.contains(ip)).expect("250 addresses are enough for a test")
    }

    fn free_port(&self, taken: &BTreeSet<u64>) -> u64 {
        let from = if self.side == Side::Virtual { 30000 } else { 31000 };
        (from..32768).find(|port| !taken.contains(port)).expect("a free port")
    }
}
