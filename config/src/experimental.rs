//! `experimental`

use crate::section::section;

section! {
    /// Options that may change or go.
    pub struct Experimental {
        /// How objects are mirrored.
        sync_settings: SyncSettings = SyncSettings::default(),
    }
}

section! {
    /// How objects are mirrored.
    pub struct SyncSettings {
        /// Whether objects on the host are owned by Service `NAME`, so that they go with the release. Without, `helm uninstall`
        /// leaves them all, for `vcluster delete` to find. Claims that are there already are given free, other objects keep
        /// the owner that they were made with.
        set_owner: bool = true,
    }
}
