//! Finds every unknown key and every value of the wrong type in a file, with line and column.

use serde_json::Value;

use crate::document::{Document, Kind, Node};
use crate::problem::Problem;
use crate::schema::property;

/// Everything in `document` that `schema` does not allow. An option without a value is fine: in Helm's
/// values it takes the default away.
pub(crate) fn check(document: &Document, schema: &Value) -> Vec<Problem> {
    let mut check = Check { document, root: schema, problems: Vec::new() };
    if !matches!(document.root.kind, Kind::Null) {
        check.node(&document.root, schema, "");
    }
    check.problems
}

struct Check<'a> {
    document: &'a Document,
    root: &'a Value,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn node(&mut self, node: &Node, schema: &Value, path: &str) {
        if matches!(node.kind, Kind::Null) {
            // Helm takes the defaults of such a section away, and no chart can do without them.
            if schema.get("properties").is_some() {
                let problem = Problem::error(path, "a section without anything in it");
                self.problems.push(
                    problem.at(self.document.place(node.at)).hint("leave it out, or write {}"),
                );
            }
            return;
        }
        if let Some(wrong) = mismatch(node, schema) {
            let problem = Problem::error(path, wrong.message).at(self.document.place(node.at));
            self.problems.push(match wrong.hint {
                Some(hint) => problem.hint(hint),
                None => problem,
            });
            return;
        }
        match &node.kind {
            Kind::Map(entries) => {
                for entry in entries {
                    let below = join(path, &entry.key);
                    match property(schema, &entry.key) {
                        Some(schema) => self.node(&entry.value, schema, &below),
                        None if is_closed(schema) => {
                            let problem = Problem::error(&below, "there is no such key")
                                .at(self.document.place(entry.at));
                            self.problems.push(match self.nearest(schema, path, &entry.key) {
                                Some(known) => problem.hint(format!("did you mean {known}?")),
                                None => problem,
                            });
                        }
                        None => {}
                    }
                }
            }
            Kind::List(items) => {
                if let Some(schema) = schema.get("items") {
                    for (index, item) in items.iter().enumerate() {
                        self.node(item, schema, &format!("{path}[{index}]"));
                    }
                }
            }
            _ => {}
        }
    }

    /// The key that was most likely meant: a sibling spelled alike, or one that lives elsewhere.
    fn nearest(&self, schema: &Value, path: &str, key: &str) -> Option<String> {
        let siblings = schema.get("properties").and_then(Value::as_object)?;
        let alike = |known: &String| {
            strsim::normalized_damerau_levenshtein(&known.to_lowercase(), &key.to_lowercase())
        };
        let best =
            siblings.keys().map(|known| (known, alike(known))).max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some((known, likeness)) = best
            && likeness >= 0.6
        {
            return Some(join(path, known));
        }
        let mut elsewhere = Vec::new();
        find(self.root, key, "", &mut elsewhere);
        elsewhere.sort_by_key(|path| path.matches('.').count());
        elsewhere.into_iter().next()
    }
}

/// Paths of every key called `key`.
fn find(schema: &Value, key: &str, path: &str, found: &mut Vec<String>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    for (name, below) in properties {
        let path = join(path, name);
        if name == key {
            found.push(path.clone());
        }
        find(below, key, &path, found);
    }
}

struct Mismatch {
    message: String,
    hint: Option<&'static str>,
}

fn mismatch(node: &Node, schema: &Value) -> Option<Mismatch> {
    if let Some(choices) = choices(schema) {
        let value = node.to_value();
        if choices.contains(&&value) {
            return None;
        }
        // The text forms of true and false are allowed but not worth naming.
        let named: Vec<_> = choices
            .iter()
            .filter(|choice| !matches!(choice.as_str(), Some("true" | "false")))
            .collect();
        let list = named.iter().map(|choice| choice.to_string()).collect::<Vec<_>>().join(", ");
        return Some(Mismatch { message: format!("{value} is not one of {list}"), hint: None });
    }
    let types = types(schema);
    if types.is_empty() || types.iter().any(|name| fits(node, name)) {
        return range(node, schema);
    }
    let wanted = types
        .iter()
        .filter(|name| **name != "null")
        .map(|name| spoken(name))
        .collect::<Vec<_>>()
        .join(" or ");
    let hint = match (&node.kind, types.contains(&"string")) {
        (Kind::Bool(_) | Kind::Number(_), true) => Some("put it in quotes"),
        _ => None,
    };
    Some(Mismatch { message: format!("must be {wanted}, not {}", node.kind.name()), hint })
}

fn choices(schema: &Value) -> Option<Vec<&Value>> {
    if let Some(Value::Array(choices)) = schema.get("enum") {
        return Some(choices.iter().collect());
    }
    let Some(Value::Array(variants)) = schema.get("oneOf") else { return None };
    variants.iter().map(|variant| variant.get("const")).collect()
}

fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => match schema.get("anyOf") {
            Some(Value::Array(parts)) => parts.iter().flat_map(types).collect(),
            _ => Vec::new(),
        },
    }
}

fn fits(node: &Node, name: &str) -> bool {
    match (&node.kind, name) {
        (Kind::Bool(_), "boolean") | (Kind::Text(_), "string") | (Kind::Number(_), "number") => {
            true
        }
        (Kind::Number(number), "integer") => number.is_i64() || number.is_u64(),
        (Kind::List(_), "array") | (Kind::Map(_), "object") => true,
        _ => false,
    }
}

fn range(node: &Node, schema: &Value) -> Option<Mismatch> {
    let Kind::Number(number) = &node.kind else { return None };
    let (value, bound) = (number.as_f64()?, |name| schema.get(name).and_then(Value::as_f64));
    if let Some(least) = bound("minimum").filter(|least| value < *least) {
        return Some(Mismatch { message: format!("{number} is less than {least}"), hint: None });
    }
    let most = bound("maximum").filter(|most| value > *most)?;
    Some(Mismatch { message: format!("{number} is more than {most}"), hint: None })
}

fn spoken(name: &str) -> &str {
    match name {
        "boolean" => "true or false",
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "array" => "a list",
        "object" => "a map",
        other => other,
    }
}

fn is_closed(schema: &Value) -> bool {
    schema.get("additionalProperties") == Some(&Value::Bool(false))
}

pub(crate) fn join(path: &str, key: &str) -> String {
    match (path, key.contains('.')) {
        ("", false) => key.to_owned(),
        (_, false) => format!("{path}.{key}"),
        // A label or resource name: its dots do not lead further down.
        (_, true) => format!("{path}[\"{key}\"]"),
    }
}
