//! What is to be measured.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::sheet::Subject;

/// Arguments of `bench`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// How often each load is repeated; the subjects take turns
    #[arg(long, default_value_t = 3, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,
    /// Measure only this; can be given several times
    #[arg(long, value_enum, value_name = "PART")]
    pub only: Vec<Part>,
    /// Measure loads only of this subject; can be given several times
    #[arg(long, value_enum, value_name = "SUBJECT")]
    pub of: Vec<Subject>,
    /// Pods in the large burst; the small one has a fifth
    #[arg(long, default_value_t = 1000, value_name = "COUNT")]
    pub pods: usize,
    /// One run of small loads, for a first look
    #[arg(long)]
    pub quick: bool,
    /// Measure although the machine is busy with something else
    #[arg(long)]
    pub busy: bool,
    /// Leave the virtual clusters, and the bed if it was started for this, for a look
    #[arg(long)]
    pub keep: bool,
    /// Write all figures to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// What is printed
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// A part of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// How long it takes to make a virtual cluster
    Create,
    /// What one costs that nobody uses
    Idle,
    /// Two pods a second
    Steady,
    /// Many pods at once
    Burst,
    /// Requests for each pod, in a small burst
    Requests,
}

/// How the report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Table,
    /// For programs
    Json,
}

impl Options {
    /// Whether a part is to be measured.
    pub fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    /// Whose loads are to be measured.
    pub fn subjects(&self) -> impl Iterator<Item = Subject> {
        Subject::ALL.into_iter().filter(|subject| self.of.is_empty() || self.of.contains(subject))
    }

    /// How often each load is repeated.
    pub fn runs(&self) -> usize {
        if self.quick { 1 } else { self.runs as usize }
    }

    /// The sizes of the bursts.
    pub fn bursts(&self) -> Vec<usize> {
        let small = (self.pods / 5).max(1);
        if self.quick || !self.wants(Part::Burst) { vec![small] } else { vec![small, self.pods] }
    }

    /// How many pods the steady stream has.
    pub fn steady(&self) -> usize {
        if self.quick { 30 } else { 100 }
    }
}
