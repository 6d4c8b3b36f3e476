//! `controlPlane.backingStore.database`

use super::replication::Replication;
use crate::images;
use crate::scalars::{Image, Resources};
use crate::section::section;

section! {
    /// A database, which kine makes look like etcd.
    pub struct Database {
        /// SQLite on the claim of the control plane.
        embedded: EmbeddedDatabase = EmbeddedDatabase::default(),
        /// PostgreSQL or MySQL somewhere else. Each virtual cluster needs a database of its own there.
        external: ExternalDatabase = ExternalDatabase::default(),
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
        image: Image = kine_image(),
        /// What kine may use.
        resources: Resources = kine_resources(),
        /// A copy of it in S3-compatible storage.
        replication: Replication = Replication::default(),
    }
}

section! {
    /// PostgreSQL or MySQL somewhere else. Each virtual cluster needs a database of its own there.
    pub struct ExternalDatabase {
        /// Whether it is used.
        enabled: bool = false,
        /// Where it is and who logs in: `postgres://USER:PASSWORD@HOST:5432/DATABASE` or
        /// `mysql://USER:PASSWORD@tcp(HOST:3306)/DATABASE`.
        data_source: String = String::new(),
        /// The same, kept in a Secret of the control plane's namespace.
        data_source_secret: SecretKey = SecretKey::default(),
        /// A Secret of the control plane's namespace with the files below, which then are keys in it.
        tls_secret: String = String::new(),
        /// The authorities that the server's certificate is checked with: a path in the pod, for
        /// which see `statefulSet.persistence.addVolumes`, or a key of `tlsSecret` (`ca.crt` when empty).
        ca_file: String = String::new(),
        /// The certificate to log in with: a path, or a key of `tlsSecret`. Empty: the password will do.
        cert_file: String = String::new(),
        /// Its key: a path, or a key of `tlsSecret`.
        key_file: String = String::new(),
        /// Further arguments of kine.
        extra_args: Vec<String> = Vec::new(),
        /// The image of kine.
        image: Image = kine_image(),
        /// What kine may use.
        resources: Resources = kine_resources(),
    }
}

section! {
    /// One key of a Secret.
    pub struct SecretKey {
        /// The Secret. Empty: none.
        name: String = String::new(),
        /// The key in it.
        key: String = "dataSource".to_owned(),
    }
}

fn kine_image() -> Image {
    Image::of("docker.io", images::KINE_REPOSITORY, images::KINE_VERSION)
}

fn kine_resources() -> Resources {
    Resources::of(
        [("memory", "512Mi"), ("ephemeral-storage", "1Gi")],
        [("cpu", "20m"), ("memory", "32Mi")],
    )
}
