//! Secret `NAME-certs`: the source of truth of the PKI.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use vcluster_syncer_core::json::{Map, Value, json};

use super::{Change, Pki, PkiError, Wanted};
use crate::namespace::{Denied, Namespace};

/// Several pods may start at once; each turn one of them gets further.
const TURNS: u32 = 20;

/// Why the PKI could not be read from or written to its Secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It is damaged.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The host does not answer, or refuses.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Others kept changing it.
    #[error("Secret {0} changes all the time")]
    Contended(String),
}

/// Reads the files of a Secret. Values that are not text are passed over: nothing of ours is.
#[must_use]
pub fn from_secret(secret: &Value) -> Pki {
    let data = secret.get("data").and_then(Value::as_object);
    let text =
        |value: &Value| String::from_utf8(BASE64_STANDARD.decode(value.as_str()?).ok()?).ok();
    let files = data
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.to_string(), text(value)?)));
    Pki::from_files(files.collect::<BTreeMap<_, _>>())
}

/// The data of the Secret.
#[must_use]
pub fn to_secret(pki: &Pki) -> Map {
    pki.files().map(|(name, text)| (name.to_owned(), BASE64_STANDARD.encode(text))).collect()
}

/// Reads Secret `NAME-certs`, makes it or adds to it what is missing or due, and answers what it holds then. When
/// another pod is quicker, its certificates win. `found` is the Secret if the caller has read it just now.
///
/// # Errors
/// When the host refuses, or the Secret is damaged.
pub async fn load_or_create(
    namespace: &Namespace,
    name: &str,
    wanted: Wanted<'_>,
    owner: Option<&Value>,
    mut found: Option<Value>,
) -> Result<(Pki, Vec<Change>), SecretError> {
    let secret = format!("{name}-certs");
    for turn in 0..TURNS {
        let mut pki = found.as_ref().map(from_secret).unwrap_or_default();
        let changes = pki.complete(Wanted { serving: None, ..wanted }, SystemTime::now())?;
        if found.is_some() && changes.is_empty() {
            return Ok((pki, changes));
        }
        let written = match &found {
            None => namespace.create("secrets", &body(&pki, name, namespace.name(), owner)).await,
            Some(present) => {
                let version = present.pointer("/metadata/resourceVersion");
                let change =
                    json!({ "metadata": { "resourceVersion": version }, "data": to_secret(&pki) });
                namespace.merge("secrets", &secret, &change).await
            }
        };
        match written {
            Ok(_) => return Ok((pki, changes)),
            Err(error) if error.is_conflict() || error.is_absent() => {
                tokio::time::sleep(Duration::from_millis(10 * u64::from(turn))).await;
                found = namespace.get("secrets", &secret).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(SecretError::Contended(format!("{}/{secret}", namespace.name())))
}

fn body(pki: &Pki, name: &str, namespace: &str, owner: Option<&Value>) -> Value {
    let owners: Vec<&Value> = owner.into_iter().collect();
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {
            "name": format!("{name}-certs"),
            "namespace": namespace,
            "labels": { "app": "vcluster", "release": name },
            "ownerReferences": owners,
        },
        "data": to_secret(pki),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::namespace::tests::scripted;

    #[test]
    fn a_secret_holds_all_and_gives_it_back() {
        let pki = Pki::fresh();
        let secret = body(&pki, "my-vc", "team-x", None);
        assert_eq!(from_secret(&secret), pki);
        assert_eq!(secret["metadata"]["name"], "my-vc-certs");
        assert!(secret["data"].get("apiserver.key").is_none(), "each pod makes its own");
    }

    #[test]
    fn odd_data_is_passed_over() {
        let secret = json!({ "data": { "ca.crt": "!!", "x": 1, "y": "aGk=" } });
        assert_eq!(from_secret(&secret).files().collect::<Vec<_>>(), [("y", "hi")]);
    }

    #[tokio::test]
    async fn the_first_pod_makes_it_and_the_next_takes_it() {
        let (host, asked) = scripted(&[], |_, _| None);
        let (made, changes) =
            load_or_create(&host, "my-vc", Wanted::default(), None, None).await.unwrap();
        assert_eq!(changes.len(), 11);
        let found = host.get("secrets", "my-vc-certs").await.unwrap();
        asked.lock().unwrap().clear();
        let (taken, changes) =
            load_or_create(&host, "my-vc", Wanted::default(), None, found).await.unwrap();
        assert_eq!((&taken, changes.len()), (&made, 0));
        assert!(asked.lock().unwrap().is_empty(), "nothing to ask");
    }

    #[tokio::test]
    async fn whoever_was_quicker_wins() {
        let (host, asked) = scripted(&[], |_, _| None);
        let (winner, _) =
            load_or_create(&host, "my-vc", Wanted::default(), None, None).await.unwrap();
        // It did not see the Secret when it looked.
        let (loser, changes) =
            load_or_create(&host, "my-vc", Wanted::default(), None, None).await.unwrap();
        assert_eq!((&loser, changes.len()), (&winner, 0));
        let asked = asked.lock().unwrap().clone();
        assert_eq!(asked, ["POST secrets", "POST secrets", "GET secrets/my-vc-certs"]);
    }

    #[tokio::test]
    async fn what_is_missing_is_added_to_what_is_there_now() {
        let pki = Pki::fresh();
        let mut secret = body(&pki, "my-vc", "team-x", None);
        secret["metadata"]["resourceVersion"] = json!("5");
        secret["data"].as_object_mut().unwrap().retain(|name, _| !name.starts_with("syncer."));
        let (host, asked) = scripted(&[("secrets", secret.clone())], |_, _| None);
        // What the caller saw is older than what is there.
        secret["metadata"]["resourceVersion"] = json!("4");
        let (fixed, changes) =
            load_or_create(&host, "my-vc", Wanted::default(), None, Some(secret)).await.unwrap();
        assert_eq!(changes.iter().map(|change| change.name).collect::<Vec<_>>(), ["syncer"]);
        let kept = from_secret(&host.get("secrets", "my-vc-certs").await.unwrap().unwrap());
        assert_eq!(kept, fixed);
        assert_eq!(kept.get("ca.crt").unwrap(), pki.get("ca.crt").unwrap());
        let patches = asked.lock().unwrap().iter().filter(|line| line.starts_with("PATCH")).count();
        assert_eq!(patches, 2, "refused once, then granted");
    }
}
