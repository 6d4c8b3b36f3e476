//! From JSON text, or any other that serde reads, to documents.

use std::fmt;
use std::str::FromStr;

use serde::de::{
    Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess,
    Visitor,
};

use super::{Map, Number, Text, Value};
use crate::Unread;

/// Reads JSON text.
///
/// # Errors
/// When it is none, or nested more than 128 deep.
pub fn read(json: &[u8]) -> Result<Value, serde_json::Error> {
    read_but(json, [&[], &[]])
}

/// Reads JSON text without what is in one of two lists.
///
/// # Errors
/// When it is none, or nested more than 128 deep.
pub fn read_but(json: &[u8], unread: [&'static [Unread]; 2]) -> Result<Value, serde_json::Error> {
    // Checked as a whole, or else each string would be by itself.
    let text = std::str::from_utf8(json).map_err(serde::de::Error::custom)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let mut begun = Begun::new();
    let value = Reading { unread, begun: &mut begun }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

impl FromStr for Value {
    type Err = serde_json::Error;
    fn from_str(json: &str) -> Result<Value, serde_json::Error> {
        read(json.as_bytes())
    }
}

impl Value {
    /// The value that this describes. Goes by way of text: not for what happens often.
    ///
    /// # Errors
    /// When it describes none.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&serde_json::to_vec(self)?)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        Reading { unread: [&[], &[]], begun: &mut Begun::new() }.deserialize(deserializer)
    }
}

impl<'de> Deserialize<'de> for Map {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Map, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Object(members) => Ok(members),
            _ => Err(serde::de::Error::custom("expected a JSON object")),
        }
    }
}

/// Lists and objects that were begun, the innermost last. So each gets an array of just its size in the end.
struct Begun {
    items: Vec<Value>,
    members: Vec<(Text, Value)>,
}

impl Begun {
    /// With room for what is begun at a time in a pod.
    fn new() -> Begun {
        Begun { items: Vec::with_capacity(16), members: Vec::with_capacity(48) }
    }
}

/// Reads a value.
struct Reading<'a> {
    /// What no object is read for, and what this kind is not read for.
    unread: [&'static [Unread]; 2],
    begun: &'a mut Begun,
}

impl Reading<'_> {
    /// What is not read of a member; nothing if it is not read at all.
    fn within(&self, name: &str) -> Option<[&'static [Unread]; 2]> {
        let [one, other] = self
            .unread
            .map(|list| list.iter().find(|unread| unread.member == name).map(|it| it.within));
        match (one, other) {
            (Some([]), _) | (_, Some([])) => None,
            _ => Some([one, other].map(Option::unwrap_or_default)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Reading<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reading<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let first = self.begun.members.len();
        while let Some(name) = map.next_key::<Text>()? {
            let Some(unread) = self.within(&name) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = map.next_value_seed(Reading { unread, begun: &mut *self.begun })?;
            self.begun.members.push((name, value));
        }
        Ok(Value::Object(Map::of(self.begun.members.drain(first..).collect())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let first = self.begun.items.len();
        let unread = self.unread;
        while let Some(item) =
            list.next_element_seed(Reading { unread, begun: &mut *self.begun })?
        {
            self.begun.items.push(item);
        }
        Ok(Value::Array(self.begun.items.drain(first..).collect()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }
}
