//! Asks the virtual API server who holds a token and what a user may do. Good answers are remembered for a short while;
//! bad ones are asked again, since a right may just have been given.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::{Api, PostParams};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::access::Right;
use super::identity::User;

/// A revoked token or right works for this long at most.
const REMEMBER: Duration = Duration::from_secs(10);
/// Anybody on the host's network may send tokens: this many are asked about at a time.
const ASKING: usize = 16;
/// Including the wait for a turn.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const CACHED: usize = 1024;

/// Why nothing could be found out.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReviewError {
    #[error("the virtual API server did not answer within {ANSWER_WITHIN:?}")]
    Slow,
    #[error("the virtual API server could not be asked")]
    Failed(#[from] kube::Error),
}

/// Answers of the virtual API server.
pub(super) struct Reviews {
    inside: kube::Client,
    turns: Semaphore,
    users: Cache<Arc<User>>,
    rights: Cache<()>,
}

impl Reviews {
    pub(super) fn new(inside: kube::Client) -> Self {
        Reviews {
            inside,
            turns: Semaphore::new(ASKING),
            users: Cache::default(),
            rights: Cache::default(),
        }
    }

    /// Whose token this is; None when it is nobody's.
    pub(super) async fn holder(&self, token: &str) -> Result<Option<Arc<User>>, ReviewError> {
        let key: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(user) = self.users.get(&key) {
            return Ok(Some(user));
        }
        let review = TokenReview {
            spec: TokenReviewSpec { token: token.to_owned(), audiences: None },
            ..TokenReview::default()
        };
        let status = self.ask(review).await?.status.unwrap_or_default();
        let Some(info) = status.user.filter(|_| status.authenticated == Some(true)) else {
            return Ok(None);
        };
        let user = Arc::new(User {
            name: info.username.unwrap_or_default(),
            uid: info.uid,
            groups: info.groups.unwrap_or_default(),
            extra: info.extra.unwrap_or_default(),
        });
        self.users.put(key, Arc::clone(&user));
        Ok(Some(user))
    }

    /// Whether `user` may do `right` on `node`.
    pub(super) async fn allows(
        &self,
        user: &User,
        right: Right,
        node: &str,
    ) -> Result<bool, ReviewError> {
        let mut hash = Sha256::new_with_prefix(user.fingerprint());
        hash.update(format!("{} {} {node}", right.verb, right.subresource));
        let key: [u8; 32] = hash.finalize().into();
        if self.rights.get(&key).is_some() {
            return Ok(true);
        }
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(user.name.clone()),
                uid: user.uid.clone(),
                groups: Some(user.groups.clone()),
                extra: (!user.extra.is_empty()).then(|| user.extra.clone()),
                resource_attributes: Some(ResourceAttributes {
                    verb: Some(right.verb.to_owned()),
                    version: Some("v1".to_owned()),
                    resource: Some("nodes".to_owned()),
                    subresource: Some(right.subresource.to_owned()),
                    name: Some(node.to_owned()),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let status = self.ask(review).await?.status.unwrap_or_default();
        let allowed = status.allowed && status.denied != Some(true);
        if allowed {
            self.rights.put(key, ());
        }
        Ok(allowed)
    }

    async fn ask<K>(&self, review: K) -> Result<K, ReviewError>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::ClusterResourceScope>
            + serde::Serialize
            + serde::de::DeserializeOwned
            + Clone
            + std::fmt::Debug,
    {
        let asking = async {
            let _turn = self.turns.acquire().await;
            Api::<K>::all(self.inside.clone()).create(&PostParams::default(), &review).await
        };
        match tokio::time::timeout(ANSWER_WITHIN, asking).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(ReviewError::Slow),
        }
    }
}

/// Remembers for [`REMEMBER`]. Keys are hashes: no token lies about in memory.
struct Cache<V>(Mutex<HashMap<[u8; 32], (Instant, V)>>);

impl<V> Default for Cache<V> {
    fn default() -> Self {
        Cache(Mutex::default())
    }
}

impl<V: Clone> Cache<V> {
    fn get(&self, key: &[u8; 32]) -> Option<V> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, value) = entries.get(key)?;
        (since.elapsed() < REMEMBER).then(|| value.clone())
    }

    fn put(&self, key: [u8; 32], value: V) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, (since, _)| since.elapsed() < REMEMBER);
        if entries.len() < CACHED {
            entries.insert(key, (Instant::now(), value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn answers_are_forgotten_after_a_while() {
        let cache = Cache::default();
        cache.put([1; 32], "a");
        assert_eq!(cache.get(&[1; 32]), Some("a"));
        assert_eq!(cache.get(&[2; 32]), None);
        tokio::time::advance(REMEMBER).await;
        assert_eq!(cache.get(&[1; 32]), None);
        cache.put([2; 32], "b");
        assert_eq!(cache.0.lock().unwrap().len(), 1, "the old one was dropped");
    }

    #[tokio::test]
    async fn the_cache_is_bounded() {
        let cache = Cache::default();
        for number in 0..=u16::try_from(CACHED).unwrap() {
            let mut key = [0; 32];
            key[..2].copy_from_slice(&number.to_le_bytes());
            cache.put(key, ());
        }
        assert_eq!(cache.0.lock().unwrap().len(), CACHED);
    }
}
