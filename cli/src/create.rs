//! Creating a virtual cluster: look, decide, do.

mod again;
mod apply;
mod grants;
mod name;
mod plan;
mod preflight;
mod record;
mod release;
mod rights;
mod shape;
mod values;
mod versions;

use std::time::Duration;

use crate::app::App;
use crate::chart;
use crate::connect::ConnectOptions;
use crate::error::{CliError, Result};
use crate::helm::{self, DryRun, Helm};
use crate::host::Host;
use crate::yaml;

use plan::{CreatePlan, Request, plan, with_kept};
use values::{Sources, Unnamed};

/// Everything that `create` can be told.
#[derive(Clone, Debug)]
pub struct CreateOptions {
    /// Name of the virtual cluster.
    pub name: String,
    /// `-f`, in order.
    pub files: Vec<String>,
    /// `--set`, in order.
    pub sets: Vec<String>,
    /// `--distro`
    pub distro: Option<String>,
    /// `--kubernetes-version`
    pub kubernetes_version: Option<String>,
    /// `--expose`
    pub expose: bool,
    /// `--isolate`
    pub isolate: bool,
    /// Upgrade if it exists.
    pub upgrade: bool,
    /// Make the namespace if it is missing.
    pub create_namespace: bool,
    /// Allow another virtual cluster in the namespace.
    pub reuse_namespace: bool,
    /// Wait until it is ready.
    pub wait: bool,
    /// How long.
    pub timeout: Duration,
    /// Connect in the end.
    pub connect: bool,
    /// Only show what would be done.
    pub dry_run: Option<DryRun>,
    /// Which chart.
    pub chart: chart::Wish,
    /// How to connect.
    pub connecting: ConnectOptions,
    /// What was typed after the program's name.
    pub typed: Vec<String>,
}

/// Creates, and answers the exit code.
///
/// # Errors
/// See the parts; nothing that fails leaves anything behind that running it again does not mend.
pub async fn create(app: &App, options: &CreateOptions) -> Result<u8> {
    name::check(&options.name)?;
    let chart = chart::ready(&options.chart)?;
    let sources = Sources::load(options, chart.embedded)?;
    if options.dry_run == Some(DryRun::Client) {
        return render(app, options, &sources, &chart).await;
    }
    let context = preflight::choose_context(app, &options.name)?;
    let host = Host::open(&app.settings.kubeconfig, context.as_deref()).await?;
    let namespace =
        name::namespace(app.settings.namespace.as_deref(), &host.namespace, &options.name);

    let mut step = app.ui.step(format!("Checking the host cluster of context {}", host.context));
    let (helm, mut facts) = tokio::try_join!(
        Helm::find(app),
        preflight::look(&host, &options.name, &namespace, &mut step)
    )?;
    let request = Request {
        name: &options.name,
        namespace: &namespace,
        context: &host.context,
        upgrade: options.upgrade,
        connect: options.connect,
        create_namespace: options.create_namespace,
        reuse_namespace: options.reuse_namespace,
        check_values: chart.embedded,
    };
    let sources = with_kept(&request, &facts, sources)?;
    if !facts.all_rights && facts.missing_rights.is_empty() && chart.embedded {
        let values = sources.clone().finish(plan::unnamed(&facts), true)?.values;
        let release =
            helm::Release { name: &options.name, namespace: &namespace, context: &host.context };
        let argv = helm::template(release, &chart.chart);
        let manifests =
            helm.run(app, None, "render the chart", &argv, Some(&values_text(&values)?)).await?;
        facts.withheld = grants::withheld(&host, &namespace, &manifests).await?;
    }
    let plan = plan(&request, &facts, sources)?;
    step.done_as(format!(
        "Host cluster of context {} is Kubernetes {}",
        host.context, facts.version.git
    ));
    for notice in &plan.notices {
        app.ui.warn(notice);
    }
    if options.dry_run == Some(DryRun::Server) {
        let release =
            helm::Release { name: &options.name, namespace: &namespace, context: &host.context };
        let argv = helm::upgrade(release, helm.applies, &chart.chart, options.dry_run);
        app.ui.info(describe(&plan, &options.name, &namespace));
        let text = helm
            .run(app, Some(&host), "render the chart", &argv, Some(&values_text(&plan.values)?))
            .await?;
        app.ui.data(&text)?;
        return Ok(0);
    }
    apply::apply(app, &host, &helm, &chart.chart, &namespace, &plan, options).await
}

/// `--dry-run=client` asks no host for anything.
async fn render(
    app: &App,
    options: &CreateOptions,
    sources: &Sources,
    chart: &chart::Ready,
) -> Result<u8> {
    let namespace = name::namespace(app.settings.namespace.as_deref(), "default", &options.name);
    let values = sources.clone().finish(Unnamed::Chart, chart.embedded)?;
    for notice in &values.notices {
        app.ui.warn(notice);
    }
    let helm = Helm::find(app).await?;
    let release = helm::Release { name: &options.name, namespace: &namespace, context: "" };
    let argv = helm::template(release, &chart.chart);
    let text =
        helm.run(app, None, "render the chart", &argv, Some(&values_text(&values.values)?)).await?;
    app.ui.data(&text)?;
    Ok(0)
}

fn values_text(values: &serde_json::Value) -> Result<String> {
    yaml::write(values).map_err(|error| CliError::failed("cannot write the values").because(error))
}

/// One sentence about a plan, for a dry run.
fn describe(plan: &CreatePlan, name: &str, namespace: &str) -> String {
    let namespace_text = if plan.make_namespace { "a new namespace" } else { "namespace" };
    format!("would {} {name} in {namespace_text} {namespace}", plan.action.verb())
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::connect::{ForwardFlags, OutputFlags};

    /// What a bare `vcluster create my-vc` stands for.
    pub fn options() -> CreateOptions {
        let output = OutputFlags {
            update_current: true,
            kube_config: "./kubeconfig.yaml".into(),
            print: false,
            kube_config_context_name: None,
        };
        let forward = ForwardFlags {
            background_proxy: true,
            local_port: None,
            address: std::net::IpAddr::from([127, 0, 0, 1]),
            background_proxy_image: None,
        };
        CreateOptions {
            name: "my-vc".into(),
            files: Vec::new(),
            sets: Vec::new(),
            distro: None,
            kubernetes_version: None,
            expose: false,
            isolate: false,
            upgrade: false,
            create_namespace: true,
            reuse_namespace: false,
            wait: true,
            timeout: Duration::from_secs(300),
            connect: true,
            dry_run: None,
            chart: chart::Wish::default(),
            connecting: ConnectOptions::of_create(output, forward),
            typed: Vec::new(),
        }
    }
}
