//! The task that renews.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use vcluster_config::Config;
use vcluster_syncer_core::json::Value;

use super::super::{
    Names, Pki, ServiceNames, Surroundings, Wanted, etcd_names, read_files, secret, write_files,
};
use crate::namespace::Namespace;

/// How often the certificates are looked at, at least.
const LOOK: Duration = Duration::from_secs(24 * 60 * 60);
/// After a look that failed.
const AGAIN: Duration = Duration::from_secs(60);

/// Annotation on host Service `NAME`: when someone asked for new certificates (`vcluster certs rotate`).
const ASKED: &str = "/metadata/annotations/vcluster.loft.sh~1certificates-asked";

/// What host Service `NAME` says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said {
    names: ServiceNames,
    asked: Option<String>,
}

impl Said {
    fn of(service: &Value) -> Self {
        let asked = service.pointer(ASKED).and_then(Value::as_str).map(str::to_owned);
        Said { names: ServiceNames::of(service), asked }
    }
}

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
    service: watch::Receiver<Option<Said>>,
    /// What was asked for last, once that is known.
    asked: Option<Option<String>>,
    pki: watch::Sender<Arc<Pki>>,
}

impl Renewal {
    /// Starts from what `syncer init` left. `service` carries what host Service `NAME` says, once
    /// that is known.
    #[must_use]
    pub fn new(
        settings: RenewalSettings,
        pki: Pki,
        service: watch::Receiver<Option<Said>>,
    ) -> Self {
        Renewal { settings, service, asked: None, pki: watch::Sender::new(Arc::new(pki)) }
    }

    /// The PKI as it is now and as it becomes.
    #[must_use]
    pub fn pki(&self) -> watch::Receiver<Arc<Pki>> {
        self.pki.subscribe()
    }

    /// Starts it with all that it needs: from the certificates in its directory, following host Service `NAME`, until
    /// `stop` fires.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn start(
        settings: RenewalSettings,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> io::Result<watch::Receiver<Arc<Pki>>> {
        let pki = read_files(&settings.directory)?;
        let (said, service) = watch::channel(None);
        tasks.spawn(follow(
            settings.namespace.clone(),
            settings.around.name.clone(),
            said,
            stop.clone(),
        ));
        let renewal = Renewal::new(settings, pki, service);
        let pki = renewal.pki();
        tasks.spawn(renewal.run(stop.clone()));
        Ok(pki)
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
        let said = self.service.borrow_and_update().clone();
        let names = said.as_ref().map(|said| Names::new(config, around, &said.names));
        let asked = said.map(|said| said.asked);
        // The other certificates were taken out of the Secret by whoever asked.
        let serving_too = asked.is_some() && self.asked.is_some() && asked != self.asked;
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
        let members = etcd_names(config, around);
        let wanted = Wanted { serving: names.as_ref(), etcd: members.as_ref() };
        let (pki, mut changes) =
            secret::load_or_create(namespace, &around.name, wanted, None, found).await?;
        let before = Arc::clone(&self.pki.borrow());
        let mut pki = if serving_too { pki } else { pki.with_serving_of(&before) };
        changes.extend(pki.complete(wanted, SystemTime::now())?);
        for change in &changes {
            tracing::info!(certificate = change.name, because = ?change.because, "certificate renewed");
        }
        if pki != *before {
            write_files(&pki, directory, server)?;
            self.pki.send_replace(Arc::new(pki));
        }
        self.asked = asked.or(self.asked.take());
        Ok(())
    }
}

/// Tells what host Service `NAME` says, whenever that changes.
async fn follow(
    namespace: Namespace,
    name: String,
    said: watch::Sender<Option<Said>>,
    stop: CancellationToken,
) {
    let watching =
        namespace.follow("services", &name, &said, |service| Some(Some(Said::of(service?))));
    stop.run_until_cancelled(watching).await;
}

#[cfg(test)]
mod tests {
    use vcluster_syncer_core::json::json;

    use super::*;
    use crate::namespace::tests::scripted;

    #[tokio::test]
    async fn a_new_name_of_the_service_is_in_the_certificate_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let (host, _) = scripted(&[], |_, _| None);
        let (pki, _) =
            secret::load_or_create(&host, "my-vc", Wanted::default(), None, None).await.unwrap();
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
        let (service, said) = watch::channel(Some(Said::default()));
        let renewal = Renewal::new(settings, pki, said);
        let (mut pki, stop) = (renewal.pki(), CancellationToken::new());
        let task = tokio::spawn(renewal.run(stop.clone()));
        pki.changed().await.unwrap();
        let first = pki.borrow_and_update().get("apiserver.crt").unwrap().to_owned();
        let address =
            json!({ "status": { "loadBalancer": { "ingress": [{ "ip": "198.51.100.9" }] } } });
        service.send_replace(Some(Said::of(&address)));
        pki.changed().await.unwrap();
        let second = pki.borrow_and_update().get("apiserver.crt").unwrap().to_owned();
        assert_ne!(first, second);
        assert_eq!(
            std::fs::read_to_string(directory.path().join("apiserver.crt")).unwrap(),
            second
        );

        // Someone asks for new ones: the shared ones were taken out of the Secret, this one is not in there.
        let mut asking = address.clone();
        asking["metadata"] =
            json!({ "annotations": { "vcluster.loft.sh/certificates-asked": "now" } });
        service.send_replace(Some(Said::of(&asking)));
        pki.changed().await.unwrap();
        let third = pki.borrow_and_update().get("apiserver.crt").unwrap().to_owned();
        assert_ne!(second, third);
        stop.cancel();
        task.await.unwrap();
    }

    #[tokio::test]
    async fn the_service_is_followed() {
        let event = |ip: &str| {
            let service =
                json!({ "metadata": { "name": "my-vc" }, "spec": { "clusterIPs": [ip] } });
            json!({ "type": "MODIFIED", "object": service })
        };
        let turn = std::sync::atomic::AtomicUsize::new(0);
        let (host, _) = scripted(&[], move |line, _| {
            assert_eq!(line, "GET services?watch=true&fieldSelector=metadata.name%3Dmy-vc");
            // The connection ends after each event.
            match turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
                0 => Some((200, event("10.96.0.7"))),
                _ => Some((200, event("10.96.0.8"))),
            }
        });
        let (said, mut service) = watch::channel(None);
        let stop = CancellationToken::new();
        let task = tokio::spawn(follow(host, "my-vc".into(), said, stop.clone()));
        for ip in ["10.96.0.7", "10.96.0.8"] {
            service.changed().await.unwrap();
            let names = service.borrow_and_update().clone().unwrap();
            assert_eq!(names.names.addresses, [ip.parse().unwrap()].into());
        }
        stop.cancel();
        task.await.unwrap();
    }
}
