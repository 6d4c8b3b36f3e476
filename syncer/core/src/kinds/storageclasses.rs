//! The host's storage classes: a scheduler inside learns from them when a claim is to be bound, and claims without a class get the host's default.

use crate::mirror::Rule;
use crate::resource::STORAGE_CLASSES;
use crate::{
    Host, Key, Mirror, NotNow, Plan, Resource, Scheduling, Settings, View, Virtual, World,
};

use super::shown;

/// Storage classes of the host.
pub struct StorageClasses;

impl Mirror for StorageClasses {
    fn kind(&self) -> &'static Resource {
        &STORAGE_CLASSES
    }

    fn has_twins(&self) -> bool {
        false
    }

    fn original(&self, _scheduling: &Scheduling) -> Option<&'static Resource> {
        Some(&STORAGE_CLASSES)
    }

    fn host_key(&self, _key: &Virtual<Key>, _settings: &Settings) -> Option<Host<Key>> {
        None
    }

    fn rules(&self) -> &'static [Rule] {
        &[]
    }

    fn plan(&self, view: &View, world: &dyn World, _settings: &Settings) -> Result<Plan, NotNow> {
        let original = world.host(&STORAGE_CLASSES, &Host(view.key().0));
        Ok(shown::plan(&STORAGE_CLASSES, view, original.as_ref(), world))
    }
}
