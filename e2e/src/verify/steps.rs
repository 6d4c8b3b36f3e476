//! Each check: a program that says whether all is well.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use e2e::checkout;
use e2e::suite::{self, Selection, Setting, Tally};
use e2e::testbed::{Outcome, Profile, Progress, TestBed, command};
use futures::stream::{self, StreamExt as _};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::report::say;
use crate::demo::Demo;

/// Not a dependency of anything: only what checks the workflows.
const ACTIONLINT: &str = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.9";
/// Cases for each property with `--all`; the libraries' own default is 256.
const MANY_CASES: &str = "20000";

/// `cargo fmt`.
pub async fn format() -> Result<()> {
    shown(&mut checkout::cargo(&["fmt", "--all", "--check"])?).await
}

/// `cargo clippy`.
pub async fn clippy() -> Result<()> {
    let args = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    shown(&mut checkout::cargo(&args)?).await
}

/// Compiles everything once, and returns our command-line program: a build of it alone would have other features
/// switched on in what it depends on, and compile that again.
pub async fn compile() -> Result<PathBuf> {
    let mut cargo = checkout::cargo(&["test", "--workspace", "--locked", "--no-run"])?;
    let cargo = cargo.args(checkout::AS_JSON).stdout(Stdio::piped()).spawn();
    // What it compiles is shown as it goes.
    let output = cargo.context("cannot start cargo")?.wait_with_output().await?;
    ensure!(output.status.success(), "cargo ended with {}", output.status);
    checkout::executable(&String::from_utf8_lossy(&output.stdout), "vcluster")
}

/// Every test of every crate. Some start programs of the test bed; generated files are compared by tests too.
pub async fn tests(testbed: &TestBed) -> Result<Tally> {
    let mut cargo = checkout::cargo(&["test", "--workspace", "--locked", "--no-fail-fast"])?;
    cargo.env("VCLUSTER_TESTBED_BIN", &testbed.bin);
    cargo.env("VCLUSTER_TESTBED_KUBECONFIG", &testbed.kubeconfig);
    counted(&mut cargo).await
}

/// The decisions' properties again, with many more cases.
pub async fn properties() -> Result<Tally> {
    let args = ["test", "--release", "--locked", "--package", "vcluster-syncer-core"];
    counted(checkout::cargo(&args)?.env("PROPTEST_CASES", MANY_CASES)).await
}

/// The workflows, which run elsewhere.
pub async fn actionlint() -> Result<()> {
    let workflows = checkout::root()?.join(".github/workflows");
    let entries = std::fs::read_dir(&workflows)
        .with_context(|| format!("cannot read {}", workflows.display()))?;
    let mut go = command("go");
    go.args(["run", ACTIONLINT, "-shellcheck=", "-pyflakes="])
        .env("GOFLAGS", "-mod=mod")
        .env("GOWORK", "off");
    go.args(entries.flatten().map(|entry| entry.path()));
    shown(&mut go).await
}

/// The host cluster, as the suite wants it.
pub async fn host(bed: u8, all: bool, progress: &Progress) -> Result<(TestBed, Outcome)> {
    let options = selection(all, Setting::Sqlite).host(bed);
    // What a machine that was just started may trip over is not what is verified here; `up` cleans up and begins anew.
    match TestBed::up(&options, progress).await {
        Err(error) => progress.note(&format!("the host cluster did not start: {error:#}")),
        up => return up,
    }
    TestBed::up(&options, progress).await
}

/// What is depended on: licences, sources and what is banned. The list of advisories is elsewhere and changes by itself, so
/// the workflow alone asks for it.
pub async fn dependencies(testbed: &TestBed) -> Result<()> {
    let mut deny = command(testbed.cargo_deny().await?);
    deny.current_dir(checkout::root()?);
    shown(deny.args(["--log-level", "error", "check", "bans", "licenses", "sources"])).await
}

/// The chart with its defaults; its own tests render everything else.
pub async fn helm(testbed: &TestBed) -> Result<()> {
    let helm = testbed.bin.join("helm");
    let chart = checkout::root()?.join("charts/vcluster");
    shown(command(&helm).args(["lint", "--strict"]).arg(&chart)).await?;
    let mut render = command(&helm);
    render.args(["template", "my-vc"]).arg(&chart).stdout(Stdio::null());
    shown(&mut render).await
}

/// The syncer as it is released.
pub async fn image(testbed: &TestBed) -> Result<()> {
    testbed.load_syncer(Profile::Release).await
}

/// The README's other command.
pub async fn demo(testbed: &TestBed, vcluster: &Path) -> Result<()> {
    Demo::new(testbed, vcluster)?.show().await
}

/// The end-to-end suite with the default.
pub async fn suite(testbed: &TestBed, vcluster: &Path, all: bool) -> Result<Tally> {
    with_setting(testbed, vcluster, all, Setting::Sqlite).await
}

/// The same with each other setting. Smoke sets wait for control planes more than they work, so two run at a time; with
/// `all` there are promises that want the host for themselves.
pub async fn other_settings(testbed: &TestBed, vcluster: &Path, all: bool) -> Result<Tally> {
    let at_once = if all { 1 } else { 2 };
    let runs = stream::iter(Setting::OTHERS)
        .map(|setting| with_setting(testbed, vcluster, all, setting))
        .buffer_unordered(at_once);
    // One that cannot begin does not end the others.
    let tallies: Vec<Result<Tally>> = runs.collect().await;
    let mut sum = Tally::default();
    for tally in tallies {
        sum.add(tally?);
    }
    Ok(sum)
}

async fn with_setting(
    testbed: &TestBed,
    vcluster: &Path,
    all: bool,
    setting: Setting,
) -> Result<Tally> {
    let selection = selection(all, setting);
    let evidence = crate::promises::evidence()?;
    suite::run(testbed.clone(), vcluster.to_owned(), &selection, evidence).await
}

/// Runs a command that speaks for itself.
pub(super) async fn shown(command: &mut Command) -> Result<()> {
    let status = command.status().await.context("cannot start it")?;
    ensure!(status.success(), "it ended with {status}");
    Ok(())
}

/// Runs cargo test, shows what it says, and adds up what its programs counted.
async fn counted(cargo: &mut Command) -> Result<Tally> {
    let mut child = cargo.stdout(Stdio::piped()).spawn().context("cannot start cargo")?;
    let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let mut tally = Tally::default();
    let mut told = 0;
    while let Some(line) = lines.next_line().await? {
        if let Some(name) = failed(&line) {
            tally.count(name, false);
        }
        if let Some((passed, failed)) = counts(&line) {
            tally.passed += passed;
            told += failed;
        }
        say(&line);
    }
    // What the programs counted is what counts, whether or not the line with the name was understood.
    while tally.failed.len() < told {
        tally.count("a test whose name was not understood", false);
    }
    let status = child.wait().await?;
    // A test program that crashes counts nothing.
    ensure!(status.success() || !tally.failed.is_empty(), "cargo test ended with {status}");
    ensure!(tally.passed > 0, "not one test was run");
    Ok(tally)
}

/// All with the default, and as much of it with another setting as there is time for.
fn selection(all: bool, setting: Setting) -> Selection {
    let smoke = setting != Setting::Sqlite && !all;
    Selection { words: Vec::new(), long: all, setting, smoke, jobs: setting.jobs() }
}

/// `test result: FAILED. 12 passed; 3 failed; ...`
fn counts(line: &str) -> Option<(usize, usize)> {
    let rest = line.trim().strip_prefix("test result: ")?;
    let number = |word: &str| {
        let before = rest.split(word).next()?;
        before.split_whitespace().next_back()?.parse().ok()
    };
    Some((number(" passed")?, number(" failed")?))
}

/// `test NAME ... FAILED`
fn failed(line: &str) -> Option<&str> {
    let name = line.trim().strip_prefix("test ")?.strip_suffix("FAILED")?;
    Some(name.trim_end().trim_end_matches('.').trim_end())
}

#[cfg(test)]
mod tests {
    use super::{counts, failed};

    #[test]
    fn the_counts_of_test_programs_are_read() {
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s";
        assert_eq!(counts(line), Some((12, 3)));
        assert_eq!(failed(line), None);
        assert_eq!(counts("test names_are_unique ... ok"), None);
        assert_eq!(failed("test names_are_unique ... ok"), None);
        assert_eq!(failed("test names::are_unique ... FAILED"), Some("names::are_unique"));
    }
}
