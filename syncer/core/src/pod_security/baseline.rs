//! `baseline`: what lets a container out, or lets it pretend to be somebody else.

use crate::json::Value;

use crate::kinds::pods::paths::{each, text};

use super::{Pod, Speaker, texts};

/// Capabilities that a container may add: those that container runtimes give anyway, less `NET_RAW`.
const CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Kernel settings that belong to the pod's own namespaces.
const SYSCTLS: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];

/// Types of SELinux that confine as usual.
const SELINUX_TYPES: [&str; 5] =
    ["", "container_engine_t", "container_init_t", "container_kvm_t", "container_t"];

/// Fields of a container through which the kubelet is told to call another host than the pod.
const HOSTS: [&str; 10] = [
    "livenessProbe.httpGet.host",
    "livenessProbe.tcpSocket.host",
    "readinessProbe.httpGet.host",
    "readinessProbe.tcpSocket.host",
    "startupProbe.httpGet.host",
    "startupProbe.tcpSocket.host",
    "lifecycle.postStart.httpGet.host",
    "lifecycle.postStart.tcpSocket.host",
    "lifecycle.preStop.httpGet.host",
    "lifecycle.preStop.tcpSocket.host",
];

/// Where AppArmor's profiles were asked for before there were fields.
const APP_ARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";

pub(super) fn violations(pod: &Pod<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        if pod.spec.get(field) == Some(&Value::Bool(true)) {
            found.push(format!("the pod sets {field}"));
        }
    }
    for volume in each(pod.spec, "volumes[]") {
        if volume.get("hostPath").is_some_and(|source| !source.is_null()) {
            found.push(format!("volume {:?} is a hostPath", text(volume, "name")));
        }
    }
    for name in texts(pod.spec, "securityContext.sysctls[].name") {
        if !SYSCTLS.contains(&name) {
            found.push(format!("the pod sets sysctl {name:?}"));
        }
    }
    for (key, profile) in pod.annotations.as_object().into_iter().flatten() {
        let profile = profile.as_str().unwrap_or_default();
        let confined =
            ["", "runtime/default"].contains(&profile) || profile.starts_with("localhost/");
        if key.starts_with(APP_ARMOR) && !confined {
            found.push(format!("annotation {key} is {profile:?}"));
        }
    }
    for container in pod.containers() {
        let name = text(container, "name");
        if each(container, "ports[].hostPort").iter().any(|port| !is_zero(port)) {
            found.push(format!("container {name:?} has a hostPort"));
        }
        for field in HOSTS {
            if texts(container, field).iter().any(|host| !host.is_empty()) {
                found.push(format!("container {name:?} sets {field}"));
            }
        }
    }
    for container in pod.each_container() {
        found.extend(of_container(&container));
    }
    found.extend(pod.speakers().flat_map(|speaker| of_speaker(&speaker)));
    found
}

/// What only containers can say.
fn of_container(container: &Speaker<'_>) -> Vec<String> {
    let mut found = Vec::new();
    if container.says(&["privileged"], true) {
        found.push(format!("{} is privileged", container.name));
    }
    for capability in texts(container.context, "capabilities.add[]") {
        if !CAPABILITIES.contains(&capability) {
            found.push(format!("{} adds capability {capability}", container.name));
        }
    }
    let path = ["procMount"];
    found.extend(forbidden(container, &path, |value| value == "Default"));
    found
}

/// What the pod can say for all containers, and each for itself.
fn of_speaker(speaker: &Speaker<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let path = ["windowsOptions", "hostProcess"];
    if speaker.says(&path, true) {
        found.push(speaker.sets(&path, &Value::Bool(true)));
    }
    let confined = |value: &str| ["RuntimeDefault", "Localhost"].contains(&value);
    for profile in ["appArmorProfile", "seccompProfile"] {
        found.extend(forbidden(speaker, &[profile, "type"], confined));
    }
    let own = |value: &str| SELINUX_TYPES.contains(&value);
    found.extend(forbidden(speaker, &["seLinuxOptions", "type"], own));
    for member in ["user", "role"] {
        found.extend(forbidden(speaker, &["seLinuxOptions", member], str::is_empty));
    }
    found
}

/// The phrase for a text that is set to something else than what is allowed.
fn forbidden(
    speaker: &Speaker<'_>,
    path: &[&str],
    allowed: impl Fn(&str) -> bool,
) -> Option<String> {
    let value = speaker.at(path)?;
    let fine = value.as_str().is_some_and(allowed);
    (!fine).then(|| speaker.sets(path, value))
}

fn is_zero(port: &Value) -> bool {
    port.is_null() || port.as_f64() == Some(0.0)
}
