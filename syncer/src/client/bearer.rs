//! The token of a ServiceAccount, which the kubelet renews in its file.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderValue;

use super::{AccessError, read};

/// How long a token is sent before its file is read again. The kubelet renews it when a fifth of its life is left, and
/// no token lives for less than ten minutes.
const FRESH: Duration = Duration::from_secs(60);

/// The token and its file.
pub struct Bearer {
    path: PathBuf,
    held: Mutex<(HeaderValue, Instant)>,
}

impl Bearer {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, or holds what no HTTP header can carry.
    pub fn read(path: &Path) -> Result<Bearer, AccessError> {
        Ok(Bearer { held: Mutex::new((header(path)?, Instant::now())), path: path.to_owned() })
    }

    /// The header `Authorization` of a request that is sent now. While the file cannot be read, the last token is sent.
    pub fn header(&self) -> HeaderValue {
        self.header_at(Instant::now())
    }

    fn header_at(&self, now: Instant) -> HeaderValue {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(held.1) >= FRESH {
            match header(&self.path) {
                Ok(fresh) => held.0 = fresh,
                Err(error) => tracing::warn!(%error, "the last token is still used"),
            }
            held.1 = now;
        }
        held.0.clone()
    }
}

fn header(path: &Path) -> Result<HeaderValue, AccessError> {
    let token = read(path)?;
    let mut header = HeaderValue::from_bytes(&[b"Bearer ", token.trim_ascii()].concat())
        .map_err(|_| AccessError::Token(path.to_owned()))?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewed_token_is_sent_and_a_lost_file_is_no_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        assert!(matches!(Bearer::read(&path), Err(AccessError::File { .. })));
        std::fs::write(&path, "one\n").unwrap();
        let bearer = Bearer::read(&path).unwrap();
        let start = Instant::now();
        let mut seconds = 0;
        let mut sent = |later: u64| {
            seconds += later;
            bearer.header_at(start + Duration::from_secs(seconds))
        };
        std::fs::write(&path, "two").unwrap();
        assert_eq!(sent(1), "Bearer one");
        assert_eq!(sent(60), "Bearer two");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(sent(61), "Bearer two");
        assert!(bearer.header().is_sensitive(), "no log shows it");
    }
}
