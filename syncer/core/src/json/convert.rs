//! What becomes JSON, and what is compared with it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Index, IndexMut};

use super::{Map, Number, Text, Value};

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<f64> for Value {
    /// What JSON has no number for is `null`.
    fn from(value: f64) -> Value {
        Number::from_f64(value).map_or(Value::Null, Value::Number)
    }
}

macro_rules! integers {
    ($($integer:ty)*) => {$(
        impl From<$integer> for Value {
            fn from(value: $integer) -> Value {
                Value::Number(value.into())
            }
        }

        impl PartialEq<$integer> for Value {
            fn eq(&self, other: &$integer) -> bool {
                matches!(self, Value::Number(number) if *number == Number::from(*other))
            }
        }
    )*};
}
integers!(i32 i64 u8 u16 u32 u64 usize);

macro_rules! texts {
    ($($text:ty)*) => {$(
        impl From<$text> for Value {
            fn from(value: $text) -> Value {
                Value::String(Text::from(value))
            }
        }
    )*};
}
texts!(&str String &String Cow<'_, str> Box<str> Text);

impl From<&Text> for Value {
    fn from(value: &Text) -> Value {
        Value::String(value.clone())
    }
}

impl From<&&str> for Value {
    fn from(value: &&str) -> Value {
        Value::String(Text::from(*value))
    }
}

impl From<&Value> for Value {
    fn from(value: &Value) -> Value {
        value.clone()
    }
}

impl From<Map> for Value {
    fn from(members: Map) -> Value {
        Value::Object(members)
    }
}

impl<V: Into<Value>> From<Option<V>> for Value {
    fn from(value: Option<V>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

impl<V: Into<Value>> From<Vec<V>> for Value {
    fn from(items: Vec<V>) -> Value {
        items.into_iter().collect()
    }
}

macro_rules! borrowed {
    ($($item:ty)*) => {$(
        impl From<&[$item]> for Value {
            fn from(items: &[$item]) -> Value {
                items.iter().collect()
            }
        }

        impl From<&Vec<$item>> for Value {
            fn from(items: &Vec<$item>) -> Value {
                items.iter().collect()
            }
        }
    )*};
}
borrowed!(Value String &str);

impl<V: Into<Value>, const N: usize> From<[V; N]> for Value {
    fn from(items: [V; N]) -> Value {
        items.into_iter().collect()
    }
}

impl From<&BTreeMap<String, String>> for Value {
    fn from(members: &BTreeMap<String, String>) -> Value {
        members.iter().collect()
    }
}

impl From<&BTreeSet<String>> for Value {
    fn from(items: &BTreeSet<String>) -> Value {
        items.iter().collect()
    }
}

impl<V: Into<Value>> From<BTreeSet<V>> for Value {
    fn from(items: BTreeSet<V>) -> Value {
        items.into_iter().collect()
    }
}

impl From<serde_json::Map<String, serde_json::Value>> for Value {
    fn from(members: serde_json::Map<String, serde_json::Value>) -> Value {
        members.into_iter().collect()
    }
}

impl<N: Into<Text>, V: Into<Value>> From<BTreeMap<N, V>> for Value {
    fn from(members: BTreeMap<N, V>) -> Value {
        Value::Object(members.into_iter().collect())
    }
}

impl<V: Into<Value>> FromIterator<V> for Value {
    fn from_iter<I: IntoIterator<Item = V>>(items: I) -> Value {
        Value::Array(items.into_iter().map(Into::into).collect())
    }
}

impl<N: Into<Text>, V: Into<Value>> FromIterator<(N, V)> for Value {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(members: I) -> Value {
        Value::Object(members.into_iter().collect())
    }
}

impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Value {
        match value {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(value) => Value::Bool(value),
            serde_json::Value::Number(number) => Value::Number(number),
            serde_json::Value::String(text) => text.into(),
            serde_json::Value::Array(items) => items.into(),
            serde_json::Value::Object(members) => members.into(),
        }
    }
}

impl From<&serde_json::Value> for Value {
    fn from(value: &serde_json::Value) -> Value {
        value.clone().into()
    }
}

impl PartialEq<str> for Value {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == Some(other)
    }
}

impl PartialEq<&str> for Value {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == Some(other)
    }
}

impl PartialEq<String> for Value {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == Some(other)
    }
}

impl PartialEq<bool> for Value {
    fn eq(&self, other: &bool) -> bool {
        self.as_bool() == Some(*other)
    }
}

/// What is not there.
static NOTHING: Value = Value::Null;

impl Index<&str> for Value {
    type Output = Value;
    /// The member, or `null`.
    fn index(&self, member: &str) -> &Value {
        self.get(member).unwrap_or(&NOTHING)
    }
}

impl IndexMut<&str> for Value {
    /// The member, which is made if it is not there; what is no object becomes one.
    fn index_mut(&mut self, member: &str) -> &mut Value {
        crate::object::members(self).entry(member).or_insert(Value::Null)
    }
}

impl Index<usize> for Value {
    type Output = Value;
    /// The element, or `null`.
    fn index(&self, place: usize) -> &Value {
        self.as_array().and_then(|items| items.get(place)).unwrap_or(&NOTHING)
    }
}

impl IndexMut<usize> for Value {
    /// The element. What is no list becomes one, and one that is too short gets longer.
    fn index_mut(&mut self, place: usize) -> &mut Value {
        if !self.is_array() {
            *self = Value::Array(Vec::new());
        }
        let Value::Array(items) = self else { unreachable!("made a list above") };
        if items.len() <= place {
            items.resize(place + 1, Value::Null);
        }
        match items.get_mut(place) {
            Some(item) => item,
            None => unreachable!("made long enough above"),
        }
    }
}
