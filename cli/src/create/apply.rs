//! Doing what was planned.

use std::time::Duration;

use tokio::time::Instant;

use super::plan::{Action, CreatePlan};
use super::{CreateOptions, again, release, values_text};
use crate::app::App;
use crate::connect::{self, Goal, Plane};
use crate::error::Result;
use crate::helm::{self, Chart, Helm, Release};
use crate::host::Host;
use crate::kubeconfig::HOST_CONTEXT_OF_A_POD;
use crate::lifecycle::scale;
use crate::namespace;
use crate::progress::{self, Need, Progress};

/// How long a namespace that is being deleted may take at most.
const NAMESPACE_PATIENCE: Duration = Duration::from_secs(120);

/// Makes the namespace, runs helm, waits and connects. Answers the exit code.
///
/// # Errors
/// Where it stops. Running it again takes it up from there.
pub async fn apply(
    app: &App,
    host: &Host,
    helm: &Helm,
    chart: &Chart,
    namespace: &str,
    plan: &CreatePlan,
    options: &CreateOptions,
) -> Result<u8> {
    let name = options.name.as_str();
    let deadline = Instant::now() + options.timeout;
    let again = again(app, host, namespace, options);
    let undo = format!("vcluster delete {name} -n {namespace} --context {} -y", host.context);
    // What was there before is not to be cleaned up.
    let existed = matches!(plan.action, Action::Upgrade | Action::Keep);
    app.interrupt.advise(match existed {
        true => format!("`{again}` goes on"),
        false => format!("`{again}` goes on, `{undo}` cleans up"),
    });

    if plan.make_namespace {
        let gone = deadline.min(Instant::now() + NAMESPACE_PATIENCE);
        make_namespace(app, host, namespace, plan.await_namespace.then_some(gone)).await?;
    }
    if let Some(revision) = &plan.mend {
        release::forget(host, namespace, revision).await?;
        app.ui.step("Helm's record of what was cut short removed").done();
    }
    // From before helm runs, so that no event is missed and none of an earlier one is taken for new.
    let mut progress = Progress::start(host, name, namespace);
    if plan.action != Action::Keep {
        let step = app.ui.step(format!("Installing the chart as release {name}"));
        let release = Release { name, namespace, context: &host.context };
        let argv = helm::upgrade(release, helm.applies, chart, None);
        let values = values_text(&plan.values)?;
        let doing = format!("install the chart as release {name} in namespace {namespace}");
        helm.run(app, Some(host), &doing, &argv, Some(&values))
            .await
            .map_err(|error| error.or_hint(if existed { again } else { undo }))?;
        progress.only_newest().await?;
        step.done_as(match plan.action {
            Action::Upgrade => "Chart upgraded",
            _ => "Chart installed",
        });
    } else {
        app.ui.info(format!("virtual cluster {name} exists already"));
        if plan.resume {
            scale::up(host, name, namespace).await?;
            app.ui.step("Resumed").done();
        }
    }
    let say = |news: Option<String>| news.into_iter().for_each(|news| app.ui.info(news));
    let done = if plan.action == Action::Upgrade { "upgraded" } else { "created" };
    let news = (plan.action != Action::Keep)
        .then(|| format!("Successfully {done} virtual cluster {name} in namespace {namespace}"));
    if !options.wait {
        say(news);
        return Ok(0);
    }
    let mut step = app.ui.step(format!("Starting the control plane of {name}"));
    // To connect, the credentials do for a start: the rest goes on meanwhile.
    let need = if options.connect { Need::Credentials } else { Need::Ready };
    let kubeconfig = progress.wait(need, &mut step, deadline).await;
    let kubeconfig = kubeconfig.map_err(|error| progress::after(error, options.timeout))?;
    step.done_as("Control plane started");
    if !options.connect {
        say(news);
        app.ui.hint(format!("vcluster connect {name} -n {namespace}"));
        return Ok(0);
    }
    let plane = Plane { host, name, namespace };
    let goal = Goal { need: Need::Ready, news };
    let connecting = &options.connecting;
    let code =
        connect::usable(app, plane, &mut progress, kubeconfig, connecting, goal, deadline).await;
    code.map_err(|error| progress::after(error, options.timeout))
}

/// What goes on, wherever it stops.
fn again(app: &App, host: &Host, namespace: &str, options: &CreateOptions) -> String {
    let unnamed = |named: &Option<String>, chosen| named.is_none().then_some(chosen);
    let context = unnamed(&app.settings.context, host.context.as_str());
    again::command(
        &options.typed,
        unnamed(&app.settings.namespace, namespace),
        context.filter(|context| *context != HOST_CONTEXT_OF_A_POD),
    )
}

/// Makes the namespace; with `gone`, after the old one of that name, which has until then to go.
async fn make_namespace(app: &App, host: &Host, name: &str, gone: Option<Instant>) -> Result<()> {
    let mut step = app.ui.step(format!("Creating namespace {name}"));
    if let Some(gone) = gone {
        step.note("waiting for the old namespace of that name to go");
        namespace::until_gone(host, name, &mut step, gone).await?;
    }
    namespace::make(host, name).await?;
    step.done_as(format!("Namespace {name} created"));
    Ok(())
}
