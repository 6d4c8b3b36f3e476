//! `sync.fromHost`

use super::On;
use crate::scalars::{Labels, Toggle};
use crate::section::section;

section! {
    /// Kinds that exist on the host and are shown in the virtual cluster.
    pub struct FromHost {
        /// Events about mirrored objects.
        events: On = On::default(),
        /// Nodes.
        nodes: Nodes = Nodes::default(),
        /// Storage classes.
        storage_classes: ForScheduling = ForScheduling::default(),
        /// What drivers of storage each node has.
        csi_nodes: ForScheduling = ForScheduling::default(),
        /// Drivers of storage.
        csi_drivers: ForScheduling = ForScheduling::default(),
        /// How much storage of a class is left where.
        csi_storage_capacities: ForScheduling = ForScheduling::default(),
    }
}

section! {
    /// A kind that a scheduler inside needs to know.
    pub struct ForScheduling {
        /// Whether this kind is shown. `auto`: when a scheduler runs inside and claims are mirrored. Needs a ClusterRole.
        enabled: Toggle = Toggle::Auto,
    }
}

section! {
    /// How nodes are shown. Without further rights a virtual cluster sees a stand-in for every
    /// node that its pods run on.
    pub struct Nodes {
        /// Whether the host's real nodes are shown. They are too when a scheduler runs inside. Needs a ClusterRole.
        enabled: bool = false,
        /// Whether the list of images is left out of a node's status.
        clear_image_status: bool = false,
        /// Which nodes are shown. By default those that run a pod of the virtual cluster, or all when a scheduler runs
        /// inside.
        selector: NodeSelector = NodeSelector::default(),
    }
}

section! {
    /// Which nodes are shown.
    pub struct NodeSelector {
        /// Every node of the host.
        all: bool = false,
        /// Nodes with these labels. Pods run on no others.
        labels: Labels = Labels::new(),
    }
}
