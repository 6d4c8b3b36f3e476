//! Who may ask a node, and for what.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams};
use serde_json::json;
use vcluster_syncer::kubelet::NodeEndpoint;
use vcluster_syncer::shutdown::Shutdown;

use crate::host::{INSIDE, container};
use crate::kubectl::{PATIENCE, Protocol, run};
use crate::rig::Rig;

const EXEC: &str = "/exec/apps/web/main?output=1&command=id";
const WEBSOCKET: &str = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                         sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nsec-websocket-protocol: v4.channel.k8s.io\r\n";
const SPDY: &str =
    "connection: Upgrade\r\nupgrade: SPDY/3.1\r\nx-stream-protocol-version: v4.channel.k8s.io\r\n";
const CLOSE: &str = "connection: close\r\n";

pub fn strangers(rig: &Rig) {
    for target in ["/healthz", "/pods", "/containerLogs/apps/web/main"] {
        assert_eq!(rig.status(None, "GET", target, CLOSE), 401, "{target}");
        let forged = format!(
            "{CLOSE}authorization: Bearer forged\r\nx-remote-user: admin\r\nx-remote-group: system:masters\r\n"
        );
        assert_eq!(rig.status(None, "GET", target, &forged), 401, "{target}");
    }
    assert_eq!(
        rig.status(None, "GET", EXEC, &format!("{WEBSOCKET}authorization: Basic YTpi\r\n")),
        401
    );
    // Even an administrator's certificate is none here: the CA that signed it also signs what users ask for.
    let admin = rig.cluster.ca.sign("admin", "system:masters", &[]);
    let request = b"GET /healthz HTTP/1.1\r\nhost: node\r\nconnection: close\r\n\r\n";
    let refused = rig.runtime.block_on(rig.say(rig.node, Some(&admin), request));
    assert!(refused.is_err(), "{refused:?}");
}

/// A service account with one rule, and its token.
fn token(rig: &Rig, name: &str, verb: &str, resource: &str, node: Option<&str>) -> String {
    let any = Protocol::WebSocket;
    rig.output(any, &["create", "serviceaccount", name]);
    let (verb, resource) = (format!("--verb={verb}"), format!("--resource={resource}"));
    let mut role = vec!["create", "clusterrole", name, &verb, &resource];
    let node = node.map(|node| format!("--resource-name={node}"));
    role.extend(node.as_deref());
    rig.output(any, &role);
    let account = format!("--serviceaccount={INSIDE}:{name}");
    rig.output(
        any,
        &["create", "clusterrolebinding", name, &format!("--clusterrole={name}"), &account],
    );
    rig.output(any, &["create", "token", name]).trim().to_owned()
}

pub fn tokens(rig: &Rig) {
    let reader = token(rig, "reader", "get", "nodes/proxy", None);
    let scraper = token(rig, "scraper", "get", "nodes/metrics,nodes/stats", None);
    let operator = token(rig, "operator", "create", "nodes/proxy", Some("fake-1"));
    let elsewhere = token(rig, "elsewhere", "get,create", "nodes/proxy", Some("fake-2"));
    let status = |token: &str, method: &str, target: &str, headers: &str| {
        rig.status(None, method, target, &format!("{headers}authorization: Bearer {token}\r\n"))
    };
    let log = "/containerLogs/apps/web/main";
    for (target, with_reader, with_scraper) in [
        ("/healthz", 200, 403),
        ("/pods", 200, 403),
        ("/runningpods/", 200, 403),
        (log, 200, 403),
        ("/metrics", 403, 200),
    ] {
        assert_eq!(status(&reader, "GET", target, CLOSE), with_reader, "{target}");
        assert_eq!(status(&scraper, "GET", target, CLOSE), with_scraper, "{target}");
        assert_eq!(status(&elsewhere, "GET", target, CLOSE), 403, "{target}");
        assert_eq!(status(&operator, "GET", target, CLOSE), 403, "{target}");
    }
    // To read is not to run: a WebSocket begins with a GET.
    for (method, headers) in [("GET", WEBSOCKET), ("POST", SPDY), ("GET", SPDY)] {
        for target in [EXEC, "/attach/apps/web/main?output=1", "/portForward/apps/web?port=8080"] {
            for token in [&reader, &scraper, &elsewhere] {
                assert_eq!(status(token, method, target, headers), 403, "{method} {target}");
            }
        }
        assert_eq!(status(&operator, method, EXEC, headers), 101, "{method} {headers}");
    }
    // A right that is taken away does not work for long.
    rig.output(Protocol::WebSocket, &["delete", "clusterrolebinding", "reader"]);
    let give_up = Instant::now() + PATIENCE;
    while status(&reader, "GET", log, CLOSE) != 403 {
        assert!(Instant::now() < give_up, "the right still works");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// As the virtual API server itself, to whom nothing else is refused.
pub fn hostile_paths(rig: &Rig) {
    let corpus = include_str!("../hostile_paths.txt");
    let identity = Some(&rig.cluster.kubelet_client);
    for path in corpus.lines().filter(|line| !line.is_empty() && !line.starts_with("# ")) {
        for (method, headers) in [("GET", CLOSE), ("POST", CLOSE), ("GET", WEBSOCKET)] {
            let status = rig.status(identity, method, path, headers);
            assert!(matches!(status, 400 | 403), "{method} {path}: {status}");
        }
    }
    for method in ["PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "BREW"] {
        assert_eq!(rig.status(identity, method, "/pods", CLOSE), 405, "{method}");
        assert_eq!(rig.status(identity, method, EXEC, CLOSE), 405, "{method}");
    }
    assert_eq!(rig.status(identity, "POST", "/pods", CLOSE), 405);
    assert_eq!(rig.status(identity, "GET", EXEC, CLOSE), 400, "no upgrade");
}

/// The host would refuse what the impersonated user may not do, or a token that is none.
pub fn headers(rig: &Rig) {
    let headers = format!(
        "{WEBSOCKET}impersonate-user: system:anonymous\r\nimpersonate-group: system:unauthenticated\r\n\
         authorization: Bearer forged\r\ncookie: a=b\r\nx-remote-user: nobody\r\n"
    );
    assert_eq!(rig.status(Some(&rig.cluster.kubelet_client), "GET", EXEC, &headers), 101);
}

/// The host pod of a virtual pod that was deleted and made again under its name is the old pod's until the syncer has
/// seen to it.
pub fn made_again(rig: &Rig) {
    let path = "/api/v1/nodes/fake-1/proxy/containerLogs/apps/again/main";
    let ask = || run(&mut rig.kubectl(Protocol::WebSocket, &["get", "--raw", path]), b"");
    let host = rig.sides.directory.namespace.clone();
    rig.runtime.block_on(async {
        let spec = json!({"containers": [container("main", &["/agnhost", "netexec", "--http-port=8080"])]});
        rig.sides.make_pod("again", spec.clone()).await.unwrap();
        rig.sides.mirror_status("again").await.unwrap();
    });
    assert!(ask().status.success());
    rig.runtime.block_on(async {
        let pods: Api<Pod> = rig.sides.inside_pods();
        let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
        pods.delete("again", &now).await.unwrap();
        let spec = json!({"containers": [container("main", &["sh"])]});
        rig.sides.make_inside("again", &spec).await.unwrap();
    });
    let refused = ask();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && !said.contains(&host), "{said}");
    let log = "/containerLogs/apps/again/main";
    assert_eq!(rig.status(Some(&rig.cluster.kubelet_client), "GET", log, CLOSE), 404);
    let by_uid = "/exec/apps/web/0000-0000/main?output=1&command=id";
    assert_eq!(rig.status(Some(&rig.cluster.kubelet_client), "GET", by_uid, WEBSOCKET), 404);
}

pub fn limits(rig: &Rig) {
    let shutdown = Shutdown::new(Duration::from_secs(2));
    let servers = rig.other_servers(1, &shutdown);
    rig.runtime.block_on(async {
        let endpoint = NodeEndpoint { port: 0, addresses: vec![rig.node.ip()], names: Vec::new() };
        let mut node = servers.ensure("fake-1", endpoint.clone()).await.unwrap();
        assert_eq!(servers.ensure("fake-1", endpoint).await.unwrap(), node, "asked again");
        node.set_ip(rig.node.ip());
        let mut first = rig.cat(node).await.unwrap();
        assert_eq!(first.echo("one").await.as_deref(), Some("one"));
        let second = rig.cat(node).await.err().unwrap().to_string();
        assert!(second.contains("1 streams are open"), "{second}");

        servers.remove("fake-1").await;
        assert_eq!(first.echo("still here").await.as_deref(), Some("still here"));
        let give_up = Instant::now() + PATIENCE;
        while tokio::net::TcpStream::connect(node).await.is_ok() {
            assert!(Instant::now() < give_up, "the port is still open");
        }
        shutdown.begin();
        servers.finish().await;
        let ended = tokio::time::timeout(PATIENCE, first.echo("too late")).await;
        assert_eq!(ended.unwrap(), None);
    });
}
