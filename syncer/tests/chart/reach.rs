//! May A talk to B on port P? Evaluates NetworkPolicies as the API defines them
//! (<https://kubernetes.io/docs/concepts/services-networking/network-policies/>): without a policy everything may; each
//! policy that selects a pod closes it, and opens what its rules say. Both ends must agree.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Value, json};

/// Somebody who talks or is talked to.
#[derive(Debug, Clone)]
pub struct Party {
    /// For messages.
    pub name: &'static str,
    /// The pod, unless it is outside of the cluster.
    pub pod: Option<Pod>,
    pub address: IpAddr,
}

/// What selectors see.
#[derive(Debug, Clone)]
pub struct Pod {
    pub namespace: &'static str,
    pub labels: BTreeMap<String, String>,
}

impl Party {
    pub fn pod(
        name: &'static str,
        namespace: &'static str,
        labels: &[(&str, &str)],
        address: &str,
    ) -> Party {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let pod = Pod { namespace, labels: labels.collect() };
        Party { name, pod: Some(pod), address: address.parse().unwrap() }
    }

    pub fn outside(name: &'static str, address: &str) -> Party {
        Party { name, pod: None, address: address.parse().unwrap() }
    }
}

/// Protocol and number.
pub type Port = (&'static str, u16);

/// Whether `from` may open a connection to `to`.
pub fn may_talk(policies: &[Value], from: &Party, to: &Party, port: Port) -> bool {
    lets(policies, to, from, port, "Ingress") && lets(policies, from, to, port, "Egress")
}

/// Whether the policies of `own`'s side let a connection with `other` pass.
fn lets(policies: &[Value], own: &Party, other: &Party, port: Port, direction: &str) -> bool {
    let Some(pod) = &own.pod else { return true };
    let concerns = |policy: &&Value| {
        policy["metadata"]["namespace"] == pod.namespace
            && selects(&policy["spec"]["podSelector"], &pod.labels)
            && types(policy).contains(&direction.to_owned())
    };
    let mut closing = policies.iter().filter(concerns).peekable();
    if closing.peek().is_none() {
        return true;
    }
    let (rules, peers) =
        if direction == "Ingress" { ("ingress", "from") } else { ("egress", "to") };
    closing.flat_map(|policy| list(&policy["spec"][rules])).any(|rule| {
        let with = list(&rule[peers]);
        let at = list(&rule["ports"]);
        (with.is_empty() || with.iter().any(|peer| is_peer(peer, other, pod.namespace)))
            && (at.is_empty() || at.iter().any(|allowed| is_port(allowed, port)))
    })
}

/// `policyTypes`, and what they are when they are left out.
fn types(policy: &Value) -> Vec<String> {
    match policy["spec"].get("policyTypes") {
        Some(types) => list(types).iter().map(|it| it.as_str().unwrap().to_owned()).collect(),
        None if policy["spec"].get("egress").is_some() => vec!["Ingress".into(), "Egress".into()],
        None => vec!["Ingress".into()],
    }
}

fn is_peer(peer: &Value, other: &Party, own_namespace: &str) -> bool {
    if let Some(block) = peer.get("ipBlock") {
        let within = |range: &Value| is_within(other.address, range.as_str().unwrap());
        return within(&block["cidr"]) && !list(&block["except"]).iter().any(within);
    }
    let Some(pod) = &other.pod else { return false };
    let in_namespace = match peer.get("namespaceSelector") {
        Some(selector) => selects(selector, &namespace_labels(pod.namespace)),
        None => pod.namespace == own_namespace,
    };
    in_namespace && peer.get("podSelector").is_none_or(|selector| selects(selector, &pod.labels))
}

/// Every namespace carries its name as a label.
fn namespace_labels(namespace: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("kubernetes.io/metadata.name".to_owned(), namespace.to_owned())])
}

fn is_port(allowed: &Value, (protocol, port): Port) -> bool {
    let own = allowed.get("protocol").and_then(Value::as_str).unwrap_or("TCP");
    let Some(first) = allowed.get("port") else { return own == protocol };
    let first = first.as_u64().expect("names of ports are not understood here");
    let last = allowed.get("endPort").and_then(Value::as_u64).unwrap_or(first);
    own == protocol && (first..=last).contains(&u64::from(port))
}

pub fn selects(selector: &Value, labels: &BTreeMap<String, String>) -> bool {
    let exactly = selector["matchLabels"].as_object().into_iter().flatten();
    let mut exactly =
        exactly.map(|(key, value)| labels.get(key).map(String::as_str) == value.as_str());
    let expressions = list(&selector["matchExpressions"]);
    exactly.all(|holds| holds)
        && expressions.iter().all(|expression| {
            let have = labels.get(expression["key"].as_str().unwrap());
            let values = list(&expression["values"]);
            let listed = have.is_some_and(|have| values.iter().any(|value| value == have));
            match expression["operator"].as_str().unwrap() {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => have.is_some(),
                "DoesNotExist" => have.is_none(),
                other => panic!("operator {other}"),
            }
        })
}

fn is_within(address: IpAddr, range: &str) -> bool {
    let (start, bits) = range.split_once('/').unwrap();
    let bits: u32 = bits.parse().unwrap();
    let number = |address: IpAddr| match address {
        IpAddr::V4(four) => (u128::from(u32::from(four)) << 96, 32),
        IpAddr::V6(six) => (u128::from(six), 128),
    };
    let ((own, width), (start, other)) = (number(address), number(start.parse().unwrap()));
    let shift = 128 - bits;
    width == other && own.checked_shr(shift).unwrap_or(0) == start.checked_shr(shift).unwrap_or(0)
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

#[test]
fn policies_mean_what_the_api_says() {
    let (a, b) = (
        Party::pod("a", "n", &[("app", "a")], "10.0.0.1"),
        Party::pod("b", "n", &[("app", "b")], "10.0.0.2"),
    );
    let elsewhere = Party::pod("c", "m", &[("app", "b")], "10.0.0.3");
    let client = Party::outside("client", "203.0.113.9");
    let policy = |spec: Value| vec![json!({ "metadata": { "namespace": "n" }, "spec": spec })];
    let tcp = |port| ("TCP", port);
    assert!(may_talk(&[], &client, &a, tcp(80)), "nothing is closed without a policy");
    let closed = policy(json!({ "podSelector": {} }));
    assert!(!may_talk(&closed, &b, &a, tcp(80)) && !may_talk(&closed, &client, &a, tcp(80)));
    assert!(
        may_talk(&closed, &a, &client, tcp(80)),
        "without egress it says nothing about going out"
    );
    assert!(may_talk(&closed, &a, &elsewhere, tcp(80)), "nor about other namespaces");
    let from = |peer: Value| {
        policy(
            json!({ "podSelector": { "matchLabels": { "app": "a" } }, "ingress": [{ "from": [peer] }] }),
        )
    };
    let named = from(json!({ "podSelector": { "matchLabels": { "app": "b" } } }));
    assert!(may_talk(&named, &b, &a, tcp(80)) && !may_talk(&named, &elsewhere, &a, tcp(80)));
    let anywhere = from(json!({ "namespaceSelector": {} }));
    assert!(
        may_talk(&anywhere, &elsewhere, &a, tcp(80)) && !may_talk(&anywhere, &client, &a, tcp(80))
    );
    let block =
        from(json!({ "ipBlock": { "cidr": "203.0.113.0/24", "except": ["203.0.113.8/30"] } }));
    assert!(!may_talk(&block, &client, &a, tcp(80)));
    assert!(may_talk(&block, &Party::outside("other", "203.0.113.1"), &a, tcp(80)));
    let ports =
        policy(json!({ "podSelector": {}, "policyTypes": ["Egress"], "egress": [{ "ports": [
        { "protocol": "UDP", "port": 53 }, { "port": 20000, "endPort": 20010 } ] }] }));
    assert!(may_talk(&ports, &a, &client, ("UDP", 53)) && !may_talk(&ports, &a, &client, tcp(53)));
    assert!(
        may_talk(&ports, &a, &client, tcp(20010)) && !may_talk(&ports, &a, &client, tcp(20011))
    );
    assert!(may_talk(&ports, &client, &a, tcp(80)), "it says nothing about coming in");
    let operators =
        json!({ "matchExpressions": [{ "key": "app", "operator": "NotIn", "values": ["a"] }] });
    assert!(
        !selects(&operators, &a.pod.unwrap().labels) && selects(&operators, &b.pod.unwrap().labels)
    );
}
