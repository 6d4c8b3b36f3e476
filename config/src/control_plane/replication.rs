//! `controlPlane.backingStore.database.embedded.replication`

use crate::images;
use crate::scalars::{Image, Resources, Toggle};
use crate::section::section;

section! {
    /// A copy of the SQLite file in S3-compatible storage, which Litestream keeps up to date. A
    /// control plane that finds no file on its volume begins with the copy. The copy stays when the
    /// virtual cluster is deleted.
    pub struct Replication {
        /// Whether there is a copy.
        enabled: bool = false,
        /// Where it is.
        s3: ReplicaS3 = ReplicaS3::default(),
        /// How often changes are sent, for example `1s` or `500ms`. What was written since the last
        /// time is lost when the volume is lost without a warning; a control plane that stops in
        /// order sends everything first.
        sync_interval: String = "1s".to_owned(),
        /// Whole copies, from which a restore begins.
        snapshots: ReplicaSnapshots = ReplicaSnapshots::default(),
        /// The image of Litestream.
        image: Image = Image::of("docker.io", images::LITESTREAM_REPOSITORY, images::LITESTREAM_VERSION),
        /// What Litestream may use.
        resources: Resources = Resources::of(
            [("memory", "512Mi"), ("ephemeral-storage", "1Gi")],
            [("cpu", "20m"), ("memory", "64Mi")],
        ),
    }
}

section! {
    /// Where the copy is.
    pub struct ReplicaS3 {
        /// The bucket. It must exist.
        bucket: String = String::new(),
        /// The folder in the bucket. No two virtual clusters may share one. Empty: `NAMESPACE/NAME`.
        path: String = String::new(),
        /// The address of the storage, for example `https://minio.example.com:9000`. Empty: Amazon's.
        endpoint: String = String::new(),
        /// The region of the bucket. Empty: it is asked for.
        region: String = String::new(),
        /// Whether the bucket is part of the path, and not of the host's name. `auto`: when there is
        /// an `endpoint`.
        force_path_style: Toggle = Toggle::Auto,
        /// Who writes there.
        credential: ReplicaCredential = ReplicaCredential::default(),
        /// A Secret of the control plane's namespace whose `ca.crt` has the authorities that the
        /// endpoint's certificate is checked with. Empty: the public ones.
        tls_secret: String = String::new(),
    }
}

section! {
    /// Who writes to the storage.
    pub struct ReplicaCredential {
        /// A Secret of the control plane's namespace. Empty: the identity that the cloud gives to the
        /// pod's service account or node.
        secret_name: String = String::new(),
        /// The key in it with the access key's ID.
        access_key_id_key: String = "access-key-id".to_owned(),
        /// The key in it with the secret access key.
        secret_access_key_key: String = "secret-access-key".to_owned(),
    }
}

section! {
    /// Whole copies, from which a restore begins.
    pub struct ReplicaSnapshots {
        /// How often one is made.
        interval: String = "24h".to_owned(),
        /// How long they are kept, and with them what is needed to restore any moment since.
        retention: String = "72h".to_owned(),
    }
}
