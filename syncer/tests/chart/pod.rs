//! The pod of the control plane.

use std::path::Path;

use serde_json::Value;

use crate::render::{NAME, one};

/// A container of it.
#[track_caller]
pub fn container<'a>(objects: &'a [Value], name: &str) -> &'a Value {
    let found = spec(objects)["containers"].as_array().unwrap();
    let found = found.iter().find(|container| container["name"] == name);
    found.unwrap_or_else(|| panic!("there is no container {name}"))
}

/// A container that is started before those.
#[track_caller]
pub fn init_container<'a>(objects: &'a [Value], name: &str) -> &'a Value {
    let found = spec(objects)["initContainers"].as_array().unwrap();
    let found = found.iter().find(|container| container["name"] == name);
    found.unwrap_or_else(|| panic!("there is no container {name}"))
}

/// The names of its containers, in order.
pub fn containers(objects: &[Value]) -> Vec<&str> {
    let containers = spec(objects)["containers"].as_array().unwrap();
    containers.iter().map(|container| container["name"].as_str().unwrap()).collect()
}

/// The arguments of a container.
pub fn args(container: &Value) -> Vec<String> {
    let args = container["args"].as_array().unwrap();
    args.iter().map(|argument| argument.as_str().unwrap().to_owned()).collect()
}

/// Checks that the pod is as in `NAME.json`; `UPDATE=1` writes it.
#[track_caller]
pub fn as_before(name: &str, objects: &[Value]) {
    let mut pod = spec(objects).clone();
    pod.sort_all_objects();
    let made = format!("{pod:#}\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/chart/{name}.json"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let have = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(have == made, "the pod of {name} is another; UPDATE=1 writes {}", path.display());
}

/// Its specification.
pub fn spec(objects: &[Value]) -> &Value {
    &one(objects, "StatefulSet", NAME)["spec"]["template"]["spec"]
}
