//! Keys that other charts know and this one does not do: what becomes of each, and why.

use std::fmt;

use serde_json::Value;

use crate::document::Document;
use crate::problem::Problem;

mod rows;

pub(crate) use rows::ROWS;

/// What becomes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It does what it says.
    Honoured,
    /// It may stand there; it changes nothing, which a warning says.
    Accepted,
    /// The virtual cluster would not be what the user asked for: nothing is done.
    Refused,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Honoured => "honoured",
            State::Accepted => "accepted",
            State::Refused => "refused",
        })
    }
}

/// A key, with everything below it, that is accepted or refused.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The key; `*` stands for any one name.
    pub path: &'static str,
    /// Accepted or refused.
    pub state: State,
    /// Why.
    pub reason: &'static str,
    /// What to use instead. Empty: there is nothing.
    pub instead: &'static str,
}

impl Row {
    pub(crate) fn segments(&self) -> Vec<&'static str> {
        self.path.split('.').collect()
    }

    pub(crate) fn sentence(&self) -> String {
        match self.state {
            State::Refused => format!("Refused: {}.", self.reason),
            _ => format!("Accepted without effect: {}.", self.reason),
        }
    }
}

/// The row that a key falls under, if it is not honoured.
#[must_use]
pub fn row(path: &str) -> Option<&'static Row> {
    let path: Vec<&str> = path.split('.').map(|segment| segment.trim_end_matches("[]")).collect();
    ROWS.iter().find(|row| {
        let segments = row.segments();
        segments.len() <= path.len()
            && segments.iter().zip(&path).all(|(want, have)| *want == "*" || want == have)
    })
}

/// What is to be said about the keys of `values` that are not honoured. A key that asks for nothing
/// (`enabled: false`, empty) is passed over, so that a copy of another chart's defaults installs.
/// Places come from the last of `documents` that has the key.
pub(crate) fn review(values: &Value, documents: &[Document]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for row in ROWS {
        for path in matches(values, &row.segments()) {
            if at(values, &path).is_none_or(is_inert) {
                continue;
            }
            let name = path.join(".");
            let problem = match row.state {
                State::Refused => Problem::error(name, row.reason),
                _ => Problem::warning(name, format!("has no effect: {}", row.reason)),
            };
            let problem = problem.at(documents.iter().rev().find_map(|document| {
                let node = path.iter().try_fold(&document.root, |node, key| node.get(key))?;
                document.place(node.at)
            }));
            problems.push(if row.instead.is_empty() { problem } else { problem.hint(row.instead) });
        }
    }
    problems
}

/// Takes away the keys that the types do not know.
pub(crate) fn strip(values: &mut Value, typed: &Value) {
    for row in ROWS {
        for path in matches(values, &row.segments()) {
            let known = path
                .iter()
                .try_fold(typed, |schema, key| schema.get("properties")?.get(key))
                .is_some();
            if known {
                continue;
            }
            let Some((last, parents)) = path.split_last() else { continue };
            let parent = parents.iter().try_fold(&mut *values, |value, key| value.get_mut(key));
            if let Some(Value::Object(parent)) = parent {
                parent.remove(last);
            }
        }
    }
    prune(values, typed);
}

/// Takes away sections that are empty now and that the types do not know either.
fn prune(values: &mut Value, typed: &Value) {
    let (Value::Object(object), Some(Value::Object(known))) = (values, typed.get("properties"))
    else {
        return;
    };
    object.retain(|key, value| known.contains_key(key) || !is_hollow(value));
    for (key, value) in object.iter_mut() {
        if let Some(typed) = known.get(key) {
            prune(value, typed);
        }
    }
}

fn is_hollow(value: &Value) -> bool {
    matches!(value, Value::Object(object) if object.values().all(is_hollow))
}

fn matches(values: &Value, segments: &[&str]) -> Vec<Vec<String>> {
    let Some((first, rest)) = segments.split_first() else { return vec![Vec::new()] };
    let Value::Object(object) = values else { return Vec::new() };
    let keys = object.iter().filter(|(key, _)| *first == "*" || key == first);
    keys.flat_map(|(key, value)| {
        matches(value, rest).into_iter().map(move |below| {
            let mut path = vec![key.clone()];
            path.extend(below);
            path
        })
    })
    .collect()
}

fn at<'a>(values: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(values, |value, key| value.get(key))
}

/// Whether a value asks for nothing.
fn is_inert(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty() || text == "auto" || text == "false",
        Value::Array(items) => items.is_empty(),
        Value::Object(object) => match object.get("enabled") {
            Some(enabled) => is_inert(enabled),
            None => object.values().all(is_inert),
        },
    }
}
