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

/// The rights on the host that are not any kind's: the control plane's own Service, its StatefulSet, events.
pub fn base_rules() -> &'static [Rule] {
    &[Rule { group: "", resources: &["events"], verbs: &["get", "list", "watch"], in_admin: true }]
}

/// The key on the host of a namespaced virtual object, for kinds without special names.
pub fn namespaced_host_key(key: &Virtual<Key>, settings: &Settings) -> Host<Key> {
    let name = names::host_name(key.name(), key.namespace(), &settings.name);
    Host(Key::new(&settings.host_namespace, &name))
}
