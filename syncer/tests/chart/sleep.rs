//! What the chart adds for a virtual cluster that falls asleep by itself, and only then.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use vcluster_syncer::activator;
use vcluster_syncer_core::Rule;

use crate::render::{NAME, chart, of_kind, one};

const AFTER: &str = "sleep: {auto: {afterInactivity: 30m}}";
const SCHEDULE: &str = "sleep: {auto: {schedule: 0 20 * * *}}";
const ISOLATED: &str = "sleep: {auto: {afterInactivity: 30m}}\npolicies: {isolate: true}";

fn activator_role() -> String {
    format!("vc-activator-{NAME}")
}

/// The API server's flags about audit.
fn audit(objects: &[Value]) -> Vec<String> {
    audit_of(objects, "kube-apiserver")
}

/// The same of another container.
fn audit_of(objects: &[Value], container: &str) -> Vec<String> {
    let set = one(objects, "StatefulSet", NAME);
    let containers = set["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    let server = containers.iter().find(|it| it["name"] == container).unwrap();
    let args = server["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap());
    args.filter(|arg| arg.contains("audit")).map(str::to_owned).collect()
}

/// What the activator is told. It understands all of it.
fn told(objects: &[Value]) -> Value {
    let deployment = one(objects, "Deployment", &format!("{NAME}-activator"));
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["command"], json!(["/activator"]));
    let [document] = &container["args"].as_array().unwrap()[..] else { panic!("{container}") };
    let document = document.as_str().unwrap();
    activator::Arguments::read(document).unwrap();
    serde_json::from_str(document).unwrap()
}

#[test]
fn nothing_is_there_unless_it_is_asked_for() {
    for values in ["", "sleep: {auto: {timezone: Europe/Berlin}}"] {
        let objects = chart(values);
        assert!(of_kind(&objects, "Deployment").is_empty());
        let text = serde_json::to_string(&objects).unwrap();
        // The options themselves are there, as they always are, encoded.
        assert!(!text.contains("activator"), "{values:?}");
        assert_eq!(audit(&objects), [""; 0]);
    }
}

#[test]
fn the_api_server_tells_of_requests_when_they_count() {
    let flags = audit(&chart(AFTER));
    assert_eq!(
        flags,
        [
            "--audit-policy-file=/pki/audit-policy.json",
            "--audit-webhook-batch-max-wait=1s",
            "--audit-webhook-config-file=/pki/audit-webhook.json",
            "--audit-webhook-mode=batch",
        ]
    );
    assert_eq!(audit(&chart(SCHEDULE)), [""; 0]);
}

#[test]
fn the_activator_is_told_what_wakes_and_sleeps() {
    let own_etcd = "backingStore: {etcd: {deploy: {enabled: true}}}";
    let etcd = format!("{NAME}-etcd");
    for (plane, server, workloads) in [
        ("statefulSet: {highAvailability: {replicas: 1}}", "kube-apiserver", vec![NAME]),
        (own_etcd, "kube-apiserver", vec![&etcd, NAME]),
        ("distro: {eks: {enabled: true}}", "kube-apiserver", vec![NAME]),
        ("distro: {k3s: {enabled: true}}", "k3s", vec![NAME]),
        ("distro: {k0s: {enabled: true}}", "k0s", vec![NAME]),
    ] {
        let objects = chart(&format!("{SCHEDULE}\ncontrolPlane: {{{plane}}}"));
        let told = told(&objects);
        assert_eq!(told["server"], server);
        assert_eq!(told["workloads"], json!(workloads), "{plane}");
        assert_eq!(told["options"]["schedule"], "0 20 * * *");
        assert_eq!(told["selector"], json!({ "app": "vcluster", "release": NAME }));
        let set = one(&objects, "StatefulSet", NAME);
        let containers = set["spec"]["template"]["spec"]["containers"].as_array().unwrap();
        let container = containers.iter().find(|it| it["name"] == server).unwrap();
        assert!(container["readinessProbe"]["httpGet"].is_object(), "{server} never says ready");
    }
}

#[test]
fn k3s_tells_of_requests_too() {
    let flags: Vec<_> = audit(&chart(AFTER))
        .iter()
        .map(|flag| flag.replacen("--", "--kube-apiserver-arg=", 1))
        .collect();
    let k3s = "controlPlane: {distro: {k3s: {enabled: true}}}";
    assert_eq!(audit_of(&chart(&format!("{AFTER}\n{k3s}")), "k3s"), flags);
    assert_eq!(audit_of(&chart(k3s), "k3s"), [""; 0]);
}

#[test]
fn the_activator_has_the_rights_that_it_declares_and_nobody_else_gets_any() {
    for values in [AFTER, SCHEDULE] {
        let objects = chart(values);
        let role = one(&objects, "Role", &activator_role());
        let (set, etcd) = (NAME.to_owned(), format!("{NAME}-etcd"));
        let declared: BTreeSet<_> = [
            (activator::WORKLOAD_RULES, vec![set.clone(), etcd]),
            (activator::SERVICE_RULES, vec![set]),
            (activator::POD_RULES, vec![]),
        ]
        .into_iter()
        .flat_map(|(rules, names)| rules.iter().map(move |rule| of_rule(rule, &names)))
        .collect();
        let granted = role["rules"].as_array().unwrap().iter().map(of_granted).collect();
        assert_eq!(declared, granted);
        let others = |objects: &[Value]| -> Vec<Value> {
            let roles = of_kind(objects, "Role").into_iter().cloned();
            roles.filter(|it| it["metadata"]["name"] != activator_role()).collect()
        };
        assert_eq!(others(&objects), others(&chart("")));
        let binding = one(&objects, "RoleBinding", &activator_role());
        assert_eq!(binding["subjects"][0]["name"], activator_role().as_str());
        let deployment = one(&objects, "Deployment", &format!("{NAME}-activator"));
        let pod = &deployment["spec"]["template"]["spec"];
        assert_eq!(pod["serviceAccountName"], activator_role().as_str());
        assert_eq!(pod["automountServiceAccountToken"], false);
    }
    let rules = [activator::WORKLOAD_RULES, activator::SERVICE_RULES, activator::POD_RULES];
    assert!(rules.iter().flat_map(|rules| rules.iter()).all(|rule| rule.in_admin));
    assert!(
        chart(&format!("{AFTER}\nrbac: {{role: {{enabled: false}}}}"))
            .iter()
            .all(|it| it["kind"] != "Role")
    );
}

#[test]
fn policies_let_it_talk_to_the_control_plane() {
    let objects = chart(ISOLATED);
    let policy = one(&objects, "NetworkPolicy", &format!("vc-cp-{NAME}"));
    let text = policy["spec"].to_string();
    let all = r#"["vcluster","vcluster-etcd","vcluster-activator"]"#;
    assert_eq!(text.matches(all).count(), 3, "{text}");
    let without = chart("policies: {isolate: true}");
    let policy = one(&without, "NetworkPolicy", &format!("vc-cp-{NAME}"));
    assert!(!policy.to_string().contains("activator"));
}

/// Group, resources, names, verbs.
type Right = (String, Vec<String>, Vec<String>, Vec<String>);

fn of_rule(rule: &Rule, names: &[String]) -> Right {
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    (rule.group.to_owned(), texts(rule.resources), names.to_vec(), texts(rule.verbs))
}

fn of_granted(rule: &Value) -> Right {
    let texts = |list: &Value| -> Vec<String> {
        let items = list.as_array().into_iter().flatten();
        items.map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let group = texts(&rule["apiGroups"]).concat();
    (group, texts(&rule["resources"]), texts(&rule["resourceNames"]), texts(&rule["verbs"]))
}
