//! The list of kinds. Each file is one kind; this is the only place that names them all.

pub mod configmaps;
pub mod copied;
pub mod csidrivers;
pub mod csinodes;
pub mod csistoragecapacities;
pub mod endpoints;
pub mod endpointslices;
pub mod events;
pub mod nodes;
pub mod persistentvolumeclaims;
pub mod persistentvolumes;
pub mod pods;
pub mod secrets;
pub mod services;
pub mod shown;
mod status;
pub mod storageclasses;

use crate::mirror::{Mirror, Rule};
use crate::{Host, Key, Settings, Virtual, names};

/// All kinds, in the order in which a fresh start plans them: what pods need comes before pods.
pub fn all() -> Vec<Box<dyn Mirror>> {
    vec![
        Box::new(configmaps::ConfigMaps),
        Box::new(secrets::Secrets),
        Box::new(services::Services),
        Box::new(nodes::Nodes),
        Box::new(storageclasses::StorageClasses),
        Box::new(csidrivers::CsiDrivers),
        Box::new(csinodes::CsiNodes),
        Box::new(csistoragecapacities::CsiStorageCapacities),
        Box::new(endpoints::Endpoints),
        Box::new(endpointslices::EndpointSlices),
        Box::new(persistentvolumeclaims::Claims),
        Box::new(persistentvolumes::Volumes),
        Box::new(pods::Pods),
    ]
}

/// The verbs on resources that hold one object of ours per virtual object.
pub const MIRRORED: &[&str] = &["create", "delete", "get", "list", "patch", "watch"];

/// The verbs, in the whole host cluster, on resources whose objects are shown inside.
pub const SHOWN: &[&str] = &["get", "list", "watch"];

/// The rights on the host that no kind declares: Service `NAME` and its slices are watched whatever is mirrored, and the
/// Service is noted the virtual cluster that it belongs to.
pub const STANDING: &[Rule] = &[
    Rule {
        group: "",
        resources: &["services"],
        verbs: &["get", "list", "patch", "watch"],
        in_admin: true,
    },
    Rule {
        group: "discovery.k8s.io",
        resources: &["endpointslices"],
        verbs: &["list", "watch"],
        in_admin: true,
    },
];

/// The key on the host of a namespaced virtual object, for kinds without special names.
pub fn namespaced_host_key(key: &Virtual<Key>, settings: &Settings) -> Host<Key> {
    let name = names::host_name(key.name(), key.namespace(), &settings.name);
    Host(Key::new(&settings.host_namespace, &name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_may_do_on_the_host_what_its_plans_say() {
        for kind in all().iter().filter(|kind| kind.has_twins()) {
            let resources = [kind.host_kind()].into_iter().chain(kind.side_kinds().iter().copied());
            for resource in resources {
                let held = |verb: &&str| {
                    kind.rules().iter().any(|rule| {
                        rule.group == resource.group
                            && rule.resources.contains(&resource.plural)
                            && rule.verbs.contains(verb)
                    })
                };
                assert!(MIRRORED.iter().all(held), "{}: {resource}", kind.kind());
            }
        }
    }

    #[test]
    fn each_kind_is_one_resource() {
        let kinds = all();
        let resources: std::collections::BTreeSet<_> =
            kinds.iter().map(|kind| kind.kind()).collect();
        assert_eq!(resources.len(), kinds.len());
    }
}
