//! An object of the API as the JSON document that it is.
//!
//! Typed structs would drop the fields of newer API servers; a lost `securityContext` field is a security bug. So
//! objects stay JSON from watch to write, and these are the lenses that read and change them (design D3).

use std::sync::Arc;

use crate::json::{Map, Value};

/// A Kubernetes object. Every lens copes with any JSON: what is not there reads as absent. Clones share the document
/// until one of them changes.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Object(Arc<Value>);

impl Object {
    /// The object that a document describes.
    pub fn new(document: Value) -> Object {
        Object(Arc::new(document))
    }

    /// The whole document.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// The whole document, to change.
    pub fn value_mut(&mut self) -> &mut Value {
        Arc::make_mut(&mut self.0)
    }

    /// The whole document, owned.
    pub fn into_value(self) -> Value {
        Arc::unwrap_or_clone(self.0)
    }

    /// `metadata.name`, or `""`.
    pub fn name(&self) -> &str {
        self.str_at(&["metadata", "name"]).unwrap_or_default()
    }

    /// `metadata.namespace`, or `""`.
    pub fn namespace(&self) -> &str {
        self.str_at(&["metadata", "namespace"]).unwrap_or_default()
    }

    /// The object's key.
    pub fn key(&self) -> crate::Key {
        crate::Key::new(self.namespace(), self.name())
    }

    /// `metadata.uid`, or `""`.
    pub fn uid(&self) -> &str {
        self.str_at(&["metadata", "uid"]).unwrap_or_default()
    }

    /// `metadata.resourceVersion`, or `""`. Compare for equality only (design D5).
    pub fn resource_version(&self) -> &str {
        self.str_at(&["metadata", "resourceVersion"]).unwrap_or_default()
    }

    /// Whether the object is being deleted.
    pub fn is_deleting(&self) -> bool {
        self.at(&["metadata", "deletionTimestamp"]).is_some()
    }

    /// One label's value.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.str_at(&["metadata", "labels", key])
    }

    /// One annotation's value.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.str_at(&["metadata", "annotations", key])
    }

    /// All labels, in order of keys.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.strings_at(&["metadata", "labels"])
    }

    /// All annotations, in order of keys.
    pub fn annotations(&self) -> impl Iterator<Item = (&str, &str)> {
        self.strings_at(&["metadata", "annotations"])
    }

    /// The string members of the object at a path.
    pub fn strings_at(&self, path: &[&str]) -> impl Iterator<Item = (&str, &str)> {
        let members = self.at(path).and_then(Value::as_object).into_iter().flatten();
        members.filter_map(|(key, value)| value.as_str().map(|value| (key.as_str(), value)))
    }

    /// What is at a path of object members. A JSON `null` reads as absent.
    pub fn at(&self, path: &[&str]) -> Option<&Value> {
        let found = path.iter().try_fold(self.value(), |value, member| value.get(member))?;
        (!found.is_null()).then_some(found)
    }

    /// A string at a path.
    pub fn str_at(&self, path: &[&str]) -> Option<&str> {
        self.at(path).and_then(Value::as_str)
    }

    /// The elements of the array at a path; nothing where there is none.
    pub fn items_at(&self, path: &[&str]) -> &[Value] {
        self.at(path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Puts a value at a path, making the objects on the way. A non-object on the way is replaced.
    pub fn set(&mut self, path: &[&str], value: impl Into<Value>) {
        let Some((last, parents)) = path.split_last() else {
            *self.value_mut() = value.into();
            return;
        };
        let parent = parents.iter().fold(self.value_mut(), |at, member| {
            members(at).entry(*member).or_insert_with(|| Value::Object(Map::new()))
        });
        members(parent).insert(*last, value.into());
    }

    /// Takes away what is at a path, if anything.
    pub fn remove(&mut self, path: &[&str]) -> Option<Value> {
        let (last, parents) = path.split_last()?;
        self.at(path)?;
        let parent =
            parents.iter().try_fold(self.value_mut(), |value, member| value.get_mut(member))?;
        parent.as_object_mut()?.remove(last)
    }
}

/// The members of a value, made an empty object first when it is anything else.
pub fn members(value: &mut Value) -> &mut Map {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(members) => members,
        _ => unreachable!("made an object above"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::json;

    #[test]
    fn lenses_read_anything_without_panic() {
        for odd in [
            json!(null),
            json!(3),
            json!([]),
            json!({"metadata": "x"}),
            json!({"metadata": {"labels": [1]}}),
        ] {
            let mut object = Object::new(odd);
            assert_eq!((object.name(), object.uid(), object.labels().count()), ("", "", 0));
            object.set(&["metadata", "labels", "a"], "b");
            assert_eq!(object.label("a"), Some("b"));
            assert_eq!(object.remove(&["metadata", "labels", "a"]), Some(json!("b")));
            assert_eq!(object.remove(&["no", "such"]), None);
        }
    }
}
