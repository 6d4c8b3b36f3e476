//! What goes wrong before a host is reached: exit code, cause and hint.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what it expects by panicking"
)]

mod support;

use support::Sandbox;

#[test]
fn no_host_cluster() {
    let sandbox = Sandbox::new();
    let without = sandbox.transcript(&[&["list"]]);
    sandbox.kubeconfig("https://127.0.0.1:1");
    let away = sandbox.transcript(&[&["create", "my-vc"], &["list", "--context", "tset"]]);
    insta::assert_snapshot!("no_host_cluster", without + &away);
}

#[test]
fn a_broken_kubeconfig() {
    let sandbox = Sandbox::new();
    sandbox.write("kubeconfig", "contexts: [\n");
    insta::assert_snapshot!("broken_kubeconfig", sandbox.transcript(&[&["list"], &["disconnect"]]));
}

#[test]
fn names_that_are_none() {
    let sandbox = Sandbox::new();
    sandbox.kubeconfig("https://127.0.0.1:1");
    insta::assert_snapshot!(
        "names",
        sandbox.transcript(&[&["create", "My_VC"], &["create", "a-x-b"]])
    );
}

#[test]
fn a_context_that_is_itself_a_virtual_cluster() {
    let sandbox = Sandbox::new();
    let context = "vcluster_outer_team_kind-kind";
    sandbox.write(
        "kubeconfig",
        &format!(
            "contexts: [{{name: {context}, context: {{cluster: c}}}}]\ncurrent-context: {context}\n"
        ),
    );
    insta::assert_snapshot!("nested_context", sandbox.transcript(&[&["create", "inner"]]));
}

#[test]
fn values_that_cannot_be_used() {
    let sandbox = Sandbox::new();
    sandbox.kubeconfig("https://127.0.0.1:1");
    sandbox.write("values.yaml", "sync:\n  toHost:\n    podz:\n      enabled: true\n");
    let create = |arguments: [&'static str; 2]| {
        ["create", "my-vc", "--dry-run=client", arguments[0], arguments[1]]
    };
    let transcript = sandbox.transcript(&[
        &create(["-f", "values.yaml"]),
        &create(["-f", "no-such.yaml"]),
        &create(["-f", "https://x.example/values.yaml"]),
        &create(["--set", "nonsense"]),
        &create(["--kubernetes-version", "latest"]),
        &create(["--distro", "k7s"]),
    ]);
    insta::assert_snapshot!("values", transcript);
}

#[test]
fn helm_that_is_missing_old_or_broken() {
    let sandbox = Sandbox::new();
    let create: [&[&str]; 1] = [&["create", "my-vc", "--dry-run=client"]];
    sandbox.helm("echo v3.9.4");
    let old = sandbox.transcript(&create);
    sandbox.helm("echo 'cannot execute' >&2; exit 126");
    let broken = sandbox.transcript(&create);
    std::fs::remove_file(sandbox.path("bin/helm")).unwrap();
    insta::assert_snapshot!("helm", old + &broken + &sandbox.transcript(&create));
}

#[test]
fn wrong_usage_is_exit_code_2() {
    let sandbox = Sandbox::new();
    sandbox.kubeconfig("https://127.0.0.1:1");
    for arguments in [
        &["create"][..],
        &["no-such-command"],
        &["create", "a", "--timeout", "soon"],
        &["connect", "a", "--cluster-role", "view"],
        &["delete", "a", "--keep-pvc", "--delete-namespace"],
        &["list", "-o", "xml"],
        &["list", "-A", "-n", "x"],
        &["create", "a", "--k3s-image", "x"],
    ] {
        assert_eq!(sandbox.run(arguments).code, 2, "{arguments:?}");
    }
}

#[test]
fn a_dry_run_prints_what_helm_renders_and_needs_no_host() {
    let sandbox = Sandbox::new();
    sandbox.helm("case \"$1\" in version) echo v3.19.0;; template) echo 'kind: Service';; esac");
    let ran = sandbox.run(&[
        "create",
        "my-vc",
        "--dry-run=client",
        "--expose",
        "--set",
        "controlPlane.proxy.port=9443",
    ]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "kind: Service\n"), "{}", ran.stderr);
    assert!(sandbox.read("helm.log").contains("template my-vc /"), "{}", sandbox.read("helm.log"));
    assert_eq!(
        sandbox.read("helm.values"),
        "controlPlane:\n  proxy:\n    port: 9443\n  service:\n    spec:\n      type: LoadBalancer\n"
    );
}

#[test]
fn messages_can_be_json_and_data_stays_on_stdout() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(&["create", "My_VC", "--log-format", "json"]);
    let line: serde_json::Value = serde_json::from_str(ran.stderr.trim()).unwrap();
    assert_eq!((line["level"].as_str(), line["code"].as_u64()), (Some("error"), Some(2)));
    assert_eq!(ran.stdout, "");
}
