//! The addresses of a bed: each number has ranges of its own, in both families.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::layout::Layout;

/// Parts of a bed's IPv6 range, which are two bytes of an address. Nodes' pods have those behind [`PODS`].
const BRIDGE: u16 = 0;
const SERVICES: u16 = 2;
const PODS: u16 = 0x100;

impl Layout {
    /// The control plane's addresses on the bed's bridge.
    pub fn control_plane_ips(&self) -> Vec<IpAddr> {
        self.on_bridge(1)
    }

    /// The first of them.
    pub fn control_plane_ip(&self) -> IpAddr {
        self.first_on_bridge(1)
    }

    /// The control plane at a port.
    pub fn control_plane(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.control_plane_ip(), port)
    }

    /// The root network namespace's addresses on the bridge.
    pub fn root_ips(&self) -> Vec<IpAddr> {
        self.on_bridge(254)
    }

    /// The first of them.
    pub fn root_ip(&self) -> IpAddr {
        self.first_on_bridge(254)
    }

    /// What LoadBalancer services get, as MetalLB writes ranges.
    pub fn load_balancer_ranges(&self) -> Vec<String> {
        self.families().each(
            format!("{}-{}", self.bridge_ipv4(200), self.bridge_ipv4(239)),
            format!("{}-{}", self.ipv6(BRIDGE, 200), self.ipv6(BRIDGE, 239)),
        )
    }

    /// The ranges of ClusterIPs.
    pub fn service_cidrs(&self) -> Vec<String> {
        self.families()
            .each(format!("{}/16", self.service_ipv4(0)), format!("{}/112", self.ipv6(SERVICES, 0)))
    }

    /// The first ClusterIP, that of service `default/kubernetes`.
    pub fn kubernetes_ip(&self) -> IpAddr {
        self.families().first(self.service_ipv4(1), self.ipv6(SERVICES, 1))
    }

    /// The ClusterIP of cluster DNS.
    pub fn dns_ip(&self) -> IpAddr {
        self.families().first(self.service_ipv4(10), self.ipv6(SERVICES, 10))
    }

    /// The ranges of all real nodes' pods.
    pub fn pod_cidrs(&self) -> Vec<String> {
        self.families()
            .each(format!("10.{}.0.0/16", 244 + self.bed()), format!("{}/40", self.ipv6(PODS, 0)))
    }

    /// The range of addresses that kwok writes into its pods. Nothing answers there.
    pub fn kwok_cidr(&self) -> String {
        format!("10.{}.0.0/16", 224 + self.bed())
    }

    /// The addresses of real node number `number`.
    pub(super) fn node_ips(&self, number: u8) -> Vec<IpAddr> {
        self.on_bridge(10 + number)
    }

    /// The first of them.
    pub(super) fn node_ip(&self, number: u8) -> IpAddr {
        self.first_on_bridge(10 + number)
    }

    /// The ranges that its pods get addresses from.
    pub(super) fn node_pod_cidrs(&self, number: u8) -> Vec<String> {
        self.families().each(
            format!("10.{}.{number}.0/24", 244 + self.bed()),
            format!("{}/64", self.ipv6(PODS + u16::from(number), 0)),
        )
    }

    fn on_bridge(&self, host: u8) -> Vec<IpAddr> {
        self.families().each(self.bridge_ipv4(host), self.ipv6(BRIDGE, host))
    }

    fn first_on_bridge(&self, host: u8) -> IpAddr {
        self.families().first(self.bridge_ipv4(host), self.ipv6(BRIDGE, host))
    }

    fn bridge_ipv4(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(172, 30, 1 + self.bed(), host)
    }

    fn service_ipv4(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 96 + self.bed(), 0, host)
    }

    /// From a range that is nobody's (RFC 4193).
    fn ipv6(&self, part: u16, host: u8) -> Ipv6Addr {
        Ipv6Addr::new(0xfd30, self.bed().into(), part, 0, 0, 0, 0, host.into())
    }
}

#[cfg(test)]
mod tests {
    use super::super::family::Families;
    use super::super::layout::LAST_BED;
    use super::*;

    #[test]
    fn beds_share_no_address() {
        let mut seen = std::collections::HashSet::new();
        for bed in 0..=LAST_BED {
            let layout = Layout::new(bed).unwrap().with(Families::Dual);
            let mut ranges = [layout.service_cidrs(), layout.pod_cidrs()].concat();
            ranges.push(layout.kwok_cidr());
            ranges.extend(layout.control_plane_ips().iter().map(ToString::to_string));
            for range in ranges {
                assert!(seen.insert(range.clone()), "{range} is used twice");
            }
        }
    }

    #[test]
    fn an_ipv6_bed_has_no_address_of_ipv4() {
        let layout = Layout::new(4).unwrap().with(Families::Ipv6);
        let node = layout.node(2);
        assert_eq!(node.ips, ["fd30:4::c".parse::<IpAddr>().unwrap()]);
        assert_eq!(node.pod_cidrs, ["fd30:4:102::/64"]);
        assert_eq!(layout.service_cidrs(), ["fd30:4:2::/112"]);
        assert_eq!(layout.control_plane(6443).to_string(), "[fd30:4::1]:6443");
        assert_eq!(layout.dns_ip().to_string(), "fd30:4:2::a");
        assert_eq!(layout.load_balancer_ranges(), ["fd30:4::c8-fd30:4::ef"]);
    }

    #[test]
    fn one_bed_has_the_addresses_that_it_always_had() {
        let layout = Layout::new(0).unwrap();
        assert_eq!(layout.control_plane_ip().to_string(), "172.30.1.1");
        assert_eq!(layout.node(1).pod_cidrs, ["10.244.1.0/24"]);
        assert_eq!(layout.service_cidrs(), ["10.96.0.0/16"]);
        assert_eq!(layout.dns_ip().to_string(), "10.96.0.10");
    }
}
