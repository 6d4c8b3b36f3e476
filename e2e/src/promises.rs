//! `suite`: tries the promises to users.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use e2e::checkout;
use e2e::suite::{self, Fits, Selection, Setting, Tally};
use e2e::testbed::{Profile, Progress, TestBed};

/// Which promises, and how.
#[derive(Args)]
pub struct Suite {
    /// Parts of names; all promises but the long ones when there are none
    filters: Vec<String>,
    /// Show the promises and try none
    #[arg(long)]
    list: bool,
    /// Try those that take long too
    #[arg(long)]
    all: bool,
    /// What virtual clusters are made with
    #[arg(long, value_enum, default_value_t = Setting::Sqlite)]
    setting: Setting,
    /// Try the smoke set only
    #[arg(long)]
    smoke: bool,
    /// How many at a time; by default as many as two cores carry in the setting
    #[arg(long)]
    jobs: Option<usize>,
    /// Compile the syncer quickly, without optimization
    #[arg(long)]
    dev: bool,
    /// Use the syncer's image that the nodes have
    #[arg(long)]
    keep_image: bool,
}

/// `suite`: exits with 1 when a promise is broken.
pub async fn run(bed: u8, args: Suite) -> Result<ExitCode> {
    let selection = Selection {
        words: args.filters,
        long: args.all,
        setting: args.setting,
        smoke: args.smoke,
        jobs: args.jobs.unwrap_or(args.setting.jobs()),
    };
    if args.list {
        list(&selection);
        return Ok(ExitCode::SUCCESS);
    }
    let progress = Progress::new();
    let profile = if args.dev { Profile::Dev } else { Profile::Release };
    let testbed = TestBed::up(&selection.host(bed), &progress).await?.0;
    if args.keep_image {
        testbed.has_syncer().await?;
    } else {
        progress
            .step("building and loading the syncer's image", testbed.load_syncer(profile))
            .await?;
    }
    let vcluster = progress.step("building vcluster", checkout::vcluster()).await?;
    let tally = testbed
        .supervised(&progress, suite::run(testbed.clone(), vcluster, &selection, evidence()?))
        .await??;
    Ok(summary(&tally))
}

fn list(selection: &Selection) {
    for promise in selection.promises() {
        let long = if promise.company.takes_long() { " (long)" } else { "" };
        say(&format!("{}{long}\n    {}", promise.name, promise.about));
        match promise.fits {
            Fits::Smoke => say("    tried in every setting"),
            Fits::All => {}
            Fits::AllBut(others, why) => {
                let others: Vec<String> = others.iter().map(ToString::to_string).collect();
                say(&format!("    not with {}: {why}", others.join(", ")));
            }
            Fits::Default(why) => say(&format!("    with the default only: {why}")),
        }
    }
}

/// Where evidence about broken promises goes: beside what cargo builds.
pub fn evidence() -> Result<PathBuf> {
    let program = std::env::current_exe().context("this program has no path")?;
    let target = program.ancestors().nth(2).context("this program lies in no target folder")?;
    Ok(target.join("e2e-suite"))
}

/// The last line, which machines read.
pub fn summary(tally: &Tally) -> ExitCode {
    say(&format!("{} passed, {} failed", tally.passed, tally.failed.len()));
    if tally.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A reader that went away is no reason to fail.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
