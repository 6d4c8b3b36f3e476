//! `syncer.extraArgs`: arguments of the classic syncer, most of which have a key of their own now.

use serde_json::{Map, Value, json};

use super::Turned;

/// What becomes of an argument's value.
enum Flag {
    /// Text.
    Text(&'static str),
    /// A whole number.
    Number(&'static str),
    /// True, unless it says false.
    Switch(&'static str),
    /// One more item, or several apart by commas.
    Item(&'static str),
    /// One more `a=b` of a map.
    Pair(&'static str),
    /// One more `from=to` of replicated services.
    Service(&'static str),
    /// Nothing, for this reason.
    Gone(&'static str),
}

use Flag::{Gone, Item, Number, Pair, Service, Switch, Text};

#[rustfmt::skip]
const FLAGS: &[(&str, Flag)] = &[
    ("tls-san", Item("controlPlane.proxy.extraSANs")),
    ("bind-address", Text("controlPlane.proxy.bindAddress")),
    ("port", Number("controlPlane.proxy.port")),
    ("out-kube-config-secret", Text("exportKubeConfig.secret.name")),
    ("out-kube-config-secret-namespace", Text("exportKubeConfig.secret.namespace")),
    ("out-kube-config-server", Text("exportKubeConfig.server")),
    ("kube-config-context-name", Text("exportKubeConfig.context")),
    ("cluster-domain", Text("networking.advanced.clusterDomain")),
    ("default-image-registry", Text("controlPlane.advanced.defaultImageRegistry")),
    ("lease-duration", Number("controlPlane.statefulSet.highAvailability.leaseDuration")),
    ("renew-deadline", Number("controlPlane.statefulSet.highAvailability.renewDeadline")),
    ("retry-period", Number("controlPlane.statefulSet.highAvailability.retryPeriod")),
    ("target-namespace", Text("experimental.syncSettings.targetNamespace")),
    ("set-owner", Switch("experimental.syncSettings.setOwner")),
    ("sync-labels", Item("experimental.syncSettings.syncLabels")),
    ("sync-all-configmaps", Switch("sync.toHost.configMaps.all")),
    ("sync-all-secrets", Switch("sync.toHost.secrets.all")),
    ("sync-all-nodes", Switch("sync.fromHost.nodes.selector.all")),
    ("sync-node-changes", Switch("sync.fromHost.nodes.syncBackChanges")),
    ("node-clear-image-status", Switch("sync.fromHost.nodes.clearImageStatus")),
    ("node-selector", Pair("sync.fromHost.nodes.selector.labels")),
    ("enforce-toleration", Item("sync.toHost.pods.enforceTolerations")),
    ("translate-image", Pair("sync.toHost.pods.translateImage")),
    ("service-account-token-secrets", Switch("sync.toHost.pods.useSecretsForSATokens")),
    ("override-hosts", Switch("sync.toHost.pods.rewriteHosts.enabled")),
    ("override-hosts-container-image", Text("sync.toHost.pods.rewriteHosts.initContainer.image")),
    ("enable-scheduler", Switch("controlPlane.advanced.virtualScheduler.enabled")),
    ("fake-kubelet-ips", Switch("networking.advanced.proxyKubelets.byIP")),
    ("proxy-metrics-server", Switch("integrations.metricsServer.enabled")),
    ("enforce-pod-security-standard", Text("policies.podSecurityStandard")),
    ("map-virtual-service", Service("networking.replicateServices.toHost")),
    ("map-host-service", Service("networking.replicateServices.fromHost")),
    ("mount-physical-host-paths", Switch("controlPlane.hostPathMapper.enabled")),
    ("rewrite-host-paths", Switch("controlPlane.hostPathMapper.enabled")),
    ("multi-namespace-mode", Switch("experimental.multiNamespaceMode.enabled")),
    ("namespace-labels", Pair("experimental.multiNamespaceMode.namespaceLabels")),
    ("plugins", Gone("plugins are Go programs that only the Go syncer can load")),
    ("leader-elect", Gone("several replicas elect a leader by themselves")),
    ("name", Gone("it is the release's name")),
    ("service-account", Gone("controlPlane.advanced.workloadServiceAccount.name says it")),
];

/// Kinds of `--sync=a,-b` whose key is called otherwise, and where it is.
const SYNC: &[(&str, &str)] = &[
    ("services", "sync.toHost.services.enabled"),
    ("configmaps", "sync.toHost.configMaps.enabled"),
    ("secrets", "sync.toHost.secrets.enabled"),
    ("endpoints", "sync.toHost.endpoints.enabled"),
    ("pods", "sync.toHost.pods.enabled"),
    ("events", "sync.fromHost.events.enabled"),
    ("persistentvolumeclaims", "sync.toHost.persistentVolumeClaims.enabled"),
    ("ingresses", "sync.toHost.ingresses.enabled"),
    ("ingressclasses", "sync.fromHost.ingressClasses.enabled"),
    ("nodes", "sync.fromHost.nodes.enabled"),
    ("persistentvolumes", "sync.toHost.persistentVolumes.enabled"),
    ("storageclasses", "sync.toHost.storageClasses.enabled"),
    ("hoststorageclasses", "sync.fromHost.storageClasses.enabled"),
    ("legacy-storageclasses", "sync.fromHost.storageClasses.enabled"),
    ("priorityclasses", "sync.toHost.priorityClasses.enabled"),
    ("networkpolicies", "sync.toHost.networkPolicies.enabled"),
    ("volumesnapshots", "sync.toHost.volumeSnapshots.enabled"),
    ("poddisruptionbudgets", "sync.toHost.podDisruptionBudgets.enabled"),
    ("serviceaccounts", "sync.toHost.serviceAccounts.enabled"),
    ("csinodes", "sync.fromHost.csiNodes.enabled"),
    ("csidrivers", "sync.fromHost.csiDrivers.enabled"),
    ("csistoragecapacities", "sync.fromHost.csiStorageCapacities.enabled"),
];

/// Turns each argument. Flags come last, over the keys.
pub(super) fn turn(turned: &mut Turned<'_>, path: &str, value: &Value) {
    for argument in value.as_array().into_iter().flatten().filter_map(Value::as_str) {
        let bare = argument.trim_start_matches('-');
        let (name, said) = bare.split_once('=').unwrap_or((bare, "true"));
        if name == "sync" {
            said.split(',').for_each(|kind| sync(turned, path, kind.trim()));
            continue;
        }
        match FLAGS.iter().find(|(flag, _)| *flag == name) {
            Some((_, flag)) => flag_to(turned, path, argument, flag, said),
            None => turned.note(path, format!("{argument} was left out: it has no counterpart")),
        }
    }
}

fn flag_to(turned: &mut Turned<'_>, path: &str, argument: &str, flag: &Flag, said: &str) {
    let said = said.trim_matches('"');
    match flag {
        Text(to) => turned.later.push(((*to).to_owned(), said.into())),
        Switch(to) => turned.later.push(((*to).to_owned(), (said != "false").into())),
        Number(to) => match said.parse::<u64>() {
            Ok(number) => turned.later.push(((*to).to_owned(), number.into())),
            Err(_) => turned.note(path, format!("{argument} was left out: it is not a number")),
        },
        Item(to) => {
            let items: Vec<Value> = said.split(',').map(|item| item.trim().into()).collect();
            turned.append(to, &Value::Array(items));
        }
        Pair(to) => {
            let pairs = said.split(',').filter_map(|pair| pair.split_once('='));
            let pairs = pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().into()));
            turned.put(to, Value::Object(Map::from_iter(pairs)));
        }
        Service(to) => match said.split_once('=') {
            Some((from, into)) => turned.append(to, &json!([{ "from": from, "to": into }])),
            None => turned.note(path, format!("{argument} was left out: it maps to nothing")),
        },
        Gone(why) => turned.note(path, format!("{argument} was left out: {why}")),
    }
}

fn sync(turned: &mut Turned<'_>, path: &str, kind: &str) {
    let (name, on) = kind.strip_prefix('-').map_or((kind, true), |name| (name, false));
    match SYNC.iter().find(|(known, _)| *known == name) {
        Some((_, to)) => turned.later.push(((*to).to_owned(), on.into())),
        None => turned.note(path, format!("--sync={kind} was left out: it has no counterpart")),
    }
}

#[cfg(test)]
pub(super) fn targets() -> impl Iterator<Item = &'static str> {
    let flags = FLAGS.iter().filter_map(|(_, flag)| match flag {
        Text(to) | Number(to) | Switch(to) | Item(to) | Pair(to) | Service(to) => Some(*to),
        Gone(_) => None,
    });
    flags.chain(SYNC.iter().map(|(_, to)| *to))
}
