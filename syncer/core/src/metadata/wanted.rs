//! The labels and annotations that an object should have, and what it takes to get there.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::json::{Map, Value, json};

use crate::labels::{self, annotation_passes, host_label_key};
use crate::object::members;
use crate::resource::{CONFIG_MAPS, SECRETS};
use crate::{Host, Key, Object, Resource, Settings, Virtual};

/// The label by which Helm finds its releases, among secrets and config maps of any name. A tenant's own would pass for
/// a release of the virtual cluster's: `helm uninstall` on the host would delete what it lists.
const HELM_RELEASE: (&str, &str) = ("owner", "helm");
const HELM_KEEPS_RELEASES_IN: [&Resource; 2] = [&CONFIG_MAPS, &SECRETS];

/// Labels or annotations by their keys, borrowed where they stand somewhere already.
pub type Texts<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;

/// The labels and annotations that an object should have. Nearly always it has them, so comparing copies nothing.
#[derive(Debug, Default)]
pub struct Wanted<'a> {
    /// The labels.
    pub labels: Texts<'a>,
    /// The annotations.
    pub annotations: Texts<'a>,
}

impl<'a> Wanted<'a> {
    /// The marks of a host object, and what passes to it of its virtual twin's labels and annotations.
    pub fn on_host(
        virt: &'a Virtual<Object>,
        kind: &Resource,
        host: &'a Host<Key>,
        settings: &'a Settings,
    ) -> Wanted<'a> {
        let keeps_releases = HELM_KEEPS_RELEASES_IN.contains(&kind);
        let mut labels: Texts<'a> = virt
            .labels()
            .map(|(key, value)| match keeps_releases && (key, value) == HELM_RELEASE {
                true => (labels::hashed_label_key(key, &settings.name).into(), value.into()),
                false => (host_label_key(key, &settings.name), value.into()),
            })
            .collect();
        let passing = virt.annotations().filter(|(key, _)| annotation_passes(key));
        let mut annotations: Texts<'a> =
            passing.map(|(key, value)| (key.into(), value.into())).collect();
        let owned_labels = joined_keys(labels.keys());
        let owned_annotations = joined_keys(annotations.keys());
        labels.insert(labels::MANAGED_BY.into(), settings.name.as_str().into());
        if !virt.namespace().is_empty() {
            labels.insert(labels::NAMESPACE.into(), virt.namespace().into());
        }
        let marks: [(&str, Cow<'a, str>); 9] = [
            (labels::OBJECT_NAME, virt.name().into()),
            (labels::OBJECT_NAMESPACE, virt.namespace().into()),
            (labels::OBJECT_UID, virt.uid().into()),
            (labels::OBJECT_KIND, kind.gvk().into()),
            (labels::OBJECT_HOST_NAME, host.name().into()),
            (labels::OBJECT_HOST_NAMESPACE, host.namespace().into()),
            (labels::OBJECT_VERSION, virt.resource_version().into()),
            (labels::MANAGED_LABELS, owned_labels.into()),
            (labels::MANAGED_ANNOTATIONS, owned_annotations.into()),
        ];
        let marks = marks.into_iter().filter(|(_, value)| !value.is_empty());
        annotations.extend(marks.map(|(key, value)| (key.into(), value)));
        Wanted { labels, annotations }
    }

    /// Those that a document of metadata holds.
    pub(super) fn in_document(metadata: &'a Value) -> Wanted<'a> {
        let texts = |field| -> Texts<'a> {
            let members = metadata.get(field).and_then(Value::as_object).into_iter().flatten();
            members
                .filter_map(|(key, value)| Some((key.as_str().into(), value.as_str()?.into())))
                .collect()
        };
        Wanted { labels: texts("labels"), annotations: texts("annotations") }
    }

    /// The whole metadata of a new host object of this key: with its name and its owner.
    pub fn into_metadata(self, host: &Host<Key>, settings: &Settings) -> Value {
        let document = |texts: Texts<'_>| -> Map {
            let texts = texts.into_iter();
            texts.map(|(key, value)| (key.into_owned(), value.into_owned())).collect()
        };
        let mut metadata = json!({
            "name": host.name(),
            "labels": document(self.labels),
            "annotations": document(self.annotations),
        });
        if !host.namespace().is_empty() {
            members(&mut metadata).insert("namespace", host.namespace().into());
        }
        if !settings.owner_uid.is_empty() {
            let owner = json!({"apiVersion": "v1", "kind": "Service", "name": &settings.name, "uid": &settings.owner_uid});
            members(&mut metadata).insert("ownerReferences", json!([owner]));
        }
        metadata
    }

    /// The `metadata` part of a merge patch that brings an object's labels and annotations to these.
    ///
    /// Keys that others set stay; keys that we once set, by the lists in [`labels::MANAGED_LABELS`] and
    /// [`labels::MANAGED_ANNOTATIONS`], go when they are no longer wanted. What is fixed at creation
    /// ([`labels::OBJECT_VERSION`]) is not touched.
    pub fn patch(&self, have: &Object) -> Option<Value> {
        let mut changed = Map::new();
        for (field, wanted, list) in [
            ("labels", &self.labels, labels::MANAGED_LABELS),
            ("annotations", &self.annotations, labels::MANAGED_ANNOTATIONS),
        ] {
            let mut changes = Map::new();
            let ours_before = have.annotation(list).unwrap_or_default().lines();
            for key in ours_before.filter(|key| !wanted.contains_key(*key)) {
                if have.at(&["metadata", field, key]).is_some() {
                    changes.insert(key.to_owned(), Value::Null);
                }
            }
            for (key, value) in wanted.iter().filter(|(key, _)| *key != labels::OBJECT_VERSION) {
                if have.str_at(&["metadata", field, key]) != Some(value) {
                    changes.insert(key.clone().into_owned(), value.as_ref().into());
                }
            }
            if field == "annotations" {
                // An empty list is not written, so a list that became empty is taken away.
                for list in [labels::MANAGED_LABELS, labels::MANAGED_ANNOTATIONS] {
                    if !wanted.contains_key(list) && have.annotation(list).is_some() {
                        changes.insert(list.to_owned(), Value::Null);
                    }
                }
            }
            if !changes.is_empty() {
                changed.insert(field.to_owned(), Value::Object(changes));
            }
        }
        (!changed.is_empty()).then_some(Value::Object(changed))
    }
}

/// The keys, a line each.
pub(super) fn joined_keys(keys: impl Iterator<Item = impl AsRef<str>>) -> String {
    let mut joined = String::new();
    for key in keys {
        if !joined.is_empty() {
            joined.push('\n');
        }
        joined.push_str(key.as_ref());
    }
    joined
}
