//! `exportKubeConfig`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scalars::Labels;
use crate::section::section;

section! {
    /// The kubeconfig that the control plane leaves in Secret `vc-NAME` for clients.
    pub struct ExportKubeConfig {
        /// The name of its context. Empty: `my-vcluster`.
        context: String = String::new(),
        /// The address that it points to. Empty: `https://localhost:8443`, for a port-forward.
        server: String = String::new(),
        /// Whether clients skip the check of the server's certificate.
        insecure: bool = false,
        /// A service account of the virtual cluster to log in as, instead of the admin certificate.
        service_account: ExportServiceAccount = ExportServiceAccount::default(),
        /// Another Secret to put it in, besides `vc-NAME`.
        secret: ExportSecret = ExportSecret::default(),
        /// Further Secrets, each with settings of its own. One that is taken off this list is deleted, as is the other Secret
        /// when it is no longer asked for. A ServiceAccount inside stays, and so do tokens that were copied: delete it there.
        additional_secrets: Vec<AdditionalSecret> = Vec::new(),
    }
}

section! {
    /// A service account of the virtual cluster to log in as.
    pub struct ExportServiceAccount {
        /// Its name. Empty: the admin certificate is used. It is made when it does not exist.
        name: String = String::new(),
        /// Its namespace in the virtual cluster. Empty: `kube-system`.
        namespace: String = String::new(),
        /// The ClusterRole of the virtual cluster that it is bound to. Empty: none.
        cluster_role: String = String::new(),
    }
}

section! {
    /// A Secret of the host.
    pub struct ExportSecret {
        /// Its name. Empty: only `vc-NAME` is written.
        name: String = String::new(),
        /// Its namespace. Empty: that of the control plane. Another one needs rights there.
        namespace: String = String::new(),
    }
}

section! {
    /// A further Secret for clients.
    pub struct AdditionalSecret {
        /// The name of the Secret. Empty: `vc-NAME`, which makes sense in another namespace only.
        name: String = String::new(),
        /// Its namespace. Empty: that of the control plane. Another one needs rights there.
        namespace: String = String::new(),
        /// What it holds: `kubeconfig`, or `argocd` for a cluster that Argo CD finds by itself.
        format: ExportFormat = ExportFormat::Kubeconfig,
        /// Extra labels.
        labels: Labels = Labels::new(),
        /// Extra annotations.
        annotations: Labels = Labels::new(),
        /// The name of the context, or of the cluster in Argo CD.
        context: String = String::new(),
        /// The address that it points to. Empty: that of `exportKubeConfig.server`, or for Argo CD
        /// the Service within the host cluster.
        server: String = String::new(),
        /// Whether clients skip the check of the server's certificate.
        insecure: bool = false,
        /// A service account of the virtual cluster to log in as.
        service_account: ExportServiceAccount = ExportServiceAccount::default(),
    }
}

/// The form of an exported Secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    /// A kubeconfig, and its certificates or its token by themselves.
    #[default]
    Kubeconfig,
    /// A cluster of Argo CD: <https://argo-cd.readthedocs.io/en/stable/operator-manual/declarative-setup/#clusters>.
    ArgoCd,
}
