//! What the watches have shown so far.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Event, Pod, Secret};
use kube::ResourceExt;
use kube::runtime::watcher;
use serde_json::Value;

use crate::connect::kubeconfig_of_secret;
use crate::names;

/// State of a control plane as far as it is known.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Pods by name.
    pub pods: BTreeMap<String, Pod>,
    /// Host pods of CoreDNS inside, by name.
    pub dns: BTreeMap<String, Pod>,
    /// The kubeconfig, once the Secret holds one.
    pub kubeconfig: Option<Value>,
    /// The latest warning about each object.
    pub warnings: BTreeMap<String, Warning>,
    /// The StatefulSet, if there is one.
    pub set: Option<Rollout>,
    /// Pods have been listed once.
    pub pods_listed: bool,
    /// The host refuses to tell.
    pub denied: Option<String>,
    /// Warnings have been listed once.
    pub warnings_listed: bool,
}

/// How far a StatefulSet has come with its newest version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// Version of the object.
    pub generation: i64,
    /// The version that its controller has taken in.
    pub observed: i64,
    /// Label `controller-revision-hash` of pods of the newest version.
    pub revision: String,
    /// The pods are ready before CoreDNS is.
    pub dns_is_awaited: bool,
    /// It is to have no pods: paused, or asleep.
    pub is_down: bool,
}

/// A warning event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Machine-readable reason, such as `FailedCreate`.
    pub reason: String,
    /// Sentence.
    pub message: String,
}

impl Seen {
    pub fn pod(&mut self, event: watcher::Event<Pod>) {
        self.pods_listed |= matches!(event, watcher::Event::InitDone);
        take_in(&mut self.pods, event);
        self.denied = None;
    }

    pub fn dns_pod(&mut self, event: watcher::Event<Pod>) {
        take_in(&mut self.dns, event);
    }

    pub fn secret(&mut self, event: watcher::Event<Secret>) {
        match event {
            watcher::Event::InitApply(secret) | watcher::Event::Apply(secret) => {
                self.kubeconfig = secret.data.as_ref().and_then(kubeconfig_of_secret);
            }
            watcher::Event::Init | watcher::Event::Delete(_) => self.kubeconfig = None,
            watcher::Event::InitDone => {}
        }
    }

    pub fn set(&mut self, event: watcher::Event<StatefulSet>) {
        match event {
            watcher::Event::InitApply(set) | watcher::Event::Apply(set) => {
                let dns_is_awaited = set.annotations().contains_key(names::DNS);
                let is_down = set.spec.replicas == Some(0);
                let status = set.status.unwrap_or_default();
                self.set = Some(Rollout {
                    generation: set.metadata.generation.unwrap_or_default(),
                    observed: status.observed_generation.unwrap_or_default(),
                    revision: status.update_revision.unwrap_or_default(),
                    dns_is_awaited,
                    is_down,
                });
            }
            watcher::Event::Init | watcher::Event::Delete(_) => self.set = None,
            watcher::Event::InitDone => {}
        }
    }

    /// Warnings that were there before the watch began are old; only what is said again or new counts.
    pub fn event(&mut self, event: watcher::Event<Event>, name: &str) {
        match event {
            watcher::Event::InitDone => self.warnings_listed = true,
            watcher::Event::Apply(event) => self.warn(event, name),
            watcher::Event::InitApply(event) if self.warnings_listed => self.warn(event, name),
            _ => {}
        }
    }

    pub fn problem(&mut self, error: &watcher::Error) {
        tracing::debug!(%error, "a watch broke");
        let source = match error {
            watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error) => {
                error
            }
            _ => return,
        };
        // Without the others there are fewer reasons to show, nothing else.
        if let kube::Error::Api(status) = source
            && status.code == 403
            && ["pods ", "secrets "].iter().any(|kind| status.message.starts_with(kind))
        {
            self.denied = Some(status.message.clone());
        }
    }

    fn warn(&mut self, event: Event, name: &str) {
        let object = event.involved_object.name.unwrap_or_default();
        let ours = object == name
            || object.starts_with(&format!("{name}-"))
            || object.starts_with(&format!("data-{name}-"));
        if ours {
            let warning = Warning {
                reason: event.reason.unwrap_or_default(),
                message: event.message.unwrap_or_default().trim().to_owned(),
            };
            self.warnings.insert(object, warning);
        }
    }
}

fn take_in(pods: &mut BTreeMap<String, Pod>, event: watcher::Event<Pod>) {
    match event {
        watcher::Event::Init => pods.clear(),
        watcher::Event::InitApply(pod) | watcher::Event::Apply(pod) => {
            pods.insert(pod.name_any(), pod);
        }
        watcher::Event::Delete(pod) => {
            pods.remove(&pod.name_any());
        }
        watcher::Event::InitDone => {}
    }
}
