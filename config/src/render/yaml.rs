//! YAML with comments.

use std::fmt::Write as _;

use serde_json::Value;

use crate::document::{Kind, Node};

/// The column at which comments are wrapped.
const WIDTH: usize = 100;

/// Writes the entries of a map, each under the description that the schema has for it.
pub(super) fn map(text: &mut String, node: &Node, schema: &Value, depth: usize) {
    let Kind::Map(entries) = &node.kind else { return };
    for entry in entries {
        let below = schema.get("properties").and_then(|properties| properties.get(&entry.key));
        let description =
            below.and_then(|schema| schema.get("description")).and_then(Value::as_str);
        if depth == 0 {
            text.push('\n');
        }
        if let Some(description) = description {
            comment(text, description, depth);
        }
        let _ = write!(text, "{}{}:", indent(depth), key(&entry.key));
        value(text, &entry.value, below.unwrap_or(&Value::Null), depth);
    }
}

fn value(text: &mut String, node: &Node, schema: &Value, depth: usize) {
    match &node.kind {
        Kind::Map(entries) if !entries.is_empty() => {
            text.push('\n');
            map(text, node, schema, depth + 1);
        }
        Kind::List(items) if items.iter().any(|item| matches!(item.kind, Kind::Map(_))) => {
            text.push('\n');
            for item in items {
                let mut block = String::new();
                map(&mut block, item, &Value::Null, depth + 2);
                // The first key of an item stands beside the dash.
                let block = block.trim_start();
                let _ = write!(text, "{}- {block}", indent(depth + 1));
            }
        }
        _ => {
            let _ = writeln!(text, " {}", node.to_value());
        }
    }
}

fn comment(text: &mut String, description: &str, depth: usize) {
    let mut line = String::new();
    for word in description.split_whitespace() {
        if !line.is_empty() && depth * 2 + 3 + line.len() + word.len() > WIDTH {
            let _ = writeln!(text, "{}# {line}", indent(depth));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _ = writeln!(text, "{}# {line}", indent(depth));
}

fn key(key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if key.chars().all(plain) && key.starts_with(|c: char| c.is_ascii_alphabetic()) {
        key.to_owned()
    } else {
        Value::from(key).to_string()
    }
}

fn indent(depth: usize) -> String {
    "  ".repeat(depth)
}
