//! `vcluster version`

use clap::Args;
use serde_json::json;

use crate::app::App;
use crate::error::Result;

/// Print the version
#[derive(Args, Debug)]
pub struct VersionArgs {
    /// Output format
    #[arg(short, long, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Output {
    /// One line.
    Text,
    /// One JSON object.
    Json,
    /// The bare number.
    Name,
}

/// Prints it.
pub fn run(app: &App, args: &VersionArgs) -> Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    app.ui.data(&match args.output {
        Output::Text => format!("vcluster version {version}"),
        Output::Json => json!({ "version": version }).to_string(),
        Output::Name => version.to_owned(),
    })
}
