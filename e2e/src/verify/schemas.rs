//! What an API server says about its objects, as the JSON schemas that kubeconform reads: one file a kind, complete in
//! itself and strict, in the layout of `kubernetes-json-schema`.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

/// Where references of an OpenAPI document point to.
const DEFINITIONS: &str = "#/definitions/";
/// What kubeconform is told about the files' names.
pub const LAYOUT: &str = "{{ .ResourceKind }}{{ .KindSuffix }}.json";

/// Writes a schema for each kind of an OpenAPI document of version 2, and answers how many.
pub fn write(openapi: &Value, folder: &Path) -> Result<usize> {
    let definitions = openapi.get("definitions").and_then(Value::as_object);
    let definitions = definitions.context("the API server describes nothing")?;
    let mut count = 0;
    for (name, definition) in definitions {
        let kinds = definition.get("x-kubernetes-group-version-kind").and_then(Value::as_array);
        // Those with more than one are no objects of their own, such as `DeleteOptions`.
        let Some([kind]) = kinds.map(Vec::as_slice) else { continue };
        let path = folder.join(file_name(kind).context("a kind without a name")?);
        std::fs::write(&path, schema(name, definitions).to_string())
            .with_context(|| format!("cannot write {}", path.display()))?;
        count += 1;
    }
    Ok(count)
}

/// Whether there is a schema for a kind, of whatever group and version.
pub fn describes(folder: &Path, kind: &str) -> Result<bool> {
    let start = format!("{}-", kind.to_lowercase());
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(entries.iter().any(|it| it.file_name().to_string_lossy().starts_with(&start)))
}

/// `deployment-apps-v1.json`; of a group's name only the part before the first dot.
fn file_name(kind: &Value) -> Option<String> {
    let text = |key: &str| kind.get(key)?.as_str().map(str::to_lowercase);
    let group = text("group")?;
    let group = group.split('.').next().filter(|group| !group.is_empty());
    let (kind, version) = (text("kind")?, text("version")?);
    Some(match group {
        Some(group) => format!("{kind}-{group}-{version}.json"),
        None => format!("{kind}-{version}.json"),
    })
}

/// A definition with everything that it refers to.
fn schema(name: &str, all: &Map<String, Value>) -> Value {
    let (mut needed, mut next) = (Map::new(), vec![name.to_owned()]);
    while let Some(name) = next.pop() {
        if let (false, Some(definition)) = (needed.contains_key(&name), all.get(&name)) {
            let mut definition = definition.clone();
            strict(&mut definition, &mut next);
            needed.insert(name, definition);
        }
    }
    json!({ "$ref": format!("{DEFINITIONS}{name}"), "definitions": needed })
}

/// Forbids what an object does not list, and lets be what OpenAPI says by a format. Notes what is referred to.
fn strict(schema: &mut Value, refers: &mut Vec<String>) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(|item| strict(item, refers)),
        Value::Object(object) => {
            if let Some(to) = object.get("$ref").and_then(Value::as_str) {
                refers.extend(to.strip_prefix(DEFINITIONS).map(str::to_owned));
            }
            let free = object.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true));
            if object.get("properties").is_some_and(Value::is_object) && !free {
                object.entry("additionalProperties").or_insert(json!(false));
            }
            let quantity = object.get("description").and_then(Value::as_str);
            let quantity = quantity.is_some_and(|it| it.starts_with("Quantity is a fixed-point"));
            if object.get("format") == Some(&json!("int-or-string")) || quantity {
                object.insert("type".into(), json!(["string", "number"]));
            }
            // Draft 4 knows `int32` and `byte` no more than a browser does.
            if object.get("format").is_some_and(Value::is_string) {
                object.remove("format");
            }
            object.values_mut().for_each(|value| strict(value, refers));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn openapi() -> Value {
        json!({ "definitions": {
            "api.Deployment": {
                "properties": { "kind": { "type": "string" }, "spec": { "$ref": "#/definitions/api.Spec" } },
                "type": "object",
                "x-kubernetes-group-version-kind": [{ "group": "apps", "kind": "Deployment", "version": "v1" }],
            },
            "api.Spec": { "properties": {
                "port": { "type": "string", "format": "int-or-string" },
                "again": { "$ref": "#/definitions/api.Spec" },
                "labels": { "type": "object", "additionalProperties": { "type": "string" } },
            } },
            "api.Role": { "x-kubernetes-group-version-kind": [
                { "group": "rbac.authorization.k8s.io", "kind": "Role", "version": "v1" },
            ] },
            "api.Pod": { "x-kubernetes-group-version-kind": [{ "group": "", "kind": "Pod", "version": "v1" }] },
            "api.Unrelated": { "type": "string" },
        } })
    }

    #[test]
    fn each_kind_gets_a_file_that_is_complete_and_strict() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(write(&openapi(), folder.path()).unwrap(), 3);
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name));
        assert!(read("role-rbac-v1.json").is_ok() && read("pod-v1.json").is_ok());
        assert!(describes(folder.path(), "Pod").unwrap());
        assert!(!describes(folder.path(), "Deploy").unwrap());
        let schema: Value =
            serde_json::from_str(&read("deployment-apps-v1.json").unwrap()).unwrap();
        let definitions = &schema["definitions"];
        let names: Vec<&String> = definitions.as_object().unwrap().keys().collect();
        assert_eq!(names, ["api.Deployment", "api.Spec"]);
        assert_eq!(schema["$ref"], "#/definitions/api.Deployment");
        let spec = &definitions["api.Spec"];
        assert_eq!(spec["additionalProperties"], false);
        assert_eq!(spec["properties"]["port"], json!({ "type": ["string", "number"] }));
        assert_eq!(
            spec["properties"]["labels"]["additionalProperties"],
            json!({ "type": "string" })
        );
    }

    #[test]
    fn nothing_is_no_description() {
        assert!(write(&json!({}), Path::new("/nowhere")).is_err());
    }
}
