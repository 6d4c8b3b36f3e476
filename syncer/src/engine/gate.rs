//! Design D6: the syncer writes only while the virtual store is the one whose objects it mirrored, and not an older
//! state of it. Otherwise everything that the store has forgotten would look deleted.

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
    reason: Mutex<Option<String>>,
    check: Check,
}

impl Gate {
    /// Closed until the first lists are in.
    pub fn new(check: Check) -> Gate {
        Gate { open: AtomicBool::new(false), reason: Mutex::default(), check }
    }

    /// Whether writing is safe.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Why the gate was closed for good.
    pub fn reason(&self) -> Option<String> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Opens, unless there is a reason not to.
    pub fn open(&self) {
        if self.reason().is_none() {
            self.open.store(true, Ordering::Release);
        }
    }

    /// What was found at start has been dealt with, unless the gate was closed meanwhile.
    pub fn ready(&self) {
        if self.is_open() {
            self.check.ok();
        }
    }

    /// Closes for good: a human decides.
    pub fn close(&self, reason: String) {
        tracing::error!(%reason, "read-only: nothing is written until someone decides");
        self.open.store(false, Ordering::Release);
        self.check.failing(format!("read-only: {reason}"));
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }
}

impl Shared {
    /// Judges a fresh list of a virtual resource before it is taken in.
    ///
    /// # Errors
    /// When the store's identity cannot be read; the list must then not be taken in.
    pub async fn gate_list(&self, side: Side, version: &str) -> Result<(), ApiError> {
        if side == Side::Host || self.gate.reason().is_some() {
            return Ok(());
        }
        self.host_listed().await;
        let store = self.virt.get(&NAMESPACES, &Key::cluster("kube-system")).await?;
        let store = store.as_ref().map(Object::uid).unwrap_or_default().to_owned();
        let service = {
            let state = self.state();
            Key::new(&state.settings.host_namespace, &state.settings.name)
        };
        let service = self.host.get(&SERVICES, &service).await?;
        let noted = service
            .as_ref()
            .and_then(|service| service.annotation(labels::STORE_UID))
            .map(str::to_owned);
        let highest = self.state().highest_noted;
        match (noted, store.as_str(), service) {
            // The API server makes kube-system a moment after it starts to serve.
            (_, "", _) => return Err(ApiError::Transport("namespace kube-system does not exist yet".into())),
            (None, store, Some(service)) => {
                let body = serde_json::json!({"metadata": {"annotations": {labels::STORE_UID: store}}});
                let op = Op::patch_host(&SERVICES, &vcluster_syncer_core::Host(service), body);
                apply::carry_out(self, &op).await?;
            }
            (Some(noted), store, _) if noted != store => self.gate.close(format!(
                "the virtual cluster's store is another one (kube-system has UID {store}, host objects belong to {noted})"
            )),
            _ => {}
        }
        if version.parse::<u64>().is_ok_and(|version| version < highest) {
            self.gate.close(format!(
                "the virtual cluster's store is older than its host objects (version {version}, they note {highest})"
            ));
        }
        Ok(())
    }
}
