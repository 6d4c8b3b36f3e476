//! `policies.networkPolicy`

use crate::scalars::{Fragment, Labels, Toggle};
use crate::section::section;

section! {
    /// Who may talk to whom, as NetworkPolicies.
    pub struct NetworkPolicy {
        /// Whether they exist. `auto`: when `isolate` is `true`.
        enabled: Toggle = Toggle::Auto,
        /// Extra labels.
        labels: Labels = Labels::new(),
        /// Extra annotations.
        annotations: Labels = Labels::new(),
        /// The address of a DNS server that every pod may ask, besides the virtual cluster's own.
        fallback_dns: String = String::new(),
        /// The control plane. Its pods take connections to the API server from the virtual
        /// cluster's pods, and from everywhere when it is exposed (a Service of another type than
        /// `ClusterIP`, an Ingress, a TLSRoute); with a ServiceMonitor, also scrapes. They may open
        /// connections to the virtual cluster's pods, to DNS, and to ports 443, 6443 and 8443
        /// anywhere, since where the host's API server listens cannot be known here.
        control_plane: ControlPlanePolicy = ControlPlanePolicy::default(),
        /// The virtual cluster's pods. They take connections from each other and from the control
        /// plane, and may open some to each other, to the API server, to DNS, and to public
        /// addresses.
        workload: WorkloadPolicy = WorkloadPolicy::default(),
        /// The old place of `workload.publicEgress`.
        outgoing_connections: OutgoingConnections = OutgoingConnections::default(),
    }
}

section! {
    /// The control plane's connections.
    pub struct ControlPlanePolicy {
        /// Further rules for who may connect to it, for example a Prometheus, or an Argo CD.
        ingress: Vec<Fragment> = Vec::new(),
        /// Further rules for whom it may connect to, for example an external database.
        egress: Vec<Fragment> = Vec::new(),
    }
}

section! {
    /// The connections of the virtual cluster's pods.
    pub struct WorkloadPolicy {
        /// Connections to the internet.
        public_egress: PublicEgress = PublicEgress::default(),
        /// Further rules for who may connect to them, for example an ingress controller.
        ingress: Vec<Fragment> = Vec::new(),
        /// Further rules for whom they may connect to.
        egress: Vec<Fragment> = Vec::new(),
    }
}

section! {
    /// Connections to the internet.
    pub struct PublicEgress {
        /// Whether they may be opened.
        enabled: bool = true,
        /// The addresses. Empty: none.
        cidr: String = "0.0.0.0/0".to_owned(),
        /// Except these: by default the private ones, and those of the link, where clouds keep the
        /// credentials of nodes.
        except: Vec<String> = private(),
        /// The same for IPv6.
        ipv6: PublicEgressIpv6 = PublicEgressIpv6::default(),
    }
}

section! {
    /// Connections to the internet over IPv6.
    pub struct PublicEgressIpv6 {
        /// Whether they may be opened, if `publicEgress.enabled` is `true`. `auto`: when
        /// `publicEgress.cidr` is all of IPv4, so that who names some addresses gets no others.
        enabled: Toggle = Toggle::Auto,
        /// The addresses. Empty: none.
        cidr: String = "::/0".to_owned(),
        /// Except these: by default the private ones, those of the link, and the private ones of
        /// IPv4 behind a NAT64. A host whose nodes, pods or Services have public addresses of IPv6
        /// has their ranges to be added, or tenants may open connections to them.
        except: Vec<String> = private_ipv6(),
    }
}

section! {
    /// Connections to the internet, where files from the time of 0.20 have them.
    pub struct OutgoingConnections {
        /// Which ones. Empty: those of `workload.publicEgress`.
        ip_block: IpBlock = IpBlock::default(),
    }
}

section! {
    /// Addresses.
    pub struct IpBlock {
        /// The range.
        cidr: String = String::new(),
        /// Ranges in it that are left out.
        except: Vec<String> = Vec::new(),
    }
}

/// Ranges of IPv4 that are not the internet.
fn private() -> Vec<String> {
    [
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// Ranges of IPv6 that are not the internet, and what [`private`] names as a NAT64 writes it (RFC 6052).
fn private_ipv6() -> Vec<String> {
    [
        "::1/128",
        "64:ff9b::a00:0/104",
        "64:ff9b::6440:0/106",
        "64:ff9b::7f00:0/104",
        "64:ff9b::a9fe:0/112",
        "64:ff9b::ac10:0/108",
        "64:ff9b::c0a8:0/112",
        "64:ff9b:1::/48",
        "fc00::/7",
        "fe80::/10",
    ]
    .map(str::to_owned)
    .to_vec()
}
