//! Against a host that is scripted.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use clap::Parser as _;
use vcluster_syncer_core::Side;

use super::*;
use crate::admin::{Gate, Health};
use crate::certs::Wanted;
use crate::namespace::tests::{Asked, scripted};

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: RunArgs,
}

/// A host on which namespace `argocd` answers with `code`, and a folder with certificates.
fn host(code: u16) -> (Api, kube::Client, Asked, RunArgs, tempfile::TempDir) {
    let (namespace, asked) = scripted(&[], move |line, _| {
        line.contains("/argocd/").then(|| (code, json!("no"))).or_else(|| none_listed(line))
    });
    let folder = tempfile::tempdir().unwrap();
    let mut pki = Pki::default();
    pki.complete(Wanted::default(), SystemTime::now()).unwrap();
    certs::write_files(&pki, folder.path(), "https://127.0.0.1:8443").unwrap();
    let path = folder.path().to_str().unwrap();
    let line = ["run", "--name", "my-vc", "--namespace", "team-x", "--pki", path];
    let args = Line::try_parse_from(line).unwrap().args;
    let client = namespace.client().clone();
    (Api::new(client.clone(), Side::Host), client, asked, args, folder)
}

fn none_listed(line: &str) -> Option<(u16, Value)> {
    let empty = json!({ "metadata": { "resourceVersion": "1" }, "items": [] });
    line.starts_with("GET secrets?").then_some((200, empty))
}

fn config(yaml: &str) -> Config {
    vcluster_config::load("test", yaml).unwrap().config
}

const ELSEWHERE: &str =
    "exportKubeConfig: { additionalSecrets: [{ name: my-vc, namespace: argocd, format: argocd }] }";

#[tokio::test]
async fn missing_rights_elsewhere_hold_nothing_up_and_are_named() {
    let (host, client, asked, args, _folder) = host(403);
    kubeconfigs(&host, &config(ELSEWHERE), &args).await.unwrap();
    assert!(asked.lock().unwrap().contains(&"POST secrets".to_owned()), "vc-my-vc is there");
    assert!(!asked.lock().unwrap().iter().any(|line| line.contains("argocd")));
    let missing = all(&host, &client, &config(ELSEWHERE), &args).await;
    let [problem] = missing.as_slice() else { panic!("{missing:?}") };
    for part in ["Secret argocd/my-vc", "team-x:vc-my-vc", "create role vc-my-vc-export"] {
        assert!(problem.contains(part), "{problem}");
    }
}

#[tokio::test]
async fn nothing_is_owned_where_that_is_off() {
    for owned in [true, false] {
        let made = Arc::new(Mutex::new(Value::Null));
        let (_, _, _, args, _folder) = host(200);
        let service = json!({ "metadata": { "name": "my-vc", "uid": "u" } });
        let seen = Arc::clone(&made);
        let (namespace, _) = scripted(&[("services", service)], move |line, body| {
            if line == "POST secrets" {
                *seen.lock().unwrap() = body.clone();
            }
            None
        });
        let host = Api::new(namespace.client().clone(), Side::Host);
        let options = format!("experimental: {{ syncSettings: {{ setOwner: {owned} }} }}");
        kubeconfigs(&host, &config(&options), &args).await.unwrap();
        let metadata = made.lock().unwrap()["metadata"].clone();
        assert_eq!(metadata["name"], "vc-my-vc");
        assert_eq!(metadata.get("ownerReferences").is_some(), owned, "{metadata}");
    }
}

#[tokio::test]
async fn a_namespace_that_is_missing_is_named() {
    let (host, client, _, args, _folder) = host(404);
    let missing = all(&host, &client, &config(ELSEWHERE), &args).await;
    assert!(missing.concat().contains("kubectl create namespace argocd"), "{missing:?}");
}

#[tokio::test]
async fn a_second_look_writes_nothing() {
    let (host, client, asked, args, _folder) = host(200);
    let config = config("exportKubeConfig: { secret: { name: copy } }");
    assert_eq!(all(&host, &client, &config, &args).await, [""; 0]);
    let writes = || asked.lock().unwrap().iter().filter(|line| !line.starts_with("GET")).count();
    assert_eq!(writes(), 2, "{asked:?}");
    assert_eq!(all(&host, &client, &config, &args).await, [""; 0]);
    assert_eq!(writes(), 2, "{asked:?}");
}

#[tokio::test]
async fn what_is_somebody_elses_stays() {
    let foreign = json!({ "metadata": { "name": "copy" }, "data": {} });
    let (_, client, _, args, _folder) = host(200);
    let (namespace, asked) = scripted(&[("secrets", foreign)], |line, _| none_listed(line));
    let host = Api::new(namespace.client().clone(), Side::Host);
    let config = config("exportKubeConfig: { secret: { name: copy } }");
    kubeconfigs(&host, &config, &args).await.unwrap();
    let missing = all(&host, &client, &config, &args).await;
    assert!(missing.concat().contains("choose another name"), "{missing:?}");
    assert!(!asked.lock().unwrap().iter().any(|line| line.starts_with("PATCH")), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn the_notice_is_in_readyz() {
    let (host, client, _, args, _folder) = host(403);
    let health = Health::default();
    let check = health.register("exports", Gate::Notice);
    tokio::spawn(keep(host, client, config(ELSEWHERE), args, check));
    while !health.ready().to_string().contains("create rolebinding") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(health.ready().ok, "it fails nothing");
}
