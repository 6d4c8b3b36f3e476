//! Webhooks of the host's owner inside the virtual cluster (`policies.centralAdmission`).
//!
//! Kubernetes lets nothing guard these objects: admission is not asked about them. So a tenant who is administrator inside
//! can take them away; each is watched and put back at once, as it was, with all that the API server filled in.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use vcluster_config::{Config, Fragment};
use vcluster_syncer_core::json::{Value, json};
use vcluster_syncer_core::object::members;
use vcluster_syncer_core::{Key, Object, PatchForm, Resource};

use crate::admin::Check;
use crate::engine::api::{Api, ApiError};

/// Between two tries.
const AGAIN: Duration = Duration::from_secs(1);
/// How long one watch may take; then everything is looked at afresh.
const WATCH: Duration = Duration::from_secs(300);

static VALIDATING: Resource =
    admission("validatingwebhookconfigurations", "ValidatingWebhookConfiguration");
static MUTATING: Resource =
    admission("mutatingwebhookconfigurations", "MutatingWebhookConfiguration");

const fn admission(plural: &'static str, kind: &'static str) -> Resource {
    let group = "admissionregistration.k8s.io";
    Resource { group, version: "v1", plural, kind, namespaced: false }
}

/// Keeps them all for as long as the syncer runs. `check` says which cannot be had.
pub async fn keep(inside: Api, config: Config, check: Check) {
    let central = &config.policies.central_admission;
    let mut wanted: Vec<Object> = Vec::new();
    for (kind, list) in
        [(&VALIDATING, &central.validating_webhooks), (&MUTATING, &central.mutating_webhooks)]
    {
        wanted.extend(list.iter().map(|object| made(kind, object)));
    }
    if wanted.is_empty() {
        return;
    }
    check.failing("the webhooks of policies.centralAdmission are not in place yet");
    let mut said = String::new();
    loop {
        let of = |kind: &Resource| -> Vec<Object> {
            wanted.iter().filter(|it| it.str_at(&["kind"]) == Some(kind.kind)).cloned().collect()
        };
        let (validating, mutating) = (of(&VALIDATING), of(&MUTATING));
        let result = tokio::try_join!(
            put_all(&inside, &VALIDATING, &validating),
            put_all(&inside, &MUTATING, &mutating)
        );
        match result {
            Ok((validating, mutating)) => {
                check.ok();
                said.clear();
                // Ends with the first watch that ends: then all are looked at afresh.
                let disturbed = tokio::select! {
                    disturbed = follow(&inside, &VALIDATING, validating) => disturbed,
                    disturbed = follow(&inside, &MUTATING, mutating) => disturbed,
                };
                if !disturbed {
                    tokio::time::sleep(AGAIN).await;
                }
            }
            Err(error) => {
                let error = error.to_string();
                if error != said {
                    tracing::warn!(
                        error,
                        "a webhook of the host's owner is not in place, will retry"
                    );
                    check.failing(format!("policies.centralAdmission: {error}"));
                    said = error;
                }
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// What the API server holds of ours, by name, and the version from which to watch.
struct Placed {
    webhooks: BTreeMap<String, Value>,
    version: String,
}

/// Brings all of a kind to what they should be.
async fn put_all(
    inside: &Api,
    kind: &'static Resource,
    wanted: &[Object],
) -> Result<Placed, ApiError> {
    let mut webhooks = BTreeMap::new();
    if wanted.is_empty() {
        return Ok(Placed { webhooks, version: String::new() });
    }
    // First the version: what happens from here on is seen.
    let version = inside.list(kind, "", "").await?.version;
    for object in wanted {
        webhooks.insert(object.name().to_owned(), put(inside, kind, object).await?);
    }
    Ok(Placed { webhooks, version })
}

/// Makes one, or makes it what it should be; answers its webhooks with all defaults. Nothing is written when it is so.
async fn put(inside: &Api, kind: &Resource, wanted: &Object) -> Result<Value, ApiError> {
    let key = Key::cluster(wanted.name());
    let hooks = |object: &Object| object.at(&["webhooks"]).cloned().unwrap_or_default();
    // A merge patch replaces the list as a whole: nothing stays that somebody else put into it.
    let body = json!({ "metadata": wanted.at(&["metadata"]), "webhooks": hooks(wanted) });
    match inside.patch(kind, &key, None, PatchForm::Merge, &body).await {
        Ok(now) => Ok(hooks(&now)),
        Err(error) if error.code() == 404 => {
            Ok(hooks(&inside.create(kind, &key, wanted.value()).await?))
        }
        Err(error) => Err(error),
    }
}

/// Waits until one of them is not what it was, and answers whether that is so: the watch may end, too.
async fn follow(inside: &Api, kind: &'static Resource, placed: Placed) -> bool {
    if placed.webhooks.is_empty() {
        // The other kind decides.
        return std::future::pending().await;
    }
    let lines = match inside.watch(kind, "", "", &placed.version, WATCH).await {
        Ok(lines) => lines,
        Err(error) => {
            tracing::debug!(%error, "webhooks cannot be watched, will retry");
            return false;
        }
    };
    let mut lines = std::pin::pin!(lines);
    while let Some(Ok(line)) = lines.next().await {
        let Ok(event) = serde_json::from_slice::<Value>(&line) else { return false };
        if is_disturbed(&event, &placed.webhooks) {
            tracing::info!(kind = kind.kind, "a webhook of the host's owner was changed inside");
            return true;
        }
    }
    false
}

/// Whether an event says that one of ours is gone or different, or that the watch is of no more use.
fn is_disturbed(event: &Value, placed: &BTreeMap<String, Value>) -> bool {
    let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
    let object = Object::new(event.get("object").cloned().unwrap_or_default());
    match kind {
        "BOOKMARK" => false,
        "ERROR" => true,
        "DELETED" => placed.contains_key(object.name()),
        _ => placed.get(object.name()).is_some_and(|webhooks| {
            object.is_deleting() || object.at(&["webhooks"]) != Some(webhooks)
        }),
    }
}

/// The object as it goes into the virtual cluster. The host's services have no name there, but the API server is a pod of
/// the host and can call them by address.
fn made(kind: &Resource, wish: &Fragment) -> Object {
    let mut object = Value::from(wish.clone());
    members(&mut object).insert("apiVersion", kind.api_version().into());
    members(&mut object).insert("kind", kind.kind.into());
    let hooks = object.get_mut("webhooks").and_then(Value::as_array_mut);
    for hook in hooks.into_iter().flatten() {
        let Some(client) = hook.get_mut("clientConfig") else { continue };
        let Some(service) = client.get("service").filter(|it| it.is_object()).cloned() else {
            continue;
        };
        let text = |member: &str| service.get(member).and_then(Value::as_str).unwrap_or_default();
        let port = service.get("port").and_then(Value::as_u64).unwrap_or(443);
        let path = text("path").trim_start_matches('/');
        let url = format!("https://{}.{}.svc:{port}/{path}", text("name"), text("namespace"));
        members(client).remove("service");
        members(client).insert("url", url.into());
    }
    Object::new(object)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use vcluster_syncer_core::Side;

    use super::*;
    use crate::admin::{Gate, Health};
    use crate::namespace::tests::scripted;

    const YAML: &str = "policies: {centralAdmission: {validatingWebhooks: [{metadata: {name: guard}, webhooks: [{\
        name: guard.example.com, clientConfig: {caBundle: Y2E=, service: {name: guard, namespace: policy, path: /v, port: 8443}}}]}]}}";

    fn config() -> Config {
        vcluster_config::load("test", YAML).unwrap().config
    }

    #[test]
    fn services_of_the_host_are_called_by_address() {
        let wish = &config().policies.central_admission.validating_webhooks[0];
        let object = made(&VALIDATING, wish);
        assert_eq!(object.str_at(&["kind"]), Some("ValidatingWebhookConfiguration"));
        let client = &object.items_at(&["webhooks"])[0]["clientConfig"];
        assert_eq!(
            client,
            &json!({ "caBundle": "Y2E=", "url": "https://guard.policy.svc:8443/v" })
        );
    }

    #[test]
    fn only_what_concerns_ours_disturbs() {
        let placed = BTreeMap::from([(
            "guard".to_owned(),
            json!([{ "name": "a", "failurePolicy": "Fail" }]),
        )]);
        let event = |kind: &str, name: &str, policy: &str| {
            let hooks = json!([{ "name": "a", "failurePolicy": policy }]);
            let object = json!({ "metadata": { "name": name }, "webhooks": hooks });
            is_disturbed(&json!({ "type": kind, "object": object }), &placed)
        };
        assert!(!event("MODIFIED", "guard", "Fail") && !event("BOOKMARK", "", ""));
        assert!(!event("DELETED", "theirs", "Fail") && !event("ADDED", "theirs", "Ignore"));
        assert!(event("DELETED", "guard", "Fail") && event("MODIFIED", "guard", "Ignore"));
        assert!(event("ERROR", "", ""));
    }

    /// A virtual cluster out of which somebody takes it whenever it was made.
    #[tokio::test(start_paused = true)]
    async fn what_a_tenant_deletes_comes_back() {
        let made = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&made);
        let (namespace, _) =
            scripted(&[], move |line, body| match line.split_once(' ').unwrap().0 {
                "GET" => {
                    Some((200, json!({ "metadata": { "resourceVersion": "7" }, "items": [] })))
                }
                "PATCH" => Some((404, json!("not found"))),
                "POST" => {
                    *counted.lock().unwrap() += 1;
                    Some((201, body.clone()))
                }
                other => panic!("{other:?}"),
            });
        let health = Health::default();
        let check = health.register("central-admission", Gate::Notice);
        let inside = Api::new(namespace.client().clone(), Side::Virtual);
        tokio::spawn(keep(inside, config(), check));
        while *made.lock().unwrap() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(!health.ready().to_string().contains("not in place"));
    }
}
