//! `verify`: every check there is, in the order in which they fail fastest.

mod objects;
mod report;
mod schemas;
mod steps;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use e2e::testbed::{Outcome, Progress, TestBed};

use report::Report;

/// `verify`: exits with 1 when a check fails. What it brought up it takes down.
pub async fn run(bed: u8, all: bool) -> Result<ExitCode> {
    let mut report = Report::default();
    let mut started = None;
    checks(bed, all, &mut report, &mut started).await;
    // A build machine must be left as it was found.
    let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    if ci || started == Some(Outcome::Started) {
        report
            .check("taking the host cluster down", async { TestBed::down(bed).await.map(drop) })
            .await;
    }
    Ok(report.close())
}

/// `conform`: one check by itself, on a host that is up.
pub async fn conform(bed: u8) -> Result<()> {
    objects::conform(&TestBed::open(bed)?).await
}

async fn checks(bed: u8, all: bool, report: &mut Report, started: &mut Option<Outcome>) {
    report.check("format", steps::format()).await;
    report.check("lints (clippy)", steps::clippy()).await;
    let Some(vcluster) = report.give("compiling programs and tests", steps::compile()).await else {
        return;
    };
    report.check("workflows (actionlint)", steps::actionlint()).await;
    let progress = Progress::new();
    let Some((testbed, outcome)) =
        report.give("starting the host cluster", steps::host(bed, all, &progress)).await
    else {
        return;
    };
    *started = Some(outcome);
    let rest = on_host(&testbed, &vcluster, all, report);
    if let Err(error) = testbed.supervised(&progress, rest).await {
        report.check("keeping the host cluster up", async { Err(error) }).await;
    }
}

async fn on_host(testbed: &TestBed, vcluster: &Path, all: bool, report: &mut Report) {
    report.check("dependencies (cargo deny)", steps::dependencies(testbed)).await;
    report.check("chart (helm lint)", steps::helm(testbed)).await;
    report.check("what the chart makes (kubeconform)", objects::conform(testbed)).await;
    report.count("tests", steps::tests(testbed)).await;
    if all {
        report.count("properties, with many more cases", steps::properties()).await;
    }
    // Where these fail no promise can hold, and each would take its time to find out.
    let ready = report.check("the syncer's image", steps::image(testbed)).await
        && report.check("demo", steps::demo(testbed, vcluster)).await;
    if ready {
        report.count("promises to users", steps::suite(testbed, vcluster, all)).await;
        let others = steps::other_settings(testbed, vcluster, all);
        report.count("promises to users, in other settings", others).await;
    }
    report.check("the host cluster, after all that", testbed.well()).await;
}
