//! A client that writes all the time and keeps book of what was acknowledged.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::json;
use tokio::sync::watch;

use super::holds::holds;
use super::kind;
use super::sample;
use super::space::{Space, text};
use super::virtual_cluster::VirtualCluster;

/// Between two writes.
const BEAT: Duration = Duration::from_millis(100);
/// What is changed with each write.
const COUNTER: &str = "counter";

/// What was acknowledged.
pub struct Ledger {
    space: Space,
    /// UIDs of what was made, by name.
    made: BTreeMap<String, String>,
    /// The last value of the counter.
    counted: u64,
    tried: u64,
    longest: Duration,
}

impl Ledger {
    /// Makes the namespace.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn open(cluster: &VirtualCluster) -> Result<Self> {
        let space = cluster.inside.create_namespace("ledger").await?;
        space.apply(&sample::config_map(COUNTER, json!({ "value": "0" }))).await?;
        let made = BTreeMap::new();
        Ok(Self { space, made, counted: 0, tried: 0, longest: Duration::ZERO })
    }

    /// Goes on until told to stop. A write that fails, or whose answer is lost, is not in the book, and not repeated.
    pub async fn write(&mut self, mut stop: watch::Receiver<bool>) {
        let mut acknowledged = Instant::now();
        while !*stop.borrow() {
            self.tried += 1;
            let name = format!("entry-{}", self.tried);
            let entry = sample::config_map(&name, json!({ "number": self.tried.to_string() }));
            if let Ok(made) = self.space.create(&entry).await {
                self.made.insert(name, text(&made, "/metadata/uid").to_owned());
                self.longest = self.longest.max(acknowledged.elapsed());
                acknowledged = Instant::now();
            }
            let value = json!({ "data": { "value": self.tried.to_string() } });
            if self.space.patch(kind::CONFIG_MAPS, COUNTER, value).await.is_ok() {
                self.counted = self.tried;
            }
            tokio::select! {
                () = tokio::time::sleep(BEAT) => {}
                _ = stop.changed() => {}
            }
        }
    }

    /// Checks that all of it is there.
    ///
    /// # Errors
    /// With what is lost.
    pub async fn is_kept(&self) -> Result<()> {
        let found =
            holds("the book can be read", || self.space.list(kind::CONFIG_MAPS, "")).await?;
        let found: BTreeMap<&str, &str> = found
            .iter()
            .map(|entry| (text(entry, "/metadata/name"), text(entry, "/metadata/uid")))
            .collect();
        let lost: Vec<&String> = self
            .made
            .iter()
            .filter(|(name, uid)| found.get(name.as_str()) != Some(&uid.as_str()))
            .map(|(name, _)| name)
            .collect();
        ensure!(lost.is_empty(), "acknowledged writes are lost: {lost:?}");
        let counter = self.space.get(kind::CONFIG_MAPS, COUNTER).await?;
        let value: u64 = text(&counter, "/data/value").parse()?;
        // A later one may have been written without an answer.
        ensure!(
            value >= self.counted,
            "the counter is {value}, and {} was acknowledged",
            self.counted
        );
        Ok(())
    }

    /// How much was written, in one sentence.
    pub fn summary(&self) -> String {
        format!(
            "{} of {} writes were acknowledged, at most {:.1} s after the one before",
            self.made.len(),
            self.tried,
            self.longest.as_secs_f64()
        )
    }
}
