//! What of a virtual cluster cannot be changed once it runs. Pure.

use serde_json::Value;

/// The distribution and the store, by the names of their values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// `k8s`, `eks` ...
    distro: Chosen,
    /// `database.embedded`, `etcd.deploy` ...
    store: Chosen,
    /// How many members a deployed etcd has.
    members: u64,
}

/// One of several.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Chosen {
    name: &'static str,
    /// Named in the values, not only the default.
    named: bool,
}

/// What would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// In words.
    pub what: String,
    /// The values that would leave it as it is, where the user said nothing to the contrary. Values that are given
    /// stand for all: what an earlier command line said is not in them.
    pub keep: Option<String>,
}

const DISTROS: [&str; 4] = ["k3s", "k0s", "eks", "k8s"];
const STORES: [&str; 5] =
    ["etcd.deploy", "etcd.external", "etcd.embedded", "database.external", "database.embedded"];
const MEMBERS: &str = "controlPlane.backingStore.etcd.deploy.statefulSet.highAvailability.replicas";

impl Shape {
    /// Reads it from values; what they do not say is the default.
    pub fn of(values: &Value) -> Self {
        let chosen = |names: &[&'static str], section: &str, default| {
            let enabled = names.iter().find(|name| {
                let path = format!("controlPlane.{section}.{name}.enabled");
                at(values, &path).and_then(Value::as_bool) == Some(true)
            });
            Chosen { name: enabled.copied().unwrap_or(default), named: enabled.is_some() }
        };
        Self {
            distro: chosen(&DISTROS, "distro", "k8s"),
            store: chosen(&STORES, "backingStore", "database.embedded"),
            members: at(values, MEMBERS).and_then(Value::as_u64).unwrap_or(1),
        }
    }

    /// What would change, if anything.
    pub fn change(&self, wanted: &Self) -> Option<Change> {
        let other = |what: &str, section: &str, old: &Chosen, new: &Chosen| Change {
            what: format!("its {what} is {}, not {}, and data does not move", old.name, new.name),
            keep: (!new.named).then(|| format!("controlPlane.{section}.{}.enabled=true", old.name)),
        };
        if self.distro.name != wanted.distro.name {
            return Some(other("distribution", "distro", &self.distro, &wanted.distro));
        }
        if self.store.name != wanted.store.name {
            return Some(other("store", "backingStore", &self.store, &wanted.store));
        }
        let changed = self.store.name == "etcd.deploy" && self.members != wanted.members;
        changed.then(|| Change {
            what: format!(
                "its etcd has {} members, not {}, and members do not join or leave by themselves",
                self.members, wanted.members
            ),
            keep: Some(format!("{MEMBERS}={}", self.members)),
        })
    }
}

fn at<'a>(values: &'a Value, path: &str) -> Option<&'a Value> {
    values.pointer(&format!("/{}", path.replace('.', "/")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(distro: Value, store: Value) -> Shape {
        Shape::of(&json!({ "controlPlane": { "distro": distro, "backingStore": store } }))
    }

    fn etcd(members: u64) -> Value {
        let set = json!({ "highAvailability": { "replicas": members } });
        json!({ "etcd": { "deploy": { "enabled": true, "statefulSet": set } } })
    }

    #[test]
    fn the_default_may_be_named_or_not() {
        let default = Shape::of(&json!({}));
        let named = of(
            json!({ "k8s": { "enabled": true } }),
            json!({ "database": { "embedded": { "enabled": true } } }),
        );
        assert_eq!(default.change(&named), None);
        assert_eq!(named.change(&default), None);
    }

    #[test]
    fn another_distribution_or_store_is_a_change() {
        let default = Shape::of(&json!({}));
        let eks = of(json!({ "eks": { "enabled": true } }), json!({}));
        let change = default.change(&eks).unwrap();
        assert_eq!(change.what, "its distribution is k8s, not eks, and data does not move");
        assert_eq!(change.keep, None, "it was asked for");
        let change = default.change(&of(json!({}), etcd(1))).unwrap();
        assert_eq!(
            change.what,
            "its store is database.embedded, not etcd.deploy, and data does not move"
        );
    }

    #[test]
    fn who_forgot_to_say_it_again_is_told_what_to_add() {
        let default = Shape::of(&json!({}));
        let eks = of(json!({ "eks": { "enabled": true } }), json!({}));
        let keep = |old: &Shape, wanted: &Shape| old.change(wanted).unwrap().keep.unwrap();
        assert_eq!(keep(&eks, &default), "controlPlane.distro.eks.enabled=true");
        let store = of(json!({}), etcd(3));
        assert_eq!(keep(&store, &default), "controlPlane.backingStore.etcd.deploy.enabled=true");
        let fewer = of(json!({}), etcd(1));
        assert!(keep(&store, &fewer).ends_with("highAvailability.replicas=3"));
    }
}
