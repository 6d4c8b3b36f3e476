//! Config maps that something in the virtual cluster refers to.

use crate::json::Value;

use crate::mirror::{Keep, Rule};
use crate::resource::CONFIG_MAPS;
use crate::{Host, Key, Mirror, NotNow, Object, Plan, Resource, Settings, View, Virtual, World};

use super::copied;

/// Config maps: copied to the host while referenced (or always, with `sync.toHost.configMaps.all`).
pub struct ConfigMaps;

impl Mirror for ConfigMaps {
    fn kind(&self) -> &'static Resource {
        &CONFIG_MAPS
    }

    fn host_key(&self, key: &Virtual<Key>, settings: &Settings) -> Option<Host<Key>> {
        host_key(key, settings)
    }

    fn keep(&self) -> Keep {
        Keep::WhenReferenced
    }

    fn rules(&self) -> &'static [Rule] {
        &[Rule { group: "", resources: &["configmaps"], verbs: super::MIRRORED, in_admin: true }]
    }

    fn plan(&self, view: &View, world: &dyn World, settings: &Settings) -> Result<Plan, NotNow> {
        let wanted = settings.all_config_maps || world.is_referenced(&CONFIG_MAPS, &view.key());
        copied::plan(
            &CONFIG_MAPS,
            view,
            wanted,
            host_key(&view.key(), settings),
            settings,
            translate,
        )
    }
}

/// The name of the config map with the cluster's CA, which the virtual cluster keeps in every namespace.
pub const ROOT_CA: &str = "kube-root-ca.crt";

/// The key on the host of a config map. All `kube-root-ca.crt` are the same, so they share one twin.
pub fn host_key(key: &Virtual<Key>, settings: &Settings) -> Option<Host<Key>> {
    if key.name() == ROOT_CA {
        let shared = crate::names::safe_concat(&["vcluster", ROOT_CA, "x", &settings.name]);
        return (key.namespace() == "default")
            .then(|| Host(Key::new(&settings.host_namespace, &shared)));
    }
    Some(super::namespaced_host_key(key, settings))
}

fn translate(virt: &Virtual<Object>, _metadata: &mut Value) -> copied::Fields {
    ["data", "binaryData", "immutable"].map(|field| (field, virt.at(&[field]).cloned())).into()
}
