//! What is read from a file that somebody else replaces: the kubelet renews tokens, `certs rotate-ca` authorities.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::AccessError;

/// How long what was read is used before the file is read again: at a use, not on a timer. The kubelet renews a token
/// when a fifth of its life is left, and none lives for less than ten minutes.
const FRESH: Duration = Duration::from_secs(60);

/// A file's content, as it is understood.
#[derive(Debug)]
pub struct Fresh<T> {
    path: PathBuf,
    held: Mutex<(T, Instant)>,
}

impl<T: Clone> Fresh<T> {
    /// Reads the file by `read`.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn read(
        path: &Path,
        read: impl FnOnce(&Path) -> Result<T, AccessError>,
    ) -> Result<Fresh<T>, AccessError> {
        Ok(Fresh { held: Mutex::new((read(path)?, Instant::now())), path: path.to_owned() })
    }

    /// What the file says, as of `now`. While it cannot be read, what it said before.
    pub fn get(&self, now: Instant, read: impl FnOnce(&Path) -> Result<T, AccessError>) -> T {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(held.1) >= FRESH {
            match read(&self.path) {
                Ok(fresh) => held.0 = fresh,
                Err(error) => tracing::warn!(%error, "what it said before is still used"),
            }
            held.1 = now;
        }
        held.0.clone()
    }
}
