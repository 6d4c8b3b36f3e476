//! `controlPlane.backingStore`

use super::database::Database;
use super::etcd::Etcd;
use crate::section::section;

section! {
    /// Where the virtual cluster keeps its objects.
    pub struct BackingStore {
        /// A database, which kine makes look like etcd.
        database: Database = Database::default(),
        /// etcd.
        etcd: Etcd = Etcd::default(),
    }
}

/// Where a virtual cluster keeps its objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// SQLite on the claim of the control plane.
    Sqlite,
    /// PostgreSQL or MySQL somewhere else.
    ExternalDatabase,
    /// An etcd that the chart deploys.
    DeployedEtcd,
    /// An etcd somewhere else.
    ExternalEtcd,
}

impl StoreKind {
    /// Whether several control planes can use it at a time.
    #[must_use]
    pub fn is_shared(self) -> bool {
        self != StoreKind::Sqlite
    }
}

impl BackingStore {
    /// The keys of the stores that are enabled.
    #[must_use]
    pub fn enabled(&self) -> Vec<&'static str> {
        [
            ("database.embedded", self.database.embedded.enabled),
            ("database.external", self.database.external.enabled),
            ("etcd.deploy", self.etcd.deploy.enabled),
            ("etcd.external", self.etcd.external.enabled),
        ]
        .into_iter()
        .filter_map(|(key, enabled)| enabled.then_some(key))
        .collect()
    }

    /// Whether a copy of the store is kept elsewhere.
    #[must_use]
    pub fn is_replicated(&self) -> bool {
        self.kind() == StoreKind::Sqlite && self.database.embedded.replication.enabled
    }

    /// The store that is used: the enabled one, or SQLite.
    #[must_use]
    pub fn kind(&self) -> StoreKind {
        if self.etcd.deploy.enabled {
            StoreKind::DeployedEtcd
        } else if self.etcd.external.enabled {
            StoreKind::ExternalEtcd
        } else if self.database.external.enabled {
            StoreKind::ExternalDatabase
        } else {
            StoreKind::Sqlite
        }
    }
}
