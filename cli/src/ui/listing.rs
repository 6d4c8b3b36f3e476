//! Lists on stdout: columns for people, JSON for scripts.

use serde::Serialize;

use crate::error::{CliError, Result};

/// How a list is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// Columns.
    Table,
    /// A JSON array.
    Json,
}

/// Rows as a JSON array, each level indented by `indent`.
///
/// # Errors
/// Never in practice: when they cannot be written as JSON.
pub fn json<R: Serialize>(rows: &[R], indent: &str) -> Result<String> {
    let mut text = Vec::new();
    let format = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
    rows.serialize(&mut serde_json::Serializer::with_formatter(&mut text, format))
        .map_err(unwritten)?;
    String::from_utf8(text).map_err(unwritten)
}

/// The error of a list that cannot be written.
pub fn unwritten(error: impl std::fmt::Display) -> CliError {
    CliError::failed("cannot write the list").because(error.to_string())
}
