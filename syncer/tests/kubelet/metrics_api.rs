//! The metrics API, as the virtual API server asks it.

use std::net::SocketAddr;

use rustls::pki_types::ServerName;
use vcluster_config::MetricsServer;

use crate::raw::code;
use crate::rig::Rig;
use crate::virtual_cluster::{Ca, Signed};

const NAME: &str = "metrics.example.svc";
const ROOT: &str = "/apis/metrics.k8s.io/v1beta1";

pub fn callers(rig: &Rig) {
    let ca = Ca::new("front-proxy-ca");
    let ours = ca.sign("front-proxy-client", "", &[]);
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let options = MetricsServer { enabled: true, nodes: false, pods: true };
    let authority = ca.certificate.clone();
    let served = rig.servers.serve_metrics_api(anywhere, NAME, authority, &options);
    let address = rig.runtime.block_on(served).unwrap();
    let ask = |identity: Option<&Signed>, request: &str| {
        let request = format!("{request} HTTP/1.1\r\nhost: {NAME}\r\nconnection: close\r\n\r\n");
        let name = ServerName::try_from(NAME).unwrap();
        rig.runtime.block_on(rig.say_to(name, address, identity, request.as_bytes()))
    };
    let status = |identity, request: &str| code(&ask(identity, request).unwrap()).unwrap();

    assert_eq!(status(Some(&ours), &format!("GET {ROOT}")), 200);
    assert_eq!(status(Some(&ours), &format!("GET {ROOT}/nodes")), 404, "it is turned off");
    assert_eq!(status(Some(&ours), "GET /api/v1/secrets"), 404);
    assert_eq!(status(Some(&ours), &format!("DELETE {ROOT}/pods")), 405);
    assert_eq!(status(Some(&ours), &format!("GET {ROOT}/pods?watch=1")), 405);
    assert_eq!(status(Some(&ours), &format!("GET {ROOT}/namespaces/apps/pods/none")), 404);

    assert_eq!(status(None, &format!("GET {ROOT}")), 401, "nobody");
    let administrator = rig.cluster.ca.sign("admin", "system:masters", &[]);
    assert!(ask(Some(&administrator), &format!("GET {ROOT}")).is_err(), "of another authority");
}
