//! kubectl logs.

use std::time::Duration;

use crate::kubectl::{Protocol, Running};
use crate::rig::Rig;

const ANY: Protocol = Protocol::WebSocket;

/// A line is shown within this time.
const SOON: Duration = Duration::from_secs(1);

pub fn read(rig: &Rig) {
    let main = rig.output(ANY, &["logs", "web", "-c", "main"]);
    assert!(main.contains("8080"), "{main}");
    let side = rig.output(ANY, &["logs", "web", "-c", "side"]);
    assert!(side.contains("8081"), "{side}");
    let last = rig.output(ANY, &["logs", "web", "-c", "main", "--tail=1", "--timestamps"]);
    assert_eq!(last.lines().count(), 1, "{last}");
    assert!(last.starts_with("20"), "{last}");
    assert_eq!(rig.output(ANY, &["logs", "web", "-c", "main", "--limit-bytes=5"]).len(), 5);
    assert_eq!(
        rig.output(ANY, &["logs", "web", "-c", "main", "--since-time=2999-01-01T00:00:00Z"]),
        ""
    );
    let all = rig.output(ANY, &["logs", "web", "--all-containers", "--prefix"]);
    assert!(all.contains("[pod/web/main]") && all.contains("[pod/web/side]"), "{all}");
}

/// A buffer on the way would hold the line back for good.
pub fn followed(rig: &Rig) {
    let mut log =
        Running::start(&mut rig.kubectl(ANY, &["logs", "-f", "web", "-c", "main", "--tail=0"]));
    let print = |line: &str| {
        let print = format!("echo {line} > /proc/1/fd/1");
        rig.output(ANY, &["exec", "web", "-c", "main", "--", "sh", "-c", &print]);
    };
    // What is printed before it follows is not shown.
    let begun = (0..20).any(|_| {
        print("begin");
        log.has_line_with("begin", SOON)
    });
    assert!(begun, "it does not follow");
    for number in 0..3 {
        let line = format!("marker-{number}");
        print(&line);
        log.line_with(&line);
    }
    assert!(log.goes_on());
}

pub fn errors(rig: &Rig) {
    for arguments in [
        &["logs", "stuck"][..],
        &["logs", "web", "-c", "main", "--previous"],
        &["logs", "web", "-c", "main", "--tail=-5"],
    ] {
        let pod = if arguments.contains(&"stuck") { "stuck" } else { "web" };
        let arguments: Vec<&str> =
            if pod == "stuck" { vec!["logs", "stuck", "-c", "main"] } else { arguments.to_vec() };
        let (inside, host) = rig.failures(ANY, &arguments, pod);
        assert_eq!(inside, host, "{arguments:?}");
    }
}

/// Neither through the API server, which knows its own pods, nor through the node.
pub fn added_container(rig: &Rig) {
    let (inside, _) = (rig.kubectl(ANY, &["logs", "web", "-c", "added"]).output().unwrap(), ());
    assert!(!inside.status.success());
    let path = "/api/v1/nodes/fake-1/proxy/containerLogs/apps/web/added";
    let node = rig.kubectl(ANY, &["get", "--raw", path]).output().unwrap();
    let said = String::from_utf8_lossy(&node.stderr);
    assert!(!node.status.success() && said.contains("NotFound"), "{said}");
    let path = "/api/v1/nodes/fake-1/proxy/containerLogs/apps/web/main";
    assert!(rig.output(ANY, &["get", "--raw", path]).contains("8080"));
}
