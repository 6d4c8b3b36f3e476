//! Puts a Secret on the host, without running over anybody else's.

use vcluster_syncer_core::json::{Map, Value, json};
use vcluster_syncer_core::resource::SECRETS;
use vcluster_syncer_core::{Key, Object, PatchForm, diff};

use crate::certs::{EXPORTED_FROM, ExportTarget};
use crate::engine::api::{Api, ApiError};

/// Why a Secret is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum Unwritten {
    /// The host says no, or nothing.
    #[error("{0}")]
    Host(#[from] ApiError),
    /// It is somebody else's.
    #[error(
        "it is there already and is not an export of this virtual cluster: delete it, or choose another name"
    )]
    Foreign,
}

/// What is there under the name of a target.
///
/// # Errors
/// When the host does not tell, or it is not ours.
pub async fn present(
    host: &Api,
    target: &ExportTarget,
    owner: &Owner<'_>,
) -> Result<Option<Object>, Unwritten> {
    let have = host.get(&SECRETS, &key(target)).await?;
    match have {
        Some(have) if !owner.has(&have, target) => Err(Unwritten::Foreign),
        have => Ok(have),
    }
}

/// Creates a Secret, or brings `have` to what it should be.
///
/// # Errors
/// When the host refuses.
pub async fn put(
    host: &Api,
    target: &ExportTarget,
    have: Option<&Object>,
    wanted: &Object,
) -> Result<(), Unwritten> {
    let key = key(target);
    let Some(have) = have else {
        host.create(&SECRETS, &key, wanted.value()).await?;
        return Ok(());
    };
    if let Some(change) = change(have, wanted) {
        host.patch(&SECRETS, &key, None, PatchForm::Merge, &change).await?;
    }
    Ok(())
}

/// The patch that brings the data to what it should be, and adds labels and annotations. Others of these stay.
fn change(have: &Object, wanted: &Object) -> Option<Value> {
    let empty = json!({});
    let part = |object: &Object, path: &[&str]| object.at(path).unwrap_or(&empty).clone();
    let mut change = Map::new();
    if let Some(data) = diff::merge_patch(&part(have, &["data"]), &part(wanted, &["data"])) {
        change.insert("data", data);
    }
    let mut metadata = Map::new();
    for member in ["labels", "annotations"] {
        let have = part(have, &["metadata", member]);
        let wanted = part(wanted, &["metadata", member]);
        let missing: Map = wanted
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(key, value)| have.get(key.as_str()) != Some(value))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if !missing.is_empty() {
            metadata.insert(member, missing.into());
        }
    }
    if !metadata.is_empty() {
        change.insert("metadata", metadata.into());
    }
    (!change.is_empty()).then(|| change.into())
}

fn key(target: &ExportTarget) -> Key {
    Key::new(&target.namespace, &target.secret)
}

/// The virtual cluster that exports.
#[derive(Clone, Copy)]
pub struct Owner<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its namespace on the host.
    pub namespace: &'a str,
}

impl Owner<'_> {
    /// Whether a Secret is an export of this virtual cluster. In its own namespace one that it made before exports were
    /// noted counts, and Secret `vc-NAME` always does; its certificates and options never do.
    fn has(&self, secret: &Object, target: &ExportTarget) -> bool {
        let home = target.namespace == self.namespace;
        if home && target.secret == format!("vc-{}", self.name) {
            return true;
        }
        if let Some(from) = secret.annotation(EXPORTED_FROM) {
            return from == format!("{}/{}", self.namespace, self.name);
        }
        let labelled = || {
            secret.label("app") == Some("vcluster") && secret.label("release") == Some(self.name)
        };
        let own = [format!("{}-certs", self.name), format!("vc-config-{}", self.name)];
        home && !own.contains(&target.secret) && labelled()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Owner<'_> = Owner { name: "my-vc", namespace: "team-x" };

    fn target(namespace: &str, secret: &str) -> ExportTarget {
        let config = vcluster_config::Config::default();
        let own = ExportTarget::all(&config, "my-vc", "team-x").remove(0);
        ExportTarget { secret: secret.into(), namespace: namespace.into(), ..own }
    }

    fn has(namespace: &str, name: &str, metadata: Value) -> bool {
        OWNER.has(&Object::new(json!({ "metadata": metadata })), &target(namespace, name))
    }

    #[test]
    fn only_our_own_exports_are_written_over() {
        let ours = json!({ "annotations": { EXPORTED_FROM: "team-x/my-vc" } });
        let namesake = json!({ "annotations": { EXPORTED_FROM: "team-y/my-vc" } });
        let older = json!({ "labels": { "app": "vcluster", "release": "my-vc" } });
        assert!(has("argocd", "my-vc", ours.clone()));
        assert!(!has("argocd", "my-vc", namesake));
        assert!(!has("argocd", "my-vc", older.clone()), "labels prove nothing elsewhere");
        assert!(!has("argocd", "my-vc", json!({})));
        assert!(has("team-x", "copy", older.clone()));
        assert!(has("team-x", "vc-my-vc", json!({})), "made by another chart");
        let moved = json!({ "annotations": { EXPORTED_FROM: "team-y/my-vc" } });
        assert!(has("team-x", "vc-my-vc", moved), "restored into another namespace");
        assert!(!has("team-x", "copy", json!({})));
        for own in ["my-vc-certs", "vc-config-my-vc"] {
            assert!(!has("team-x", own, older.clone()), "{own}");
        }
    }

    #[test]
    fn what_others_added_stays_but_not_in_the_data() {
        let have = Object::new(json!({
            "metadata": { "labels": { "app": "vcluster", "theirs": "x" } }, "data": { "config": "b2xk", "odd": "eA==" },
        }));
        let wanted = Object::new(json!({
            "metadata": { "labels": { "app": "vcluster", "release": "my-vc" } }, "data": { "config": "bmV3" },
        }));
        let change = change(&have, &wanted).unwrap();
        assert_eq!(
            change,
            json!({ "data": { "config": "bmV3", "odd": null }, "metadata": { "labels": { "release": "my-vc" } } })
        );
        assert!(super::change(&wanted, &wanted).is_none());
    }
}
