//! Takes back what is no longer to be handed out: a login that nobody asks for any more is one that nobody looks after.
//!
//! In its own namespace the virtual cluster finds its exports by their marks. It may not look for them anywhere else, so
//! the places elsewhere are noted on Secret `vc-NAME` before anything is written there.

use std::collections::BTreeSet;

use vcluster_syncer_core::json::{Value, json};
use vcluster_syncer_core::resource::SECRETS;
use vcluster_syncer_core::{Key, Object, PatchForm};

use super::write::Owner;
use crate::certs::{EXPORTED_FROM, ExportTarget};
use crate::engine::api::{Api, ApiError};
use crate::engine::sources::selected;

/// Annotation of Secret `vc-NAME`: the exports in other namespaces, `NAMESPACE/NAME` a line.
const EXPORTED_TO: &str = "vcluster.loft.sh/exported-to";

/// Where exports are, or may be, outside of the own namespace.
pub struct Elsewhere {
    noted: BTreeSet<(String, String)>,
    wanted: BTreeSet<(String, String)>,
}

impl Elsewhere {
    /// Notes where exports are to be, beside where they were.
    ///
    /// # Errors
    /// When the host refuses. Nothing must be written elsewhere then.
    pub async fn note(
        host: &Api,
        targets: &[ExportTarget],
        owner: &Owner<'_>,
    ) -> Result<Elsewhere, ApiError> {
        let secret = host.get(&SECRETS, &own(owner)).await?;
        let text = secret.as_ref().and_then(|secret| secret.annotation(EXPORTED_TO));
        let noted = text.unwrap_or_default().lines().filter_map(|line| line.split_once('/'));
        let noted: BTreeSet<_> =
            noted.map(|(namespace, name)| (namespace.to_owned(), name.to_owned())).collect();
        let wanted: BTreeSet<_> = targets
            .iter()
            .filter(|target| target.namespace != owner.namespace)
            .map(|target| (target.namespace.clone(), target.secret.clone()))
            .collect();
        let all: BTreeSet<_> = noted.union(&wanted).cloned().collect();
        if all != noted {
            write(host, owner, &all).await?;
        }
        Ok(Elsewhere { noted: all, wanted })
    }

    /// Deletes what is no longer wanted there; answers what is in the way.
    pub async fn withdraw(self, host: &Api, owner: &Owner<'_>) -> Vec<String> {
        let mut problems = Vec::new();
        let mut left = self.wanted.clone();
        for (namespace, name) in self.noted.difference(&self.wanted) {
            if let Err(error) = take_back(host, &Key::new(namespace, name), owner).await {
                left.insert((namespace.clone(), name.clone()));
                problems.push(format!(
                    "Secret {namespace}/{name} is a login that is no longer asked for, and cannot be taken back \
                     ({error}): kubectl -n {namespace} delete secret {name}"
                ));
            }
        }
        if left != self.noted
            && let Err(error) = write(host, owner, &left).await
        {
            problems.push(format!("what was taken back cannot be noted: {error}"));
        }
        problems
    }
}

/// Deletes exports of the own namespace that are not among the targets; answers what is in the way.
pub async fn at_home(host: &Api, targets: &[ExportTarget], owner: &Owner<'_>) -> Vec<String> {
    let query = selected("labelSelector", &format!("app=vcluster,release={}", owner.name));
    let listed = match host.list(&SECRETS, owner.namespace, &query).await {
        Ok(listed) => listed,
        Err(error) => return vec![format!("exported Secrets cannot be listed: {error}")],
    };
    let mut problems = Vec::new();
    for item in listed.items {
        let Ok(secret) = serde_json::from_slice::<Value>(&item).map(Object::new) else { continue };
        let wanted = targets.iter().any(|target| {
            (target.namespace.as_str(), target.secret.as_str()) == (owner.namespace, secret.name())
        });
        if wanted || !is_export(&secret, owner) {
            continue;
        }
        let key = Key::new(owner.namespace, secret.name());
        if let Err(error) = delete(host, &key, secret.uid()).await {
            let name = secret.name();
            problems.push(format!(
                "Secret {name} is a login that is no longer asked for, and cannot be taken back: {error}"
            ));
        }
    }
    problems
}

/// Deletes a Secret, if it is there and an export of this virtual cluster.
async fn take_back(host: &Api, key: &Key, owner: &Owner<'_>) -> Result<(), ApiError> {
    match host.get(&SECRETS, key).await? {
        Some(secret) if is_export(&secret, owner) => delete(host, key, secret.uid()).await,
        _ => Ok(()),
    }
}

/// Deletes the very Secret that was looked at.
async fn delete(host: &Api, key: &Key, uid: &str) -> Result<(), ApiError> {
    match host.delete(&SECRETS, key, uid, None).await {
        Ok(_) => {
            tracing::info!(secret = %key, "a kubeconfig that is no longer asked for was deleted");
            Ok(())
        }
        // Gone already, or another under the same name.
        Err(error) if matches!(error.code(), 404 | 409) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether this virtual cluster says of a Secret that it exported it.
fn is_export(secret: &Object, owner: &Owner<'_>) -> bool {
    let from = format!("{}/{}", owner.namespace, owner.name);
    secret.annotation(EXPORTED_FROM) == Some(from.as_str())
}

async fn write(
    host: &Api,
    owner: &Owner<'_>,
    places: &BTreeSet<(String, String)>,
) -> Result<(), ApiError> {
    let lines: Vec<String> =
        places.iter().map(|(namespace, name)| format!("{namespace}/{name}")).collect();
    let value = match lines.is_empty() {
        true => Value::Null,
        false => lines.join("\n").into(),
    };
    let body = json!({ "metadata": { "annotations": { EXPORTED_TO: value } } });
    host.patch(&SECRETS, &own(owner), None, PatchForm::Merge, &body).await.map(drop)
}

/// The key of Secret `vc-NAME`.
fn own(owner: &Owner<'_>) -> Key {
    Key::new(owner.namespace, &format!("vc-{}", owner.name))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use vcluster_config::Config;
    use vcluster_syncer_core::Side;

    use super::*;
    use crate::namespace::tests::{Asked, scripted};

    const OWNER: Owner<'_> = Owner { name: "my-vc", namespace: "team-x" };

    fn secret(name: &str, from: &str) -> Value {
        json!({ "metadata": { "name": name, "uid": format!("uid-of-{name}"), "annotations": { EXPORTED_FROM: from } } })
    }

    /// A host with these Secrets in the own namespace and one, of `from`, in `argocd`, where a deletion answers `code`.
    /// What is noted on `vc-my-vc` is kept.
    fn host(noted: &str, from: &'static str, code: u16) -> (Api, Asked, Arc<Mutex<Value>>) {
        let note = Arc::new(Mutex::new(json!(noted)));
        let kept = Arc::clone(&note);
        let (namespace, asked) = scripted(&[], move |line, body| {
            let mut note = kept.lock().unwrap();
            Some(match line.split_once(' ').unwrap() {
                ("GET", "secrets/vc-my-vc") => {
                    let annotations = json!({ EXPORTED_TO: &*note });
                    (200, json!({ "metadata": { "name": "vc-my-vc", "annotations": annotations } }))
                }
                ("PATCH", "secrets/vc-my-vc") => {
                    *note = body["metadata"]["annotations"][EXPORTED_TO].clone();
                    (200, json!({ "metadata": { "name": "vc-my-vc" } }))
                }
                ("GET", path) if path.starts_with("secrets?") => {
                    let plain = json!({ "metadata": { "name": "my-vc-certs" } });
                    let all = ["vc-my-vc", "kept", "old"].map(|name| secret(name, "team-x/my-vc"));
                    let items: Vec<Value> = all.into_iter().chain([plain]).collect();
                    (200, json!({ "metadata": { "resourceVersion": "1" }, "items": items }))
                }
                ("GET", path) if path.contains("/argocd/") => (200, secret("mine", from)),
                ("DELETE", path) if path.contains("/argocd/") => {
                    (code, json!({ "kind": "Status" }))
                }
                ("DELETE", _) => (200, json!({ "kind": "Status" })),
                other => panic!("{other:?}"),
            })
        });
        (Api::new(namespace.client().clone(), Side::Host), asked, note)
    }

    fn targets(yaml: &str) -> Vec<ExportTarget> {
        let config: Config = vcluster_config::load("test", yaml).unwrap().config;
        ExportTarget::all(&config, "my-vc", "team-x")
    }

    fn deleted(asked: &Asked) -> Vec<String> {
        let asked = asked.lock().unwrap();
        asked.iter().filter(|line| line.starts_with("DELETE")).cloned().collect()
    }

    #[tokio::test]
    async fn at_home_what_nobody_asks_for_goes_and_nothing_else() {
        let (host, asked, _) = host("", "", 200);
        let wanted = targets("exportKubeConfig: { secret: { name: kept } }");
        assert_eq!(at_home(&host, &wanted, &OWNER).await, [""; 0]);
        assert_eq!(deleted(&asked), ["DELETE secrets/old"]);
    }

    #[tokio::test]
    async fn elsewhere_it_is_noted_first_and_taken_back_later() {
        let (host, asked, note) = host("", "team-x/my-vc", 200);
        let asking =
            targets("exportKubeConfig: { additionalSecrets: [{ name: mine, namespace: argocd }] }");
        let elsewhere = Elsewhere::note(&host, &asking, &OWNER).await.unwrap();
        assert_eq!(*note.lock().unwrap(), "argocd/mine");
        assert_eq!(elsewhere.withdraw(&host, &OWNER).await, [""; 0]);
        assert_eq!(deleted(&asked), [""; 0], "it is asked for");
        let elsewhere = Elsewhere::note(&host, &targets("{}"), &OWNER).await.unwrap();
        assert_eq!(elsewhere.withdraw(&host, &OWNER).await, [""; 0]);
        assert_eq!(deleted(&asked).len(), 1, "{asked:?}");
        assert_eq!(*note.lock().unwrap(), Value::Null);
    }

    #[tokio::test]
    async fn without_rights_there_it_is_said_and_stays_noted() {
        let (host, _, note) = host("argocd/mine", "team-x/my-vc", 403);
        let elsewhere = Elsewhere::note(&host, &targets("{}"), &OWNER).await.unwrap();
        let problems = elsewhere.withdraw(&host, &OWNER).await;
        assert!(problems.concat().contains("kubectl -n argocd delete secret mine"), "{problems:?}");
        assert_eq!(*note.lock().unwrap(), "argocd/mine");
    }

    #[tokio::test]
    async fn what_is_somebody_elses_by_now_stays_and_is_forgotten() {
        let (host, asked, note) = host("argocd/mine", "team-y/my-vc", 200);
        let elsewhere = Elsewhere::note(&host, &targets("{}"), &OWNER).await.unwrap();
        assert_eq!(elsewhere.withdraw(&host, &OWNER).await, [""; 0]);
        assert_eq!(deleted(&asked), [""; 0]);
        assert_eq!(*note.lock().unwrap(), Value::Null);
    }
}
