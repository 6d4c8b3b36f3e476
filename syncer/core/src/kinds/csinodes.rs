//! What drivers of storage each node has, and how many volumes they bear: a scheduler inside counts.

use crate::mirror::Rule;
use crate::resource::{CSI_NODES, NODES};
use crate::{
    Host, Key, Mirror, NotNow, Plan, Resource, Scheduling, Settings, View, Virtual, World,
};

use super::shown;

/// Drivers of storage by node.
pub struct CsiNodes;

impl Mirror for CsiNodes {
    fn kind(&self) -> &'static Resource {
        &CSI_NODES
    }

    fn has_twins(&self) -> bool {
        false
    }

    fn original(&self, _scheduling: &Scheduling) -> Option<&'static Resource> {
        Some(&CSI_NODES)
    }

    fn neighbours(&self) -> &'static [&'static Resource] {
        static NEIGHBOURS: [&Resource; 1] = [&NODES];
        &NEIGHBOURS
    }

    fn host_key(&self, _key: &Virtual<Key>, _settings: &Settings) -> Option<Host<Key>> {
        None
    }

    fn rules(&self) -> &'static [Rule] {
        &[]
    }

    fn plan(&self, view: &View, world: &dyn World, _settings: &Settings) -> Result<Plan, NotNow> {
        let key = view.key();
        // The nodes that the virtual cluster sees, and no others.
        let original = world.virt(&NODES, &key).and_then(|_| world.host(&CSI_NODES, &Host(key.0)));
        Ok(shown::plan(&CSI_NODES, view, original.as_ref(), world))
    }
}
