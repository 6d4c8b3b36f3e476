//! Every key path of the Go vcluster's charts: facts, one a line.

use serde_json::{Map, Value};
use vcluster_config::render::Upstream;

pub fn charts() -> Vec<Upstream> {
    [
        ("0.20 (August 2024)", include_str!("schema-0.20.txt")),
        ("0.37 (August 2026)", include_str!("schema-head.txt")),
    ]
    .map(|(name, paths)| Upstream { name, paths: paths.lines().map(str::to_owned).collect() })
    .into()
}

/// `a.b.c<TAB>JSON` lines as a values file. Keys of free maps hold dots: what the schema of the
/// chart calls `quota.*` is one key.
#[allow(dead_code, reason = "each test takes its part")]
pub fn values(defaults: &str) -> Value {
    const FREE: [&str; 8] = [
        "quota",
        "default",
        "defaultRequest",
        "limits",
        "requests",
        "annotations",
        "labels",
        "matchLabels",
    ];
    let mut values = Map::new();
    for line in defaults.lines() {
        let (path, value) = line.split_once('\t').unwrap();
        let mut keys: Vec<String> = Vec::new();
        for segment in path.split('.') {
            match keys.iter().position(|key| FREE.contains(&key.as_str())) {
                Some(free) if keys.len() > free + 1 => {
                    let last = keys.last_mut().unwrap();
                    last.push('.');
                    last.push_str(segment);
                }
                _ => keys.push(segment.to_owned()),
            }
        }
        let (last, parents) = keys.split_last().unwrap();
        let mut object = &mut values;
        for parent in parents {
            let below = object.entry(parent).or_insert_with(|| Value::Object(Map::new()));
            object = below.as_object_mut().unwrap();
        }
        object.insert(last.clone(), serde_json::from_str(value).unwrap());
    }
    Value::Object(values)
}
