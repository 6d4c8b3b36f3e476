//! The host cluster: which context, and a client for it.

use std::time::Duration;

use kube::config::{Config, KubeConfigOptions};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::error::{CliError, Kind, Result};
use crate::kubeconfig::{Files, HOST_CONTEXT_OF_A_POD};

/// How long one host may take to answer one short request.
pub const REQUEST_PATIENCE: Duration = Duration::from_secs(20);

/// How long the first contact may take.
const CONTACT_PATIENCE: Duration = Duration::from_secs(10);

/// A host cluster.
#[derive(Clone)]
pub struct Host {
    /// Ready to use.
    pub client: Client,
    /// Name of its context.
    pub context: String,
    /// Default namespace of the context.
    pub namespace: String,
    /// Address of its API server.
    pub server: String,
    /// The files that the context comes from.
    pub files: Files,
}

impl Host {
    /// The host of `--context`, else of the current context.
    ///
    /// # Errors
    /// When there is no such context, or its credentials cannot be loaded. Nothing is sent yet.
    pub async fn of_settings(app: &App) -> Result<Self> {
        Self::open(&app.settings.kubeconfig, app.settings.context.as_deref()).await
    }

    /// The host of a context; without a name, of the current one.
    ///
    /// # Errors
    /// As [`Host::of_settings`].
    pub async fn open(files: &Files, context: Option<&str>) -> Result<Self> {
        let merged = files.merged()?;
        let current = merged.current_context.clone().filter(|name| !name.is_empty());
        let Some(context) = context.map(str::to_owned).or(current) else {
            return Self::of_a_pod(files);
        };
        if context == HOST_CONTEXT_OF_A_POD
            && in_a_pod()
            && !merged.contexts.iter().any(|it| it.name == context)
        {
            return Self::of_a_pod(files);
        }
        if !merged.contexts.iter().any(|known| known.name == context) {
            return Err(unknown_context(
                &context,
                merged.contexts.iter().map(|known| known.name.as_str()),
            ));
        }
        let options =
            KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
        let config = Config::from_custom_kubeconfig(merged, &options)
            .await
            .map_err(|error| CliError::kubeconfig(&error).because(crate::error::chain(&error)))?;
        Self::with_config(config, context, files)
    }

    fn of_a_pod(files: &Files) -> Result<Self> {
        if !in_a_pod() {
            let listed: Vec<String> =
                files.paths().iter().map(|path| path.display().to_string()).collect();
            return Err(CliError::new(Kind::NotFound, "there is no host cluster to talk to")
                .because(format!("no current context in {}", listed.join(", ")))
                .hint("kubectl config get-contexts"));
        }
        let config = Config::incluster().map_err(|error| {
            CliError::failed("cannot use the service account of this pod").cause(&error)
        })?;
        Self::with_config(config, HOST_CONTEXT_OF_A_POD.to_owned(), files)
    }

    fn with_config(mut config: Config, context: String, files: &Files) -> Result<Self> {
        bypass_proxy_for_loopback(&mut config);
        config.connect_timeout = Some(CONTACT_PATIENCE);
        let (server, namespace) =
            (config.cluster_url.to_string(), config.default_namespace.clone());
        let client = Client::try_from(config).map_err(|error| {
            CliError::failed(format!("cannot use the credentials of context {context}"))
                .cause(&error)
                .hint(format!("kubectl --context {context} version"))
        })?;
        Ok(Self { client, context, namespace, server, files: files.clone() })
    }

    /// Asks the host for its version, which shows that it can be reached.
    ///
    /// # Errors
    /// When it cannot, with the address and the reason.
    pub async fn version(&self) -> Result<k8s_openapi::apimachinery::pkg::version::Info> {
        let hint = format!("kubectl --context {} version", self.context);
        let what = format!("the host cluster of context {} cannot be reached", self.context);
        match tokio::time::timeout(CONTACT_PATIENCE, self.client.apiserver_version()).await {
            Ok(Ok(version)) => Ok(version),
            Ok(Err(error)) => {
                let reason = CliError::request("", &error).cause.unwrap_or_default();
                Err(CliError::failed(what)
                    .because(format!("{} at {}", reason, self.server))
                    .hint(hint))
            }
            Err(_) => Err(CliError::new(Kind::Timeout, what)
                .because(format!(
                    "no answer from {} in {} s",
                    self.server,
                    CONTACT_PATIENCE.as_secs()
                ))
                .hint(hint)),
        }
    }

    /// An API in one namespace.
    pub fn api<K>(&self, namespace: &str) -> kube::Api<K>
    where
        K: Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + DeserializeOwned,
    {
        kube::Api::namespaced(self.client.clone(), namespace)
    }
}

/// Runs one request with a deadline, and says what it was for when it fails.
///
/// # Errors
/// The request's error as a [`CliError`], or that there was no answer in time.
pub async fn within<T>(
    doing: impl std::fmt::Display,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T> {
    match tokio::time::timeout(REQUEST_PATIENCE, request).await {
        Ok(answer) => answer.map_err(|error| CliError::request(doing, &error)),
        Err(_) => Err(CliError::new(Kind::Timeout, format!("cannot {doing}"))
            .because(format!("no answer from the API server in {} s", REQUEST_PATIENCE.as_secs()))),
    }
}

/// A proxy from the environment cannot reach a port of this machine; kube's own check for it compares the wrong address.
pub fn bypass_proxy_for_loopback(config: &mut Config) {
    let host = config.cluster_url.host().unwrap_or_default();
    let loopback = host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    if loopback {
        config.proxy_url = None;
    }
}

fn in_a_pod() -> bool {
    std::env::var_os(crate::env_vars::KUBERNETES_SERVICE_HOST).is_some()
}

fn unknown_context<'a>(context: &str, known: impl Iterator<Item = &'a str>) -> CliError {
    let known: Vec<&str> = known.collect();
    let nearest = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(name, context), *name))
        .min()
        .filter(|(distance, _)| *distance <= 3);
    let error =
        CliError::new(Kind::NotFound, format!("there is no context {context} in the kubeconfig"));
    match (nearest, known.is_empty()) {
        (Some((_, name)), _) => error.because(format!("the nearest name is {name}")),
        (None, true) => error.because("the kubeconfig has no contexts"),
        (None, false) => error.because(format!("there are {}", known.join(", "))),
    }
    .hint("kubectl config get-contexts")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_context_names_the_nearest() {
        let error = unknown_context("kind-kid", ["kind-kind", "prod"].into_iter());
        assert_eq!(error.cause.as_deref(), Some("the nearest name is kind-kind"));
        let error = unknown_context("x", ["kind-kind", "prod"].into_iter());
        assert_eq!(error.cause.as_deref(), Some("there are kind-kind, prod"));
        assert_eq!(error.kind, Kind::NotFound);
    }

    #[test]
    fn a_proxy_is_not_used_for_this_machine() {
        for (url, kept) in [
            ("https://127.0.0.1:6443", false),
            ("https://localhost:1", false),
            ("https://[::1]:1", false),
            ("https://10.0.0.1", true),
        ] {
            let mut config = Config::new(url.parse().unwrap());
            config.proxy_url = Some("http://proxy:3128".parse().unwrap());
            bypass_proxy_for_loopback(&mut config);
            assert_eq!(config.proxy_url.is_some(), kept, "{url}");
        }
    }
}
