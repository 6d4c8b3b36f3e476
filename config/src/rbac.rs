//! `rbac`

use crate::scalars::{Fragment, Toggle};
use crate::section::section;

section! {
    /// What the control plane may do on the host.
    pub struct Rbac {
        /// Rights within the namespace.
        role: Role = Role::default(),
        /// Rights in the whole host cluster; only some options need any.
        cluster_role: ClusterRole = ClusterRole::default(),
    }
}

section! {
    /// Rights within the namespace.
    pub struct Role {
        /// Whether the chart makes the Role and its binding.
        enabled: bool = true,
        /// Rules for what the built-in ClusterRole `admin` does not hold: endpoints, the status of
        /// pods, ephemeral containers, resizing, events. Turn it off where the installer may not
        /// grant them; what then does not work is said at start.
        extended: bool = true,
        /// Rules added to ours.
        extra_rules: Vec<Fragment> = Vec::new(),
        /// Rules instead of ours.
        overwrite_rules: Vec<Fragment> = Vec::new(),
    }
}

section! {
    /// Rights in the whole host cluster.
    pub struct ClusterRole {
        /// Whether the chart makes the ClusterRole and its binding. `auto`: when an option needs it.
        enabled: Toggle = Toggle::Auto,
        /// Rules added to ours.
        extra_rules: Vec<Fragment> = Vec::new(),
        /// Rules instead of ours.
        overwrite_rules: Vec<Fragment> = Vec::new(),
    }
}
