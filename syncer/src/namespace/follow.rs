//! Follows objects for those who must know of them at once.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use tokio::sync::watch;
use vcluster_syncer_core::json::Value;

use super::{Denied, Namespace, Seen, Which};

/// Before a watch that ended is begun again; after a failure each time twice as long, up to the other one.
const AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(8)];

/// Objects of a list that are asked for at once.
const PAGE: usize = 50;

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
        let absence_tells = of(None).is_some();
        let mut pace = Pace::new();
        loop {
            pace.rest(self.follow_once(kind, name, &tell, absence_tells).await).await;
        }
    }

    /// Tells what `of` sees in each of the objects that a selector finds, by their names, now and whenever that changes, for as
    /// long as it runs. An object in which it sees nothing is left out.
    pub async fn follow_all<T: PartialEq>(
        &self,
        kind: &'static str,
        selector: &str,
        told: &watch::Sender<BTreeMap<String, T>>,
        of: impl Fn(&Value) -> Option<T>,
    ) {
        let mut pace = Pace::new();
        loop {
            pace.rest(self.follow_all_once(kind, selector, told, &of).await).await;
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
        let mut seen = pin!(self.watch(kind, Which::Named(name)).await?);
        // That it was gone before is no event; what happens after this look is one.
        if absence_tells && self.get(kind, name).await?.is_none() {
            tell(None);
        }
        while let Some(seen) = seen.next().await {
            match seen {
                Seen::There(object) => tell(Some(&object)),
                Seen::Gone(_) => tell(None),
            }
        }
        Ok(())
    }

    /// Until the host ends it.
    async fn follow_all_once<T: PartialEq>(
        &self,
        kind: &'static str,
        selector: &str,
        told: &watch::Sender<BTreeMap<String, T>>,
        of: impl Fn(&Value) -> Option<T>,
    ) -> Result<(), Denied> {
        let mut seen = pin!(self.watch(kind, Which::Labelled(selector)).await?);
        // As with one.
        let there: Vec<Value> = self.pages(kind, selector, PAGE).try_concat().await?;
        told.send_if_modified(|known| {
            let before = known.len();
            known.retain(|name, _| there.iter().any(|object| name_of(object) == name));
            known.len() != before
        });
        while let Some(seen) = seen.next().await {
            let (object, now) = match &seen {
                Seen::There(object) => (object, of(object)),
                Seen::Gone(object) => (object, None),
            };
            told.send_if_modified(|known| match now {
                Some(now) if known.get(name_of(object)) == Some(&now) => false,
                Some(now) => {
                    known.insert(name_of(object).to_owned(), now);
                    true
                }
                None => known.remove(name_of(object)).is_some(),
            });
        }
        Ok(())
    }
}

/// How soon a watch is begun again.
struct Pace(Duration);

impl Pace {
    fn new() -> Self {
        Pace(AGAIN[0])
    }

    /// Waits for as long as it takes after a watch that ended like this.
    async fn rest(&mut self, ended: Result<(), Denied>) {
        let [first, last] = AGAIN;
        match ended {
            Ok(()) => self.0 = first,
            Err(error) => {
                let error = anyhow::Error::from(error);
                tracing::warn!(error = format!("{error:#}"), "will try again");
                self.0 = (self.0 * 2).min(last);
            }
        }
        tokio::time::sleep(self.0).await;
    }
}

fn name_of(object: &Value) -> &str {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}
