//! Everything of a virtual cluster that is on its host besides the release itself.

use std::collections::{BTreeMap, BTreeSet};
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

use super::marks::{Marks, is_ours, is_owned, without_our_finalizers};

/// Requests in flight at once.
const AT_ONCE: usize = 32;

/// Kinds that are records of the past or computed, not things.
const NOT_THINGS: [&str; 4] = ["events", "endpointslices", "podmetrics", "controllerrevisions"];

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

/// What was seen and is gone in the end: UIDs by kind.
#[derive(Debug, Default)]
pub struct Removed(BTreeMap<String, BTreeSet<String>>);

impl Removed {
    /// How many of each kind.
    pub fn count(&self) -> BTreeMap<String, usize> {
        self.0.iter().map(|(kind, uids)| (kind.clone(), uids.len())).collect()
    }

    fn add(&mut self, objects: &[Leftover]) {
        for object in objects {
            let of_kind = self.0.entry(object.resource.plural.clone()).or_default();
            of_kind.insert(object.metadata.uid.clone().unwrap_or_default());
        }
    }
}

impl Kinds {
    /// Asks the host for its kinds.
    ///
    /// # Errors
    /// When the host cannot be asked.
    pub async fn of(host: &Host) -> Result<Self> {
        let mut kinds = listable(host).await?;
        kinds.retain(|(resource, _)| !NOT_THINGS.contains(&resource.plural.as_str()));
        Ok(Self { client: host.client.clone(), kinds })
    }

    /// Notes what there is before anything is removed.
    pub async fn note(&self, marks: &Marks, removed: &mut Removed) {
        removed.add(&self.find(marks).await);
    }

    /// Removes what is there until nothing is, or the deadline.
    ///
    /// # Errors
    /// The deadline, with what is left and why.
    pub async fn sweep(
        &self,
        marks: &Marks,
        removed: &mut Removed,
        step: &mut Step,
        deadline: Instant,
    ) -> Result<()> {
        let mut pause = Duration::from_millis(50);
        loop {
            let left = self.find(marks).await;
            removed.add(&left);
            if left.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(still_there(marks, &left));
            }
            step.note(format!("objects left: {}", left.len()));
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

/// The kinds of the host whose objects can be listed and deleted.
///
/// # Errors
/// When the host cannot be asked.
pub async fn listable(host: &Host) -> Result<Vec<(ApiResource, Scope)>> {
    let discovery = Discovery::new(host.client.clone());
    let found = within("list the kinds of the host", discovery.run_aggregated()).await?;
    let kinds = found.groups().flat_map(|group| group.recommended_resources());
    let wanted = kinds.filter(|(_, can)| {
        can.supports_operation(verbs::LIST) && can.supports_operation(verbs::DELETE)
    });
    Ok(wanted.map(|(resource, can)| (resource, can.scope)).collect())
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
