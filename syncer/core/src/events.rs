//! What the host says about our objects, told inside: a host Event becomes one about the virtual twin.

use serde_json::{Map, json};

use crate::kinds::configmaps::ROOT_CA;
use crate::names::{safe_concat, short_hash};
use crate::{Host, Object, Settings, Virtual, metadata};

/// What is taken over as it is. Not `related`, which names another host object, nor `metadata`.
const KEPT: [&str; 11] = [
    "action",
    "count",
    "eventTime",
    "firstTimestamp",
    "lastTimestamp",
    "reason",
    "reportingComponent",
    "reportingInstance",
    "series",
    "source",
    "type",
];

/// The event to post inside for a host event about `twin`; nothing when `twin` is not marked as ours.
///
/// Its name is a function of the host event's, so that a repetition finds the one that was posted before. Host names do
/// not belong in it: they are replaced in the message as far as they can be told.
pub fn to_virtual(
    event: &Host<Object>,
    twin: &Host<Object>,
    settings: &Settings,
) -> Option<Virtual<Object>> {
    let owner = metadata::owner(twin, settings)?;
    let (name, namespace) = (owner.key.name(), owner.key.namespace());
    let event_namespace = if namespace.is_empty() { "default" } else { namespace };
    let mut about = Map::new();
    for field in ["apiVersion", "kind", "fieldPath"] {
        if let Some(value) = event.at(&["involvedObject", field]) {
            about.insert(field.to_owned(), value.clone());
        }
    }
    about.insert("name".into(), name.into());
    about.insert("uid".into(), owner.uid.as_str().into());
    if !namespace.is_empty() {
        about.insert("namespace".into(), namespace.into());
    }
    let mut made = json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": event_name(event, twin, name), "namespace": event_namespace},
        "involvedObject": about,
    });
    let members = crate::object::members(&mut made);
    for field in KEPT {
        if let Some(value) = event.at(&[field]) {
            members.insert(field.to_owned(), value.clone());
        }
    }
    if let Some(message) = event.str_at(&["message"]) {
        members.insert(
            "message".into(),
            virtual_names(message, twin, name, namespace, settings).into(),
        );
    }
    Some(Virtual(Object::new(made)))
}

/// `TWIN.SUFFIX` becomes `NAME.SUFFIX`; any other name is hashed.
fn event_name(event: &Host<Object>, twin: &Host<Object>, name: &str) -> String {
    let suffix = event.name().strip_prefix(twin.name()).and_then(|rest| rest.strip_prefix('.'));
    match suffix {
        Some(suffix) => format!("{name}.{suffix}"),
        None => format!("{name}.{}", short_hash(event.name())),
    }
}

fn virtual_names(
    message: &str,
    twin: &Host<Object>,
    name: &str,
    namespace: &str,
    settings: &Settings,
) -> String {
    let shared_ca = safe_concat(&["vcluster", ROOT_CA, "x", &settings.name]);
    message
        .replace(&format!("{}/{}", twin.namespace(), twin.name()), &format!("{namespace}/{name}"))
        .replace(twin.name(), name)
        .replace(&shared_ca, ROOT_CA)
        // Names of neighbours in the same namespace, such as a Secret that is missing.
        .replace(&format!("-x-{namespace}-x-{}", settings.name), "")
        .replace(&format!("\"{}\"/", settings.host_namespace), &format!("\"{namespace}\"/"))
        .replace(&format!("{}/", settings.host_namespace), &format!("{namespace}/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Key;
    use crate::resource::PODS;

    fn twin() -> Host<Object> {
        let virt = json!({"metadata": {"name": "web-0", "namespace": "shop", "uid": "u1", "resourceVersion": "7"}});
        let key = Host(Key::new("team-x", "web-0-x-shop-x-my-vc"));
        let metadata =
            metadata::to_host(&Virtual(Object::new(virt)), &PODS, &key, &Settings::example());
        Host(Object::new(json!({ "metadata": metadata })))
    }

    fn told(message: &str, name: &str) -> Virtual<Object> {
        let event = json!({
            "metadata": {"name": name, "namespace": "team-x", "uid": "e1"},
            "involvedObject": {"kind": "Pod", "apiVersion": "v1", "name": "web-0-x-shop-x-my-vc", "namespace": "team-x",
                "uid": "host", "resourceVersion": "3", "fieldPath": "spec.containers{web}"},
            "related": {"kind": "Node", "name": "n"}, "message": message, "reason": "Scheduled", "type": "Normal", "count": 2,
        });
        to_virtual(&Host(Object::new(event)), &twin(), &Settings::example()).expect("ours")
    }

    #[test]
    fn the_event_is_about_the_twin_and_names_nothing_of_the_host() {
        let made = told(
            "Successfully assigned team-x/web-0-x-shop-x-my-vc to node1",
            "web-0-x-shop-x-my-vc.17ab",
        );
        assert_eq!((made.name(), made.namespace()), ("web-0.17ab", "shop"));
        assert_eq!(made.str_at(&["message"]), Some("Successfully assigned shop/web-0 to node1"));
        assert_eq!(
            made.at(&["involvedObject"]),
            Some(
                &json!({"kind": "Pod", "apiVersion": "v1", "name": "web-0", "namespace": "shop", "uid": "u1",
                "fieldPath": "spec.containers{web}"})
            )
        );
        assert_eq!((made.at(&["related"]), made.at(&["count"])), (None, Some(&json!(2))));
        assert!(!made.value().to_string().contains("team-x"));
    }

    #[test]
    fn names_of_neighbours_are_told_too() {
        let made = told(
            "secret \"key-x-shop-x-my-vc\" not found; configmap \"vcluster-kube-root-ca.crt-x-my-vc\"",
            "other",
        );
        assert_eq!(
            made.str_at(&["message"]),
            Some("secret \"key\" not found; configmap \"kube-root-ca.crt\"")
        );
        assert_eq!(made.name(), format!("web-0.{}", short_hash("other")));
    }

    #[test]
    fn an_event_about_somebody_elses_object_is_not_told() {
        let foreign =
            Host(Object::new(json!({"metadata": {"name": "web", "namespace": "team-x"}})));
        assert_eq!(to_virtual(&Host(Object::new(json!({}))), &foreign, &Settings::example()), None);
    }
}
