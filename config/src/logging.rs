//! `logging` and `telemetry`

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::section::section;

section! {
    /// What the control plane's own programs write to their logs.
    pub struct Logging {
        /// `console`: lines for people. `json`: one object a line.
        encoding: Encoding = Encoding::Console,
    }
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// For people.
    #[default]
    Console,
    /// One JSON object a line.
    Json,
}

section! {
    /// Nothing is ever sent anywhere. The section is here so that existing files install.
    pub struct Telemetry {
        /// Without effect.
        enabled: bool = false,
    }
}
