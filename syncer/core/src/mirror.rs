//! The one trait that a kind implements, and the part most kinds share.

use crate::{
    Host, Key, NotNow, Object, Plan, Resource, Scheduling, Settings, Unread, Virtual, World,
};

/// One kind of object kept the same in both clusters.
///
/// To add a kind: one file under `kinds/`, one line in [`crate::kinds::all`], one folder of cases under
/// `tests/cases/`.
pub trait Mirror: Send + Sync + 'static {
    /// The virtual resource; its `plural` is the kind's name everywhere.
    fn kind(&self) -> &'static Resource;

    /// The host resource of the twin. A node's, for instance, is a Service.
    fn host_kind(&self) -> &'static Resource {
        self.kind()
    }

    /// Whether it has twins on the host at all; if not, the host resource is not watched for it.
    fn has_twins(&self) -> bool {
        true
    }

    /// Further host resources in which this kind keeps objects of its own, such as a pod's token Secrets.
    fn side_kinds(&self) -> &'static [&'static Resource] {
        &[]
    }

    /// The host resource that virtual objects of this kind are made from. It belongs to the host as a whole and bears no
    /// marks; to watch it takes rights in the whole host cluster. Plans find its objects by [`World::host`].
    fn original(&self, _scheduling: &Scheduling) -> Option<&'static Resource> {
        None
    }

    /// The virtual key under which an original is shown.
    fn shown_as(&self, original: &Host<Key>) -> Virtual<Key> {
        Virtual(original.0.clone())
    }

    /// Virtual resources, besides its own, that plans look up or write; they are watched while the kind is on.
    fn neighbours(&self) -> &'static [&'static Resource] {
        &[]
    }

    /// Virtual keys to plan at start even if neither side has them: objects that we make inside of our own accord.
    fn standing(&self) -> Vec<Virtual<Key>> {
        Vec::new()
    }

    /// Query parameters that narrow the watch of the virtual resource: `&labelSelector=...`, `&fieldSelector=...`. A
    /// virtual object that they exclude does not exist for this kind.
    fn virtual_query(&self) -> &'static str {
        ""
    }

    /// A label, beside the marker, that all host objects of this kind carry: it narrows the watch of the host resource
    /// where host controllers copy the marker onto objects of their own.
    fn also_labelled(&self) -> Option<(&'static str, &'static str)> {
        None
    }

    /// The twin's key on the host; nothing for objects that are never mirrored.
    fn host_key(&self, key: &Virtual<Key>, settings: &Settings) -> Option<Host<Key>>;

    /// Whether a marked host object of a side kind carries the name that this kind would have given it.
    fn owns_beside(
        &self,
        _host: &Host<Object>,
        _owner: &crate::metadata::Owner,
        _settings: &Settings,
    ) -> bool {
        false
    }

    /// Takes away what no plan looks at from a host object of a side kind, or from an original, before it is cached.
    fn slim(&self, _host: &mut Object) {}

    /// What of its host objects no plan looks at: it is not even parsed.
    fn unread(&self) -> &'static [Unread] {
        &[]
    }

    /// The virtual objects that this one needs on the host: config maps and secrets of a pod.
    fn references(&self, _virt: &Virtual<Object>) -> Vec<(&'static Resource, Virtual<Key>)> {
        Vec::new()
    }

    /// How much of the virtual objects the caches keep.
    fn keep(&self) -> Keep {
        Keep::Whole
    }

    /// What becomes of a host object that was kept after its virtual object's store was lost.
    fn after_loss(&self) -> AfterLoss {
        AfterLoss::HandedOver
    }

    /// The rights on the host that this kind needs in the control-plane namespace.
    fn rules(&self) -> &'static [Rule];

    /// Decides. Must be a pure function of its arguments.
    ///
    /// # Errors
    /// Why nothing can be done now; see [`NotNow`].
    fn plan(&self, view: &View, world: &dyn World, settings: &Settings) -> Result<Plan, NotNow>;
}

/// How much of a virtual object its cache keeps (design D7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// All of it.
    Whole,
    /// Key, UID and version only, unless something refers to it.
    WhenReferenced,
}

/// What becomes of a kept host object (see [`crate::kept`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterLoss {
    /// The virtual object that comes back under its key gets it.
    HandedOver,
    /// The virtual object that comes back gets a new one in its place: nothing in it is worth more than a fresh start.
    Replaced,
    /// There is nothing to keep: the virtual object is made by us, from what is on the host.
    Ours,
}

/// Rights on the host: the verbs a kind uses on some resources of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// API group, `""` for the core group.
    pub group: &'static str,
    /// Resources, with subresources as `pods/exec`.
    pub resources: &'static [&'static str],
    /// Verbs. Never `*`, never `update`.
    pub verbs: &'static [&'static str],
    /// Whether the built-in ClusterRole `admin` holds it, so that a namespace's admin can install it (design D11).
    pub in_admin: bool,
}

/// The state of one key: its virtual object, its host twin, or both.
///
/// A host object is in here only if marks and name say that it is ours. Its UID mark may be another object's: one
/// that had the same key before.
#[derive(Clone, Debug)]
pub enum View {
    /// Only the virtual object is there.
    VirtualOnly {
        /// The virtual object.
        virt: Virtual<Object>,
    },
    /// Only the host twin is there.
    HostOnly {
        /// The virtual key that the host object's marks name.
        key: Virtual<Key>,
        /// The host object.
        host: Host<Object>,
        /// What is known about the virtual object's absence.
        gone: Gone,
    },
    /// Both are there.
    Both {
        /// The virtual object.
        virt: Virtual<Object>,
        /// The host object.
        host: Host<Object>,
    },
    /// Neither is there: what was beside the twin may be left, or the virtual object is ours to make.
    Neither {
        /// The virtual key.
        key: Virtual<Key>,
        /// What is known about the virtual object's absence.
        gone: Gone,
    },
}

/// What is known about a virtual object that is absent from the cache. Absence is not a wish to delete (design D6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// The cache lacks it: no more than that.
    Unproven,
    /// A fresh read of the API server said 404.
    Read,
    /// It was seen being deleted.
    Seen,
}

impl View {
    /// The virtual key.
    pub fn key(&self) -> Virtual<Key> {
        match self {
            View::VirtualOnly { virt } | View::Both { virt, .. } => Virtual(virt.key()),
            View::HostOnly { key, .. } | View::Neither { key, .. } => key.clone(),
        }
    }

    /// The virtual object.
    pub fn virt(&self) -> Option<&Virtual<Object>> {
        match self {
            View::VirtualOnly { virt } | View::Both { virt, .. } => Some(virt),
            View::HostOnly { .. } | View::Neither { .. } => None,
        }
    }

    /// The host object.
    pub fn host(&self) -> Option<&Host<Object>> {
        match self {
            View::HostOnly { host, .. } | View::Both { host, .. } => Some(host),
            View::VirtualOnly { .. } | View::Neither { .. } => None,
        }
    }
}

/// Whether a host object is the twin of this very virtual object, not of one that had its key before.
pub fn is_twin(virt: &Virtual<Object>, host: &Host<Object>) -> bool {
    host.annotation(crate::labels::OBJECT_UID) == Some(virt.uid())
}
