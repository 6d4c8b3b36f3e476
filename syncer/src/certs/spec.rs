//! Which authorities and certificates there are, and what each is for.

/// A certificate authority.
#[derive(Debug, PartialEq, Eq)]
pub struct Authority {
    /// File name without its extension.
    pub name: &'static str,
    /// Common name.
    pub common_name: &'static str,
}

/// A certificate that an authority signs.
#[derive(Debug, PartialEq, Eq)]
pub struct Leaf {
    /// File name without its extension.
    pub name: &'static str,
    /// Who signs it.
    pub authority: &'static Authority,
    /// Common name: for clients the user that Kubernetes sees.
    pub common_name: &'static str,
    /// Organization: for clients the group that Kubernetes sees. Empty: none.
    pub organization: &'static str,
    /// Whether it identifies a server, else a client.
    pub serves: bool,
}

/// Signs serving certificates.
pub const CA: Authority = Authority { name: "ca", common_name: "kubernetes-ca" };
/// Signs client certificates and CSRs.
pub const CLIENT_CA: Authority =
    Authority { name: "client-ca", common_name: "kubernetes-client-ca" };
/// Signs the API server's certificate for kubelets only.
pub const KUBELET_CLIENT_CA: Authority =
    Authority { name: "kubelet-client-ca", common_name: "kubernetes-kubelet-client-ca" };
/// Signs the API server's certificate for aggregated API servers only.
pub const FRONT_PROXY_CA: Authority =
    Authority { name: "front-proxy-ca", common_name: "kubernetes-front-proxy-ca" };

/// Signs everything between etcd, its members and its one client, and nothing else: etcd trusts whoever it signed.
pub const ETCD_CA: Authority = Authority { name: "etcd-ca", common_name: "kubernetes-etcd-ca" };

/// Every authority that all virtual clusters have.
pub const AUTHORITIES: [&Authority; 4] = [&CA, &CLIENT_CA, &KUBELET_CLIENT_CA, &FRONT_PROXY_CA];

/// The API server's serving certificate, one for each pod.
pub const SERVING: Leaf = Leaf {
    name: "apiserver",
    authority: &CA,
    common_name: "kube-apiserver",
    organization: "",
    serves: true,
};

/// The certificate that Secret `vc-NAME` hands to the owner of the virtual cluster.
pub const ADMIN: Leaf = client("admin", &CLIENT_CA, "kubernetes-admin", "system:masters");

/// The client certificates that all replicas share.
pub const CLIENTS: [&Leaf; 6] = [
    &ADMIN,
    &client("controller-manager", &CLIENT_CA, "system:kube-controller-manager", ""),
    &client("scheduler", &CLIENT_CA, "system:kube-scheduler", ""),
    &client("syncer", &CLIENT_CA, "vcluster:syncer", "system:masters"),
    &client("apiserver-kubelet-client", &KUBELET_CLIENT_CA, "kube-apiserver-kubelet-client", ""),
    &client("front-proxy-client", &FRONT_PROXY_CA, "front-proxy-client", ""),
];

/// What members of an etcd of the chart's own show: to the API server, and to each other.
pub const MEMBERS: [&Leaf; 2] = [
    &Leaf {
        name: "etcd-server",
        authority: &ETCD_CA,
        common_name: "etcd-server",
        organization: "",
        serves: true,
    },
    &Leaf {
        name: "etcd-peer",
        authority: &ETCD_CA,
        common_name: "etcd-peer",
        organization: "",
        serves: true,
    },
];

/// Who may ask such an etcd: its members, and the API server. They have no names: etcd would look each of them up before
/// it lets a member in, and a member that has just moved is not in DNS yet.
pub const ETCD_CLIENTS: [&Leaf; 2] = [
    &client("etcd-peer-client", &ETCD_CA, "etcd-peer", ""),
    &client("apiserver-etcd-client", &ETCD_CA, "kube-apiserver-etcd-client", ""),
];

/// The programs that log in with a kubeconfig file, and with which certificate.
pub const KUBECONFIGS: [&str; 3] = ["admin", "controller-manager", "scheduler"];

const fn client(
    name: &'static str,
    authority: &'static Authority,
    common_name: &'static str,
    organization: &'static str,
) -> Leaf {
    Leaf { name, authority, common_name, organization, serves: false }
}
