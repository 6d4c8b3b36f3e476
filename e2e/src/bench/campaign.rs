//! The order of events: what is set up, measured, and taken down again.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::api::Api;
use super::load::{self, Arrival};
use super::options::{Options, Output, Part};
use super::pods::{self, Load};
use super::processes::{self, Census};
use super::report::{Machine, Report};
use super::sheet::{Sheet, Subject};
use super::stage::{Stage, Stand, make_namespaces};
use super::virtual_cluster::{self, Startup, VirtualCluster};
use super::{idle, requests, rows};
use crate::checkout;
use crate::suite::home::{Home, Tools};
use crate::suite::setting::Scenery;
use crate::testbed::{self, Outcome, Profile, Progress, TestBed};

/// The virtual cluster that is measured.
const NAME: &str = "bench";
/// The one without a syncer.
const NULL: &str = "bench-null";
/// The one whose creation is repeated.
const CREATED: &str = "bench-create";
/// Below this share of one core that others use, the machine is quiet.
const QUIET: f64 = 0.25;

/// Measures, and prints the report.
///
/// # Errors
/// When the machine is busy, or the bed or a virtual cluster does not come up. What is missed by figures is no error.
pub async fn run(bed: u8, options: &Options) -> Result<()> {
    let progress = Progress::new();
    let load_before = processes::load();
    quiet(options, &progress).await?;
    let vcluster = {
        let args = ["build", "--release", "--package", "vcluster-cli", "--bin", "vcluster"];
        let mut build = checkout::cargo(&args)?;
        progress.step("building vcluster", checkout::built(&mut build, "vcluster")).await?
    };
    let bed_options =
        testbed::Options { bed, syncer: Some(Profile::Release), ..Default::default() };
    let (bed, ours) = match TestBed::open(bed) {
        Ok(bed) => (bed, false),
        Err(_) => {
            let (bed, outcome) = TestBed::up(&bed_options, &progress).await?;
            (bed, outcome == Outcome::Started)
        }
    };
    if !ours {
        progress.note("the bed was up: what is measured is the syncer's image as it was loaded there (see `image`)");
    }
    let dir = tempfile::Builder::new().prefix("vcluster-bench-").tempdir()?;
    let tools = Tools { vcluster, bin: bed.bin.clone(), scenery: Arc::new(Scenery::plain()) };
    let home = Home::make(dir.path().to_owned(), &bed.kubeconfig, &tools)?;
    let host = Api::open(&bed.kubeconfig).await?;
    let stage = Stage { bed: bed.clone(), host, home, cluster: None, null: None };
    let mut campaign = Campaign {
        options,
        progress: &progress,
        stage,
        sheet: Sheet::default(),
        rows: Vec::new(),
        loads: Vec::new(),
        failures: Vec::new(),
        counter: 0,
    };
    let measured = campaign.measure().await;
    if !options.keep {
        progress.step("removing the virtual clusters", campaign.clean()).await?;
        if ours {
            progress.step("taking the test bed down", TestBed::down(bed.layout.bed())).await?;
        }
    }
    measured?;
    let machine = Machine {
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        load: (load_before, processes::load()),
        runs: options.runs(),
    };
    let Campaign { sheet, rows, loads, failures, .. } = campaign;
    print(&Report { sheet, rows, loads, machine, failures }, options)
}

fn print(report: &Report, options: &Options) -> Result<()> {
    let json = serde_json::to_string_pretty(&report.json())?;
    if let Some(file) = &options.json {
        std::fs::write(file, &json).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let text = if options.output == Output::Json { json } else { report.text() };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}

/// Refuses when others use the machine: what would be measured is them.
async fn quiet(options: &Options, progress: &Progress) -> Result<()> {
    let nobody = Census::default();
    let before = nobody.usage()?;
    let period = Duration::from_secs(3);
    tokio::time::sleep(period).await;
    let busy = nobody.usage()?.others_since(&before) / period.as_secs_f64();
    if busy < QUIET {
        return Ok(());
    }
    let said = format!(
        "the machine is busy: {busy:.1} cores are in use, the load is {:.1}",
        processes::load()
    );
    if !options.busy {
        bail!("{said}\nhint: wait, or measure all the same with --busy");
    }
    progress.note(&said);
    Ok(())
}

struct Campaign<'a> {
    options: &'a Options,
    progress: &'a Progress,
    stage: Stage,
    sheet: Sheet,
    rows: Vec<rows::Row>,
    loads: Vec<(String, String)>,
    failures: Vec<String>,
    counter: usize,
}

impl Campaign<'_> {
    async fn measure(&mut self) -> Result<()> {
        self.clean().await?;
        let options = self.options;
        if options.wants(Part::Create) {
            self.rows.extend(rows::create());
            for _ in 1..options.runs() {
                let name = "making a virtual cluster";
                let created = VirtualCluster::create(&self.stage.host, &self.stage.home, CREATED);
                let (cluster, startup) = self.progress.step(name, created).await?;
                self.note_startup(startup);
                let cluster = self.wake(cluster).await?;
                self.progress.step("removing it", cluster.delete()).await?;
            }
        }
        if options.only == [Part::Create] && options.runs() > 1 {
            return Ok(());
        }
        let created = VirtualCluster::create(&self.stage.host, &self.stage.home, NAME);
        let (cluster, startup) = self.progress.step("making the virtual cluster", created).await?;
        self.note_startup(startup);
        let cluster = match options.wants(Part::Create) {
            true => self.wake(cluster).await?,
            false => cluster,
        };
        self.stage.cluster = Some(cluster);
        let account = |name: &str| (format!("vcluster-{name}"), format!("vc-{name}"));
        requests::count_on_host(&self.stage.host, &[account(NAME), account(NULL)]).await?;
        if options.wants(Part::Idle) {
            self.rows.extend(rows::idle());
            let watch = Duration::from_secs(if options.quick { 30 } else { 120 });
            // Just made, it is still busy with itself.
            tokio::time::sleep(watch / 4).await;
            let idle = idle::measure(&self.stage, watch, &mut self.sheet);
            self.progress.step("watching it idle", idle).await?;
        }
        if ![Part::Steady, Part::Burst, Part::Requests].iter().any(|part| options.wants(*part)) {
            return Ok(());
        }
        if options.subjects().any(|subject| subject == Subject::Null) {
            self.make_null().await?;
        }
        for subject in options.subjects() {
            make_namespaces(&self.stage, subject).await?;
        }
        if options.wants(Part::Steady) {
            for (tokens, what) in TOKENS {
                let name = format!("steady{what}");
                self.rows.extend(rows::steady(what, &name));
                self.load(
                    options.steady(),
                    tokens,
                    Arrival::Steady,
                    &format!("2 pods/s{what}"),
                    name,
                )
                .await;
            }
        }
        if options.wants(Part::Burst) || options.wants(Part::Requests) {
            for pods in options.bursts() {
                for (tokens, what) in TOKENS {
                    let name = format!("burst-{pods}{what}");
                    self.rows.extend(rows::burst(pods, what, &name));
                    self.load(
                        pods,
                        tokens,
                        Arrival::Burst,
                        &format!("{pods}-pod burst{what}"),
                        name,
                    )
                    .await;
                }
            }
        }
        Ok(())
    }

    async fn make_null(&mut self) -> Result<()> {
        let null = async {
            let made = VirtualCluster::create(&self.stage.host, &self.stage.home, NULL).await?;
            made.0.without_syncer().await
        };
        let what = "making a virtual cluster for the null syncer";
        self.stage.null = Some(self.progress.step(what, null).await?);
        Ok(())
    }

    /// Measures a load of each subject in turn, as often as is wanted. What fails is noted.
    async fn load(
        &mut self,
        pods: usize,
        tokens: bool,
        arrival: Arrival,
        label: &str,
        name: String,
    ) {
        self.loads.push((label.to_owned(), name.clone()));
        for run in 0..self.options.runs() {
            // Nobody is always the first.
            let mut subjects: Vec<_> = self.options.subjects().collect();
            let first = run % subjects.len().max(1);
            subjects.rotate_left(first);
            for subject in subjects {
                self.counter += 1;
                let load = Load {
                    pods,
                    tokens,
                    run: format!("r{}", self.counter),
                    prefix: Stand::prefix(subject),
                };
                let what = format!(
                    "{label}, {}, run {} (load {:.1})",
                    subject.name(),
                    run + 1,
                    processes::load()
                );
                let measured = async {
                    let stand = self.stage.stand(subject, &load).await?;
                    let measured =
                        load::measure(&stand, &load, arrival, &name, &mut self.sheet).await;
                    if measured.is_err() {
                        // Without its pods the next may still be measured.
                        let _ = stand.sweep(&load).await;
                    }
                    stand.leave().await.and(measured)
                };
                if let Err(error) = self.progress.step(&what, measured).await {
                    self.progress.note(&format!("{error:#}"));
                    self.failures.push(format!("{what}: {error:#}"));
                }
            }
        }
    }

    async fn wake(&mut self, cluster: VirtualCluster) -> Result<VirtualCluster> {
        let waking = cluster.pause_and_wake();
        let (cluster, seconds) = self.progress.step("pausing and waking it", waking).await?;
        self.sheet.add("create/wake".to_owned(), Subject::Vcluster, seconds);
        Ok(cluster)
    }

    fn note_startup(&mut self, startup: Startup) {
        let Startup { answers, first_pod, dns, command } = startup;
        for (figure, value) in
            [("answers", answers), ("first pod", first_pod), ("dns", dns), ("command", command)]
        {
            self.sheet.add(format!("create/{figure}"), Subject::Vcluster, value);
        }
    }

    /// Removes what this benchmark, or one before it that was killed, left on the host.
    async fn clean(&mut self) -> Result<()> {
        let Stage { host, home, .. } = &self.stage;
        for name in [NAME, NULL, CREATED] {
            virtual_cluster::delete(host, home, name).await?;
        }
        requests::stop_counting(host).await?;
        pods::remove_namespaces(host, Stand::prefix(Subject::Bare)).await
    }
}

/// With tokens of service accounts, as pods have them by default, and without.
const TOKENS: [(bool, &str); 2] = [(true, ""), (false, ", no tokens")];
