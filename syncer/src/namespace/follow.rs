//! Follows one object for those who must know of it at once.

use std::pin::pin;
use std::time::Duration;

use futures::StreamExt as _;
use serde_json::Value;
use tokio::sync::watch;

use super::{Denied, Namespace};

/// Before a watch that ended is begun again; after a failure each time twice as long, up to the other one.
const AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(8)];

impl Namespace {
    /// Tells what `of` sees in an object (none: it is not there), now and whenever that changes, for as long as it runs.
    /// Where `of` sees nothing, what was told stays.
    pub async fn follow<T: PartialEq>(
        &self,
        kind: &'static str,
        name: &str,
        told: &watch::Sender<T>,
        of: impl Fn(Option<&Value>) -> Option<T>,
    ) {
        let tell = |object: Option<&Value>| {
            if let Some(now) = of(object) {
                told.send_if_modified(|present| {
                    let news = *present != now;
                    *present = now;
                    news
                });
            }
        };
        let [first, last] = AGAIN;
        let mut pause = first;
        loop {
            match self.follow_once(kind, name, &tell, of(None).is_some()).await {
                Ok(()) => pause = first,
                Err(error) => {
                    let error = anyhow::Error::from(error);
                    tracing::warn!(error = format!("{error:#}"), "will try again");
                    pause = (pause * 2).min(last);
                }
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Until the host ends it.
    async fn follow_once(
        &self,
        kind: &'static str,
        name: &str,
        tell: impl Fn(Option<&Value>),
        absence_tells: bool,
    ) -> Result<(), Denied> {
        let mut events = pin!(self.watch(kind, name).await?);
        // That it was gone before is no event; what happens after this look is one.
        if absence_tells && self.get(kind, name).await?.is_none() {
            tell(None);
        }
        while let Some(object) = events.next().await {
            tell(object.as_ref());
        }
        Ok(())
    }
}
