//! Which host nodes run pods of this virtual cluster: a virtual node exists only while its host node does.

use std::collections::HashMap;
use std::time::Instant;

use vcluster_syncer_core::Key;

/// Pods by node.
#[derive(Default)]
pub struct NodeUse {
    pods: HashMap<Key, String>,
    nodes: HashMap<String, Use>,
}

#[derive(Default)]
struct Use {
    pods: usize,
    unused_since: Option<Instant>,
}

impl NodeUse {
    /// A host pod is on this node now, or on none. Returns the nodes that became used or unused.
    pub fn set(&mut self, pod: &Key, node: Option<String>, now: Instant) -> Vec<String> {
        if self.pods.get(pod) == node.as_ref() {
            return Vec::new();
        }
        let mut changed = Vec::new();
        let before = match &node {
            Some(node) => self.pods.insert(pod.clone(), node.clone()),
            None => self.pods.remove(pod),
        };
        if let Some(before) = before
            && let Some(usage) = self.nodes.get_mut(&before)
        {
            usage.pods = usage.pods.saturating_sub(1);
            if usage.pods == 0 {
                usage.unused_since = Some(now);
                changed.push(before);
            }
        }
        if let Some(node) = node {
            let usage = self.nodes.entry(node.clone()).or_default();
            usage.pods += 1;
            usage.unused_since = None;
            if usage.pods == 1 {
                changed.push(node);
            }
        }
        changed
    }

    /// Whether a pod is on the node.
    pub fn is_used(&self, node: &str) -> bool {
        self.nodes.get(node).is_some_and(|usage| usage.pods > 0)
    }

    /// Since when no pod is on a node that had some.
    pub fn unused_since(&self, node: &str) -> Option<Instant> {
        self.nodes.get(node)?.unused_since
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_and_the_last_pod_matter() {
        let (mut nodes, now) = (NodeUse::default(), Instant::now());
        let (a, b) = (Key::new("x", "a"), Key::new("x", "b"));
        assert_eq!(nodes.set(&a, Some("n1".into()), now), vec!["n1"]);
        assert_eq!(nodes.set(&b, Some("n1".into()), now), Vec::<String>::new());
        assert_eq!(nodes.set(&a, None, now), Vec::<String>::new());
        assert!(nodes.is_used("n1") && nodes.unused_since("n1").is_none());
        assert_eq!(nodes.set(&b, Some("n2".into()), now), vec!["n1", "n2"]);
        assert!(!nodes.is_used("n1") && nodes.unused_since("n1") == Some(now));
    }
}
