//! The lines of the table: which figures they show and what these should be.

use super::goals::Goal::{self, AtLeast, AtMost, OfBare, OfBareOrNull};

/// How a figure is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Kept in seconds.
    Seconds,
    /// Kept in seconds.
    Milliseconds,
    /// Of a million bytes.
    Megabytes,
    /// A number of something.
    Count,
}

/// One line.
#[derive(Debug, Clone)]
pub struct Row {
    /// What is measured.
    pub label: String,
    /// How it is printed.
    pub unit: Unit,
    /// The figures, side by side: several percentiles of one thing.
    pub figures: Vec<Figure>,
}

/// One figure of a line.
#[derive(Debug, Clone)]
pub struct Figure {
    /// Its name in the sheet.
    pub name: String,
    /// What it must be now.
    pub now: Option<Goal>,
    /// What it shall become.
    pub next: Option<Goal>,
}

fn row<const N: usize>(
    label: impl Into<String>,
    unit: Unit,
    figures: [(String, Option<Goal>, Option<Goal>); N],
) -> Row {
    let figures = figures.into_iter().map(|(name, now, next)| Figure { name, now, next }).collect();
    Row { label: label.into(), unit, figures }
}

/// The lines of a burst. `pods` and `name` are its own; goals are set for 200 and 1000 pods.
pub fn burst(pods: usize, what: &str, name: &str) -> Vec<Row> {
    let at = |figure: &str| format!("{name}/{figure}");
    let label = |figure: &str| format!("{pods}-pod burst{what}: {figure}");
    let large = pods >= 1000;
    let times = if large { 1.3 } else { 1.5 };
    let running = large.then_some(OfBareOrNull(1.5, 1.1));
    let mut rows = vec![
        row(
            label("host pods/s"),
            Unit::Count,
            [(at("host pods a second"), None, Some(AtLeast(150.0)))],
        ),
        row(
            label("all Running"),
            Unit::Seconds,
            [(at("all running"), running, large.then_some(OfBare(1.2)))],
        ),
        row(
            label("create -> Running p50 / p99"),
            Unit::Seconds,
            ["p50", "p99"]
                .map(|part| (at(&format!("create to running {part}")), None, Some(OfBare(times)))),
        ),
        row(
            label("all deleted"),
            Unit::Seconds,
            [(at("all deleted"), None, large.then_some(OfBare(1.3)))],
        ),
    ];
    if large {
        rows.push(row(
            label("syncer memory with the pods, resident / anonymous"),
            Unit::Megabytes,
            [
                (at("syncer resident with pods"), Some(AtMost(25.0)), Some(AtMost(14.0))),
                (at("syncer anonymous with pods"), None, None),
            ],
        ));
        rows.push(row(
            label("syncer memory afterwards / at most"),
            Unit::Megabytes,
            [
                (at("syncer resident afterwards"), Some(AtMost(25.0)), Some(AtMost(14.0))),
                (at("syncer peak"), None, None),
            ],
        ));
    }
    rows.push(row(
        label("syncer CPU per 1000 pods"),
        Unit::Seconds,
        [(at("syncer cpu"), Some(AtMost(3.0)), Some(AtMost(1.5)))],
    ));
    rows.extend(requests(&label("requests a pod"), name));
    rows
}

/// The lines of a steady stream.
pub fn steady(what: &str, name: &str) -> Vec<Row> {
    let at = |figure: &str| format!("{name}/{figure}");
    let label = |figure: &str| format!("2 pods/s{what}: {figure}");
    vec![
        row(
            label("create -> host object p50 / p99"),
            Unit::Milliseconds,
            [
                (at("create to host object p50"), Some(AtMost(0.015)), Some(AtMost(0.008))),
                (at("create to host object p99"), None, Some(AtMost(0.020))),
            ],
        ),
        row(
            label("of it, seen inside -> host object"),
            Unit::Milliseconds,
            ["p50", "p99"]
                .map(|part| (at(&format!("leg/2 seen inside -> host object/{part}")), None, None)),
        ),
        row(
            label("create -> Running p50 / p99"),
            Unit::Milliseconds,
            [
                (at("create to running p50"), None, Some(AtMost(0.050))),
                (at("create to running p99"), None, Some(AtMost(0.150))),
            ],
        ),
        row(
            label("of it, Running on the host -> inside"),
            Unit::Milliseconds,
            ["p50", "p99"].map(|part| {
                (at(&format!("leg/6 Running on the host -> Running inside/{part}")), None, None)
            }),
        ),
    ]
}

/// The lines of a syncer's requests during a load.
pub fn requests(label: &str, name: &str) -> Vec<Row> {
    let at = |figure: &str| format!("{name}/{figure}");
    let goal = Some(AtMost(6.0));
    vec![
        row(
            format!("{label}, host / inside"),
            Unit::Count,
            [(at("requests host"), goal, goal), (at("requests inside"), goal, goal)],
        ),
        row(
            format!("{label}, events, host / inside"),
            Unit::Count,
            [(at("events host"), None, None), (at("events inside"), None, None)],
        ),
    ]
}

/// The lines of a virtual cluster that nobody uses.
pub fn idle() -> Vec<Row> {
    let figure = |name: &str| format!("idle/{name}");
    vec![
        row(
            "syncer memory idle, resident / anonymous",
            Unit::Megabytes,
            [
                (figure("memory/syncer/resident"), Some(AtMost(15.0)), Some(AtMost(10.0))),
                (figure("memory/syncer/anonymous"), None, None),
            ],
        ),
        row(
            "whole virtual cluster idle, resident / anonymous",
            Unit::Megabytes,
            [
                (figure("resident"), Some(AtMost(450.0)), Some(AtMost(450.0))),
                (figure("anonymous"), Some(AtMost(200.0)), Some(AtMost(200.0))),
            ],
        ),
        row(
            "idle: writes to the host a minute",
            Unit::Count,
            [(figure("writes a minute"), Some(AtMost(0.0)), Some(AtMost(0.0)))],
        ),
        row(
            "idle: syncer CPU in 2 minutes",
            Unit::Seconds,
            [(figure("cpu/syncer"), None, Some(AtMost(0.1)))],
        ),
        row(
            "syncer binary",
            Unit::Megabytes,
            [(figure("binary"), Some(AtMost(15.0)), Some(AtMost(12.0)))],
        ),
    ]
}

/// The lines of making a virtual cluster.
pub fn create() -> Vec<Row> {
    let figure = |name: &str| format!("create/{name}");
    vec![
        row(
            "create -> API answers",
            Unit::Seconds,
            [(figure("answers"), Some(AtMost(10.0)), Some(AtMost(8.0)))],
        ),
        row(
            "create -> a first pod runs",
            Unit::Seconds,
            [(figure("first pod"), Some(AtMost(10.0)), Some(AtMost(8.0)))],
        ),
        row("create -> CoreDNS ready", Unit::Seconds, [(figure("dns"), None, Some(AtMost(9.0)))]),
        row(
            "create -> the command ends",
            Unit::Seconds,
            [(figure("command"), Some(AtMost(10.0)), None)],
        ),
        row(
            "resume after a pause -> API answers",
            Unit::Seconds,
            [(figure("wake"), Some(AtMost(8.0)), Some(AtMost(6.0)))],
        ),
    ]
}
