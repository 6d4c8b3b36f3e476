//! The virtual cluster's own public key infrastructure: making, keeping and renewing it.
//!
//! ```text
//! ca                    signs serving certificates: the API server's, and those of the kubelet endpoint
//! client-ca             signs client certificates: administrator, controllers, syncer, and every CSR
//! kubelet-client-ca     signs the certificate with which the API server calls kubelets, and nothing else: who holds
//!                       one is the API server, which has authorized the request already
//! front-proxy-ca        signs the certificate with which the API server calls aggregated API servers
//! etcd-ca               signs for an etcd of the chart's own: its members, and the API server as their client
//! sa.key, sa.pub        sign service account tokens
//! ```
//! Secret `NAME-certs` of the host is the source of truth: authorities, service account keys and the client
//! certificates that all replicas share. The API server's serving certificate names the pod, so each pod makes its own
//! and keeps it in memory only. Every program reads files of a memory-backed directory ([`write_files`]), which `syncer
//! init` fills and [`renewal`] keeps fresh; kubeconfigs among them name the certificates by path, because client-go only
//! reloads those.

mod argocd;
mod files;
mod issue;
mod kubeconfig;
mod layout;
mod names;
pub mod renewal;
mod secret;
mod spec;

use std::collections::BTreeMap;
use std::time::SystemTime;

pub(crate) use files::write as write_file;
pub use files::{read_files, write_files};
pub use issue::Validity;
pub use kubeconfig::{
    EXPORTED_FROM, ExportError, ExportTarget, Login, export_server, kubeconfig, kubeconfig_secret,
    own_server, token_in,
};
pub use layout::write_layout;
pub use names::{Names, ServiceNames, Surroundings, etcd_names};
pub use secret::{SecretError, from_secret, load_or_create, to_secret};
pub use spec::{Authority, Leaf};

use renewal::Due;
use vcluster_syncer_core::Rule;

/// The rights on the host that keeping the PKI takes: its Secret, and the Service that names are read from.
pub const RULES: &[Rule] = &[
    Rule { group: "", resources: &["services"], verbs: &["get", "watch"], in_admin: true },
    Rule { group: "", resources: &["secrets"], verbs: &["create", "get", "patch"], in_admin: true },
];

/// All keys and certificates, by the file name they go under (`ca.crt`, `admin.key` ...), as PEM text.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Pki {
    files: BTreeMap<String, String>,
}

/// Why no usable PKI can be made.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// Making a key or certificate failed.
    #[error("certificate {name} cannot be made")]
    Issue {
        /// File name without its extension.
        name: &'static str,
        /// The cause.
        #[source]
        source: rcgen::Error,
    },
    /// A certificate is there without its key, or the other way round.
    #[error(
        "{0} has only one of certificate and key: restore Secret NAME-certs from a backup, or delete it to start anew"
    )]
    HalfPair(&'static str),
    /// An authority's certificate or key does not parse.
    #[error(
        "authority {name} cannot be read: restore Secret NAME-certs from a backup, or delete it to start anew"
    )]
    Authority {
        /// File name without its extension.
        name: &'static str,
        /// The cause.
        #[source]
        source: rcgen::Error,
    },
    /// A file that was expected is not there.
    #[error("there is no {0} among the certificates")]
    Missing(String),
}

/// What a PKI is to hold besides what every virtual cluster needs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// The names of the API server's certificate. Without them it is left alone (Secret `NAME-certs` does not hold one).
    pub serving: Option<&'a Names>,
    /// The names of the members of an etcd of the chart's own.
    pub etcd: Option<&'a Names>,
}

/// One thing that [`Pki::complete`] changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// File name without its extension.
    pub name: &'static str,
    /// Why.
    pub because: Due,
}

impl Pki {
    /// Takes what a Secret or a directory holds. Nothing is judged here; [`Pki::complete`] does.
    #[must_use]
    pub fn from_files(files: BTreeMap<String, String>) -> Self {
        Pki { files }
    }

    /// Makes what is missing or due at `now`, and says what that was.
    ///
    /// # Errors
    /// When an authority is damaged: making another would lock everybody out.
    pub fn complete(
        &mut self,
        wanted: Wanted<'_>,
        now: SystemTime,
    ) -> Result<Vec<Change>, PkiError> {
        let mut changes = Vec::new();
        for authority in spec::AUTHORITIES.into_iter().chain(wanted.etcd.map(|_| &spec::ETCD_CA)) {
            if !self.has_pair(authority.name)? {
                let (certificate, key) = issue::authority(authority, now)?;
                self.put_pair(authority.name, certificate, key);
                changes.push(Change { name: authority.name, because: Due::Missing });
            }
        }
        if !self.files.contains_key("sa.key") {
            let (public, private) = issue::token_keys()?;
            self.files.insert("sa.pub".into(), public);
            self.files.insert("sa.key".into(), private);
            changes.push(Change { name: "sa", because: Due::Missing });
        }
        for leaf in spec::CLIENTS {
            changes.extend(self.complete_leaf(leaf, &Names::default(), now)?);
        }
        if let Some(names) = wanted.etcd {
            for leaf in spec::MEMBERS {
                changes.extend(self.complete_leaf(leaf, names, now)?);
            }
            for leaf in spec::ETCD_CLIENTS {
                changes.extend(self.complete_leaf(leaf, &Names::default(), now)?);
            }
        }
        if let Some(names) = wanted.serving {
            changes.extend(self.complete_leaf(&spec::SERVING, names, now)?);
        }
        Ok(changes)
    }

    fn complete_leaf(
        &mut self,
        leaf: &Leaf,
        names: &Names,
        now: SystemTime,
    ) -> Result<Option<Change>, PkiError> {
        let authority = self.get(&format!("{}.crt", leaf.authority.name))?;
        let key = self.get(&format!("{}.key", leaf.authority.name))?;
        let present = self
            .files
            .get(&format!("{}.crt", leaf.name))
            .filter(|_| self.has(&format!("{}.key", leaf.name)));
        let Some(because) =
            renewal::due(present.map(String::as_str), leaf, names, authority, now).reason()
        else {
            return Ok(None);
        };
        let (certificate, key) = issue::leaf(leaf, names, authority, key, now)?;
        self.put_pair(leaf.name, certificate, key);
        Ok(Some(Change { name: leaf.name, because }))
    }

    /// One with all that every virtual cluster has.
    #[cfg(test)]
    pub(crate) fn fresh() -> Self {
        let mut pki = Pki::default();
        pki.complete(Wanted::default(), SystemTime::now()).unwrap();
        pki
    }

    /// The text of a file.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn get(&self, file: &str) -> Result<&str, PkiError> {
        self.files.get(file).map(String::as_str).ok_or_else(|| PkiError::Missing(file.to_owned()))
    }

    /// Every file.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// When the leaf certificate that ends first ends, for the metric and for the next look.
    #[must_use]
    pub fn first_end(&self) -> Option<SystemTime> {
        let certificates = self
            .files
            .iter()
            .filter(|(name, _)| name.ends_with(".crt") && !name.ends_with("ca.crt"));
        certificates.filter_map(|(_, pem)| renewal::end(pem)).min()
    }

    /// Takes the serving certificate of another, which is not in the Secret.
    #[must_use]
    pub fn with_serving_of(mut self, other: &Pki) -> Self {
        for file in [format!("{}.crt", spec::SERVING.name), format!("{}.key", spec::SERVING.name)] {
            if let Some(text) = other.files.get(&file) {
                self.files.insert(file, text.clone());
            }
        }
        self
    }

    fn has(&self, file: &str) -> bool {
        self.files.contains_key(file)
    }

    fn has_pair(&self, name: &'static str) -> Result<bool, PkiError> {
        match (self.has(&format!("{name}.crt")), self.has(&format!("{name}.key"))) {
            (true, true) => Ok(true),
            (false, false) => Ok(false),
            _ => Err(PkiError::HalfPair(name)),
        }
    }

    fn put_pair(&mut self, name: &str, certificate: String, key: String) {
        self.files.insert(format!("{name}.crt"), certificate);
        self.files.insert(format!("{name}.key"), key);
    }
}

/// Names the files, never their content.
impl std::fmt::Debug for Pki {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.files.keys()).finish()
    }
}
