//! The few fields of pods that are read here. Whole objects stay JSON (the typed ones would drop what they do not know,
//! and cost memory for what nobody asks).

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Pod {
    pub(super) metadata: Metadata,
    pub(super) spec: Spec,
    pub(super) status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) uid: String,
    pub(super) labels: Option<BTreeMap<String, String>>,
    pub(super) annotations: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Spec {
    pub(super) node_name: String,
    containers: Option<Vec<Container>>,
    init_containers: Option<Vec<Container>>,
    ephemeral_containers: Option<Vec<Container>>,
}

#[derive(Debug, Deserialize)]
struct Container {
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Status {
    pub(super) phase: String,
    pub(super) start_time: Option<String>,
    pub(super) container_statuses: Option<Vec<ContainerStatus>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ContainerStatus {
    pub(super) name: String,
    pub(super) state: State,
}

/// Exactly one is set.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct State {
    pub(super) running: Option<Running>,
    pub(super) waiting: Option<serde::de::IgnoredAny>,
    pub(super) terminated: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Running {
    pub(super) started_at: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct List<T> {
    #[serde(default)]
    pub(super) metadata: Page,
    pub(super) items: Option<Vec<T>>,
}

/// Where a list that is read in pages goes on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Page {
    #[serde(rename = "continue")]
    pub(super) next: Option<String>,
}

/// An object of which only the metadata matters.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Named {
    pub(super) metadata: Metadata,
}

impl Pod {
    /// The names of the containers that the pod has by its own spec, of every sort. The host may have added more.
    pub(super) fn containers(&self) -> BTreeSet<&str> {
        let spec = &self.spec;
        let sorts = [&spec.containers, &spec.init_containers, &spec.ephemeral_containers];
        sorts.into_iter().flatten().flatten().map(|container| container.name.as_str()).collect()
    }

    /// The status of a container (not of init or ephemeral ones).
    pub(super) fn container_status(&self, name: &str) -> Option<&ContainerStatus> {
        self.status.container_statuses.iter().flatten().find(|status| status.name == name)
    }
}

/// Reads one object or list; None when there is none of that name.
pub(super) async fn get<T: DeserializeOwned>(
    client: &kube::Client,
    path: &str,
) -> Result<Option<T>, kube::Error> {
    let request = http::Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)?;
    match client.request(request).await {
        Ok(object) => Ok(Some(object)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn containers_of_every_sort_count_and_nulls_are_nothing() {
        let pod: Pod = serde_json::from_value(json!({"spec": {
            "containers": [{"name": "main", "image": "x"}],
            "initContainers": [{"name": "setup"}],
            "ephemeralContainers": [{"name": "debugger"}],
        }}))
        .unwrap();
        assert_eq!(pod.containers().into_iter().collect::<Vec<_>>(), ["debugger", "main", "setup"]);
        let empty: Pod = serde_json::from_value(
            json!({"metadata": {"annotations": null}, "spec": {"containers": null}}),
        )
        .unwrap();
        assert!(empty.containers().is_empty());
    }
}
