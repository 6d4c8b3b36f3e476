//! Watching a control plane come up, and saying what it waits for.

mod assess;
mod seen;

use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Event, Pod, Secret, Service};
use kube::api::{Api, LogParams};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::duration;
use crate::error::{CliError, Kind, Result};
use crate::host::{Host, within};
use crate::names;
use crate::ui::Step;

use assess::{Assessment, assess};
use seen::Seen;

/// States that pass sooner are not worth a word.
const SETTLED: Duration = Duration::from_millis(400);

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The Secret with the kubeconfig.
    Credentials,
    /// A control-plane pod whose containers are all ready, that Secret, and DNS inside.
    Ready,
}

/// A watch on everything that tells how a control plane comes up. It begins when it is made, so what happens before
/// the first question is not missed.
#[derive(Clone)]
pub struct Progress {
    host: Host,
    name: String,
    namespace: String,
    seen: watch::Receiver<Seen>,
    generation: i64,
}

impl Progress {
    /// Starts watching.
    pub fn start(host: &Host, name: &str, namespace: &str) -> Self {
        let (sender, seen) = watch::channel(Seen::default());
        tokio::spawn(follow(host.clone(), name.to_owned(), namespace.to_owned(), sender));
        Self {
            host: host.clone(),
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            seen,
            generation: 0,
        }
    }

    /// From now on only pods count that are of this version of the StatefulSet, or a newer one: what the watch has
    /// shown so far may be older than a change that was just made.
    ///
    /// # Errors
    /// When the host cannot be asked.
    pub async fn only_newest(&mut self) -> Result<()> {
        let sets: Api<StatefulSet> = self.host.api(&self.namespace);
        let doing = format!("read statefulset {}", self.name);
        let set = within(doing, sets.get_metadata_opt(&self.name)).await?;
        self.generation = set.and_then(|set| set.metadata.generation).unwrap_or_default();
        Ok(())
    }

    /// Waits for what is needed and answers the kubeconfig from the Secret.
    ///
    /// # Errors
    /// Trouble that waiting does not mend, or the deadline; both with the reason and the last words of a container
    /// that crashed.
    pub async fn wait(&mut self, need: Need, step: &mut Step, deadline: Instant) -> Result<Value> {
        let mut trouble: Option<Instant> = None;
        let (mut said, mut heard, mut since) = (String::new(), String::new(), Instant::now());
        loop {
            let state = self.seen.borrow_and_update().clone();
            let now = assess(&state, need, self.generation);
            if let (true, Some(kubeconfig)) = (now.ready, state.kubeconfig) {
                step.note("");
                return Ok(kubeconfig);
            }
            let mut wake = deadline;
            if now.note != heard {
                (heard, since) = (now.note.clone(), Instant::now());
            }
            if heard != said && since.elapsed() >= SETTLED {
                said.clone_from(&heard);
                step.note(brief(&said));
            } else if heard != said {
                wake = wake.min(since + SETTLED);
            }
            match now.bearable {
                Some(bearable) => {
                    let end = *trouble.get_or_insert_with(Instant::now) + bearable;
                    if Instant::now() >= end {
                        return Err(self.failure(Kind::Failed, &now).await);
                    }
                    wake = wake.min(end);
                }
                None => trouble = None,
            }
            match tokio::time::timeout_at(wake, self.seen.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(self.failure(Kind::Failed, &now).await),
                Err(_) if Instant::now() >= deadline => {
                    return Err(self.failure(Kind::Timeout, &now).await);
                }
                Err(_) => {}
            }
        }
    }

    /// Keeps saying what is wrong with the pods and ends only with trouble that waiting does not mend.
    pub async fn trouble(&mut self, step: &mut Step) -> CliError {
        let far = Instant::now() + Duration::from_secs(24 * 3600);
        loop {
            match self.wait(Need::Ready, step, far).await {
                Err(error) => return error,
                Ok(_) => {
                    if self.seen.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
            }
        }
    }

    /// Ends when the Secret holds another kubeconfig than `old`.
    pub async fn other_kubeconfig(&mut self, old: &Value) -> Value {
        loop {
            if let Some(new) =
                self.seen.borrow_and_update().kubeconfig.clone().filter(|new| new != old)
            {
                return new;
            }
            if self.seen.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Why the syncer stands still until someone decides, if it does.
    async fn read_only(&self) -> Option<String> {
        let services: Api<Service> = self.host.api(&self.namespace);
        let doing = format!("read service {}", self.name);
        let service = within(doing, services.get_metadata_opt(&self.name)).await.ok()??;
        service.metadata.annotations?.remove(names::READ_ONLY)
    }

    async fn failure(&self, kind: Kind, now: &Assessment) -> CliError {
        let what = format!("the control plane of {} does not become ready", self.name);
        if let Some(reason) = self.read_only().await {
            let hint = format!("vcluster adopt {} -n {} --dry-run", self.name, self.namespace);
            return CliError::new(kind, what).because(reason).hint(hint);
        }
        let mut cause = if now.note.is_empty() {
            "nothing is known about it".to_owned()
        } else {
            now.note.clone()
        };
        let mut hint = format!(
            "kubectl --context {} -n {} describe statefulset,pod -l release={}",
            self.host.context, self.namespace, self.name
        );
        if let Some((pod, container)) = &now.crashed {
            let words = last_words(&self.host, &self.namespace, pod, container).await;
            if !words.is_empty() {
                cause = format!("{cause}\n{words}");
            }
            hint = format!(
                "kubectl --context {} -n {} logs {pod} -c {container} --previous",
                self.host.context, self.namespace
            );
        }
        CliError::new(kind, what).because(cause).hint(hint)
    }
}

/// As much as fits on a line; the error that may follow has the rest.
fn brief(note: &str) -> String {
    const MOST: usize = 120;
    match note.char_indices().nth(MOST) {
        Some((end, _)) => format!("{} ...", note.get(..end).unwrap_or_default().trim_end()),
        None => note.to_owned(),
    }
}

/// Says how long was waited, for callers that set the deadline.
pub fn after(error: CliError, patience: Duration) -> CliError {
    match error.kind {
        Kind::Timeout => {
            CliError { what: format!("{} after {}", error.what, duration::show(patience)), ..error }
        }
        _ => error,
    }
}

/// A piece of news, ready to be taken in.
type News = Box<dyn FnOnce(&mut Seen) + Send>;

/// Feeds the watches into what has been seen, until nobody looks any more.
async fn follow(host: Host, name: String, namespace: String, sender: watch::Sender<Seen>) {
    fn news<K: Send + 'static>(
        watch: impl futures::Stream<Item = watcher::Result<watcher::Event<K>>> + Send + 'static,
        take_in: impl Fn(&mut Seen, watcher::Event<K>) + Clone + Send + 'static,
    ) -> futures::stream::BoxStream<'static, News> {
        let boxed = move |event: watcher::Result<watcher::Event<K>>| -> News {
            let take_in = take_in.clone();
            Box::new(move |seen| match event {
                Ok(event) => take_in(seen, event),
                Err(error) => seen.problem(&error),
            })
        };
        watch.map(boxed).boxed()
    }
    let pods: Api<Pod> = host.api(&namespace);
    let secrets: Api<Secret> = host.api(&namespace);
    let events: Api<Event> = host.api(&namespace);
    let all_parts = watcher::Config::default().labels(&names::selector_of_all_parts(&name));
    let sets: Api<StatefulSet> = host.api(&namespace);
    let set = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let secret = watcher::Config::default()
        .fields(&format!("metadata.name={}", names::kubeconfig_secret(&name)));
    let warnings = watcher::Config::default().fields("type=Warning");
    let dns = watcher::Config::default().labels(&names::selector_of_dns(&name));
    let mut all = futures::stream::select_all([
        news(watcher(pods.clone(), all_parts).default_backoff(), Seen::pod),
        news(watcher(pods, dns).default_backoff(), Seen::dns_pod),
        news(watcher(secrets, secret).default_backoff(), Seen::secret),
        news(watcher(sets, set).default_backoff(), Seen::set),
        news(watcher(events, warnings).default_backoff(), move |seen, event| {
            seen.event(event, &name)
        }),
    ]);
    loop {
        tokio::select! {
            news = all.next() => match news {
                Some(news) => sender.send_modify(news),
                None => return,
            },
            () = sender.closed() => return,
        }
    }
}

/// The end of a crashed container's log.
async fn last_words(host: &Host, namespace: &str, pod: &str, container: &str) -> String {
    let pods: Api<Pod> = host.api(namespace);
    let parameters = |previous| LogParams {
        container: Some(container.to_owned()),
        previous,
        tail_lines: Some(5),
        limit_bytes: Some(4096),
        ..LogParams::default()
    };
    for previous in [true, false] {
        let logs =
            tokio::time::timeout(Duration::from_secs(5), pods.logs(pod, &parameters(previous)))
                .await;
        if let Ok(Ok(text)) = logs
            && !text.trim().is_empty()
        {
            return text
                .trim()
                .lines()
                .map(|line| format!("{container}: {line}"))
                .collect::<Vec<_>>()
                .join("\n");
        }
    }
    String::new()
}
