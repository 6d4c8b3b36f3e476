//! What `/livez` and `/readyz` say: named checks that their owners keep up to date.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::Notify;

/// The checks of this process. Clones share them.
#[derive(Clone, Default)]
pub struct Health {
    checks: Arc<Mutex<BTreeMap<&'static str, Entry>>>,
    changed: Arc<Notify>,
}

/// What a failing check means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Gate {
    /// Only a restart helps: `/livez` fails.
    Live,
    /// Not now, it may come back: `/readyz` fails.
    Ready,
    /// Something does not work that the rest can live without: shown, fails nothing.
    Notice,
}

struct Entry {
    gate: Gate,
    failing: Option<String>,
    since: Instant,
    /// It was ok once, or it is known that it will not be.
    settled: bool,
}

/// One check; its owner says how things are.
#[derive(Clone)]
pub struct Check {
    name: &'static str,
    health: Health,
}

impl Health {
    /// Adds a check (or takes over the one of that name). A `Ready` check fails until its owner says `ok`; the others
    /// are fine until told otherwise. `name` is short, lower-case, with dashes: `virtual-api`.
    pub fn register(&self, name: &'static str, gate: Gate) -> Check {
        let failing = (gate == Gate::Ready).then(|| "not checked yet".to_owned());
        self.lock().insert(name, Entry { gate, failing, since: Instant::now(), settled: false });
        Check { name, health: self.clone() }
    }

    /// What `/livez` says.
    pub fn live(&self) -> Report {
        self.report(|gate| gate == Gate::Live)
    }

    /// What `/readyz` says.
    pub fn ready(&self) -> Report {
        self.report(|_| true)
    }

    /// What `/startedz` says: passes as soon as `/readyz` has, and goes on to. With several replicas this is what makes a
    /// pod ready: its API server is to be reached whatever becomes of the syncer later.
    pub fn started(&self) -> Report {
        let ok = self.lock().values().all(|entry| entry.gate != Gate::Ready || entry.settled);
        Report { ok, ..self.ready() }
    }

    /// What `report` says as soon as it passes, or at the end of `hold`. A kubelet asks once a second at most; held, its
    /// question is there when the answer comes.
    pub async fn held(&self, hold: Duration, report: impl Fn(&Health) -> Report) -> Report {
        let passes = async {
            loop {
                let changed = self.changed.notified();
                let report = report(self);
                if report.ok {
                    return report;
                }
                changed.await;
            }
        };
        let passed = tokio::time::timeout(hold, passes).await;
        passed.unwrap_or_else(|_still_failing| report(self))
    }

    fn report(&self, wanted: impl Fn(Gate) -> bool) -> Report {
        let checks: Vec<Line> = self
            .lock()
            .iter()
            .filter(|(_, entry)| wanted(entry.gate))
            .map(|(name, entry)| Line {
                name,
                gate: entry.gate,
                ok: entry.failing.is_none(),
                reason: entry.failing.clone(),
                since: entry.since.elapsed(),
            })
            .collect();
        let ok = checks.iter().all(|line| line.ok || line.gate == Gate::Notice);
        Report { ok, checks }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Entry>> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Check {
    /// All is well.
    pub fn ok(&self) {
        self.put(None);
        self.settle();
    }

    /// It is not, and will not be before someone decides: nothing to wait for at start.
    pub fn failing_for_good(&self, reason: impl Into<String>) {
        self.failing(reason);
        self.settle();
    }

    /// It is not, and why: what is missing and, when there is one, the command that helps. Never secret data.
    pub fn failing(&self, reason: impl Into<String>) {
        self.put(Some(reason.into()));
    }

    fn settle(&self) {
        if let Some(entry) = self.health.lock().get_mut(self.name) {
            entry.settled = true;
        }
        self.health.changed.notify_waiters();
    }

    fn put(&self, failing: Option<String>) {
        let mut checks = self.health.lock();
        let Some(entry) = checks.get_mut(self.name) else { return };
        if entry.failing.is_some() != failing.is_some() {
            entry.since = Instant::now();
        }
        entry.failing = failing;
        drop(checks);
        self.health.changed.notify_waiters();
    }
}

/// The state of some checks at one moment. `Display` is the text form, one check a line.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Whether the probe passes.
    pub ok: bool,
    /// By name.
    pub checks: Vec<Line>,
}

/// One check in a [`Report`].
#[derive(Debug, Serialize)]
pub struct Line {
    /// Its name.
    pub name: &'static str,
    /// What its failing means.
    pub gate: Gate,
    /// Whether it passes.
    pub ok: bool,
    /// Why it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// For how long it has been passing or failing, in seconds.
    #[serde(rename = "forSeconds", serialize_with = "whole_seconds")]
    pub since: Duration,
}

fn whole_seconds<S: serde::Serializer>(since: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(since.as_secs())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.checks {
            match (&line.reason, line.gate) {
                (None, _) => writeln!(f, "[+]{} ok", line.name)?,
                (Some(reason), Gate::Notice) => writeln!(f, "[!]{}: {reason}", line.name)?,
                (Some(reason), _) => {
                    writeln!(f, "[-]{} (for {}s): {reason}", line.name, line.since.as_secs())?;
                }
            }
        }
        f.write_str(if self.ok { "ok\n" } else { "failed\n" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_readiness_check_fails_until_its_owner_says_ok() {
        let health = Health::default();
        let api = health.register("virtual-api", Gate::Ready);
        assert!(!health.ready().ok);
        assert!(health.live().ok, "readiness is no reason to restart");
        api.ok();
        assert_eq!(health.ready().to_string(), "[+]virtual-api ok\nok\n");
    }

    #[test]
    fn reasons_are_told_and_notices_fail_nothing() {
        let health = Health::default();
        health.register("store", Gate::Ready).failing("read-only: the store was rolled back");
        health.register("kubelet-path", Gate::Notice).failing("no answer from 10.96.0.9:10250");
        let report = health.ready();
        assert_eq!(
            report.to_string(),
            "[!]kubelet-path: no answer from 10.96.0.9:10250\n\
             [-]store (for 0s): read-only: the store was rolled back\nfailed\n"
        );
        health.register("store", Gate::Ready).ok();
        assert!(health.ready().ok);
    }

    #[tokio::test(start_paused = true)]
    async fn a_held_answer_comes_when_the_checks_pass_or_its_time_is_up() {
        let health = Health::default();
        let api = health.register("virtual-api", Gate::Ready);
        let hold = Duration::from_millis(900);
        assert!(!health.held(hold, Health::ready).await.ok);
        let asked = tokio::time::Instant::now();
        let passing = async {
            tokio::time::sleep(hold / 3).await;
            api.ok();
        };
        let (report, ()) = tokio::join!(health.held(hold, Health::ready), passing);
        assert!(report.ok);
        assert_eq!(asked.elapsed(), hold / 3);
    }

    #[test]
    fn who_has_started_stays_so_and_a_verdict_is_an_end_of_starting() {
        let health = Health::default();
        let api = health.register("virtual-api", Gate::Ready);
        let store = health.register("store", Gate::Ready);
        api.ok();
        assert!(!health.started().ok, "nobody has judged the store");
        store.failing_for_good("read-only: the store was rolled back");
        api.failing("connection refused");
        assert!(health.started().ok && !health.ready().ok);
        assert!(health.started().to_string().contains("[-]virtual-api"), "it says all the same");
    }
}
