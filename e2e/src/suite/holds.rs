//! Waits for what must become true, and watches over what must stay true.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// How long a thing may take that has no reason to take long. Generous: two cores serve it all.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Time between the first two looks; each later one takes a little longer to come, up to [`SLOWEST`].
const PERIOD: Duration = Duration::from_millis(100);
/// The longest time between two looks: looking is work too.
const SLOWEST: Duration = Duration::from_secs(1);

/// Waits until `check` succeeds, and returns what it found. Its errors say why it is not so yet.
///
/// # Errors
/// After [`PATIENCE`], with the last error of `check`.
pub async fn holds<T, F>(what: &str, check: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    holds_within(PATIENCE, what, check).await
}

/// As [`holds`], with a limit of its own.
///
/// # Errors
/// After `limit`, with the last error of `check`.
pub async fn holds_within<T, F>(
    limit: Duration,
    what: &str,
    mut check: impl FnMut() -> F,
) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let began = Instant::now();
    let mut period = PERIOD;
    loop {
        match check().await {
            Ok(found) => return Ok(found),
            Err(error) if began.elapsed() > limit => {
                return Err(error).with_context(|| {
                    format!("it did not come true within {} s that {what}", limit.as_secs())
                });
            }
            Err(_) => tokio::time::sleep(period).await,
        }
        period = (period * 6 / 5).min(SLOWEST);
    }
}

/// Watches over `check` for as long as `duration`.
///
/// # Errors
/// As soon as `check` fails.
pub async fn stays<F>(duration: Duration, what: &str, mut check: impl FnMut() -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    let began = Instant::now();
    loop {
        check().await.with_context(|| {
            format!(
                "after {:.1} s it was no longer true that {what}",
                began.elapsed().as_secs_f64()
            )
        })?;
        if began.elapsed() > duration {
            return Ok(());
        }
        tokio::time::sleep(SLOWEST / 2).await;
    }
}
