//! Two clusters in memory: API servers that behave like real ones, and a syncer that carries out plans.
mod admission;
mod clusters;
mod judge;
mod memory;
mod neighbours;
mod server;
mod services;
mod show;
mod strategic;
mod tokens;

pub use clusters::Clusters;
pub use server::{Backup, Failure, failure};
pub use show::{op_line, outcome};

use vcluster_syncer_core::Resource;
use vcluster_syncer_core::resource::{
    CLAIMS, CONFIG_MAPS, CSI_DRIVERS, CSI_NODES, CSI_STORAGE_CAPACITIES, ENDPOINT_SLICES,
    ENDPOINTS, EVENTS, NAMESPACES, NODES, PODS, SECRETS, SERVICES, STORAGE_CLASSES, VOLUMES,
};

/// All resources that the clusters know.
pub static RESOURCES: [&Resource; 15] = [
    &PODS,
    &SERVICES,
    &ENDPOINTS,
    &ENDPOINT_SLICES,
    &CONFIG_MAPS,
    &SECRETS,
    &CLAIMS,
    &VOLUMES,
    &NODES,
    &NAMESPACES,
    &EVENTS,
    &STORAGE_CLASSES,
    &CSI_NODES,
    &CSI_DRIVERS,
    &CSI_STORAGE_CAPACITIES,
];

/// The resource of an object, or one by its plural name or kind.
pub fn resource(name: &str) -> &'static Resource {
    RESOURCES
        .into_iter()
        .find(|resource| resource.plural == name || resource.kind == name)
        .unwrap_or_else(|| panic!("no resource is called {name:?}"))
}
