//! A virtual store that goes back while the syncer runs: it and its API server start again on an older copy.
//!
//! Nobody says so. An API server takes a watch from a version that its store has not reached yet, and drops what happens
//! until then. What the store forgot answers 404 like what was deleted. So before a watch goes on after a break, and
//! before an absence counts, the store's version is asked for (design D6), and whether it had, when it was as far as we have
//! seen it, what we saw last.

use std::sync::{Mutex, MutexGuard, PoisonError};

use vcluster_syncer_core::{Key, Object, Resource, Side};

use super::Shared;
use super::api::ApiError;
use super::apply;
use super::watch::Source;

/// How far virtual lists and watches have come.
#[derive(Default)]
pub struct Reached(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// The highest version that they brought since the last list.
    version: u64,
    newest: Option<Newest>,
    /// The round in which the store was found to have gone back, and what showed it.
    went_back: Option<(u64, String)>,
}

/// The newest object that a watch brought: a store with another past does not know it.
#[derive(Clone)]
struct Newest {
    version: u64,
    kind: &'static Resource,
    key: Key,
}

impl Reached {
    /// A list says where the store is. What was reached before may have been another store's.
    pub fn listed(&self, version: &str) {
        let (mut inner, version) = (self.inner(), number(version));
        inner.version = version;
        inner.newest = inner.newest.take().filter(|newest| newest.version <= version);
    }

    /// A watch brought this version, and with it maybe an object.
    pub fn watched(&self, version: &str, object: Option<(&'static Resource, Key)>) {
        let (mut inner, version) = (self.inner(), number(version));
        inner.version = inner.version.max(version);
        if let Some((kind, key)) = object
            && inner.newest.as_ref().is_none_or(|newest| newest.version < version)
        {
            inner.newest = Some(Newest { version, kind, key });
        }
    }

    /// Why the store cannot be the one that was mirrored, if that was found in this round.
    pub fn went_back_in(&self, round: u64) -> Option<String> {
        let inner = self.inner();
        inner.went_back.as_ref().filter(|(found, _)| *found == round).map(|(_, why)| why.clone())
    }

    fn went_back(&self, round: u64, newest: &Newest, now: &str) {
        let (kind, key, version) = (newest.kind, &newest.key, newest.version);
        let mut inner = self.inner();
        // It says nothing about the store that someone decides for.
        inner.newest = None;
        inner.went_back = Some((
            round,
            format!(
                "the virtual cluster's store went back and is now at version {now}: at version {version} it had no {kind} {key}, which was there"
            ),
        ));
    }

    fn version(&self) -> u64 {
        self.inner().version
    }

    fn newest(&self) -> Option<Newest> {
        self.inner().newest.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn number(version: &str) -> u64 {
    version.parse().unwrap_or_default()
}

impl Shared {
    /// Whether a watch may go on from a version after a break.
    ///
    /// # Errors
    /// When the API server does not say where its store is.
    pub async fn goes_on_from(
        &self,
        source: &Source,
        version: &str,
        round: u64,
    ) -> Result<bool, ApiError> {
        if source.side == Side::Host {
            return Ok(true);
        }
        let now = self.api(source.side).version_of(source.kind, &source.namespace).await?;
        Ok(!is_below(&now, version) && self.has_same_past(&now, round).await?)
    }

    /// Whether the store, now at this version, knows what was watched in it. One that was put back may have gone on so far
    /// meanwhile that its version alone tells nothing.
    async fn has_same_past(&self, now: &str, round: u64) -> Result<bool, ApiError> {
        // What a store further back had may be above its version now.
        let Some(newest) = self.reached.newest().filter(|newest| newest.version <= number(now))
        else {
            return Ok(true);
        };
        let had = self.api(Side::Virtual).had(newest.kind, &newest.key, newest.version).await?;
        if had == Some(false) {
            self.reached.went_back(round, &newest, now);
        }
        Ok(had != Some(false))
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
            let same = self.has_same_past(&now, round).await?;
            self.gate_list(side, &now, noted, round).await?;
            if !same || !self.gate.is_open() || is_below(&now, &reached.to_string()) {
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
    use vcluster_syncer_core::resource::PODS;

    use super::*;

    #[test]
    fn a_store_that_went_back_is_told_by_its_version() {
        let reached = Reached::default();
        assert_eq!(reached.version(), 0);
        reached.listed("100");
        reached.watched("120", None);
        reached.watched("110", None);
        assert_eq!(reached.version(), 120);
        reached.listed("50");
        assert_eq!(reached.version(), 50);
        assert!(!is_below("120", "120") && !is_below("no number", "120"));
        assert!(is_below("9", "10") && !is_below("10", "10") && !is_below("", "10"));
    }

    #[test]
    fn the_newest_object_is_asked_for() {
        let reached = Reached::default();
        let pod = |name: &str| Some((&PODS, Key::new("default", name)));
        let newest = || reached.newest().map(|newest| newest.key.name().to_owned());
        reached.watched("120", pod("b"));
        reached.watched("110", pod("a"));
        reached.watched("130", None);
        assert_eq!(newest().as_deref(), Some("b"));
        reached.listed("120");
        assert_eq!(newest().as_deref(), Some("b"));
        reached.listed("119");
        assert_eq!(newest(), None);
    }

    #[test]
    fn that_it_went_back_counts_until_someone_decides() {
        let reached = Reached::default();
        let newest = Newest { version: 7, kind: &PODS, key: Key::new("default", "a") };
        reached.watched("7", Some((&PODS, newest.key.clone())));
        reached.went_back(1, &newest, "9");
        assert!(reached.newest().is_none());
        assert!(reached.went_back_in(1).unwrap().contains("default/a"));
        assert_eq!(reached.went_back_in(2), None);
    }
}
