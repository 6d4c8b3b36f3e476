//! Which kinds the options turn on, and what they say about nodes and schedulers.

use vcluster_config::Config;
use vcluster_syncer_core::{HostNodes, Mirror, Resource, Scheduling, Which, kinds};

/// The kinds to mirror. Nodes always: without them nothing inside could be bound.
pub fn enabled(config: &Config) -> Vec<Box<dyn Mirror>> {
    let (to_host, from_host) = (&config.sync.to_host, &config.sync.from_host);
    let wanted = |kind: &str| match kind {
        "services" => to_host.services.enabled,
        "endpoints" => to_host.endpoints.enabled,
        "endpointslices" => to_host.endpoint_slices.enabled,
        "configmaps" => to_host.config_maps.enabled,
        "secrets" => to_host.secrets.enabled,
        "persistentvolumeclaims" | "persistentvolumes" => to_host.persistent_volume_claims.enabled,
        "pods" => to_host.pods.enabled,
        "storageclasses" => config.shows_storage(from_host.storage_classes.enabled),
        "csidrivers" => config.shows_storage(from_host.csi_drivers.enabled),
        "csinodes" => config.shows_storage(from_host.csi_nodes.enabled),
        "csistoragecapacities" => config.shows_storage(from_host.csi_storage_capacities.enabled),
        _ => true,
    };
    kinds::all().into_iter().filter(|kind| wanted(kind.kind().plural)).collect()
}

/// Who places pods, and which nodes are shown.
pub fn scheduling(config: &Config) -> Scheduling {
    let nodes = &config.sync.from_host.nodes;
    let (inside, any_inside) = (config.has_scheduler(), config.schedules_inside());
    let which = if !nodes.selector.labels.is_empty() {
        Which::Labelled(nodes.selector.labels.clone())
    } else if nodes.selector.all || any_inside {
        // A scheduler that saw used nodes only would have none to begin with.
        Which::All
    } else {
        Which::InUse
    };
    let hybrid = &config.sync.to_host.pods.hybrid_scheduling;
    Scheduling {
        inside,
        of_host: hybrid.enabled.then(|| hybrid.host_schedulers.clone()),
        nodes: (nodes.enabled || any_inside)
            .then_some(HostNodes { which, without_images: nodes.clear_image_status }),
    }
}

/// What is read of the host beyond the namespace of the control plane.
pub fn originals(config: &Config) -> Vec<&'static Resource> {
    let scheduling = scheduling(config);
    enabled(config).iter().filter_map(|kind| kind.original(&scheduling)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plurals(yaml: &str) -> Vec<&'static str> {
        let config = vcluster_config::load("test", yaml).unwrap().config;
        enabled(&config).iter().map(|kind| kind.kind().plural).collect()
    }

    #[test]
    fn options_turn_kinds_off() {
        let storage = ["storageclasses", "csidrivers", "csinodes", "csistoragecapacities"];
        let all: Vec<_> = kinds::all().iter().map(|kind| kind.kind().plural).collect();
        let by_default: Vec<_> =
            all.iter().filter(|kind| !storage.contains(kind)).copied().collect();
        assert_eq!(plurals(""), by_default);
        let inside = "controlPlane: {advanced: {virtualScheduler: {enabled: true}}}";
        assert_eq!(plurals(inside), all);
        let fewer = plurals(
            "sync: {toHost: {persistentVolumeClaims: {enabled: false}, secrets: {enabled: false}}}",
        );
        assert!(
            !fewer
                .iter()
                .any(|kind| ["secrets", "persistentvolumes", "persistentvolumeclaims"]
                    .contains(kind))
        );
        assert!(fewer.contains(&"pods"));
    }

    #[test]
    fn a_scheduler_inside_sees_all_nodes_unless_told_otherwise() {
        let scheduling = |yaml: &str| scheduling(&vcluster_config::load("t", yaml).unwrap().config);
        let which = |yaml: &str| scheduling(yaml).nodes.map(|nodes| nodes.which);
        assert_eq!(scheduling(""), Scheduling::default());
        let inside = "controlPlane: {advanced: {virtualScheduler: {enabled: true}}}\n";
        assert!(scheduling(inside).inside);
        assert_eq!(which(inside), Some(Which::All));
        assert_eq!(which("sync: {fromHost: {nodes: {enabled: true}}}"), Some(Which::InUse));
        let labelled = "sync: {fromHost: {nodes: {enabled: true, selector: {labels: {a: b}}}}}";
        let labels = std::collections::BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        assert_eq!(which(labelled), Some(Which::Labelled(labels.clone())));
        assert_eq!(which(&format!("{inside}{labelled}")), Some(Which::Labelled(labels)));
        let hybrid = scheduling(
            "sync: {toHost: {pods: {hybridScheduling: {enabled: true, hostSchedulers: [gangs]}}}}",
        );
        assert_eq!((hybrid.inside, hybrid.of_host), (false, Some(vec!["gangs".to_owned()])));
        assert!(hybrid.nodes.is_some());
    }
}
