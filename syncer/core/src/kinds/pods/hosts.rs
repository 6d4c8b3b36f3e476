//! Host names inside a pod: `/etc/hosts` and the names that the kubelet would have written there.

use crate::json::{Value, json};

use crate::object::members;
use crate::{Object, Settings, Virtual};

use super::paths::text;

/// Name of the init container, and of the volume that it fills.
pub const REWRITER: &str = "vcluster-rewrite-hosts";
/// Annotation by which a tenant's pod opts out.
pub const OPT_OUT: &str = "vcluster.loft.sh/disable-subdomain-rewrite";
/// The longest host name that Linux and the API take.
const MAX_HOSTNAME: usize = 63;

/// The host name of a virtual pod: its own wish, or its name as far as it is a DNS label.
pub fn hostname(virt: &Virtual<Object>) -> String {
    let wish = virt.str_at(&["spec", "hostname"]).filter(|name| !name.is_empty());
    wish.map_or_else(
        || {
            let name = virt.name().replace('.', "-");
            let cut: String = name.chars().take(MAX_HOSTNAME).collect();
            cut.trim_end_matches('-').to_owned()
        },
        str::to_owned,
    )
}

/// The names of the Kubernetes API, for programs that do not ask DNS.
pub fn alias_api(spec: &mut Value, ip: &str, domain: &str) {
    let names = [
        "kubernetes".to_owned(),
        "kubernetes.default".to_owned(),
        "kubernetes.default.svc".to_owned(),
        format!("kubernetes.default.svc.{domain}"),
    ];
    let aliases = members(spec).entry("hostAliases").or_insert_with(|| json!([]));
    let alias = json!({"ip": ip, "hostnames": names});
    match aliases {
        Value::Array(list) => list.push(alias),
        other => *other = json!([alias]),
    }
}

/// Makes a pod with a `subdomain` know its full name, which the host's kubelet cannot write: it would be one of the
/// host's domain. Returns whether it did.
///
/// An init container writes a copy of `/etc/hosts` in which the pod's addresses have the full name, and every
/// container gets that copy mounted. Contract with the image: `syncer hosts --from FILE --to FILE --hostname NAME
/// --fqdn NAME` copies FROM to TO, writing TO in place; in lines of the form `ADDRESS NAME` with exactly the host name
/// the full name comes first: `ADDRESS<TAB>FQDN<TAB>NAME`. The image has no shell; the program is its entrypoint.
pub fn rewrite(spec: &mut Value, virt: &Virtual<Object>, settings: &Settings) -> bool {
    let subdomain = text(spec, "subdomain").to_owned();
    members(spec).remove("subdomain");
    let host_network = spec.get("hostNetwork") == Some(&Value::Bool(true));
    let windows = spec.get("os").is_some_and(|os| text(os, "name") == "windows");
    let unwanted = virt.annotation(OPT_OUT) == Some("true");
    if subdomain.is_empty()
        || !settings.rewrite_hosts
        || unwanted
        || host_network
        || windows
        || is_taken(spec)
    {
        return false;
    }
    let hostname = hostname(virt);
    let fqdn =
        format!("{hostname}.{subdomain}.{}.svc.{}", virt.namespace(), settings.cluster_domain);
    let mut rewriter = json!({
        "name": REWRITER,
        "image": &settings.rewrite_hosts_image,
        "imagePullPolicy": "IfNotPresent",
        "args": [
            "hosts", "--from", "/etc/hosts", "--to", "/hosts/hosts", "--hostname", hostname, "--fqdn", fqdn,
        ],
        "securityContext": {
            "runAsUser": 1001, "runAsGroup": 1001, "runAsNonRoot": true,
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": REWRITER, "mountPath": "/hosts"}],
    });
    if has_resources(spec) {
        members(&mut rewriter).insert("resources", settings.rewrite_hosts_resources.clone());
    }
    for list in ["initContainers", "containers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        containers.into_iter().flatten().for_each(mount);
    }
    prepend(spec, "initContainers", rewriter);
    prepend(spec, "volumes", json!({"name": REWRITER, "emptyDir": {}}));
    true
}

/// Whether the pod has a container or volume of our name already.
fn is_taken(spec: &Value) -> bool {
    ["initContainers", "containers", "volumes"]
        .into_iter()
        .filter_map(|list| spec.get(list)?.as_array())
        .flatten()
        .any(|item| text(item, "name") == REWRITER)
}

/// Whether any container asks for resources: then ours must too, for the pod to keep its class of service. In a pod of
/// class BestEffort it must not. Where the pod as a whole has a limit, ours must not go beyond it.
fn has_resources(spec: &Value) -> bool {
    let asks = |holder: &Value| {
        let resources = holder.get("resources");
        ["limits", "requests"].into_iter().any(|kind| {
            resources
                .and_then(|resources| resources.get(kind)?.as_object())
                .is_some_and(|map| !map.is_empty())
        })
    };
    !asks(spec) && super::paths::containers(spec).any(asks)
}

fn mount(container: &mut Value) {
    let Some(members) = container.as_object_mut() else { return };
    let mounts = members.entry("volumeMounts").or_insert_with(|| json!([]));
    let Some(mounts) = mounts.as_array_mut() else { return };
    let own = |mount: &Value| text(mount, "mountPath").trim_end_matches('/') == "/etc/hosts";
    if !mounts.iter().any(own) {
        mounts.push(json!({"name": REWRITER, "mountPath": "/etc/hosts", "subPath": "hosts"}));
    }
}

fn prepend(spec: &mut Value, list: &str, item: Value) {
    match members(spec).entry(list).or_insert_with(|| json!([])) {
        Value::Array(items) => items.insert(0, item),
        other => *other = json!([item]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(spec: Value) -> Virtual<Object> {
        Virtual(Object::new(
            json!({"metadata": {"name": "web-0", "namespace": "shop"}, "spec": spec}),
        ))
    }

    fn rewritten(spec: Value) -> (Value, bool) {
        let virt = pod(spec);
        let mut spec = virt.at(&["spec"]).cloned().unwrap();
        let done = rewrite(&mut spec, &virt, &Settings::example());
        (spec, done)
    }

    #[test]
    fn host_names_are_dns_labels() {
        let named =
            |name: &str| hostname(&Virtual(Object::new(json!({"metadata": {"name": name}}))));
        assert_eq!(named("a.b"), "a-b");
        assert_eq!(named(&format!("{}-b", "a".repeat(62))), "a".repeat(62));
        assert_eq!(hostname(&pod(json!({"hostname": "mine"}))), "mine");
    }

    #[test]
    fn a_subdomain_becomes_an_init_container() {
        let (spec, done) = rewritten(json!({
            "subdomain": "web", "initContainers": [{"name": "first"}],
            "containers": [{"name": "a"}, {"name": "b", "volumeMounts": [{"mountPath": "/etc/hosts", "name": "own"}]}],
        }));
        assert!(done);
        assert_eq!(spec.get("subdomain"), None);
        let rewriter = &spec["initContainers"][0];
        assert_eq!(rewriter["name"], REWRITER);
        assert_eq!(rewriter["args"][8], "web-0.web.shop.svc.cluster.local");
        assert_eq!(rewriter.get("resources"), None);
        assert_eq!(spec["initContainers"][1]["volumeMounts"][0]["subPath"], "hosts");
        assert_eq!(spec["containers"][0]["volumeMounts"][0]["mountPath"], "/etc/hosts");
        assert_eq!(spec["containers"][1]["volumeMounts"].as_array().unwrap().len(), 1);
        assert_eq!(spec["volumes"], json!([{"name": REWRITER, "emptyDir": {}}]));
    }

    #[test]
    fn resources_keep_the_class_of_service() {
        let container = json!({"name": "a", "resources": {"requests": {"cpu": "1"}}});
        let virt = pod(json!({"subdomain": "web", "containers": [container]}));
        let mut spec = virt.at(&["spec"]).cloned().unwrap();
        let resources = json!({"limits": {"cpu": "7m"}, "requests": {"cpu": "5m"}});
        let settings =
            Settings { rewrite_hosts_resources: resources.clone(), ..Settings::example() };
        assert!(rewrite(&mut spec, &virt, &settings));
        assert_eq!(spec["initContainers"][0]["resources"], resources);
    }

    #[test]
    fn some_pods_keep_their_file() {
        for odd in [
            json!({}),
            json!({"subdomain": "web", "hostNetwork": true}),
            json!({"subdomain": "web", "os": {"name": "windows"}}),
            json!({"subdomain": "web", "containers": [{"name": REWRITER}]}),
        ] {
            let (spec, done) = rewritten(odd.clone());
            assert!(!done && spec.get("subdomain").is_none(), "{odd}");
        }
        let mut virt = pod(json!({"subdomain": "web"}));
        virt.0.set(&["metadata", "annotations", OPT_OUT], "true");
        let mut spec = json!({"subdomain": "web"});
        assert!(!rewrite(&mut spec, &virt, &Settings::example()));
    }
}
