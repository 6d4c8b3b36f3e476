//! The bed's network: one namespace for the control plane, which holds a bridge, and one for each node.
//!
//! Pods are routed, not bridged, so that a service's answer passes its node's connection tracking on every kernel.
//! The root namespace has an address on the bridge and routes to pods and services; nothing leads out of the bed.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::command::{command, run, run_with};
use super::family::Families;
use super::layout::{Layout, Node};

const BRIDGE: &str = "br0";
/// Where `ip netns` keeps its names.
const NAMES: &str = "/run/netns";

/// Makes all namespaces, links, addresses and routes.
///
/// # Errors
/// When one cannot be made; those made before stay, for [`remove`].
pub async fn make(layout: &Layout, nodes: &[Node]) -> Result<()> {
    let netns = layout.netns();
    let gateways = layout.control_plane_ips();
    ip(None, &format!("netns add {netns}\n")).await?;
    let bridge = format!("link set lo up\nlink add {BRIDGE} type bridge\nlink set {BRIDGE} up\n");
    ip(Some(&netns), &(bridge + &addresses(&gateways, BRIDGE))).await?;
    forward(&netns, layout.families())?;
    for node in nodes {
        let name = &node.netns;
        let link = format!("link add {name} netns {netns} type veth peer name eth0 netns {name}\n");
        ip(None, &format!("netns add {name}\n{link}")).await?;
        ip(Some(&netns), &format!("link set {name} master {BRIDGE} up\n")).await?;
        let mut lines = "link set lo up\nlink set eth0 up\n".to_owned();
        lines += &addresses(&node.ips, "eth0");
        lines.extend(gateways.iter().map(|gateway| route(default_of(gateway), gateway)));
        lines += &pod_routes(nodes.iter().filter(|other| other.name != node.name));
        ip(Some(name), &lines).await?;
        forward(name, layout.families())?;
    }
    let mut routes = pod_routes(nodes.iter());
    if let Some(first) = nodes.first() {
        // Services are balanced by a node's kube-proxy; any node will do.
        let ways = layout.service_cidrs();
        routes.extend(ways.iter().zip(&first.ips).map(|(range, via)| route(range, via)));
    }
    ip(Some(&netns), &routes).await?;
    let link = layout.root_link();
    ip(None, &format!("link add {link} type veth peer name root netns {netns}\n")).await?;
    ip(Some(&netns), &format!("link set root master {BRIDGE} up\n")).await?;
    let lines = format!("link set {link} up\n{}{routes}", addresses(&layout.root_ips(), &link));
    ip(None, &lines).await
}

/// Lets nothing pass to or from a node, or lets it pass again. Both may be done twice.
///
/// # Errors
/// When the bed has no such node.
pub async fn let_pass(layout: &Layout, node: &Node, pass: bool) -> Result<()> {
    let state = if pass { "up" } else { "down" };
    ip(Some(&layout.netns()), &format!("link set {} {state}\n", node.netns)).await
}

/// Removes all of it. What is not there is no error.
///
/// # Errors
/// When a namespace that is there cannot be removed.
pub async fn remove(layout: &Layout) -> Result<()> {
    for name in namespaces(layout) {
        run(command("ip").args(["netns", "delete", &name])).await?;
    }
    // The kernel removes the other end of a link some time after its namespace.
    if Path::new("/sys/class/net").join(layout.root_link()).exists() {
        let _ = run(command("ip").args(["link", "delete", &layout.root_link()])).await;
    }
    // `ip netns add` mounts the directory on itself; busy while somebody else has a namespace in it.
    if std::fs::read_dir(NAMES).is_ok_and(|mut names| names.next().is_none()) {
        let _ = rustix::mount::unmount(NAMES, rustix::mount::UnmountFlags::empty());
    }
    Ok(())
}

/// Names of the bed's namespaces that exist.
pub fn namespaces(layout: &Layout) -> Vec<String> {
    let mut names: Vec<String> =
        (1..=super::layout::MOST_NODES).map(|number| layout.node(number).netns).collect();
    names.push(layout.netns());
    names.retain(|name| file(name).exists());
    names
}

/// Runs `work` on a thread that is inside network namespace `netns`; processes started there stay in it.
///
/// # Errors
/// Those of `work`, or when there is no such namespace.
pub fn inside<T: Send>(netns: &str, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let path = file(netns);
    let handle = std::fs::File::open(&path)
        .with_context(|| format!("cannot open network namespace {}", path.display()))?;
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            move_into_link_name_space(
                std::os::fd::AsFd::as_fd(&handle),
                Some(LinkNameSpaceType::Network),
            )
            .with_context(|| format!("cannot enter network namespace {netns}"))?;
            work()
        });
        thread.join().map_err(|_| anyhow!("a thread in network namespace {netns} panicked"))?
    })
}

fn file(netns: &str) -> PathBuf {
    Path::new(NAMES).join(netns)
}

/// `/proc/sys/net` shows the namespace of the thread that looks.
fn forward(netns: &str, families: Families) -> Result<()> {
    inside(netns, || {
        for switch in families.each::<&str>("ipv4/ip_forward", "ipv6/conf/all/forwarding") {
            std::fs::write(Path::new("/proc/sys/net").join(switch), "1")
                .with_context(|| format!("cannot turn on {switch}"))?;
        }
        Ok(())
    })
}

/// Nobody else is on the bridge, so nobody is asked whether an address of IPv6 is taken.
fn addresses(ips: &[IpAddr], link: &str) -> String {
    let line = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => format!("addr add {ip}/24 dev {link}\n"),
        IpAddr::V6(ip) => format!("addr add {ip}/64 dev {link} nodad\n"),
    };
    ips.iter().map(line).collect()
}

fn pod_routes<'a>(nodes: impl Iterator<Item = &'a Node>) -> String {
    nodes
        .flat_map(|node| node.pod_cidrs.iter().zip(&node.ips))
        .map(|(range, via)| route(range, via))
        .collect()
}

fn default_of(gateway: &IpAddr) -> &'static str {
    if gateway.is_ipv4() { "0.0.0.0/0" } else { "::/0" }
}

fn route(range: &str, via: &IpAddr) -> String {
    format!("route add {range} via {via}\n")
}

/// Runs lines of `ip` commands, in a namespace or in the root one.
async fn ip(netns: Option<&str>, lines: &str) -> Result<()> {
    let mut ip = command("ip");
    if let Some(netns) = netns {
        ip.args(["-netns", netns]);
    }
    run_with(ip.args(["-batch", "-"]), lines)
        .await
        .map(drop)
        .with_context(|| format!("ip was told:\n{lines}"))
}
