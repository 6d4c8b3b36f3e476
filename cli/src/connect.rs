//! Making a virtual cluster usable from here: credentials, an address, a kubeconfig entry.

mod account;
mod child;
mod endpoint;
mod finish;
mod inside;
mod options;
mod ready;
mod stanza;

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::app::App;
use crate::discover::Found;
use crate::error::{CliError, Kind, Result};
use crate::forwarder;
use crate::host::Host;
use crate::kubeconfig::{Origin, Stanza, context_name};
use crate::progress::{self, Need, Progress};
use crate::ui::Step;

use endpoint::Endpoint;
pub use inside::client as inside;
pub use options::{ConnectOptions, ForwardFlags, OutputFlags};
pub use stanza::from_secret as kubeconfig_of_secret;

/// How long the API may take to answer once there is a way to it.
const API_PATIENCE: Duration = Duration::from_secs(180);

/// A way to the virtual API server and the credentials for it.
struct Way {
    stanza: Stanza,
    /// Set while this process itself carries the connections.
    carrier: Option<tokio::task::JoinHandle<()>>,
}

/// Connects to a virtual cluster that runs, and answers the exit code.
///
/// # Errors
/// When it does not become usable, with the reason.
pub async fn connect(
    app: &App,
    found: &Found,
    options: &ConnectOptions,
    patience: Duration,
) -> Result<u8> {
    options.check()?;
    let Found { host, cluster } = found;
    let (name, namespace) = (cluster.name.as_str(), cluster.namespace.as_str());
    let deadline = Instant::now() + patience;
    app.interrupt.advise(format!("vcluster connect {name} -n {namespace}"));

    let mut progress = Progress::start(host, name, namespace);
    let mut step = app.ui.step(format!("Looking for the credentials of {name}"));
    let kubeconfig = progress.wait(Need::Credentials, &mut step, deadline).await;
    let kubeconfig = kubeconfig.map_err(|error| progress::after(error, patience))?;
    step.done_as(format!("Credentials of {name} found"));
    let plane = Plane { host, name, namespace };
    let goal = Goal { need: Need::Credentials, news: None };
    usable(app, plane, &mut progress, kubeconfig, options, goal, deadline).await
}

/// The virtual cluster that is being connected to.
#[derive(Clone, Copy)]
pub struct Plane<'a> {
    /// Its host.
    pub host: &'a Host,
    /// Its name.
    pub name: &'a str,
    /// Its host namespace.
    pub namespace: &'a str,
}

/// When it is good enough, and what to say then.
#[derive(Clone, Debug)]
pub struct Goal {
    /// Besides an API that answers.
    pub need: Need,
    /// A sentence for the user.
    pub news: Option<String>,
}

/// From the credentials on, which `create` has already: opens a way, waits for the API, writes the kubeconfig.
///
/// # Errors
/// As [`connect`].
pub async fn usable(
    app: &App,
    plane: Plane<'_>,
    progress: &mut Progress,
    mut kubeconfig: Value,
    options: &ConnectOptions,
    goal: Goal,
    deadline: Instant,
) -> Result<u8> {
    let mut step = app.ui.step(format!("Waiting for the API of {}", plane.name));
    // At least a moment, also when the credentials took all the time there was.
    let api_deadline =
        deadline.min(Instant::now() + API_PATIENCE).max(Instant::now() + Duration::from_secs(5));
    let (way, client) = loop {
        let way = open(app, plane, &kubeconfig, options, &mut step, api_deadline).await?;
        let mut newer = progress.clone();
        let answering = async {
            let client = ready::answering(&way.stanza, api_deadline).await;
            client.map_err(|error| explain(error, plane, options))
        };
        let usable = async {
            if goal.need == Need::Ready {
                let ready = progress.wait(Need::Ready, &mut step, deadline);
                return tokio::try_join!(answering, ready).map(|(client, _)| client);
            }
            tokio::select! {
                client = answering => client,
                error = progress.trouble(&mut step) => Err(error),
            }
        };
        tokio::select! {
            client = usable => break (way, client?),
            // The Secret was an old one, left by a cluster of the same name.
            new = newer.other_kubeconfig(&kubeconfig) => kubeconfig = new,
        }
    };
    let server = way.stanza.cluster.get("server").and_then(Value::as_str).unwrap_or_default();
    step.done_as(format!("API answers at {server}"));
    if let Some(news) = &goal.news {
        app.ui.info(news);
    }

    let mut stanza = way.stanza;
    if let Some(account) = &options.service_account {
        let step = app.ui.step(format!("Requesting a token for service account {account}"));
        let role = options.cluster_role.as_deref();
        stanza.user = account::user(&client, account, role, options.token_expiration).await?;
        step.done();
    }
    finish::finish(app, plane.host, stanza, way.carrier, options).await
}

fn explain(error: CliError, plane: Plane<'_>, options: &ConnectOptions) -> CliError {
    if options.server.is_some() {
        return error.or_hint(endpoint::CUSTOM_SERVER_HINT);
    }
    error.or_hint(format!(
        "kubectl --context {} -n {} logs -l app=vcluster,release={} --all-containers --tail 20",
        plane.host.context, plane.namespace, plane.name
    ))
}

/// Finds the address and, where needed, starts a forwarder.
async fn open(
    app: &App,
    plane: Plane<'_>,
    kubeconfig: &Value,
    options: &ConnectOptions,
    step: &mut Step,
    deadline: Instant,
) -> Result<Way> {
    let Plane { host, name, namespace } = plane;
    let (cluster, user) = credentials(plane, kubeconfig)?;
    let exported = cluster.get("server").and_then(Value::as_str).unwrap_or_default();
    let choice = endpoint::choose(plane, exported, options, step, deadline).await?;
    let (server, carrier) = match choice {
        Endpoint::Direct(server) => (server, None),
        Endpoint::Background => (background(app, plane, options).await?, None),
        Endpoint::InProcess => {
            let listening =
                forwarder::listen(options.forward.address, options.forward.local_port, None)
                    .await?;
            let server = endpoint::local_url(listening.at);
            let target = forwarder::Target::new(host.clone(), name, namespace, options.pod.clone());
            (server, Some(tokio::spawn(forwarder::serve(listening, target))))
        }
    };
    let context = options
        .output
        .kube_config_context_name
        .clone()
        .unwrap_or_else(|| context_name(name, namespace, &host.context));
    let origin = Origin {
        name: name.to_owned(),
        namespace: namespace.to_owned(),
        host_context: host.context.clone(),
    };
    Ok(Way {
        stanza: stanza::build(cluster, user, &server, options.insecure, context, origin),
        carrier,
    })
}

fn credentials(plane: Plane<'_>, kubeconfig: &Value) -> Result<(Value, Value)> {
    let Plane { host, name, namespace } = plane;
    stanza::credentials(kubeconfig).ok_or_else(|| {
        CliError::failed(format!("the Secret vc-{name} holds no usable kubeconfig")).hint(format!(
            "kubectl --context {} -n {namespace} get secret vc-{name} -o yaml",
            host.context
        ))
    })
}

async fn background(app: &App, plane: Plane<'_>, options: &ConnectOptions) -> Result<String> {
    let Plane { host, name, namespace } = plane;
    let mut wanted = forwarder::Wanted::new(host, name, namespace, app.settings.state_dir.clone());
    wanted.address = options.forward.address;
    wanted.port = options.forward.local_port;
    wanted.pod = options.pod.clone();
    wanted.verbosity = app.settings.verbosity;
    let state = forwarder::ensure(&wanted).await?;
    Ok(endpoint::local_url((state.address, state.port).into()))
}

/// A virtual cluster that cannot be connected to as it is.
///
/// # Errors
/// When it has no replicas, though nobody paused it.
pub fn must_have_replicas(found: &Found) -> Result<()> {
    let cluster = &found.cluster;
    if !cluster.scaled_down() {
        return Ok(());
    }
    Err(CliError::new(Kind::Failed, format!("virtual cluster {} has no replicas", cluster.name))
        .because("it was scaled down, but not by `vcluster pause`")
        .hint(format!(
            "kubectl --context {} -n {} scale statefulset {} --replicas 1",
            found.host.context, cluster.namespace, cluster.name
        )))
}
