//! Hands out kubeconfigs: Secret `vc-NAME` and those that `exportKubeConfig` asks for.
//!
//! What the administrator's certificate opens and stays in the namespace is written at start, before anything runs that
//! it leads to. Logins as a service account need the virtual API server, other namespaces need rights that may come
//! later: those are looked after for as long as the syncer runs, and hold nothing up.

mod account;
#[cfg(test)]
mod tests;
mod withdrawn;
mod write;

use std::time::Duration;

use anyhow::Context as _;
use vcluster_config::Config;
use vcluster_syncer_core::json::{Value, json};
use vcluster_syncer_core::resource::SERVICES;
use vcluster_syncer_core::{Key, Object, Rule};

use super::RunArgs;
use crate::admin::Check;
use crate::certs::{self, ExportTarget, Login, Pki};
use crate::engine::api::Api;
use withdrawn::Elsewhere;
use write::{Owner, Unwritten};

/// The rights on the host that it takes.
pub const RULES: &[Rule] = &[
    Rule { group: "", resources: &["services"], verbs: &["get"], in_admin: true },
    Rule {
        group: "",
        resources: &["secrets"],
        verbs: &["create", "delete", "get", "list", "patch"],
        in_admin: true,
    },
];

/// Between two tries of what everybody waits for.
const BETWEEN_TRIES: Duration = Duration::from_millis(500);
/// Between two tries of what somebody must first allow.
const AGAIN: Duration = Duration::from_secs(15);
/// How often all exports are looked at: a deleted Secret or account comes back, a token is renewed in time.
const LOOK: Duration = Duration::from_secs(60 * 60);

/// Writes what can be written before the virtual API server is up, and tries again until the host takes it: without
/// Secret `vc-NAME` nobody can connect.
///
/// # Errors
/// When the certificates that go into them are missing.
pub async fn kubeconfigs(host: &Api, config: &Config, args: &RunArgs) -> anyhow::Result<()> {
    let pki = read(args)?;
    let reference = loop {
        match reference(host, config, args).await {
            Ok(reference) => break reference,
            Err(error) => {
                tracing::warn!(%error, "the control plane's Service cannot be read, will retry")
            }
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    };
    for target in ExportTarget::all(config, &args.name, &args.namespace) {
        if target.service_account.is_some() || target.namespace != args.namespace {
            continue;
        }
        let mut said = String::new();
        while let Err(error) =
            export(host, args, &target, &pki, &Login::Admin, reference.as_ref()).await
        {
            let error = format!("{error:#}");
            if error != said {
                tracing::warn!(secret = target.secret, %error, "a kubeconfig is not handed out, will retry");
                said = error;
            }
            if target.secret != format!("vc-{}", args.name) {
                break;
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
    }
    Ok(())
}

/// Looks after all exports for as long as the syncer runs, and says in `check` which cannot be had, and why.
pub async fn keep(host: Api, inside: kube::Client, config: Config, args: RunArgs, check: Check) {
    let mut said = Vec::new();
    loop {
        let missing = all(&host, &inside, &config, &args).await;
        if missing.is_empty() {
            check.ok();
        } else {
            check.failing(missing.join("; "));
        }
        for problem in missing.iter().filter(|problem| !said.contains(*problem)) {
            tracing::warn!(problem, "a kubeconfig is not handed out, will retry");
        }
        let wait = if missing.is_empty() { LOOK } else { AGAIN };
        said = missing;
        tokio::time::sleep(wait).await;
    }
}

/// Brings all exports up to date; answers what is in the way of some.
async fn all(host: &Api, inside: &kube::Client, config: &Config, args: &RunArgs) -> Vec<String> {
    let made = async { anyhow::Ok((read(args)?, reference(host, config, args).await?)) };
    let (pki, reference) = match made.await {
        Ok(made) => made,
        Err(error) => return vec![format!("{error:#}")],
    };
    let targets = ExportTarget::all(config, &args.name, &args.namespace);
    let mut missing = Vec::new();
    let bring = async |target: &ExportTarget| {
        let made = one(host, inside, args, target, &pki, reference.as_ref()).await;
        made.err().map(|error| problem(target, config, args, &error))
    };
    let is_home = |target: &&ExportTarget| target.namespace == args.namespace;
    for target in targets.iter().filter(is_home) {
        missing.extend(bring(target).await);
    }
    missing.extend(withdrawn::at_home(host, &targets, &owner(args)).await);
    match Elsewhere::note(host, &targets, &owner(args)).await {
        Ok(elsewhere) => {
            for target in targets.iter().filter(|target| !is_home(target)) {
                missing.extend(bring(target).await);
            }
            missing.extend(elsewhere.withdraw(host, &owner(args)).await);
        }
        Err(error) => {
            missing.push(format!("exports to other namespaces cannot be noted: {error}"));
        }
    }
    missing
}

/// Brings one export up to date.
async fn one(
    host: &Api,
    inside: &kube::Client,
    args: &RunArgs,
    target: &ExportTarget,
    pki: &Pki,
    reference: Option<&Value>,
) -> anyhow::Result<()> {
    let login = match &target.service_account {
        None => Login::Admin,
        Some(account) => {
            let have = write::present(host, target, &owner(args)).await?;
            let have = have.and_then(|secret| certs::token_in(&secret, target.format));
            let token = account::token(inside, account, have.as_deref()).await;
            Login::Token(token.with_context(|| {
                format!("there is no token for its service account {}", account.name)
            })?)
        }
    };
    export(host, args, target, pki, &login, reference).await
}

async fn export(
    host: &Api,
    args: &RunArgs,
    target: &ExportTarget,
    pki: &Pki,
    login: &Login,
    reference: Option<&Value>,
) -> anyhow::Result<()> {
    // An owner in another namespace does not count: the garbage collector would delete the Secret.
    let reference = reference.filter(|_| target.namespace == args.namespace);
    let wanted =
        certs::kubeconfig_secret(pki, &args.name, &args.namespace, target, login, reference)?;
    let have = write::present(host, target, &owner(args)).await?;
    Ok(write::put(host, target, have.as_ref(), &Object::new(wanted)).await?)
}

/// What is in the way, for whoever can help.
fn problem(
    target: &ExportTarget,
    config: &Config,
    args: &RunArgs,
    error: &anyhow::Error,
) -> String {
    let RunArgs { name, namespace, .. } = args;
    let place = &target.namespace;
    let code = match error.downcast_ref::<Unwritten>() {
        Some(Unwritten::Host(error)) => error.code(),
        _ => 0,
    };
    let what = format!("Secret {place}/{} cannot be written", target.secret);
    match code {
        403 if place != namespace => {
            let account = match config.control_plane.advanced.service_account.name.as_str() {
                "" => format!("vc-{name}"),
                account => account.to_owned(),
            };
            let role = format!("vc-{name}-export");
            format!(
                "{what}: ServiceAccount {namespace}/{account} has no rights there: kubectl -n {place} create role {role} \
                 --verb=create,delete,get,patch --resource=secrets && kubectl -n {place} create rolebinding {role} \
                 --role={role} --serviceaccount={namespace}:{account}"
            )
        }
        404 => {
            format!("{what}: namespace {place} does not exist: kubectl create namespace {place}")
        }
        _ => format!("{what}: {error:#}"),
    }
}

fn read(args: &RunArgs) -> anyhow::Result<Pki> {
    certs::read_files(&args.pki).with_context(|| {
        let place = args.pki.display();
        format!("the certificates of the virtual cluster cannot be read from {place}")
    })
}

/// The reference with which Secrets of the namespace go when the release goes, unless nothing is to.
async fn reference(
    host: &Api,
    config: &Config,
    args: &RunArgs,
) -> Result<Option<Value>, crate::engine::api::ApiError> {
    if !config.experimental.sync_settings.set_owner {
        return Ok(None);
    }
    let service = host.get(&SERVICES, &Key::new(&args.namespace, &args.name)).await?;
    Ok(service.map(|service| {
        json!({"apiVersion": "v1", "kind": "Service", "name": service.name(), "uid": service.uid()})
    }))
}

fn owner(args: &RunArgs) -> Owner<'_> {
    Owner { name: &args.name, namespace: &args.namespace }
}
