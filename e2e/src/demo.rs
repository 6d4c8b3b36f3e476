//! `demo`: the main job, shown on the embedded host.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use e2e::checkout;
use e2e::testbed::{Options, Outcome, Profile, Progress, TestBed};
use tokio::process::Command;

/// The virtual cluster of the demo.
const NAME: &str = "my-vc";

/// `demo`: what it brought up it takes down, unless it is to be kept.
pub async fn run(bed: u8, keep: bool) -> Result<ExitCode> {
    let began = Instant::now();
    say(
        "A host cluster of real kubelets on this machine, and a virtual cluster in one of its namespaces.\n",
    );
    let progress = Progress::new();
    let options = Options { bed, syncer: Some(Profile::Release), ..Options::default() };
    let (testbed, outcome) = TestBed::up(&options, &progress).await?;
    progress
        .step("building and loading the syncer's image", testbed.load_syncer(Profile::Release))
        .await?;
    let vcluster = progress.step("building vcluster", checkout::vcluster()).await?;
    let demo = Demo::new(&testbed, &vcluster)?;
    demo.show().await.context(
        "the demo broke off\nhint: look around with `cargo run -p e2e -- shell`, remove everything with `cargo run -p e2e -- down`",
    )?;
    if keep {
        demo.again().await?;
        demo.what_to_try();
        return Ok(ExitCode::SUCCESS);
    }
    if outcome == Outcome::Started {
        progress.step("taking the host cluster down", TestBed::down(bed)).await?;
    }
    say(&format!(
        "\nThat was it, after {:.0} s. `cargo demo --keep` leaves it up to be played with.",
        began.elapsed().as_secs_f64()
    ));
    Ok(ExitCode::SUCCESS)
}

/// The demo on a host that is up.
pub struct Demo {
    kubeconfig: PathBuf,
    path: std::ffi::OsString,
    values: String,
    app: String,
}

impl Demo {
    /// With a kubeconfig of its own: the user's is none of the demo's business.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn new(testbed: &TestBed, vcluster: &Path) -> Result<Self> {
        let kubeconfig = testbed.layout.in_state("demo.kubeconfig");
        if !kubeconfig.exists() {
            std::fs::copy(&testbed.kubeconfig, &kubeconfig)
                .with_context(|| format!("cannot write {}", kubeconfig.display()))?;
        }
        let own = vcluster.parent().context("vcluster lies in no folder")?.to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let dirs = [own, testbed.bin.clone()].into_iter().chain(std::env::split_paths(&path));
        let examples = checkout::root()?.join("examples/demo");
        Ok(Self {
            kubeconfig,
            path: std::env::join_paths(dirs)?,
            values: examples.join("vcluster.yaml").display().to_string(),
            app: examples.join("app.yaml").display().to_string(),
        })
    }

    /// All of it, from create to delete.
    ///
    /// # Errors
    /// When a command fails.
    pub async fn show(&self) -> Result<()> {
        let host = format!("--context testbed --namespace vcluster-{NAME}");
        self.title("Create a virtual cluster, and be connected to it");
        self.run(&format!("vcluster create {NAME} --values {}", self.values)).await?;
        self.run("kubectl get namespaces").await?;

        self.title("Run a small app in it");
        self.deploy().await?;

        self.title("Its pods as the virtual cluster sees them, and the same pods on the host");
        self.run("kubectl get pods --all-namespaces --output wide").await?;
        self.run(&format!("kubectl get pods {host} --output wide")).await?;

        self.title("Read logs: the visitor reaches the web servers by name");
        self.run("kubectl logs --namespace shop deployment/visitor --tail=3").await?;
        self.run("vcluster list").await?;

        self.title("Pause it: not one pod is left on the host, data and addresses stay");
        self.run(&format!("vcluster pause {NAME}")).await?;
        self.run(&format!("kubectl get pods {host}")).await?;

        self.title("Resume it: everything comes back, and the notebook still has its first entry");
        self.run(&format!("vcluster resume {NAME}")).await?;
        for state in ["create", "condition=Ready"] {
            let wait = "kubectl wait --namespace shop --timeout=2m pod/notebook-0";
            self.run(&format!("{wait} --for={state}")).await?;
        }
        self.rolled_out().await?;
        self.run("kubectl logs --namespace shop notebook-0").await?;

        self.title("Delete it: nothing is left on the host");
        self.run(&format!("vcluster delete {NAME} --yes")).await?;
        self.run("kubectl get namespaces").await
    }

    async fn deploy(&self) -> Result<()> {
        self.run(&format!("kubectl apply --filename {}", self.app)).await?;
        self.rolled_out().await
    }

    async fn rolled_out(&self) -> Result<()> {
        for workload in ["deployment/web", "deployment/visitor", "statefulset/notebook"] {
            self.run(&format!("kubectl rollout status --namespace shop --timeout=5m {workload}"))
                .await?;
        }
        Ok(())
    }

    /// Once more, to be kept.
    async fn again(&self) -> Result<()> {
        self.title("Once more, to be kept");
        self.run(&format!("vcluster create {NAME} --values {}", self.values)).await?;
        self.deploy().await
    }

    fn what_to_try(&self) {
        say(&format!(
            "\nEverything is up. A shell with {NAME} as the current context, kubectl, helm and vcluster in PATH:\n\n  \
             export KUBECONFIG={} PATH={}:$PATH\n\n\
             Some things to try:\n\n  \
             kubectl get pods -A                                       # inside\n  \
             kubectl --context testbed get pods -n vcluster-{NAME}     # the same on the host\n  \
             kubectl logs -f -n shop deploy/visitor\n  \
             kubectl exec -it -n shop deploy/web -- sh\n  \
             kubectl port-forward -n shop service/web 8080:80\n  \
             kubectl create namespace mine                             # you are cluster admin in here\n  \
             vcluster list\n  \
             vcluster create second --context testbed\n  \
             vcluster delete {NAME}\n\n\
             Take it all down: cargo run -p e2e -- down",
            self.kubeconfig.display(),
            self.own_dirs()
        ));
    }

    /// The folders that the demo put in front of `PATH`.
    fn own_dirs(&self) -> String {
        let dirs: Vec<String> = std::env::split_paths(&self.path)
            .take(2)
            .map(|dir| dir.display().to_string())
            .collect();
        dirs.join(":")
    }

    /// Shows a command, and what it says.
    async fn run(&self, line: &str) -> Result<()> {
        say(&emphasized(&format!("$ {line}"), "1"));
        let mut words = line.split(' ');
        let program = words.next().unwrap_or_default();
        let status = Command::new(program)
            .args(words)
            .env("PATH", &self.path)
            .env("KUBECONFIG", &self.kubeconfig)
            .kill_on_drop(true)
            .status()
            .await
            .with_context(|| format!("cannot start {program}"))?;
        ensure!(status.success(), "`{line}` ended with {status}");
        Ok(())
    }

    fn title(&self, text: &str) {
        say(&emphasized(&format!("\n# {text}"), "1;36"));
    }
}

fn emphasized(text: &str, how: &str) -> String {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if std::io::stdout().is_terminal() && !plain {
        format!("\x1b[{how}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// A reader that went away is no reason to stop half-way.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
