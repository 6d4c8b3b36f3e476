//! `syncer init -- PROGRAM ARGS`: what must be there before the programs of the control plane start; then it becomes the
//! program, the syncer itself. The kubelet starts containers one after the other, and holds the next one until the first
//! has left its [`marker`] (`docs/decisions/0054-no-init-container.md`).
//!
//! In one go, side by side: the PKI (Secret `NAME-certs` and files), what the host's networks look like (ConfigMap
//! `vc-cidr-NAME`, from which the other containers take their flags), and this program in a volume, so that
//! [`crate::wait`] can run in images that hold nothing but one program.

mod distro;
mod facts;
mod marker;
mod node_ports;
mod program;
mod range;
mod ranges;

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, bail};
use tokio::signal::unix::{SignalKind, signal};
use vcluster_config::{Config, Loaded};
use vcluster_syncer_core::Rule;
use vcluster_syncer_core::json::{Value, json};

use crate::activity;
use crate::certs::{self, Names, ServiceNames, Surroundings, Wanted};
use crate::client::Access;
use crate::namespace::{Denied, Namespace};
use crate::turn_into::turn_into;

pub use facts::Facts;
pub use marker::NAME as MARKER;

/// The rights on the host that preparing takes: the Service that is there already, questions about addresses and ports
/// (one of them may leave a Service behind, which is deleted), the PKI and what was found.
pub const RULES: &[Rule] = &[
    Rule {
        group: "",
        resources: &["services"],
        verbs: &["create", "delete", "get"],
        in_admin: true,
    },
    Rule {
        group: "",
        resources: &["configmaps", "secrets"],
        verbs: &["create", "get", "patch"],
        in_admin: true,
    },
];

/// For how long the host may be out of reach before the pod is seen to fail. Inside this time we retry ourselves, since
/// the kubelet would wait for ten seconds and more between two tries.
const PATIENCE: Duration = Duration::from_secs(300);
/// A right that is missing for so long was not granted a moment ago.
const RIGHTS_PATIENCE: Duration = Duration::from_secs(10);

/// Arguments of `syncer init`.
#[derive(Debug, Clone, clap::Args)]
pub struct InitArgs {
    /// The name of the virtual cluster.
    #[arg(long, env = "VCLUSTER_NAME")]
    name: String,
    /// The namespace on the host.
    #[arg(long, env = "POD_NAMESPACE")]
    namespace: String,
    /// The addresses of this pod, joined by commas.
    #[arg(long, env = "POD_IPS", value_delimiter = ',', required = true)]
    pod_ips: Vec<IpAddr>,
    /// The addresses of this pod's node, joined by commas.
    #[arg(long, env = "HOST_IPS", value_delimiter = ',')]
    host_ips: Vec<IpAddr>,
    /// The options of the virtual cluster.
    #[arg(long, default_value = "/etc/vcluster/config.yaml")]
    config: PathBuf,
    /// Where certificates are written.
    #[arg(long, default_value = "/pki")]
    pki: PathBuf,
    /// The volume of the control plane, where distributions keep what they keep.
    #[arg(long, default_value = "/data")]
    data: PathBuf,
    /// What the chart tells k0s, with gaps for what is only known here.
    #[arg(long, default_value = "/etc/vcluster/k0s.json")]
    k0s: PathBuf,
    /// Where this program is copied to.
    #[arg(long, default_value = "/binaries")]
    binaries: PathBuf,
    /// The program to become, and its arguments. Without one, that is all.
    #[arg(last = true)]
    program: Vec<OsString>,
}

/// Does it all, then becomes the program. Returns only when there is none, or something fails.
///
/// # Errors
/// With what is wrong and what to do about it, when the control plane cannot start.
pub async fn run(args: InitArgs) -> anyhow::Result<()> {
    // As the first process of a container, SIGTERM does nothing unless somebody listens.
    let mut terminate = signal(SignalKind::terminate())?;
    if !marker::is_there(&args.pki, &args.pod_ips) {
        tokio::select! {
            result = work(&args) => result?,
            _ = terminate.recv() => bail!("stopped while the control plane was being prepared"),
        }
    }
    turn_into(&args.program)
}

async fn work(args: &InitArgs) -> anyhow::Result<()> {
    let began = Instant::now();
    let marked =
        || format!("what is prepared cannot be noted in the directory {}", args.pki.display());
    marker::remove(&args.pki).with_context(marked)?;
    let config = read_config(&args.config)?;
    let copy = tokio::task::spawn_blocking({
        let binaries = args.binaries.clone();
        move || program::copy_to(&binaries)
    });
    let host = Access::of_pod()?.client().context("no client for the host")?;
    let namespace = Namespace::new(host, &args.namespace);
    let around = Surroundings {
        name: args.name.clone(),
        namespace: args.namespace.clone(),
        pod_addresses: args.pod_ips.clone(),
        node_addresses: args.host_ips.clone(),
    };
    prepare(args, &config, &namespace, &around).await?;
    copy.await?
        .with_context(|| format!("this program cannot be copied to {}", args.binaries.display()))?;
    marker::set(&args.pki, &args.pod_ips).with_context(marked)?;
    tracing::info!(milliseconds = began.elapsed().as_millis(), "control plane prepared");
    Ok(())
}

/// Everything that needs the host, again and again while the host is out of reach.
async fn prepare(
    args: &InitArgs,
    config: &Config,
    host: &Namespace,
    around: &Surroundings,
) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut pause = Duration::from_millis(50);
    loop {
        let error = match prepare_once(args, config, host, around).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let limit = match error.downcast_ref::<Denied>() {
            Some(denied) if !denied.may_pass() => Duration::ZERO,
            Some(denied)
                if crate::namespace::code(&denied.source).is_some_and(|code| code == 403) =>
            {
                RIGHTS_PATIENCE
            }
            Some(_) => PATIENCE,
            None if error.is::<Soon>() => PATIENCE,
            None => Duration::ZERO,
        };
        if began.elapsed() >= limit {
            return Err(error);
        }
        tracing::warn!(error = format!("{error:#}"), "the host is not ready for us, trying again");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}

/// Something that will be there soon.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Soon(String);

async fn prepare_once(
    args: &InitArgs,
    config: &Config,
    host: &Namespace,
    around: &Surroundings,
) -> anyhow::Result<()> {
    let name = &args.name;
    let (certs_name, facts_name) = (format!("{name}-certs"), facts::name_of(name));
    let (service, secret, facts) = tokio::try_join!(
        host.get("services", name),
        host.get("secrets", &certs_name),
        host.get("configmaps", &facts_name),
    )?;
    let service =
        service.ok_or_else(|| Soon(format!("Service {}/{name} is not there", host.name())))?;
    let owner = owner(&service).filter(|_| config.experimental.sync_settings.set_owner);
    let members = certs::etcd_names(config, around);
    let wanted = Wanted { serving: None, etcd: members.as_ref() };
    let (pki, facts) = tokio::join!(
        certs::load_or_create(host, name, wanted, owner.as_ref(), secret),
        facts::find(host, name, config, around, &service, facts, owner.as_ref()),
    );
    let ((mut pki, changes), facts) = (pki.map_err(soften)?, facts?);
    for change in changes {
        tracing::info!(certificate = change.name, because = ?change.because, "certificate made");
    }
    let names = Names::new(config, around, &ServiceNames::of(&service));
    pki.complete(Wanted { serving: Some(&names), ..wanted }, SystemTime::now())?;
    let server = certs::own_server(config);
    certs::write_files(&pki, &args.pki, &server)
        .with_context(|| format!("certificates cannot be written to {}", args.pki.display()))?;
    if config.sleep.auto.counts_requests() {
        activity::write_files(&args.pki)?;
    }
    let address = args.pod_ips.first().copied();
    let known = distro::Known { pki: &pki, names: &names, facts: &facts, address };
    let places = distro::Places { data: &args.data, pki: &args.pki, k0s: &args.k0s };
    distro::prepare(config, &known, &places)?;
    tracing::info!(cidr = facts.cidr, node_ports = facts.node_ports, "the host's networks");
    Ok(())
}

/// Lets the retry see what the host said.
fn soften(error: certs::SecretError) -> anyhow::Error {
    match error {
        certs::SecretError::Denied(denied) => denied.into(),
        other => other.into(),
    }
}

/// The owner of all that we make on the host, so that it goes with the release.
fn owner(service: &Value) -> Option<Value> {
    let metadata = service.get("metadata")?;
    Some(
        json!({ "apiVersion": "v1", "kind": "Service", "name": metadata.get("name")?, "uid": metadata.get("uid")? }),
    )
}

fn read_config(path: &std::path::Path) -> anyhow::Result<Config> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{} cannot be read", path.display()))?;
    let Loaded { config, warnings } = vcluster_config::load(&path.display().to_string(), &text)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    Ok(config)
}
