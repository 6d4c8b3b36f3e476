//! The keys that the chart itself refuses or warns of, for those who install without the command line.

use serde_json::{Value, json};

use crate::states::{ROWS, State};

/// The chart's `files/states.json`: what [`crate::Values::finish`] says of each key, for a template to say.
#[must_use]
pub fn states() -> String {
    let rows: Vec<Value> = ROWS
        .iter()
        .map(|row| {
            let segments: Vec<&str> = row.path.split('.').collect();
            json!({ "path": segments, "refused": row.state == State::Refused, "reason": row.reason, "instead": row.instead })
        })
        .collect();
    format!("{:#}\n", Value::Array(rows))
}
