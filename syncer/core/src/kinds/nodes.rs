//! Fake nodes: one virtual node for each host node that runs pods of ours.

use crate::{Host, Object, labels};

/// The host node that a host pod of ours keeps in use: the one it is bound to. Ended pods count, since their logs are
/// asked of the node. A DaemonSet's pods do not: it puts one on every node there is, so they would keep each for ever.
pub fn node_of(pod: &Host<Object>) -> Option<&str> {
    let of_daemon_set = pod.annotation(labels::OWNER_SET_KIND) == Some("DaemonSet");
    let ours = pod.label(labels::MANAGED_BY).is_some();
    pod.str_at(&["spec", "nodeName"]).filter(|node| !node.is_empty() && ours && !of_daemon_set)
}
