//! Whether the virtual API server answers, asked the way the user will ask it.

use std::time::Duration;

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use kube::{Api, Client};
use tokio::time::{Instant, sleep, timeout};

use crate::error::{CliError, Kind, Result};
use crate::host::bypass_proxy_for_loopback;
use crate::kubeconfig::{Stanza, standalone};

/// One question must not take the whole time: its connection may have been opened too early.
const ONE_QUESTION: Duration = Duration::from_secs(10);

/// Waits until service account `default/default` can be read, which pods need too, and answers a client.
///
/// # Errors
/// When the credentials are of no use, or the deadline passes; with the last reason.
pub async fn answering(stanza: &Stanza, deadline: Instant) -> Result<Client> {
    let client = client(stanza).await?;
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
    let start = Instant::now();
    let mut reason;
    loop {
        reason =
            match timeout(ONE_QUESTION.min(deadline - Instant::now()), accounts.get_opt("default"))
                .await
            {
                Ok(Ok(Some(_))) => {
                    tracing::debug!("the API answers");
                    return Ok(client);
                }
                Ok(Ok(None)) => "service account default is not there yet".to_owned(),
                Ok(Err(error)) => {
                    let error = CliError::request("reach the API", &error);
                    let reason = error.cause.unwrap_or_default();
                    if hopeless(&reason) {
                        return Err(CliError::failed(
                            "the API server of the virtual cluster cannot be used",
                        )
                        .because(reason));
                    }
                    reason
                }
                Err(_) => "no answer".to_owned(),
            };
        let pause = match start.elapsed().as_secs() {
            0..10 => Duration::from_millis(20),
            _ => Duration::from_millis(200),
        };
        if Instant::now() + pause >= deadline {
            break;
        }
        tracing::trace!(reason, "not yet");
        sleep(pause).await;
    }
    Err(CliError::new(Kind::Timeout, "the API server of the virtual cluster does not answer")
        .because(reason))
}

/// Waiting does not mend a certificate that names someone else. Pure.
fn hopeless(reason: &str) -> bool {
    reason.contains("not valid for name")
}

async fn client(stanza: &Stanza) -> Result<Client> {
    let fail = |error: &dyn std::fmt::Display| {
        CliError::failed("the credentials of the virtual cluster cannot be used")
            .because(error.to_string())
    };
    let kubeconfig: Kubeconfig =
        serde_json::from_value(standalone(stanza)).map_err(|error| fail(&error))?;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(|error| fail(&error))?;
    bypass_proxy_for_loopback(&mut config);
    // The loop here asks again sooner than the client would.
    config.default_retry = false;
    Client::try_from(config).map_err(|error| fail(&error))
}
