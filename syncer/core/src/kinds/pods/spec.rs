//! The host pod of a virtual pod: a copy in which the fields that mean something else on the host are changed. Fields
//! that this program does not know stay as they are (design D3).

use crate::json::{Value, json};

use crate::object::members;
use crate::{Host, Key, Object, Settings, Virtual, World};

use super::around::{Around, Dns};
use super::{
    affinity, dns, downward, hosts, marks, paths, references, service_links, token_sources, update,
    volumes,
};

/// Fields of the spec that the host decides on by itself: its admission would refuse ours.
const HOSTS_OWN: [&str; 6] = [
    "serviceAccount",
    // From the host's priority classes.
    "priority",
    "preemptionPolicy",
    "priorityClassName",
    // From the host's runtime class.
    "overhead",
    // A new pod may not have any; they are added afterwards.
    "ephemeralContainers",
];

/// What says where a pod may go. Where a scheduler inside has placed it, by labels that may be there only, it has been
/// heard; and that scheduler's name means nothing on the host.
const PLACING: [&str; 4] =
    ["affinity", "nodeSelector", "schedulerName", "topologySpreadConstraints"];

/// The first minor version whose API server takes resources for the pod as a whole.
const POD_LEVEL_RESOURCES: u32 = 34;

/// Makes the host pod. It is not judged yet.
pub fn host_pod(
    virt: &Virtual<Object>,
    key: &Host<Key>,
    around: &Around,
    world: &dyn World,
    settings: &Settings,
) -> Host<Object> {
    let mut pod = Object::new(virt.value().clone());
    pod.remove(&["status"]);
    pod.set(&["apiVersion"], "v1");
    pod.set(&["kind"], "Pod");
    let marks = marks::wanted(virt, Some(&around.namespace), key, settings);
    pod.set(&["metadata"], marks.into_metadata(key, settings));
    pod.set(&["metadata", "annotations", update::SYNCED], update::note(virt));
    let mut spec = pod.remove(&["spec"]).unwrap_or_else(|| json!({}));
    fixed(&mut spec, virt, settings);
    additions(&mut spec, settings);
    names(&mut spec, virt, settings);
    network(&mut spec, virt, around, settings);
    affinity::translate(&mut spec, virt.namespace(), world, settings);
    if settings.scheduling.is_inside(virt) {
        PLACING.iter().for_each(|field| drop(members(&mut spec).remove(field)));
    } else {
        keep_to_shown_nodes(&mut spec, settings);
    }
    if let Some(node) = node_to_return_to(virt) {
        members(&mut spec).remove("nodeName");
        affinity::pin(&mut spec, node);
    }
    if hosts::rewrite(&mut spec, virt, settings) {
        pod.set(&["metadata", "annotations", marks::HOSTS_REWRITTEN], "true");
    }
    pod.set(&["spec"], spec);
    Host(pod)
}

/// A container that is added to a running pod.
pub fn added_container(
    container: &Value,
    virt: &Virtual<Object>,
    variables: &service_links::Variables,
    settings: &Settings,
) -> Value {
    let mut container = container.clone();
    replace_image(&mut container, settings);
    references::translate_container(&mut container, virt.namespace(), settings);
    downward::translate_container(&mut container, settings);
    service_links::inject(&mut container, variables);
    container
}

/// What is the same for every pod.
fn fixed(spec: &mut Value, virt: &Virtual<Object>, settings: &Settings) {
    let hostname = hosts::hostname(virt);
    let members = members(spec);
    for field in HOSTS_OWN {
        members.remove(field);
    }
    if settings.host_minor < POD_LEVEL_RESOURCES {
        members.remove("resources");
    }
    let account = settings.workload_service_account.as_str();
    members.insert("serviceAccountName", account.into());
    members.insert("automountServiceAccountToken", false.into());
    members.insert("enableServiceLinks", false.into());
    if !hostname.is_empty() {
        members.insert("hostname", hostname.into());
    }
    if let Some(class) = &settings.priority_class_name {
        members.insert("priorityClassName", class.as_str().into());
    }
    if let Some(class) = &settings.runtime_class_name {
        members.insert("runtimeClassName", class.as_str().into());
    }
}

/// What the virtual cluster's owner has added to every pod, or put in its place.
fn additions(spec: &mut Value, settings: &Settings) {
    if !settings.tolerations.is_empty() {
        let tolerations = members(spec).entry("tolerations").or_insert_with(|| json!([]));
        let mut all = tolerations.as_array().cloned().unwrap_or_default();
        let missing: Vec<Value> =
            settings.tolerations.iter().filter(|wanted| !all.contains(wanted)).cloned().collect();
        all.extend(missing);
        *tolerations = all.into();
    }
    paths::each_container(spec, &mut |container| replace_image(container, settings));
}

fn replace_image(container: &mut Value, settings: &Settings) {
    let named = paths::text(container, "image").to_owned();
    let image = settings.image(&named);
    if image != named {
        members(container).insert("image", image.into());
    }
}

/// Names of other objects, and of the pod itself.
fn names(spec: &mut Value, virt: &Virtual<Object>, settings: &Settings) {
    volumes::translate(spec, virt);
    references::translate(spec, virt.namespace(), settings);
    // After the references: the names it writes are host names already.
    token_sources::mount(spec, virt.uid(), settings);
    downward::translate(spec, settings);
}

fn network(spec: &mut Value, virt: &Virtual<Object>, around: &Around, settings: &Settings) {
    let domain = &settings.cluster_domain;
    hosts::alias_api(spec, &around.api_ip, domain);
    match &around.dns {
        Dns::Own => {}
        Dns::Cluster(server) => dns::translate(spec, server, virt.namespace(), domain),
        Dns::Missing => dns::use_nodes(spec),
    }
    paths::each_container(spec, &mut |container| {
        service_links::inject(container, &around.variables);
    });
}

/// Where only nodes with some labels are shown, pods run on no others.
fn keep_to_shown_nodes(spec: &mut Value, settings: &Settings) {
    for (key, value) in settings.scheduling.node_labels() {
        let selector = members(spec).entry("nodeSelector").or_insert_with(|| json!({}));
        members(selector).insert(key.clone(), value.as_str().into());
    }
}

/// The node of a virtual pod that was bound to it by a scheduler: a binding can't be undone, so its new host pod may go
/// nowhere else, but it must be scheduled, for its place may be taken. A `nodeName` that its owner wrote passes as it is.
fn node_to_return_to(virt: &Virtual<Object>) -> Option<&str> {
    let conditions = virt.items_at(&["status", "conditions"]).iter();
    let mut scheduled = conditions.filter(|condition| {
        paths::text(condition, "type") == "PodScheduled"
            && paths::text(condition, "status") == "True"
    });
    let node = virt.str_at(&["spec", "nodeName"]).filter(|node| !node.is_empty())?;
    scheduled.next().map(|_| node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::pods::alone::Alone;
    use crate::kinds::pods::paths::text;

    /// What a kubelet would read for a field of a pod.
    fn read(pod: &Object, path: &str) -> String {
        let (path, key) =
            path.strip_suffix("']").and_then(|path| path.split_once("['")).unwrap_or((path, ""));
        let value = match path {
            "metadata.annotations" => pod.annotation(key),
            "metadata.labels" => pod.label(key),
            _ => panic!("a host's kubelet would read its own {path}"),
        };
        value.unwrap_or("nothing").to_owned()
    }

    #[test]
    fn a_container_three_clusters_deep_reads_its_own_pod() {
        let fields = [
            ("metadata.name", "web-0"),
            ("metadata.namespace", "shop"),
            ("metadata.uid", "uid"),
            ("metadata.labels['release']", "mine"),
            ("metadata.labels['app']", "web"),
            ("metadata.annotations['note']", "mine"),
            ("metadata.annotations['vcluster.loft.sh/name']", "mine too"),
            ("spec.serviceAccountName", "robot"),
        ];
        let env: Vec<Value> = fields
            .iter()
            .map(|(path, _)| json!({"name": "A", "valueFrom": {"fieldRef": {"fieldPath": path}}}))
            .collect();
        let mut pod = Object::new(json!({
            "metadata": {
                "name": "web-0", "namespace": "shop", "uid": "uid", "labels": {"app": "web", "release": "mine"},
                "annotations": {"note": "mine", "vcluster.loft.sh/name": "mine too"},
            },
            "spec": {
                "subdomain": "web", "serviceAccountName": "robot", "dnsPolicy": "Default",
                "containers": [{"name": "web", "env": env}],
                "affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
                    {"labelSelector": {"matchLabels": {"release": "mine"}}, "topologyKey": "zone"},
                ]}},
                "volumes": [
                    {"name": "k", "secret": {"secretName": "keys"}},
                    {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
                ],
            },
        }));
        for level in ["inner", "middle", "outer"] {
            let settings = Settings { name: level.into(), ..Settings::example() };
            let virt = Virtual(pod);
            let key = crate::kinds::namespaced_host_key(&Virtual(virt.key()), &settings);
            let around = Around {
                namespace: Virtual(Object::new(json!({"metadata": {"labels": {"level": level}}}))),
                api_ip: "10.0.0.1".into(),
                dns: Dns::Own,
                variables: service_links::of_api("10.0.0.1"),
            };
            let mut host = host_pod(&virt, &key, &around, &Alone::default(), &settings);
            super::super::judge::pod(&host, &settings).expect("a host pod is a fit virtual pod");
            host.0.set(&["metadata", "uid"], format!("uid-{level}"));
            pod = host.0;
        }
        let spec = pod.at(&["spec"]).expect("a spec");
        let container = paths::containers(spec).find(|of| text(of, "name") == "web").expect("it");
        let read: Vec<String> = paths::each(container, "env[].valueFrom.fieldRef.fieldPath")
            .into_iter()
            .map(|path| read(&pod, path.as_str().unwrap()))
            .collect();
        assert_eq!(read, fields.map(|(_, wanted)| wanted));
        // The init container of the innermost level writes the name; the others have nothing to add.
        let init = spec["initContainers"].as_array().unwrap();
        assert_eq!(init.len(), 1);
        assert_eq!(init[0]["args"][8], "web-0.web.shop.svc.cluster.local");
        // The pod matches its own affinity still.
        let term = paths::each(
            spec,
            "affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[].labelSelector",
        );
        assert!(crate::selectors::matches(term[0], &pod), "{}", term[0]);
    }
}
