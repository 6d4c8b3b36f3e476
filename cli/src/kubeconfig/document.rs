//! Changes to one kubeconfig document. Pure.

use serde_json::{Map, Value, json};

/// Where our own facts about a context are kept (`contexts[].context.extensions`), as minikube keeps its own.
const EXTENSION: &str = "vcluster";

/// A context with the cluster and user of the same name.
#[derive(Clone, Debug, PartialEq)]
pub struct Stanza {
    /// Name of all three.
    pub name: String,
    /// Body under `clusters[].cluster`.
    pub cluster: Value,
    /// Body under `users[].user`.
    pub user: Value,
    /// Which virtual cluster this is, for contexts with a name of the user's own choice.
    pub origin: Option<Origin>,
}

/// The virtual cluster that a context belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Name of the virtual cluster.
    pub name: String,
    /// Its host namespace.
    pub namespace: String,
    /// Context of its host.
    pub host_context: String,
}

/// The three lists that hold named things.
pub(super) const LISTS: [&str; 3] = ["clusters", "contexts", "users"];

/// A document with nothing in it.
pub fn empty() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "preferences": {},
        "clusters": [], "contexts": [], "users": [], "current-context": "",
    })
}

/// A whole kubeconfig with one context, which is current.
pub fn standalone(stanza: &Stanza) -> Value {
    let mut document = empty();
    for list in LISTS {
        upsert(&mut document, list, stanza);
    }
    set_current(&mut document, &stanza.name);
    document
}

/// The current context; an empty string counts as none.
pub fn current_context(document: &Value) -> Option<&str> {
    document.get("current-context")?.as_str().filter(|name| !name.is_empty())
}

/// Makes a context current.
pub fn set_current(document: &mut Value, name: &str) {
    insert(document, "current-context", json!(name));
}

/// Whether a list (`clusters`, `contexts`, `users`) has an item of a name.
pub fn has(document: &Value, list: &str, name: &str) -> bool {
    find(document, list, name).is_some()
}

/// Puts the stanza's part for one list in, replacing an item of the same name. What the user chose for a context
/// (its default namespace) stays.
pub fn upsert(document: &mut Value, list: &str, stanza: &Stanza) {
    let key = list.trim_end_matches('s');
    let body = match list {
        "clusters" => stanza.cluster.clone(),
        "users" => stanza.user.clone(),
        _ => context_body(stanza, find(document, list, &stanza.name)),
    };
    if !document.get(list).is_some_and(Value::is_array) {
        insert(document, list, json!([]));
    }
    let Some(items) = document.get_mut(list).and_then(Value::as_array_mut) else { return };
    let item = json!({ "name": stanza.name, key: body });
    match items
        .iter_mut()
        .find(|item| item.get("name").and_then(Value::as_str) == Some(&stanza.name))
    {
        Some(old) => *old = item,
        None => items.push(item),
    }
}

/// Removes the item of a name from one list; says whether there was one.
pub fn remove(document: &mut Value, list: &str, name: &str) -> bool {
    let Some(items) = document.get_mut(list).and_then(Value::as_array_mut) else { return false };
    let before = items.len();
    items.retain(|item| item.get("name").and_then(Value::as_str) != Some(name));
    items.len() != before
}

/// Which virtual cluster a context belongs to: by what was noted in it, else by its name.
pub fn origin_of(document: &Value, context: &str) -> Option<Origin> {
    let noted = find(document, "contexts", context)
        .and_then(|item| item.pointer("/context/extensions")?.as_array())
        .and_then(|extensions| {
            extensions
                .iter()
                .find(|item| item.get("name").and_then(Value::as_str) == Some(EXTENSION))
        })
        .and_then(|item| {
            let text = |key| Some(item.get("extension")?.get(key)?.as_str()?.to_owned());
            Some(Origin {
                name: text("name")?,
                namespace: text("namespace")?,
                host_context: text("hostContext")?,
            })
        });
    noted.or_else(|| {
        let (name, namespace, host) = super::parse_context_name(context)?;
        Some(Origin { name: name.into(), namespace: namespace.into(), host_context: host.into() })
    })
}

/// The cluster and user bodies that a document's current context (else its first) refers to.
pub fn stanza_of(document: &Value) -> Option<(Value, Value)> {
    let context = current_context(document)
        .and_then(|name| find(document, "contexts", name))
        .or_else(|| document.get("contexts")?.as_array()?.first())?;
    let refers = |key: &str| context.get("context")?.get(key)?.as_str();
    let cluster = find(document, "clusters", refers("cluster")?)?.get("cluster")?.clone();
    let user = refers("user")
        .and_then(|user| find(document, "users", user)?.get("user").cloned())
        .unwrap_or_else(|| json!({}));
    Some((cluster, user))
}

/// The address of a context's cluster, when it is in this document.
pub fn server_of<'a>(document: &'a Value, cluster: &str) -> Option<&'a str> {
    find(document, "clusters", cluster)?.pointer("/cluster/server")?.as_str()
}

fn context_body(stanza: &Stanza, old: Option<&Value>) -> Value {
    let mut body = json!({ "cluster": stanza.name, "user": stanza.name });
    if let Some(namespace) = old.and_then(|item| item.pointer("/context/namespace")) {
        insert(&mut body, "namespace", namespace.clone());
    }
    if let Some(origin) = &stanza.origin {
        let noted = json!({ "name": origin.name, "namespace": origin.namespace, "hostContext": origin.host_context });
        insert(&mut body, "extensions", json!([{ "name": EXTENSION, "extension": noted }]));
    }
    body
}

fn find<'a>(document: &'a Value, list: &str, name: &str) -> Option<&'a Value> {
    let items = document.get(list)?.as_array()?;
    items.iter().find(|item| item.get("name").and_then(Value::as_str) == Some(name))
}

/// Sets a key of an object; whatever else stood there becomes an object first.
fn insert(value: &mut Value, key: &str, item: Value) {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    if let Some(map) = value.as_object_mut() {
        map.insert(key.to_owned(), item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stanza(name: &str) -> Stanza {
        Stanza {
            name: name.into(),
            cluster: json!({ "server": "https://127.0.0.1:10500" }),
            user: json!({ "token": "t" }),
            origin: Some(Origin {
                name: "a".into(),
                namespace: "ns".into(),
                host_context: "kind".into(),
            }),
        }
    }

    #[test]
    fn a_stanza_survives_the_round_trip() {
        let document = standalone(&stanza("mine"));
        assert_eq!(current_context(&document), Some("mine"));
        assert_eq!(stanza_of(&document), Some((stanza("x").cluster, stanza("x").user)));
        assert_eq!(origin_of(&document, "mine"), stanza("x").origin);
        assert_eq!(server_of(&document, "mine"), Some("https://127.0.0.1:10500"));
    }

    #[test]
    fn replacing_keeps_the_default_namespace_and_the_neighbours() {
        let mut document = json!({
            "contexts": [
                { "name": "kind", "context": { "cluster": "kind" }, "unknown": 1 },
                { "name": "mine", "context": { "cluster": "old", "namespace": "web" } },
            ],
            "x-unknown": { "kept": true },
        });
        upsert(&mut document, "contexts", &stanza("mine"));
        assert_eq!(document.pointer("/contexts/1/context/namespace"), Some(&json!("web")));
        assert_eq!(document.pointer("/contexts/1/context/cluster"), Some(&json!("mine")));
        assert_eq!(document.pointer("/contexts/0/unknown"), Some(&json!(1)));
        assert_eq!(document.pointer("/x-unknown/kept"), Some(&json!(true)));
    }

    #[test]
    fn removing_takes_only_the_name() {
        let mut document = standalone(&stanza("mine"));
        upsert(&mut document, "contexts", &stanza("other"));
        assert!(remove(&mut document, "contexts", "mine"));
        assert!(!remove(&mut document, "contexts", "mine"));
        assert!(has(&document, "contexts", "other") && !has(&document, "contexts", "mine"));
    }

    #[test]
    fn odd_documents_are_survived() {
        for text in [
            "null",
            "[]",
            "3",
            "\"x\"",
            "{\"contexts\": 3, \"clusters\": null}",
            "{\"contexts\":[1,null,{}]}",
        ] {
            let mut document: Value = serde_json::from_str(text).unwrap();
            assert_eq!(current_context(&document), None);
            assert_eq!(stanza_of(&document), None);
            assert!(!remove(&mut document, "contexts", "x"));
            for list in LISTS {
                upsert(&mut document, list, &stanza("mine"));
            }
            assert!(has(&document, "contexts", "mine"), "{text}");
        }
    }

    #[test]
    fn the_origin_falls_back_to_the_name() {
        let origin = origin_of(&empty(), "vcluster_a_ns_kind").unwrap();
        assert_eq!((origin.name.as_str(), origin.host_context.as_str()), ("a", "kind"));
        assert_eq!(origin_of(&empty(), "kind"), None);
    }
}
