//! The reference page of the values.

use std::fmt::Write as _;

use serde_json::Value;

use super::defaults;
use crate::document::{Kind, Node};
use crate::states::{self, ROWS, State};

/// The key paths of another chart, to be compared with ours.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// What the page calls it.
    pub name: &'static str,
    /// Every path, as `sync.toHost.pods.enabled`; `[]` for items of lists, `*` for any name.
    pub paths: Vec<String>,
}

/// The page `docs/reference/values.md`.
#[must_use]
pub fn reference(charts: &[Upstream]) -> String {
    let mut text = format!(
        "<!-- {} -->\n\n# Values\n\n\
         Every option of `vcluster.yaml`, which is also the chart's `values.yaml`. A key that is not here is an\n\
         error. Fragments of Kubernetes objects (shown as `map` without keys) are passed on as they are.\n",
        super::ORIGIN
    );
    if let Some(document) = defaults() {
        sections(&mut text, &document.root, &crate::schema());
    }
    shares(&mut text, charts);
    text
}

fn sections(text: &mut String, root: &Node, schema: &Value) {
    let Kind::Map(entries) = &root.kind else { return };
    for entry in entries {
        let below = schema
            .get("properties")
            .and_then(|properties| properties.get(&entry.key))
            .unwrap_or(&Value::Null);
        let _ = write!(text, "\n## `{}`\n\n{}\n\n", entry.key, description(below));
        text.push_str("| key | default | |\n|---|---|---|\n");
        rows(text, &entry.value, below, &entry.key);
    }
}

fn rows(text: &mut String, node: &Node, schema: &Value, path: &str) {
    match (&node.kind, schema.get("properties")) {
        (Kind::Map(entries), Some(properties)) => {
            for entry in entries {
                let below = properties.get(&entry.key).unwrap_or(&Value::Null);
                rows(text, &entry.value, below, &format!("{path}.{}", entry.key));
            }
        }
        _ => {
            let default = node.to_value().to_string();
            let default = if default.chars().count() > 80 {
                "see `values.yaml`".to_owned()
            } else {
                format!("`{default}`")
            };
            let _ = writeln!(text, "| `{path}` | {default} | {} |", description(schema));
        }
    }
}

fn description(schema: &Value) -> String {
    schema.get("description").and_then(Value::as_str).unwrap_or_default().replace('|', "\\|")
}

fn shares(text: &mut String, charts: &[Upstream]) {
    text.push_str("\n## Keys of the Go vcluster's charts\n\n");
    text.push_str(
        "A `vcluster.yaml` written for those charts can be used as it is. Each of their keys is honoured, accepted\n\
         without effect (with a warning that says why), or refused with a reason. Nothing is said about a key that\n\
         asks for nothing, such as `enabled: false`.\n\n| chart | keys | honoured | accepted | refused |\n|---|---|---|---|---|\n",
    );
    for chart in charts {
        let count = |state| chart.paths.iter().filter(|path| state_of(path) == state).count();
        let all = chart.paths.len();
        let share = |count: usize| {
            format!("{count} ({} %)", (count * 100 + all / 2).checked_div(all).unwrap_or(0))
        };
        let [honoured, accepted, refused] =
            [State::Honoured, State::Accepted, State::Refused].map(count).map(share);
        let _ = writeln!(text, "| {} | {all} | {honoured} | {accepted} | {refused} |", chart.name);
    }
    text.push_str("\n| key, with all below it | state | why | instead |\n|---|---|---|---|\n");
    for row in ROWS {
        let _ =
            writeln!(text, "| `{}` | {} | {} | {} |", row.path, row.state, row.reason, row.instead);
    }
}

/// What becomes of a key path of another chart. Paths that nothing is known about count as honoured
/// here; a test sees to it that there are none.
fn state_of(path: &str) -> State {
    states::row(path).map_or(State::Honoured, |row| row.state)
}
