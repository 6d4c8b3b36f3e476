//! Everything that was measured, by what and of whom.

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Value, json};

use super::figures::median;

/// What is measured side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// The host without a virtual cluster: the same pods, created on it.
    Bare,
    /// A virtual cluster whose syncer sends no more than the least requests.
    Null,
    /// A virtual cluster.
    Vcluster,
}

impl Subject {
    /// All of them.
    pub const ALL: [Subject; 3] = [Subject::Bare, Subject::Null, Subject::Vcluster];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Subject::Bare => "bare host",
            Subject::Null => "null syncer",
            Subject::Vcluster => "vcluster",
        }
    }
}

/// The figures, with one value a run.
#[derive(Debug, Default)]
pub struct Sheet {
    values: BTreeMap<String, BTreeMap<Subject, Vec<f64>>>,
}

impl Sheet {
    /// Adds a value of one run.
    pub fn add(&mut self, figure: impl Into<String>, of: Subject, value: f64) {
        self.values.entry(figure.into()).or_default().entry(of).or_default().push(value);
    }

    /// The median of a figure's values.
    pub fn median(&self, figure: &str, of: Subject) -> Option<f64> {
        median(self.values.get(figure)?.get(&of)?)
    }

    /// What comes after `prefix` in the names of figures, in order.
    pub fn under<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.values.keys().filter_map(move |figure| figure.strip_prefix(prefix))
    }

    /// All of it: for each figure and subject the median and the single values.
    pub fn json(&self) -> Value {
        let figures = self.values.iter().map(|(figure, subjects)| {
            let subjects = subjects.iter().map(|(subject, values)| {
                json!({ "subject": subject, "median": median(values), "runs": values })
            });
            (figure.clone(), subjects.collect())
        });
        Value::Object(figures.collect())
    }
}
