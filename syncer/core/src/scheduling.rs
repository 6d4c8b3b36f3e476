//! Who places pods, and which nodes the virtual cluster sees.

use std::collections::BTreeMap;

use crate::Object;

/// The scheduler that places pods which name none.
const DEFAULT: &str = "default-scheduler";

/// Who places pods. By default the host does, on nodes that only its scheduler sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scheduling {
    /// Whether a scheduler runs inside: then only placed pods reach the host.
    pub inside: bool,
    /// Schedulers of the host that pods may ask for nevertheless, by name. Nothing: there are none.
    pub of_host: Option<Vec<String>>,
    /// The host's nodes that are shown as they are. Nothing: stand-ins for those that run pods of ours.
    pub nodes: Option<HostNodes>,
}

/// The host's nodes, as far as they are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostNodes {
    /// Which of them.
    pub which: Which,
    /// Whether the images that they hold are left out.
    pub without_images: bool,
}

/// Which of the host's nodes are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those that run pods of ours.
    InUse,
    /// Those that carry these labels. Pods run on no others.
    Labelled(BTreeMap<String, String>),
    /// All there are.
    All,
}

impl Scheduling {
    /// Whether a scheduler inside places this pod.
    pub fn is_inside(&self, pod: &Object) -> bool {
        let name = pod.str_at(&["spec", "schedulerName"]).unwrap_or(DEFAULT);
        match &self.of_host {
            None => self.inside,
            // Where none runs inside by default, pods that name none are the host's.
            Some(of_host) => {
                !of_host.iter().any(|of_host| of_host == name) && (self.inside || name != DEFAULT)
            }
        }
    }

    /// Whether there may be a pod that a scheduler inside places.
    pub fn any_inside(&self) -> bool {
        self.inside || self.of_host.is_some()
    }

    /// Whether a node may be shown that runs no pod of ours: then it shows also what only a DaemonSet runs on.
    pub fn shows_unused_nodes(&self) -> bool {
        self.nodes.as_ref().is_some_and(|nodes| nodes.which != Which::InUse)
    }

    /// The labels of the nodes that pods are kept to.
    pub fn node_labels(&self) -> impl Iterator<Item = (&String, &String)> {
        let labels = match &self.nodes {
            Some(HostNodes { which: Which::Labelled(labels), .. }) => Some(labels),
            _ => None,
        };
        labels.into_iter().flatten()
    }
}

impl Which {
    /// Whether a node of the host is shown; `used` says whether pods of ours run on it. One that lost its label stays until
    /// they are gone: no cluster ends pods because someone relabels their node.
    pub fn has(&self, node: &Object, used: bool) -> bool {
        match self {
            Which::All => true,
            Which::InUse => used,
            Which::Labelled(_) => used || self.offers(node),
        }
    }

    /// Whether a node of the host takes new pods of ours.
    pub fn offers(&self, node: &Object) -> bool {
        match self {
            Which::All | Which::InUse => true,
            Which::Labelled(labels) => {
                labels.iter().all(|(key, value)| node.label(key) == Some(value))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;

    #[test]
    fn a_pod_says_by_name_whose_scheduler_places_it() {
        let names = |scheduling: &Scheduling| {
            [None, Some("default-scheduler"), Some("gangs"), Some("mine")].map(|name| {
                let pod = Object::new(json!({"spec": {"schedulerName": name}}));
                scheduling.is_inside(&pod)
            })
        };
        let of_host = |inside, names: &[&str]| Scheduling {
            inside,
            of_host: Some(names.iter().map(|&name| name.to_owned()).collect()),
            nodes: None,
        };
        assert_eq!(names(&Scheduling::default()), [false; 4]);
        assert_eq!(names(&Scheduling { inside: true, ..Scheduling::default() }), [true; 4]);
        assert_eq!(names(&of_host(true, &["gangs"])), [true, true, false, true]);
        assert_eq!(names(&of_host(false, &["gangs"])), [false, false, false, true]);
        let both = of_host(true, &["gangs", "default-scheduler"]);
        assert_eq!(names(&both), [false, false, false, true]);
    }
}
