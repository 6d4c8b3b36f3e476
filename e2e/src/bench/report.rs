//! The report: a table for people, JSON for programs.

use std::collections::BTreeSet;

use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Value, json};

use super::goals::Goal;
use super::rows::{Figure, Row, Unit};
use super::sheet::{Sheet, Subject};

/// One benchmark's outcome.
pub struct Report {
    /// What was measured.
    pub sheet: Sheet,
    /// The lines of the table.
    pub rows: Vec<Row>,
    /// The loads, whose stretches and processes are shown too: label and name in the sheet.
    pub loads: Vec<(String, String)>,
    /// How busy the machine was, beside the benchmark.
    pub machine: Machine,
    /// What could not be measured, and why.
    pub failures: Vec<String>,
}

/// The machine's state.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// How many processors it has.
    pub cores: usize,
    /// The load average before the first measurement and after the last.
    pub load: (f64, f64),
    /// How many runs there were.
    pub runs: usize,
}

impl Report {
    /// All figures, with each run's.
    pub fn json(&self) -> Value {
        let rows =
            self.rows.iter().flat_map(|row| row.figures.iter().map(move |figure| (row, figure)));
        let goals: serde_json::Map<String, Value> = rows
            .filter(|(_, figure)| figure.now.is_some() || figure.next.is_some())
            .map(|(row, figure)| {
                let text = |goal: Option<Goal>| goal.map(|goal| shown(goal, row.unit));
                let met =
                    |goal: Option<Goal>| goal.and_then(|goal| goal.met(&self.sheet, &figure.name));
                let goal = json!({
                    "label": row.label,
                    "now": text(figure.now), "nowMet": met(figure.now),
                    "next": text(figure.next), "nextMet": met(figure.next),
                });
                (figure.name.clone(), goal)
            })
            .collect();
        json!({
            "figures": self.sheet.json(),
            "goals": goals,
            "machine": {
                "cores": self.machine.cores,
                "loadBefore": self.machine.load.0,
                "loadAfter": self.machine.load.1,
            },
            "runs": self.machine.runs,
            "failures": self.failures,
        })
    }

    /// The tables.
    pub fn text(&self) -> String {
        let mut parts = vec![self.main()];
        for (label, name) in &self.loads {
            let leg = |part: &str| format!("{name}/leg/{part}");
            parts.extend(self.detail(
                &format!("{label}: where the time goes, p50 / p99 in ms"),
                &leg(""),
                |stretch| {
                    [format!("{stretch}/p50"), format!("{stretch}/p99")]
                        .map(|part| (leg(&part), 1000.0))
                        .to_vec()
                },
            ));
            let cpu = format!("{name}/cpu/");
            parts.extend(self.detail(
                &format!("{label}: CPU seconds of each process, created and deleted"),
                &cpu,
                |process| vec![(format!("{cpu}{process}"), 1.0)],
            ));
            let requests = format!("{name}/requests/");
            parts.extend(self.detail(
                &format!("{label}: the syncer's requests a pod"),
                &requests,
                |what| vec![(format!("{requests}{what}"), 1.0)],
            ));
        }
        parts.extend(self.detail(
            "idle: memory of each process, resident / anonymous in MB",
            "idle/memory/",
            |process| {
                ["resident", "anonymous"]
                    .map(|part| (format!("idle/memory/{process}/{part}"), 1.0))
                    .to_vec()
            },
        ));
        parts.extend(self.detail("idle: CPU seconds in 2 minutes", "idle/cpu/", |process| {
            vec![(format!("idle/cpu/{process}"), 1.0)]
        }));
        let Machine { cores, load: (before, after), runs } = self.machine;
        parts.push(format!(
            "Medians of {runs} runs on {cores} cores; load {before:.1} before, {after:.1} after."
        ));
        parts.extend(self.failures.iter().map(|failure| format!("not measured: {failure}")));
        parts.join("\n\n")
    }

    fn main(&self) -> String {
        let mut table = table(
            &["WHAT", "BARE HOST", "NULL SYNCER", "VCLUSTER", "GOAL", "NEXT GOAL", "VERDICT"],
            1..=3,
        );
        for row in &self.rows {
            let cell = |subject| {
                let values =
                    row.figures.iter().map(|figure| self.sheet.median(&figure.name, subject));
                let values: Option<Vec<String>> =
                    values.map(|value| Some(number(value?, row.unit))).collect();
                values.map_or("-".to_owned(), |values| {
                    format!("{}{}", values.join(" / "), suffix(row.unit))
                })
            };
            let goals = |pick: fn(&Figure) -> Option<Goal>| {
                let texts =
                    row.figures.iter().filter_map(|figure| Some(shown(pick(figure)?, row.unit)));
                let mut texts: Vec<String> = texts.collect();
                texts.dedup();
                texts.join(", ")
            };
            let mut cells = vec![row.label.clone()];
            cells.extend(Subject::ALL.map(cell));
            cells.extend([
                goals(|figure| figure.now),
                goals(|figure| figure.next),
                self.verdict(row),
            ]);
            table.add_row(cells);
        }
        table.trim_fmt()
    }

    /// Whether the goals of a line are met.
    fn verdict(&self, row: &Row) -> String {
        let all = |pick: fn(&Figure) -> Option<Goal>| {
            let met: Vec<bool> = row
                .figures
                .iter()
                .filter_map(|figure| pick(figure)?.met(&self.sheet, &figure.name))
                .collect();
            (!met.is_empty()).then(|| met.iter().all(|met| *met))
        };
        match (all(|figure| figure.now), all(|figure| figure.next)) {
            (None, None) => "",
            (Some(false), _) => "MISSED",
            (Some(true) | None, Some(true)) => "met",
            (Some(true), Some(false)) => "met, next not yet",
            (Some(true), None) => "met",
            (None, Some(false)) => "next not yet",
        }
        .to_owned()
    }

    /// A table of all figures whose names begin with `prefix`; `cells` tells what is shown of one, and how many times
    /// its value.
    fn detail(
        &self,
        title: &str,
        prefix: &str,
        cells: impl Fn(&str) -> Vec<(String, f64)>,
    ) -> Option<String> {
        let keep_slash = prefix.ends_with("requests/");
        let names: BTreeSet<&str> = self
            .sheet
            .under(prefix)
            .map(|rest| {
                if keep_slash { rest } else { rest.rsplit_once('/').map_or(rest, |(name, _)| name) }
            })
            .collect();
        let mut table = table(&[title, "BARE HOST", "NULL SYNCER", "VCLUSTER"], 1..=3);
        for name in &names {
            let cell = |subject| {
                let values = cells(name).into_iter().map(|(figure, times)| {
                    Some(number(self.sheet.median(&figure, subject)? * times, Unit::Count))
                });
                values
                    .collect::<Option<Vec<_>>>()
                    .map_or("-".to_owned(), |values| values.join(" / "))
            };
            let mut line = vec![(*name).to_owned()];
            line.extend(Subject::ALL.map(cell));
            table.add_row(line);
        }
        (!names.is_empty()).then(|| table.trim_fmt())
    }
}

fn table(header: &[&str], numbers: std::ops::RangeInclusive<usize>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for column in numbers {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// Three digits, as far as they say something.
fn number(value: f64, unit: Unit) -> String {
    let value = if unit == Unit::Milliseconds { value * 1000.0 } else { value };
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        medium if medium >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn suffix(unit: Unit) -> &'static str {
    match unit {
        Unit::Seconds => " s",
        Unit::Milliseconds => " ms",
        Unit::Megabytes => " MB",
        Unit::Count => "",
    }
}

/// A goal in the unit of its line.
fn shown(goal: Goal, unit: Unit) -> String {
    let goal = match (goal, unit) {
        (Goal::AtMost(limit), Unit::Milliseconds) => Goal::AtMost(limit * 1000.0),
        (Goal::AtLeast(limit), Unit::Milliseconds) => Goal::AtLeast(limit * 1000.0),
        (goal, _) => goal,
    };
    let suffix = if matches!(goal, Goal::AtMost(_) | Goal::AtLeast(_)) { suffix(unit) } else { "" };
    format!("{goal}{suffix}")
}
