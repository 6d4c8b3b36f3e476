//! The token sources of a pod's volumes: what is to be requested for them, and what they become on the host.

use crate::json::{Value, json};

use crate::object::members;
use crate::plan::TokenRequest;
use crate::{Key, Object, Settings, Virtual};

use super::paths::{containers, each, each_mut, text};
use super::tokens::secret_key;

/// The lifetimes that the API takes, in seconds.
pub(super) const LEAST: i64 = 600;
const MOST: i64 = 1 << 32;
/// Lifetime where a source does not say, in seconds.
const DEFAULT: i64 = 3600;
/// A mode that every user in the pod can read by.
const READABLE: i64 = 0o644;

/// Makes each token source of a pod's spec a source from the Secret.
pub fn mount(spec: &mut Value, uid: &str, settings: &Settings) {
    let secret = secret_key(uid, settings);
    let mode = (!sees_root_files(spec)).then_some(READABLE);
    each_mut(spec, "volumes[]", &mut |volume| {
        let name = text(volume, "name").to_owned();
        let sources = volume
            .get_mut("projected")
            .and_then(|projected| projected.get_mut("sources")?.as_array_mut());
        for (place, source) in sources.into_iter().flatten().enumerate() {
            let Some(token) = source.get("serviceAccountToken").filter(|token| token.is_object())
            else {
                continue;
            };
            let mut item = json!({"key": data_key(&name, place), "path": text(token, "path")});
            if let Some(mode) = mode {
                members(&mut item).insert("mode", mode.into());
            }
            if let Some(user) = token.get("user") {
                members(&mut item).insert("user", user.clone());
            }
            *source = json!({"secret": {"name": secret.name(), "items": [item]}});
        }
    });
}

/// What is to be requested for a virtual pod: one token for each source.
pub fn requests(virt: &Virtual<Object>) -> Vec<TokenRequest> {
    let account = virt.str_at(&["spec", "serviceAccountName"]).filter(|name| !name.is_empty());
    let account = Virtual(Key::new(virt.namespace(), account.unwrap_or("default")));
    let spec = virt.at(&["spec"]).unwrap_or(&Value::Null);
    let mut requests = Vec::new();
    for volume in each(spec, "volumes[]") {
        for (place, source) in each(volume, "projected.sources[]").into_iter().enumerate() {
            let Some(token) = source.get("serviceAccountToken").filter(|token| token.is_object())
            else {
                continue;
            };
            let wanted = token.get("expirationSeconds").and_then(Value::as_i64);
            let audience = text(token, "audience");
            requests.push(TokenRequest {
                data_key: data_key(text(volume, "name"), place),
                service_account: account.clone(),
                audiences: Vec::from_iter((!audience.is_empty()).then(|| audience.to_owned())),
                expiration_seconds: wanted.unwrap_or(DEFAULT).clamp(LEAST, MOST),
                pod_name: virt.name().to_owned(),
                pod_uid: virt.uid().to_owned(),
            });
        }
    }
    requests
}

fn data_key(volume: &str, place: usize) -> String {
    format!("{volume}.{place}")
}

/// A pod's containers run as root, as far as its spec says. Otherwise the kubelet would give a token's file to their
/// user; it cannot give away a Secret's.
fn sees_root_files(spec: &Value) -> bool {
    let sets = |holder: &Value, field: &str| {
        holder.get("securityContext").and_then(|context| context.get(field)).is_some()
    };
    !sets(spec, "fsGroup")
        && !sets(spec, "runAsUser")
        && !containers(spec).any(|container| sets(container, "runAsUser"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(sources: Value) -> Virtual<Object> {
        Virtual(Object::new(json!({
            "metadata": {"name": "web", "namespace": "shop", "uid": "1234-ab", "resourceVersion": "9", "labels": {"app": "web"}},
            "spec": {
                "serviceAccountName": "robot",
                "volumes": [{"name": "api", "projected": {"defaultMode": 420, "sources": sources}}],
            },
        })))
    }

    fn two() -> Value {
        json!([
            {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
            {"configMap": {"name": "kube-root-ca.crt"}},
            {"serviceAccountToken": {"path": "vault", "audience": "vault", "expirationSeconds": 60}},
        ])
    }

    #[test]
    fn one_token_for_each_source() {
        let requests = requests(&pod(two()));
        let told: Vec<_> = requests
            .iter()
            .map(|r| (r.data_key.as_str(), r.audiences.clone(), r.expiration_seconds))
            .collect();
        assert_eq!(told, [("api.0", vec![], 3607), ("api.2", vec!["vault".to_owned()], 600)]);
        assert_eq!(requests[0].service_account, Virtual(Key::new("shop", "robot")));
        assert_eq!(requests[0].pod_uid, "1234-ab");
    }

    #[test]
    fn sources_become_keys_of_the_secret_in_place() {
        let mut spec = pod(two()).at(&["spec"]).cloned().unwrap();
        mount(&mut spec, "1234-ab", &Settings::example());
        let name = "vcluster-token-1234-ab-x-my-vc";
        assert_eq!(
            spec["volumes"][0]["projected"]["sources"],
            json!([
                {"secret": {"name": name, "items": [{"key": "api.0", "path": "token"}]}},
                {"configMap": {"name": "kube-root-ca.crt"}},
                {"secret": {"name": name, "items": [{"key": "api.2", "path": "vault"}]}},
            ])
        );
        for user in [
            json!({"securityContext": {"fsGroup": 5}}),
            json!({"containers": [{"securityContext": {"runAsUser": 5}}]}),
        ] {
            let mut spec = user;
            spec["volumes"] = json!([{"name": "api", "projected": {"sources": two()}}]);
            mount(&mut spec, "u", &Settings::example());
            let item = &spec["volumes"][0]["projected"]["sources"][0]["secret"]["items"][0];
            assert_eq!(item["mode"], 0o644);
        }
    }
}
