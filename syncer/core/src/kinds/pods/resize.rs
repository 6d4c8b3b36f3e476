//! Resources of containers that change while a pod runs.

use crate::json::{Map, Value, json};

use crate::object::members;
use crate::{Host, Object, Virtual};

use super::paths::{each, text};
use super::update::{containers, named, push};

/// The resources that changed inside and differ on the host. What the host added stays.
pub fn spec_patch(
    virt: &Virtual<Object>,
    host: &Host<Object>,
    changed: &dyn Fn(&str) -> bool,
) -> Option<Value> {
    let mut spec = Map::new();
    for (container, list) in containers(virt) {
        let name = text(container, "name");
        let Some(have) = named(host.items_at(&["spec", list]), name) else { continue };
        if !changed(&format!("resources/{name}")) {
            continue;
        }
        let mut differing = Map::new();
        for kind in ["limits", "requests"] {
            let amounts = each(container, "resources").into_iter().filter_map(|all| all.get(kind));
            for (resource, amount) in amounts.filter_map(Value::as_object).flatten() {
                let path = ["resources", kind, resource];
                let same = path.iter().try_fold(have, |at, member| at.get(member)) == Some(amount);
                if !same {
                    let amounts = differing.entry(kind).or_insert_with(|| json!({}));
                    members(amounts).insert(resource.clone(), amount.clone());
                }
            }
        }
        if !differing.is_empty() {
            push(&mut spec, list, json!({"name": name, "resources": differing}));
        }
    }
    (!spec.is_empty()).then_some(Value::Object(spec))
}
