//! YAML files to and from JSON values.

use std::path::Path;

use vcluster_syncer_core::json::Value;

/// Reads a YAML file; nothing when there is none.
pub fn read(path: &Path) -> Option<Value> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// Parses one YAML document.
pub fn parse(text: &str) -> Result<Value, String> {
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
}

/// Prints a value.
pub fn print(value: &Value) -> String {
    serde_saphyr::to_string(value).expect("a JSON value prints as YAML")
}

/// Compares a text with a golden file, or rewrites the file when `UPDATE=1` is set.
///
/// # Errors
/// What differs.
pub fn golden(path: &Path, got: &str) -> Result<(), String> {
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        std::fs::write(path, got).map_err(|error| format!("{}: {error}", path.display()))?;
        return Ok(());
    }
    let wanted = std::fs::read_to_string(path).unwrap_or_default();
    if wanted == got {
        return Ok(());
    }
    let first = wanted.lines().zip(got.lines()).position(|(wanted, got)| wanted != got);
    let line = first.unwrap_or_else(|| wanted.lines().count().min(got.lines().count()));
    let from = line.saturating_sub(8);
    let part = |text: &str| text.lines().skip(from).take(24).collect::<Vec<_>>().join("\n");
    Err(format!(
        "{} differs from line {} on (UPDATE=1 rewrites it)\n--- wanted, from line {}:\n{}\n--- got:\n{}\n",
        path.display(),
        line + 1,
        from + 1,
        part(&wanted),
        part(got)
    ))
}
