//! Renders the chart and looks into what comes out.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// Everything that the chart makes with these values, for release `my-vc` in namespace `team-x`.
#[track_caller]
pub fn render(values: &Value) -> Vec<Value> {
    let output = helm(values);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    vcluster_config::manifests("the chart", &text).unwrap()
}

/// What helm says when the chart refuses these values.
#[track_caller]
pub fn refused(values: &Value) -> String {
    let output = helm(values);
    assert!(!output.status.success(), "{values} is not refused");
    String::from_utf8(output.stderr).unwrap()
}

/// The object of a kind with this name.
#[track_caller]
pub fn object<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    find(objects, kind, name).unwrap_or_else(|| panic!("there is no {kind} {name}"))
}

/// The object of a kind with this name, if the chart makes it.
pub fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> Option<&'a Value> {
    objects.iter().find(|object| object["kind"] == kind && object["metadata"]["name"] == name)
}

/// A container of the control plane.
#[track_caller]
pub fn container<'a>(objects: &'a [Value], name: &str) -> &'a Value {
    let set = object(objects, "StatefulSet", "my-vc");
    let containers = set["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    let found = containers.iter().find(|container| container["name"] == name);
    found.unwrap_or_else(|| panic!("there is no container {name}"))
}

/// The names of the control plane's containers, in order.
pub fn containers(objects: &[Value]) -> Vec<&str> {
    let set = object(objects, "StatefulSet", "my-vc");
    let containers = set["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    containers.iter().map(|container| container["name"].as_str().unwrap()).collect()
}

fn helm(values: &Value) -> Output {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/vcluster");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, values.to_string()).unwrap();
    let programs = std::env::var_os("VCLUSTER_TESTBED_BIN");
    let program = programs.map_or("helm".into(), |programs| Path::new(&programs).join("helm"));
    Command::new(&program)
        .args(["template", "my-vc", "--namespace", "team-x", "--values"])
        .arg(file.path())
        .arg(chart)
        .output()
        .unwrap_or_else(|error| panic!("{} cannot be run: {error}", program.display()))
}

/// The arguments of a container.
pub fn args(container: &Value) -> Vec<String> {
    let args = container["args"].as_array().unwrap();
    args.iter().map(|argument| argument.as_str().unwrap().to_owned()).collect()
}

/// Checks that the pod of the control plane is as in `NAME.json`; `UPDATE=1` writes it.
#[track_caller]
pub fn as_before(name: &str, objects: &[Value]) {
    let mut pod = object(objects, "StatefulSet", "my-vc")["spec"]["template"]["spec"].clone();
    pod.sort_all_objects();
    let made = format!("{pod:#}\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/chart/{name}.json"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let have = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(have == made, "the pod of {name} is another; UPDATE=1 writes {}", path.display());
}
