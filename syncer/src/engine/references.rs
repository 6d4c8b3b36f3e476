//! Which virtual objects refer to which: config maps and secrets are mirrored while something does.

use std::collections::HashMap;

use vcluster_syncer_core::{Key, Resource, Virtual};

use super::queue::PlanKey;

/// A virtual object that is referred to.
pub type Target = (&'static Resource, Virtual<Key>);

/// All references.
#[derive(Default)]
pub struct References {
    from: HashMap<PlanKey, Vec<Target>>,
    counts: HashMap<Target, u32>,
}

impl References {
    /// An object refers to these now. Returns the targets that something refers to for the first time, and those that
    /// nothing refers to any more.
    pub fn set(&mut self, from: &PlanKey, to: Vec<Target>) -> Vec<Target> {
        let before = self.from.get(from).map(Vec::as_slice).unwrap_or_default();
        if before == to.as_slice() {
            return Vec::new();
        }
        let before = before.to_vec();
        let mut changed = Vec::new();
        for target in &to {
            let count = self.counts.entry(target.clone()).or_default();
            *count += 1;
            if *count == 1 {
                changed.push(target.clone());
            }
        }
        for target in before {
            if let Some(count) = self.counts.get_mut(&target) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.counts.remove(&target);
                    changed.push(target);
                }
            }
        }
        if to.is_empty() {
            self.from.remove(from);
        } else {
            self.from.insert(from.clone(), to);
        }
        changed
    }

    /// Whether something refers to it.
    pub fn contains(&self, kind: &'static Resource, key: &Virtual<Key>) -> bool {
        self.counts.contains_key(&(kind, key.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vcluster_syncer_core::resource::SECRETS;

    #[test]
    fn first_and_last_references_are_told() {
        let mut references = References::default();
        let pod = |name| PlanKey { kind: 0, key: Virtual(Key::new("a", name)) };
        let secret = || (&SECRETS, Virtual(Key::new("a", "s")));
        assert_eq!(references.set(&pod("one"), vec![secret()]), vec![secret()]);
        assert_eq!(references.set(&pod("two"), vec![secret()]), vec![]);
        assert_eq!(references.set(&pod("two"), vec![secret()]), vec![]);
        assert_eq!(references.set(&pod("one"), vec![]), vec![]);
        assert!(references.contains(&SECRETS, &secret().1));
        assert_eq!(references.set(&pod("two"), vec![]), vec![secret()]);
        assert!(references.counts.is_empty() && references.from.is_empty());
    }
}
