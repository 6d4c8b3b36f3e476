//! Keys that took another shape.

use serde_json::{Map, Value, json};

use super::{Turned, is_nothing};
use crate::document::Document;

/// Parts of the metrics server's data: any of them turns the integration on.
pub(super) fn metrics(turned: &mut Turned<'_>, path: &str, value: &Value) {
    let part = if path.contains(".nodes.") { "nodes" } else { "pods" };
    if value == &Value::Bool(true) {
        turned.put("integrations.metricsServer.enabled", value.clone());
        let other = if part == "nodes" { "pods" } else { "nodes" };
        let said = |part: &str| {
            turned.document.root.get("proxy")?.get("metricsServer")?.get(part)?.get("enabled")
        };
        if said(other).is_none_or(|node| node.to_value() != Value::Bool(true)) {
            turned.put(&format!("integrations.metricsServer.{other}"), Value::Bool(false));
        }
    }
}

/// What cannot be turned off any more.
pub(super) fn must_be_on(turned: &mut Turned<'_>, path: &str, value: &Value) {
    if value != &Value::Bool(true) {
        turned.note(path, "was left out: it is always on now".to_owned());
    }
}

/// `a=b,c=d` as a map.
pub(super) fn node_selector(turned: &mut Turned<'_>, path: &str, value: &Value) {
    let Some(text) = value.as_str() else {
        return turned.note(path, "is not text, and was left out".to_owned());
    };
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    let labels: Map<String, Value> =
        pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().into())).collect();
    if !labels.is_empty() {
        turned.put("sync.fromHost.nodes.selector.labels", Value::Object(labels));
    }
}

/// The text of a configuration file becomes part of this one.
pub(super) fn generic_sync(turned: &mut Turned<'_>, path: &str, value: &Value) {
    if is_nothing(value) {
        return;
    }
    let parsed = value.as_str().and_then(|text| Document::parse(path, text).ok());
    let Some(Value::Object(mut config)) = parsed.map(|document| document.root.to_value()) else {
        return turned
            .note(path, "is not the text of a configuration, and was left out".to_owned());
    };
    config.retain(|key, _| ["version", "export", "import", "hooks"].contains(&key.as_str()));
    turned.put("experimental.genericSync", Value::Object(config));
}

/// Mounts of the classic containers; those that the charts had themselves are today's chart's own affair.
pub(super) fn mounts(turned: &mut Turned<'_>, _path: &str, value: &Value) {
    let own = ["data", "coredns", "binaries", "certs"];
    let is_own = |mount: &&Value| {
        mount.get("name").and_then(Value::as_str).is_some_and(|name| own.contains(&name))
    };
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let others: Vec<Value> = items.iter().filter(|mount| !is_own(mount)).cloned().collect();
    turned.append("controlPlane.statefulSet.persistence.addVolumeMounts", &Value::Array(others));
}

/// Where the classic syncer kept the programs that it ran.
pub(super) fn binaries(turned: &mut Turned<'_>, path: &str, value: &Value) {
    if value != &json!([{ "name": "binaries", "emptyDir": {} }]) {
        turned.note(path, "was left out: programs run from their own images".to_owned());
    }
}

/// Whether claims go with the release.
pub(super) fn retention(turned: &mut Turned<'_>, path: &str, value: &Value) {
    if value != &Value::Bool(true) {
        return;
    }
    let to = match path.starts_with("etcd.") {
        true => {
            "controlPlane.backingStore.etcd.deploy.statefulSet.persistence.volumeClaim.retentionPolicy"
        }
        false => "controlPlane.statefulSet.persistence.volumeClaim.retentionPolicy",
    };
    turned.put(to, "Delete".into());
}

/// The image of the distribution.
pub(super) fn distro_image(turned: &mut Turned<'_>, path: &str, value: &Value) {
    let to = turned.place("controlPlane.distro.DISTRO.image");
    image(turned, path, value, &to);
}

/// The image of one program.
pub(super) fn program_image(turned: &mut Turned<'_>, path: &str, value: &Value) {
    let to = match path.split('.').next() {
        Some("api") => turned.place("controlPlane.distro.DISTRO.apiServer.image"),
        Some("controller") => turned.place("controlPlane.distro.DISTRO.controllerManager.image"),
        Some("scheduler") => turned.place("controlPlane.distro.DISTRO.scheduler.image"),
        _ => "controlPlane.backingStore.etcd.deploy.statefulSet.image".to_owned(),
    };
    image(turned, path, value, &to);
}

fn image(turned: &mut Turned<'_>, path: &str, value: &Value, to: &str) {
    let Some(reference) = value.as_str().filter(|text| !text.is_empty()) else {
        return;
    };
    if reference.contains('@') {
        return turned
            .note(path, "was left out: an image is chosen by a tag, not a digest".to_owned());
    }
    let (name, tag) = match reference.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (reference, ""),
    };
    let is_registry = |part: &str| part.contains(['.', ':']) || part == "localhost";
    let (registry, repository) = match name.split_once('/') {
        Some((first, rest)) if is_registry(first) => (first, rest),
        _ => ("", name),
    };
    turned.put(to, json!({ "registry": registry, "repository": repository, "tag": tag }));
}

/// One store at a time: the classic charts deployed etcd beside an embedded one.
pub(super) fn embedded_etcd(turned: &mut Turned<'_>, _path: &str, value: &Value) {
    if value == &Value::Bool(true) {
        turned.put("controlPlane.backingStore.etcd.embedded.enabled", Value::Bool(true));
        turned.later.push(("controlPlane.backingStore.etcd.deploy.enabled".into(), false.into()));
    }
}

/// Fields that may not be empty where they are now: an empty one meant that it is left out.
pub(super) fn policy(turned: &mut Turned<'_>, path: &str, value: &Value) {
    let place = match path {
        "ingress.ingressClassName" => "controlPlane.ingress.spec",
        "coredns.service.externalTrafficPolicy" => "controlPlane.coredns.service.spec",
        _ => "controlPlane.service.spec",
    };
    if let Some(field) = path.rsplit('.').next().filter(|_| !is_nothing(value)) {
        turned.put(&format!("{place}.{field}"), value.clone());
    }
}

/// The name server that isolated pods may reach; of no use to others.
pub(super) fn fallback(turned: &mut Turned<'_>, _path: &str, value: &Value) {
    let isolation = turned.document.root.get("isolation").map(|node| node.to_value());
    let isolation = isolation.unwrap_or_default();
    let on = |pointer: &str| isolation.pointer(pointer).and_then(Value::as_bool);
    if on("/enabled") == Some(true) && on("/networkPolicy/enabled") != Some(false) {
        turned.put("policies.networkPolicy.fallbackDns", value.clone());
    }
}

/// Manifests for the virtual cluster. `---` alone stood for none.
pub(super) fn manifests(turned: &mut Turned<'_>, path: &str, value: &Value) {
    if let Some(field) = path.rsplit('.').next().filter(|_| !is_nothing(value)) {
        turned.put(&format!("experimental.deploy.vcluster.{field}"), value.clone());
    }
}

/// One switch turned on what has a switch each now. Without it nothing below had an effect.
pub(super) fn isolation(turned: &mut Turned<'_>, path: &str, value: &Value) {
    if value.get("enabled") != Some(&Value::Bool(true)) {
        return;
    }
    for (name, known) in [
        ("resourceQuota", &["quota", "scopeSelector", "scopes"][..]),
        ("limitRange", &["default", "defaultRequest", "min", "max"][..]),
        ("networkPolicy", &["outgoingConnections"][..]),
    ] {
        let part = value.get(name).and_then(Value::as_object);
        let mut part = part.cloned().unwrap_or_default();
        let on = part.remove("enabled") != Some(Value::Bool(false));
        for key in part.keys().filter(|key| !known.contains(&key.as_str())) {
            let why = "was left out: it is not known";
            turned.note(&format!("{path}.{name}.{key}"), why.to_owned());
        }
        part.retain(|key, value| known.contains(&key.as_str()) && !is_nothing(value));
        part.insert("enabled".into(), Value::Bool(on));
        turned.put(&format!("policies.{name}"), Value::Object(part));
    }
    let standard = value.get("podSecurityStandard").and_then(Value::as_str);
    turned.put("policies.podSecurityStandard", standard.unwrap_or("baseline").into());
    for key in ["namespace", "nodeProxyPermission"] {
        if value.get(key).is_some_and(|value| !is_nothing(value)) {
            let why = "was left out: nothing like it is needed";
            turned.note(&format!("{path}.{key}"), why.to_owned());
        }
    }
}
