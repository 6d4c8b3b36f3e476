//! A world for tests of single decisions.

use crate::json::json;
use jiff::Timestamp;

use crate::world::NodeUse;
use crate::{Gone, Host, Key, Object, Refusal, Resource, Virtual, World};

/// Some objects, and a clock that stands.
pub struct Alone {
    pub virt: Vec<(&'static Resource, Virtual<Object>)>,
    pub host: Vec<(&'static Resource, Host<Object>)>,
    pub twin_gone: Gone,
    pub now: Timestamp,
}

impl Default for Alone {
    fn default() -> Self {
        let now = Timestamp::from_second(1_800_000_000).expect("in range");
        Alone { virt: Vec::new(), host: Vec::new(), twin_gone: Gone::Unproven, now }
    }
}

impl Alone {
    /// Namespaces with a label `team` each.
    pub fn with_namespaces(namespaces: &[(&str, &str)]) -> Alone {
        let made = namespaces.iter().map(|(name, team)| {
            let object = json!({"metadata": {"name": name, "labels": {"team": team}}});
            (&crate::resource::NAMESPACES as &'static Resource, Virtual(Object::new(object)))
        });
        Alone { virt: made.collect(), ..Alone::default() }
    }
}

impl World for Alone {
    fn virt(&self, kind: &'static Resource, key: &Virtual<Key>) -> Option<Virtual<Object>> {
        let mut found =
            self.virt.iter().filter(|(of, object)| *of == kind && object.key() == **key);
        found.next().map(|(_, object)| object.clone())
    }

    fn host(&self, kind: &'static Resource, key: &Host<Key>) -> Option<Host<Object>> {
        let mut found =
            self.host.iter().filter(|(of, object)| *of == kind && object.key() == **key);
        found.next().map(|(_, object)| object.clone())
    }

    fn virt_in(&self, kind: &'static Resource, namespace: &str) -> Vec<Virtual<Object>> {
        let of_kind =
            self.virt.iter().filter(|(of, object)| *of == kind && object.namespace() == namespace);
        of_kind.map(|(_, object)| object.clone()).collect()
    }

    fn owned(&self, host_kind: &'static Resource, owner: &Virtual<Key>) -> Vec<Host<Object>> {
        let marked = self.host.iter().filter(|(of, object)| {
            let named = object.annotation(crate::labels::OBJECT_NAME) == Some(owner.name());
            *of == host_kind && named
        });
        marked.map(|(_, object)| object.clone()).collect()
    }

    fn is_referenced(&self, _: &'static Resource, _: &Virtual<Key>) -> bool {
        true
    }

    fn all_owned(&self, _: &'static Resource, _: &'static Resource) -> Vec<Host<Object>> {
        Vec::new()
    }

    fn control_plane_slices(&self) -> Vec<Host<Object>> {
        Vec::new()
    }

    fn node_use(&self, _: &str) -> NodeUse {
        NodeUse::Unknown
    }

    fn refusals(&self) -> Vec<Refusal> {
        Vec::new()
    }

    fn twin_was_ending(&self) -> bool {
        false
    }

    fn twin_gone(&self) -> Gone {
        self.twin_gone
    }

    fn now(&self) -> Timestamp {
        self.now
    }
}
