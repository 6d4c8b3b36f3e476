//! `vcluster convert`

use std::io::Read as _;

use clap::{Args, Subcommand};
use serde_json::Value;
use vcluster_config::{Classic, Document, Values};

use crate::app::App;
use crate::error::{CliError, Result};
use crate::yaml;

/// Turn old files into those of today
#[derive(Args, Debug)]
pub struct ConvertArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Turn the values of a classic chart (up to v0.19) into a vcluster.yaml
    ///
    /// The four charts `vcluster`, `vcluster-k0s`, `vcluster-k8s` and `vcluster-eks` had values of their own. What came to
    /// nothing, and what this program does not do, is told on stderr.
    Config {
        /// Distribution of the classic chart
        #[arg(long, value_enum)]
        distro: Distro,

        /// File with the values; `-` is stdin
        #[arg(short = 'f', long, value_name = "FILE")]
        values: String,

        /// Output format
        #[arg(short, long, value_enum, default_value = "yaml")]
        output: Output,
    },
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Distro {
    K3s,
    K0s,
    K8s,
    Eks,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Output {
    Yaml,
    Json,
}

/// Runs it.
pub fn run(app: &App, args: &ConvertArgs) -> Result<()> {
    let Command::Config { distro, values, output } = &args.command;
    let chart = match distro {
        Distro::K3s => Classic::K3s,
        Distro::K0s => Classic::K0s,
        Distro::K8s => Classic::K8s,
        Distro::Eks => Classic::Eks,
    };
    let (source, text) = read(values)?;
    let document = Document::parse(&source, &text).map_err(|problem| {
        CliError::usage(format!("cannot read the values in {source}")).because(problem.to_string())
    })?;
    let converted = chart.convert(&document);
    let result = Value::Object(converted.values);
    let written = match output {
        Output::Yaml => yaml::write(&result),
        Output::Json => serde_json::to_string_pretty(&result).map_err(|error| error.to_string()),
    };
    let written =
        written.map_err(|error| CliError::failed("cannot write the values").because(error))?;
    for note in &converted.notes {
        app.ui.warn(note.to_string());
    }
    for said in judged(&result) {
        app.ui.warn(format!("in the result, {said}"));
    }
    app.ui.data(&written)
}

/// What `create` would say to the result.
fn judged(result: &Value) -> Vec<String> {
    let Ok(document) = Document::parse("the result", &result.to_string()) else {
        return Vec::new();
    };
    let mut values = Values::new();
    values.add(document);
    let problems = values.finish().map_or_else(|invalid| invalid.0, |loaded| loaded.warnings);
    // Places in a text that nobody sees help nobody.
    let said = problems.into_iter().map(|problem| match &problem.hint {
        Some(hint) => format!("{}: {} ({hint})", problem.path, problem.message),
        None => format!("{}: {}", problem.path, problem.message),
    });
    said.collect()
}

fn read(source: &str) -> Result<(String, String)> {
    let fail = |error: &std::io::Error| {
        CliError::usage(format!("cannot read the values in {source}")).cause(error)
    };
    let mut bytes = Vec::new();
    let name = match source {
        "-" => {
            std::io::stdin().read_to_end(&mut bytes).map_err(|error| fail(&error))?;
            "stdin"
        }
        path => {
            bytes = std::fs::read(path).map_err(|error| fail(&error))?;
            path
        }
    };
    let text = yaml::decode(&bytes).map_err(|error| {
        CliError::usage(format!("cannot read the values in {name}")).because(error)
    })?;
    Ok((name.to_owned(), text))
}
