//! The metadata of host objects: made from a virtual object, and read back to tell whose a host object is.

mod wanted;

use crate::json::{Map, Value, json};

use crate::labels::{self, annotation_passes};
use crate::{Host, Key, Object, Resource, Settings, Virtual};

use wanted::joined_keys;
pub use wanted::{Texts, Wanted};

/// Makes the host object's `metadata` from its virtual twin's: name, marks, owner, labels and annotations.
///
/// Dropped on purpose: UID, versions, `managedFields`, `ownerReferences` (they name virtual objects), `finalizers`
/// (a tenant could block the host namespace), `generateName`.
pub fn to_host(
    virt: &Virtual<Object>,
    kind: &Resource,
    host: &Host<Key>,
    settings: &Settings,
) -> Value {
    Wanted::on_host(virt, kind, host, settings).into_metadata(host, settings)
}

/// [`Wanted::patch`] for metadata that [`to_host`] or [`from_host`] made, and that its kind may have added to.
pub fn patch(have: &Object, wanted: &Value) -> Option<Value> {
    Wanted::in_document(wanted).patch(have)
}

/// Makes the metadata of a virtual object that shows one of the host's: its labels, and its annotations if `annotated`.
/// What else is on the virtual object is its users'.
pub fn from_host(original: &Host<Object>, annotated: bool) -> Value {
    let plain = |(key, value): (&str, &str)| {
        annotation_passes(key).then(|| (key.to_owned(), Value::from(value)))
    };
    let labels: Map = original.labels().filter_map(plain).collect();
    let mut annotations = Map::new();
    if annotated {
        annotations.extend(original.annotations().filter_map(plain));
    }
    let (owned_labels, owned_annotations) =
        (joined_keys(labels.keys()), joined_keys(annotations.keys()));
    let name = match original.namespace() {
        "" => original.name().to_owned(),
        namespace => format!("{namespace}/{}", original.name()),
    };
    for (key, value) in [
        (labels::FROM_HOST, name),
        (labels::MANAGED_LABELS, owned_labels),
        (labels::MANAGED_ANNOTATIONS, owned_annotations),
    ] {
        if !value.is_empty() {
            annotations.insert(key, value.into());
        }
    }
    json!({"labels": labels, "annotations": annotations})
}

/// Whose a host object says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Group, version and kind of the virtual twin, in the form of [`Resource::gvk`].
    pub gvk: String,
    /// The virtual twin's key.
    pub key: Virtual<Key>,
    /// The virtual twin's UID.
    pub uid: String,
}

/// Reads the marks of a host object. Nothing when it is not marked as this virtual cluster's.
///
/// The marks alone prove nothing: whoever may write to the host namespace can forge or copy them. The caller must
/// check that the name is the one that the twin's kind would give (design D4), and the UID before touching it.
pub fn owner(host: &Host<Object>, settings: &Settings) -> Option<Owner> {
    let ours = host.label(labels::MANAGED_BY) == Some(&settings.name);
    let itself = host.annotation(labels::OBJECT_HOST_NAME).is_none_or(|name| name == host.name())
        && host
            .annotation(labels::OBJECT_HOST_NAMESPACE)
            .is_none_or(|namespace| namespace == host.namespace());
    if !ours || !itself {
        return None;
    }
    let name = host.annotation(labels::OBJECT_NAME)?;
    Some(Owner {
        gvk: host.annotation(labels::OBJECT_KIND).unwrap_or_default().to_owned(),
        key: Virtual(Key::new(host.annotation(labels::OBJECT_NAMESPACE).unwrap_or_default(), name)),
        uid: host.annotation(labels::OBJECT_UID).unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::CONFIG_MAPS;

    fn virt(labels: Value, annotations: Value) -> Virtual<Object> {
        Virtual(Object::new(json!({"metadata": {
            "name": "web", "namespace": "shop", "uid": "u1", "resourceVersion": "7", "finalizers": ["x/y"],
            "ownerReferences": [{"kind": "ReplicaSet"}], "labels": labels, "annotations": annotations,
        }})))
    }

    fn host(virt: &Virtual<Object>) -> Host<Object> {
        let key = Host(Key::new("team-x", "web-x-shop-x-my-vc"));
        Host(Object::new(
            json!({ "metadata": to_host(virt, &CONFIG_MAPS, &key, &Settings::example()) }),
        ))
    }

    #[test]
    fn marks_come_back_as_the_owner() {
        let made = host(&virt(json!({"app": "web"}), json!({})));
        let owner = owner(&made, &Settings::example()).expect("marked");
        assert_eq!((owner.key, owner.uid.as_str()), (Virtual(Key::new("shop", "web")), "u1"));
        assert_eq!(owner.gvk, "/v1, Kind=ConfigMap");
        assert_eq!(made.at(&["metadata", "finalizers"]), None);
    }

    #[test]
    fn a_copy_under_another_name_is_not_ours() {
        let mut made = host(&virt(json!({}), json!({})));
        made.0.set(&["metadata", "name"], "copy");
        assert_eq!(owner(&made, &Settings::example()), None);
    }

    #[test]
    fn a_tenant_cannot_set_our_marks() {
        let forged = json!({(labels::MANAGED_BY): "other", (labels::OBJECT_UID): "forged", "release": "my-vc"});
        let made = host(&virt(forged.clone(), forged));
        assert_eq!(made.label(labels::MANAGED_BY), Some("my-vc"));
        assert_eq!(made.annotation(labels::OBJECT_UID), Some("u1"));
        assert_eq!(made.label("release"), None);
    }

    #[test]
    fn a_tenant_cannot_forge_a_helm_release() {
        let made = host(&virt(json!({"owner": "helm", "name": "my-vc"}), json!({})));
        assert_eq!(made.label("owner"), None);
        assert_eq!(host(&virt(json!({"owner": "ann"}), json!({}))).label("owner"), Some("ann"));
    }

    #[test]
    fn keys_of_others_stay_and_ours_follow() {
        let before = virt(json!({"a": "1", "b": "1"}), json!({"n": "1"}));
        let mut made = host(&before);
        made.0.set(&["metadata", "labels", "foreign"], "f");
        let wanted =
            |virt: &Virtual<Object>| host(virt).at(&["metadata"]).cloned().expect("metadata");
        assert_eq!(patch(&made, &wanted(&before)), None);
        let change = patch(&made, &wanted(&virt(json!({"a": "2"}), json!({})))).expect("a change");
        assert_eq!(change["labels"], json!({"a": "2", "b": null}));
        assert_eq!(change["annotations"]["n"], Value::Null);
        let mut healed = made.value().clone();
        crate::diff::apply_merge_patch(&mut healed["metadata"], &change);
        let healed = Host(Object::new(healed));
        assert_eq!(healed.label("foreign"), Some("f"));
        assert_eq!(patch(&healed, &wanted(&virt(json!({"a": "2"}), json!({})))), None);
    }
}
