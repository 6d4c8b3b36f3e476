//! The list of kinds. Each file is one kind; this is the only place that names them all.

pub mod configmaps;
pub mod copied;
pub mod endpoints;
pub mod endpointslices;
pub mod events;
pub mod nodes;
pub mod persistentvolumeclaims;
pub mod persistentvolumes;
pub mod pods;
pub mod secrets;
pub mod services;
mod status;

use crate::mirror::{Mirror, Rule};
use crate::{Host, Key, Settings, Virtual, names};

/// All kinds, in the order in which a fresh start plans them: what pods need comes before pods.
pub fn all() -> Vec<Box<dyn Mirror>> {
    vec![
        Box::new(configmaps::ConfigMaps),
        Box::new(secrets::Secrets),
        Box::new(services::Services),
        Box::new(nodes::Nodes),
        Box::new(endpoints::Endpoints),
        Box::new(endpointslices::EndpointSlices),
        Box::new(persistentvolumeclaims::Claims),
        Box::new(persistentvolumes::Volumes),
        Box::new(pods::Pods),
    ]
}

/// The verbs on resources that hold one object of ours per virtual object.
pub const MIRRORED: &[&str] = &["create", "delete", "get", "list", "patch", "watch"];

/// The rights on the host that are not any kind's: its events are told inside, and with several replicas one leads.
pub fn base_rules(several_replicas: bool) -> Vec<Rule> {
    const READ: &[&str] = &["get", "list", "watch"];
    const LEAD: &[&str] = &["create", "get", "patch"];
    let events = Rule { group: "", resources: &["events"], verbs: READ, in_admin: true };
    let group = "coordination.k8s.io";
    let leases = Rule { group, resources: &["leases"], verbs: LEAD, in_admin: true };
    if several_replicas { vec![events, leases] } else { vec![events] }
}

/// All rights that the syncer needs in the control-plane namespace. The chart's Roles grant exactly these. Two kinds may
/// name the same right.
pub fn rules(several_replicas: bool) -> Vec<Rule> {
    let kinds = all();
    let of_kinds = kinds.iter().flat_map(|kind| kind.rules().iter().copied());
    base_rules(several_replicas).into_iter().chain(of_kinds).collect()
}

/// The key on the host of a namespaced virtual object, for kinds without special names.
pub fn namespaced_host_key(key: &Virtual<Key>, settings: &Settings) -> Host<Key> {
    let name = names::host_name(key.name(), key.namespace(), &settings.name);
    Host(Key::new(&settings.host_namespace, &name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_few_and_named() {
        let mut pairs = std::collections::BTreeSet::new();
        for rule in rules(true) {
            for resource in rule.resources {
                for verb in rule.verbs {
                    assert!(
                        !["*", "update", "deletecollection"].contains(verb),
                        "{resource} {verb}"
                    );
                    assert!(!resource.contains('*') && *resource != "nodes/proxy", "{resource}");
                    pairs.insert((rule.group, *resource, *verb));
                }
            }
        }
        assert!(pairs.len() <= 60, "{} rights: {pairs:?}", pairs.len());
    }

    #[test]
    fn each_kind_is_one_resource() {
        let kinds = all();
        let resources: std::collections::BTreeSet<_> =
            kinds.iter().map(|kind| kind.kind()).collect();
        assert_eq!(resources.len(), kinds.len());
    }
}
