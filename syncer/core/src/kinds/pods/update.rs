//! What may change in a pod after it was made, on its way to the host.
//!
//! The host pod notes what was last sent of each changeable part. Only a part that changed inside since then is sent: the
//! host may have changed others for reasons of its own (a webhook that moves images to a mirror, a limit range), and
//! undoing that would never end.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::json::{Map, Value, json};
use serde::Serialize;

use crate::names::short_hash;
use crate::object::members;
use crate::resource::PODS;
use crate::{Host, Note, Object, Op, PatchForm, Settings, Side, Virtual};

use super::paths::text;
use super::resize;

/// Annotation on host pods: what was last sent of each changeable part, mostly as hashes, as a JSON object.
pub const SYNCED: &str = "vcluster.loft.sh/synced-spec";

/// The first minor version in which `pods/resize` is on by default.
const RESIZE: u32 = 33;
/// The lists of containers that have changeable parts.
const LISTS: [&str; 2] = ["containers", "initContainers"];

/// The changes for the host pod.
#[derive(Debug, Default)]
pub struct Changes {
    /// Writes, in order.
    pub ops: Vec<Op>,
    /// What cannot be done on this host.
    pub notes: Vec<Note>,
    /// Whether they change the host pod's spec.
    pub of_spec: bool,
}

/// The note for a new host pod.
pub fn note(virt: &Virtual<Object>) -> String {
    text_of(&parts(virt))
}

/// Finds out what to send; `metadata` is the part of the patch that labels and annotations need.
pub fn changes(
    virt: &Virtual<Object>,
    host: &Host<Object>,
    metadata: Option<Value>,
    settings: &Settings,
) -> Changes {
    let now = parts(virt);
    let note = text_of(&now);
    let before = host.annotation(SYNCED).and_then(|sent| {
        // Nearly always.
        let same = sent == note;
        if same {
            Some(Cow::Borrowed(&now))
        } else {
            Some(Cow::Owned(serde_json::from_str(sent).ok()?))
        }
    });
    let before = before.as_deref();
    // A pod of another version has no note: then whatever differs is taken for changed.
    let changed = |part: &str| before.is_none_or(|before| before.get(part) != now.get(part));

    let mut changes = Changes::default();
    let (spec, versioned) = spec_patch(virt, host, before, &changed, settings);
    let resources = resize::spec_patch(virt, host, &changed);
    if resources.is_some() && settings.host_minor < RESIZE {
        let message = format!(
            "the host cluster (1.{}) cannot change the resources of a running pod; make the pod anew",
            settings.host_minor
        );
        changes.notes.push(Note { warning: true, reason: "SyncWarning", message });
    } else if let Some(body) = resources {
        changes.ops.push(patch(host, Some("resize"), json!({ "spec": body })));
    }
    changes.of_spec = spec.is_some() || !changes.ops.is_empty();
    let mut metadata = metadata;
    if before.is_some_and(|before| *before != now) || before.is_none() && changes.of_spec {
        let annotations =
            members(metadata.get_or_insert_default()).entry("annotations").or_insert(Value::Null);
        members(annotations).insert(SYNCED, note.into());
    }
    let mut body = Map::new();
    body.extend(metadata.map(|metadata| ("metadata".to_owned(), metadata)));
    body.extend(spec.map(|spec| ("spec".to_owned(), spec)));
    if !body.is_empty() {
        let op = patch(host, None, Value::Object(body));
        changes.ops.push(if versioned { op.at_version(host.resource_version()) } else { op });
    }
    changes
}

/// The virtual pod's ephemeral containers that the host pod lacks.
pub fn added_containers<'a>(
    virt: &'a Virtual<Object>,
    host: &'a Host<Object>,
) -> impl Iterator<Item = &'a Value> {
    let have = host.items_at(&["spec", "ephemeralContainers"]);
    let wanted = virt.items_at(&["spec", "ephemeralContainers"]).iter();
    wanted.filter(move |container| named(have, text(container, "name")).is_none())
}

/// Adds ephemeral containers, translated already, to a host pod.
pub fn add_containers(host: &Host<Object>, containers: Vec<Value>) -> Op {
    let body = json!({"spec": {"ephemeralContainers": containers}});
    patch(host, Some("ephemeralcontainers"), body)
}

/// JSON that is written without a copy of what it says.
fn text_of(part: &(impl Serialize + ?Sized)) -> String {
    // Documents, and texts by texts, can always be written.
    serde_json::to_string(part).unwrap_or_default()
}

/// The changeable parts of a virtual pod, as they are noted.
fn parts(virt: &Virtual<Object>) -> BTreeMap<String, String> {
    let mut parts = BTreeMap::new();
    for (container, _) in containers(virt) {
        let name = text(container, "name");
        parts.insert(format!("image/{name}"), short_hash(text(container, "image")));
        if let Some(resources) = container.get("resources").filter(|value| has_members(value)) {
            parts.insert(format!("resources/{name}"), short_hash(&resources.to_string()));
        }
    }
    if let Some(seconds) = virt.at(&["spec", "activeDeadlineSeconds"]) {
        parts.insert("deadline".into(), seconds.to_string());
    }
    let tolerations = virt.items_at(&["spec", "tolerations"]);
    if !tolerations.is_empty() {
        parts.insert("tolerations".into(), short_hash(&text_of(tolerations)));
    }
    let gates = gates(virt);
    if !gates.is_empty() {
        parts.insert("gates".into(), gates.join(","));
    }
    parts
}

/// The patch of the host pod's spec, and whether it holds a list that has no merge key.
fn spec_patch(
    virt: &Virtual<Object>,
    host: &Host<Object>,
    before: Option<&BTreeMap<String, String>>,
    changed: &dyn Fn(&str) -> bool,
    settings: &Settings,
) -> (Option<Value>, bool) {
    let mut spec = Map::new();
    for (container, list) in containers(virt) {
        let (name, image) = (text(container, "name"), settings.image(text(container, "image")));
        let have = named(host.items_at(&["spec", list]), name).map(|have| text(have, "image"));
        if changed(&format!("image/{name}")) && have.is_some_and(|have| have != image) {
            push(&mut spec, list, json!({"name": name, "image": image}));
        }
    }
    let deadline = virt.at(&["spec", "activeDeadlineSeconds"]);
    if let Some(deadline) = deadline.filter(|_| changed("deadline"))
        && host.at(&["spec", "activeDeadlineSeconds"]) != Some(deadline)
    {
        spec.insert("activeDeadlineSeconds", deadline.clone());
    }
    // Gates can only be taken away; those that the host added are the host's to take.
    let sent = before.map(|before| before.get("gates").map(String::as_str).unwrap_or_default());
    let (wanted, have) = (gates(virt), gates(host));
    for gate in have.iter().filter(|gate| !wanted.contains(gate)) {
        if sent.is_none_or(|sent| sent.split(',').any(|sent| sent == *gate)) {
            push(&mut spec, "schedulingGates", json!({"name": gate, "$patch": "delete"}));
        }
    }
    // Tolerations can only be added.
    let have = host.items_at(&["spec", "tolerations"]);
    let wanted = virt.items_at(&["spec", "tolerations"]).iter();
    let mut missing = wanted.filter(|wanted| !have.contains(wanted)).peekable();
    let versioned = changed("tolerations") && missing.peek().is_some();
    if versioned {
        let all: Vec<Value> = have.iter().chain(missing).cloned().collect();
        spec.insert("tolerations", all.into());
    }
    ((!spec.is_empty()).then_some(Value::Object(spec)), versioned)
}

fn patch(host: &Host<Object>, subresource: Option<&'static str>, body: Value) -> Op {
    Op::patch(Side::Host, &PODS, host, PatchForm::Strategic, subresource, body)
}

/// Adds an item to a list of a patch.
pub fn push(spec: &mut Map, list: &str, item: Value) {
    if let Value::Array(items) = spec.entry(list).or_insert_with(|| json!([])) {
        items.push(item);
    }
}

/// The containers that have changeable parts, each with the name of its list.
pub fn containers(virt: &Virtual<Object>) -> impl Iterator<Item = (&Value, &'static str)> {
    let lists = LISTS.into_iter();
    lists.flat_map(|list| virt.items_at(&["spec", list]).iter().map(move |item| (item, list)))
}

/// The item of this name.
pub fn named<'a>(list: &'a [Value], name: &str) -> Option<&'a Value> {
    list.iter().find(|item| text(item, "name") == name)
}

fn gates(pod: &Object) -> Vec<&str> {
    pod.items_at(&["spec", "schedulingGates"]).iter().map(|gate| text(gate, "name")).collect()
}

fn has_members(value: &Value) -> bool {
    value.as_object().is_some_and(|members| !members.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Act;

    fn virt(spec: Value) -> Virtual<Object> {
        Virtual(Object::new(json!({"metadata": {"name": "web", "uid": "v"}, "spec": spec})))
    }

    /// The host pod as it was made of this virtual one, with what the host did to it.
    fn host(virt: &Virtual<Object>, spec: Value) -> Host<Object> {
        Host(Object::new(json!({
            "metadata": {"name": "h", "uid": "h", "resourceVersion": "7", "annotations": {SYNCED: note(virt)}},
            "spec": spec,
        })))
    }

    fn bodies(virt: &Virtual<Object>, host: &Host<Object>) -> Vec<(Option<&'static str>, Value)> {
        let changes = changes(virt, host, None, &Settings::example());
        let body = |op: Op| match op.act {
            Act::Patch { subresource, mut body, .. } => {
                if let Some(annotations) = body.pointer_mut("/metadata/annotations") {
                    assert!(members(annotations).remove(SYNCED).is_some());
                }
                (subresource, body.get("spec").cloned().unwrap_or_default())
            }
            other => panic!("{other:?}"),
        };
        changes.ops.into_iter().map(body).collect()
    }

    fn spec(image: &str) -> Value {
        json!({"containers": [{"name": "a", "image": image}]})
    }

    #[test]
    fn what_the_host_changed_stays_until_it_changes_inside() {
        let before = virt(spec("web:1"));
        let mirrored = host(&before, spec("mirror/web:1"));
        assert_eq!(bodies(&before, &mirrored), []);
        let after = virt(spec("web:2"));
        assert_eq!(
            bodies(&after, &mirrored),
            [(None, json!({"containers": [{"name": "a", "image": "web:2"}]}))]
        );
    }

    #[test]
    fn a_pod_without_a_note_is_compared_directly() {
        let mut old = host(&virt(json!({})), spec("web:1"));
        old.0.remove(&["metadata", "annotations"]);
        assert_eq!(bodies(&virt(spec("web:1")), &old), []);
        assert_eq!(bodies(&virt(spec("web:2")), &old).len(), 1);
    }

    #[test]
    fn deadlines_gates_and_tolerations_follow() {
        let made = json!({"schedulingGates": [{"name": "x"}, {"name": "y"}], "tolerations": [{"key": "a"}]});
        let have = json!({
            "schedulingGates": [{"name": "x"}, {"name": "y"}, {"name": "hosts"}],
            "tolerations": [{"key": "a"}, {"key": "hosts"}],
        });
        let host = host(&virt(made), have);
        let after = virt(json!({
            "activeDeadlineSeconds": 9, "schedulingGates": [{"name": "y"}], "tolerations": [{"key": "a"}, {"key": "b"}],
        }));
        assert_eq!(
            bodies(&after, &host),
            [(
                None,
                json!({
                    "activeDeadlineSeconds": 9,
                    "schedulingGates": [{"name": "x", "$patch": "delete"}],
                    "tolerations": [{"key": "a"}, {"key": "hosts"}, {"key": "b"}],
                })
            )]
        );
        let op = &changes(&after, &host, None, &Settings::example()).ops[0];
        assert!(
            matches!(&op.act, Act::Patch { resource_version: Some(version), .. } if version == "7")
        );
    }

    #[test]
    fn only_new_ephemeral_containers_are_added() {
        let virt = virt(json!({"ephemeralContainers": [{"name": "a"}, {"name": "b"}]}));
        let host = host(&virt, json!({"ephemeralContainers": [{"name": "a"}]}));
        let added: Vec<_> = added_containers(&virt, &host).collect();
        assert_eq!(added, [&json!({"name": "b"})]);
    }

    #[test]
    fn resources_go_through_resize() {
        let sized = |cpu: &str| json!({"containers": [{"name": "a", "image": "i", "resources": {"requests": {"cpu": cpu}}}]});
        let have = json!({"containers": [{"name": "a", "image": "i",
            "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}}]});
        let (before, after) = (virt(sized("1")), virt(sized("2")));
        let host = host(&before, have);
        assert_eq!(bodies(&before, &host), []);
        assert_eq!(
            bodies(&after, &host)[0],
            (
                Some("resize"),
                json!({"containers": [{"name": "a", "resources": {"requests": {"cpu": "2"}}}]})
            )
        );
        let old = Settings { host_minor: 32, ..Settings::example() };
        let changes = changes(&after, &host, None, &old);
        assert_eq!((changes.ops.len(), changes.notes.len(), changes.of_spec), (1, 1, false));
    }
}
