//! A virtual store that goes back while the syncer runs: it and its API server start again on an older copy.
//!
//! Nobody says so. An API server takes a watch from a version that its store has not reached yet, and drops what happens
//! until then. What the store forgot answers 404 like what was deleted. So before a watch goes on after a break, and
//! before an absence counts, the store's version is asked for (design D6).

use std::sync::atomic::{AtomicU64, Ordering};

use vcluster_syncer_core::{Key, Object, Resource, Side};

use super::Shared;
use super::api::ApiError;
use super::apply;
use super::watch::Source;

/// The highest version that a virtual list or watch brought since the last list.
#[derive(Default)]
pub struct Reached(AtomicU64);

impl Reached {
    /// A list says where the store is. What was reached before may have been another store's.
    pub fn listed(&self, version: &str) {
        self.0.store(version.parse().unwrap_or_default(), Ordering::Relaxed);
    }

    /// A watch brought this version.
    pub fn watched(&self, version: &str) {
        self.0.fetch_max(version.parse().unwrap_or_default(), Ordering::Relaxed);
    }

    fn version(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Shared {
    /// Whether a watch may go on from a version after a break.
    ///
    /// # Errors
    /// When the API server does not say where its store is.
    pub async fn goes_on_from(&self, source: &Source, version: &str) -> Result<bool, ApiError> {
        if source.side == Side::Host {
            return Ok(true);
        }
        let now = self.api(source.side).version_of(source.kind, &source.namespace).await?;
        Ok(!is_below(&now, version))
    }

    /// Reads an object past the cache. That a virtual one is not there counts only in the store whose objects are
    /// mirrored, and not in an older state of it.
    ///
    /// # Errors
    /// What the API server says; and that the store cannot be trusted: its watches find out why.
    pub async fn reread(
        &self,
        side: Side,
        kind: &'static Resource,
        key: &Key,
    ) -> Result<Option<Object>, ApiError> {
        let found = apply::reread(self, side, kind, key).await?;
        if side == Side::Virtual && found.is_none() {
            // Before it is asked where it is: meanwhile it goes on.
            let (noted, reached, round) =
                (self.state().highest_noted, self.reached.version(), self.round());
            let now = self.api(side).version_of(kind, key.namespace()).await?;
            self.gate_list(side, &now, noted, round).await?;
            if !self.gate.is_open() || is_below(&now, &reached.to_string()) {
                let reason = format!("the virtual store went back to version {now}");
                return Err(ApiError::Transport(reason));
            }
        }
        Ok(found)
    }
}

/// Whether a store at version `now` has not reached `version`.
pub fn is_below(now: &str, version: &str) -> bool {
    matches!((now.parse::<u64>(), version.parse::<u64>()), (Ok(now), Ok(version)) if now < version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_went_back_is_told_by_its_version() {
        let reached = Reached::default();
        assert_eq!(reached.version(), 0);
        reached.listed("100");
        reached.watched("120");
        reached.watched("110");
        assert_eq!(reached.version(), 120);
        reached.listed("50");
        assert_eq!(reached.version(), 50);
        assert!(!is_below("120", "120") && !is_below("no number", "120"));
        assert!(is_below("9", "10") && !is_below("10", "10") && !is_below("", "10"));
    }
}
