//! A real node that is lost, and comes back.

use std::time::Duration;

use anyhow::Result;
use rustix::process::Signal;

use super::layout::Node;
use super::nodes::KUBELET_HEALTH_PORT;
use super::wait::until;
use super::{TestBed, cgroups, network, processes, teardown};

/// What of a node has a record, in the order in which it is started.
const AGENTS: [&str; 3] = ["containerd", "kubelet", "kube-proxy"];

impl TestBed {
    /// Takes a node away as a loss of power does: at once no packet leaves it, not even one that would end a connection,
    /// and all that runs on it ends. Its disk stays.
    ///
    /// # Errors
    /// When the bed has no such node, or something on it goes on.
    pub async fn lose_node(&self, node: &Node) -> Result<()> {
        network::let_pass(&self.layout, node, false).await?;
        for agent in AGENTS.iter().rev() {
            self.stop(&format!("{agent}-{}", node.name)).await?;
        }
        until(&format!("the end of {}", node.name), Duration::from_secs(20), || async {
            let mut living = cgroups::processes(&node.netns)?;
            living.extend(teardown::shims_in(&node.dir)?);
            living.retain(|pid| processes::start_time(*pid).is_some());
            living.iter().for_each(|pid| processes::kill(*pid, Signal::KILL));
            Ok(living.is_empty())
        })
        .await
    }

    /// Brings back a node that was lost, wholly or in part.
    ///
    /// # Errors
    /// When something on it does not start.
    pub async fn return_node(&self, node: &Node) -> Result<()> {
        network::let_pass(&self.layout, node, true).await?;
        for agent in AGENTS {
            let name = format!("{agent}-{}", node.name);
            // A kubelet gives up when its runtime is not there yet.
            until(&name, Duration::from_secs(60), || async {
                self.start(&name)?;
                Ok(agent != "kubelet" || answers(node, KUBELET_HEALTH_PORT).await)
            })
            .await?;
        }
        Ok(())
    }
}

async fn answers(node: &Node, port: u16) -> bool {
    tokio::net::TcpStream::connect((node.ip, port)).await.is_ok()
}
