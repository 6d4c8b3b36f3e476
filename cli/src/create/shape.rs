//! What of a virtual cluster cannot be changed once it runs. Pure.

use serde_json::Value;

/// The distribution and the store, by the names of their values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// `k8s`, `k3s` ...
    pub distro: String,
    /// `database.embedded`, `etcd.deploy` ...
    pub store: String,
}

impl Shape {
    /// Reads it from values; what they do not say is the default.
    pub fn of(values: &Value) -> Self {
        let enabled =
            |pointer: &str| values.pointer(pointer).and_then(Value::as_bool) == Some(true);
        let distro = ["k3s", "k0s", "eks", "k8s"]
            .into_iter()
            .find(|it| enabled(&format!("/controlPlane/distro/{it}/enabled")));
        let stores = [
            "etcd.deploy",
            "etcd.external",
            "etcd.embedded",
            "database.external",
            "database.embedded",
        ];
        let store = stores.into_iter().find(|it| {
            enabled(&format!("/controlPlane/backingStore/{}/enabled", it.replace('.', "/")))
        });
        Self {
            distro: distro.unwrap_or("k8s").to_owned(),
            store: store.unwrap_or("database.embedded").to_owned(),
        }
    }

    /// What would change, in words.
    pub fn change(&self, wanted: &Self) -> Option<String> {
        if self.distro != wanted.distro {
            return Some(format!("its distribution is {}, not {}", self.distro, wanted.distro));
        }
        (self.store != wanted.store)
            .then(|| format!("its store is {}, not {}", self.store, wanted.store))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn changes_are_seen() {
        let of = |values: Value| Shape::of(&values);
        let default = of(json!({}));
        assert_eq!(
            default.change(&of(
                json!({ "controlPlane": { "distro": { "k8s": { "enabled": true } } } })
            )),
            None
        );
        let k3s = of(json!({ "controlPlane": { "distro": { "k3s": { "enabled": true } } } }));
        assert_eq!(default.change(&k3s).unwrap(), "its distribution is k8s, not k3s");
        let etcd = of(
            json!({ "controlPlane": { "backingStore": { "etcd": { "deploy": { "enabled": true } } } } }),
        );
        assert_eq!(
            default.change(&etcd).unwrap(),
            "its store is database.embedded, not etcd.deploy"
        );
    }
}
