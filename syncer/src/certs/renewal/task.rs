//! The task that renews.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use vcluster_config::Config;

use super::super::{Names, Pki, ServiceNames, Surroundings, secret, write_files};
use crate::namespace::Namespace;

/// How often the certificates are looked at, at least.
const LOOK: Duration = Duration::from_secs(24 * 60 * 60);
/// After a look that failed.
const AGAIN: Duration = Duration::from_secs(60);

/// What renewal needs to know.
#[derive(Clone)]
pub struct RenewalSettings {
    /// Where Secret `NAME-certs` is.
    pub namespace: Namespace,
    /// The pod.
    pub around: Surroundings,
    /// The options, for the names they ask for.
    pub config: Arc<Config>,
    /// Where the programs read certificates.
    pub directory: PathBuf,
    /// The API server's address within the pod, for kubeconfigs.
    pub server: String,
}

/// Renews certificates until it is stopped: daily, and when host Service `NAME` changes. Programs reload the files by
/// themselves; who keeps certificates otherwise (Secret `vc-NAME`, the syncer's own client) listens to [`Renewal::pki`].
pub struct Renewal {
    settings: RenewalSettings,
    service: watch::Receiver<ServiceNames>,
    pki: watch::Sender<Arc<Pki>>,
}

impl Renewal {
    /// Starts from what `syncer init` left. `service` carries what host Service `NAME` says at present.
    #[must_use]
    pub fn new(
        settings: RenewalSettings,
        pki: Pki,
        service: watch::Receiver<ServiceNames>,
    ) -> Self {
        Renewal { settings, service, pki: watch::Sender::new(Arc::new(pki)) }
    }

    /// The PKI as it is now and as it becomes.
    #[must_use]
    pub fn pki(&self) -> watch::Receiver<Arc<Pki>> {
        self.pki.subscribe()
    }

    /// Runs until `stop` fires.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut wait = Duration::ZERO;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
                // A sender that is gone says nothing any more; the daily look goes on.
                Ok(()) = self.service.changed() => {}
            }
            wait = match self.look().await {
                Ok(()) => LOOK,
                Err(error) => {
                    let error: &(dyn std::error::Error + 'static) = error.as_ref();
                    tracing::warn!(error, "certificates not looked after, trying again");
                    AGAIN
                }
            };
        }
    }

    async fn look(&mut self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let RenewalSettings { namespace, around, config, directory, server } = &self.settings;
        let names = Names::new(config, around, &self.service.borrow_and_update());
        let found: Option<Value> =
            namespace.get("secrets", &format!("{}-certs", around.name)).await?;
        if found.is_none() {
            // Made anew here it would have other authorities than the running programs use.
            return Err(format!(
                "Secret {}-certs is gone: restore it, or restart the pod to start anew",
                around.name
            )
            .into());
        }
        let (pki, mut changes) =
            secret::load_or_create(namespace, &around.name, None, found).await?;
        let before = Arc::clone(&self.pki.borrow());
        let mut pki = pki.with_serving_of(&before);
        changes.extend(pki.complete(Some(&names), SystemTime::now())?);
        for change in &changes {
            tracing::info!(certificate = change.name, because = ?change.because, "certificate renewed");
        }
        if pki != *before {
            write_files(&pki, directory, server)?;
            self.pki.send_replace(Arc::new(pki));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::namespace::tests::scripted;

    #[tokio::test]
    async fn a_new_name_of_the_service_is_in_the_certificate_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let (host, _) = scripted(&[], |_, _| None);
        let (pki, _) = secret::load_or_create(&host, "my-vc", None, None).await.unwrap();
        let around = Surroundings {
            name: "my-vc".into(),
            namespace: "team-x".into(),
            ..Surroundings::default()
        };
        let settings = RenewalSettings {
            namespace: host,
            around,
            config: Arc::default(),
            directory: directory.path().to_owned(),
            server: "https://127.0.0.1:8443".into(),
        };
        let (service, said) = watch::channel(ServiceNames::default());
        let renewal = Renewal::new(settings, pki, said);
        let (mut pki, stop) = (renewal.pki(), CancellationToken::new());
        let task = tokio::spawn(renewal.run(stop.clone()));
        pki.changed().await.unwrap();
        let first = pki.borrow_and_update().get("apiserver.crt").unwrap().to_owned();
        let address =
            json!({ "status": { "loadBalancer": { "ingress": [{ "ip": "198.51.100.9" }] } } });
        service.send_replace(ServiceNames::of(&address));
        pki.changed().await.unwrap();
        let second = pki.borrow_and_update().get("apiserver.crt").unwrap().to_owned();
        assert_ne!(first, second);
        assert_eq!(
            std::fs::read_to_string(directory.path().join("apiserver.crt")).unwrap(),
            second
        );
        stop.cancel();
        task.await.unwrap();
    }
}
