//! What helm makes of the chart.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// The release and the namespace that everything here is rendered for.
pub const NAME: &str = "my-vc";
pub const NAMESPACE: &str = "team-x";

/// The objects of the chart with these values, which the options must allow too.
#[track_caller]
pub fn chart(values: &str) -> Vec<Value> {
    chart_on(values, &[])
}

/// The same on a host that serves these API versions besides Kubernetes' own.
#[track_caller]
pub fn chart_on(values: &str, apis: &[&str]) -> Vec<Value> {
    vcluster_config::load("test", values).unwrap_or_else(|invalid| panic!("{invalid}"));
    template(values, apis).unwrap_or_else(|said| panic!("{said}"))
}

/// The same without the options' own checks; what helm says, when the chart refuses these values.
pub fn template(values: &str, apis: &[&str]) -> Result<Vec<Value>, String> {
    let (well, out, said) = helm(values, apis);
    if !well {
        return Err(said);
    }
    let objects = vcluster_config::manifests("the chart", &out).unwrap();
    Ok(objects.into_iter().flat_map(items).collect())
}

/// The objects of the chart with values that are written as JSON.
#[track_caller]
pub fn render(values: &Value) -> Vec<Value> {
    chart(&values.to_string())
}

/// What helm says when the chart refuses these values.
#[track_caller]
pub fn refused(values: &Value) -> String {
    let (well, _, said) = helm(&values.to_string(), &[]);
    assert!(!well, "{values} is not refused");
    said
}

/// What is in a list, as helm and kubectl see it.
fn items(object: Value) -> Vec<Value> {
    match object["items"].as_array() {
        Some(items) if object["kind"] == "List" => items.clone(),
        _ => vec![object],
    }
}

fn helm(values: &str, apis: &[&str]) -> (bool, String, String) {
    let program = std::env::var_os("VCLUSTER_TESTBED_BIN")
        .map_or_else(|| PathBuf::from("helm"), |folder| Path::new(&folder).join("helm"));
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/vcluster");
    let mut command = Command::new(&program);
    command.args(["template", NAME]).arg(chart).args(["--namespace", NAMESPACE, "--values", "-"]);
    for api in apis {
        command.args(["--api-versions", api]);
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{} cannot be run ({error}); set VCLUSTER_TESTBED_BIN", program.display())
        });
    child.stdin.take().unwrap().write_all(values.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

/// The objects of a kind.
pub fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

/// One object.
#[track_caller]
pub fn one<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    find(objects, kind, name).unwrap_or_else(|| panic!("there is no {kind} {name}"))
}

/// One object, if the chart makes it.
pub fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> Option<&'a Value> {
    of_kind(objects, kind).into_iter().find(|it| it["metadata"]["name"] == name)
}
