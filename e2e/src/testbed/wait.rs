//! Waits for conditions.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often a condition is looked at.
const PERIOD: Duration = Duration::from_millis(50);

/// Waits until `ready` says true.
///
/// # Errors
/// When `limit` passes first (with the last error of `ready`, if any), naming `what` was waited for.
pub async fn until<F: Future<Output = Result<bool>>>(
    what: &str,
    limit: Duration,
    mut ready: impl FnMut() -> F,
) -> Result<()> {
    let began = Instant::now();
    loop {
        let last = ready().await;
        if matches!(last, Ok(true)) {
            return Ok(());
        }
        if began.elapsed() > limit {
            match last {
                Err(error) => {
                    return Err(
                        error.context(format!("{what} is not ready after {} s", limit.as_secs()))
                    );
                }
                Ok(_) => bail!("{what} is not ready after {} s", limit.as_secs()),
            }
        }
        tokio::time::sleep(PERIOD).await;
    }
}
