//! The Corefile.

use super::{PORT, Settings};

/// The one that was asked for, or ours: names of services and pods from the API server, names of nodes from a file,
/// everything else from where the node asks (or from the host's own DNS server).
pub(super) fn text(settings: &Settings<'_>) -> String {
    let config = settings.config;
    let wanted = &config.control_plane.coredns.overwrite_config;
    if !wanted.is_empty() {
        return wanted.clone();
    }
    let domain = &config.networking.advanced.cluster_domain;
    let host = settings.host_dns.filter(|_| config.networking.advanced.fallback_host_cluster);
    // A name that the virtual cluster does not know is then asked of the host, which has the same domain.
    let fallthrough = match host {
        Some(_) => format!("{domain} in-addr.arpa ip6.arpa"),
        None => "in-addr.arpa ip6.arpa".to_owned(),
    };
    let upstream = match host {
        Some(std::net::IpAddr::V6(address)) => format!("[{address}]:53"),
        Some(address) => address.to_string(),
        None => "/etc/resolv.conf".to_owned(),
    };
    format!(
        r".:{PORT} {{
    errors
    health
    ready
    rewrite name regex .*\.nodes\.vcluster\.com kubernetes.default.svc.{domain}
    kubernetes {domain} in-addr.arpa ip6.arpa {{
        pods insecure
        fallthrough {fallthrough}
    }}
    hosts /etc/coredns/NodeHosts {{
        ttl 60
        reload 15s
        fallthrough
    }}
    prometheus :9153
    forward . {upstream}
    cache 30
    loop
    loadbalance
}}

import /etc/coredns/custom/*.server
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(yaml: &str, host_dns: &str) -> String {
        let config = vcluster_config::load("test", yaml).unwrap().config;
        text(&Settings { config: &config, host_dns: host_dns.parse().ok() })
    }

    #[test]
    fn unknown_names_go_where_the_node_asks() {
        let text = render("", "10.96.0.10");
        assert!(text.contains("    forward . /etc/resolv.conf\n"), "{text}");
        assert!(text.contains("        fallthrough in-addr.arpa ip6.arpa\n"), "{text}");
    }

    #[test]
    fn or_to_the_host_cluster() {
        let yaml =
            "networking: { advanced: { clusterDomain: vc.test, fallbackHostCluster: true } }";
        let text = render(yaml, "fd00::a");
        assert!(text.contains("    forward . [fd00::a]:53\n"), "{text}");
        assert!(text.contains("    kubernetes vc.test in-addr.arpa ip6.arpa {\n"), "{text}");
        assert!(text.contains("        fallthrough vc.test in-addr.arpa ip6.arpa\n"), "{text}");
    }

    #[test]
    fn a_corefile_of_ones_own_is_taken_as_it_is() {
        assert_eq!(render("controlPlane: { coredns: { overwriteConfig: 'mine' } }", ""), "mine");
    }
}
