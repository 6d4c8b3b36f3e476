//! Every field of a pod by which it names another object of its namespace.
//!
//! One list serves three ends: names are translated by it, objects are mirrored because of it, and [`super::judge`]
//! refuses what looks like such a name and is not in it. A name never passes as it is, so that a tenant cannot reach
//! an object of the host namespace by guessing its name.

use crate::json::{Map, Value};

use crate::kinds::{configmaps, namespaced_host_key};
use crate::resource::{CLAIMS, CONFIG_MAPS, ENDPOINTS, SECRETS};
use crate::{Host, Key, Object, Resource, Settings, Virtual};

use super::paths::{containers, each, each_container, each_mut, text};

/// A field that holds a name.
pub struct Field {
    /// Path of the object that holds it, from the pod's spec or from the container.
    pub at: &'static str,
    /// Its member.
    pub member: &'static str,
    /// What it names.
    pub names: &'static Resource,
}

const fn secret(at: &'static str, member: &'static str) -> Field {
    Field { at, member, names: &SECRETS }
}

const fn config_map(at: &'static str) -> Field {
    Field { at, member: "name", names: &CONFIG_MAPS }
}

/// The fields of a pod's spec outside its containers.
pub static OF_POD: &[Field] = &[
    secret("imagePullSecrets[]", "name"),
    secret("volumes[].secret", "secretName"),
    secret("volumes[].projected.sources[].secret", "name"),
    secret("volumes[].csi.nodePublishSecretRef", "name"),
    // Azure's drivers read the name of their Secret from the attributes, in any case of letters.
    secret("volumes[].csi.volumeAttributes", "secretName"),
    secret("volumes[].csi.volumeAttributes", "secretname"),
    secret("volumes[].azureFile", "secretName"),
    secret("volumes[].cephfs.secretRef", "name"),
    secret("volumes[].cinder.secretRef", "name"),
    secret("volumes[].flexVolume.secretRef", "name"),
    secret("volumes[].iscsi.secretRef", "name"),
    secret("volumes[].rbd.secretRef", "name"),
    secret("volumes[].scaleIO.secretRef", "name"),
    secret("volumes[].storageos.secretRef", "name"),
    config_map("volumes[].configMap"),
    config_map("volumes[].projected.sources[].configMap"),
    Field { at: "volumes[].persistentVolumeClaim", member: "claimName", names: &CLAIMS },
    Field { at: "volumes[].glusterfs", member: "endpoints", names: &ENDPOINTS },
];

/// The fields of a container.
pub static OF_CONTAINER: &[Field] = &[
    secret("env[].valueFrom.secretKeyRef", "name"),
    secret("envFrom[].secretRef", "name"),
    config_map("env[].valueFrom.configMapKeyRef"),
    config_map("envFrom[].configMapRef"),
];

/// The config maps and secrets that a pod needs, each once, in order. Claims and endpoints are always mirrored.
pub fn of(virt: &Virtual<Object>) -> Vec<(&'static Resource, Virtual<Key>)> {
    let spec = virt.at(&["spec"]).unwrap_or(&Value::Null);
    let needed = |field: &&Field| [&CONFIG_MAPS, &SECRETS].contains(&field.names);
    let mut found: Vec<_> = named(spec)
        .filter(|(field, _)| needed(field))
        .map(|(field, name)| (field.names, virtual_key(field.names, name, virt.namespace())))
        .collect();
    found.sort();
    found.dedup();
    found
}

/// All names that a pod's spec holds, with what they name.
pub fn named(spec: &Value) -> impl Iterator<Item = (&'static Field, &str)> {
    let in_containers = containers(spec).map(|container| (container, OF_CONTAINER));
    [(spec, OF_POD)]
        .into_iter()
        .chain(in_containers)
        .flat_map(|(part, fields)| fields.iter().map(move |field| (part, field)))
        .flat_map(|(part, field)| {
            each(part, field.at).into_iter().map(move |holder| (field, holder))
        })
        .map(|(field, holder)| (field, text(holder, field.member)))
        .filter(|(_, name)| !name.is_empty())
}

/// Puts host names in place of virtual ones, in the spec of a pod of this namespace.
pub fn translate(spec: &mut Value, namespace: &str, settings: &Settings) {
    for field in OF_POD {
        each_mut(spec, field.at, &mut |holder| rename(holder, field, namespace, settings));
    }
    each_container(spec, &mut |container| translate_container(container, namespace, settings));
}

/// The same for one container.
pub fn translate_container(container: &mut Value, namespace: &str, settings: &Settings) {
    for field in OF_CONTAINER {
        each_mut(container, field.at, &mut |holder| rename(holder, field, namespace, settings));
    }
}

/// The key on the host of an object that a pod names.
pub fn host_key(
    kind: &'static Resource,
    name: &str,
    namespace: &str,
    settings: &Settings,
) -> Host<Key> {
    let key = virtual_key(kind, name, namespace);
    let special = if *kind == CONFIG_MAPS { configmaps::host_key(&key, settings) } else { None };
    special.unwrap_or_else(|| namespaced_host_key(&key, settings))
}

/// All `kube-root-ca.crt` are the same; the one in `default` stands for them.
fn virtual_key(kind: &'static Resource, name: &str, namespace: &str) -> Virtual<Key> {
    let shared = *kind == CONFIG_MAPS && name == configmaps::ROOT_CA;
    Virtual(Key::new(if shared { "default" } else { namespace }, name))
}

fn rename(holder: &mut Value, field: &Field, namespace: &str, settings: &Settings) {
    let Some(members) = holder.as_object_mut() else { return };
    drop_namespaces(members, field.at.ends_with("Ref"));
    let Some(member) = members.get_mut(field.member) else { return };
    // An empty name stands for nothing on both sides.
    if let Some(name) = member.as_str().filter(|name| !name.is_empty()) {
        *member = host_key(field.names, name, namespace, settings).name().into();
    }
}

/// A pod can name only objects of its own namespace; a field that says otherwise must not say it on the host.
fn drop_namespaces(members: &mut Map, is_reference: bool) {
    members.retain(|key, _| {
        let other = key.eq_ignore_ascii_case("secretNamespace");
        !(other || is_reference && key == "namespace")
    });
}

#[cfg(test)]
mod tests {
    use super::super::paths::CONTAINER_LISTS;
    use super::*;
    use crate::json::json;

    /// A spec in which each field names `n0`, `n1` ...
    fn everything() -> (Value, usize) {
        let mut spec = json!({});
        let fields = OF_POD.iter().map(|field| (field.at.to_owned(), field.member)).chain(
            CONTAINER_LISTS.into_iter().flat_map(|list| {
                OF_CONTAINER
                    .iter()
                    .map(move |field| (format!("{list}[].{}", field.at), field.member))
            }),
        );
        let mut count = 0;
        for (path, member) in fields {
            let mut inner = json!({member: format!("n{count}"), "namespace": "kube-system"});
            for step in path.split('.').rev() {
                inner = match step.strip_suffix("[]") {
                    Some(list) => json!({list: [inner]}),
                    None => json!({step: inner}),
                };
            }
            merge(&mut spec, inner);
            count += 1;
        }
        (spec, count)
    }

    fn merge(into: &mut Value, from: Value) {
        match (into, from) {
            (Value::Object(into), Value::Object(from)) => {
                for (key, value) in from {
                    merge(into.entry(key).or_insert(Value::Null), value);
                }
            }
            (Value::Array(into), Value::Array(from)) => into.extend(from),
            (into, from) => *into = from,
        }
    }

    #[test]
    fn every_reference_is_translated_and_none_keeps_a_namespace() {
        let (mut spec, count) = everything();
        assert_eq!(count, 18 + 3 * 4);
        translate(&mut spec, "shop", &Settings::example());
        let names: Vec<_> = named(&spec).map(|(_, name)| name.to_owned()).collect();
        assert_eq!(names.len(), count);
        for name in names {
            assert!(name.ends_with("-x-shop-x-my-vc"), "{name}");
        }
        let text = spec.to_string();
        let kept = text.matches("kube-system").count();
        // Where the holder is no reference, an unknown member `namespace` is not one either.
        let holders = OF_POD.iter().filter(|field| !field.at.ends_with("Ref")).count();
        assert_eq!(kept, holders, "{text}");
    }

    #[test]
    fn a_name_that_is_a_host_name_already_is_translated_again() {
        let mut spec = json!({"volumes": [{"secret": {"secretName": "db-x-other-x-my-vc"}}]});
        translate(&mut spec, "shop", &Settings::example());
        let name = each(&spec, "volumes[].secret.secretName");
        assert_ne!(name, [&json!("db-x-other-x-my-vc")]);
        assert!(
            !name.contains(&&json!("db-x-other-x-my-vc-x-shop-x-my-vc")),
            "ambiguous: {name:?}"
        );
    }

    #[test]
    fn what_is_needed_is_named_once() {
        let virt = Virtual(Object::new(json!({
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {
                "imagePullSecrets": [{"name": "pull"}, {"name": ""}, {}],
                "volumes": [
                    {"projected": {"sources": [{"configMap": {"name": "kube-root-ca.crt"}}]}},
                    {"configMap": {"name": "settings"}}, {"persistentVolumeClaim": {"claimName": "data"}},
                ],
                "containers": [{"envFrom": [{"configMapRef": {"name": "settings"}}]}],
            },
        })));
        let names: Vec<_> =
            of(&virt).into_iter().map(|(kind, key)| (kind.plural, key.to_string())).collect();
        let wanted = [
            ("configmaps", "default/kube-root-ca.crt"),
            ("configmaps", "shop/settings"),
            ("secrets", "shop/pull"),
        ];
        assert_eq!(names, wanted.map(|(kind, key)| (kind, key.to_owned())));
    }

    #[test]
    fn the_shared_authority_goes_to_its_one_twin() {
        let mut spec = json!({"volumes": [{"configMap": {"name": "kube-root-ca.crt"}}]});
        translate(&mut spec, "shop", &Settings::example());
        assert_eq!(
            each(&spec, "volumes[].configMap.name"),
            [&json!("vcluster-kube-root-ca.crt-x-my-vc")]
        );
    }
}
