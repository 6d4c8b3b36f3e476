//! From the bytes of the API to [`Object`]s, without what nobody reads.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use vcluster_syncer_core::{Key, Object, Unread, json};

/// About half of a pod's bytes (design D7).
static MANAGED: [Unread; 1] = [Unread::of("metadata", &[Unread::all("managedFields")])];

/// Parses an object and drops `metadata.managedFields` on the way.
pub fn object(text: &[u8]) -> Result<Object, serde_json::Error> {
    object_but(text, &[])
}

/// Parses an object without what nobody reads of it.
pub fn object_but(text: &[u8], unread: &'static [Unread]) -> Result<Object, serde_json::Error> {
    let document = json::read_but(text, [&MANAGED, unread])?;
    let metadata = document.get("metadata");
    if !document.is_object() || metadata.is_some_and(|metadata| !metadata.is_object()) {
        return Err(serde::de::Error::custom("not a JSON object whose metadata is one"));
    }
    Ok(Object::new(document))
}

/// The part of `metadata` that identifies.
#[derive(Debug, Default)]
pub struct IdentityMeta {
    /// Name; a bookmark has none.
    pub name: String,
    /// Namespace, empty for cluster-scoped objects.
    pub namespace: String,
    /// UID.
    pub uid: String,
    /// Version, compared for equality only.
    pub resource_version: String,
}

/// Reads no more of an object than its identity, and stops there: whether the rest is JSON is not seen.
///
/// # Errors
/// When it is no object, or ends before its identity is known.
pub fn identity(json: &[u8]) -> Result<IdentityMeta, serde_json::Error> {
    let mut found = IdentityMeta::default();
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    match IdentityOf(&mut found).deserialize(&mut deserializer) {
        // Stopped on purpose.
        Err(_) if found.is_whole() => Ok(found),
        read => read.map(|()| found),
    }
}

impl IdentityMeta {
    /// The object's key.
    pub fn key(&self) -> Key {
        Key::new(&self.namespace, &self.name)
    }

    /// UID and version come after name and namespace, both where fields are in the order of Go's structs and where they
    /// are sorted.
    fn is_whole(&self) -> bool {
        !self.uid.is_empty() && !self.resource_version.is_empty()
    }
}

/// Fills in an identity from an object; ends with an error as soon as it is whole, for nothing else ends a deserializer.
struct IdentityOf<'a>(&'a mut IdentityMeta);

impl<'de> DeserializeSeed<'de> for IdentityOf<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for IdentityOf<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            if key == "metadata" {
                map.next_value_seed(MetadataOf(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct MetadataOf<'a>(&'a mut IdentityMeta);

impl<'de> DeserializeSeed<'de> for MetadataOf<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MetadataOf<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the metadata of an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match &*key {
                "name" => self.0.name = map.next_value()?,
                "namespace" => self.0.namespace = map.next_value()?,
                "uid" => self.0.uid = map.next_value()?,
                "resourceVersion" => self.0.resource_version = map.next_value()?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
            if self.0.is_whole() {
                return Err(serde::de::Error::custom("enough"));
            }
        }
        Ok(())
    }
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
#[derive(Debug, PartialEq)]
pub struct WatchLine<'a> {
    /// `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`.
    pub kind: &'a str,
    /// The JSON of the object, or of a `Status` for `ERROR`. It has not been looked at yet.
    pub object: &'a [u8],
}

/// Takes a line apart as API servers write it: `{"type":"ADDED","object":{...}}`. To read the object over only to find its
/// end would cost as much as to parse it.
pub fn watch_line(line: &[u8]) -> Option<WatchLine<'_>> {
    let inner = line.trim_ascii().strip_prefix(br#"{"type":""#)?.strip_suffix(b"}")?;
    let end = memchr::memchr(b'"', inner)?;
    let (kind, rest) = inner.split_at_checked(end)?;
    let object = rest.strip_prefix(br#"","object":"#)?;
    Some(WatchLine { kind: std::str::from_utf8(kind).ok()?, object })
}

#[cfg(test)]
mod tests {
    use super::*;
    use vcluster_syncer_core::json::{Value, json};

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
    fn what_a_kind_does_not_read_is_not_parsed() {
        static UNREAD: [Unread; 2] = [
            Unread::all("big"),
            Unread::of("spec", &[Unread::of("containers", &[Unread::all("env")])]),
        ];
        let text = br#"{"big":{"a":1},"metadata":{"managedFields":[1],"big":1},"spec":{"env":1,"containers":[{"name":"a","env":[2]},3,null]},"env":2}"#;
        let parsed = object_but(text, &UNREAD).expect("parses");
        assert_eq!(
            parsed.value(),
            &json!({"metadata": {"big": 1}, "spec": {"env": 1, "containers": [{"name": "a"}, 3, null]}, "env": 2})
        );
        for odd in ["true", "-1", "1", "1.5", "\"a\"", "null", "[[]]"] {
            let text = format!(r#"{{"spec":{{"containers":{odd}}}}}"#);
            let parsed = object_but(text.as_bytes(), &UNREAD).expect("parses");
            assert_eq!(parsed.value(), &text.parse::<Value>().expect("JSON"));
        }
    }

    #[test]
    fn a_bookmark_is_only_a_version() {
        let bookmark = br#"{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"12746","creationTimestamp":null}}"#;
        assert_eq!(identity(bookmark).expect("parses").resource_version, "12746");
    }

    #[test]
    fn an_identity_is_read_in_either_order_of_fields() {
        let go = br#"{"kind":"Pod","metadata":{"name":"a","generateName":"b","namespace":"c","uid":"d","resourceVersion":"5","labels":"not read"#;
        let sorted = br#"{"apiVersion":"x/v1","metadata":{"annotations":{"a":"b"},"name":"a","namespace":"c","resourceVersion":"5","uid":"d"}"#;
        for json in [&go[..], &sorted[..]] {
            let IdentityMeta { name, namespace, uid, resource_version } =
                identity(json).expect("an identity");
            assert_eq!([name, namespace, uid, resource_version], ["a", "c", "d", "5"]);
        }
        for odd in [
            &b"[]"[..],
            b"3",
            b"",
            br#"{"metadata":{"name":"a","uid":"#,
            br#"{"metadata":{"name":3}}"#,
        ] {
            assert!(identity(odd).is_err(), "{odd:?}");
        }
    }

    #[test]
    fn a_line_is_taken_apart_as_api_servers_write_it() {
        let line = b"{\"type\":\"ADDED\",\"object\":{\"kind\":\"Pod\"}}\n";
        let object = &br#"{"kind":"Pod"}"#[..];
        assert_eq!(watch_line(line), Some(WatchLine { kind: "ADDED", object }));
        for odd in [&b""[..], b"{}", b"{\"type\":\"", b"{\"type\":\"ADDED\"}", b"<html>"] {
            assert_eq!(watch_line(odd), None);
        }
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        for text in [&b"[]"[..], b"3", b"{", b"{\"metadata\": 3}", b"{} x", b""] {
            assert!(object(text).is_err(), "{text:?}");
        }
    }
}
