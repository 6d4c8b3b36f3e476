//! Rules that concern more than one option. The command line runs them before Helm, the control
//! plane at its start.

mod access;
mod replication;
mod stores;

use std::net::IpAddr;

use crate::document::manifests;
use crate::problem::Problem;
use crate::{Config, DistroKind, K8s, Toleration};

/// The minors of Kubernetes that the chart's flags are right for.
const MINORS: std::ops::RangeInclusive<u32> = 30..=36;

/// What is wrong with options that are each of the right form.
#[must_use]
pub fn validate(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    stores::check(config, &mut problems);
    replication::check(config, &mut problems);
    high_availability(config, &mut problems);
    distro(config, &mut problems);
    k0s(config, &mut problems);
    version(config, &mut problems);
    network(config, &mut problems);
    kinds(config, &mut problems);
    tolerations(config, &mut problems);
    budget(config, &mut problems);
    access::check(config, &mut problems);
    crate::sleep::check(config, &mut problems);
    let coredns = &config.control_plane.coredns.overwrite_manifests;
    problems.extend(manifests("controlPlane.coredns.overwriteManifests", coredns).err());
    problems
}

fn high_availability(config: &Config, problems: &mut Vec<Problem>) {
    let ha = &config.control_plane.stateful_set.high_availability;
    let at = |key: &str| format!("controlPlane.statefulSet.highAvailability.{key}");
    if ha.renew_deadline >= ha.lease_duration {
        let message = format!("must be less than leaseDuration, which is {}", ha.lease_duration);
        problems.push(Problem::error(at("renewDeadline"), message));
    }
    if ha.retry_period == 0 || ha.retry_period >= ha.renew_deadline {
        let message =
            format!("must be from 1 to less than renewDeadline, which is {}", ha.renew_deadline);
        problems.push(Problem::error(at("retryPeriod"), message));
    }
}

fn distro(config: &Config, problems: &mut Vec<Problem>) {
    let distro = &config.control_plane.distro;
    if let [first, .., last] = distro.enabled()[..] {
        let path = format!("controlPlane.distro.{}.enabled", last.key());
        let message = format!("another distribution, {}, is enabled too", first.key());
        problems.push(Problem::error(path, message));
    }
    let said = K8s { enabled: false, version: String::new(), ..distro.k8s.clone() };
    let key = distro.kind().key();
    if distro.kind() != DistroKind::K8s && said != K8s::default() {
        let path = "controlPlane.distro.k8s";
        let message =
            format!("only its version has an effect, since {key} is the distribution that runs");
        problems.push(
            Problem::warning(path, message)
                .hint(format!("put the rest under controlPlane.distro.{key}")),
        );
    }
}

/// What k0s is told besides what the chart tells it.
fn k0s(config: &Config, problems: &mut Vec<Problem>) {
    let distro = &config.control_plane.distro;
    if distro.kind() != DistroKind::K0s {
        return;
    }
    let path = "controlPlane.distro.k0s.config";
    match manifests(path, &distro.k0s.config) {
        Err(problem) => problems.push(problem),
        Ok(documents) if documents.len() > 1 => {
            let message = format!("it is one document, and there are {}", documents.len());
            problems.push(Problem::error(path, message));
        }
        Ok(_) => {}
    }
    let database = &config.control_plane.backing_store.database.external;
    if database.enabled && [&database.tls_secret, &database.ca_file].iter().any(|it| !it.is_empty())
    {
        let path = "controlPlane.backingStore.database.external.tlsSecret";
        let message = "k0s has no way to name files for the connection of its kine";
        problems.push(
            Problem::error(path, message)
                .hint("name them in the data source, as sslrootcert=PATH of PostgreSQL"),
        );
    }
}

fn version(config: &Config, problems: &mut Vec<Problem>) {
    let (version, key) = config.control_plane.distro.kubernetes_version();
    let path = format!("controlPlane.distro.{key}");
    let mut parts = version.trim_start_matches('v').split(['.', '-', '+']).map(str::parse::<u32>);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(Ok(1)), Some(Ok(minor)), Some(Ok(_))) => {
            if !MINORS.contains(&minor) {
                let (first, last) = (MINORS.start(), MINORS.end());
                let message = format!(
                    "{version} is not supported: the chart is made for 1.{first} to 1.{last}"
                );
                problems.push(Problem::error(path, message));
            }
        }
        _ => problems
            .push(Problem::error(path, format!("{version} is not a version such as v1.34.4"))),
    }
}

fn tolerations(config: &Config, problems: &mut Vec<Problem>) {
    for text in &config.sync.to_host.pods.enforce_tolerations {
        if let Err(message) = Toleration::parse(text) {
            problems.push(Problem::error("sync.toHost.pods.enforceTolerations", message));
        }
    }
}

fn network(config: &Config, problems: &mut Vec<Problem>) {
    let path = if config.networking.service_cidr.is_empty() {
        "serviceCIDR"
    } else {
        "networking.serviceCIDR"
    };
    let ranges: Vec<&str> =
        config.wanted_service_cidr().split(',').filter(|range| !range.is_empty()).collect();
    for range in &ranges {
        if !is_range(range) {
            problems
                .push(Problem::error(path, format!("{range} is not a range such as 10.96.0.0/12")));
        }
    }
    let of_ipv6 = ranges.iter().filter(|range| range.contains(':')).count();
    if of_ipv6 > 1 || ranges.len() - of_ipv6 > 1 {
        problems.push(Problem::error(path, "there is at most one range for IPv4 and one for IPv6"));
    }
    let domain = &config.networking.advanced.cluster_domain;
    if !is_domain(domain) {
        problems.push(Problem::error(
            "networking.advanced.clusterDomain",
            format!("{domain:?} is not a DNS name"),
        ));
    }
    if config.control_plane.proxy.port < 1024 {
        let message = "the API server runs as a user without rights and cannot listen below 1024";
        problems.push(
            Problem::error("controlPlane.proxy.port", message)
                .hint("the Service listens at 443 whatever it is"),
        );
    }
    let registry = &config.control_plane.advanced.default_image_registry;
    if registry.contains("://") {
        let message = "an image's registry has no scheme";
        problems.push(
            Problem::error("controlPlane.advanced.defaultImageRegistry", message)
                .hint("leave out https://"),
        );
    }
}

fn kinds(config: &Config, problems: &mut Vec<Problem>) {
    let kinds = &config.sync.to_host;
    let needed = [
        (
            kinds.pods.enabled,
            "sync.toHost.pods.enabled",
            "without pods nothing runs in the virtual cluster",
        ),
        (
            kinds.services.enabled,
            "sync.toHost.services.enabled",
            "without services neither DNS nor any service address works",
        ),
        (
            kinds.secrets.enabled,
            "sync.toHost.secrets.enabled",
            "pods that use a secret or a service account will not start",
        ),
        (
            kinds.config_maps.enabled,
            "sync.toHost.configMaps.enabled",
            "pods that use a config map will not start",
        ),
    ];
    problems.extend(
        needed
            .into_iter()
            .filter(|(on, ..)| !on)
            .map(|(_, path, message)| Problem::warning(path, message)),
    );
}

fn budget(config: &Config, problems: &mut Vec<Problem>) {
    let budget = &config.control_plane.advanced.pod_disruption_budget;
    let several = config.control_plane.stateful_set.high_availability.replicas > 1;
    if budget.enabled.or(several)
        && budget.max_unavailable.is_some()
        && budget.min_available.is_some()
    {
        let path = "controlPlane.advanced.podDisruptionBudget.maxUnavailable";
        problems
            .push(Problem::error(path, "only one of maxUnavailable and minAvailable can be set"));
    }
}

fn is_range(range: &str) -> bool {
    let Some((address, bits)) = range.split_once('/') else { return false };
    match (address.parse(), bits.parse::<u8>()) {
        (Ok(IpAddr::V4(_)), Ok(bits)) => bits <= 32,
        (Ok(IpAddr::V6(_)), Ok(bits)) => bits <= 128,
        _ => false,
    }
}

fn is_domain(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(label)
}
