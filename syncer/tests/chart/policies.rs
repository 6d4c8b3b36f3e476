//! The chart's network policies: DNS, the API and metrics keep working, and nobody else gets in.

use std::collections::BTreeMap;

use serde_json::Value;
use vcluster_syncer_core::kinds::nodes::KUBELET_PORTS;
use vcluster_syncer_core::resource::PODS;
use vcluster_syncer_core::{Host, Key, Object, Settings, Virtual, metadata};

use crate::reach::{Party, Port, may_talk, selects};
use crate::render::{NAME, NAMESPACE, chart, of_kind, one};

const ISOLATED: &str = "policies: {isolate: true}";

fn policies(values: &str) -> Vec<Value> {
    of_kind(&chart(values), "NetworkPolicy").into_iter().cloned().collect()
}

/// The parts of the virtual cluster.
fn ours() -> Vec<Party> {
    let marker = ("vcluster.loft.sh/managed-by", NAME);
    let namespace = "vcluster.loft.sh/namespace";
    vec![
        Party::pod("web", NAMESPACE, &[marker, (namespace, "shop"), ("app", "web")], "10.244.0.1"),
        Party::pod(
            "dns",
            NAMESPACE,
            &[marker, (namespace, "kube-system"), ("k8s-app", "vcluster-kube-dns")],
            "10.244.0.2",
        ),
        Party::pod("plane", NAMESPACE, &[("app", "vcluster"), ("release", NAME)], "10.244.0.3"),
        Party::pod("etcd", NAMESPACE, &[("app", "vcluster-etcd"), ("release", NAME)], "10.244.0.4"),
    ]
}

/// Everybody else.
fn strangers() -> Vec<Party> {
    vec![
        Party::pod(
            "neighbour",
            NAMESPACE,
            &[("vcluster.loft.sh/managed-by", "other"), ("app", "web")],
            "10.244.1.1",
        ),
        Party::pod(
            "other plane",
            NAMESPACE,
            &[("app", "vcluster"), ("release", "other")],
            "10.244.1.2",
        ),
        Party::pod("namespace's own", NAMESPACE, &[("release", NAME)], "10.244.1.3"),
        Party::pod(
            "elsewhere",
            "team-y",
            &[("vcluster.loft.sh/managed-by", NAME), ("app", "vcluster"), ("release", NAME)],
            "10.244.1.4",
        ),
        Party::pod("prometheus", "monitoring", &[("app", "prometheus")], "10.244.1.5"),
        Party::pod("host dns", "kube-system", &[("k8s-app", "kube-dns")], "10.244.1.6"),
        Party::outside("host api", "192.168.1.10"),
        Party::outside("cloud metadata", "169.254.169.254"),
        Party::outside("cloud metadata of IPv6", "fd00:ec2::254"),
        Party::outside("cloud metadata behind NAT64", "64:ff9b::a9fe:a9fe"),
        Party::outside("link of IPv6", "fe80::1"),
        Party::outside("client of IPv6", "2001:db8::9"),
        Party::outside("client", "203.0.113.9"),
    ]
}

const PORTS: [Port; 15] = [
    ("UDP", 53),
    ("TCP", 53),
    ("TCP", 80),
    ("TCP", 443),
    ("TCP", 1053),
    ("TCP", 2379),
    ("TCP", 6443),
    ("TCP", 8080),
    ("TCP", 8443),
    ("UDP", 8443),
    ("TCP", 9153),
    ("TCP", *KUBELET_PORTS.start()),
    ("TCP", *KUBELET_PORTS.end()),
    ("TCP", *KUBELET_PORTS.end() + 1),
    ("TCP", 10250),
];

const WORKLOADS: [&str; 2] = ["web", "dns"];
const OWN: [&str; 2] = ["plane", "etcd"];

/// What a virtual cluster needs, said in other words than the chart's.
fn needed(from: &str, to: &str, port: Port) -> bool {
    let to_api = port.0 == "TCP" && (port.1 == 8443 || KUBELET_PORTS.contains(&port.1));
    let dns = port.1 == 53;
    let outside = !WORKLOADS.contains(&to) && !OWN.contains(&to);
    match (from, to) {
        // Pods among themselves, DNS among them; webhooks of tenants; replicas and their store.
        (from, to) if WORKLOADS.contains(&from) && WORKLOADS.contains(&to) => true,
        ("plane", to) if WORKLOADS.contains(&to) => true,
        (from, to) if OWN.contains(&from) && OWN.contains(&to) => true,
        // The API and the kubelet API, by which metrics are read.
        (from, "plane") if WORKLOADS.contains(&from) => to_api,
        // The internet.
        (from, "client" | "client of IPv6") if WORKLOADS.contains(&from) => true,
        // Names that the virtual cluster does not know.
        ("dns", _) if outside => dns,
        // The host's API server, wherever it is.
        (from, _) if OWN.contains(&from) && outside => {
            dns || port.0 == "TCP" && [443, 6443, 8443].contains(&port.1)
        }
        _ => false,
    }
}

#[test]
fn by_default_there_are_none() {
    assert_eq!(policies(""), [Value::Null; 0]);
    let off = "policies: {isolate: true, networkPolicy: {enabled: false}}";
    assert_eq!(policies(off), [Value::Null; 0]);
    assert_eq!(policies("policies: {networkPolicy: {enabled: true}}"), policies(ISOLATED));
}

/// Every pair of parties in which ours has a part, at every port: exactly what is needed may be.
#[test]
fn what_is_needed_passes_and_nothing_else() {
    let policies = policies(ISOLATED);
    let (ours, strangers) = (ours(), strangers());
    let pairs =
        ours.iter().flat_map(|own| ours.iter().chain(&strangers).map(move |other| (own, other)));
    let pairs =
        pairs.chain(ours.iter().flat_map(|own| strangers.iter().map(move |other| (other, own))));
    let mut wrong = Vec::new();
    let mut asked = 0;
    for (from, to) in pairs {
        for port in PORTS {
            asked += 1;
            let may = may_talk(&policies, from, to, port);
            if may != needed(from.name, to.name, port) {
                wrong.push(format!("{} -> {} {port:?}: {may}", from.name, to.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(asked, (4 * 17 + 4 * 13) * PORTS.len());
}

/// While it sleeps, the API server's Service leads there.
#[test]
fn who_may_ask_the_api_server_may_knock_at_the_door_of_a_sleeper() {
    let sleeps = format!("{ISOLATED}\nsleep: {{auto: {{afterInactivity: 30m}}}}");
    let door = Party::pod(
        "door",
        NAMESPACE,
        &[("app", "vcluster-activator"), ("release", NAME)],
        "10.244.0.5",
    );
    for exposed in [false, true] {
        let more = format!("{sleeps}\ncontrolPlane: {{ingress: {{enabled: {exposed}}}}}");
        let policies = policies(&more);
        let (ours, strangers) = (ours(), strangers());
        let plane = ours.iter().find(|party| party.name == "plane").unwrap();
        for from in ours.iter().chain(&strangers) {
            // The kubelet API is not there.
            for port in PORTS.into_iter().filter(|port| !KUBELET_PORTS.contains(&port.1)) {
                let [knock, ask] = [&door, plane].map(|to| may_talk(&policies, from, to, port));
                assert_eq!(knock, ask, "{} {port:?}, exposed: {exposed}", from.name);
            }
        }
        // How long nobody has asked, and the host's API server.
        assert!(may_talk(&policies, &door, plane, ("TCP", 8081)));
        let host = strangers.iter().find(|party| party.name == "host api").unwrap();
        assert!(may_talk(&policies, &door, host, ("TCP", 443)));
    }
}

#[test]
fn the_pod_of_helm_test_gets_to_the_api_server_only() {
    let labels = [("app", "vcluster-test"), ("release", NAME)];
    let test = Party::pod("test", NAMESPACE, &labels, "10.244.0.6");
    let objects = chart(ISOLATED);
    for (key, value) in labels {
        assert_eq!(one(&objects, "Pod", "my-vc-test")["metadata"]["labels"][key], value);
    }
    let policies = policies(ISOLATED);
    for to in ours() {
        for port in PORTS {
            let may = may_talk(&policies, &test, &to, port);
            let needed = OWN.contains(&to.name) && port == ("TCP", 8443);
            assert_eq!(may, needed, "{} {port:?}", to.name);
        }
    }
}

/// Who of the strangers gets in somewhere, as `FROM -> TO PORT`.
fn let_in(values: &str) -> Vec<String> {
    let policies = policies(values);
    let mut found = Vec::new();
    for from in strangers() {
        for to in ours() {
            for port in PORTS.into_iter().filter(|port| may_talk(&policies, &from, &to, *port)) {
                found.push(format!("{} -> {} {}/{}", from.name, to.name, port.0, port.1));
            }
        }
    }
    found
}

#[test]
fn clients_get_to_the_api_server_where_it_is_exposed() {
    for more in [
        "service: {spec: {type: LoadBalancer}}",
        "service: {spec: {type: NodePort}}",
        "service: {spec: {externalIPs: [203.0.113.1]}}",
        "ingress: {enabled: true}",
        "tlsRoute: {enabled: true, parentRefs: [{name: gateway}]}",
    ] {
        let found = let_in(&format!("{ISOLATED}\ncontrolPlane: {{{more}}}"));
        assert!(found.contains(&"client -> plane TCP/8443".to_owned()), "{more}: {found:#?}");
        let only = |line: &String| {
            line.ends_with(" TCP/8443") && !line.contains("-> web") && !line.contains("-> dns")
        };
        assert!(found.iter().all(only), "{more}: {found:#?}");
    }
    let other_port = "proxy: {port: 9443}, service: {spec: {type: NodePort}}";
    let policies = policies(&format!("{ISOLATED}\ncontrolPlane: {{{other_port}}}"));
    let (ours, strangers) = (ours(), strangers());
    let client = strangers.last().unwrap();
    assert!(may_talk(&policies, client, &ours[2], ("TCP", 9443)));
    assert!(!may_talk(&policies, client, &ours[2], ("TCP", 8443)));
}

#[test]
fn a_service_monitor_lets_the_cluster_scrape() {
    let found = let_in(&format!("{ISOLATED}\ncontrolPlane: {{serviceMonitor: {{enabled: true}}}}"));
    assert!(found.contains(&"prometheus -> plane TCP/8080".to_owned()), "{found:#?}");
    assert!(
        found.iter().all(|line| line.ends_with("/8080") || line.ends_with("TCP/8443")),
        "{found:#?}"
    );
    assert!(!found.iter().any(|line| line.starts_with("client")), "{found:#?}");
}

#[test]
fn owners_add_rules_of_their_own() {
    let from =
        "from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]";
    let own = |part: &str| format!("policies: {{isolate: true, networkPolicy: {{{part}}}}}");
    let found =
        let_in(&own(&format!("workload: {{ingress: [{{{from}, ports: [{{port: 80}}]}}]}}")));
    assert_eq!(found, ["prometheus -> web TCP/80", "prometheus -> dns TCP/80"]);
    let found =
        let_in(&own(&format!("controlPlane: {{ingress: [{{{from}, ports: [{{port: 8443}}]}}]}}")));
    assert_eq!(found, ["prometheus -> plane TCP/8443", "prometheus -> etcd TCP/8443"]);

    let (ours, strangers) = (ours(), strangers());
    let (web, dns, plane) = (&ours[0], &ours[1], &ours[2]);
    let to = |name: &str| strangers.iter().find(|party| party.name == name).unwrap();
    let closed = policies(&own("workload: {publicEgress: {enabled: false}}"));
    assert!(!may_talk(&closed, web, to("client"), ("TCP", 443)));
    assert!(may_talk(&closed, dns, to("host dns"), ("UDP", 53)));
    let six = to("client of IPv6");
    assert!(!may_talk(&closed, web, six, ("TCP", 443)));
    let narrowed = policies(&own("workload: {publicEgress: {cidr: 203.0.113.0/24}}"));
    assert!(
        may_talk(&narrowed, web, to("client"), ("TCP", 443))
            && !may_talk(&narrowed, web, six, ("TCP", 443)),
        "who names addresses of IPv4 gets no others"
    );
    let only_six = policies(&own(
        "workload: {publicEgress: {cidr: '', ipv6: {enabled: true, cidr: '2001:db8::/32', except: []}}}",
    ));
    assert!(
        may_talk(&only_six, web, six, ("TCP", 443))
            && !may_talk(&only_six, web, to("client"), ("TCP", 443))
            && !may_talk(&only_six, web, &Party::outside("other", "2001:db9::1"), ("TCP", 443))
    );
    let nothing = policies(&own("workload: {publicEgress: {cidr: '', ipv6: {cidr: ''}}}"));
    assert!(!may_talk(&nothing, web, six, ("TCP", 443)), "no address is not every address");
    let some = policies(&own(
        "outgoingConnections: {ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.8/30]}}",
    ));
    assert!(!may_talk(&some, web, to("client"), ("TCP", 443)));
    assert!(!may_talk(&some, web, six, ("TCP", 443)));
    assert!(may_talk(&some, web, &Party::outside("allowed", "203.0.113.1"), ("TCP", 443)));
    assert!(!may_talk(&some, web, &Party::outside("beyond", "198.51.100.1"), ("TCP", 443)));
    let resolver = Party::outside("resolver", "192.168.1.53");
    let dns_too = policies(&own("fallbackDns: 192.168.1.53"));
    assert!(
        may_talk(&dns_too, web, &resolver, ("UDP", 53))
            && !may_talk(&dns_too, web, &resolver, ("TCP", 80))
    );
    let more = policies(&own(
        "controlPlane: {egress: [{ports: [{port: 5432}]}]}, workload: {egress: [{ports: [{port: 25}]}]}",
    ));
    assert!(may_talk(&more, plane, to("host api"), ("TCP", 5432)));
    assert!(
        may_talk(&more, web, to("host api"), ("TCP", 25))
            && !may_talk(&more, web, to("host api"), ("TCP", 443))
    );
}

/// Whatever labels a tenant gives a pod, on the host it is one of his and never one of the control plane.
#[test]
fn no_pod_of_a_tenant_passes_for_another() {
    let settings =
        Settings { name: NAME.into(), host_namespace: NAMESPACE.into(), ..Settings::example() };
    let virt = Virtual(Object::new(
        vcluster_syncer_core::json::json!({"metadata": {"name": "evil", "namespace": "shop", "uid": "u", "labels": {
            "app": "vcluster", "release": NAME, "vcluster.loft.sh/managed-by": "other",
        }}}),
    ));
    let key = Host(Key::new(NAMESPACE, "evil"));
    let made = metadata::to_host(&virt, &PODS, &key, &settings);
    let labels: BTreeMap<String, String> = made["labels"].to().unwrap();
    let objects = chart(ISOLATED);
    let selector = |name: &str| &one(&objects, "NetworkPolicy", name)["spec"]["podSelector"];
    assert!(selects(selector("vc-work-my-vc"), &labels), "{labels:?}");
    assert!(!selects(selector("vc-cp-my-vc"), &labels), "{labels:?}");
}
