//! The neighbours that a decision may look at.

use crate::{Gone, Host, Key, Object, Refusal, Resource, Side, Virtual};

/// A read-only view of both clusters' caches.
///
/// Whatever a plan looks up here is remembered by the engine, absent things too: when it changes, the plan is made
/// again. So a kind never has to say what it depends on; it only looks.
pub trait World {
    /// A virtual object.
    fn virt(&self, kind: &'static Resource, key: &Virtual<Key>) -> Option<Virtual<Object>>;

    /// A host object among those that are ours (marked), the control plane's own Service, or an original (see
    /// [`crate::Mirror::original`]).
    fn host(&self, kind: &'static Resource, key: &Host<Key>) -> Option<Host<Object>>;

    /// The virtual objects of a kind in a namespace, in order of names; with namespace `""` all objects of a kind
    /// without namespaces.
    fn virt_in(&self, kind: &'static Resource, namespace: &str) -> Vec<Virtual<Object>>;

    /// The host objects of a kind whose marks name this virtual object of the planned kind: also the ones beside its
    /// one twin, such as a pod's token Secrets.
    fn owned(&self, host_kind: &'static Resource, owner: &Virtual<Key>) -> Vec<Host<Object>>;

    /// Whether some live virtual object refers to this one (see [`crate::Mirror::references`]).
    fn is_referenced(&self, kind: &'static Resource, key: &Virtual<Key>) -> bool;

    /// All host objects of a resource that belong to virtual objects of one kind, in order of names.
    fn all_owned(&self, host_kind: &'static Resource, of: &'static Resource) -> Vec<Host<Object>>;

    /// The host's endpoint slices of Service `NAME`: where the virtual API server is.
    fn control_plane_slices(&self) -> Vec<Host<Object>>;

    /// Whether host pods of ours run on a host node; only those count that [`crate::kinds::nodes::node_of`] names.
    fn node_use(&self, node: &str) -> NodeUse;

    /// What the API servers refused of the planned key's writes since its virtual object last changed: all of it, in
    /// order, so that a plan can go round each. Remembered in memory only; after a restart it is asked again.
    fn refusals(&self) -> Vec<Refusal>;

    /// Whether the planned key's virtual object with this UID was seen being deleted: the watch told of its end. What
    /// is known of another object under the same key proves nothing.
    fn seen_deleted(&self, _uid: &str) -> bool {
        false
    }

    /// What is known about the host twin that the view lacks: absent from the cache proves nothing ([`Gone::Unproven`]),
    /// a fresh read said so ([`Gone::Read`]), or a fresh read said so and this process had it in its cache before
    /// ([`Gone::Seen`]). The last two differ because a paused virtual cluster finds its host pods gone when it starts.
    fn twin_gone(&self) -> Gone;

    /// Whether the planned key's host twin was being deleted already when this process first saw it: a pause, or a syncer
    /// that was down. As with [`Gone::Read`], nobody inside has seen it go.
    fn twin_was_ending(&self) -> bool;

    /// Fields that an API server was seen to drop from patches, being older than whoever wrote them: paths as
    /// [`crate::skew::dropped`] gives them. Asking for them again would never end.
    fn drops(&self, _side: Side, _kind: &'static Resource) -> Vec<String> {
        Vec::new()
    }

    /// The time of planning.
    fn now(&self) -> jiff::Timestamp;
}

/// Whether a host node runs pods of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeUse {
    /// It does.
    Used,
    /// It did, until this time.
    UnusedSince(jiff::Timestamp),
    /// None was ever seen there; nothing more is known.
    Unknown,
}
