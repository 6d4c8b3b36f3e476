//! One observer that watches both sides and notes when something happens to a pod.
//!
//! The times in objects have a resolution of a second, so what counts is when the news arrived. Both API servers send
//! it the same bytes as all other watchers, which they encode once; of them only a few fields are read.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::api::Api;
use super::life::{Life, MILESTONES, Milestone};

/// Watches until it is dropped.
pub struct Observer {
    notes: Arc<Notes>,
    tasks: Vec<JoinHandle<()>>,
}

/// What was seen so far.
struct Notes {
    began: Instant,
    lives: Mutex<HashMap<String, Life>>,
    tally: watch::Sender<Tally>,
}

/// For each milestone, how many pods passed it and when the last of them did.
#[derive(Debug, Clone, Default)]
struct Tally {
    counts: [usize; MILESTONES],
    latest: [Duration; MILESTONES],
    failure: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Inside,
    Host,
}

impl Observer {
    /// Begins to watch the pods of a load; without a virtual cluster, only on the host.
    ///
    /// # Errors
    /// When a watch is refused.
    pub async fn start(inside: Option<&Api>, host: &Api, selector: &str) -> Result<Self> {
        let notes = Arc::new(Notes {
            began: Instant::now(),
            lives: Mutex::default(),
            tally: watch::Sender::default(),
        });
        let mut tasks = Vec::new();
        for (side, api) in [(Side::Inside, inside), (Side::Host, Some(host))] {
            let Some(api) = api else { continue };
            let mut watch = api.watch("/api/v1/pods", selector).await?;
            let notes = Arc::clone(&notes);
            tasks.push(tokio::spawn(async move {
                loop {
                    let read = watch.next().await.and_then(|line| notes.read(side, line));
                    if let Err(error) = read {
                        notes.tally.send_modify(|tally| tally.failure = Some(format!("{error:#}")));
                        return;
                    }
                }
            }));
        }
        Ok(Self { notes, tasks })
    }

    /// Notes what the client does itself.
    pub fn mark(&self, key: &str, milestone: Milestone) {
        self.notes.mark_at(key, &[milestone], self.now());
    }

    /// Waits until so many pods have passed a milestone.
    ///
    /// # Errors
    /// When a watch ends, or nothing at all happens for `patience`.
    pub async fn reached(
        &self,
        milestone: Milestone,
        pods: usize,
        patience: Duration,
    ) -> Result<()> {
        let mut tally = self.notes.tally.subscribe();
        loop {
            {
                let now = tally.borrow_and_update();
                if let Some(failure) = &now.failure {
                    bail!("the observer failed: {failure}");
                }
                if now.counts.get(milestone as usize).is_some_and(|count| *count >= pods) {
                    return Ok(());
                }
            }
            let changed = tokio::time::timeout(patience, tally.changed()).await;
            let counts = self.notes.tally.borrow().counts;
            changed.with_context(|| {
                format!(
                    "not all of {pods} pods are {milestone:?}, and nothing has happened for {} s; milestones in order were passed by {counts:?}",
                    patience.as_secs()
                )
            })??;
        }
    }

    /// When the last pod passed a milestone, since the observer began.
    pub fn latest(&self, milestone: Milestone) -> Duration {
        self.notes.tally.borrow().latest.get(milestone as usize).copied().unwrap_or_default()
    }

    /// Time since the observer began.
    pub fn now(&self) -> Duration {
        self.notes.began.elapsed()
    }

    /// All pods that were seen.
    pub fn lives(&self) -> Vec<Life> {
        self.notes.lives().values().copied().collect()
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Notes {
    fn read(&self, side: Side, line: &[u8]) -> Result<()> {
        let at = self.began.elapsed();
        let event: Event<'_> = serde_json::from_slice(line).context("an event cannot be read")?;
        if event.kind == "ERROR" {
            bail!("the API server ended a watch: {}", String::from_utf8_lossy(line).trim());
        }
        self.mark_at(&event.object.key(), &event.milestones(side), at);
        Ok(())
    }

    fn mark_at(&self, key: &str, milestones: &[Milestone], at: Duration) {
        let mut lives = self.lives();
        if !lives.contains_key(key) {
            lives.insert(key.to_owned(), Life::default());
        }
        let Some(life) = lives.get_mut(key) else { return };
        self.tally.send_if_modified(|tally| {
            let mut news = false;
            for milestone in milestones {
                if !life.mark(*milestone, at) {
                    continue;
                }
                news = true;
                if let Some(count) = tally.counts.get_mut(*milestone as usize) {
                    *count += 1;
                }
                if let Some(latest) = tally.latest.get_mut(*milestone as usize) {
                    *latest = at.max(*latest);
                }
            }
            news
        });
    }

    fn lives(&self) -> std::sync::MutexGuard<'_, HashMap<String, Life>> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    object: Pod<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Pod<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow)]
    spec: Spec<'a>,
    #[serde(borrow)]
    status: Status<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    namespace: Cow<'a, str>,
    #[serde(borrow)]
    annotations: Annotations<'a>,
    #[serde(borrow)]
    deletion_timestamp: Cow<'a, str>,
}

/// Whose twin a host pod is.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Annotations<'a> {
    #[serde(rename = "vcluster.loft.sh/object-name", borrow)]
    name: Cow<'a, str>,
    #[serde(rename = "vcluster.loft.sh/object-namespace", borrow)]
    namespace: Cow<'a, str>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Spec<'a> {
    #[serde(borrow)]
    node_name: Cow<'a, str>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status<'a> {
    #[serde(borrow)]
    phase: Cow<'a, str>,
}

impl Pod<'_> {
    /// The key of the pod that the client created.
    fn key(&self) -> String {
        let Metadata { name, namespace, annotations, .. } = &self.metadata;
        if annotations.name.is_empty() {
            format!("{namespace}/{name}")
        } else {
            format!("{}/{}", annotations.namespace, annotations.name)
        }
    }
}

impl Event<'_> {
    /// What an event tells.
    fn milestones(&self, side: Side) -> Vec<Milestone> {
        let pick = |inside, host| if side == Side::Inside { inside } else { host };
        let mut told = vec![pick(Milestone::InsideSeen, Milestone::HostSeen)];
        if self.kind == "DELETED" {
            told.push(pick(Milestone::InsideGone, Milestone::HostGone));
            return told;
        }
        if !self.object.spec.node_name.is_empty() {
            told.push(pick(Milestone::InsideBound, Milestone::HostBound));
        }
        if self.object.status.phase == "Running" {
            told.push(pick(Milestone::InsideRunning, Milestone::HostRunning));
        }
        if side == Side::Host && !self.object.metadata.deletion_timestamp.is_empty() {
            told.push(Milestone::HostLeaving);
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes() -> Notes {
        Notes { began: Instant::now(), lives: Mutex::default(), tally: watch::Sender::default() }
    }

    #[test]
    fn both_sides_tell_of_the_same_pod() {
        let notes = notes();
        let inside = br#"{"type":"ADDED","object":{"metadata":{"name":"p1","namespace":"a"},"spec":{},"status":{"phase":"Pending"}}}"#;
        let host = br#"{"type":"MODIFIED","object":{"metadata":{"name":"p1-x-a-x-vc","namespace":"h","annotations":{"vcluster.loft.sh/object-name":"p1","vcluster.loft.sh/object-namespace":"a","x":"y"}},"spec":{"nodeName":"n"},"status":{"phase":"Running"}}}"#;
        notes.read(Side::Inside, inside).unwrap();
        notes.read(Side::Host, host).unwrap();
        notes.read(Side::Host, host).unwrap();
        let lives = notes.lives();
        let life = lives.get("a/p1").unwrap();
        assert_eq!(lives.len(), 1);
        for milestone in [
            Milestone::InsideSeen,
            Milestone::HostSeen,
            Milestone::HostBound,
            Milestone::HostRunning,
        ] {
            assert!(life.at(milestone).is_some(), "{milestone:?}");
            assert_eq!(notes.tally.borrow().counts[milestone as usize], 1);
        }
        assert!(life.at(Milestone::InsideBound).is_none());
    }

    #[test]
    fn a_watch_that_ends_with_an_error_is_no_event() {
        let error = br#"{"type":"ERROR","object":{"kind":"Status","metadata":{},"status":"Failure","code":410}}"#;
        assert!(notes().read(Side::Host, error).is_err());
    }
}
