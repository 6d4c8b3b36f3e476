//! Everything of a virtual cluster that is on its host besides the release itself.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{StreamExt, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, Preconditions,
};
use kube::core::PartialObjectMeta;
use kube::discovery::{Discovery, Scope, verbs};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::error::{CliError, Kind, Result, chain};
use crate::host::{Host, within};
use crate::names;
use crate::ui::Step;

/// Requests in flight at once.
const AT_ONCE: usize = 32;

/// Kinds that are records of the past or computed, not things.
const NOT_THINGS: [&str; 4] = ["events", "endpointslices", "podmetrics", "controllerrevisions"];

/// What tells the objects of one virtual cluster from all others.
#[derive(Clone, Debug)]
pub struct Marks {
    /// Name of the virtual cluster.
    pub name: String,
    /// Its host namespace.
    pub namespace: String,
    /// UID of Service NAME, which owns what the syncer makes.
    pub service: Option<String>,
    /// Leave the claims.
    pub keep_claims: bool,
}

/// One object.
#[derive(Clone, Debug)]
struct Leftover {
    resource: ApiResource,
    namespace: Option<String>,
    metadata: ObjectMeta,
}

/// The kinds of the host that can be listed and deleted.
pub struct Kinds {
    client: Client,
    kinds: Vec<(ApiResource, Scope)>,
}

impl Kinds {
    /// Asks the host for its kinds.
    ///
    /// # Errors
    /// When the host cannot be asked.
    pub async fn of(host: &Host) -> Result<Self> {
        let discovery = Discovery::new(host.client.clone());
        let found = within("list the kinds of the host", discovery.run_aggregated()).await?;
        let kinds = found
            .groups()
            .flat_map(|group| group.recommended_resources())
            .filter(|(_, can)| {
                can.supports_operation(verbs::LIST) && can.supports_operation(verbs::DELETE)
            })
            .filter(|(resource, _)| !NOT_THINGS.contains(&resource.plural.as_str()))
            .map(|(resource, can)| (resource, can.scope))
            .collect();
        Ok(Self { client: host.client.clone(), kinds })
    }

    /// Removes what is there until nothing is, or the deadline. Answers what went, by kind.
    ///
    /// # Errors
    /// The deadline, with what is left and why.
    pub async fn sweep(
        &self,
        marks: &Marks,
        step: &mut Step,
        deadline: Instant,
    ) -> Result<BTreeMap<String, usize>> {
        let mut removed: BTreeMap<String, BTreeMap<String, ()>> = BTreeMap::new();
        let mut pause = Duration::from_millis(50);
        loop {
            let left = self.find(marks).await;
            for object in &left {
                let of_kind = removed.entry(object.resource.plural.clone()).or_default();
                of_kind.insert(object.metadata.uid.clone().unwrap_or_default(), ());
            }
            if left.is_empty() {
                return Ok(removed
                    .into_iter()
                    .map(|(kind, objects)| (kind, objects.len()))
                    .collect());
            }
            if Instant::now() >= deadline {
                return Err(still_there(marks, &left));
            }
            step.note(format!("{} objects left", left.len()));
            let removals = stream::iter(left.iter().map(|object| self.remove(object)))
                .buffer_unordered(AT_ONCE);
            let problems: Vec<CliError> =
                removals.filter_map(|it| async { it.err() }).collect().await;
            if let Some(problem) = problems.into_iter().next() {
                return Err(problem);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    /// Takes the owner away from mirrored claims, so that they outlive the release.
    ///
    /// # Errors
    /// When the host refuses.
    pub async fn disown_claims(&self, marks: &Marks) -> Result<usize> {
        let Some((resource, _)) = self
            .kinds
            .iter()
            .find(|(it, _)| it.plural == "persistentvolumeclaims" && it.group.is_empty())
        else {
            return Ok(0);
        };
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &marks.namespace, resource);
        let claims = within("list the claims", api.list_metadata(&ListParams::default())).await?;
        let owned = |claim: &&PartialObjectMeta<DynamicObject>| {
            is_owned(&claim.metadata, marks.service.as_deref())
        };
        let mut count = 0;
        for claim in claims.items.iter().filter(owned) {
            let others: Vec<Value> = claim
                .owner_references()
                .iter()
                .filter(|owner| Some(&owner.uid) != marks.service.as_ref())
                .filter_map(|owner| serde_json::to_value(owner).ok())
                .collect();
            let patch = json!({ "metadata": { "resourceVersion": claim.metadata.resource_version, "ownerReferences": others } });
            let name = claim.name_any();
            let parameters = PatchParams::default();
            within(
                format!("keep claim {name}"),
                api.patch(&name, &parameters, &Patch::Merge(patch)),
            )
            .await?;
            count += 1;
        }
        Ok(count)
    }

    /// Lists every kind at once, metadata only. What may not be looked at cannot be ours to remove.
    async fn find(&self, marks: &Marks) -> Vec<Leftover> {
        let lists = stream::iter(&self.kinds).map(|(resource, scope)| async move {
            let (api, parameters, namespace) = match scope {
                Scope::Namespaced => (
                    Api::<DynamicObject>::namespaced_with(
                        self.client.clone(),
                        &marks.namespace,
                        resource,
                    ),
                    ListParams::default(),
                    Some(marks.namespace.clone()),
                ),
                Scope::Cluster => {
                    let marker = names::cluster_marker(&marks.name, &marks.namespace);
                    let selector = format!("{}={marker}", names::MANAGED_BY);
                    (
                        Api::all_with(self.client.clone(), resource),
                        ListParams::default().labels(&selector),
                        None,
                    )
                }
            };
            let listed =
                within(format!("list {}", resource.plural), api.list_metadata(&parameters)).await;
            let items = match listed {
                Ok(list) => list.items,
                Err(error) => {
                    tracing::debug!(kind = resource.plural, error = chain(&error), "not looked at");
                    Vec::new()
                }
            };
            let ours = items.into_iter().filter(|object| {
                namespace.is_none() || is_ours(&resource.plural, &object.metadata, marks)
            });
            ours.map(|object| Leftover {
                resource: resource.clone(),
                namespace: namespace.clone(),
                metadata: object.metadata,
            })
            .collect::<Vec<_>>()
        });
        lists.buffer_unordered(AT_ONCE).concat().await
    }

    async fn remove(&self, object: &Leftover) -> Result<()> {
        let api: Api<DynamicObject> = match &object.namespace {
            Some(namespace) => {
                Api::namespaced_with(self.client.clone(), namespace, &object.resource)
            }
            None => Api::all_with(self.client.clone(), &object.resource),
        };
        let name = object.metadata.name.clone().unwrap_or_default();
        let what = format!("{} {name}", object.resource.plural);
        let result = if object.metadata.deletion_timestamp.is_none() {
            let uid = object.metadata.uid.clone();
            let only = DeleteParams::background()
                .preconditions(Preconditions { uid, resource_version: None });
            within(format!("delete {what}"), api.delete(&name, &only)).await.map(|_| ())
        } else if let Some(rest) = without_our_finalizers(&object.metadata) {
            let patch = json!({ "metadata": { "uid": object.metadata.uid, "resourceVersion": object.metadata.resource_version, "finalizers": rest } });
            within(
                format!("release {what}"),
                api.patch(&name, &PatchParams::default(), &Patch::Merge(patch)),
            )
            .await
            .map(|_| ())
        } else {
            Ok(())
        };
        match result {
            // It went, or somebody else just changed it: the next look tells.
            Err(error) if !matches!(error.kind, Kind::NotFound | Kind::Conflict) => Err(error),
            _ => Ok(()),
        }
    }
}

/// Whether an object in the namespace belongs to the virtual cluster. Pure.
fn is_ours(plural: &str, metadata: &ObjectMeta, marks: &Marks) -> bool {
    let labels = metadata.labels.clone().unwrap_or_default();
    let annotations = metadata.annotations.clone().unwrap_or_default();
    if marks.keep_claims && plural == "persistentvolumeclaims" {
        return false;
    }
    let mirrored = labels.get(names::MANAGED_BY) == Some(&marks.name)
        && annotations.contains_key(names::OBJECT_NAME);
    let part = labels.get("release") == Some(&marks.name)
        && labels.get("app").is_some_and(|app| names::APPS.contains(&app.as_str()));
    mirrored
        || part
        || is_owned(metadata, marks.service.as_deref())
        || has_our_name(plural, metadata, marks)
}

fn is_owned(metadata: &ObjectMeta, service: Option<&str>) -> bool {
    let owners = metadata.owner_references.as_deref().unwrap_or_default();
    service.is_some_and(|service| owners.iter().any(|owner| owner.uid == service))
}

/// Objects that a control plane makes for itself and that older ones did not mark.
fn has_our_name(plural: &str, metadata: &ObjectMeta, marks: &Marks) -> bool {
    let name = metadata.name.as_deref().unwrap_or_default();
    match plural {
        "secrets" => {
            name == names::kubeconfig_secret(&marks.name)
                || name == names::config_secret(&marks.name)
        }
        "configmaps" => name == format!("vc-cidr-{}", marks.name),
        "leases" => name == format!("vcluster-{}-controller", marks.name),
        _ => false,
    }
}

/// The finalizers that are not ours. None: none is ours. Pure.
fn without_our_finalizers(metadata: &ObjectMeta) -> Option<Vec<String>> {
    let all = metadata.finalizers.as_deref().unwrap_or_default();
    let rest: Vec<String> =
        all.iter().filter(|it| !it.starts_with(names::FINALIZER_PREFIX)).cloned().collect();
    (rest.len() != all.len()).then_some(rest)
}

fn still_there(marks: &Marks, left: &[Leftover]) -> CliError {
    let describe = |object: &Leftover| {
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let finalizers = object.metadata.finalizers.as_deref().unwrap_or_default();
        match finalizers.is_empty() {
            true => format!("{} {name}", object.resource.plural),
            false => format!(
                "{} {name} (held by finalizer {})",
                object.resource.plural,
                finalizers.join(", ")
            ),
        }
    };
    let some: Vec<String> = left.iter().take(10).map(describe).collect();
    CliError::new(
        Kind::Timeout,
        format!("{} objects of {} are still on the host", left.len(), marks.name),
    )
    .because(some.join("\n"))
    .hint(format!("vcluster delete {} -n {} -y", marks.name, marks.namespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(value: Value) -> ObjectMeta {
        serde_json::from_value(value).unwrap()
    }

    fn marks() -> Marks {
        Marks {
            name: "a".into(),
            namespace: "ns".into(),
            service: Some("uid-1".into()),
            keep_claims: false,
        }
    }

    #[test]
    fn only_objects_with_our_marks_are_ours() {
        let mirrored = json!({ "labels": { "vcluster.loft.sh/managed-by": "a" }, "annotations": { "vcluster.loft.sh/object-name": "x" } });
        let cases = [
            ("pods", mirrored.clone(), true),
            ("pods", json!({ "labels": { "vcluster.loft.sh/managed-by": "a" } }), false),
            (
                "pods",
                json!({ "labels": { "vcluster.loft.sh/managed-by": "b" }, "annotations": { "vcluster.loft.sh/object-name": "x" } }),
                false,
            ),
            (
                "services",
                json!({ "ownerReferences": [{ "apiVersion": "v1", "kind": "Service", "name": "a", "uid": "uid-1" }] }),
                true,
            ),
            (
                "services",
                json!({ "ownerReferences": [{ "apiVersion": "v1", "kind": "Service", "name": "a", "uid": "uid-2" }] }),
                false,
            ),
            (
                "persistentvolumeclaims",
                json!({ "name": "data-a-0", "labels": { "app": "vcluster", "release": "a" } }),
                true,
            ),
            ("statefulsets", json!({ "labels": { "app": "vcluster-etcd", "release": "a" } }), true),
            ("statefulsets", json!({ "labels": { "app": "nginx", "release": "a" } }), false),
            ("secrets", json!({ "name": "vc-a" }), true),
            ("secrets", json!({ "name": "a-certs" }), false),
            ("configmaps", json!({ "name": "vc-a" }), false),
            ("leases", json!({ "name": "vcluster-a-controller" }), true),
        ];
        for (plural, value, expected) in cases {
            assert_eq!(
                is_ours(plural, &metadata(value.clone()), &marks()),
                expected,
                "{plural} {value}"
            );
        }
        let keep = Marks { keep_claims: true, ..marks() };
        assert!(!is_ours("persistentvolumeclaims", &metadata(mirrored), &keep));
    }

    #[test]
    fn only_finalizers_of_ours_are_taken_off() {
        let with = |list: Value| metadata(json!({ "finalizers": list }));
        assert_eq!(without_our_finalizers(&with(json!([]))), None);
        assert_eq!(without_our_finalizers(&with(json!(["kubernetes.io/pvc-protection"]))), None);
        assert_eq!(
            without_our_finalizers(&with(json!([
                "vcluster.loft.sh/claim",
                "kubernetes.io/pvc-protection"
            ]))),
            Some(vec!["kubernetes.io/pvc-protection".to_owned()])
        );
    }
}
