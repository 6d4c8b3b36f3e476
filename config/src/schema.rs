//! The JSON schema of the values, made from the types and the table of states.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::Config;
use crate::states::{ROWS, Row};

/// The schema that Helm and editors check values with (draft 2020-12, closed: a key that is not in
/// it is an error). Keys that only other charts know are in it, open, so that a better message than
/// a schema's can be given for them.
#[must_use]
pub fn schema() -> Value {
    let mut schema = typed_schema();
    // Short paths first: what is below a key that is wholly accepted or refused is open already.
    let mut rows: Vec<_> = ROWS.iter().map(|row| (row.segments(), row)).collect();
    rows.sort_by_key(|(segments, _)| segments.len());
    for (segments, row) in rows {
        insert(&mut schema, &segments, row);
    }
    if let Some(object) = schema.as_object_mut() {
        object.insert("title".into(), "Values of a virtual cluster".into());
    }
    schema
}

/// The schema of the keys that the types define.
pub(crate) fn typed_schema() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Config>().to_value();
    lean(&mut schema);
    schema
}

/// The schema of a key below `schema`, or `None` when no such key is allowed.
pub(crate) fn property<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    schema.get("properties").and_then(|properties| properties.get(key)).or_else(|| {
        // Free maps describe their values, or allow anything.
        schema.get("additionalProperties").filter(|more| **more != Value::Bool(false))
    })
}

/// Takes away what only repeats: defaults of whole sections, and formats.
fn lean(schema: &mut Value) {
    let Value::Object(object) = schema else { return };
    if object.get("default").is_some_and(Value::is_object) {
        object.remove("default");
    }
    object.remove("format");
    if let Some(Value::String(text)) = object.get_mut("description") {
        *text = text.replace('\n', " ");
    }
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.values_mut().for_each(lean);
    }
    for below in ["items", "additionalProperties"] {
        object.get_mut(below).into_iter().for_each(lean);
    }
    for below in ["anyOf", "oneOf"] {
        object.get_mut(below).and_then(Value::as_array_mut).into_iter().flatten().for_each(lean);
    }
}

fn insert(schema: &mut Value, path: &[&str], row: &Row) {
    let Some((first, rest)) = path.split_first() else { return };
    let Some(Value::Object(properties)) = schema.get_mut("properties") else { return };
    if *first == "*" {
        properties
            .values_mut()
            .filter(|value| value.get("properties").is_some())
            .for_each(|value| insert(value, rest, row));
    } else if rest.is_empty() {
        properties.entry(*first).or_insert_with(|| json!({ "description": row.sentence() }));
    } else {
        insert(properties.entry(*first).or_insert_with(closed), rest, row);
    }
}

fn closed() -> Value {
    Value::Object(Map::from_iter([
        ("type".to_owned(), "object".into()),
        ("additionalProperties".to_owned(), false.into()),
        ("properties".to_owned(), json!({})),
    ]))
}
