//! Whether a node's address leads back to this pod.
//!
//! The virtual API server runs in the syncer's own pod and dials the ClusterIP of a node's Service, which leads back to the
//! same pod. Not every pod network lets a pod reach itself that way (the CNI bridge plugin wants `hairpinMode`); where it
//! does not, logs and exec time out without a word. So the way is tried from here, where it is the same one.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::admin::Check;

/// The port of the node Services, and of kubelets in general.
pub(super) const KUBELET_PORT: u16 = 10250;

const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// A new Service takes a moment to work everywhere.
const TRIES: u32 = 10;
const BETWEEN_TRIES: Duration = Duration::from_secs(3);
/// The pod network of a running pod hardly changes.
const AGAIN_AFTER: Duration = Duration::from_secs(600);

/// Tries one node's address, again when another node is the one to try; ends with the sender.
pub(super) async fn report(mut nodes: watch::Receiver<Option<SocketAddr>>, check: Check) {
    loop {
        let node = *nodes.borrow_and_update();
        let tried = async {
            if let Some(node) = node {
                try_until_sure(node, &check).await;
                sleep(AGAIN_AFTER).await;
            } else {
                check.ok();
                std::future::pending().await
            }
        };
        tokio::select! {
            () = tried => {}
            changed = nodes.changed() => if changed.is_err() { return },
        }
    }
}

async fn try_until_sure(node: SocketAddr, check: &Check) {
    let mut last = String::new();
    for _ in 0..TRIES {
        match timeout(ANSWER_WITHIN, TcpStream::connect(node)).await {
            Ok(Ok(_)) => {
                check.ok();
                return;
            }
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => last = format!("no answer within {ANSWER_WITHIN:?}"),
        }
        sleep(BETWEEN_TRIES).await;
    }
    tracing::warn!(%node, error = last, "this pod cannot reach itself through a Service");
    check.failing(format!(
        "this pod does not reach itself through the Service of a node ({node}: {last}): kubectl logs, exec and \
         port-forward will time out inside; the host's pod network must allow it (bridge plugin: hairpinMode)"
    ));
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpListener;

    use super::*;
    use crate::admin::{Gate, Health};

    #[tokio::test(start_paused = true)]
    async fn it_says_when_a_node_cannot_be_reached_and_when_it_can() {
        let health = Health::default();
        let closed = {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            listener.local_addr().unwrap()
        };
        let (tell, nodes) = watch::channel(None);
        let reporting = tokio::spawn(report(nodes, health.register("kubelet-path", Gate::Notice)));
        tell.send_replace(Some(closed));
        sleep((ANSWER_WITHIN + BETWEEN_TRIES) * (TRIES + 1)).await;
        let report = health.ready();
        assert!(report.ok, "a notice fails nothing");
        assert!(
            report.to_string().contains("[!]kubelet-path: this pod does not reach itself"),
            "{report}"
        );

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        tell.send_replace(Some(listener.local_addr().unwrap()));
        listener.accept().await.unwrap();
        while health.ready().to_string().contains("[!]") {
            tokio::task::yield_now().await;
        }
        drop(tell);
        reporting.await.unwrap();
    }
}
