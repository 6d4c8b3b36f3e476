//! The token of a ServiceAccount, which the kubelet renews in its file.

use std::path::Path;
use std::time::Instant;

use http::HeaderValue;

use super::fresh::Fresh;
use super::{AccessError, read};

/// The token and its file.
pub struct Bearer(Fresh<HeaderValue>);

impl Bearer {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, or holds what no HTTP header can carry.
    pub fn read(path: &Path) -> Result<Bearer, AccessError> {
        Fresh::read(path, header).map(Bearer)
    }

    /// The header `Authorization` of a request that is sent now.
    pub fn header(&self) -> HeaderValue {
        self.header_at(Instant::now())
    }

    fn header_at(&self, now: Instant) -> HeaderValue {
        self.0.get(now, header)
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
    use std::time::Duration;

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
