//! Service account tokens of the virtual cluster for its pods, in one host Secret per pod (design D10).
//!
//! The kubelet would ask the host for tokens, which are worth nothing inside. So each token source of a projected volume
//! becomes a key of a Secret, in place, and the Secret is kept fresh. Its name has the virtual pod's UID: a pod made
//! again under the same name must not start with the token of the one before.

use crate::json::json;
use jiff::{SignedDuration, Timestamp};

use crate::metadata::{self, Owner};
use crate::names::{safe_concat, short_hash};
use crate::object::members;
use crate::plan::Token;
use crate::resource::{PODS, SECRETS};
use crate::{Act, Host, Key, Object, Op, PatchForm, Settings, Side, Virtual, World};

use super::token_sources::{LEAST, requests};

/// Annotation on the Secret: when its tokens were asked for.
pub const ISSUED: &str = "vcluster.loft.sh/tokens-issued";
/// Annotation on the Secret: when the first of its tokens ends.
pub const EXPIRE: &str = "vcluster.loft.sh/tokens-expire";
/// Annotation on the host pod: when its tokens were last refreshed. A change makes the kubelet look at once.
pub const REFRESHED: &str = "vcluster.loft.sh/tokens-refreshed";

/// Tokens are never refreshed more often than this, whatever the clocks say.
const PAUSE: SignedDuration = SignedDuration::from_secs(60);
/// When new tokens are looked at. Until then nothing is known of how long they were granted for.
const FIRST_LOOK: SignedDuration = SignedDuration::from_secs(LEAST / 2);

/// What must be done for a pod's tokens, and when they must be looked at again.
#[derive(Debug, Default, PartialEq)]
pub struct Upkeep {
    /// Creates or renews the Secret.
    pub op: Option<Op>,
    /// When the tokens are due.
    pub due: Option<Timestamp>,
}

/// Makes sure that the Secret of a pod is there and fresh.
pub fn upkeep(virt: &Virtual<Object>, world: &dyn World, settings: &Settings) -> Upkeep {
    let requests = requests(virt);
    if requests.is_empty() {
        return Upkeep::default();
    }
    let key = secret_key(virt.uid(), settings);
    let secrets = world.owned(&SECRETS, &Virtual(virt.key()));
    let now = world.now();
    let act = match secrets.iter().find(|secret| secret.key() == *key) {
        None => Act::Create(empty_secret(virt, &key, now, settings)),
        Some(secret) => match due(secret) {
            Some(due) if due > now => return Upkeep { op: None, due: Some(due) },
            _ => Act::Patch {
                uid: secret.uid().to_owned(),
                resource_version: None,
                form: PatchForm::Merge,
                subresource: None,
                body: json!({"metadata": {"annotations": {ISSUED: now.to_string()}}}),
            },
        },
    };
    let act = Act::WithTokens { requests, then: Box::new(act) };
    let op = Op { side: Side::Host, kind: &SECRETS, key: key.0, act };
    Upkeep { op: Some(op), due: now.checked_add(FIRST_LOOK).ok() }
}

/// Tells the kubelet of a host pod that its tokens are new.
pub fn announce(host: &Host<Object>, now: Timestamp) -> Op {
    Op::patch_host(&PODS, host, json!({"metadata": {"annotations": {REFRESHED: now.to_string()}}}))
}

/// Puts granted tokens into the write that waits for them: Create or Patch of the Secret.
pub fn fill(act: &mut Act, tokens: &[Token]) {
    let body = match act {
        Act::Create(object) => object.value_mut(),
        Act::Patch { body, .. } => body,
        Act::WithTokens { then, .. } => return fill(then, tokens),
        Act::Delete { .. } | Act::Bind { .. } => return,
    };
    let data = members(body).entry("stringData").or_insert_with(|| json!({}));
    for token in tokens {
        members(data).insert(token.data_key.clone(), token.token.clone().into());
    }
    if let Some(first) = tokens.iter().map(|token| token.expires).min() {
        let metadata = members(body).entry("metadata").or_insert_with(|| json!({}));
        let annotations = members(metadata).entry("annotations").or_insert_with(|| json!({}));
        members(annotations).insert(EXPIRE, first.to_string().into());
    }
}

/// Deletes the token Secrets of a key, apart from those of the pod with this UID.
pub fn leftovers(
    key: &Virtual<Key>,
    keep: Option<&str>,
    world: &dyn World,
    settings: &Settings,
) -> Vec<Op> {
    let kept = keep.map(|uid| secret_key(uid, settings));
    let secrets = world.owned(&SECRETS, key);
    secrets
        .iter()
        .filter(|secret| kept.as_ref().is_none_or(|kept| secret.key() != **kept))
        .filter(|secret| !secret.is_deleting())
        .map(|secret| Op::delete_host(&SECRETS, secret))
        .collect()
}

/// Whether a marked Secret is one of ours: its name is the one that the UID in its marks gives.
pub fn owns(host: &Host<Object>, owner: &Owner, settings: &Settings) -> bool {
    !owner.uid.is_empty() && host.key() == *secret_key(&owner.uid, settings)
}

/// Takes the tokens themselves away from a Secret of tokens: when they end stands in its annotations.
pub fn slim(secret: &mut Object) {
    if secret.annotation(ISSUED).is_some() {
        secret.remove(&["data"]);
    }
}

/// The Secret of the virtual pod with this UID.
pub fn secret_key(uid: &str, settings: &Settings) -> Host<Key> {
    let plain = uid.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    let uid = if plain && !uid.is_empty() { uid.to_owned() } else { short_hash(uid) };
    let name = safe_concat(&["vcluster", "token", &uid, "x", &settings.name]);
    Host(Key::new(&settings.host_namespace, &name))
}

fn empty_secret(
    virt: &Virtual<Object>,
    key: &Host<Key>,
    now: Timestamp,
    settings: &Settings,
) -> Object {
    // Marks only: a tenant's labels and annotations are of no use on it.
    let marked = Virtual(Object::new(json!({"metadata": {
        "name": virt.name(), "namespace": virt.namespace(), "uid": virt.uid(),
        "resourceVersion": virt.resource_version(),
    }})));
    let mut secret = Object::new(json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": metadata::to_host(&marked, &PODS, key, settings),
    }));
    secret.set(&["metadata", "annotations", ISSUED], now.to_string());
    secret
}

/// When the tokens of a Secret must be renewed: at 80 % of their life, at half of it when it is short. Nothing when its
/// notes cannot be read: then they are due.
fn due(secret: &Host<Object>) -> Option<Timestamp> {
    let time = |annotation| secret.annotation(annotation)?.parse::<Timestamp>().ok();
    let (issued, expire) = (time(ISSUED)?, time(EXPIRE)?);
    let life = expire.duration_since(issued);
    let part = if life < SignedDuration::from_mins(30) { life / 2 } else { life / 5 * 4 };
    issued.checked_add(part.max(PAUSE)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Value;
    use crate::kinds::pods::alone::Alone;

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
    fn names_are_fit_for_secrets_whatever_the_uid() {
        let settings =
            Settings { name: "a-rather-long-name-of-a-cluster".into(), ..Settings::example() };
        for uid in ["0b9c6d5e-8f0a-4b7c-9d3e-2f1a0b9c8d7e", "", "UPPER/slash", "ü"] {
            let key = secret_key(uid, &settings);
            assert!(key.name().len() <= 63 && key.name().is_ascii(), "{key:?}");
            assert!(!key.name().contains('/') && !key.name().chars().any(char::is_uppercase));
        }
    }

    #[test]
    fn the_secret_is_made_filled_and_renewed_in_time() {
        let (virt, settings) = (pod(two()), Settings::example());
        let mut world = Alone::default();
        let Some(op) = upkeep(&virt, &world, &settings).op else { panic!("must be made") };
        let mut act = op.act;
        let start = world.now();
        let expires = start + SignedDuration::from_secs(3607);
        let tokens = ["api.0", "api.2"].map(|data_key| Token {
            data_key: data_key.into(),
            token: "secret".into(),
            expires,
        });
        fill(&mut act, &tokens);
        let Act::WithTokens { then, .. } = act else { panic!("{op:?}", op = op.key) };
        let Act::Create(made) = *then else { panic!("not a create") };
        assert_eq!(made.str_at(&["stringData", "api.2"]), Some("secret"));
        assert_eq!(made.label("app"), None);
        assert_eq!(made.annotation(crate::labels::OBJECT_UID), Some("1234-ab"));
        let owner = metadata::owner(&Host(made.clone()), &settings).expect("marked");
        assert!(owns(&Host(made.clone()), &owner, &settings));

        world.host.push((&SECRETS, Host(made)));
        let due = start + SignedDuration::from_secs(3607) / 5 * 4;
        assert_eq!(upkeep(&virt, &world, &settings), Upkeep { op: None, due: Some(due) });
        world.now = due;
        let renewed = upkeep(&virt, &world, &settings).op.expect("due");
        assert!(
            matches!(renewed.act, Act::WithTokens { then, .. } if matches!(*then, Act::Patch { .. }))
        );
    }

    #[test]
    fn short_lives_end_at_half_and_odd_notes_are_due() {
        let secret = |issued: &str, expire: &str| {
            Host(Object::new(
                json!({"metadata": {"annotations": {ISSUED: issued, EXPIRE: expire}}}),
            ))
        };
        let due = |issued, expire| due(&secret(issued, expire)).map(|at| at.to_string());
        let at = "2026-01-01T00:00:00Z";
        assert_eq!(due(at, "2026-01-01T00:10:00Z").as_deref(), Some("2026-01-01T00:05:00Z"));
        assert_eq!(due(at, "2026-01-01T01:00:00Z").as_deref(), Some("2026-01-01T00:48:00Z"));
        // A clock that is wrong must not make us ask without end.
        assert_eq!(due(at, "2025-01-01T00:00:00Z").as_deref(), Some("2026-01-01T00:01:00Z"));
        assert_eq!(due(at, "soon"), None);
    }
}
