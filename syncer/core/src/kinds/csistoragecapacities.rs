//! How much storage of each class the host has left, and where: a scheduler inside places pods with claims by it.

use crate::mirror::Rule;
use crate::resource::CSI_STORAGE_CAPACITIES;
use crate::{
    Host, Key, Mirror, NotNow, Plan, Resource, Scheduling, Settings, View, Virtual, World,
};

use super::shown;

/// Capacities of storage on the host.
pub struct CsiStorageCapacities;

/// Where they are shown. It is there in every cluster.
const NAMESPACE: &str = "kube-system";

impl Mirror for CsiStorageCapacities {
    fn kind(&self) -> &'static Resource {
        &CSI_STORAGE_CAPACITIES
    }

    fn has_twins(&self) -> bool {
        false
    }

    fn original(&self, _scheduling: &Scheduling) -> Option<&'static Resource> {
        Some(&CSI_STORAGE_CAPACITIES)
    }

    /// The host's namespaces are not there inside, so their names become part of its objects' names.
    fn shown_as(&self, original: &Host<Key>) -> Virtual<Key> {
        let name = format!("{}.{}", original.namespace(), original.name());
        Virtual(Key::new(NAMESPACE, &name))
    }

    fn host_key(&self, _key: &Virtual<Key>, _settings: &Settings) -> Option<Host<Key>> {
        None
    }

    fn rules(&self) -> &'static [Rule] {
        &[]
    }

    fn plan(&self, view: &View, world: &dyn World, _settings: &Settings) -> Result<Plan, NotNow> {
        let key = view.key();
        let named = key.name().split_once('.').filter(|_| key.namespace() == NAMESPACE);
        let original = named.and_then(|(namespace, name)| {
            world.host(&CSI_STORAGE_CAPACITIES, &Host(Key::new(namespace, name)))
        });
        Ok(shown::plan(&CSI_STORAGE_CAPACITIES, view, original.as_ref(), world))
    }
}
