//! YAML text read into a tree that knows on which line everything stands.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{Location, Spanned};

use crate::problem::{Place, Problem};

/// One file of values.
#[derive(Debug, Clone)]
pub struct Document {
    /// How the user knows it: a path or an address.
    pub source: String,
    /// What it holds. `Null` when it is empty.
    pub root: Node,
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub struct Node {
    /// Line and column, counted from 1; `None` when the text does not come from a file.
    pub at: Option<(u64, u64)>,
    /// The value.
    pub kind: Kind,
}

/// What a [`Node`] holds.
#[derive(Debug, Clone)]
pub enum Kind {
    /// Nothing: in Helm's values it takes a key away.
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole or a decimal number.
    Number(Number),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file.
    Map(Vec<Entry>),
}

/// A key of a map with its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub at: Option<(u64, u64)>,
    /// The value.
    pub value: Node,
}

impl Document {
    /// Reads YAML (or JSON) text; `source` is what messages call it.
    ///
    /// # Errors
    /// The text is not YAML, has more than one document, or has the same key twice.
    pub fn parse(source: &str, text: &str) -> Result<Document, Problem> {
        // An empty file, or one of comments only, is a file without wishes.
        let root = serde_saphyr::from_str::<Option<Node>>(text).map_err(|error| {
            let place = error.location().and_then(mark).map(|(line, column)| Place {
                source: source.to_owned(),
                line,
                column,
            });
            Problem::error("", unreadable(error.without_snippet())).at(place)
        })?;
        let root = root.unwrap_or(Node { at: None, kind: Kind::Null });
        if !matches!(root.kind, Kind::Map(_) | Kind::Null) {
            return Err(Problem::error(
                "",
                format!("{source} holds {}, not a map of values", root.kind.name()),
            ));
        }
        Ok(Document { source: source.to_owned(), root })
    }

    /// Where a node stands, for a message.
    pub(crate) fn place(&self, at: Option<(u64, u64)>) -> Option<Place> {
        at.map(|(line, column)| Place { source: self.source.clone(), line, column })
    }
}

/// Reads the Kubernetes objects of a text with one or more YAML documents; empty ones are passed over.
///
/// # Errors
/// The text is not YAML, or a document is not a map.
pub fn manifests(source: &str, text: &str) -> Result<Vec<Value>, Problem> {
    let documents = serde_saphyr::from_multiple::<Node>(text)
        .map_err(|error| Problem::error(source, unreadable(error.without_snippet())))?;
    let documents = documents.iter().filter(|node| !matches!(node.kind, Kind::Null));
    documents
        .map(|node| match node.kind {
            Kind::Map(_) => Ok(node.to_value()),
            _ => Err(Problem::error(
                source,
                format!("a document holds {}, not an object", node.kind.name()),
            )),
        })
        .collect()
}

impl Node {
    /// The value without its places.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(value) => Value::Number(value.clone()),
            Kind::Text(value) => Value::String(value.clone()),
            Kind::List(items) => items.iter().map(Node::to_value).collect(),
            Kind::Map(entries) => Value::Object(
                entries
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.value.to_value()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    /// The value of a key, when this is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.kind {
            Kind::Map(entries) => {
                entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
            }
            _ => None,
        }
    }
}

/// Values that come from no file.
impl From<Value> for Node {
    fn from(value: Value) -> Self {
        let kind = match value {
            Value::Null => Kind::Null,
            Value::Bool(value) => Kind::Bool(value),
            Value::Number(value) => Kind::Number(value),
            Value::String(value) => Kind::Text(value),
            Value::Array(items) => Kind::List(items.into_iter().map(Node::from).collect()),
            Value::Object(object) => Kind::Map(
                object
                    .into_iter()
                    .map(|(key, value)| Entry { key, at: None, value: Node::from(value) })
                    .collect(),
            ),
        };
        Node { at: None, kind }
    }
}

impl Kind {
    /// What a message calls it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Kind::Null => "nothing",
            Kind::Bool(_) => "true or false",
            Kind::Number(_) => "a number",
            Kind::Text(_) => "text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }
}

fn unreadable(error: &serde_saphyr::Error) -> String {
    if let serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } = error {
        return format!("the key {key} stands in this map twice");
    }
    let text = error.to_string();
    // The place is said in front already.
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    format!("not valid YAML: {text}")
}

fn mark(location: Location) -> Option<(u64, u64)> {
    (location.line() > 0).then(|| (location.line(), location.column()))
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Kind>::deserialize(deserializer)?;
        Ok(Node { at: mark(spanned.referenced), kind: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Kind, E> {
        Number::from_f64(value).map(Kind::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Kind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        let mut entries: Vec<Entry> = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let value = map.next_value()?;
            if entries.iter().any(|entry| entry.key == key.value) {
                return Err(A::Error::custom(format_args!(
                    "the key {} stands here twice",
                    key.value
                )));
            }
            entries.push(Entry { key: key.value, at: mark(key.referenced), value });
        }
        Ok(Kind::Map(entries))
    }
}
