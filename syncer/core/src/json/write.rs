//! From documents to JSON text, or any other that serde writes.

use std::fmt;

use serde::ser::{Serialize, Serializer};

use super::{Map, Value};

impl Value {
    /// Describes anything that can be written as JSON. What has a conversion of its own is quicker by that.
    ///
    /// # Errors
    /// When it cannot: a map whose keys are no strings.
    pub fn of(it: &impl Serialize) -> Result<Value, serde_json::Error> {
        serde_json::to_value(it).map(Value::from)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Number(number) => number.serialize(serializer),
            Value::String(text) => serializer.serialize_str(text),
            Value::Array(items) => items.serialize(serializer),
            Value::Object(members) => members.serialize(serializer),
        }
    }
}

impl Serialize for Map {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}
