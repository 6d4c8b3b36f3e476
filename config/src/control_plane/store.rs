//! `controlPlane.backingStore`

use crate::images;
use crate::scalars::{Image, Resources};
use crate::section::section;

section! {
    /// Where the virtual cluster keeps its objects.
    pub struct BackingStore {
        /// A database, which kine makes look like etcd.
        database: Database = Database::default(),
    }
}

section! {
    /// A database, which kine makes look like etcd.
    pub struct Database {
        /// SQLite on the claim of the control plane.
        embedded: EmbeddedDatabase = EmbeddedDatabase::default(),
    }
}

section! {
    /// SQLite on the claim of the control plane.
    pub struct EmbeddedDatabase {
        /// Whether it is used. It also is when no other store is enabled.
        enabled: bool = false,
        /// Further arguments of kine.
        extra_args: Vec<String> = Vec::new(),
        /// The image of kine.
        image: Image = Image::of("docker.io", images::KINE_REPOSITORY, images::KINE_VERSION),
        /// What kine may use.
        resources: Resources = Resources::of(
            [("memory", "512Mi"), ("ephemeral-storage", "1Gi")],
            [("cpu", "20m"), ("memory", "32Mi")],
        ),
    }
}
