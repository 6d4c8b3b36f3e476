//! One line of progress.

#![allow(clippy::print_stderr, reason = "part of the module that prints")]

use std::collections::HashSet;
use std::time::{Duration, Instant};

use console::style;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, json};

use super::{Format, Ui};

/// A step that is running. Dropping it without [`Step::done`] shows it as failed.
#[derive(Debug)]
pub struct Step {
    ui: Ui,
    label: String,
    note: String,
    printed: HashSet<String>,
    started: Instant,
    bar: Option<ProgressBar>,
    open: bool,
}

impl Step {
    pub(super) fn start(ui: Ui, label: String) -> Self {
        let bar = (ui.spinner && !ui.quiet).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(
                ProgressStyle::with_template(" {spinner:.cyan} {wide_msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            bar.set_message(label.clone());
            bar.enable_steady_tick(Duration::from_millis(80));
            bar
        });
        Self {
            ui,
            label,
            note: String::new(),
            printed: HashSet::new(),
            started: Instant::now(),
            bar,
            open: true,
        }
    }

    /// Says what is being waited for. Where lines cannot be redrawn nothing is said twice.
    pub fn note(&mut self, note: impl Into<String>) {
        let note = note.into();
        if note == self.note {
            return;
        }
        self.note = note;
        match &self.bar {
            None if !self.printed.insert(self.note.clone()) => {}
            Some(bar) if self.note.is_empty() => bar.set_message(self.label.clone()),
            Some(bar) => bar.set_message(format!("{}: {}", self.label, self.note)),
            None if self.note.is_empty() || self.ui.quiet => {}
            None if self.ui.format == Format::Json => self.json("running"),
            None if self.ui.format == Format::Raw => eprintln!("{}: {}", self.label, self.note),
            None => eprintln!(" • {}: {}", self.label, self.note),
        }
    }

    /// Ends the step well.
    pub fn done(mut self) {
        self.close("✓", "done");
    }

    /// Ends the step well, under another text that says what came out.
    pub fn done_as(mut self, label: impl Into<String>) {
        self.label = label.into();
        self.close("✓", "done");
    }

    fn close(&mut self, mark: &str, state: &str) {
        self.open = false;
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        match (self.ui.quiet, self.ui.format) {
            (true, _) => {}
            (_, Format::Json) => self.json(state),
            (_, Format::Raw) => eprintln!("{}: {state}", self.label),
            (_, Format::Plain) => {
                let mark = if state == "done" { style(mark).green() } else { style(mark).red() };
                eprintln!(" {} {}", mark.for_stderr(), self.label);
            }
        }
    }

    fn json(&self, state: &str) {
        let mut fields = Map::new();
        fields.insert("step".into(), json!(state));
        fields.insert("seconds".into(), json!(self.started.elapsed().as_secs_f64()));
        if state == "running" {
            fields.insert("note".into(), json!(self.note));
        }
        self.ui.json("info", &self.label, fields);
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if self.open {
            self.close("✗", "failed");
        }
    }
}
