//! `sync.fromHost`

use super::On;
use crate::scalars::Labels;
use crate::section::section;

section! {
    /// Kinds that exist on the host and are shown in the virtual cluster.
    pub struct FromHost {
        /// Events about mirrored objects.
        events: On = On::default(),
        /// Nodes.
        nodes: Nodes = Nodes::default(),
    }
}

section! {
    /// How nodes are shown. Without further rights a virtual cluster sees a stand-in for every
    /// node that its pods run on.
    pub struct Nodes {
        /// Whether the host's real nodes are shown. Needs a ClusterRole.
        enabled: bool = false,
        /// Whether changes of labels and taints inside are written to the host's node.
        sync_back_changes: bool = false,
        /// Whether the list of images is left out of a node's status.
        clear_image_status: bool = false,
        /// Which nodes are shown. By default those that run a pod of the virtual cluster.
        selector: NodeSelector = NodeSelector::default(),
    }
}

section! {
    /// Which nodes are shown.
    pub struct NodeSelector {
        /// Every node of the host.
        all: bool = false,
        /// Nodes with these labels.
        labels: Labels = Labels::new(),
    }
}
