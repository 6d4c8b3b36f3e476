//! Which kinds the options turn on.

use vcluster_config::Config;
use vcluster_syncer_core::{Mirror, kinds};

/// The kinds to mirror. Nodes always: without them nothing inside could be bound.
pub fn enabled(config: &Config) -> Vec<Box<dyn Mirror>> {
    let to_host = &config.sync.to_host;
    let wanted = |kind: &str| match kind {
        "services" => to_host.services.enabled,
        "endpoints" => to_host.endpoints.enabled,
        "endpointslices" => to_host.endpoint_slices.enabled,
        "configmaps" => to_host.config_maps.enabled,
        "secrets" => to_host.secrets.enabled,
        "persistentvolumeclaims" | "persistentvolumes" => to_host.persistent_volume_claims.enabled,
        "pods" => to_host.pods.enabled,
        _ => true,
    };
    kinds::all().into_iter().filter(|kind| wanted(kind.kind().plural)).collect()
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
        assert_eq!(plurals("").len(), kinds::all().len());
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
}
