//! The name of an object within its kind: namespace and name in one small allocation.

use std::fmt;
use std::sync::Arc;

/// `NAMESPACE/NAME`, or `NAME` for a kind without namespaces. Cheap to clone: stores and queues hold many.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(Arc<str>);

impl Key {
    /// The key of an object in a namespace; an empty namespace means a cluster-scoped object.
    pub fn new(namespace: &str, name: &str) -> Key {
        if namespace.is_empty() {
            Key(name.into())
        } else {
            Key(format!("{namespace}/{name}").into())
        }
    }

    /// The key of a cluster-scoped object.
    pub fn cluster(name: &str) -> Key {
        Key(name.into())
    }

    /// The namespace, or `""` for a cluster-scoped object.
    pub fn namespace(&self) -> &str {
        self.0.split_once('/').map_or("", |(namespace, _)| namespace)
    }

    /// The name within the namespace.
    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or(&*self.0, |(_, name)| name)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespace_and_name_come_back() {
        assert_eq!((Key::new("a", "b").namespace(), Key::new("a", "b").name()), ("a", "b"));
        assert_eq!((Key::cluster("b").namespace(), Key::cluster("b").name()), ("", "b"));
        assert_eq!(Key::new("", "b"), Key::cluster("b"));
    }
}
