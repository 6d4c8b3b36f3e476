//! Names on the host, as upstream vcluster makes them (byte for byte, so that its tools find our objects), but never
//! ambiguous: where upstream's form could stand for two objects, a hashed form over lengths and parts is used.

use sha2::{Digest, Sha256};

/// The longest DNS label, and so the longest name we make.
const MAX: usize = 63;
/// What is kept of a name that is too long: 52 characters, a dash and 10 hex digits make 63.
const KEPT: usize = 52;

/// The host name of a namespaced virtual object: `NAME-x-NAMESPACE-x-VCLUSTER`.
///
/// Where a part contains the separator `-x-`, the joined form could be read in two ways; then it is hashed over the
/// lengths and the parts. Names over 63 characters are cut and hashed as upstream does.
pub fn host_name(name: &str, namespace: &str, vcluster: &str) -> String {
    joined(&[name, "x", namespace, "x", vcluster], &[name, namespace, vcluster])
}

/// The host name of a cluster-scoped virtual object: `vcluster-NAME-x-HOSTNAMESPACE-x-VCLUSTER`.
pub fn host_name_cluster(name: &str, host_namespace: &str, vcluster: &str) -> String {
    joined(
        &["vcluster", name, "x", host_namespace, "x", vcluster],
        &[name, host_namespace, vcluster],
    )
}

/// The value of the marker label on cluster-scoped host objects: `HOSTNAMESPACE-x-VCLUSTER`.
pub fn cluster_marker(host_namespace: &str, vcluster: &str) -> String {
    joined(&[host_namespace, "x", vcluster], &[host_namespace, vcluster])
}

/// The name of the host Service of a virtual node: `VCLUSTER-node-NODE`.
///
/// A Service's name holds no dots, so those of the node become dashes as upstream has it; a name with dots is hashed
/// then, since another node may have the dashes of its own. It is hashed too where the virtual cluster's name could be
/// taken for another one's with the start of a node's.
pub fn node_service(node: &str, vcluster: &str) -> String {
    let dashed = node.replace('.', "-");
    if dashed == node && !vcluster.contains("-node-") && !vcluster.ends_with("-node") {
        return safe_concat(&[vcluster, "node", node]);
    }
    let exact = format!("{}:{vcluster}{}:{node}", vcluster.len(), node.len());
    cut(&[vcluster, "node", &dashed].join("-"), &exact)
}

/// Joins parts with dashes; over 63 characters: the first 52, a dash and 10 hex digits of the whole's SHA-256.
/// Upstream's `SafeConcatName`.
pub fn safe_concat(parts: &[&str]) -> String {
    let full = parts.join("-");
    if full.len() > MAX { cut(&full, &full) } else { full }
}

/// The first ten hex digits of a text's SHA-256.
pub fn short_hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let digits = digest.iter().take(5).flat_map(|byte| [byte >> 4, byte & 15]);
    let mut hash = String::with_capacity(10);
    hash.extend(digits.filter_map(|digit| char::from_digit(digit.into(), 16)));
    hash
}

fn joined(parts: &[&str], fields: &[&str]) -> String {
    if !fields.iter().any(|field| is_ambiguous(field)) {
        return safe_concat(parts);
    }
    let exact: String = fields.iter().map(|field| format!("{}:{field}", field.len())).collect();
    cut(&parts.join("-"), &exact)
}

/// Whether a field could be mistaken for a seam: it holds the separator, or its start would complete one with the
/// end of the field before (`a-x` + `b` and `a` + `x-b` join to the same text; only the first keeps its plain form).
fn is_ambiguous(field: &str) -> bool {
    field.contains("-x-") || field.starts_with("x-")
}

fn cut(shown: &str, hashed: &str) -> String {
    let kept: String = shown.chars().take(KEPT).collect();
    format!("{kept}-{}", short_hash(hashed)).replace(".-", "-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_upstreams() {
        for (name, namespace, vcluster, wanted) in [
            (
                "coredns-666d64755b-wfmqt",
                "kube-system",
                "my-vcluster",
                "coredns-666d64755b-wfmqt-x-kube-system-x-my-vcluster",
            ),
            (
                "nginx-vcluster1-694d446f64-ld6qb",
                "a-rather-long-namespace-name",
                "my-vcluster",
                "nginx-vcluster1-694d446f64-ld6qb-x-a-rather-long-nam-66c9b03f09",
            ),
            (
                "nginx-vcluster1-694d446f64-ld6qb",
                "a-rather-long-namespace-name",
                "vcluster1",
                "nginx-vcluster1-694d446f64-ld6qb-x-a-rather-long-nam-46ac156fea",
            ),
        ] {
            assert_eq!(host_name(name, namespace, vcluster), wanted);
        }
        assert_eq!(
            host_name_cluster("gold", "team-x", "my-vcluster"),
            "vcluster-gold-x-team-x-x-my-vcluster"
        );
        assert_eq!(
            host_name_cluster("pvc-2a4d2509-1bea-4f47-8895-96a685c1b7eb", "team-x", "my-vcluster"),
            "vcluster-pvc-2a4d2509-1bea-4f47-8895-96a685c1b7eb-x--96bb63d143"
        );
    }

    #[test]
    fn pairs_that_collide_upstream_do_not_here() {
        assert_ne!(host_name("a-x-b", "c", "vc"), host_name("a", "b-x-c", "vc"));
        assert_ne!(
            host_name("web", "default-x-foo", "bar"),
            host_name("web", "default", "foo-x-bar")
        );
        assert_ne!(host_name("a", "x-b", "vc"), host_name("a-x", "b", "vc"));
        assert_ne!(host_name("a-x", "x", "vc"), host_name("a", "x-x", "vc"));
    }

    #[test]
    fn names_stay_valid_eighteen_levels_deep() {
        let mut seen = std::collections::BTreeSet::new();
        let mut name = "web-0".to_owned();
        for level in 0..18 {
            name = host_name(&name, "default", &format!("vc{level}"));
            assert!(name.len() <= MAX, "{name}");
            assert!(seen.insert(name.clone()));
        }
    }

    #[test]
    fn nodes_never_share_a_service() {
        assert_eq!(node_service("node1", "my-vc"), "my-vc-node-node1");
        let names = [
            node_service("a.b", "vc"),
            node_service("a-b", "vc"),
            node_service("b", "vc-node-a"),
            node_service("a-node-b", "vc"),
            node_service("b", "vc-node"),
            node_service("node-b", "vc"),
            node_service("b", "vc-node-node"),
            node_service("ip-10-0-0-1.eu-central-1.compute.internal.example.com", "vc"),
        ];
        for name in &names {
            assert!(name.len() <= MAX && !name.contains('.') && !name.ends_with('-'), "{name}");
            assert_eq!(names.iter().filter(|other| *other == name).count(), 1, "{name}");
        }
    }

    fn label() -> impl Strategy<Value = String> {
        "[a-z0-9]([a-z0-9x-]{0,30}[a-z0-9])?"
    }

    /// Short names from a tiny alphabet: seams everywhere.
    fn tricky() -> impl Strategy<Value = String> {
        "[ax]([ax-]{0,4}[ax])?"
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn every_name_is_a_dns_label(name in label(), namespace in label(), vcluster in label()) {
            let host = host_name(&name, &namespace, &vcluster);
            prop_assert!(host.len() <= MAX);
            prop_assert!(host.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
            prop_assert!(!host.starts_with('-') && !host.ends_with('-'));
        }

        #[test]
        fn two_objects_never_share_a_name(a in (tricky(), tricky(), tricky()), b in (tricky(), tricky(), tricky())) {
            if a != b {
                prop_assert_ne!(host_name(&a.0, &a.1, &a.2), host_name(&b.0, &b.1, &b.2));
            }
        }
    }
}
