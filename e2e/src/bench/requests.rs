//! Counts requests, from the metrics of the API servers.
//!
//! These do not say who sent a request. On the host, FlowSchemas of our own sort those of the syncer's ServiceAccount
//! into counters, at the priority that they have anyway. Inside, nobody but the benchmark and the syncer touches the
//! benchmark's pods, and what the benchmark sends is known.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::api::Api;

/// The FlowSchemas: what is counted, verbs, resources.
const SCHEMAS: &[(&str, &[&str], &[&str])] = &[
    ("events", WRITES, &["events"]),
    (
        "pods",
        WRITES,
        &["pods", "pods/status", "pods/binding", "pods/resize", "pods/ephemeralcontainers"],
    ),
    ("secrets", WRITES, &["secrets"]),
    ("other", WRITES, &["*"]),
    ("reads", &["get", "list"], &["*"]),
];
const WRITES: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];
/// What the names of our FlowSchemas begin with.
const PREFIX: &str = "vcluster-bench-";

/// How many requests of each sort an API server has answered.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts(pub BTreeMap<String, f64>);

/// Has the host count the requests of these ServiceAccounts (namespace, name).
///
/// # Errors
/// When the host refuses a FlowSchema.
pub async fn count_on_host(host: &Api, accounts: &[(String, String)]) -> Result<()> {
    let subjects: Vec<Value> = accounts
        .iter()
        .map(|(namespace, name)| {
            json!({ "kind": "ServiceAccount", "serviceAccount": { "namespace": namespace, "name": name } })
        })
        .collect();
    stop_counting(host).await?;
    for (place, (what, verbs, resources)) in SCHEMAS.iter().enumerate() {
        let schema = json!({
            "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
            "kind": "FlowSchema",
            "metadata": { "name": format!("{PREFIX}{what}") },
            "spec": {
                // Before the one for all ServiceAccounts, which is at 9000.
                "matchingPrecedence": 500 + place,
                "priorityLevelConfiguration": { "name": "workload-low" },
                "distinguisherMethod": { "type": "ByUser" },
                "rules": [{
                    "subjects": subjects,
                    "resourceRules": [{
                        "verbs": verbs, "apiGroups": ["*"], "resources": resources,
                        "clusterScope": true, "namespaces": ["*"],
                    }],
                }],
            },
        });
        host.ensure("/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas", &schema).await?;
    }
    Ok(())
}

/// Removes what [`count_on_host`] made.
///
/// # Errors
/// When the host refuses.
pub async fn stop_counting(host: &Api) -> Result<()> {
    for (what, ..) in SCHEMAS {
        host.delete(&format!("/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/{PREFIX}{what}"))
            .await?;
    }
    Ok(())
}

impl Counts {
    /// What the syncer sent to the host so far.
    ///
    /// # Errors
    /// When the host does not tell.
    pub async fn on_host(host: &Api) -> Result<Self> {
        let text = host.text("/metrics").await.context("the host's metrics cannot be read")?;
        let mut counts = Self::default();
        for (labels, value) in samples(&text, "apiserver_flowcontrol_dispatched_requests_total") {
            if let Some(what) =
                label(labels, "flow_schema").and_then(|name| name.strip_prefix(PREFIX))
            {
                counts.add(what.to_owned(), value);
            }
        }
        Ok(counts)
    }

    /// What anybody sent to the virtual API server so far; lists, watches and leases aside.
    ///
    /// # Errors
    /// When it does not tell.
    pub async fn inside(inside: &Api) -> Result<Self> {
        let text = inside
            .text("/metrics")
            .await
            .context("the virtual cluster's metrics cannot be read")?;
        let mut counts = Self::default();
        for (labels, value) in samples(&text, "apiserver_request_total") {
            let get = |name| label(labels, name).unwrap_or_default();
            let (verb, resource, subresource) = (get("verb"), get("resource"), get("subresource"));
            if resource.is_empty()
                || resource == "leases"
                || matches!(verb, "LIST" | "WATCH" | "CONNECT")
            {
                continue;
            }
            let slash = if subresource.is_empty() { "" } else { "/" };
            let failed = if get("code").starts_with('2') { "" } else { " (refused)" };
            counts.add(format!("{verb} {resource}{slash}{subresource}{failed}"), value);
        }
        Ok(counts)
    }

    /// What was added since an earlier look.
    pub fn since(&self, earlier: &Counts) -> Counts {
        let before = |name: &String| earlier.0.get(name).copied().unwrap_or_default();
        let grown = self.0.iter().map(|(name, now)| (name.clone(), now - before(name)));
        Counts(grown.filter(|(_, grown)| *grown > 0.0).collect())
    }

    /// Takes away what the benchmark itself sent.
    pub fn without(mut self, name: &str, count: f64) -> Counts {
        if let Some(have) = self.0.get_mut(name) {
            *have = (*have - count).max(0.0);
        }
        self
    }

    /// The sum of all but events.
    pub fn sum(&self) -> f64 {
        self.0.iter().filter(|(name, _)| !is_event(name)).map(|(_, count)| count).sum()
    }

    /// The sum of all events.
    pub fn events(&self) -> f64 {
        self.0.iter().filter(|(name, _)| is_event(name)).map(|(_, count)| count).sum()
    }

    fn add(&mut self, name: String, value: f64) {
        *self.0.entry(name).or_default() += value;
    }
}

fn is_event(name: &str) -> bool {
    name.split([' ', '/']).any(|word| word == "events")
}

/// The samples of one metric in the Prometheus text format: labels and value.
fn samples<'a>(text: &'a str, metric: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
    text.lines().filter_map(move |line| {
        let (labels, value) = line.strip_prefix(metric)?.strip_prefix('{')?.rsplit_once("} ")?;
        Some((labels, value.parse().ok()?))
    })
}

/// The value of a label; those that are looked at hold no quotes.
fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    labels
        .split(',')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix("=\"")?.strip_suffix('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_sorted_and_subtracted() {
        let text = r#"
# TYPE apiserver_request_total counter
apiserver_request_total{code="201",component="apiserver",dry_run="",group="",resource="pods",scope="resource",subresource="",verb="POST",version="v1"} 12
apiserver_request_total{code="201",component="apiserver",resource="pods",subresource="binding",verb="POST"} 3
"#;
        let found: Vec<_> = samples(text, "apiserver_request_total").collect();
        assert_eq!(found.len(), 2);
        assert_eq!(label(found[0].0, "resource"), Some("pods"));
        assert_eq!((label(found[1].0, "subresource"), found[1].1), (Some("binding"), 3.0));

        let counts = |pods, events| {
            Counts([("POST pods".to_owned(), pods), ("POST events".to_owned(), events)].into())
        };
        let grown = counts(12.0, 5.0).since(&counts(2.0, 1.0)).without("POST pods", 4.0);
        assert_eq!((grown.sum(), grown.events()), (6.0, 4.0));
    }
}
