//! The host's drivers of storage: a scheduler inside learns from them whether capacity counts.

use crate::mirror::Rule;
use crate::resource::CSI_DRIVERS;
use crate::{
    Host, Key, Mirror, NotNow, Plan, Resource, Scheduling, Settings, View, Virtual, World,
};

use super::shown;

/// Drivers of storage on the host.
pub struct CsiDrivers;

impl Mirror for CsiDrivers {
    fn kind(&self) -> &'static Resource {
        &CSI_DRIVERS
    }

    fn has_twins(&self) -> bool {
        false
    }

    fn original(&self, _scheduling: &Scheduling) -> Option<&'static Resource> {
        Some(&CSI_DRIVERS)
    }

    fn host_key(&self, _key: &Virtual<Key>, _settings: &Settings) -> Option<Host<Key>> {
        None
    }

    fn rules(&self) -> &'static [Rule] {
        &[]
    }

    fn plan(&self, view: &View, world: &dyn World, _settings: &Settings) -> Result<Plan, NotNow> {
        let original = world.host(&CSI_DRIVERS, &Host(view.key().0));
        Ok(shown::plan(&CSI_DRIVERS, view, original.as_ref(), world))
    }
}
