//! JSON documents in little memory.
//!
//! A syncer holds and changes thousands of pods, so the tree that it reads them into is what its memory and a good part of
//! its time go to. `serde_json::Value` keeps members in B-trees, whose nodes have room for eleven members each, and every
//! string in an allocation of its own: 42 kB in 400 allocations for a pod of 5 kB. Here members lie in a sorted array and
//! short strings where they are used: 14 kB in 110. Reading and writing text is still serde_json's.

mod convert;
mod macros;
mod map;
mod read;
#[cfg(test)]
mod tests;
mod write;

use compact_str::CompactString;
pub use serde_json::Number;

pub use map::{Entry, Map};
pub use read::{read, read_but};

pub use crate::json_value as json;

/// A string, or the name of a member.
pub type Text = CompactString;

/// Any JSON.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// `null`.
    #[default]
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    String(Text),
    /// A list.
    Array(Vec<Value>),
    /// An object.
    Object(Map),
}

impl Value {
    /// A member of an object.
    pub fn get(&self, member: &str) -> Option<&Value> {
        self.as_object()?.get(member)
    }

    /// A member of an object, to change.
    pub fn get_mut(&mut self, member: &str) -> Option<&mut Value> {
        self.as_object_mut()?.get_mut(member)
    }

    /// What an RFC 6901 pointer leads to.
    pub fn pointer(&self, pointer: &str) -> Option<&Value> {
        steps(pointer)?.try_fold(self, |value, step| match value {
            Value::Object(members) => members.get(&unescaped(step)),
            Value::Array(items) => items.get(step.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// What an RFC 6901 pointer leads to, to change.
    pub fn pointer_mut(&mut self, pointer: &str) -> Option<&mut Value> {
        steps(pointer)?.try_fold(self, |value, step| match value {
            Value::Object(members) => members.get_mut(&unescaped(step)),
            Value::Array(items) => items.get_mut(step.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// The string that this is.
    pub fn as_str(&self) -> Option<&str> {
        if let Value::String(text) = self { Some(text) } else { None }
    }

    /// The boolean that this is.
    pub fn as_bool(&self) -> Option<bool> {
        if let Value::Bool(value) = self { Some(*value) } else { None }
    }

    /// The number that this is, as a signed integer.
    pub fn as_i64(&self) -> Option<i64> {
        if let Value::Number(number) = self { number.as_i64() } else { None }
    }

    /// The number that this is, as an unsigned integer.
    pub fn as_u64(&self) -> Option<u64> {
        if let Value::Number(number) = self { number.as_u64() } else { None }
    }

    /// The number that this is.
    pub fn as_f64(&self) -> Option<f64> {
        if let Value::Number(number) = self { number.as_f64() } else { None }
    }

    /// The list that this is.
    pub fn as_array(&self) -> Option<&Vec<Value>> {
        if let Value::Array(items) = self { Some(items) } else { None }
    }

    /// The list that this is, to change.
    pub fn as_array_mut(&mut self) -> Option<&mut Vec<Value>> {
        if let Value::Array(items) = self { Some(items) } else { None }
    }

    /// The object that this is.
    pub fn as_object(&self) -> Option<&Map> {
        if let Value::Object(members) = self { Some(members) } else { None }
    }

    /// The object that this is, to change.
    pub fn as_object_mut(&mut self) -> Option<&mut Map> {
        if let Value::Object(members) = self { Some(members) } else { None }
    }

    /// Whether this is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// Whether this is a string.
    pub fn is_string(&self) -> bool {
        matches!(self, Value::String(_))
    }

    /// Whether this is a list.
    pub fn is_array(&self) -> bool {
        matches!(self, Value::Array(_))
    }

    /// Whether this is an object.
    pub fn is_object(&self) -> bool {
        matches!(self, Value::Object(_))
    }

    /// Leaves `null` here and gives what was.
    pub fn take(&mut self) -> Value {
        std::mem::take(self)
    }
}

fn steps(pointer: &str) -> Option<impl Iterator<Item = &str>> {
    let rest = if pointer.is_empty() { Some("") } else { pointer.strip_prefix('/') }?;
    Some(rest.split('/').filter(move |_| !pointer.is_empty()))
}

fn unescaped(step: &str) -> std::borrow::Cow<'_, str> {
    if step.contains('~') { step.replace("~1", "/").replace("~0", "~").into() } else { step.into() }
}
