//! Design D6: the syncer writes only while the virtual store is the one whose objects it mirrored, and not an older
//! state of it. Otherwise everything that the store has forgotten would look deleted. Once it is not, someone decides:
//! `vcluster adopt` and `vcluster prune` set the host objects right, note the store that there is now, and leave their
//! decision on host Service `NAME`. Then everything is listed and judged afresh, as at start.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use vcluster_syncer_core::resource::{NAMESPACES, SERVICES};
use vcluster_syncer_core::{Key, Object, Op, Side, labels};

use super::Shared;
use super::api::ApiError;
use super::apply;
use crate::admin::Check;

/// Open while writing is safe.
pub struct Gate {
    open: AtomicBool,
    closed: Mutex<Option<Closed>>,
    check: Check,
    /// Held while a list is judged: the lists of all kinds come at once, and each may want to note what it found.
    judging: tokio::sync::Mutex<()>,
}

/// Why it was closed.
struct Closed {
    reason: String,
    /// Nothing: for good.
    until: Option<Until>,
}

/// A decision opens it.
struct Until {
    /// It holds for this round; in the next one the store is judged again.
    round: u64,
    /// The decision that was noted already: only another one counts.
    decided: Option<String>,
}

impl Gate {
    /// Closed until the first lists are in.
    pub fn new(check: Check) -> Gate {
        let judging = tokio::sync::Mutex::default();
        Gate { open: AtomicBool::new(false), closed: Mutex::default(), check, judging }
    }

    /// Whether writing is safe.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Why the gate was closed.
    pub fn reason(&self) -> Option<String> {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        closed.as_ref().map(|closed| closed.reason.clone())
    }

    /// Whether it was closed in this round, or for good.
    fn is_closed_in(&self, round: u64) -> bool {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        let until = closed.as_ref().map(|closed| closed.until.as_ref());
        until.is_some_and(|until| until.is_none_or(|until| until.round == round))
    }

    /// Opens, unless there is a reason not to in this round.
    pub fn open(&self, round: u64) {
        if !self.is_closed_in(round) {
            *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = None;
            self.open.store(true, Ordering::Release);
        }
    }

    /// What was found at start has been dealt with, unless the gate was closed meanwhile.
    pub fn ready(&self) {
        if self.is_open() {
            self.check.ok();
        }
    }

    /// Closes for good.
    pub fn close(&self, reason: String) {
        self.shut(Closed { reason, until: None });
    }

    fn shut(&self, closed: Closed) {
        tracing::error!(reason = closed.reason, "read-only: nothing is written");
        self.open.store(false, Ordering::Release);
        self.check.failing_for_good(format!("read-only: {}", closed.reason));
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = Some(closed);
    }

    /// Whether a decision overrules what closed it.
    fn is_overruled_by(&self, decision: Option<&str>) -> bool {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        let until = closed.as_ref().and_then(|closed| closed.until.as_ref());
        decision.is_some() && until.is_some_and(|until| until.decided.as_deref() != decision)
    }
}

impl Shared {
    /// The highest virtual version that host objects note, to be asked for before a virtual resource is listed: while
    /// it is, this replica or another one may note higher ones.
    pub async fn noted_before(&self, side: Side) -> u64 {
        if side == Side::Host {
            return 0;
        }
        self.host_listed().await;
        self.state().highest_noted
    }

    /// Judges a fresh list of a virtual resource before it is taken in; `noted` is the highest version that host objects
    /// noted before it was asked for.
    ///
    /// # Errors
    /// When the store's identity cannot be read; the list must then not be taken in.
    pub async fn gate_list(
        &self,
        side: Side,
        version: &str,
        noted: u64,
        round: u64,
    ) -> Result<(), ApiError> {
        if side == Side::Host || self.gate.is_closed_in(round) {
            return Ok(());
        }
        loop {
            let (store, service) = self.identities().await?;
            // One at a time: what one list makes of the store holds for the others.
            let _turn = self.gate.judging.lock().await;
            if self.gate.is_closed_in(round) {
                return Ok(());
            }
            match self.judge(&store, service.as_ref(), version, noted, round).await {
                // Another list noted something since the Service was read.
                Err(error) if error.code() == 409 => {}
                judged => return judged,
            }
        }
    }

    /// The UID of the store's kube-system, and host Service `NAME` with what is noted there.
    async fn identities(&self) -> Result<(String, Option<Object>), ApiError> {
        let (kube_system, own) = (Key::cluster("kube-system"), self.own_service());
        let (store, service) = tokio::join!(
            apply::reread(self, Side::Virtual, &NAMESPACES, &kube_system),
            apply::reread(self, Side::Host, &SERVICES, &own),
        );
        Ok((store?.as_ref().map(Object::uid).unwrap_or_default().to_owned(), service?))
    }

    async fn judge(
        &self,
        store: &str,
        service: Option<&Object>,
        version: &str,
        noted: u64,
        round: u64,
    ) -> Result<(), ApiError> {
        let note = |key| service.and_then(|service| service.annotation(key)).map(str::to_owned);
        let (noted_store, decision) = (note(labels::STORE_UID), note(labels::STORE_DECISION));
        let before = note(labels::READ_ONLY);
        let older = || match version.parse::<u64>() {
            Ok(at) if at < noted => Some(format!(
                "the virtual cluster's store is older than its host objects (version {version}, they note {noted})"
            )),
            _ => self.reached.went_back_in(round),
        };
        let found = match (noted_store, store, service) {
            // The API server makes kube-system a moment after it starts to serve.
            (_, "", _) => {
                let reason = "namespace kube-system does not exist yet";
                return Err(ApiError::Transport(reason.into()));
            }
            (None, store, Some(service)) => {
                self.annotate(service, labels::STORE_UID, store).await?;
                older()
            }
            (Some(former), store, _) if former != store => Some(format!(
                "the virtual cluster's store is another one (kube-system has UID {store}, host objects belong to {former})"
            )),
            _ => older(),
        };
        let found = found.map(|reason| {
            format!(
                "{reason}; `vcluster adopt` keeps what is on the host, `vcluster prune` deletes what has no virtual object"
            )
        });
        let reason = before.clone().or(found);
        // What was looked at before a decision says nothing about what is there after it.
        let Some(reason) = reason.filter(|_| round == self.round()) else { return Ok(()) };
        self.gate.shut(Closed {
            reason: reason.clone(),
            until: Some(Until { round, decided: decision.clone() }),
        });
        if before.is_none()
            && let Err(error) = self.note_read_only(&reason, decision.as_deref()).await
        {
            tracing::warn!(%error, "a restart may forget that nothing is to be written");
        }
        Ok(())
    }

    /// Notes that nothing is written, so that a restart knows, unless someone has decided meanwhile.
    async fn note_read_only(&self, reason: &str, decided: Option<&str>) -> Result<(), ApiError> {
        loop {
            let Some(service) =
                apply::reread(self, Side::Host, &SERVICES, &self.own_service()).await?
            else {
                return Ok(());
            };
            let note = |key| service.annotation(key);
            if note(labels::READ_ONLY).is_some() || note(labels::STORE_DECISION) != decided {
                return Ok(());
            }
            match self.annotate(&service, labels::READ_ONLY, reason).await {
                Err(error) if error.code() == 409 => {}
                noted => return noted,
            }
        }
    }

    /// Notes something on host Service `NAME`, if it still is as it was read.
    async fn annotate(&self, service: &Object, key: &str, value: &str) -> Result<(), ApiError> {
        let body = vcluster_syncer_core::json::json!({"metadata": {"annotations": {key: value}}});
        let version = service.resource_version().to_owned();
        let service = vcluster_syncer_core::Host(service.clone());
        let op = Op::patch_host(&SERVICES, &service, body).at_version(&version);
        apply::carry_out(self, &op, None).await
    }

    /// Returns once someone has decided about a store that is another one, or an older one.
    pub async fn decided(&self) {
        let mut changes = self.changes.subscribe();
        loop {
            let decision = {
                let state = self.state();
                let service = state
                    .store(Side::Host, &SERVICES)
                    .and_then(|store| store.get(&state.settings.api_service()));
                service.and_then(|it| it.annotation(labels::STORE_DECISION).map(str::to_owned))
            };
            // The sender lives as long as we do.
            if self.gate.is_overruled_by(decision.as_deref()) || changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn own_service(&self) -> Key {
        self.state().settings.api_service().0
    }
}
