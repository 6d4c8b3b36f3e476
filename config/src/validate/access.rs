//! Rules about how the virtual cluster is reached, and by whom.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::Value;

use super::is_range;
use crate::problem::Problem;
use crate::scalars::Fragment;
use crate::{Config, OutgoingConnections, PublicEgress};

pub(super) fn check(config: &Config, problems: &mut Vec<Problem>) {
    service(config, problems);
    route(config, problems);
    exports(config, problems);
    policies(config, problems);
    webhooks(config, problems);
}

fn service(config: &Config, problems: &mut Vec<Problem>) {
    let service = &config.control_plane.service;
    let at = |key: &str| format!("controlPlane.service.{key}");
    let spec = |key: &str| service.spec.get(key).filter(|value| !value.is_null());
    let kind = spec("type").and_then(Value::as_str).unwrap_or("ClusterIP");
    if !["ClusterIP", "NodePort", "LoadBalancer"].contains(&kind) {
        let message = format!("{kind:?} is not one of ClusterIP, NodePort, LoadBalancer");
        problems.push(Problem::error(at("spec.type"), message));
        return;
    }
    if kind == "ClusterIP" && spec("externalIPs").is_none() {
        let only_outside = [
            (service.https_node_port != 0, "httpsNodePort"),
            (spec("externalTrafficPolicy").is_some(), "spec.externalTrafficPolicy"),
        ];
        for (_, key) in only_outside.into_iter().filter(|(set, _)| *set) {
            let message = "a Service of type ClusterIP does not take it";
            problems.push(
                Problem::error(at(key), message)
                    .hint("set controlPlane.service.spec.type to NodePort or LoadBalancer"),
            );
        }
    }
    let Some(ranges) = spec("loadBalancerSourceRanges") else { return };
    if ranges.as_array().is_some_and(Vec::is_empty) {
        return;
    }
    let path = at("spec.loadBalancerSourceRanges");
    if kind != "LoadBalancer" {
        let message = "only a Service of type LoadBalancer keeps other addresses out";
        problems.push(
            Problem::error(path, message).hint("use policies.networkPolicy.controlPlane.ingress"),
        );
        return;
    }
    for range in ranges.as_array().into_iter().flatten() {
        if !range.as_str().is_some_and(is_range) {
            let message = format!("{range} is not a range such as 203.0.113.0/24");
            problems.push(Problem::error(path.clone(), message));
        }
    }
}

fn route(config: &Config, problems: &mut Vec<Problem>) {
    let route = &config.control_plane.tls_route;
    if route.enabled && route.parent_refs.is_empty() && !route.spec.contains_key("parentRefs") {
        let message = "without a gateway the route leads nowhere";
        problems.push(
            Problem::error("controlPlane.tlsRoute.parentRefs", message)
                .hint("parentRefs: [{name: my-gateway, namespace: gateways}]"),
        );
    }
}

fn exports(config: &Config, problems: &mut Vec<Problem>) {
    let mut seen = BTreeSet::new();
    for (index, secret) in config.export_kube_config.additional_secrets.iter().enumerate() {
        let path = format!("exportKubeConfig.additionalSecrets[{index}]");
        if secret.name.is_empty() && secret.namespace.is_empty() {
            let message =
                "it has neither a name nor a namespace, so it would be Secret vc-NAME itself";
            problems.push(Problem::error(path, message).hint("give it a name"));
        } else if !seen.insert((&secret.name, &secret.namespace)) {
            problems.push(Problem::error(path, "another one has the same name and namespace"));
        }
    }
}

fn policies(config: &Config, problems: &mut Vec<Problem>) {
    let policy = &config.policies.network_policy;
    let at = |key: &str| format!("policies.networkPolicy.{key}");
    let dns = &policy.fallback_dns;
    if !dns.is_empty() && dns.parse::<IpAddr>().is_err() {
        problems.push(Problem::error(at("fallbackDns"), format!("{dns:?} is not an address")));
    }
    let public = &policy.workload.public_egress;
    only_ipv6(public, problems);
    let OutgoingConnections { ip_block } = &policy.outgoing_connections;
    for (key, cidr, except) in [
        ("workload.publicEgress", &public.cidr, &public.except),
        ("workload.publicEgress.ipv6", &public.ipv6.cidr, &public.ipv6.except),
        ("outgoingConnections.ipBlock", &ip_block.cidr, &ip_block.except),
    ] {
        let ranges = std::iter::once(("cidr", cidr)).filter(|(_, cidr)| !cidr.is_empty());
        for (member, range) in ranges.chain(except.iter().map(|range| ("except", range))) {
            let path = at(&format!("{key}.{member}"));
            if !is_range(range) {
                let message = format!("{range} is not a range such as 10.0.0.0/8");
                problems.push(Problem::error(path, message));
            } else if !cidr.is_empty() && range.contains(':') != cidr.contains(':') {
                let message = format!("{range} is of another address family than {cidr}");
                problems.push(Problem::error(path, message));
                break;
            }
        }
    }
}

/// What is said to be IPv6 is.
fn only_ipv6(public: &PublicEgress, problems: &mut Vec<Problem>) {
    let range = &public.ipv6.cidr;
    if is_range(range) && !range.contains(':') {
        let path = "policies.networkPolicy.workload.publicEgress.ipv6.cidr";
        problems.push(
            Problem::error(path, format!("{range} is a range of IPv4"))
                .hint("policies.networkPolicy.workload.publicEgress.cidr is for IPv4"),
        );
    }
}

fn webhooks(config: &Config, problems: &mut Vec<Problem>) {
    let central = &config.policies.central_admission;
    for (key, kind, list) in [
        ("validatingWebhooks", "ValidatingWebhookConfiguration", &central.validating_webhooks),
        ("mutatingWebhooks", "MutatingWebhookConfiguration", &central.mutating_webhooks),
    ] {
        let mut seen = BTreeSet::new();
        for (index, object) in list.iter().enumerate() {
            let path = format!("policies.centralAdmission.{key}[{index}]");
            if let Err(message) = webhook(object, kind, &mut seen) {
                problems.push(Problem::error(path, message));
            }
        }
    }
}

fn webhook(object: &Fragment, kind: &str, seen: &mut BTreeSet<String>) -> Result<(), String> {
    let text = |pointer: &[&str]| {
        let (first, rest) = pointer.split_first()?;
        rest.iter().try_fold(object.get(*first)?, |value, key| value.get(key))?.as_str()
    };
    if let Some(other) = text(&["kind"]).filter(|other| *other != kind) {
        return Err(format!("it is of kind {other}, not {kind}"));
    }
    if let Some(version) =
        text(&["apiVersion"]).filter(|version| *version != "admissionregistration.k8s.io/v1")
    {
        return Err(format!("{version} is not admissionregistration.k8s.io/v1"));
    }
    let Some(name) = text(&["metadata", "name"]) else {
        return Err("it has no metadata.name".to_owned());
    };
    if !seen.insert(name.to_owned()) {
        return Err(format!("{name} is there twice"));
    }
    let hooks = object.get("webhooks").and_then(Value::as_array);
    if hooks.is_none_or(Vec::is_empty) {
        return Err("it has no webhooks".to_owned());
    }
    Ok(())
}
