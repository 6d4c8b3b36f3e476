//! What is looked at before anything is done.

use k8s_openapi::api::core::v1::Namespace;
use kube::api::Api;
use serde_json::Value;

use super::grants::Withheld;
use super::record;
use super::release::{self, Revision};
use super::rights::{self, Right};
use super::shape::Shape;
use super::versions;
use crate::app::App;
use crate::config;
use crate::discover;
use crate::error::{CliError, Kind, Result};
use crate::host::Host;
use crate::kubeconfig::HOST_CONTEXT_OF_A_POD;
use crate::ui::Step;

/// What the host says.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Version of the host.
    pub version: Version,
    /// State of the namespace.
    pub namespace: NamespaceState,
    /// The newest revision of a release of this name.
    pub release: Option<Revision>,
    /// The values that it was last made with; none when they cannot be read.
    pub kept: Option<Value>,
    /// Other virtual clusters in the namespace.
    pub others: Vec<String>,
    /// The one of this name is paused.
    pub paused: bool,
    /// The user may do everything.
    pub all_rights: bool,
    /// Rights that the user lacks.
    pub missing_rights: Vec<Right>,
    /// Rights that the user cannot hand out.
    pub withheld: Vec<Withheld>,
    /// The one that runs.
    pub running: Option<Running>,
}

/// What a virtual cluster runs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// What it cannot change.
    pub shape: Shape,
    /// Its version of Kubernetes, where the values tell.
    pub kubernetes: Option<String>,
}

impl Running {
    /// Reads it from all values, defaults among them.
    pub fn of(values: &Value) -> Self {
        Self { shape: Shape::of(values), kubernetes: versions::of_values(values) }
    }
}

/// Version of the host.
#[derive(Clone, Debug)]
pub struct Version {
    /// `v1.34.4`
    pub git: String,
}

/// State of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamespaceState {
    /// It has to be made.
    Absent,
    /// It is there.
    Active,
    /// It is being deleted.
    Terminating,
    /// It may not be looked at; those who get a namespace from an administrator often cannot.
    Unknown,
}

/// Looks at everything at once.
///
/// # Errors
/// When the host cannot be reached, or a look is refused that is needed.
pub async fn look(host: &Host, name: &str, namespace: &str, step: &mut Step) -> Result<Facts> {
    // First alone: if the host is away, one message is enough.
    let version = host.version().await?;
    let state = namespace_state(host, namespace).await?;
    let all_rights = rights::may(host, namespace, &rights::EVERYTHING).await?;
    let missing_rights = match all_rights {
        true => Vec::new(),
        false => rights::missing(host, namespace, state == NamespaceState::Absent).await?,
    };
    let mut facts = Facts {
        version: Version { git: version.git_version },
        namespace: state,
        release: None,
        kept: None,
        others: Vec::new(),
        paused: false,
        all_rights,
        missing_rights,
        withheld: Vec::new(),
        running: None,
    };
    if !facts.missing_rights.is_empty() || state == NamespaceState::Absent {
        return Ok(facts);
    }
    let (release, clusters, values) = tokio::try_join!(
        release::settled(host, name, namespace, step),
        discover::list(host, Some(namespace)),
        config::values(host, name, namespace),
    )?;
    facts.kept = match &release {
        Some(release) => record::values(host, namespace, release).await?,
        None => None,
    };
    facts.release = release;
    facts.paused = clusters.iter().any(|cluster| cluster.name == name && cluster.paused());
    facts.others =
        clusters.into_iter().map(|cluster| cluster.name).filter(|other| other != name).collect();
    facts.running = values.as_ref().map(Running::of);
    Ok(facts)
}

async fn namespace_state(host: &Host, namespace: &str) -> Result<NamespaceState> {
    let namespaces: Api<Namespace> = Api::all(host.client.clone());
    let request =
        tokio::time::timeout(crate::host::REQUEST_PATIENCE, namespaces.get_opt(namespace)).await;
    match request {
        Ok(Ok(None)) => Ok(NamespaceState::Absent),
        Ok(Ok(Some(found))) => {
            let phase = found.status.and_then(|status| status.phase);
            let ending = found.metadata.deletion_timestamp.is_some()
                || phase.as_deref() == Some("Terminating");
            Ok(if ending { NamespaceState::Terminating } else { NamespaceState::Active })
        }
        Ok(Err(kube::Error::Api(status))) if status.code == 403 => Ok(NamespaceState::Unknown),
        Ok(Err(error)) => Err(CliError::request(format!("read namespace {namespace}"), &error)),
        Err(_) => Err(CliError::new(Kind::Timeout, format!("cannot read namespace {namespace}"))),
    }
}

/// Which context to create in. Inside another virtual cluster only if that is meant.
///
/// # Errors
/// When the current context is a virtual cluster's and nobody said that this is meant.
pub fn choose_context(app: &App, name: &str) -> Result<Option<String>> {
    // Named explicitly is meant.
    if app.settings.context.is_some() {
        return Ok(app.settings.context.clone());
    }
    let files = &app.settings.kubeconfig;
    let Some(current) = files.current()? else { return Ok(None) };
    let Some(origin) = files.origin(&current)? else { return Ok(Some(current)) };
    if app.settings.yes {
        return Ok(Some(current));
    }
    if app.ui.interactive() {
        let lines =
            [format!("in its host, {}", origin.host_context), format!("inside it, in {current}")];
        let question = format!(
            "The current context is virtual cluster {}. Where shall {name} be?",
            origin.name
        );
        return Ok(Some(match app.ui.pick(&question, &lines)? {
            0 => origin.host_context,
            _ => current,
        }));
    }
    let host =
        if origin.host_context == HOST_CONTEXT_OF_A_POD { "HOST" } else { &origin.host_context };
    Err(CliError::new(
        Kind::Refused,
        format!("the current context {current} is itself a virtual cluster"),
    )
    .because(format!(
        "{name} would run inside {}; `--context {current}` says that this is meant",
        origin.name
    ))
    .hint(format!("vcluster create {name} --context {host}")))
}
