//! Waits for what is timed: looks more often than the rest of this crate does.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// Time between two looks: what is timed by them takes seconds.
const PERIOD: Duration = Duration::from_millis(25);

/// Waits until `look` succeeds, and returns what it found. Its errors say why it is not so yet.
///
/// # Errors
/// After `limit`, with the last error of `look`.
pub async fn soon<T, F>(what: &str, limit: Duration, mut look: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let began = Instant::now();
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(error) if began.elapsed() > limit => {
                return Err(error)
                    .with_context(|| format!("{what} is not there after {} s", limit.as_secs()));
            }
            Err(_) => tokio::time::sleep(PERIOD).await,
        }
    }
}
