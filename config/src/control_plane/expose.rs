//! `controlPlane.proxy`, `.service`, `.ingress`, `.tlsRoute`: how the API server is reached.

use crate::scalars::{Fragment, Labels};
use crate::section::section;

section! {
    /// The address at which the API server listens. (Clients talk to the API server itself; the
    /// section keeps its name from a time when a proxy stood in front.)
    pub struct Proxy {
        /// The address to listen at. `0.0.0.0` stands for all addresses, on IPv6 hosts too.
        bind_address: String = "0.0.0.0".to_owned(),
        /// The port to listen at.
        port: u16 = 8443,
        /// Further names and addresses for the API server's certificate.
        #[serde(rename = "extraSANs")]
        extra_sans: Vec<String> = Vec::new(),
    }
}

section! {
    /// The Service through which clients and pods reach the API server.
    pub struct Service {
        /// Whether the chart makes it. Without it, a Service of that name must exist already.
        enabled: bool = true,
        /// Extra labels.
        labels: Labels = Labels::new(),
        /// Extra annotations.
        annotations: Labels = Labels::new(),
        /// The node port of port 443, when the type is `NodePort` or `LoadBalancer`. 0: any.
        https_node_port: u16 = 0,
        /// Merged into the spec: `type`, `loadBalancerSourceRanges`, `externalTrafficPolicy` ...
        spec: Fragment = Fragment::from_iter([("type".to_owned(), "ClusterIP".into())]),
    }
}

section! {
    /// An Ingress to the API server. Its controller must pass TLS through.
    pub struct Ingress {
        /// Whether it exists.
        enabled: bool = false,
        /// The host name. It is added to the API server's certificate.
        host: String = "my-host.com".to_owned(),
        /// How the path is matched.
        path_type: String = "ImplementationSpecific".to_owned(),
        /// Extra labels.
        labels: Labels = Labels::new(),
        /// Extra annotations.
        annotations: Labels = nginx(),
        /// Merged into the spec.
        spec: Fragment = Fragment::from_iter([("tls".to_owned(), serde_json::Value::Array(Vec::new()))]),
    }
}

section! {
    /// A TLSRoute to the API server, for a Gateway whose listener passes TLS through.
    pub struct TlsRoute {
        /// Whether it exists.
        enabled: bool = false,
        /// Its version: `gateway.networking.k8s.io/v1`, or one that the host's gateway knows.
        api_version: String = "gateway.networking.k8s.io/v1".to_owned(),
        /// The host name. It is added to the API server's certificate.
        host: String = "my-host.com".to_owned(),
        /// The gateways.
        parent_refs: Vec<Fragment> = Vec::new(),
        /// Merged into the spec.
        spec: Fragment = Fragment::new(),
        /// Extra labels.
        labels: Labels = Labels::new(),
        /// Extra annotations.
        annotations: Labels = Labels::new(),
    }
}

section! {
    /// A ServiceMonitor, by which a Prometheus operator finds the metrics of the syncer and of the
    /// API server.
    pub struct ServiceMonitor {
        /// Whether it exists. The host must know the kind.
        enabled: bool = false,
        /// Extra labels.
        labels: Labels = Labels::new(),
        /// Extra annotations.
        annotations: Labels = Labels::new(),
    }
}

fn nginx() -> Labels {
    let values =
        [("backend-protocol", "HTTPS"), ("ssl-passthrough", "true"), ("ssl-redirect", "true")];
    let key = |name| format!("nginx.ingress.kubernetes.io/{name}");
    values.into_iter().map(|(name, value)| (key(name), value.to_owned())).collect()
}
