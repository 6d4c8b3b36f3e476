//! From the bytes of the API to [`Object`]s, without what nobody reads.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use vcluster_syncer_core::Object;

/// Parses an object and drops `metadata.managedFields` on the way: about half of a pod's bytes (design D7).
pub fn object(json: &[u8]) -> Result<Object, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let document = Skipping { within: Some("metadata"), skip: "managedFields" }
        .deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(Object::new(document))
}

/// The identity of an object, for those of which no more is kept.
#[derive(serde::Deserialize)]
pub struct Identity {
    /// The object's metadata.
    pub metadata: IdentityMeta,
}

/// The part of `metadata` that identifies.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityMeta {
    /// Name; a bookmark has none.
    #[serde(default)]
    pub name: String,
    /// Namespace, empty for cluster-scoped objects.
    #[serde(default)]
    pub namespace: String,
    /// UID.
    #[serde(default)]
    pub uid: String,
    /// Version, compared for equality only.
    #[serde(default)]
    pub resource_version: String,
}

/// Parses no more than an object's identity.
pub fn identity(json: &[u8]) -> Result<IdentityMeta, serde_json::Error> {
    serde_json::from_slice::<Identity>(json).map(|identity| identity.metadata)
}

/// A page of a list; the items stay raw so that each is parsed once, and only as far as needed.
#[derive(serde::Deserialize)]
pub struct Page<'a> {
    /// The list's metadata.
    pub metadata: PageMeta,
    /// The objects.
    #[serde(borrow, default)]
    pub items: Option<Vec<&'a RawValue>>,
}

/// Metadata of a list.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageMeta {
    /// The version to watch from.
    #[serde(default)]
    pub resource_version: String,
    /// Token of the next page.
    #[serde(default, rename = "continue")]
    pub next: Option<String>,
}

/// One line of a watch.
#[derive(serde::Deserialize)]
pub struct WatchLine<'a> {
    /// `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// The object, or a `Status` for `ERROR`.
    #[serde(borrow)]
    pub object: &'a RawValue,
}

/// Deserializes a `Value`, leaving out one member, either here or within one member.
struct Skipping {
    within: Option<&'static str>,
    skip: &'static str,
}

impl<'de> DeserializeSeed<'de> for Skipping {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Skipping {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if self.within == Some(key.as_str()) {
                let inner = map.next_value_seed(Skipping { within: None, skip: self.skip })?;
                members.insert(key, inner);
            } else if self.within.is_none() && key == self.skip {
                map.next_value::<IgnoredAny>()?;
            } else {
                members.insert(key, map.next_value::<Value>()?);
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn managed_fields_are_dropped_and_the_rest_stays() {
        let text = br#"{"kind":"Pod","metadata":{"name":"a","managedFields":[{"x":1}]},"managedFields":1,"new":{"field":[1.5]}}"#;
        let parsed = object(text).expect("parses");
        assert_eq!(
            parsed.value(),
            &json!({"kind": "Pod", "metadata": {"name": "a"}, "managedFields": 1, "new": {"field": [1.5]}})
        );
    }

    #[test]
    fn a_bookmark_is_only_a_version() {
        let bookmark = br#"{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"12746","creationTimestamp":null}}"#;
        assert_eq!(identity(bookmark).expect("parses").resource_version, "12746");
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        for text in [&b"[]"[..], b"3", b"{", b"{\"metadata\": 3}", b"{} x", b""] {
            assert!(object(text).is_err(), "{text:?}");
        }
    }
}
