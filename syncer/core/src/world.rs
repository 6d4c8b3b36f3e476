//! The neighbours that a decision may look at.

use crate::{Host, Key, Object, Resource, Virtual};

/// A read-only view of both clusters' caches.
///
/// Whatever a plan looks up here is remembered by the engine, absent things too: when it changes, the plan is made
/// again. So a kind never has to say what it depends on; it only looks.
pub trait World {
    /// A virtual object.
    fn virt(&self, kind: &'static Resource, key: &Virtual<Key>) -> Option<Virtual<Object>>;

    /// A host object among those that are ours (marked), or the control plane's own Service.
    fn host(&self, kind: &'static Resource, key: &Host<Key>) -> Option<Host<Object>>;

    /// The virtual objects of a kind in a namespace, in order of names.
    fn virt_in(&self, kind: &'static Resource, namespace: &str) -> Vec<Virtual<Object>>;

    /// The host objects of a kind whose marks name this virtual object of the planned kind: also the ones beside its
    /// one twin, such as a pod's token Secrets.
    fn owned(&self, host_kind: &'static Resource, owner: &Virtual<Key>) -> Vec<Host<Object>>;

    /// Whether some live virtual object refers to this one (see [`crate::Mirror::references`]).
    fn is_referenced(&self, kind: &'static Resource, key: &Virtual<Key>) -> bool;

    /// The host pods of ours on a host node, apart from those of DaemonSets (see `kinds::nodes`).
    fn node_is_used(&self, node: &str) -> bool;

    /// The time of planning.
    fn now(&self) -> jiff::Timestamp;
}
