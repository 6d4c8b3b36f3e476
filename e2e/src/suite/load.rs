//! A virtual cluster at work: something that must not be touched, and waves of things that come, change and go.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::holds::{holds, holds_within};
use super::kind;
use super::sample;
use super::space::{Space, text};
use super::virtual_cluster::VirtualCluster;

/// Time between two waves. A wave is four pods and as many other objects; this is as much as two cores carry.
const BEAT: Duration = Duration::from_secs(2);
/// How long a request is tried again, which is longer than any outage.
const OUTAGE: Duration = Duration::from_secs(240);
/// Waves that live at the same time.
const ALIVE: usize = 3;

/// What must stay as it is: pods, claims and data.
pub struct Steady {
    cluster: VirtualCluster,
    space: Space,
    before: BTreeMap<String, String>,
}

impl Steady {
    /// Deploys it and notes who is who on the host.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn settle(cluster: &VirtualCluster) -> Result<Self> {
        let space = cluster.inside.create_namespace("steady").await?;
        space.apply(&sample::config_map("settings", json!({ "a": "b" }))).await?;
        let env = json!({ "envFrom": [{ "configMapRef": { "name": "settings" } }] });
        let web = sample::deployment("web", 2, sample::with(sample::web(), "", env));
        space.apply(&web).await?;
        space.apply(&sample::service("web")).await?;
        space.apply(&sample::database(2)).await?;
        space.rolled_out("deployment/web").await?;
        space.rolled_out("statefulset/db").await?;
        space.sh("db-0", "echo precious > /data/file").await?;
        let mut steady = Self { cluster: cluster.clone(), space, before: BTreeMap::new() };
        steady.before = steady.look().await?;
        Ok(steady)
    }

    /// Checks that every pod, claim and Service is the same object on both sides as in the beginning.
    ///
    /// # Errors
    /// With what was replaced or is gone.
    pub async fn untouched(&self) -> Result<()> {
        let now = self.look().await?;
        for (what, before) in &self.before {
            let now = now.get(what);
            ensure!(now == Some(before), "{what} was {before} and is {now:?}");
        }
        let data =
            holds("a command runs in the pod", || self.space.sh("db-0", "cat /data/file")).await?;
        ensure!(data == "precious\n", "the data is {data:?}");
        Ok(())
    }

    /// UIDs on both sides by kind and name.
    async fn look(&self) -> Result<BTreeMap<String, String>> {
        let mut seen = BTreeMap::new();
        for kind in [kind::PODS, kind::CLAIMS, kind::SERVICES, kind::CONFIG_MAPS] {
            for object in self.space.list(kind, "").await? {
                let name = text(&object, "/metadata/name");
                let twin = self.cluster.find_twin(kind, &self.space.name, name).await?;
                let uids = format!(
                    "{} inside, {} on the host",
                    text(&object, "/metadata/uid"),
                    twin.as_ref().map_or("none", |twin| text(twin, "/metadata/uid"))
                );
                seen.insert(format!("{} {name}", kind.name), uids);
            }
        }
        Ok(seen)
    }
}

/// What comes and goes.
pub struct Waves {
    space: Space,
    /// The first wave that is still there, and how many there were.
    pub alive: std::ops::Range<usize>,
}

impl Waves {
    /// Makes the namespace.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn new(cluster: &VirtualCluster) -> Result<Self> {
        Ok(Self { space: cluster.inside.create_namespace("waves").await?, alive: 0..0 })
    }

    /// Goes on until told to stop; every request is repeated until it is acknowledged.
    ///
    /// # Errors
    /// When one never is.
    pub async fn roll(&mut self, mut stop: watch::Receiver<bool>) -> Result<()> {
        let mut beat = tokio::time::interval(BEAT);
        // After an outage it goes on as before, not faster.
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !*stop.borrow() {
            tokio::select! {
                _ = beat.tick() => self.wave().await?,
                _ = stop.changed() => {}
            }
        }
        Ok(())
    }

    async fn wave(&mut self) -> Result<()> {
        let number = self.alive.end;
        for object in objects(number) {
            self.tried(|| self.space.apply(&object)).await?;
        }
        self.alive.end = number + 1;
        if let Some(last) = number.checked_sub(1).filter(|last| self.alive.contains(last)) {
            let change = json!({ "spec": { "template": { "metadata": { "annotations": { "wave": number.to_string() } } } } });
            let name = format!("web-{last}");
            self.tried(|| self.space.patch(kind::DEPLOYMENTS, &name, change.clone())).await?;
        }
        if self.alive.len() > ALIVE {
            for object in objects(self.alive.start) {
                let kind = kind::Kind::of(&object)?;
                let name = text(&object, "/metadata/name").to_owned();
                self.tried(|| self.space.delete(kind, &name)).await?;
            }
            self.alive.start += 1;
        }
        Ok(())
    }

    /// Checks that what was acknowledged is so: the last waves are there and run, the others are gone.
    ///
    /// # Errors
    /// With what is not.
    pub async fn as_acknowledged(&self) -> Result<()> {
        for number in self.alive.clone() {
            for object in objects(number) {
                let name = text(&object, "/metadata/name");
                self.space
                    .get(kind::Kind::of(&object)?, name)
                    .await
                    .context("an acknowledged write is lost")?;
            }
            self.space.rolled_out(&format!("deployment/web-{number}")).await?;
            self.space.ready(&format!("pod-{number}")).await?;
        }
        for number in 0..self.alive.start {
            for object in objects(number) {
                let name = text(&object, "/metadata/name");
                self.space.gone(kind::Kind::of(&object)?, name).await?;
            }
        }
        holds("no other pod is left", || async {
            let pods = self.space.list(kind::PODS, "").await?;
            let expected = self.alive.len() * 3;
            ensure!(pods.len() == expected, "there are {} pods, not {expected}", pods.len());
            Ok(())
        })
        .await
    }

    async fn tried<T, F: Future<Output = Result<T>>>(
        &self,
        request: impl FnMut() -> F,
    ) -> Result<T> {
        holds_within(OUTAGE, "a request is acknowledged", request).await
    }
}

/// The objects of one wave.
fn objects(number: usize) -> Vec<Value> {
    let name = |kind: &str| format!("{kind}-{number}");
    let volumes = json!({ "volumes": [
        { "name": "settings", "configMap": { "name": name("settings") } },
        { "name": "key", "secret": { "secretName": name("key") } },
    ]});
    let web = sample::deployment(&name("web"), 2, sample::idle());
    let data = json!({ "volumes": [{ "name": "data", "persistentVolumeClaim": { "claimName": name("data") } }] });
    vec![
        sample::config_map(&name("settings"), json!({ "number": number.to_string() })),
        sample::secret(&name("key"), json!({ "number": number.to_string() })),
        sample::service(&name("web")),
        sample::with(web, "/spec/template/spec", volumes),
        sample::claim(&name("data")),
        sample::with(sample::pod(&name("pod"), sample::idle()), "/spec", data),
    ]
}
